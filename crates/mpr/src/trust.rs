//! Whether a file may be believed or run: who owns it, and who else could have changed it.
//!
//! Files are opened first and judged by their descriptor, so that what was judged is what is read. Only
//! regular files are opened for good: opening waits for nobody, so a named pipe in the place of a file does
//! not stop the caller.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Why something is not to be trusted, and the cure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Doubt {
    pub(crate) what: String,
    pub(crate) remedy: String,
}

/// On whose behalf the judgement is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judge {
    /// The process has more rights than whoever started it: only root's files count.
    elevated: bool,
    /// What is judged was registered by root for everybody: it must be root's.
    system: bool,
    uid: u32,
    gid: u32,
}

/// What is known of a file or directory.
#[derive(Debug, Clone, Copy)]
struct Facts {
    uid: u32,
    gid: u32,
    mode: u32,
}

impl From<&Metadata> for Facts {
    fn from(meta: &Metadata) -> Self {
        Facts { uid: meta.uid(), gid: meta.gid(), mode: meta.mode() & 0o7777 }
    }
}

/// Opens the regular file `path` for reading.
///
/// # Errors
///
/// Also for anything that is not a regular file, with the kind of thing it is in the text.
pub(crate) fn open_regular(path: &Path) -> io::Result<(File, Metadata)> {
    // Without O_NONBLOCK, a named pipe would keep us until somebody writes to it.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let meta = file.metadata()?;
    if meta.is_file() {
        return Ok((file, meta));
    }
    let kind = match meta.file_type() {
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_char_device() || kind.is_block_device() => "a device",
        _ => "a special file",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {kind}, not a regular file")))
}

impl Judge {
    /// Judges for this process.
    pub(crate) fn of_this_process(elevated: bool) -> Self {
        // SAFETY: neither call takes a pointer or can fail.
        let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
        Judge { elevated, system: false, uid, gid }
    }

    /// Judges what root registered.
    pub(crate) fn of_system(self, system: bool) -> Self {
        Judge { system, ..self }
    }

    /// The file that registers a plug-in. Whoever wrote it has code run here: root, or the user whose process
    /// it is. Returns whether it was root.
    pub(crate) fn registration(&self, path: &Path, meta: &Metadata) -> Result<bool, Doubt> {
        match meta.uid() {
            0 => Ok(true),
            // That file is not read at all.
            _ if self.elevated => Ok(false),
            uid if uid == self.uid => Ok(false),
            _ => Err(of_another(path, meta.into(), self.uid, "it ")),
        }
    }

    /// A configuration file or directory. Only a process with elevated privileges is particular: everybody
    /// else was told by the environment where to look anyway.
    pub(crate) fn configuration(&self, path: &Path, meta: &Metadata) -> Result<(), Doubt> {
        if self.elevated { self.roots_alone(path, meta.into(), "") } else { Ok(()) }
    }

    /// The directories that lead to the canonical `path` of a configuration directory.
    pub(crate) fn configuration_above(&self, path: &Path) -> Result<(), Doubt> {
        if self.elevated { self.directories_above(path) } else { Ok(()) }
    }

    /// The directories that lead to `path`, which is canonical.
    ///
    /// A library could be replaced between judging and loading by whoever can write to any directory on the way.
    pub(crate) fn directories_above(&self, path: &Path) -> Result<(), Doubt> {
        for directory in path.ancestors().skip(1) {
            let meta = directory.metadata().map_err(|error| Doubt {
                what: format!("its directory {} cannot be examined: {error}", directory.display()),
                remedy: "make the directory searchable".into(),
            })?;
            self.directory(directory, (&meta).into())?;
        }
        Ok(())
    }

    fn directory(&self, path: &Path, facts: Facts) -> Result<(), Doubt> {
        let subject = format!("its directory {} ", path.display());
        // In a sticky directory only the owner of a file can replace it.
        let sticky = facts.mode & 0o1000 != 0;
        if self.elevated {
            let mode = if sticky { facts.mode & !0o022 } else { facts.mode };
            return self.roots_alone(path, Facts { mode, ..facts }, &subject);
        }
        self.owned(path, facts, &subject)?;
        match sticky {
            true => Ok(()),
            false => self.written_by_others(path, facts, &subject),
        }
    }

    /// Whether it is root's, or the user's where that will do.
    fn owned(&self, path: &Path, facts: Facts, subject: &str) -> Result<(), Doubt> {
        match facts.uid {
            0 => Ok(()),
            _ if self.system => Err(Doubt {
                what: format!(
                    "{subject}belongs to user {}, and what root registers must be root's",
                    facts.uid
                ),
                remedy: format!("run: chown root '{}'", path.display()),
            }),
            uid if uid == self.uid => Ok(()),
            _ => Err(of_another(path, facts, self.uid, subject)),
        }
    }

    /// Whether nobody else can write to it.
    fn written_by_others(&self, path: &Path, facts: Facts, subject: &str) -> Result<(), Doubt> {
        if facts.mode & 0o002 != 0 {
            return Err(anyone_writes(path, facts, subject));
        }
        // Many systems give each user a group of their own and let it write.
        let own = if self.system { 0 } else { self.gid };
        if facts.mode & 0o020 != 0 && facts.gid != own && facts.gid != 0 {
            return Err(Doubt {
                what: format!("{subject}can be written to by group {} (mode {:04o})", facts.gid, facts.mode),
                remedy: format!("run: chmod g-w '{}'", path.display()),
            });
        }
        Ok(())
    }

    /// A library about to be run in this process.
    pub(crate) fn library(&self, path: &Path, meta: &Metadata) -> Result<(), Doubt> {
        self.library_facts(path, meta.into())
    }

    fn library_facts(&self, path: &Path, facts: Facts) -> Result<(), Doubt> {
        if self.elevated {
            return self.roots_alone(path, facts, "");
        }
        self.owned(path, facts, "it ")?;
        self.written_by_others(path, facts, "it ")
    }

    fn roots_alone(&self, path: &Path, facts: Facts, subject: &str) -> Result<(), Doubt> {
        let subject = if subject.is_empty() { "it " } else { subject };
        if facts.uid != 0 {
            return Err(Doubt {
                what: format!(
                    "{subject}belongs to user {}, and a process with elevated privileges trusts only root",
                    facts.uid
                ),
                remedy: format!("run: chown root '{}'", path.display()),
            });
        }
        if facts.mode & 0o022 != 0 {
            return Err(Doubt {
                what: format!("{subject}can be written to by others than root (mode {:04o})", facts.mode),
                remedy: format!("run: chmod go-w '{}'", path.display()),
            });
        }
        Ok(())
    }
}

fn of_another(path: &Path, facts: Facts, uid: u32, subject: &str) -> Doubt {
    Doubt {
        what: format!(
            "{subject}belongs to user {}, who is neither root nor the user of this process ({uid})",
            facts.uid
        ),
        remedy: format!("run: chown root '{}'", path.display()),
    }
}

fn anyone_writes(path: &Path, facts: Facts, subject: &str) -> Doubt {
    Doubt {
        what: format!("{subject}can be written to by anyone (mode {:04o})", facts.mode),
        remedy: format!("run: chmod o-w '{}'", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: Judge = Judge { elevated: false, system: false, uid: 7, gid: 70 };
    const SYSTEM: Judge = Judge { system: true, ..USER };
    const ELEVATED: Judge = Judge { elevated: true, ..USER };

    fn library(judge: Judge, uid: u32, gid: u32, mode: u32) -> Option<String> {
        let doubt = judge.library_facts(Path::new("/l/x.so"), Facts { uid, gid, mode }).err()?;
        Some(format!("{}; {}", doubt.what, doubt.remedy))
    }

    fn directory(judge: Judge, uid: u32, mode: u32) -> Option<String> {
        let doubt = judge.directory(Path::new("/l"), Facts { uid, gid: 0, mode }).err()?;
        Some(format!("{}; {}", doubt.what, doubt.remedy))
    }

    #[test]
    fn a_library_of_root_or_of_the_user_is_trusted() {
        assert_eq!(library(USER, 0, 0, 0o755), None);
        assert_eq!(library(USER, 7, 70, 0o700), None);
    }

    #[test]
    fn a_library_of_another_user_is_not_trusted() {
        assert_eq!(
            library(USER, 8, 70, 0o755).unwrap(),
            "it belongs to user 8, who is neither root nor the user of this process (7); run: chown root '/l/x.so'"
        );
    }

    #[test]
    fn a_library_others_can_write_to_is_not_trusted() {
        assert_eq!(
            library(USER, 7, 70, 0o757).unwrap(),
            "it can be written to by anyone (mode 0757); run: chmod o-w '/l/x.so'"
        );
        assert_eq!(
            library(USER, 7, 50, 0o775).unwrap(),
            "it can be written to by group 50 (mode 0775); run: chmod g-w '/l/x.so'"
        );
    }

    #[test]
    fn the_private_group_of_the_user_may_write_to_a_library() {
        assert_eq!(library(USER, 7, 70, 0o775), None);
    }

    #[test]
    fn what_root_registers_must_be_roots_and_so_must_every_directory_above() {
        assert_eq!(library(SYSTEM, 0, 0, 0o755), None);
        assert_eq!(
            library(SYSTEM, 7, 70, 0o755).unwrap(),
            "it belongs to user 7, and what root registers must be root's; run: chown root '/l/x.so'"
        );
        assert_eq!(
            library(SYSTEM, 0, 70, 0o775).unwrap(),
            "it can be written to by group 70 (mode 0775); run: chmod g-w '/l/x.so'"
        );
        assert_eq!(
            directory(SYSTEM, 7, 0o755).unwrap(),
            "its directory /l belongs to user 7, and what root registers must be root's; run: chown root '/l'"
        );
        assert_eq!(directory(SYSTEM, 0, 0o1777), None);
    }

    #[test]
    fn elevated_privileges_trust_only_what_is_roots_alone() {
        assert_eq!(library(ELEVATED, 0, 70, 0o755), None);
        assert_eq!(
            library(ELEVATED, 7, 70, 0o755).unwrap(),
            "it belongs to user 7, and a process with elevated privileges trusts only root; run: chown root '/l/x.so'"
        );
        assert_eq!(
            library(ELEVATED, 0, 70, 0o775).unwrap(),
            "it can be written to by others than root (mode 0775); run: chmod go-w '/l/x.so'"
        );
    }

    #[test]
    fn a_directory_anyone_can_write_to_must_be_sticky() {
        assert_eq!(directory(USER, 7, 0o755), None);
        assert_eq!(directory(USER, 0, 0o755), None);
        assert_eq!(
            directory(USER, 8, 0o755).unwrap(),
            "its directory /l belongs to user 8, who is neither root nor the user of this process (7); \
             run: chown root '/l'"
        );
        assert_eq!(directory(USER, 0, 0o1777), None);
        assert_eq!(
            directory(USER, 0, 0o777).unwrap(),
            "its directory /l can be written to by anyone (mode 0777); run: chmod o-w '/l'"
        );
        assert_eq!(directory(ELEVATED, 0, 0o1777), None);
        assert_eq!(
            directory(ELEVATED, 8, 0o755).unwrap(),
            "its directory /l belongs to user 8, and a process with elevated privileges trusts only root; \
             run: chown root '/l'"
        );
    }
}
