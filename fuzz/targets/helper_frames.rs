//! What a caller's process reads from a helper, and a helper from a caller: frames, requests, records, and
//! the kernel's mount table.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mpr_helper::control::{Order, Reply};
use mpr_helper::frame;
use mpr_helper::mounts::Table;
use mpr_helper::protocol::{Event, Request};
use mpr_helper::record::{self, Record, Slot};

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok(Some(decoded)) = frame::decode(rest) {
        body(decoded.body);
        assert!(decoded.rest.len() < rest.len());
        rest = decoded.rest;
    }
    body(bytes);
    let mut stream = bytes;
    while let Ok(Some(_)) = frame::read(&mut stream) {}
    _ = Table::parse(bytes);
    _ = record::start_time(bytes);
    if let Ok(record) = Record::parse(bytes) {
        assert_eq!(Record::parse(&record.encode()).ok(), Some(record));
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Some(slot) = Slot::from_stem(text)
    {
        assert!(!slot.stem().contains(['/', '\0']), "a slot is a file name");
    }
});

fn body(bytes: &[u8]) {
    _ = serde_json::from_slice::<Request>(bytes);
    _ = serde_json::from_slice::<Event>(bytes);
    _ = serde_json::from_slice::<Order>(bytes);
    _ = serde_json::from_slice::<Reply>(bytes);
}
