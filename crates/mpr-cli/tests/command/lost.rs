//! Connections that are lost: listed at once, as what they are, whatever their helpers and servers do.

use crate::environment::Environment;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How long a list may take, from the start of the program to its end.
const PROMISED: Duration = Duration::from_millis(50);

/// A mount that answers nobody: there is no server behind it.
struct DeadMount {
    point: PathBuf,
    /// Held open, so that whoever asks waits; closed, everything fails.
    _device: File,
}

impl DeadMount {
    /// `None` where nothing can be mounted.
    fn new(point: &Path, source: &str) -> Option<DeadMount> {
        fs::create_dir_all(point).unwrap();
        let device = OpenOptions::new().read(true).write(true).open("/dev/fuse").ok()?;
        let text = |text: &str| CString::new(text).unwrap();
        let (target, source, kind) = (text(point.to_str().unwrap()), text(source), text("fuse.mpr"));
        let options = text(&format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd()));
        // SAFETY: all strings are terminated and live through the call.
        let mounted = unsafe {
            libc::mount(
                source.as_ptr(),
                target.as_ptr(),
                kind.as_ptr(),
                libc::MS_NOSUID | libc::MS_NODEV,
                options.as_ptr().cast(),
            )
        };
        (mounted == 0).then(|| DeadMount { point: point.to_owned(), _device: device })
    }
}

impl Drop for DeadMount {
    fn drop(&mut self) {
        let point = CString::new(self.point.to_str().unwrap()).unwrap();
        // SAFETY: the string is terminated.
        unsafe { libc::umount2(point.as_ptr(), libc::MNT_DETACH) };
    }
}

/// A process that does nothing, in the place of a helper.
struct Sleeper(Child);

impl Sleeper {
    fn new() -> Sleeper {
        Sleeper(Command::new("sleep").arg("1000").spawn().unwrap())
    }

    fn stop(&self) {
        let pid = libc::pid_t::try_from(self.0.id()).unwrap();
        // SAFETY: takes integers; the child is ours. The wait returns when it has stopped.
        unsafe {
            libc::kill(pid, libc::SIGSTOP);
            libc::waitpid(pid, std::ptr::null_mut(), libc::WUNTRACED);
        }
    }

    fn started(&self) -> u64 {
        let stat = fs::read(format!("/proc/{}/stat", self.0.id())).unwrap();
        mpr_helper::record::start_time(&stat).unwrap()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// A drive whose record, socket and mount are there, and whose helper is this process.
fn drive(it: &Environment, letter: char, helper: &Sleeper) -> Option<(DeadMount, UnixListener)> {
    let small = letter.to_ascii_lowercase();
    let point = it.path(&format!("run/drives/{small}")).canonicalize().unwrap_or_else(|_| {
        let point = it.path(&format!("run/drives/{small}"));
        fs::create_dir_all(&point).unwrap();
        point.canonicalize().unwrap()
    });
    let mount = DeadMount::new(&point, &format!("//dead{small}/share"))?;
    let records = it.path("run/connections");
    fs::create_dir_all(&records).unwrap();
    fs::set_permissions(&records, fs::Permissions::from_mode(0o700)).unwrap();
    let socket = UnixListener::bind(records.join(format!("drive-{small}.sock"))).unwrap();
    let record = serde_json::json!({
        "schema": 1, "local": format!("{letter}:"), "mount_point": point, "own_mount_point": true,
        "remote": format!(r"\\dead{small}\share"), "source": format!("//dead{small}/share"),
        "provider": "Microsoft Windows Network", "user": null,
        "helper": { "pid": helper.0.id(), "started": helper.started() },
        "control": format!("drive-{small}.sock"), "since": 1, "read_only": false,
    });
    let file = records.join(format!("drive-{small}.json"));
    fs::write(&file, record.to_string()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    Some((mount, socket))
}

/// Does it until it took no longer than this. Once of several times is enough on a machine with much else to do, since
/// nothing here is allowed to wait.
#[track_caller]
fn within(most: Duration, work: impl Fn() -> Duration) {
    let mut took = Vec::new();
    while took.len() < 20 && took.last().is_none_or(|last| *last >= most) {
        took.push(work());
    }
    println!("took {took:?}");
    assert!(took.last().is_some_and(|last| *last < most), "{took:?}");
}

#[test]
fn helpers_that_died_are_listed_at_once_although_that_goes_on_record() {
    let it = Environment::new();
    it.write("user/mpr.toml", "builtin-providers = [\"smb\"]\n");
    let helpers = Sleeper::new();
    let drives: Vec<_> = ('A'..='Z').map(|letter| drive(&it, letter, &helpers)).collect();
    if drives.iter().any(Option::is_none) {
        eprintln!("skipped: nothing can be mounted here");
        return;
    }
    drop(helpers);
    within(PROMISED, || {
        // Each time the first to notice.
        _ = fs::remove_dir_all(it.path("state/audit"));
        let began = Instant::now();
        let listed = it.json(&["list", "--json"]);
        let took = began.elapsed();
        assert!(listed.len() == 26 && listed.iter().all(|one| one["status"] == "lost"), "{listed:?}");
        took
    });
    let records = it.json(&["events", "--json"]);
    assert!(records.len() == 26 && records.iter().all(|one| one["event"] == "vanished"), "{records:?}");
    it.out(&["events", "verify"]);
}

#[test]
fn twenty_six_dead_connections_are_listed_at_once_as_lost_and_since_when() {
    let it = Environment::new();
    it.write("user/mpr.toml", "builtin-providers = [\"smb\"]\n");
    let (stopped, asleep) = (Sleeper::new(), Sleeper::new());
    stopped.stop();
    // Half of the helpers stand still; the others hold their sockets and accept nobody.
    let drives: Vec<_> =
        ('A'..='Z').map(|letter| drive(&it, letter, if letter < 'N' { &stopped } else { &asleep })).collect();
    if drives.iter().any(Option::is_none) {
        eprintln!("skipped: nothing can be mounted here");
        return;
    }
    within(PROMISED, || {
        let began = Instant::now();
        let listed = it.json(&["list", "--json"]);
        let took = began.elapsed();
        assert_eq!(listed.len(), 26);
        for one in &listed {
            assert_eq!(one["status"], "lost", "{one}");
            assert!(one["lost_since"].as_u64().is_some_and(|since| since > 1_700_000_000), "{one}");
        }
        took
    });
    within(PROMISED, || {
        let began = Instant::now();
        let status = it.json(&["status", "--json"]);
        let took = began.elapsed();
        assert!(status.len() == 26 && status.iter().all(|one| one["state"] == "lost"), "{status:?}");
        took
    });
    let text = it.out(&["list"]);
    assert!(text.contains("Lost for 0 min"), "{text}");
    let info = it.json(&["info", "N:", "--json"]);
    assert_eq!(info[0]["status"], "lost", "{info:?}");
    let doctor = it.mpr(&["doctor"]).code(1).out;
    let still = format!("its helper process ({}) was stopped", stopped.0.id());
    assert!(doctor.contains(&still) && doctor.contains("kill -CONT"), "{doctor}");
    assert!(doctor.contains("does not answer") && doctor.contains("mpr restore"), "{doctor}");
}
