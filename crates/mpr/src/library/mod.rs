//! Notification libraries, network providers and credential managers in shared objects.
//!
//! A library becomes part of this process and stays until its end: it is never unloaded, since threads may
//! be running in it and others hold its addresses (`spec/notification.md` §3.3, `spec/provider.md` P1).
//! Everything that can be known of a file is therefore found out before it is loaded, and a file that is not
//! loaded is an error in words, never a crash.

mod answers;
mod copies;
pub mod credentials;
mod descriptor;
mod elf;
pub mod notifyee;
pub mod provider;
mod visible;

pub use credentials::LoadedCredentialManager;
pub use notifyee::LoadedNotifyee;
pub use provider::LoadedProvider;

use crate::Pin;
use crate::trust::{Doubt, Judge, open_regular};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use mpr_helper::host::Conditions;
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

/// On what terms a plug-in is loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// The process has more rights than whoever started it.
    pub elevated: bool,
    /// Root registered it for everybody: only root's files will do.
    pub by_root: bool,
    /// The contents it must have.
    pub sha256: Option<Pin>,
}

impl Terms {
    /// The same, as they are told to a host.
    pub(crate) fn conditions(&self) -> Conditions {
        Conditions { by_root: self.by_root, sha256: self.sha256.map(|pin| pin.to_string()) }
    }
}

/// A plug-in's file, opened and found to be in order.
pub(crate) struct Examined {
    /// Its canonical path.
    file: PathBuf,
    opened: File,
    meta: Metadata,
}

impl Examined {
    /// Itself, if it has the contents it is to have.
    fn pinned(self, path: &Path, terms: &Terms) -> Result<Self, LoadError> {
        let Some(wanted) = terms.sha256 else { return Ok(self) };
        let found = Pin::of_file(&self.opened).map_err(|error| unreachable(path, &error, ""))?;
        if found == wanted {
            return Ok(self);
        }
        Err(load_error(
            path,
            format!("its contents are not those it was registered with: its sha256 is {found}"),
            "install what was registered, or register it anew with --pin --replace if the change is meant",
        ))
    }
}

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
    fn load(path: &Path, terms: &Terms) -> Result<Self, LoadError> {
        let examined = examine(path, terms)?;
        let file = &examined.file;
        visible::show_router();
        let through = descriptor::name(&examined, terms);
        // SAFETY: initialisers of the library run. That is what its registration asks for, by somebody
        // entitled to: `examine` saw to it that nobody else could have written the file.
        match unsafe { Library::open(Some(through.as_deref().unwrap_or(file)), RTLD_NOW | RTLD_LOCAL) } {
            Ok(library) => Ok(SharedObject { path: path.to_owned(), library: ManuallyDrop::new(library) }),
            Err(error) => {
                let text = match &error {
                    libloading::Error::DlOpen { source } => source.to_string(),
                    other => other.to_string(),
                };
                let text = match &through {
                    Some(through) => text.replace(&*through.to_string_lossy(), &file.to_string_lossy()),
                    None => text,
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

/// The library at `path`, opened, if it is one for this machine, nobody could have tampered with it, and it has
/// the contents it is to have.
pub(crate) fn examine(path: &Path, terms: &Terms) -> Result<Examined, LoadError> {
    let instead = "name the shared object itself";
    let examined = trusted(path, terms, instead)?;
    let inspected = elf::inspect(&examined.opened, examined.meta.len());
    match inspected.map_err(|error| unreachable(path, &error, instead))? {
        Some((what, remedy)) => Err(load_error(path, format!("it is {what}"), remedy)),
        None => examined.pinned(path, terms),
    }
}

/// That the program at `path` can be run, and that nobody could have tampered with it.
pub(crate) fn examine_program(path: &Path, terms: &Terms) -> Result<(), LoadError> {
    let examined = trusted(path, terms, "name the program itself")?;
    if examined.meta.mode() & 0o111 == 0 {
        return Err(load_error(
            path,
            "it is not executable".into(),
            format!("run: chmod +x '{}'", path.display()),
        ));
    }
    examined.pinned(path, terms).map(drop)
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
fn trusted(path: &Path, terms: &Terms, instead: &str) -> Result<Examined, LoadError> {
    let unreachable = |error: io::Error| unreachable(path, &error, instead);
    let doubtful = |doubt: Doubt| load_error(path, doubt.what, doubt.remedy);
    let file = path.canonicalize().map_err(unreachable)?;
    let (opened, meta) = open_regular(&file).map_err(unreachable)?;
    let judge = Judge::of_this_process(terms.elevated).of_system(terms.by_root);
    judge.library(&file, &meta).map_err(doubtful)?;
    judge.directories_above(&file).map_err(doubtful)?;
    Ok(Examined { file, opened, meta })
}
