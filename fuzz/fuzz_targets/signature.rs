#![no_main]

libfuzzer_sys::fuzz_target!(|header: &str| troupe_server::fuzzing::signature(header));
