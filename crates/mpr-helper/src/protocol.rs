//! What a caller and a helper say to each other.
//!
//! A caller sends one [`Request`], followed by one secret frame when [`Request::has_password`] says so. The
//! helper answers with any number of [`Event::Progress`], [`Event::Shares`] and [`Event::Addresses`], then exactly one
//! [`Event::Done`] or [`Event::Failed`].

use std::sync::atomic::{AtomicU8, Ordering};

use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::PathBuf;

/// The network protocol a helper is to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Protocol {
    /// SMB 2 and 3.
    Smb,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// How to talk to it.
    pub protocol: Protocol,
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port; the protocol's own if absent.
    pub port: Option<u16>,
}

/// Who is asking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Login {
    /// Nobody in particular, because the caller asked for that.
    Anonymous,
    /// The server's guest account, because the caller asked for it.
    Guest,
    /// The caller's user, because nobody was named: without a password whoever the user's Kerberos ticket is for, else
    /// the account of this name.
    Own {
        /// Name of the caller's user.
        user: String,
    },
    /// An account of the server or of a domain.
    Account {
        /// Name of the account, possibly `user@domain`.
        user: String,
        /// Its domain; empty for the server's own choice.
        domain: String,
    },
}

/// Names that identify a connection to people and programs. None of them is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Naming {
    /// Name of the record file, without extension; see [`crate::record::Slot`].
    pub slot: String,
    /// Drive letter with colon, or an absolute path; `None` for a deviceless connection.
    pub local: Option<String>,
    /// The canonical remote name, as `\\server\share`.
    pub remote: String,
    /// Name of the provider that asks.
    pub provider: String,
    /// The user as the caller gave it, if one was given.
    pub user: Option<String>,
    /// The options it is connected with ([`crate::options`]); empty for none.
    #[serde(default)]
    pub options: String,
}

/// What is to be mounted, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// The server.
    pub server: Server,
    /// The share, export or collection on it.
    pub share: String,
    /// Directory inside the share that becomes the root of the mount: `/`-separated, empty for its root.
    pub path: String,
    /// Who connects.
    pub login: Login,
    /// Whether a secret frame follows.
    pub has_password: bool,
    /// What to call the connection.
    pub naming: Naming,
    /// Absolute path to mount at.
    pub mount_point: String,
    /// Whether the mount point is ours: made if missing, removed at the end.
    pub own_mount_point: bool,
    /// Refuse every change.
    pub read_only: bool,
    /// Whether others than this user may look in.
    #[serde(default)]
    pub allow_other: bool,
    /// Refuse a server that cannot or will not encrypt.
    pub require_encryption: bool,
    /// Owner of everything in the mount.
    pub uid: u32,
    /// Group of everything in the mount.
    pub gid: u32,
    /// What is a matter of taste.
    #[serde(default)]
    pub taste: Taste,
    /// The audit trail of the caller's user; `None` where none is kept.
    #[serde(default)]
    pub trail: Option<Trail>,
}

/// An audit trail: where it is, and how much of it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trail {
    /// The state directory of the user.
    pub state: PathBuf,
    /// Size at which a file of it is put aside.
    pub max_bytes: u64,
    /// How many files that were put aside are kept.
    pub keep: u32,
    /// Whether the journal gets a copy.
    pub journal: bool,
}

/// How a mount is to be where that is a matter of taste; what is `None` is as the helper has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Taste {
    /// Permissions of files, without the write permissions the server denies.
    pub file_mode: Option<u32>,
    /// Permissions of directories.
    pub directory_mode: Option<u32>,
    /// How long the server may take over a request, in milliseconds.
    pub timeout_ms: Option<u32>,
    /// Whether what is sent is encrypted wherever the server can.
    pub encrypt: Option<bool>,
    /// Whether files stand for symbolic links where the server has none.
    pub symlinks_in_files: Option<bool>,
    /// How much of contents is kept, in MiB.
    pub cache_mib: Option<u32>,
    /// How many names are kept.
    pub cache_names: Option<u32>,
}

impl Taste {
    /// This where it says something, and `other` where it does not.
    #[must_use]
    pub fn or(self, other: Taste) -> Taste {
        Taste {
            file_mode: self.file_mode.or(other.file_mode),
            directory_mode: self.directory_mode.or(other.directory_mode),
            timeout_ms: self.timeout_ms.or(other.timeout_ms),
            encrypt: self.encrypt.or(other.encrypt),
            symlinks_in_files: self.symlinks_in_files.or(other.symlinks_in_files),
            cache_mib: self.cache_mib.or(other.cache_mib),
            cache_names: self.cache_names.or(other.cache_names),
        }
    }
}

/// What a caller asks of a helper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Request {
    /// Connect, mount, stay and serve.
    Mount(Box<Mount>),
    /// Name the shares of a server.
    ListShares {
        /// The server.
        server: Server,
        /// Who asks.
        login: Login,
        /// Whether a secret frame follows.
        has_password: bool,
    },
    /// Keep a password for an account, in the place of any other. Answered with [`Event::Passwords`]: where.
    KeepPassword {
        /// The server.
        server: Server,
        /// Whose password.
        login: Login,
        /// Whether a secret frame follows; without one there is nothing to keep.
        has_password: bool,
    },
    /// Keep the password of an account no longer. Answered with [`Event::Passwords`]: what was kept.
    ForgetPassword {
        /// The server.
        server: Server,
        /// Whose password.
        login: Login,
    },
    /// Name the accounts whose passwords are kept.
    ListPasswords,
    /// Find out whether a share can be reached as this user, and what it is.
    Probe {
        /// The server.
        server: Server,
        /// The share on it.
        share: String,
        /// Who asks.
        login: Login,
        /// Whether a secret frame follows.
        has_password: bool,
    },
    /// Find the addresses of a server. Nothing is sent to the server itself.
    Resolve {
        /// Its name.
        host: String,
    },
}

impl Request {
    /// Whether a secret frame follows this request.
    #[must_use]
    pub fn has_password(&self) -> bool {
        match self {
            Request::Mount(mount) => mount.has_password,
            Request::ListShares { has_password, .. }
            | Request::Probe { has_password, .. }
            | Request::KeepPassword { has_password, .. } => *has_password,
            Request::ForgetPassword { .. } | Request::ListPasswords => false,
            Request::Resolve { .. } => false,
        }
    }
}

/// How far a helper has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Stage {
    /// Looking up the server's address.
    Resolving,
    /// Reaching it.
    Connecting,
    /// Proving who the user is.
    Authenticating,
    /// Asking for the share.
    Opening,
    /// Putting the file system in its place.
    Mounting,
}

impl Stage {
    /// How far the helper has come that was asked last, if one is being asked.
    ///
    /// For the command, which says what it waits for: a provider has no other way to tell it.
    #[must_use]
    pub fn now() -> Option<Stage> {
        match NOW.load(Ordering::Relaxed) {
            1 => Some(Stage::Connecting),
            2 => Some(Stage::Authenticating),
            3 => Some(Stage::Opening),
            4 => Some(Stage::Mounting),
            5 => Some(Stage::Resolving),
            _ => None,
        }
    }

    /// Makes this the answer to [`Stage::now`].
    pub fn reached(stage: Option<Stage>) {
        let number = match stage {
            None => 0,
            Some(Stage::Connecting) => 1,
            Some(Stage::Authenticating) => 2,
            Some(Stage::Opening) => 3,
            Some(Stage::Mounting) => 4,
            Some(Stage::Resolving) => 5,
        };
        NOW.store(number, Ordering::Relaxed);
    }
}

static NOW: AtomicU8 = AtomicU8::new(0);

/// What kind of thing a share is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShareKind {
    /// Files.
    Disk,
    /// A printer.
    Printer,
    /// Anything else, such as a named pipe.
    Other,
}

/// One share of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ShareKind,
    /// What its administrator says about it; may be empty.
    pub comment: String,
}

/// Where a password is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeptIn {
    /// The desktop's Secret Service.
    SecretService,
    /// The kernel's keyring.
    KernelKeyring,
}

/// An account whose password is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The server, as `//nas` or `//nas@14450`.
    pub server: String,
    /// The user, as `joe` or `DOMAIN\joe`.
    pub user: String,
    /// Where.
    pub place: KeptIn,
}

/// What a helper says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// It has come this far.
    Progress {
        /// How far.
        stage: Stage,
    },
    /// Some of the shares asked for.
    Shares {
        /// They.
        shares: Vec<Share>,
    },
    /// The addresses asked for.
    Addresses {
        /// They.
        addresses: Vec<IpAddr>,
    },
    /// Some of the accounts asked for.
    Passwords {
        /// They.
        kept: Vec<Kept>,
    },
    /// It has done what was asked, and this is the last event.
    Done {
        /// What was asked about is this (probe), or what was mounted is.
        kind: ShareKind,
    },
    /// It could not do what was asked, and this is the last event.
    Failed(Failure),
}

/// Why something could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The status code (`mpr_abi::Status`).
    pub status: u32,
    /// One sentence for people: what happened, to what, what to do next. Never holds a secret.
    pub message: String,
}

impl Failure {
    /// A failure with this status and sentence.
    pub fn new(status: mpr_abi::Status, message: impl Into<String>) -> Self {
        Failure { status: status.0, message: message.into() }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let request = Request::Probe {
            server: Server { protocol: Protocol::Smb, host: "nas".into(), port: Some(14450) },
            share: "photos".into(),
            login: Login::Account { user: "joe".into(), domain: String::new() },
            has_password: true,
        };
        let json = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<Request>(&json).unwrap(), request);

        let event = Event::Failed(Failure::new(mpr_abi::Status::LOGON_FAILURE, "no"));
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }
}
