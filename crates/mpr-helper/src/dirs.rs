//! The directories of a user: configuration, state, run time.
//!
//! | what | where, first that applies |
//! |---|---|
//! | run time | `$MPR_RUNTIME_DIR`; `$XDG_RUNTIME_DIR/mpr`; root: `/run/mpr`; `/run/user/<uid>/mpr`; `/tmp/mpr-<uid>` |
//! | state | `$MPR_STATE_DIR`; `$XDG_STATE_HOME/mpr`; `~/.local/state/mpr` |
//! | configuration | `$MPR_CONFIG_DIRS`, colon-separated; `/usr/share/mpr`, `/etc/mpr`, `$XDG_CONFIG_HOME/mpr` |
//!
//! In a process with elevated privileges ([`is_elevated`]) the environment is not read at all, and no
//! configuration of a user counts. `$XDG_RUNTIME_DIR` counts only when it is this user's own directory: it
//! survives `su` and `sudo -E`, and would then lead to somebody else's mounts. A user without one (a cron
//! job, a container) still gets a directory: systemd's place for that user, if it is there, else one in `/tmp`
//! which, like every directory made here, is refused unless it is this user's and nobody else may write to it.

use std::env;
use std::ffi::{CStr, OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Whether this process runs with more rights than whoever started it, so that its environment is not to be
/// trusted: set-user-ID, set-group-ID, file capabilities, or a security module that says so.
#[must_use]
pub fn is_elevated() -> bool {
    // SAFETY: these calls take no pointers and cannot fail.
    unsafe {
        libc::getauxval(libc::AT_SECURE) != 0
            || libc::getuid() != libc::geteuid()
            || libc::getgid() != libc::getegid()
    }
}

/// Where per-connection records, control sockets and mount points live. Nothing is created or checked.
pub fn runtime_path() -> io::Result<PathBuf> {
    Surroundings::of_this_process().runtime()
}

/// The run-time directory, created with mode 0700 if need be and checked to be this user's alone.
pub fn runtime_dir() -> io::Result<PathBuf> {
    let path = runtime_path()?;
    ensure_private(&path)?;
    Ok(path)
}

/// Where remembered and recent connections are kept. Nothing is created or checked.
pub fn state_path() -> io::Result<PathBuf> {
    Surroundings::of_this_process().state()
}

/// The state directory, created with mode 0700 if need be and checked to be this user's alone.
pub fn state_dir() -> io::Result<PathBuf> {
    let path = state_path()?;
    ensure_private(&path)?;
    Ok(path)
}

/// The configuration directories, weakest first: what a later one says wins. They need not exist.
#[must_use]
pub fn config_dirs() -> Vec<PathBuf> {
    Surroundings::of_this_process().config()
}

/// What `$MPR_CONFIG_DIRS` names beside them and is left out: a relative path would lead each program elsewhere.
#[must_use]
pub fn relative_config_dirs() -> Vec<PathBuf> {
    Surroundings::of_this_process().relative_config()
}

/// Directories of the system's configuration, weakest first. What they forbid holds whatever the environment says.
pub const SYSTEM_CONFIG_DIRS: [&str; 2] = ["/usr/share/mpr", "/etc/mpr"];

/// Whose a configuration directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// One of [`SYSTEM_CONFIG_DIRS`].
    System,
    /// The environment puts it in the place of the system's: all of `$MPR_CONFIG_DIRS` but the last.
    Environment,
    /// The user's own.
    User,
}

/// Whose each of the configuration directories `listed` is. The last one is the user's, as in the usual list; one
/// alone is in the place of both.
#[must_use]
pub fn levels(listed: &[PathBuf]) -> Vec<Level> {
    let level = |(at, directory): (usize, &PathBuf)| {
        if SYSTEM_CONFIG_DIRS.iter().any(|system| directory == Path::new(system)) {
            Level::System
        } else if at + 1 < listed.len() || listed.len() == 1 {
            Level::Environment
        } else {
            Level::User
        }
    };
    listed.iter().enumerate().map(level).collect()
}

/// Makes `path` a directory that only this user can write to, and says what is wrong if that cannot be had.
///
/// Missing directories on the way are created too, all with mode 0700. The last one is opened without
/// following a link and then judged by its descriptor.
pub fn ensure_private(path: &Path) -> io::Result<()> {
    match open_private(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(|e| context(e, "cannot create the directory", path))?;
            open_private(path).map(drop)
        }
        opened => opened.map(drop),
    }
}

/// Opens the directory `path` and checks that it is this user's and that nobody else can write to it.
pub fn open_private(path: &Path) -> io::Result<File> {
    let directory = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW)
        .open(path)
        .map_err(|e| context(e, "cannot open the directory", path))?;
    let meta = directory.metadata().map_err(|e| context(e, "cannot examine the directory", path))?;
    if meta.uid() != effective_uid() {
        return Err(refusal(format!(
            "{} belongs to user {}, not to user {}; remove it or choose another place with MPR_RUNTIME_DIR or MPR_STATE_DIR",
            path.display(),
            meta.uid(),
            effective_uid()
        )));
    }
    if meta.mode() & 0o022 != 0 {
        return Err(refusal(format!(
            "{} can be written to by other users (mode {:04o}); run: chmod go-w '{0}'",
            path.display(),
            meta.mode() & 0o7777
        )));
    }
    Ok(directory)
}

/// The effective user of this process, the one whose files are made.
#[must_use]
pub fn effective_uid() -> u32 {
    // SAFETY: takes no pointer and cannot fail.
    unsafe { libc::geteuid() }
}

/// The effective group of this process.
#[must_use]
pub fn effective_gid() -> u32 {
    // SAFETY: takes no pointer and cannot fail.
    unsafe { libc::getegid() }
}

/// The name of the effective user of this process, if that user has one.
#[must_use]
pub fn user_name() -> Option<String> {
    let (name, _) = passwd(effective_uid())?;
    String::from_utf8(name).ok().filter(|name| !name.is_empty())
}

/// What decides where a user's files are, so that the decision can be tested without a process of its own.
struct Surroundings<'a> {
    elevated: bool,
    uid: u32,
    variable: &'a dyn Fn(&str) -> Option<OsString>,
    passwd_home: &'a dyn Fn(u32) -> Option<PathBuf>,
    owned_directory: &'a dyn Fn(&Path, u32) -> bool,
}

impl Surroundings<'static> {
    fn of_this_process() -> Self {
        Surroundings {
            elevated: is_elevated(),
            uid: effective_uid(),
            variable: &|name| env::var_os(name),
            passwd_home: &home_in_passwd,
            owned_directory: &|path, uid| {
                fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir() && meta.uid() == uid)
            },
        }
    }
}

impl Surroundings<'_> {
    fn runtime(&self) -> io::Result<PathBuf> {
        if let Some(path) = self.own_variable("MPR_RUNTIME_DIR")? {
            return Ok(path);
        }
        if let Some(path) = self.xdg_variable("XDG_RUNTIME_DIR")
            && (self.owned_directory)(&path, self.uid)
        {
            return Ok(path.join("mpr"));
        }
        if self.uid == 0 {
            return Ok(PathBuf::from("/run/mpr"));
        }
        let systemd = PathBuf::from(format!("/run/user/{}", self.uid));
        if (self.owned_directory)(&systemd, self.uid) {
            return Ok(systemd.join("mpr"));
        }
        Ok(PathBuf::from(format!("/tmp/mpr-{}", self.uid)))
    }

    fn state(&self) -> io::Result<PathBuf> {
        if let Some(path) = self.own_variable("MPR_STATE_DIR")? {
            return Ok(path);
        }
        if let Some(path) = self.xdg_variable("XDG_STATE_HOME") {
            return Ok(path.join("mpr"));
        }
        match self.home() {
            Some(home) => Ok(home.join(".local/state/mpr")),
            None => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("user {} has no home directory to keep state in; set MPR_STATE_DIR", self.uid),
            )),
        }
    }

    fn config(&self) -> Vec<PathBuf> {
        if let Some(listed) = self.listed_config() {
            return listed.into_iter().filter(|path| path.is_absolute()).collect();
        }
        let mut directories = vec![PathBuf::from("/usr/share/mpr"), PathBuf::from("/etc/mpr")];
        if !self.elevated {
            directories.extend(
                self.xdg_variable("XDG_CONFIG_HOME")
                    .or_else(|| Some(self.home()?.join(".config")))
                    .map(|path| path.join("mpr")),
            );
        }
        directories
    }

    fn relative_config(&self) -> Vec<PathBuf> {
        let is_relative = |path: &PathBuf| path.is_relative() && !path.as_os_str().is_empty();
        self.listed_config().unwrap_or_default().into_iter().filter(is_relative).collect()
    }

    /// What the variable lists, if it is set.
    fn listed_config(&self) -> Option<Vec<PathBuf>> {
        let list = self.trusted_variable("MPR_CONFIG_DIRS")?;
        let parts = list.as_bytes().split(|byte| *byte == b':');
        Some(parts.map(|part| PathBuf::from(OsStr::from_bytes(part))).collect())
    }

    fn home(&self) -> Option<PathBuf> {
        self.xdg_variable("HOME").or_else(|| (self.passwd_home)(self.uid))
    }

    /// A variable of ours: a relative path in it is a mistake worth telling, not one to step over.
    fn own_variable(&self, name: &str) -> io::Result<Option<PathBuf>> {
        match self.trusted_variable(name).map(PathBuf::from) {
            Some(path) if !path.is_absolute() => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{name} is '{}', which is not an absolute path", path.display()),
            )),
            path => Ok(path),
        }
    }

    /// A variable of the XDG base directory specification, which says that a relative path is to be ignored.
    fn xdg_variable(&self, name: &str) -> Option<PathBuf> {
        self.trusted_variable(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    fn trusted_variable(&self, name: &str) -> Option<OsString> {
        if self.elevated { None } else { (self.variable)(name).filter(|value| !value.is_empty()) }
    }
}

fn home_in_passwd(uid: u32) -> Option<PathBuf> {
    let (_, home) = passwd(uid)?;
    Some(PathBuf::from(OsString::from_vec(home))).filter(|path| path.is_absolute())
}

/// Name and home directory of a user.
fn passwd(uid: u32) -> Option<(Vec<u8>, Vec<u8>)> {
    // Entries come from the directory service too; one that needs more than this is no entry worth having.
    const BIGGEST: usize = 1 << 20;
    let mut buffer: Vec<libc::c_char> = vec![0; 1024];
    loop {
        let mut entry = std::mem::MaybeUninit::<libc::passwd>::uninit();
        let mut found: *mut libc::passwd = std::ptr::null_mut();
        // SAFETY: `entry`, `buffer` (with its true length) and `found` are valid for writes during the call.
        let status = unsafe {
            libc::getpwuid_r(uid, entry.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &mut found)
        };
        if status == libc::ERANGE && buffer.len() < BIGGEST {
            let bigger = buffer.len() * 4;
            buffer.resize(bigger, 0);
            continue;
        }
        if status != 0 || found.is_null() {
            return None;
        }
        // SAFETY: `found` is not null, so it points to `entry`, which the call has filled in with pointers into
        // `buffer`; both are alive here, and each string is null or ends in a zero byte.
        return unsafe {
            let (name, home) = ((*found).pw_name, (*found).pw_dir);
            if name.is_null() || home.is_null() {
                return None;
            }
            Some((CStr::from_ptr(name).to_bytes().to_vec(), CStr::from_ptr(home).to_bytes().to_vec()))
        };
    }
}

fn context(error: io::Error, what: &str, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{what} {}: {error}", path.display()))
}

fn refusal(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn decide<T>(
        elevated: bool,
        uid: u32,
        variables: &[(&str, &str)],
        owned: &[&str],
        question: impl FnOnce(&Surroundings<'_>) -> T,
    ) -> T {
        question(&Surroundings {
            elevated,
            uid,
            variable: &|name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
            },
            passwd_home: &|uid| Some(PathBuf::from(format!("/home/u{uid}"))),
            owned_directory: &|path, _| owned.iter().any(|known| Path::new(known) == path),
        })
    }

    #[test]
    fn our_own_variable_comes_first() {
        let variables =
            [("MPR_RUNTIME_DIR", "/a"), ("XDG_RUNTIME_DIR", "/b"), ("MPR_STATE_DIR", "/c"), ("HOME", "/d")];
        let (runtime, state) =
            decide(false, 7, &variables, &["/b"], |s| (s.runtime().unwrap(), s.state().unwrap()));
        assert_eq!((runtime, state), (PathBuf::from("/a"), PathBuf::from("/c")));
    }

    #[test]
    fn a_relative_path_in_our_own_variable_is_an_error_that_names_it() {
        let error =
            decide(false, 7, &[("MPR_RUNTIME_DIR", "run")], &[], |s| s.runtime().unwrap_err().to_string());
        assert!(error.contains("MPR_RUNTIME_DIR") && error.contains("'run'"), "{error}");
    }

    #[test]
    fn the_runtime_directory_of_somebody_else_is_not_taken_over_through_the_environment() {
        let runtime =
            decide(false, 0, &[("XDG_RUNTIME_DIR", "/run/user/1000")], &[], |s| s.runtime().unwrap());
        assert_eq!(runtime, Path::new("/run/mpr"));
    }

    #[test]
    fn a_user_without_a_session_still_has_a_runtime_directory() {
        assert_eq!(
            decide(false, 7, &[], &["/run/user/7"], |s| s.runtime().unwrap()),
            Path::new("/run/user/7/mpr")
        );
        assert_eq!(decide(false, 7, &[], &[], |s| s.runtime().unwrap()), Path::new("/tmp/mpr-7"));
    }

    #[test]
    fn an_elevated_process_reads_no_environment() {
        let variables = [
            ("MPR_RUNTIME_DIR", "/a"),
            ("XDG_RUNTIME_DIR", "/a"),
            ("MPR_STATE_DIR", "/a"),
            ("XDG_STATE_HOME", "/a"),
            ("HOME", "/a"),
            ("MPR_CONFIG_DIRS", "/a"),
            ("XDG_CONFIG_HOME", "/a"),
        ];
        decide(true, 0, &variables, &["/a"], |s| {
            assert_eq!(s.runtime().unwrap(), Path::new("/run/mpr"));
            assert_eq!(s.state().unwrap(), Path::new("/home/u0/.local/state/mpr"));
            assert_eq!(s.config(), [Path::new("/usr/share/mpr"), Path::new("/etc/mpr")]);
        });
    }

    #[test]
    fn configuration_of_the_user_comes_after_that_of_the_system() {
        let usual = ["/usr/share/mpr", "/etc/mpr", "/home/u7/.config/mpr"].map(PathBuf::from);
        assert_eq!(decide(false, 7, &[], &[], |s| s.config()), usual);
        let listed = decide(false, 7, &[("MPR_CONFIG_DIRS", "/one::relative:/two")], &[], |s| s.config());
        assert_eq!(listed, ["/one", "/two"].map(PathBuf::from));
        let variables = [("MPR_CONFIG_DIRS", "/one::relative:/two")];
        assert_eq!(decide(false, 7, &variables, &[], |s| s.relative_config()), [PathBuf::from("relative")]);
        assert!(decide(true, 7, &variables, &[], |s| s.relative_config()).is_empty());
    }

    #[test]
    fn a_private_directory_is_created_with_its_parents() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("a/b");
        ensure_private(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o700);
        ensure_private(&path).unwrap();
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_refused_with_the_cure() {
        let base = tempfile::tempdir().unwrap();
        fs::set_permissions(base.path(), fs::Permissions::from_mode(0o770)).unwrap();
        let error = ensure_private(base.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(error.to_string().contains("chmod go-w"), "{error}");
    }

    #[test]
    fn a_directory_is_the_systems_by_its_name_and_the_users_by_its_place() {
        let levels = |listed: &[&str]| levels(&listed.iter().map(PathBuf::from).collect::<Vec<_>>());
        use Level::{Environment, System, User};
        assert_eq!(levels(&["/usr/share/mpr", "/etc/mpr", "/h/.config/mpr"]), [System, System, User]);
        assert_eq!(levels(&["/usr/share/mpr", "/etc/mpr"]), [System, System]);
        assert_eq!(levels(&["/a", "/b", "/c"]), [Environment, Environment, User]);
        assert_eq!(levels(&["/a"]), [Environment]);
    }

    #[test]
    fn a_link_is_not_followed_to_a_private_directory() {
        let base = tempfile::tempdir().unwrap();
        let link = base.path().join("link");
        std::os::unix::fs::symlink(base.path(), &link).unwrap();
        assert!(ensure_private(&link).is_err());
    }

    #[test]
    fn the_password_database_knows_the_home_of_root() {
        assert_eq!(home_in_passwd(0), Some(PathBuf::from("/root")));
        assert_eq!(home_in_passwd(u32::MAX - 7), None);
        assert!(user_name().is_some());
    }
}
