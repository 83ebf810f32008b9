//! Why a host gave no answer, and how that is told.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Silence {
    /// None within the deadline.
    Late,
    /// Other operations were in the way until the deadline.
    Busy,
    /// The plug-in's process ended; its wait status, if that is known.
    Ended(Option<i32>),
    /// What is asked about was in a process that has ended since.
    Gone,
    /// What came back makes no sense.
    Garbage,
    /// The names of this operation are too long to be sent.
    TooLong,
    /// The host could not be started.
    Unstarted(io::Error),
    /// It could not load the plug-in.
    Unloaded {
        /// Why.
        what: String,
        /// What to do about it; empty if nobody knows.
        remedy: String,
    },
    /// The command gave no answer.
    Failed(String),
}

impl Silence {
    /// Whether the plug-in has failed. To be late because others were first is no failing of it, nor is a name
    /// that fits nowhere, nor what has been told already.
    pub(super) fn is_failure(&self) -> bool {
        !matches!(self, Silence::Busy | Silence::TooLong | Silence::Gone)
    }

    /// What became of a call, in a word (`docs/audit.md`).
    pub(super) fn word(&self) -> &'static str {
        match self {
            Silence::Late => "late",
            Silence::Busy => "busy",
            Silence::Ended(_) => "ended",
            Silence::Gone => "lost",
            Silence::Garbage => "garbage",
            Silence::TooLong => "too-long",
            Silence::Unstarted(_) => "unstarted",
            Silence::Unloaded { .. } => "unloaded",
            Silence::Failed(_) => "failed",
        }
    }

    /// The sentence, about the plug-in `name` that had this many milliseconds.
    pub(super) fn describe(&self, name: &str, limit: u32) -> String {
        match self {
            Silence::Late => format!("{name} did not answer within {limit} ms"),
            Silence::Busy => format!("{name} was busy with other operations for {limit} ms"),
            Silence::Ended(None) => format!("{name} hung up without an answer"),
            Silence::Ended(Some(status)) => {
                let exit = ExitStatus::from_raw(*status);
                match (exit.signal(), exit.code()) {
                    (Some(signal), _) => format!("{name} crashed (signal {signal})"),
                    (None, code) => {
                        let code = code.unwrap_or(-1);
                        format!("{name} ended its process without an answer (exit status {code})")
                    }
                }
            }
            Silence::Gone => format!("{name} was asked about something that has ended with its process"),
            Silence::Garbage => format!("{name} answered with garbage"),
            Silence::TooLong => format!("{name} cannot be told of names that long"),
            Silence::Unstarted(error) => format!("{name} cannot be run: {error}"),
            Silence::Unloaded { what, remedy } if remedy.is_empty() => {
                format!("{name} could not be loaded: {what}")
            }
            Silence::Unloaded { what, remedy } => format!("{name} could not be loaded: {what}; {remedy}"),
            Silence::Failed(what) => format!("{name} failed: {what}"),
        }
    }
}
