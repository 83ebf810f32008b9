//! What a router and an `mpr-host` say to each other.
//!
//! The router begins with one [`Load`], as JSON, and the host answers it with one [`Loaded`]. After that each
//! packed [`Call`] is answered by one packed [`Reply`] that carries its number, one at a time; of a network
//! provider, each [`provider::Ask`] by one [`provider::Told`]. Neither side
//! believes the other: a library can write anything to the host's end, and a host must not fall over a caller
//! of another release.
//!
//! Packed fields are little-endian and follow one another without padding. A string is the number of its units
//! (32 bits) and the units; `FFFFFFFF` stands for no string.

pub mod provider;

mod fields;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::frame;
use fields::{Fields, framed, number, string};

/// What is to be hosted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "load", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Load {
    /// A shared object with the functions of a notification library.
    Library {
        /// Where it is.
        path: PathBuf,
        /// Whether it is told of connects.
        add: bool,
        /// Whether it is told of disconnects.
        cancel: bool,
        /// What it may do.
        sandbox: Sandbox,
        /// Under what conditions.
        #[serde(default)]
        conditions: Conditions,
    },
    /// A shared object with the functions of a network provider.
    Provider {
        /// Where it is.
        path: PathBuf,
        /// What it may do.
        sandbox: Sandbox,
        /// Under what conditions.
        #[serde(default)]
        conditions: Conditions,
    },
    /// A program, run for each notification.
    Command {
        /// Program and arguments.
        command: Vec<String>,
        /// What it may do.
        sandbox: Sandbox,
        /// Under what conditions.
        #[serde(default)]
        conditions: Conditions,
    },
}

/// What a plug-in may do in its process, of what its user may (`docs/isolation.md`, Sandbox).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sandbox {
    /// All of it.
    None,
    /// Not write to the system's programs and configuration, nor reach into other processes or the kernel.
    Default,
    /// Not write, start programs, or leave the machine.
    Strict,
}

/// Under what conditions a file is run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// It must be root's.
    pub by_root: bool,
    /// The SHA-256 it must have, in hexadecimal digits.
    pub sha256: Option<String>,
}

/// Whether it can be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "loaded", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Loaded {
    /// It can.
    Ready,
    /// It cannot.
    Refused {
        /// Why.
        what: String,
        /// What to do about it; empty if nobody knows.
        remedy: String,
    },
}

impl Loaded {
    /// Reads it from the body of a frame.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}

/// The two kinds of operation that are announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A connect.
    Add,
    /// A disconnect.
    Cancel,
}

/// One notification. `S` is a wide string: borrowed where one is written, owned where one was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call<S> {
    /// Number of the call; the reply carries it, too.
    pub number: u32,
    /// What is announced.
    pub event: Event,
    /// `NOTIFYINFO.dwNotifyStatus`.
    pub when: u32,
    /// `NOTIFYINFO.dwOperationStatus`.
    pub status: u32,
    /// What an earlier [`Answer`] called the context; 0 for none.
    pub context: u32,
    /// `NOTIFYADD.hwndOwner`.
    pub owner: u64,
    /// `NOTIFYADD.NetResource.dwScope`.
    pub scope: u32,
    /// `NOTIFYADD.NetResource.dwType`.
    pub kind: u32,
    /// `NOTIFYADD.NetResource.dwDisplayType`.
    pub display: u32,
    /// `NOTIFYADD.NetResource.dwUsage`.
    pub usage: u32,
    /// `NOTIFYADD.dwAddFlags` or `NOTIFYCANCEL.dwFlags`.
    pub flags: u32,
    /// `NOTIFYCANCEL.fForce`.
    pub force: bool,
    /// `NOTIFYADD.NetResource.lpLocalName`.
    pub local: Option<S>,
    /// `NOTIFYADD.NetResource.lpRemoteName` or `NOTIFYCANCEL.lpName`.
    pub remote: Option<S>,
    /// `lpProvider` of either.
    pub provider: Option<S>,
    /// What tells this operation from every other.
    pub operation: u64,
    /// Whether nobody but the listeners is asked, to see what they would say.
    pub simulation: bool,
}

/// The answer to a [`Call`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Number of the call.
    pub number: u32,
    /// What came of it; without an answer, why there is none.
    pub answer: Result<Answer, String>,
}

/// What the library said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// What it returned.
    pub status: u32,
    /// What the host calls the context it left; 0 for none.
    pub context: u32,
    /// What it left for `WNetGetLastError`.
    pub error: Option<Said>,
}

/// An extended error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// A code of the library's own.
    pub code: u32,
    /// Text for people.
    pub text: Vec<u16>,
    /// Who says it.
    pub name: Vec<u16>,
}

impl Said {
    /// With texts cut down to what is carried.
    #[must_use]
    pub fn of(code: u32, mut text: Vec<u16>, mut name: Vec<u16>) -> Self {
        text.truncate(MAX_TEXT);
        name.truncate(MAX_TEXT);
        Said { code, text, name }
    }
}

/// Why bytes are not packed fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fields that make no sense")
    }
}

impl std::error::Error for Malformed {}

/// The longest text of an extended error that is carried, in units: what `WNetGetLastError` can return.
pub const MAX_TEXT: usize = 32_768;

impl<S: AsRef<[u16]>> Call<S> {
    /// The whole frame.
    ///
    /// # Errors
    ///
    /// When the strings do not fit into one.
    pub fn frame(&self, into: &mut Vec<u8>) -> Result<(), frame::FrameError> {
        framed(into, |out| {
            let event = match self.event {
                Event::Add => 0,
                Event::Cancel => 1,
            };
            number(out, self.number);
            out.extend([event, self.force.into()]);
            for field in [self.when, self.status, self.context] {
                number(out, field);
            }
            out.extend(self.owner.to_le_bytes());
            for field in [self.scope, self.kind, self.display, self.usage, self.flags] {
                number(out, field);
            }
            for text in [&self.local, &self.remote, &self.provider] {
                string(out, text.as_ref().map(AsRef::as_ref));
            }
            out.extend(self.operation.to_le_bytes());
            out.push(self.simulation.into());
        })
    }
}

impl Call<Vec<u16>> {
    /// Reads a call back from the body of a frame. No string in it contains a zero.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields(body);
        let number = fields.number()?;
        let event = match fields.byte()? {
            0 => Event::Add,
            1 => Event::Cancel,
            _ => return Err(Malformed),
        };
        let call = Call {
            number,
            event,
            force: fields.truth()?,
            when: fields.number()?,
            status: fields.number()?,
            context: fields.number()?,
            owner: fields.long()?,
            scope: fields.number()?,
            kind: fields.number()?,
            display: fields.number()?,
            usage: fields.number()?,
            flags: fields.number()?,
            local: fields.string()?,
            remote: fields.string()?,
            provider: fields.string()?,
            operation: fields.long()?,
            simulation: fields.truth()?,
        };
        fields.end()?;
        Ok(call)
    }
}

impl Reply {
    /// The whole frame.
    ///
    /// # Errors
    ///
    /// When the texts do not fit into one.
    pub fn frame(&self, into: &mut Vec<u8>) -> Result<(), frame::FrameError> {
        framed(into, |out| {
            number(out, self.number);
            match &self.answer {
                Ok(answer) => {
                    out.push(0);
                    number(out, answer.status);
                    number(out, answer.context);
                    match &answer.error {
                        None => out.push(0),
                        Some(said) => {
                            out.push(1);
                            number(out, said.code);
                            string(out, Some(&said.text));
                            string(out, Some(&said.name));
                        }
                    }
                }
                Err(why) => {
                    out.push(1);
                    let units: Vec<u16> = why.encode_utf16().filter(|unit| *unit != 0).collect();
                    string(out, Some(&units));
                }
            }
        })
    }

    /// Reads a reply back from the body of a frame. No string in it contains a zero.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields(body);
        let number = fields.number()?;
        let answer = if fields.truth()? {
            Err(String::from_utf16_lossy(&fields.string()?.ok_or(Malformed)?))
        } else {
            let (status, context) = (fields.number()?, fields.number()?);
            let error = match fields.truth()? {
                false => None,
                true => Some(Said { code: fields.number()?, text: fields.text()?, name: fields.text()? }),
            };
            Ok(Answer { status, context, error })
        };
        fields.end()?;
        Ok(Reply { number, answer })
    }
}

#[cfg(test)]
mod tests {
    use super::fields::NONE;
    use super::*;
    use crate::frame::{HEADER, Kind};

    fn call() -> Call<Vec<u16>> {
        Call {
            number: 7,
            event: Event::Cancel,
            when: 2,
            status: 1223,
            context: 9,
            owner: u64::MAX,
            scope: 1,
            kind: 2,
            display: 3,
            usage: 4,
            flags: 0x18,
            force: true,
            local: None,
            // Half of a surrogate pair: no text, and yet a name somebody gave.
            remote: Some(vec![0xD800, 0x5C]),
            provider: Some(Vec::new()),
            operation: 1 << 40,
            simulation: true,
        }
    }

    fn replies() -> [Reply; 3] {
        let said = Said { code: 5, text: vec![0xDFFF], name: Vec::new() };
        [
            Reply { number: 1, answer: Ok(Answer::default()) },
            Reply { number: 2, answer: Ok(Answer { status: u32::MAX, context: 3, error: Some(said) }) },
            Reply { number: 3, answer: Err("no".into()) },
        ]
    }

    #[test]
    fn what_is_said_is_understood() {
        let mut wire = Vec::new();
        call().frame(&mut wire).unwrap();
        let decoded = frame::decode(&wire).unwrap().unwrap();
        assert_eq!((decoded.kind, decoded.rest), (Kind::Packed, &b""[..]));
        assert_eq!(Call::parse(decoded.body), Ok(call()));
        for reply in replies() {
            reply.frame(&mut wire).unwrap();
            assert_eq!(Reply::parse(frame::decode(&wire).unwrap().unwrap().body), Ok(reply));
        }
    }

    #[test]
    fn what_is_cut_off_or_too_long_is_refused() {
        let mut wire = Vec::new();
        call().frame(&mut wire).unwrap();
        for cut in HEADER..wire.len() {
            assert_eq!(Call::parse(&wire[HEADER..cut]), Err(Malformed));
        }
        wire.push(0);
        assert_eq!(Call::parse(&wire[HEADER..]), Err(Malformed));
        replies()[1].frame(&mut wire).unwrap();
        for cut in HEADER..wire.len() {
            assert_eq!(Reply::parse(&wire[HEADER..cut]), Err(Malformed));
        }
    }

    #[test]
    fn a_string_that_claims_more_than_there_is_allocates_nothing() {
        let mut wire = Vec::new();
        replies()[2].frame(&mut wire).unwrap();
        wire[HEADER + 5..HEADER + 9].copy_from_slice(&(NONE - 1).to_le_bytes());
        assert_eq!(Reply::parse(&wire[HEADER..]), Err(Malformed));
    }

    #[test]
    fn what_fits_into_no_frame_is_not_sent() {
        let long = Call { remote: Some(vec![1; frame::MAX_PACKED]), ..call() };
        assert!(long.frame(&mut Vec::new()).is_err());
    }
}
