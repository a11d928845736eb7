#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| troupe_core::fuzzing::media_type(bytes));
