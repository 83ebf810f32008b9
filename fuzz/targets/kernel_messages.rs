//! What the mounting helper reads from the kernel. The kernel is trusted, but a length that is believed would be
//! one too many.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mpr_fuse::{Message, Operation};

fuzz_target!(|bytes: &[u8]| {
    look(bytes);
    // A header that is right, so that what follows it is read, too.
    if let Some((opcode, body)) = bytes.split_first() {
        let mut message = Vec::with_capacity(40 + body.len());
        message.extend(u32::try_from(40 + body.len()).unwrap_or(u32::MAX).to_ne_bytes());
        message.extend(u32::from(*opcode).to_ne_bytes());
        message.resize(40, 0);
        message.extend_from_slice(body);
        look(&message);
    }
});

fn look(message: &[u8]) {
    match Message::parse(message) {
        Ok((_, Message::Write(_, range))) => assert!(range.end <= message.len()),
        Ok((_, Message::Forget(forgotten))) => {
            let mut count = 0;
            forgotten.each(|_, _| count += 1);
            assert!(count <= message.len() / 16 + 1);
        }
        Ok((_, Message::Ask(Operation::Lookup { name } | Operation::Unlink { name }))) => {
            assert!(!name.is_empty() && !name.as_encoded_bytes().contains(&b'/'));
        }
        _ => {}
    }
}
