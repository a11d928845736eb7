#![no_main]

use libfuzzer_sys::fuzz_target;
use troupe_core::model::providers::Link;

fuzz_target!(|text: &str| {
    if let Ok(link) = text.parse::<Link>() {
        assert_eq!(link.to_string().parse(), Ok(link), "what was read is written as it is read");
    }
});
