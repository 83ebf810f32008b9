//! The remembered connections, a file that other programs and people edit.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let contents = mpr::store::parse(bytes);
    for device in contents.entries.iter().map(|entry| &entry.device) {
        assert!(contents.entry(device).is_some(), "what is listed is found");
    }
});
