#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| troupe_core::fuzzing::config(text));
