//! Remembered and recent connections of a user (`spec/persistence.md`).
//!
//! One file, `connections.toml` in the user's state directory, holds them (DECISION R6). It belongs to the
//! user: they may edit it by hand, and what this module does not know (comments, keys, tables, their order)
//! it leaves alone. A change is made under a lock and takes effect in one step, so that whoever reads sees the
//! file before the change or after it, never between, also when the changing process dies half-way.
//!
//! A [`Store`] knows where that file is and nothing else: every operation reads it afresh, since other
//! processes change it too.
//!
//! ```
//! # use mpr::store::{Entry, Store};
//! # use mpr_core::device::LocalDevice;
//! # let directory = tempfile::tempdir()?;
//! let store = Store::in_directory(directory.path());
//! let mut entry = Entry::new(LocalDevice::Drive('Z'), r"\\nas\photos");
//! entry.provider = "Microsoft Windows Network".to_owned();
//! store.remember(&entry)?;
//! assert_eq!(store.entries()?[0].remote, r"\\nas\photos");
//! assert!(store.forget(&LocalDevice::Drive('Z'))?.is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod document;
mod entry;
mod file;
mod problem;
mod rewrite;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use mpr_abi::Status;
use mpr_core::device::LocalDevice;
use mpr_core::remote::{self, RemoteError};

pub use document::{Contents, Flaw, parse};
pub use entry::Entry;
pub use problem::StoreError;

use crate::Problem;

use document::Document;
use file::Step;

/// The remembered and recent connections of one user.
#[derive(Debug, Clone)]
pub struct Store {
    file: PathBuf,
}

/// Name of the file within the state directory (DECISION R6).
const FILE_NAME: &str = "connections.toml";

impl Store {
    /// The store of the user this process runs as.
    ///
    /// # Errors
    ///
    /// [`Status::CANNOT_OPEN_PROFILE`] for a user who has no home directory.
    pub fn of_this_user() -> Result<Store, StoreError> {
        match mpr_helper::dirs::state_path() {
            Ok(directory) => Ok(Store::in_directory(directory)),
            Err(error) => Err(StoreError::cannot_open(
                Path::new(FILE_NAME),
                format!("there is no place for remembered connections: {error}"),
                "set MPR_STATE_DIR to a directory of yours",
            )),
        }
    }

    /// The store in `directory`, which need not exist: reading finds nothing then, and a change creates it.
    pub fn in_directory(directory: impl Into<PathBuf>) -> Store {
        let mut file = directory.into();
        file.push(FILE_NAME);
        Store { file }
    }

    /// The file everything is kept in. It need not exist.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Every remembered connection, in the order they are restored in (DECISION R2).
    ///
    /// An entry that cannot be used is left out; [`Store::problems`] says why.
    ///
    /// # Errors
    ///
    /// [`Status::CANNOT_OPEN_PROFILE`] if the file is there but cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>, StoreError> {
        self.with_document(|document| document.entries()).map(Option::unwrap_or_default)
    }

    /// What `device` is remembered for.
    ///
    /// Asked on every connect to a device, so it looks at that entry alone: a user without a store pays for
    /// one failed `open`.
    ///
    /// # Errors
    ///
    /// As [`Store::entries`].
    pub fn entry(&self, device: &LocalDevice) -> Result<Option<Entry>, StoreError> {
        match file::read(&self.file)? {
            Some(bytes) if document::may_hold(&bytes, device) => {
                Ok(Document::parse(&bytes).ok().and_then(|document| document.entry(device)))
            }
            _ => Ok(None),
        }
    }

    /// Names of recently used resources, most recent first.
    ///
    /// # Errors
    ///
    /// As [`Store::entries`].
    pub fn recent(&self) -> Result<Vec<String>, StoreError> {
        self.with_document(|document| document.recent()).map(Option::unwrap_or_default)
    }

    /// Whether a new connection is to be remembered when nobody says; `None` if the user has not chosen.
    ///
    /// # Errors
    ///
    /// As [`Store::entries`].
    pub fn save_connections(&self) -> Result<Option<bool>, StoreError> {
        self.with_document(|document| document.save_connections()).map(Option::flatten)
    }

    /// Whether a change would be possible, found out without making one: what must be known before
    /// anybody is notified of a connection that is to be remembered (`spec/wnet.md` §4.4 test 14).
    ///
    /// # Errors
    ///
    /// [`Status::CANNOT_OPEN_PROFILE`] if the file or its directory cannot be read or written,
    /// [`Status::BAD_PROFILE`] if the file is malformed.
    pub fn check_writable(&self) -> Result<(), StoreError> {
        file::check_writable(&self.file)?;
        self.read_for_change().map(drop)
    }

    /// As [`Store::check_writable`], for [`Store::forget`]: where nothing is remembered there is nothing to
    /// write, and so nothing that could fail (`spec/wnet.md` §5.3).
    ///
    /// # Errors
    ///
    /// As [`Store::check_writable`].
    pub fn check_forgettable(&self, device: &LocalDevice) -> Result<(), StoreError> {
        match self.read_for_change()? {
            Some((_, contents)) if contents.entry(device).is_some() => file::check_writable(&self.file),
            _ => Ok(()),
        }
    }

    /// Remembers `entry`, in place of what its device was remembered for.
    ///
    /// # Errors
    ///
    /// As [`Store::check_writable`]. [`Status::BAD_NETNAME`] or [`Status::BAD_VALUE`] for an entry that could
    /// not be read back, or that holds a password.
    pub fn remember(&self, entry: &Entry) -> Result<(), StoreError> {
        self.check_name(&entry.remote)?;
        for (what, text) in [("provider", Some(&entry.provider)), ("user", entry.user.as_ref())] {
            if text.is_some_and(|text| text.contains('\0')) {
                return Err(self.refused(Status::BAD_VALUE, format!("the name of the {what} holds a NUL")));
            }
        }
        self.change(|text, contents| rewrite::remember(text, contents, entry), &mut |_| {})
    }

    /// Forgets what `device` is remembered for, and says what that was.
    ///
    /// # Errors
    ///
    /// As [`Store::check_writable`], but nothing is written, and so nothing can fail to be written, where
    /// nothing is remembered.
    pub fn forget(&self, device: &LocalDevice) -> Result<Option<Entry>, StoreError> {
        match self.read_for_change()? {
            Some((_, contents)) if contents.entry(device).is_some() => {}
            _ => return Ok(None),
        }
        // Somebody else may have forgotten it meanwhile; what counts is what is there under the lock.
        let mut forgotten = None;
        self.change(
            |text, contents| {
                forgotten = contents.entry(device).cloned();
                rewrite::forget(text, contents, device)
            },
            &mut |_| {},
        )?;
        Ok(forgotten)
    }

    /// Puts `remote` at the front of the recent names; the 27th falls off the end.
    ///
    /// # Errors
    ///
    /// As [`Store::remember`].
    pub fn add_recent(&self, remote: &str) -> Result<(), StoreError> {
        self.check_name(remote)?;
        self.change(|text, contents| rewrite::add_recent(text, contents, remote), &mut |_| {})
    }

    /// Chooses whether a new connection is to be remembered when nobody says.
    ///
    /// # Errors
    ///
    /// As [`Store::check_writable`].
    pub fn set_save_connections(&self, save: bool) -> Result<(), StoreError> {
        self.change(|text, contents| rewrite::set_save_connections(text, contents, save), &mut |_| {})
    }

    /// Everything that is wrong, for people: entries that are skipped, and what would stop a change.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = match file::read(&self.file) {
            Ok(bytes) => {
                let flaws = bytes.map(|bytes| parse(&bytes).flaws).unwrap_or_default();
                flaws.into_iter().map(|flaw| flaw.in_file(&self.file)).collect()
            }
            Err(error) => vec![error.into_problem()],
        };
        if let Err(error) = file::check_writable(&self.file) {
            problems.push(error.into_problem());
        }
        problems
    }

    /// Reads the file and asks `question` of what is in it; `None` if there is no file.
    ///
    /// Where the file cannot be understood at all there is nothing to be had from it, and a reader makes do
    /// with nothing (DECISION R6).
    fn with_document<T>(&self, question: impl FnOnce(&Document<'_>) -> T) -> Result<Option<T>, StoreError> {
        let Some(bytes) = file::read(&self.file)? else { return Ok(None) };
        Ok(Document::parse(&bytes).ok().as_ref().map(question))
    }

    /// Reads the file for somebody who means to change it, to whom a malformed one is an error (DECISION R6).
    fn read_for_change(&self) -> Result<Option<(String, Contents)>, StoreError> {
        let Some(bytes) = file::read(&self.file)? else { return Ok(None) };
        let contents = parse(&bytes);
        let text = String::from_utf8(bytes).ok();
        match (contents.flaws.iter().find(|flaw| flaw.malformed), text) {
            (None, Some(text)) => Ok(Some((text, contents))),
            (Some(flaw), _) => Err(StoreError::new(Status::BAD_PROFILE, flaw.clone().in_file(&self.file))),
            (None, None) => unreachable!("text that is not UTF-8 is a flaw that makes the file malformed"),
        }
    }

    /// The update protocol of DECISION R6. `change` makes the new text from the old, or `None` to leave it.
    fn change(
        &self,
        change: impl FnOnce(&str, &Contents) -> Result<Option<String>, Flaw>,
        reached: &mut dyn FnMut(Step),
    ) -> Result<(), StoreError> {
        let locked = file::lock(&self.file)?;
        reached(Step::Locked);
        let (text, contents) = self.read_for_change()?.unwrap_or_default();
        reached(Step::Read);
        match change(&text, &contents) {
            Ok(Some(text)) => locked.replace(text.as_bytes(), reached),
            Ok(None) => Ok(()),
            Err(flaw) => Err(StoreError::new(Status::BAD_PROFILE, flaw.in_file(&self.file))),
        }
    }

    /// Whether `remote` can be kept: it can be read back, and no password goes with it (DECISION R6).
    fn check_name(&self, remote: &str) -> Result<(), StoreError> {
        let wrong = if remote.is_empty() {
            "the name of the resource is empty".to_owned()
        } else if remote.contains('\0') {
            "the name of the resource holds a NUL".to_owned()
        } else if let Err(error @ RemoteError::PasswordInUrl) =
            remote::canonical(&remote.encode_utf16().collect::<Vec<_>>())
        {
            error.to_string()
        } else {
            return Ok(());
        };
        Err(self.refused(Status::BAD_NETNAME, wrong))
    }

    fn refused(&self, status: Status, what: String) -> StoreError {
        let what = format!("this connection cannot be remembered: {what}");
        StoreError::new(status, Problem::new(&self.file, None, what, "correct the name and connect again"))
    }
}
