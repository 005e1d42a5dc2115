# What a bare Debian or Ubuntu machine with Rust needs is installed first; everything else is cargo.

.PHONY: demo test lint bench instructions fuzz soak build optimized profile setup setup-bench setup-clients setup-faults \
  setup-fuzz setup-profile setup-valgrind

HOST := $(shell rustc -vV | sed -n 's/^host: //p')
LLVM := $(shell rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
PROFILE := target/profile/obo-proxy.profdata
WITH_PROFILE := -Cprofile-use=$(CURDIR)/$(PROFILE)

demo: setup
	cargo run --release --locked -- demo

test: setup setup-clients setup-faults
	cargo test --locked

lint: setup
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items

# Figures are written to benches/results. The program, and bare Pingora beside it, are built with a profile if one can be had.
bench: setup setup-bench setup-valgrind
	@$(MAKE) $(PROFILE) || echo "there is no profile: measured without one" >&2
	@test ! -f $(PROFILE) || export RUSTFLAGS="$(WITH_PROFILE)"; \
	for bench in compare instructions micro scale; do \
	  cargo bench --locked --target $(HOST) --bench $$bench || exit; \
	done

# Instructions of a warm request, and the functions that take them. MORE=--profile tells what they take with all they call.
instructions: setup setup-valgrind
	cargo bench --locked --bench instructions -- $(MORE)

# Each fuzzer for TIME seconds; `make -j2 fuzz` runs two at a time. What they find besides the seeds is kept below the
# target directory and used again; an input that breaks a property is left in fuzz/artifacts.
TIME ?= 600
FUZZERS = path bearer jwt challenge idp_answer routes_yaml

fuzz: $(FUZZERS:%=fuzz-%)

# Sanitizers need no nightly compiler, only the permission to use what is not stable.
fuzz-%: setup-fuzz
	mkdir -p target/fuzz/corpus/$*
	RUSTC_BOOTSTRAP=1 cargo fuzz run --target-dir target/fuzz $* target/fuzz/corpus/$* fuzz/seeds/$* -- \
	  -dict=fuzz/dictionaries/$*.dict -max_total_time=$(TIME) -timeout=60 -rss_limit_mb=1024

# Change under load, a crowd of useless connections, and MINUTES of mixed load (30 bring a million distinct tokens).
MINUTES ?= 30

soak: setup
	cargo bench --locked --bench soak -- change
	cargo bench --locked --bench soak -- crowd
	cargo bench --locked --bench soak -- mixed $(MINUTES)

build: setup
	cargo build --release --locked

# The same, with the paths preferred that requests take: a fifth less CPU a request, for another build that notes them.
# MORE=--no-default-features for production.
optimized: setup $(PROFILE)
	RUSTFLAGS="$(WITH_PROFILE)" cargo build --release --locked --target $(HOST) $(MORE)

$(PROFILE):
	$(MAKE) profile

# Which way the code goes while it is loaded, noted by a build of its own. To be repeated when much has changed, or a
# dependency: what has changed since is built as without a profile, and a dependency changes the names of all.
profile: setup setup-profile
	rm -rf target/profile/raw
	RUSTFLAGS="-Cprofile-generate=$(CURDIR)/target/profile/raw" \
	  cargo bench --locked --target $(HOST) --target-dir target/profile --bench compare -- --train
	"$$($(LLVM_PROFDATA))" merge -o $(PROFILE) target/profile/raw/*.profraw

# That of the compiler's toolchain (rustup component llvm-tools), or one of the same version of LLVM.
LLVM_PROFDATA = find "$$(rustc --print sysroot)/lib/rustlib" -name llvm-profdata | grep . || \
  command -v llvm-profdata-$(LLVM) || command -v llvm-profdata

# cmake and a C compiler build zlib-ng and aws-lc.
setup:
	@missing=""; \
	command -v cmake >/dev/null || missing="$$missing cmake"; \
	command -v cc >/dev/null || missing="$$missing gcc libc6-dev"; \
	if [ -n "$$missing" ]; then \
	  command -v apt-get >/dev/null || { echo "please install:$$missing" >&2; exit 1; }; \
	  SUDO=""; [ "$$(id -u)" = 0 ] || SUDO=sudo; \
	  $$SUDO apt-get update -q && $$SUDO apt-get install -qy --no-install-recommends $$missing; \
	fi

# Client libraries in Python and JavaScript are part of the tests, which install them below the target directory.
setup-clients:
	@absent() { \
	  python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || echo python3-venv; \
	  node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' 2>/dev/null || echo nodejs; \
	  npm --version >/dev/null 2>&1 || echo npm; \
	  PATH="$$PATH:/usr/sbin" command -v nginx >/dev/null || echo nginx-light; \
	}; \
	missing=$$(absent); \
	if [ -n "$$missing" ] && command -v apt-get >/dev/null; then \
	  SUDO=""; [ "$$(id -u)" = 0 ] || SUDO=sudo; \
	  $$SUDO apt-get update -q && $$SUDO apt-get install -qy --no-install-recommends $$missing; \
	  missing=$$(absent); \
	fi; \
	if [ -n "$$missing" ]; then \
	  echo "the tests need Python 3.10 or newer with venv, Node.js 18 or newer, npm, and nginx; please install:" $$missing >&2; \
	  exit 1; \
	fi

# Counts instructions.
setup-valgrind:
	@if ! command -v vgdb >/dev/null && command -v apt-get >/dev/null; then \
	  SUDO=""; [ "$$(id -u)" = 0 ] || SUDO=sudo; \
	  $$SUDO apt-get update -q && $$SUDO apt-get install -qy --no-install-recommends valgrind; \
	fi; \
	command -v vgdb >/dev/null || { echo "please install: valgrind" >&2; exit 1; }

# Merges profiles.
setup-profile:
	@if ! { $(LLVM_PROFDATA); } >/dev/null; then \
	  rustup component add llvm-tools 2>/dev/null || { command -v apt-get >/dev/null && { \
	    SUDO=""; [ "$$(id -u)" = 0 ] || SUDO=sudo; \
	    $$SUDO apt-get update -q && $$SUDO apt-get install -qy --no-install-recommends llvm-$(LLVM); \
	  }; }; \
	fi; \
	{ $(LLVM_PROFDATA); } >/dev/null || { echo "please install: llvm-profdata of LLVM $(LLVM)" >&2; exit 1; }

# What the program is compared with. Envoy, Traefik and Caddy are installed by the benchmark, below the target directory.
# What cannot be had is left out of the comparison.
setup-bench:
	@absent() { \
	  python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || echo python3-venv; \
	  PATH="$$PATH:/usr/sbin" command -v nginx >/dev/null || echo nginx-light; \
	  PATH="$$PATH:/usr/sbin" command -v haproxy >/dev/null || echo haproxy; \
	}; \
	missing=$$(absent); \
	if [ -n "$$missing" ] && command -v apt-get >/dev/null; then \
	  SUDO=""; [ "$$(id -u)" = 0 ] || SUDO=sudo; \
	  $$SUDO apt-get update -q && $$SUDO apt-get install -qy --no-install-recommends $$missing; \
	  missing=$$(absent); \
	fi; \
	if [ -n "$$missing" ]; then echo "compared without:" $$missing >&2; fi

setup-fuzz: setup
	@command -v cargo-fuzz >/dev/null || cargo install --locked --version 0.13.1 cargo-fuzz
	RUSTC_BOOTSTRAP=1 cargo fuzz build --target-dir target/fuzz

# Libraries that tests put before the program, so that its clock jumps and names resolve or do not.
setup-faults:
	@absent() { \
	  find /usr/lib /usr/lib64 /lib -maxdepth 3 -name libfaketimeMT.so.1 2>/dev/null | grep -q . || echo libfaketime; \
	  find /usr/lib /usr/lib64 /lib -maxdepth 3 -name libnss_wrapper.so 2>/dev/null | grep -q . || echo libnss-wrapper; \
	}; \
	missing=$$(absent); \
	if [ -n "$$missing" ] && command -v apt-get >/dev/null; then \
	  SUDO=""; [ "$$(id -u)" = 0 ] || SUDO=sudo; \
	  $$SUDO apt-get update -q && $$SUDO apt-get install -qy --no-install-recommends $$missing; \
	  missing=$$(absent); \
	fi; \
	if [ -n "$$missing" ]; then echo "the tests need:" $$missing >&2; exit 1; fi
