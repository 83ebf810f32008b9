//! Notification libraries, network providers and credential managers in shared objects.
//!
//! A library becomes part of this process and stays until its end: it is never unloaded, since threads may
//! be running in it and others hold its addresses (`spec/notification.md` §3.3, `spec/provider.md` P1).
//! Everything that can be known of a file is therefore found out before it is loaded, and a file that is not
//! loaded is an error in words, never a crash.

mod answers;
mod copies;
pub mod credentials;
mod elf;
pub mod notifyee;
pub mod provider;
mod visible;

pub use credentials::LoadedCredentialManager;
pub use notifyee::LoadedNotifyee;
pub use provider::LoadedProvider;

use crate::trust::{Doubt, Judge, open_regular};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use std::ffi::CStr;
use std::fmt;
use std::fs::{File, Metadata};
use std::io;
use std::mem::ManuallyDrop;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Why a shared object was not loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// One line: `file: what; remedy`.
impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.file.display(), self.what, self.remedy)
    }
}

impl std::error::Error for LoadError {}

/// The file itself, behind links; `path` as it is when there is no such file.
#[must_use]
pub fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// A shared object that is part of this process for good.
#[derive(Debug)]
struct SharedObject {
    /// As registered, for messages.
    path: PathBuf,
    library: ManuallyDrop<Library>,
}

impl SharedObject {
    /// Loads the shared object at `path` after all that can be checked without running it.
    fn load(path: &Path, elevated: bool) -> Result<Self, LoadError> {
        let file = examine(path, elevated)?;
        visible::show_router();
        // SAFETY: initialisers of the library run. That is what its registration asks for, by somebody
        // entitled to: `examine` saw to it that nobody else could have written the file.
        match unsafe { Library::open(Some(&file), RTLD_NOW | RTLD_LOCAL) } {
            Ok(library) => Ok(SharedObject { path: path.to_owned(), library: ManuallyDrop::new(library) }),
            Err(error) => {
                let text = match &error {
                    libloading::Error::DlOpen { source } => source.to_string(),
                    other => other.to_string(),
                };
                let remedy = format!("run: ldd -r '{}' to see what it lacks", file.display());
                Err(load_error(path, format!("the dynamic linker refuses it: {text}"), remedy))
            }
        }
    }

    /// The exported function of this name.
    ///
    /// # Safety
    ///
    /// `F` is the type of that function.
    unsafe fn function<F: Copy>(&self, name: &CStr) -> Option<F> {
        // SAFETY: as the caller vouches; a NULL symbol is `None`.
        unsafe { self.library.get::<Option<F>>(name) }.ok().and_then(|symbol| *symbol)
    }

    /// That the library is not what it was registered as, and what it might be instead.
    fn lacks(&self, what: &str, remedy: &str) -> LoadError {
        // SAFETY: only the presence of the symbols counts; they are not called.
        let exports = |name| unsafe { self.function::<unsafe extern "system" fn()>(name) }.is_some();
        let remedy = if exports(c"NPGetCaps") {
            "it is a network provider: register it in providers.d"
        } else if exports(c"AddConnectNotify") || exports(c"CancelConnectNotify") {
            "it is a notification library: register it in notifyees.d"
        } else {
            remedy
        };
        load_error(&self.path, what.to_owned(), remedy)
    }
}

fn load_error(path: &Path, what: String, remedy: impl Into<String>) -> LoadError {
    LoadError { file: path.to_owned(), what, remedy: remedy.into() }
}

/// The canonical path of the library at `path`, if it is one for this machine and nobody could have tampered
/// with it.
pub(crate) fn examine(path: &Path, elevated: bool) -> Result<PathBuf, LoadError> {
    let instead = "name the shared object itself";
    let (file, opened, meta) = trusted(path, elevated, instead)?;
    match elf::inspect(&opened, meta.len()).map_err(|error| unreachable(path, &error, instead))? {
        Some((what, remedy)) => Err(load_error(path, format!("it is {what}"), remedy)),
        None => Ok(file),
    }
}

/// That the program at `path` can be run, and that nobody could have tampered with it.
pub(crate) fn examine_program(path: &Path, elevated: bool) -> Result<(), LoadError> {
    let (_, _, meta) = trusted(path, elevated, "name the program itself")?;
    if meta.mode() & 0o111 == 0 {
        return Err(load_error(
            path,
            "it is not executable".into(),
            format!("run: chmod +x '{}'", path.display()),
        ));
    }
    Ok(())
}

fn unreachable(path: &Path, error: &io::Error, instead: &str) -> LoadError {
    match error.kind() {
        io::ErrorKind::NotFound => {
            load_error(path, "there is no such file".into(), "install it, or correct the path")
        }
        io::ErrorKind::InvalidInput => load_error(path, error.to_string(), instead),
        _ => load_error(path, format!("it cannot be opened: {error}"), "make it readable"),
    }
}

/// The canonical path of the regular file at `path`, if nobody could have tampered with it.
fn trusted(path: &Path, elevated: bool, instead: &str) -> Result<(PathBuf, File, Metadata), LoadError> {
    let unreachable = |error: io::Error| unreachable(path, &error, instead);
    let doubtful = |doubt: Doubt| load_error(path, doubt.what, doubt.remedy);
    let file = path.canonicalize().map_err(unreachable)?;
    let (opened, meta) = open_regular(&file).map_err(unreachable)?;
    let judge = Judge::of_this_process(elevated);
    judge.library(&file, &meta).map_err(doubtful)?;
    judge.directories_above(&file).map_err(doubtful)?;
    Ok((file, opened, meta))
}
