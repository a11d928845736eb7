#![no_main]

libfuzzer_sys::fuzz_target!(|answer: &[u8]| troupe_worker::fuzzing::anthropic(answer));
