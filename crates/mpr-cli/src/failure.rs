//! Why a command failed, told to the person who has to do something about it.

use crate::explain;
use crate::output::{Output, clean};
use mpr::Router;
use mpr::extended_error::{self, ExtendedError};
use mpr::policy::LABEL;
use mpr_helper::mounts::Table;
use mpr_plugin::Status;
use serde_json::json;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The router or somebody it asked answered with a status.
    Status(Box<Refusal>),
    /// Something else went wrong: what, and what to do about it.
    Other { what: String, remedy: String },
    /// The command line makes no sense; the whole sentence says why.
    Usage(String),
    /// The same, for a command with a grammar of its own, which the text shows.
    Syntax(String),
    /// It failed, and everything there is to say has been said.
    Told,
    /// Nobody reads standard output any more.
    Unread,
}

/// A status, and what it was the answer to.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: Status,
    /// What was to be done: "connect Z: to \\nas\photos".
    pub(crate) doing: String,
    /// What was recorded on this thread during the call.
    pub(crate) extended: ExtendedError,
    /// Stand for `REMOTE` and `LOCAL` in hints.
    pub(crate) remote: Option<String>,
    pub(crate) local: Option<String>,
    /// Instead of the usual one for the status.
    pub(crate) hint: Option<&'static str>,
}

impl Failure {
    /// A status of a call that began with [`extended_error::clear`].
    pub(crate) fn status(status: Status, doing: impl Into<String>) -> Failure {
        Failure::about(status, doing, None, None)
    }

    /// The same, of a call that was about these names.
    pub(crate) fn about(
        status: Status,
        doing: impl Into<String>,
        remote: Option<&str>,
        local: Option<&str>,
    ) -> Failure {
        Failure::Status(Box::new(Refusal {
            status,
            doing: doing.into(),
            extended: extended_error::recorded(),
            remote: remote.map(str::to_owned),
            local: local.map(str::to_owned),
            hint: None,
        }))
    }

    /// The same with another next command.
    pub(crate) fn with_hint(mut self, hint: &'static str) -> Failure {
        if let Failure::Status(refusal) = &mut self {
            refusal.hint = Some(hint);
        }
        self
    }

    pub(crate) fn other(what: impl Into<String>, remedy: impl Into<String>) -> Failure {
        Failure::Other { what: what.into(), remedy: remedy.into() }
    }

    pub(crate) fn from_stdout(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::Unread,
            _ => Failure::other(
                format!("cannot write to standard output: {error}"),
                "look where the output is sent to",
            ),
        }
    }

    /// What the process ends with (`DESIGN.md`, Exit status).
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Status(_) | Failure::Other { .. } | Failure::Told => ExitCode::from(1),
            Failure::Usage(_) | Failure::Syntax(_) => ExitCode::from(2),
            // What was asked for was done; that its reader had enough (`mpr list | head -1`) is no failure.
            Failure::Unread => ExitCode::SUCCESS,
        }
    }

    /// Prints it on standard error.
    pub(crate) fn tell(&self, output: &Output) {
        let text = match self {
            Failure::Told | Failure::Unread => return,
            _ if output.json => format!("{}\n", self.as_json()),
            _ => self.to_string(),
        };
        _ = io::stderr().write_all(text.as_bytes());
    }

    fn as_json(&self) -> serde_json::Value {
        match self {
            Failure::Status(refusal) => {
                let Refusal { status, doing, extended, .. } = &**refusal;
                let extended = (extended.code != 0 || !extended.text.is_empty()).then(|| {
                    json!({
                        "code": extended.code,
                        "text": extended.text.to_string_lossy(),
                        "provider": extended.provider.to_string_lossy(),
                    })
                });
                json!({ "error": {
                    "code": status.0,
                    "name": explain::name(*status),
                    "meaning": explain::meaning(*status),
                    "doing": doing,
                    "extended": extended,
                    "hint": refusal.hint(),
                } })
            }
            Failure::Other { what, remedy } => json!({ "error": { "what": what, "remedy": remedy } }),
            Failure::Usage(what) | Failure::Syntax(what) => json!({ "error": { "usage": what } }),
            Failure::Told | Failure::Unread => json!({}),
        }
    }
}

impl Refusal {
    /// The next command where a rule or a listener of this machine refused, and said so: then neither cause nor cure
    /// is anywhere else.
    fn refused_here(&self) -> Option<&'static str> {
        let who = self.extended.provider.to_string_lossy();
        if self.status.0 != self.extended.code || self.extended.text.is_empty() {
            return None;
        }
        if who == LABEL {
            return Some("see which rule decides: mpr policy test REMOTE");
        }
        let listeners = Router::system().config().map(|config| &*config.notifyees).unwrap_or_default();
        let is_one = listeners.iter().any(|listener| listener.stem == who);
        is_one.then_some("see who is asked before each connection: mpr notifyee list")
    }

    /// What is the matter with the directory that was to be the local name, where it shows, and the next command.
    fn matter(&self) -> Option<(&'static str, &'static str)> {
        let path = Path::new(self.local.as_deref().filter(|local| local.starts_with('/'))?);
        // What is mounted is not touched: it may hang.
        let mounted = Table::now().is_ok_and(|table| table.at(path).is_some());
        match self.status {
            Status::ALREADY_CONNECTED if mounted => Some((
                "something is mounted there",
                "see what is connected: mpr list; or be rid of it: mpr disconnect LOCAL",
            )),
            Status::ALREADY_CONNECTED
                if path.read_dir().is_ok_and(|mut entries| entries.next().is_some()) =>
            {
                Some((
                    "the directory is not empty",
                    "name an empty one, or let a free letter be chosen: mpr connect REMOTE '*'",
                ))
            }
            Status::BAD_LOCALNAME if mounted => None,
            Status::BAD_LOCALNAME => match path.metadata() {
                Ok(found) if !found.is_dir() => Some((
                    "it is no directory",
                    "name an empty directory, or let a free letter be chosen: mpr connect REMOTE '*'",
                )),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Some((
                    "there is no such directory",
                    "make it: mkdir -p LOCAL; or let a free letter be chosen: mpr connect REMOTE '*'",
                )),
                _ => None,
            },
            _ => None,
        }
    }

    /// The next command, about the names at hand.
    fn hint(&self) -> Option<String> {
        let seen = || self.matter().map(|(_, next)| next);
        let usual = || self.hint.or_else(seen).or_else(|| Some(explain::of(self.status)?.hint));
        let mut hint = self.refused_here().or_else(usual)?.to_owned();
        for (word, name) in [("REMOTE", &self.remote), ("LOCAL", &self.local)] {
            if let Some(name) = name {
                hint = hint.replace(word, &for_shell(name));
            }
        }
        Some(hint)
    }
}

/// A name as it can be typed at a shell: backslashes would need quotes, slashes do not.
fn for_shell(name: &str) -> String {
    let name = if name.starts_with(r"\\") { name.replace('\\', "/") } else { name.to_owned() };
    let plain = |c: char| c.is_alphanumeric() || "/:@._-+,%~".contains(c);
    if name.chars().all(plain) { name } else { format!("'{}'", name.replace('\'', r"'\''")) }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Status(refusal) => refusal.fmt(f),
            Failure::Other { what, remedy } => writeln!(f, "error: {what}\nHint: {remedy}"),
            Failure::Usage(what) => writeln!(f, "error: {what}\n\nFor more information, try 'mpr --help'."),
            Failure::Syntax(what) => writeln!(f, "{what}"),
            Failure::Told | Failure::Unread => Ok(()),
        }
    }
}

/// The sentence, what whoever refused it said, numbered causes, the next command.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal { status, doing, extended, .. } = self;
        let (name, meaning) = (explain::name(*status), explain::meaning(*status));
        writeln!(f, "{name} ({}): {meaning}; cannot {}", status.0, clean(doing))?;
        if extended.code != 0 || !extended.text.is_empty() {
            writeln!(f, "{}", extended_line(extended))?;
        }
        if let Some((cause, _)) = self.matter() {
            writeln!(f, "Cause: {cause}")?;
        } else if let Some(known) = explain::of(*status).filter(|_| self.refused_here().is_none()) {
            writeln!(f, "Possible causes:")?;
            for (number, cause) in known.causes.iter().enumerate() {
                writeln!(f, "  {}. {cause}", number + 1)?;
            }
        }
        match self.hint() {
            Some(hint) => writeln!(f, "Hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// What a provider or notification library left behind: who, what, and its own code.
pub(crate) fn extended_line(extended: &ExtendedError) -> String {
    let ExtendedError { code, text, provider } = extended;
    let (text, provider) = (clean(&text.to_string_lossy()), clean(&provider.to_string_lossy()));
    let who = if provider.is_empty() { "The provider".to_owned() } else { provider };
    match (*code, text.is_empty()) {
        (code, true) => format!("{who} says: code {code}"),
        (0, false) => format!("{who} says: {text}"),
        (code, false) => format!("{who} says: {text} (code {code})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_hint_can_be_pasted_into_a_shell() {
        assert_eq!(for_shell(r"\\nas\photos"), "//nas/photos");
        assert_eq!(for_shell(r"\\nas\my photos$"), "'//nas/my photos$'");
        assert_eq!(for_shell("it's"), r"'it'\''s'");
        assert_eq!(for_shell("Z:"), "Z:");
    }
}
