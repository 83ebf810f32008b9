//! Packing of structures and strings into buffers of any size.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mpr_plugin::pack::{Narrow, Packer, ResourceEncoding, Wide};
use mpr_plugin::{NetResource, WideString};

#[derive(Debug, Arbitrary)]
struct Input {
    entries: Vec<[Option<Vec<u16>>; 4]>,
    bytes: u16,
    /// Moves the buffer off its alignment.
    offset: u8,
}

fuzz_target!(|input: Input| {
    let entries: Vec<NetResource> = input.entries.iter().map(entry).collect();
    pack::<Wide>(&entries, &input);
    pack::<Narrow>(&entries, &input);
});

fn entry(texts: &[Option<Vec<u16>>; 4]) -> NetResource {
    let [local, remote, comment, provider] =
        texts.clone().map(|text| text.map(|units| WideString::from_vec_truncate(units)));
    NetResource { local, remote, comment, provider, ..NetResource::default() }
}

fn pack<E: ResourceEncoding>(entries: &[NetResource], input: &Input) {
    let offset = usize::from(input.offset % 8);
    let bytes = usize::from(input.bytes);
    // The sanitizer watches both ends.
    let mut buffer = vec![0_u8; offset + bytes].into_boxed_slice();
    // SAFETY: `bytes` bytes are there behind `offset`.
    let mut packer = unsafe { Packer::new(buffer.as_mut_ptr().add(offset), bytes) };
    for entry in entries {
        let room = packer.room();
        match packer.resource::<E>(entry) {
            Ok(()) => {
                let strings = [&entry.local, &entry.remote, &entry.comment, &entry.provider];
                let text: usize = strings.into_iter().flatten().map(|text| E::units(text)).sum();
                let taken = room - packer.room();
                assert!(taken >= size_of::<E::Resource>() + text * size_of::<E::Unit>());
            }
            Err(needed) => {
                assert!(needed + size_of::<E::Unit>() > room, "refused although there was room");
                assert_eq!(packer.room(), room, "a refused entry takes nothing");
                let mut fresh = vec![0_u8; needed];
                // SAFETY: the buffer is as long as said.
                let mut packer = unsafe { Packer::new(fresh.as_mut_ptr(), needed) };
                assert_eq!(packer.resource::<E>(entry), Ok(()), "the size asked for is enough");
                return;
            }
        }
    }
}
