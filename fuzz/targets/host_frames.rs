//! What a router reads from a host, and a host from a router. A plug-in can write anything to its host's end
//! of the socket.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mpr_helper::frame::{self, Kind};
use mpr_helper::host::provider::{Ask, Told};
use mpr_helper::host::{Call, Load, Loaded, Reply};

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok(Some(decoded)) = frame::decode(rest) {
        match decoded.kind {
            Kind::Packed => packed(decoded.body),
            _ => json(decoded.body),
        }
        rest = decoded.rest;
    }
    packed(bytes);
    json(bytes);
});

/// What was understood means the same when it is said again.
fn packed(body: &[u8]) {
    let mut wire = Vec::new();
    if let Ok(call) = Call::parse(body) {
        call.frame(&mut wire).expect("it came in a frame");
        assert_eq!(&wire[frame::HEADER..], body);
    }
    if let Ok(reply) = Reply::parse(body) {
        reply.frame(&mut wire).expect("it came in a frame");
        assert_eq!(Reply::parse(&wire[frame::HEADER..]), Ok(reply));
    }
    if let Ok(ask) = Ask::parse(body) {
        ask.frame(&mut wire).expect("it came in a frame");
        assert_eq!(&wire[frame::HEADER..], body);
    }
    if let Ok(told) = Told::parse(body) {
        told.frame(&mut wire).expect("it came in a frame");
        assert_eq!(&wire[frame::HEADER..], body);
    }
}

fn json(body: &[u8]) {
    _ = serde_json::from_slice::<Load>(body);
    _ = serde_json::from_slice::<Loaded>(body);
}
