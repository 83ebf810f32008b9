//! What the words behind `net use` mean. Pure: nothing is connected, asked or printed here.

use crate::connecting::Local;
use crate::names;
use mpr_core::device::LocalDevice;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// `net use`
    List,
    /// `net use X:`
    Show(LocalDevice),
    /// `net use [X:|*] \\server\share …`
    Connect(Connect),
    /// `net use X:|\\server\share /delete`
    Delete { name: String, yes: bool },
    /// `net use * /delete`
    DeleteAll { yes: bool },
    /// `net use /persistent:yes|no`
    Habit(bool),
    /// `net use /help`
    Help,
}

/// A connection to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Connect {
    pub(super) local: Local,
    pub(super) remote: String,
    pub(super) user: Option<String>,
    /// Whether `*` stands in the place of the password.
    pub(super) ask: bool,
    /// `None`: as usual.
    pub(super) persistent: Option<bool>,
    pub(super) require_integrity: bool,
    pub(super) require_privacy: bool,
    pub(super) write_through: bool,
    pub(super) save: bool,
}

/// Why the words make no sense; for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake(pub(super) String);

/// The grammar, as it is shown.
pub(super) const SYNTAX: &str = "\
The syntax of this command is:

mpr net use
mpr net use [X: | * | /directory] \\\\server\\share [*] [/user:[domain\\]user]
            [/persistent:{yes | no}] [/requireintegrity] [/requireprivacy] [/writethrough]
            [/savecred]
mpr net use X:
mpr net use {X: | \\\\server\\share | *} /delete [/y]
mpr net use /persistent:{yes | no}

A resource may be written //server/share, which needs no quotes at a shell.";

/// Words that are neither options nor empty, and the options.
#[derive(Default)]
struct Words<'a> {
    names: Vec<&'a str>,
    user: Option<String>,
    persistent: Option<bool>,
    delete: bool,
    yes: bool,
    require_integrity: bool,
    require_privacy: bool,
    write_through: bool,
    save: bool,
}

/// Reads the words.
pub(super) fn parse(words: &[String]) -> Result<Request, Mistake> {
    let mut read = Words::default();
    for word in words {
        if matches!(&*word.to_ascii_lowercase(), "/?" | "/help" | "-?" | "--help" | "-h") {
            return Ok(Request::Help);
        }
        match option(word) {
            Some((name, value)) => read.option(&name, value)?,
            None => read.names.push(word),
        }
    }
    read.request()
}

/// Name and value of an option. A word with a further slash that is no option is a directory, so that one directly
/// below the root is written with a slash at its end: `/data/`.
fn option(word: &str) -> Option<(String, Option<&str>)> {
    let rest = word.strip_prefix('/')?;
    if rest.starts_with('/') {
        return None;
    }
    let (name, value) = match rest.split_once(':') {
        Some((name, value)) => (name, Some(value)),
        None => (rest, None),
    };
    let name = name.to_ascii_lowercase();
    (KNOWN.contains(&&*name) || !rest.contains('/')).then_some((name, value))
}

/// Every option `net use` knows, here or on Windows. Words like these are never taken for directories.
const KNOWN: &[&str] = &[
    "user",
    "u",
    "persistent",
    "p",
    "delete",
    "d",
    "y",
    "yes",
    "requireintegrity",
    "requireprivacy",
    "writethrough",
    "savecred",
    "smartcard",
    "home",
    "transport",
    "tcpport",
    "quicport",
    "global",
    "compress",
    "n",
    "no",
];

impl Words<'_> {
    fn option(&mut self, name: &str, value: Option<&str>) -> Result<(), Mistake> {
        match (name, value) {
            ("user" | "u", Some(user)) if !user.is_empty() => self.user = Some(user.to_owned()),
            ("user" | "u", _) => {
                return Err(Mistake("/user wants a name: /user:NAME or /user:DOMAIN\\NAME".into()));
            }
            ("persistent" | "p", Some(value)) => match &*value.to_ascii_lowercase() {
                "yes" | "y" => self.persistent = Some(true),
                "no" | "n" => self.persistent = Some(false),
                _ => return Err(Mistake("/persistent wants yes or no".into())),
            },
            ("persistent" | "p", None) => return Err(Mistake("/persistent wants yes or no".into())),
            ("delete" | "d", None) => self.delete = true,
            ("y" | "yes", None) => self.yes = true,
            ("requireintegrity", None) => self.require_integrity = true,
            ("requireprivacy", None) => self.require_privacy = true,
            ("writethrough", None) => self.write_through = true,
            ("savecred", None) => self.save = true,
            ("smartcard" | "home" | "transport" | "tcpport" | "quicport" | "global" | "compress", _) => {
                return Err(Mistake(format!(
                    "/{name} is not possible here; a port is part of the name: \\\\server@port\\share"
                )));
            }
            _ => return Err(Mistake(format!("there is no option /{name}"))),
        }
        Ok(())
    }

    fn request(self) -> Result<Request, Mistake> {
        match (&*self.names, self.delete) {
            ([], false) => match self.persistent {
                Some(habit) if self.is_plain() => Ok(Request::Habit(habit)),
                None if self.is_plain() => Ok(Request::List),
                _ => Err(Mistake("these options want a resource".into())),
            },
            (["*"], true) => Ok(Request::DeleteAll { yes: self.yes }),
            ([name], true) if !name.is_empty() => {
                Ok(Request::Delete { name: (*name).to_owned(), yes: self.yes })
            }
            (_, true) => {
                Err(Mistake("/delete wants one name: X:, \\\\server\\share, or * for everything".into()))
            }
            ([name], false) => match names::device(name) {
                Some(device) if self.is_plain() && self.persistent.is_none() => Ok(Request::Show(device)),
                Some(device) => Err(Mistake(format!("there is no resource to connect {device} to"))),
                None if *name == "*" => Err(Mistake("there is no resource to connect a drive to".into())),
                None => self.connect(Local::None, name, &[]),
            },
            ([first, rest @ ..], false) => match (names::device(first), *first) {
                (Some(device), _) => self.connect(Local::Named(device), rest[0], &rest[1..]),
                (None, "*") => self.connect(Local::Chosen, rest[0], &rest[1..]),
                (None, _) => self.connect(Local::None, first, rest),
            },
        }
    }

    /// Whether no option stands there that only a connection could make use of.
    fn is_plain(&self) -> bool {
        self.user.is_none()
            && !self.yes
            && !self.require_integrity
            && !self.require_privacy
            && !self.write_through
            && !self.save
    }

    fn connect(&self, local: Local, remote: &str, password: &[&str]) -> Result<Request, Mistake> {
        let ask = match password {
            [] => false,
            ["*"] => true,
            // It must not be repeated: it is a password, or meant to be one.
            [_] => {
                return Err(Mistake(
                    "a password on the command line can be read by every user of this machine, and stays in the \
                     shell's history; write * in its place to be asked for it, or use mpr connect with \
                     --password-stdin or --password-file"
                        .into(),
                ));
            }
            _ => return Err(Mistake("there are more words than net use knows what to do with".into())),
        };
        if remote.is_empty() || remote == "*" || names::device(remote).is_some() {
            return Err(Mistake(
                "the local name comes first, the resource second: net use X: \\\\server\\share".into(),
            ));
        }
        Ok(Request::Connect(Connect {
            local,
            remote: remote.to_owned(),
            user: self.user.clone(),
            ask,
            persistent: self.persistent,
            require_integrity: self.require_integrity,
            require_privacy: self.require_privacy,
            write_through: self.write_through,
            save: self.save,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Request, Mistake> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn connection(line: &str) -> Connect {
        match read(line) {
            Ok(Request::Connect(connect)) => connect,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn each_form_is_what_a_windows_user_means_by_it() {
        let drive = |letter| LocalDevice::Drive(letter);
        assert_eq!(read(""), Ok(Request::List));
        assert_eq!(read("x:"), Ok(Request::Show(drive('X'))));
        assert_eq!(read("/persistent:NO"), Ok(Request::Habit(false)));
        assert_eq!(read("x: /DELETE"), Ok(Request::Delete { name: "x:".into(), yes: false }));
        assert_eq!(read(r"/d \\s\s /y"), Ok(Request::Delete { name: r"\\s\s".into(), yes: true }));
        assert_eq!(read("* /delete /y"), Ok(Request::DeleteAll { yes: true }));
        assert_eq!(read("/?"), Ok(Request::Help));
        assert_eq!(connection(r"\\s\s").local, Local::None);
        assert_eq!(connection(r"* \\s\s").local, Local::Chosen);
        assert_eq!(connection(r"X: \\s\s").local, Local::Named(drive('X')));
        assert_eq!(
            connection("/mnt/data //s/s").local,
            Local::Named(LocalDevice::Directory("/mnt/data".into()))
        );
    }

    #[test]
    fn options_stand_anywhere_and_in_any_case() {
        let connect = connection(r"/USER:LAB\ann x: \\s\s * /Persistent:yes /requireprivacy");
        assert_eq!(connect.user.as_deref(), Some(r"LAB\ann"));
        assert_eq!((connect.ask, connect.persistent, connect.require_privacy), (true, Some(true), true));
    }

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        for line in [r"x: \\s\s hunter2", r"\\s\s hunter2", r"* \\s\s hunter2 /user:ann"] {
            let Mistake(text) = read(line).unwrap_err();
            assert!(text.contains("write * in its place"), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_a_mistake() {
        for line in [
            "*",
            "x: y:",
            r"x: \\s\s * *",
            "/delete",
            "x: y: /delete",
            "/persistent",
            "/persistent:maybe",
            "/user:",
            "/user:ann",
            "x: /persistent:yes",
            "/nonsense",
            "/savecred",
            r"x: \\s\s /smartcard",
            "/delete:x",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
