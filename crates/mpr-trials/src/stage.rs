//! What is judged: shares of a private server, mounted by the command `mpr`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use mpr_testkit::{Samba, TestEnv};

use crate::program::{self, run_with};

/// How long connecting and disconnecting may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// The ordinary user root becomes: an account every system has, and the one [`Samba`] knows.
const ORDINARY: u32 = 1;

/// Who mounts and uses the mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Person {
    /// Whoever runs us.
    Myself,
    /// Somebody without privileges: ourselves, or if we are root, somebody else.
    Ordinary,
}

/// A share, mounted by `mpr connect` in a world of its own.
#[derive(Debug)]
pub struct Mount {
    env: TestEnv,
    root: PathBuf,
    person: Person,
    mpr: PathBuf,
}

impl Mount {
    /// Mounts a share as `Z:`.
    ///
    /// # Errors
    ///
    /// What `mpr connect` says.
    pub fn new(samba: &Samba, share: &str, person: Person) -> Result<Mount, String> {
        Mount::in_world(TestEnv::new(), samba, share, person)
    }

    /// The same, with configuration of its own.
    ///
    /// # Errors
    ///
    /// What `mpr connect` says.
    pub fn in_world(env: TestEnv, samba: &Samba, share: &str, person: Person) -> Result<Mount, String> {
        let mut mount = Mount::prepared_in(env, person)?;
        mount.connect(samba, share)?;
        Ok(mount)
    }

    /// A world in which nothing is connected yet.
    ///
    /// # Errors
    ///
    /// If the programs are not built.
    pub fn prepared(person: Person) -> Result<Mount, String> {
        Mount::prepared_in(TestEnv::new(), person)
    }

    fn prepared_in(env: TestEnv, person: Person) -> Result<Mount, String> {
        let mut mount = Mount { mpr: programs()?.join("mpr"), env, root: PathBuf::new(), person };
        if mount.becomes_ordinary() {
            mount
                .hand_over()
                .map_err(|error| format!("cannot make a world for an ordinary user: {error}"))?;
        }
        Ok(mount)
    }

    /// Connects `Z:`, which is not connected.
    ///
    /// # Errors
    ///
    /// What `mpr connect` says.
    pub fn connect(&mut self, samba: &Samba, share: &str) -> Result<(), String> {
        let mut connect = self.mpr();
        connect.args(["connect", &samba.unc(share), "Z:", "--json", "--password-stdin", "--user"]);
        let ended = run_with(connect.arg(samba.user()), Some(&format!("{}\n", Samba::PASSWORD)), PATIENCE)?;
        if !ended.status.success() {
            return Err(format!("mpr connect: {}", ended.said()));
        }
        let facts: serde_json::Value =
            serde_json::from_str(&ended.output).map_err(|error| format!("mpr connect --json: {error}"))?;
        self.root = facts["path"].as_str().ok_or("mpr connect --json names no path")?.into();
        Ok(())
    }

    /// Where the share is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A directory of the caller's own on the share.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn place(&self, name: &str) -> Result<PathBuf, String> {
        let place = self.root.join(name);
        program::succeed(self.command("mkdir").arg("-p").arg(&place), PATIENCE)?;
        Ok(place)
    }

    /// The command `mpr` in the world of this mount.
    #[must_use]
    pub fn mpr(&self) -> Command {
        self.command(&self.mpr)
    }

    /// A program run by the person who mounted, with the surrounding environment kept to what finds programs.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.env.variables()).env("LANG", "C.UTF-8");
        if self.becomes_ordinary() {
            command.uid(ORDINARY).gid(ORDINARY);
        }
        command.current_dir(self.env.root());
        command
    }

    /// A directory on a local disk for what a judge needs, gone with the mount.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn local(&self, name: &str) -> Result<PathBuf, String> {
        let place = self.env.root().join("tmp").join(name);
        fs::create_dir_all(&place).map_err(|error| format!("{}: {error}", place.display()))?;
        Ok(place)
    }

    /// A program for the person who mounted, who may not be able to reach where it lies.
    ///
    /// # Errors
    ///
    /// If it cannot be copied.
    pub fn reachable(&self, program: &Path) -> Result<PathBuf, String> {
        if !self.becomes_ordinary() {
            return Ok(program.to_owned());
        }
        let name = program.file_name().ok_or("a program has a name")?;
        let copy = self.env.root().join("tmp").join(name);
        fs::copy(program, &copy).map_err(|error| format!("{}: {error}", program.display()))?;
        Ok(copy)
    }

    /// The process that serves the mount.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn helper(&self) -> Result<u32, String> {
        let mark = self.env.runtime_dir().display().to_string();
        let of = |pid: &u32| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let here = [environment, line].iter().any(|text| String::from_utf8_lossy(text).contains(&mark));
            name.trim() == "mpr-mount" && (here || holds(*pid, &mark))
        };
        let processes = fs::read_dir("/proc").map_err(|error| format!("/proc: {error}"))?;
        let ids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.into_iter().find(of).ok_or_else(|| "no mpr-mount serves this mount".to_owned())
    }

    /// Disconnects. With `force`, whatever is open.
    ///
    /// # Errors
    ///
    /// What `mpr disconnect` says.
    pub fn disconnect(&self, force: bool) -> Result<(), String> {
        let mut disconnect = self.mpr();
        disconnect.args(["disconnect", "Z:"]).args(force.then_some("--force"));
        program::succeed(&mut disconnect, PATIENCE).map(drop)
    }

    fn becomes_ordinary(&self) -> bool {
        self.person == Person::Ordinary && rustix::process::getuid().is_root()
    }

    /// Gives the world, with copies of the programs, to the ordinary user.
    fn hand_over(&mut self) -> std::io::Result<()> {
        let own = self.env.root().join("bin");
        fs::create_dir(&own)?;
        let built = self.mpr.parent().map(Path::to_owned).unwrap_or_default();
        for name in ["mpr", "mpr-mount"] {
            fs::copy(built.join(name), own.join(name))?;
        }
        self.mpr = own.join("mpr");
        let mut open = vec![self.env.root().to_owned()];
        while let Some(path) = open.pop() {
            // The programs stay root's, so that nobody else may replace them.
            if path == own {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
                continue;
            }
            chown(&path, Some(ORDINARY), Some(ORDINARY))?;
            if path.is_dir() {
                open.extend(fs::read_dir(&path)?.flatten().map(|entry| entry.path()));
            }
        }
        Ok(())
    }
}

/// Whether a process holds a file below `directory` open.
fn holds(pid: u32, directory: &str) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    open.flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|target| target.to_string_lossy().starts_with(directory))
}

/// Where cargo puts the programs of this workspace: a test lies in `deps` below it.
pub(crate) fn programs() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("cannot find the own program: {error}"))?;
    let found = own.ancestors().skip(1).take(2).find(|directory| directory.join("mpr-mount").is_file());
    found.map(Path::to_owned).ok_or_else(|| "mpr and mpr-mount are not built; `cargo build` first".to_owned())
}

/// A server and what is mounted from it, for one trial.
#[derive(Debug)]
pub struct Stage {
    samba: Arc<Samba>,
}

impl Stage {
    /// The server all trials of this process share.
    #[must_use]
    pub fn shared() -> Stage {
        Stage { samba: Samba::shared() }
    }

    /// A server of one's own, to do to it what others would suffer from.
    #[must_use]
    pub fn own() -> Stage {
        Stage { samba: Arc::new(Samba::start()) }
    }

    #[must_use]
    pub fn samba(&self) -> &Samba {
        &self.samba
    }

    /// Mounts the share for reading and writing.
    ///
    /// # Errors
    ///
    /// What `mpr connect` says.
    pub fn mount(&self) -> Result<Mount, String> {
        Mount::new(&self.samba, "rw", Person::Myself)
    }

    /// A directory on the share as the server sees it.
    #[must_use]
    pub fn there(&self, place: &str) -> PathBuf {
        self.samba.data("rw").join(place)
    }
}
