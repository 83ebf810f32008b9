//! Names of resources and devices, as any program may pass them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mpr_core::device::LocalDevice;
use mpr_core::remote::{Unc, canonical, same_resource};

fuzz_target!(|bytes: &[u8]| {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    check(&units);
    // The same bytes as text reach the parsers' depths sooner.
    if let Ok(text) = std::str::from_utf8(bytes) {
        check(&text.encode_utf16().collect::<Vec<_>>());
    }
});

fn check(name: &[u16]) {
    assert!(same_resource(name, name));
    if let Ok(Some(rewritten)) = canonical(name) {
        assert_eq!(canonical(&rewritten.name), Ok(None), "a canonical name is left alone");
        assert!(rewritten.user.is_none_or(|user| !user.is_empty()));
    }
    if let Some(device) = LocalDevice::parse(name) {
        let canonical: Vec<u16> = device.to_string().encode_utf16().collect();
        assert_eq!(LocalDevice::parse(&canonical), Some(device), "a canonical device is itself");
    }
    if let Ok(text) = String::from_utf16(name)
        && let Some(unc) = Unc::parse(&text)
    {
        let again = unc.to_string();
        assert_eq!(Unc::parse(&again), Some(unc), "what was taken apart can be put together");
    }
}
