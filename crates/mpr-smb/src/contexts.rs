//! What goes with CREATE and its answer: leases, and handles that outlast their connection. Pure functions on bytes.

use smb2::msg::create_context::{CreateContext, find, parse_contexts};
use smb2::types::FileId;

/// By which a client names a file it holds a lease on.
pub(crate) type LeaseKey = [u8; 16];

/// What a lease covers.
pub(crate) const LEASE_READ: u32 = 1;
pub(crate) const LEASE_HANDLE: u32 = 2;
pub(crate) const LEASE_WRITE: u32 = 4;
const LEASE_ALL: u32 = LEASE_READ | LEASE_HANDLE | LEASE_WRITE;
/// A lease that is being taken back.
const BREAKING: u32 = 2;

const LEASE: &[u8] = b"RqLs";
const DURABLE: &[u8] = b"DHnQ";
const DURABLE_AGAIN: &[u8] = b"DHnC";
const DURABLE_2: &[u8] = b"DH2Q";
const DURABLE_2_AGAIN: &[u8] = b"DH2C";
const NUMBER: &[u8] = b"QFid";
const PERSISTENT: u32 = 2;

/// What a server says of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) key: LeaseKey,
    pub(crate) state: u32,
    /// It is being taken back at this moment.
    pub(crate) breaking: bool,
    /// Counts its changes, with SMB 3.
    pub(crate) epoch: Option<u16>,
}

/// How a handle is found again over a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durable {
    /// By its number alone: SMB 2.1.
    Numbered,
    /// By its number and a name that only this client knows.
    Named {
        /// The name.
        name: [u8; 16],
        /// It outlasts the server's end, too.
        persistent: bool,
    },
}

/// Asks for a lease.
pub(crate) fn lease(key: LeaseKey, state: u32, second: bool) -> CreateContext {
    let mut data = vec![0; if second { 52 } else { 32 }];
    data[..16].copy_from_slice(&key);
    data[16..20].copy_from_slice(&state.to_le_bytes());
    CreateContext::new(LEASE, data)
}

/// What the answer to CREATE says of the lease.
pub(crate) fn granted_lease(contexts: &[u8]) -> Option<Granted> {
    let contexts = parse_contexts(contexts).ok()?;
    let data = &find(&contexts, LEASE)?.data;
    let word = |at: usize| Some(u32::from_le_bytes(*data.get(at..)?.first_chunk()?));
    Some(Granted {
        key: *data.first_chunk()?,
        state: word(16)? & LEASE_ALL,
        breaking: word(20)? & BREAKING != 0,
        epoch: data.get(48..50).and_then(|epoch| Some(u16::from_le_bytes(*epoch.first_chunk()?))),
    })
}

/// Asks for the number of the file.
pub(crate) fn number() -> CreateContext {
    CreateContext::new(NUMBER, Vec::new())
}

/// What the answer to CREATE says it is, if it does.
pub(crate) fn told_number(contexts: &[u8]) -> Option<u64> {
    let contexts = parse_contexts(contexts).ok()?;
    let number = u64::from_le_bytes(*find(&contexts, NUMBER)?.data.first_chunk()?);
    (number != 0).then_some(number)
}

/// Asks for a handle that outlasts its connection.
pub(crate) fn durable(durable: Durable) -> CreateContext {
    match durable {
        Durable::Numbered => CreateContext::new(DURABLE, vec![0; 16]),
        Durable::Named { name, persistent } => {
            let mut data = vec![0; 32];
            data[4] = if persistent { PERSISTENT as u8 } else { 0 };
            data[16..].copy_from_slice(&name);
            CreateContext::new(DURABLE_2, data)
        }
    }
}

/// Asks for such a handle back.
pub(crate) fn durable_again(durable: Durable, id: FileId) -> CreateContext {
    let id = [id.persistent.to_le_bytes(), id.volatile.to_le_bytes()].concat();
    match durable {
        Durable::Numbered => CreateContext::new(DURABLE_AGAIN, id),
        Durable::Named { name, persistent } => {
            let flags = if persistent { PERSISTENT } else { 0 };
            let data = [id.as_slice(), &name, &flags.to_le_bytes()].concat();
            CreateContext::new(DURABLE_2_AGAIN, data)
        }
    }
}

/// Whether the answer to CREATE grants what was asked for.
pub(crate) fn granted_durable(contexts: &[u8], asked: Durable) -> Option<Durable> {
    let contexts = parse_contexts(contexts).ok()?;
    match asked {
        Durable::Numbered => find(&contexts, DURABLE).map(|_| asked),
        Durable::Named { name, .. } => {
            let data = &find(&contexts, DURABLE_2)?.data;
            let flags = u32::from_le_bytes(*data.get(4..)?.first_chunk()?);
            Some(Durable::Named { name, persistent: flags & PERSISTENT != 0 })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smb2::msg::create_context::pack_contexts;

    #[test]
    fn a_lease_is_read_as_it_is_written() {
        for second in [false, true] {
            let asked = lease([7; 16], LEASE_READ | LEASE_HANDLE, second);
            let granted = granted_lease(&pack_contexts(&[asked])).unwrap();
            let epoch = second.then_some(0);
            assert_eq!(granted, Granted { key: [7; 16], state: 3, breaking: false, epoch });
        }
    }

    #[test]
    fn an_answer_cut_short_grants_nothing() {
        let whole = pack_contexts(&[lease([7; 16], 7, true)]);
        for length in 0..whole.len() - 4 {
            if let Some(granted) = granted_lease(&whole[..length]) {
                assert_eq!(granted.key, [7; 16], "{length}");
            }
        }
        let short = CreateContext::new(LEASE, vec![1; 19]);
        assert_eq!(granted_lease(&pack_contexts(&[short])), None);
        assert_eq!(granted_lease(&[1; 5]), None);
    }

    #[test]
    fn a_number_is_what_the_server_says_or_none() {
        let told = |data: &[u8]| told_number(&pack_contexts(&[CreateContext::new(NUMBER, data.to_vec())]));
        assert_eq!(told(&[7, 0, 0, 0, 0, 0, 0, 1, 9, 9]), Some(7 | 1 << 56));
        assert_eq!(told(&[0; 32]), None);
        assert_eq!(told(&[7; 7]), None);
        assert_eq!(told_number(&pack_contexts(&[lease([1; 16], 7, true)])), None);
    }

    #[test]
    fn a_handle_counts_as_durable_only_if_the_server_says_so() {
        let named = Durable::Named { name: [9; 16], persistent: true };
        assert_eq!(granted_durable(&pack_contexts(&[lease([1; 16], 7, true)]), named), None);
        let answer = CreateContext::new(DURABLE_2, vec![0x60, 0xEA, 0, 0, 0, 0, 0, 0]);
        let granted = granted_durable(&pack_contexts(&[answer]), named);
        assert_eq!(granted, Some(Durable::Named { name: [9; 16], persistent: false }));
        let id = FileId { persistent: 1, volatile: 2 };
        assert_eq!(durable_again(named, id).data.len(), 36);
        assert_eq!(durable_again(Durable::Numbered, id).data.len(), 16);
    }
}
