#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| obo_proxy::fuzzing::bearer(data));
