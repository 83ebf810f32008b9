//! A private SMB server: Samba's smbd on a loopback port, everything it owns in a directory of its own.
//!
//! | share | |
//! |---|---|
//! | `rw` | files, reading and writing |
//! | `enc` | the same, encryption required |
//! | `rw-enc` | the files of `rw`, encryption required; not listed |
//! | `ro` | reading only; holds `readme.txt` |
//! | `guest` | guests welcome; holds `hello.txt` |
//! | `hidden$` | not listed |
//! | `denied` | exists, and lets nobody in |
//! | `dfs` | a DFS root: `to-rw` in it leads to `rw` of the same server |
//! | `lp1` | a printer |

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take to come up, or to go.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at whether something has happened.
const PAUSE: Duration = Duration::from_millis(5);
const SHARES: [&str; 7] = ["rw", "enc", "ro", "guest", "hidden", "denied", "dfs"];

/// A server that runs. Stopped, with every process and file of it, when dropped.
#[derive(Debug)]
pub struct Samba {
    directory: tempfile::TempDir,
    port: u16,
    user: String,
    surroundings: Vec<(OsString, OsString)>,
    main: Mutex<Child>,
}

impl Samba {
    /// The password of [`Samba::user`].
    pub const PASSWORD: &str = "Sekret-1";

    /// Starts a server of one's own.
    ///
    /// # Panics
    ///
    /// Without Samba, saying which package has it; with Samba's own words if it does not start.
    #[must_use]
    pub fn start() -> Samba {
        Samba::with("")
    }

    /// Starts a server with these lines added to the global section of its configuration.
    #[must_use]
    pub fn with(extra: &str) -> Samba {
        Samba::in_surroundings(extra, &[])
    }

    /// As [`Samba::with`], with these variables in the server's environment.
    pub(crate) fn in_surroundings(extra: &str, variables: &[(OsString, OsString)]) -> Samba {
        // Between choosing a free port and taking it, another test may be faster.
        let mut last = String::new();
        for _ in 0..5 {
            match Samba::try_start(extra, variables) {
                Ok(samba) => return samba,
                Err(error) => last = error,
            }
        }
        panic!("smbd does not start: {last}");
    }

    /// The server the tests of this process share; started by the first, stopped after the last.
    #[must_use]
    pub fn shared() -> Arc<Samba> {
        static SHARED: Mutex<Weak<Samba>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return running;
        }
        let started = Arc::new(Samba::start());
        *shared = Arc::downgrade(&started);
        started
    }

    /// Where it listens, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A user it knows.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// `\\127.0.0.1@port\share`.
    #[must_use]
    pub fn unc(&self, share: &str) -> String {
        format!(r"\\127.0.0.1@{}\{share}", self.port)
    }

    /// The directory behind a share, as the server sees it; without the `$` of `hidden$`.
    #[must_use]
    pub fn data(&self, share: &str) -> PathBuf {
        self.directory.path().join("data").join(share)
    }

    /// Gives [`Samba::user`] another password.
    ///
    /// # Panics
    ///
    /// With the words of Samba, if it does not.
    pub fn change_password(&self, password: &str) {
        let configuration = self.directory.path().join("smb.conf");
        set_password(&configuration, &self.user, password).expect("the password is changed");
    }

    /// Stops every process of the server where it is; requests stay unanswered.
    pub fn freeze(&self) {
        self.signal("STOP", &self.processes());
    }

    /// Lets the server go on.
    pub fn thaw(&self) {
        self.signal("CONT", &self.processes());
    }

    /// Breaks every connection, as a network does. The server goes on taking new ones.
    pub fn break_connections(&self) {
        let main = self.main().id();
        let sessions: Vec<u32> = self
            .processes()
            .into_iter()
            .filter(|pid| *pid != main && parent_and_name(*pid) == Some((main, "smbd".to_owned())))
            .collect();
        self.signal("KILL", &sessions);
    }

    /// Kills every process of the server, as a power failure does.
    pub fn kill(&self) {
        self.end(&mut self.main());
    }

    /// Starts it again, after [`Samba::kill`], where it was and with what it had.
    ///
    /// # Panics
    ///
    /// With Samba's own words if it does not start.
    pub fn start_again(&self) {
        let mut main = self.main();
        *main = launch(self.directory.path(), &self.surroundings).expect("smbd starts again");
        drop(main);
        self.wait_until_it_listens().expect("smbd listens again");
    }

    fn main(&self) -> MutexGuard<'_, Child> {
        self.main.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_start(extra: &str, variables: &[(OsString, OsString)]) -> Result<Samba, String> {
        let directory = tempfile::Builder::new().prefix("mpr-samba-").tempdir().map_err(text)?;
        let root = directory.path();
        let port = free_port().map_err(text)?;
        // An account that every system has and that owns nothing; or, without rights, one's own.
        let user = if is_root() { "daemon".to_owned() } else { own_name() };
        lay_out(root, &user).map_err(text)?;
        let configuration = root.join("smb.conf");
        fs::write(&configuration, configuration_text(root, port, extra)).map_err(text)?;
        set_password(&configuration, &user, Samba::PASSWORD)?;
        let main = Mutex::new(launch(root, variables)?);
        let samba = Samba { directory, port, user, surroundings: variables.to_vec(), main };
        samba.wait_until_it_listens()?;
        Ok(samba)
    }

    fn wait_until_it_listens(&self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                // Somebody else may have taken the port; then smbd is about to give up.
                if self.main().try_wait().map_err(text)?.is_none() {
                    return Ok(());
                }
            }
            if let Some(status) = self.main().try_wait().map_err(text)? {
                return Err(format!("it ended with {status}: {}", self.log()));
            }
            if Instant::now() > deadline {
                return Err(format!("it does not listen after {PATIENCE:?}: {}", self.log()));
            }
            thread::sleep(PAUSE);
        }
    }

    fn log(&self) -> String {
        let log = self.directory.path().join("log");
        ["output", "log.smbd"].iter().filter_map(|name| fs::read_to_string(log.join(name)).ok()).collect()
    }

    /// Processes that name this server's directory in their command line: all of its own, and no others.
    fn processes(&self) -> Vec<u32> {
        let mark = self.directory.path().display().to_string();
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid: &u32| *pid != std::process::id())
            .filter(|pid| {
                fs::read(format!("/proc/{pid}/cmdline"))
                    .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&mark))
            })
            .collect()
    }

    fn end(&self, main: &mut Child) {
        // Main first, so that it starts nothing new.
        let _ = main.kill();
        let _ = main.wait();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = self.processes();
            if left.is_empty() || Instant::now() > deadline {
                return;
            }
            self.signal("KILL", &left);
            thread::sleep(PAUSE);
        }
    }

    fn signal(&self, signal: &str, processes: &[u32]) {
        if processes.is_empty() {
            return;
        }
        // One that has just ended is no failure.
        let _ = Command::new("kill")
            .arg(format!("-{signal}"))
            .args(processes.iter().map(u32::to_string))
            .stderr(Stdio::null())
            .status();
    }
}

impl Drop for Samba {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts the main process of the server in `root`.
fn launch(root: &Path, variables: &[(OsString, OsString)]) -> Result<Child, String> {
    let log = fs::File::create(root.join("log/output")).map_err(text)?;
    samba("smbd")
        .envs(variables.iter().cloned())
        .arg("--foreground")
        .arg(format!("--configfile={}", root.join("smb.conf").display()))
        .arg(format!("--log-basename={}", root.join("log").display()))
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(text)?)
        .stderr(log)
        .spawn()
        .map_err(missing)
}

fn lay_out(root: &Path, user: &str) -> io::Result<()> {
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    mode(root, 0o755)?;
    for name in ["private", "lock", "state", "cache", "pid", "ncalrpc", "log", "spool", "data"] {
        fs::create_dir(root.join(name))?;
        mode(&root.join(name), if name == "private" { 0o700 } else { 0o755 })?;
    }
    for share in SHARES {
        let path = root.join("data").join(share);
        fs::create_dir(&path)?;
        mode(&path, if share == "guest" { 0o777 } else { 0o755 })?;
    }
    fs::write(root.join("data/ro/readme.txt"), "read me\n")?;
    std::os::unix::fs::symlink(r"msdfs:127.0.0.1\rw", root.join("data/dfs/to-rw"))?;
    fs::write(root.join("data/enc/secret.txt"), "secret\n")?;
    fs::write(root.join("data/guest/hello.txt"), "hello\n")?;
    if is_root() {
        for share in SHARES.iter().filter(|share| **share != "guest") {
            let changed =
                Command::new("chown").arg("-R").arg(user).arg(root.join("data").join(share)).status()?;
            if !changed.success() {
                return Err(io::Error::other("chown failed"));
            }
        }
    }
    Ok(())
}

fn configuration_text(root: &Path, port: u16, extra: &str) -> String {
    let guest = if is_root() { "nobody".to_owned() } else { own_name() };
    let root = root.display();
    format!(
        "[global]
  workgroup = WORKGROUP
  netbios name = MPRTEST
  server role = standalone server
  map to guest = Bad User
  guest account = {guest}
  passdb backend = tdbsam:{root}/private/passdb.tdb
  private dir = {root}/private
  lock directory = {root}/lock
  state directory = {root}/state
  cache directory = {root}/cache
  pid directory = {root}/pid
  ncalrpc dir = {root}/ncalrpc
  log file = {root}/log/log.smbd
  log level = 1
  interfaces = lo 127.0.0.1
  bind interfaces only = yes
  smb ports = {port}
  disable netbios = yes
  name resolve order = host
  server min protocol = SMB2_10
  load printers = no
  printing = bsd
  printcap name = /dev/null
  usershare max shares = 0
  {extra}
[rw]
  path = {root}/data/rw
  read only = no
[enc]
  path = {root}/data/enc
  read only = no
  smb encrypt = required
[rw-enc]
  path = {root}/data/rw
  read only = no
  smb encrypt = required
  browseable = no
[ro]
  path = {root}/data/ro
  comment = to be read
[guest]
  path = {root}/data/guest
  read only = no
  guest ok = yes
[hidden$]
  path = {root}/data/hidden
  browseable = no
[denied]
  path = {root}/data/denied
  valid users = nobody-at-all
[dfs]
  path = {root}/data/dfs
  read only = no
  msdfs root = yes
[lp1]
  path = {root}/spool
  printable = yes
  print command = rm -f %s
  lpq command = true
"
    )
}

fn set_password(configuration: &Path, user: &str, password: &str) -> Result<(), String> {
    let mut child = samba("pdbedit")
        .arg(format!("--configfile={}", configuration.display()))
        .args(["--create", "--password-from-stdin", "--user", user])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(missing)?;
    let mut input = child.stdin.take().ok_or("pdbedit has no standard input")?;
    write!(input, "{password}\n{password}\n").map_err(text)?;
    drop(input);
    let output = child.wait_with_output().map_err(text)?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("pdbedit: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// A program of Samba's, which lie where only root's search path leads.
fn samba(program: &str) -> Command {
    let place = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/sbin"];
    let found = place.iter().map(|directory| Path::new(directory).join(program)).find(|path| path.exists());
    Command::new(found.unwrap_or_else(|| program.into()))
}

fn missing(error: io::Error) -> String {
    assert!(
        error.kind() != io::ErrorKind::NotFound,
        "this test needs an SMB server, and there is no smbd; install the Debian package samba"
    );
    error.to_string()
}

pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)
}

fn own_name() -> String {
    let output = Command::new("id").arg("-un").output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

fn parent_and_name(pid: u32) -> Option<(u32, String)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    Some((rest.split_whitespace().nth(1)?.parse().ok()?, name.to_owned()))
}

pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_gone_with_its_owner() {
        let samba = Samba::start();
        let (port, directory) = (samba.port(), samba.directory.path().to_owned());
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        drop(samba);
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
        assert!(!directory.exists());
    }
}
