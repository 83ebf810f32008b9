//! The conversation with the router: one call, one answer.

use crate::command::Command;
use crate::inbox::Inbox;
use crate::library::Library;
use crate::provider::Provider;
use mpr::library::LoadError;
use mpr_helper::frame::{self, FrameError, Kind};
use mpr_helper::host::{Answer, Call, Load, Loaded, Malformed, Reply};
use std::io::{self, Write};
use std::os::unix::net::UnixStream;

/// Why something cannot be called.
pub(crate) struct Refusal {
    what: String,
    remedy: String,
}

impl Refusal {
    /// Of the process it was to run in.
    pub(crate) fn of_process(what: String) -> Self {
        Refusal { what, remedy: "see mpr doctor".into() }
    }
}

impl From<LoadError> for Refusal {
    fn from(error: LoadError) -> Self {
        Refusal { what: error.what, remedy: error.remedy }
    }
}

/// What is called.
pub(crate) trait Hosted {
    /// Answers the call of this packed body with the frame left in `wire`.
    fn answer(&mut self, body: &[u8], wire: &mut Vec<u8>) -> io::Result<()>;
}

/// What is told of connects and disconnects.
pub(crate) trait Listening {
    /// The answer to one notification; the error is why there is none.
    fn notify(&mut self, call: &Call<Vec<u16>>) -> Result<Answer, String>;
}

impl<L: Listening> Hosted for L {
    fn answer(&mut self, body: &[u8], wire: &mut Vec<u8>) -> io::Result<()> {
        let call = Call::parse(body).map_err(malformed)?;
        let reply = Reply { number: call.number, answer: self.notify(&call) };
        reply.frame(wire).map_err(|error: FrameError| error.into())
    }
}

pub(crate) fn malformed(error: Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Loads what it is told to and answers calls until the router hangs up.
pub(crate) fn converse(stream: UnixStream) -> io::Result<()> {
    let mut from = Inbox::new(&stream);
    let mut to = &stream;
    let Some((kind, body)) = from.next()? else { return Ok(()) };
    let load: Load = match kind {
        Kind::Json => serde_json::from_slice(body)?,
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    let loaded: Result<Box<dyn Hosted>, Refusal> = match load {
        Load::Library { path, add, cancel, sandbox, conditions } => {
            Library::load(&path, add, cancel, sandbox, &conditions).map(|library| Box::new(library) as _)
        }
        Load::Provider { path, sandbox, conditions } => {
            Provider::load(&path, sandbox, &conditions).map(|provider| Box::new(provider) as _)
        }
        Load::Command { command, sandbox, conditions } => {
            Command::new(command, sandbox, &conditions).map(|command| Box::new(command) as _)
        }
    };
    let mut hosted = match loaded {
        Ok(hosted) => {
            frame::write_json(&mut to, &Loaded::Ready)?;
            hosted
        }
        Err(Refusal { what, remedy }) => {
            return frame::write_json(&mut to, &Loaded::Refused { what, remedy });
        }
    };
    let mut wire = Vec::new();
    while let Some((kind, body)) = from.next()? {
        if kind != Kind::Packed {
            return Err(io::ErrorKind::InvalidData.into());
        }
        hosted.answer(body, &mut wire)?;
        to.write_all(&wire)?;
    }
    Ok(())
}
