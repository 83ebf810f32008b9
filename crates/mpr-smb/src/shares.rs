//! What a server answers when it is asked for its shares (NetrShareEnum, MS-SRVS 3.1.4.8, of level 1), in the form of
//! remote procedures (C706, 14).
//!
//! `smb2` reads it, too, but believes the number of shares that the answer begins with and makes room for as many, which a
//! server can have this process end by; and it reads no more than one fragment. Pure functions on bytes.

use crate::wire::u32_at;

/// What is asked for: names, kinds and comments.
const LEVEL: u32 = 1;
/// Bytes of a share before the names: where its name is, its kind, where its comment is.
const FIXED: usize = 12;

/// A share, as a server describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) kind: u32,
    pub(crate) comment: String,
}

/// The shares in an answer of which all fragments have been put together; `None` if it cannot be understood.
pub(crate) fn described(answer: &[u8]) -> Option<Vec<Described>> {
    let mut rest = Rest(answer);
    if rest.number()? != LEVEL || rest.number()? != LEVEL {
        return None;
    }
    // Nothing stands where a pointer leads nowhere.
    if rest.number()? == 0 {
        return Some(Vec::new());
    }
    let (count, list) = (rest.number()? as usize, rest.number()?);
    if count == 0 || list == 0 {
        return Some(Vec::new());
    }
    if (rest.number()? as usize) < count {
        return None;
    }
    let fixed = rest.bytes(count.checked_mul(FIXED)?)?;
    let mut shares = Vec::with_capacity(count);
    for share in fixed.chunks_exact(FIXED) {
        let (name, kind, comment) = (u32_at(share, 0)?, u32_at(share, 4)?, u32_at(share, 8)?);
        let mut text = |pointer| if pointer == 0 { Some(String::new()) } else { rest.text() };
        shares.push(Described { name: text(name)?, kind, comment: text(comment)? });
    }
    Some(shares)
}

/// What has not been read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.0.split_at_checked(count)?;
        self.0 = left;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        u32_at(self.bytes(4)?, 0)
    }

    /// A text with its end. The next thing begins at a multiple of four bytes, if there is a next thing.
    fn text(&mut self) -> Option<String> {
        let (_most, _from, count) = (self.number()?, self.number()?, self.number()? as usize);
        let length = count.checked_mul(2)?;
        let units = self.bytes(length)?.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
        let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
        self.bytes((length.next_multiple_of(4) - length).min(self.0.len()))?;
        Some(String::from_utf16_lossy(&units))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    fn text(text: &str) -> Vec<u8> {
        let units: Vec<u16> = text.encode_utf16().chain([0]).collect();
        let count = u32::try_from(units.len()).unwrap();
        let mut bytes = numbers(&[count, 0, count]);
        bytes.extend(units.into_iter().flat_map(u16::to_le_bytes));
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// An answer that claims to be about so many shares, and is about these.
    fn answer(count: u32, shares: &[(&str, u32, &str)]) -> Vec<u8> {
        let mut bytes = numbers(&[1, 1, 2, count, 3, count]);
        for (nth, (_, kind, comment)) in shares.iter().enumerate() {
            let comment = if comment.is_empty() { 0 } else { 5 };
            bytes.extend(numbers(&[u32::try_from(nth).unwrap() + 4, *kind, comment]));
        }
        for (name, _, comment) in shares {
            bytes.extend(text(name));
            if !comment.is_empty() {
                bytes.extend(text(comment));
            }
        }
        // How many there are in all, where to go on, and that all went well.
        bytes.extend(numbers(&[count, 0, 0]));
        bytes
    }

    const SHARES: [(&str, u32, &str); 3] =
        [("rw", 0, ""), ("Drucker", 1, "im Flur"), ("IPC$", 0x8000_0003, "ü")];

    #[test]
    fn shares_are_read_as_the_protocol_crate_reads_them() {
        let answer = answer(3, &SHARES);
        let mut message = vec![5, 0, 2, 3, 0x10, 0, 0, 0];
        message.extend_from_slice(&u16::try_from(24 + answer.len()).unwrap().to_le_bytes());
        message.resize(24, 0);
        message.extend_from_slice(&answer);
        let theirs = smb2::rpc::srvsvc::parse_net_share_enum_all_response(&message).unwrap();
        let theirs: Vec<_> = theirs
            .into_iter()
            .map(|share| Described { name: share.name, kind: share.share_type, comment: share.comment })
            .collect();
        assert_eq!(described(&answer).unwrap(), theirs);
        assert_eq!(theirs[1].comment, "im Flur");
    }

    #[test]
    fn there_may_be_more_than_one_fragment_holds() {
        let many: Vec<_> = (0..5000).map(|_| ("a name of some length", 0, "and a comment")).collect();
        assert_eq!(described(&answer(5000, &many)).unwrap().len(), 5000);
        assert_eq!(described(&answer(0, &[])).unwrap(), []);
        assert_eq!(described(&numbers(&[1, 1, 0])).unwrap(), []);
    }

    #[test]
    fn no_room_is_made_for_shares_that_are_not_there() {
        for count in [4, 1000, 0x0FFF_FFFF, u32::MAX] {
            assert_eq!(described(&answer(count, &SHARES)), None, "{count}");
        }
    }

    #[test]
    fn a_list_of_shares_cut_short_is_none() {
        let whole = answer(3, &SHARES);
        for length in 0..whole.len() - 14 {
            assert_eq!(described(&whole[..length]), None, "{length}");
        }
    }
}
