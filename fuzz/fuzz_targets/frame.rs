#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use troupe_core::events::Frame;

fuzz_target!(|encoded: &[u8]| {
    if let Some(frame) = Frame::decode(Bytes::copy_from_slice(encoded)) {
        assert_eq!(frame.encoded(), encoded);
        assert!(encoded.ends_with(frame.json()));
    }
});
