#![no_main]

libfuzzer_sys::fuzz_target!(|made_up: &[u8]| troupe_server::fuzzing::forwarded(made_up));
