# What a bare Debian or Ubuntu machine with Rust needs is installed first; everything else is cargo.

.PHONY: demo test lint bench build setup

demo: setup
	cargo run --release --locked -- demo

test: setup
	cargo test --locked

lint: setup
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items

bench: setup
	cargo bench --locked

build: setup
	cargo build --release --locked

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
