//! The conversation with the router: one call, one reply.

use crate::command::Command;
use crate::library::Library;
use mpr_helper::frame::{self, Kind};
use mpr_helper::host::{Answer, Call, Load, Loaded, Reply};
use std::io::{self, BufReader, Write};
use std::os::unix::net::UnixStream;

/// What is called.
pub(crate) trait Hosted {
    /// The answer to one notification; the error is why there is none.
    fn notify(&mut self, call: &Call<Vec<u16>>) -> Result<Answer, String>;
}

/// Loads what it is told to and answers calls until the router hangs up.
pub(crate) fn converse(stream: UnixStream) -> io::Result<()> {
    let mut from = BufReader::new(&stream);
    let mut to = &stream;
    let Some(load) = frame::read_json::<Load>(&mut from)? else { return Ok(()) };
    let loaded: Result<Box<dyn Hosted>, String> = match load {
        Load::Library { path, add, cancel } => {
            Library::load(&path, add, cancel).map(|library| Box::new(library) as _)
        }
        Load::Command { command } => Command::new(command).map(|command| Box::new(command) as _),
    };
    let mut hosted = match loaded {
        Ok(hosted) => {
            frame::write_json(&mut to, &Loaded::Ready)?;
            hosted
        }
        Err(what) => return frame::write_json(&mut to, &Loaded::Refused { what }),
    };
    let mut wire = Vec::new();
    while let Some((kind, body)) = frame::read(&mut from)? {
        if kind != Kind::Packed {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let call = Call::parse(&body).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let reply = Reply { number: call.number, answer: hosted.notify(&call) };
        reply.frame(&mut wire)?;
        to.write_all(&wire)?;
    }
    Ok(())
}
