//! What links one line to the next.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io::{self, Read};

/// SHA-256 of a line, without its line feed.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest([u8; 32]);

impl Digest {
    /// What the first line of all has in place of the digest of a line before it.
    pub const NONE: Digest = Digest([0; 32]);

    /// The digest of this line.
    #[must_use]
    pub fn of(line: &[u8]) -> Self {
        Digest(Sha256::digest(line).into())
    }

    /// The digest of everything there is to be read.
    pub(super) fn of_everything(mut from: impl Read) -> io::Result<Self> {
        let (mut digest, mut piece) = (Sha256::new(), [0; 16 << 10]);
        loop {
            match from.read(&mut piece)? {
                0 => return Ok(Digest(digest.finalize().into())),
                read => digest.update(&piece[..read]),
            }
        }
    }

    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
        }
        Some(Digest(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Digest::parse(&text).ok_or_else(|| serde::de::Error::custom("not 64 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_published_one_and_comes_back_from_its_text() {
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of(b"abc").to_string(), text);
        assert_eq!(Digest::of_everything(&b"abc"[..]).unwrap().to_string(), text);
        assert_eq!(Digest::parse(text), Some(Digest::of(b"abc")));
        for wrong in ["", "ba", &text.to_uppercase(), &text.replace('b', "é")] {
            assert_eq!(Digest::parse(wrong), None, "{wrong}");
        }
    }
}
