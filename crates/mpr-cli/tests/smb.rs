//! A share of a real SMB server, connected, listed, used, remembered and restored with the built `mpr`, while a
//! notification library in C writes down what it is told.

#![cfg(target_os = "linux")]

use mpr_helper::connections::{Connections, Unmount, unmount};
use mpr_testkit::{Samba, TestEnv, mpr, mpr_mount};
use std::fs;
use std::io::{Read, Write};
use std::os::fd::IntoRawFd;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// Writes a letter for each call, and asks for the call after the attempt.
const SCRIBE: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <npapi.h>

static DWORD note(LPNOTIFYINFO info, char before, char after)
{
    FILE *file = fopen(getenv("SCRIBE"), "a");
    fputc(info->dwNotifyStatus == NOTIFY_PRE ? before : after, file);
    fclose(file);
    info->lpContext = (LPVOID)1;
    return WN_SUCCESS;
}

DWORD APIENTRY AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add) { return note(info, 'a', 'A'); }
DWORD APIENTRY CancelConnectNotify(LPNOTIFYINFO info, LPNOTIFYCANCEL cancel) { return note(info, 'c', 'C'); }
"#;

struct World {
    env: TestEnv,
    samba: Samba,
}

impl World {
    fn new() -> Self {
        World::with(Samba::start())
    }

    fn with(samba: Samba) -> Self {
        _ = mpr_mount();
        let env = TestEnv::new();
        let library = env.compile_c("scribe", SCRIBE);
        let scribe = env.root().join("scribe.log");
        let env = env
            .setting("builtin-providers", ["smb"].as_slice())
            .notifyee_library("scribe", library)
            .var("SCRIBE", scribe);
        World { env, samba }
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.env.command(mpr());
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It may have ended without reading: then there is nobody to write to.
        _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// Runs a command that must succeed; what it says.
    #[track_caller]
    fn ok(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "mpr {arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn drive(&self) -> PathBuf {
        self.env.runtime_dir().join("drives/z")
    }

    /// What the notification library was told since the last time.
    fn told(&self) -> String {
        let log = self.env.root().join("scribe.log");
        let told = fs::read_to_string(&log).unwrap_or_default();
        _ = fs::remove_file(log);
        told
    }

    /// The session ends: its helpers are ended, and its run-time directory is gone.
    fn log_out(&self) {
        let connections = mpr_helper::connections::Connections::of(&self.env.runtime_dir());
        for connection in connections.all().unwrap() {
            connections.end_by_force(&connection).unwrap();
        }
        fs::remove_dir_all(self.env.runtime_dir()).unwrap();
    }
}

#[test]
fn what_was_connected_comes_back_after_logging_in_again_and_no_listener_hears_of_it() {
    let world = World::new();
    let share = world.samba.unc("guest");
    let asked = ["connect", &share, "Z:", "--persist", "--user", "guest", "--password-stdin"];
    world.ok(&asked, "\n");
    fs::write(world.drive().join("letter.txt"), "dear").unwrap();
    assert!(world.ok(&["list"], "").contains(&share));
    assert_eq!(world.told(), "aA");

    world.log_out();
    assert!(!world.ok(&["list"], "").contains("Z:"), "nothing is connected in a new session");
    assert!(world.ok(&["list", "--remembered"], "").contains(&share));

    world.ok(&["restore"], "");
    assert_eq!(fs::read_to_string(world.drive().join("letter.txt")).unwrap(), "dear");
    assert!(world.ok(&["list"], "").contains(&share));
    assert_eq!(world.told(), "", "a restore is not announced");

    world.ok(&["disconnect", "Z:", "--forget"], "");
    assert_eq!(world.told(), "cC");
    assert!(!world.env.connections().contains("Z:"));
}

#[test]
fn a_server_that_lists_its_shares_to_users_only_is_browsed_as_one() {
    let world = World::with(Samba::with("restrict anonymous = 2"));
    let server = format!("//127.0.0.1@{}", world.samba.port());
    let refused = world.run(&["browse", &server], "");
    let errors = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && errors.contains("(5)"), "{errors}");
    assert!(errors.contains("mpr browse ") && errors.contains(" --user NAME"), "{errors}");

    let user = world.samba.user();
    let asked = ["browse", &server, "--user", user, "--password-stdin"];
    let listed = world.ok(&asked, &format!("{}\n", Samba::PASSWORD));
    assert!(listed.contains(r"\rw  (share)") && listed.contains("(printer)"), "{listed}");
    let wrong = world.run(&asked, "wrong\n");
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("1326"), "{wrong:?}");
    // It is not known who is meant, and what by.
    assert!(!world.run(&["browse", "--user", user], "").status.success());
    assert_eq!(world.told(), "", "nothing is connected");
}

#[test]
fn a_lost_connection_is_told_as_such_and_a_restore_brings_it_back() {
    let world = World::new();
    let share = world.samba.unc("guest");
    world.ok(&["connect", &share, "Z:", "--persist", "--user", "guest", "--password-stdin"], "\n");
    let connections = mpr_helper::connections::Connections::of(&world.env.runtime_dir());
    let lost = mpr_helper::connections::State::Lost;
    for signal in [libc::SIGKILL, libc::SIGSTOP] {
        fs::write(world.drive().join("letter.txt"), "dear").unwrap();
        let helper = connections.all().unwrap()[0].record.helper;
        // SAFETY: takes integers; the helper is one this test has started.
        unsafe { libc::kill(libc::pid_t::try_from(helper.pid).unwrap(), signal) };
        while connections.all().unwrap()[0].state != lost {
            std::thread::yield_now();
        }
        let listed = world.ok(&["list", "--json"], "");
        assert!(listed.contains(r#""status":"lost""#) && listed.contains(r#""lost_since":1"#), "{listed}");

        assert_eq!(world.ok(&["restore"], ""), format!("Z: to {share} is restored\n"));
        assert!(!helper.is_alive(), "what stood still has ended");
        assert_eq!(fs::read_to_string(world.drive().join("letter.txt")).unwrap(), "dear");
        assert!(world.ok(&["list"], "").contains("OK"));
    }
}

#[test]
fn a_busy_drive_is_disconnected_only_by_force() {
    let world = World::new();
    let share = world.samba.unc("rw");
    let user = world.samba.user().to_owned();
    let password = format!("{}\n", Samba::PASSWORD);
    world.ok(&["connect", &share, "Z:", "--user", &user, "--password-stdin"], &password);
    let open = fs::File::create(world.drive().join("open.txt")).unwrap();

    let refused = world.run(&["disconnect", "Z:"], "");
    let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1));
    assert!(errors.contains("WN_OPEN_FILES (2401)"), "{errors}");
    assert!(world.ok(&["list"], "").contains(&share), "the connection stays");

    world.ok(&["disconnect", "Z:", "--force"], "");
    assert!(!world.ok(&["list"], "").contains(&share));
    drop(open);
}

#[test]
fn each_refusal_of_a_server_has_its_own_status() {
    let world = World::new();
    let user = world.samba.user().to_owned();
    let password = format!("{}\n", Samba::PASSWORD);
    let nobody = format!(r"\\127.0.0.1@{}\rw", unused_port());
    let cases = [
        (world.samba.unc("rw"), "wrong\n", "(1326)"),
        (world.samba.unc("no-such-share"), &*password, "(67)"),
        (world.samba.unc("denied"), &*password, "(5)"),
        (nobody, &*password, "(53)"),
    ];
    for (remote, password, status) in cases {
        let refused = world.run(&["connect", &remote, "Z:", "--user", &user, "--password-stdin"], password);
        let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{remote}");
        assert!(errors.contains(status), "{remote}: {errors}");
        assert!(!errors.contains(password.trim()), "no password is repeated: {errors}");
        assert_eq!(world.told(), "aA", "a provider's refusal is announced");
    }
}

#[test]
fn who_writes_a_port_as_in_urls_is_told_where_it_belongs() {
    let world = World::new();
    let port = world.samba.port();
    let refused = world.run(&["connect", &format!("//127.0.0.1:{port}/rw"), "Z:"], "");
    let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(errors.contains("(67)") && errors.contains(&format!(r"\\127.0.0.1@{port}\rw")), "{errors}");
}

/// A port of this machine that nobody listens on.
fn unused_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn a_name_is_looked_up_by_a_helper_when_a_rule_is_about_addresses() {
    _ = mpr_mount();
    let env = TestEnv::new()
        .policy_d("home", "[[rule]]\nname = 'home'\naction = 'deny'\naddress = ['127.0.0.0/8', '::1']\n");
    let test = |remote: &str| {
        let output = env.command(mpr()).args(["policy", "test", remote]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = test("//localhost/x");
    assert!(code == Some(1) && text.contains("rule \"home\"") && !text.contains("cannot"), "{code:?} {text}");
    let (code, text) = test("//nowhere.invalid/x");
    assert!(
        code == Some(1) && text.contains("the addresses of the server cannot be told"),
        "{code:?} {text}"
    );
    assert_eq!(test("//192.0.2.1/x").0, Some(0));
}

#[test]
fn the_status_of_a_connection_is_told_without_its_server() {
    let world = World::new();
    let (share, user) = (world.samba.unc("rw"), world.samba.user().to_owned());
    let password = format!("{}\n", Samba::PASSWORD);
    assert_eq!(world.run(&["status", "Z:"], "").status.code(), Some(1), "nothing is connected");
    world.ok(&["connect", &share, "Z:", "--user", &user, "--password-stdin"], &password);
    fs::write(world.drive().join("file"), vec![7; 300_000]).unwrap();
    let open = fs::File::open(world.drive().join("file")).unwrap();

    // From here on nobody could ask the server anything.
    world.samba.freeze();
    let told = world.ok(&["status", "Z:", "--json"], "");
    let fact: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(fact["local"], "Z:");
    assert_eq!(fact["remote"], share.as_str());
    assert_eq!(fact["state"], "connected");
    assert!(fact["security"].as_str().unwrap().starts_with("SMB 3.1.1"), "{told}");
    assert_eq!(fact["open_files"], 1, "{told}");
    assert!(fact["bytes_sent"].as_u64().unwrap() >= 300_000, "{told}");
    assert!(fact["round_trip_ms"].as_f64().unwrap() > 0.0, "{told}");
    assert!(fact["credits"].as_u64().unwrap() > 0, "{told}");
    let text = world.ok(&["status"], "");
    for part in [&*share, "SMB 3.1.1", "round trip", "last answer", "credits", "open files", "reconnects"] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
    world.samba.thaw();
    drop(open);
}

#[test]
fn a_helper_that_says_nothing_is_shown_as_silent_or_lost_and_is_not_waited_for() {
    let world = World::new();
    let share = world.samba.unc("guest");
    world.ok(&["connect", &share, "Z:", "--user", "guest", "--password-stdin"], "\n");
    let connections = mpr_helper::connections::Connections::of(&world.env.runtime_dir());
    let helper = connections.all().unwrap()[0].record.helper;
    let signal = |signal| {
        // SAFETY: takes integers; the helper is one this test has started.
        unsafe { libc::kill(libc::pid_t::try_from(helper.pid).unwrap(), signal) };
    };
    signal(libc::SIGSTOP);
    let told = world.ok(&["status", "Z:", "--json"], "");
    let fact: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert!(["silent", "lost"].contains(&fact["state"].as_str().unwrap()), "{told}");
    assert_eq!(fact.get("open_files"), None, "what is not known is not told");
    signal(libc::SIGCONT);
}

#[test]
fn a_watched_status_goes_on_until_it_is_ended() {
    use std::io::{BufRead, BufReader};
    let world = World::new();
    let share = world.samba.unc("guest");
    world.ok(&["connect", &share, "Z:", "--user", "guest", "--password-stdin"], "\n");
    let mut command = world.env.command(mpr());
    let mut child =
        command.args(["status", "Z:", "--watch=1", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first.get("sent_per_second"), None, "a rate needs two looks");
    let second: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert!(second["sent_per_second"].is_u64(), "{second}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_connection_that_ends_without_having_been_cancelled_is_on_record_once() {
    let world = World::new();
    let share = world.samba.unc("guest");
    let connect = || {
        world.ok(&["connect", &share, "Z:", "--user", "guest", "--password-stdin"], "\n");
    };
    let vanished = || -> Vec<String> {
        let events = world.ok(&["events", "--json"], "");
        let events = events.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let vanished = events.filter(|event| event["event"] == "vanished" && event["local"] == "Z:");
        vanished.map(|event| event["state"].as_str().unwrap().to_owned()).collect()
    };

    connect();
    world.ok(&["disconnect", "Z:"], "");
    assert_eq!(vanished(), [""; 0], "it was cancelled");

    connect();
    unmount(&world.drive(), Unmount::Detach).unwrap();
    // Its helper notices by itself.
    while vanished().is_empty() {}
    world.ok(&["list"], "");
    assert_eq!(vanished(), ["gone"]);

    connect();
    let connections = Connections::of(&world.env.runtime_dir());
    let helper = connections.all().unwrap().pop().unwrap().record.helper;
    let killed = std::process::Command::new("kill").args(["-9", &helper.pid.to_string()]).status();
    assert!(killed.unwrap().success());
    while helper.is_alive() {}
    world.ok(&["list"], "");
    assert_eq!(vanished(), ["gone", "lost"]);
    world.ok(&["disconnect", "Z:", "--force"], "");
    assert_eq!(vanished(), ["gone", "lost"]);
    world.ok(&["events", "verify"], "");
}

/// A file system of a quarter of a megabyte in a directory of the server's, so that its disk is full at once.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn at(directory: PathBuf) -> SmallDisk {
        fs::create_dir(&directory).unwrap();
        let options = "size=256k,mode=0777";
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "mpr-test"]).arg(&directory);
        assert!(
            mount.status().unwrap().success(),
            "this test mounts a small disk, for which it must be root"
        );
        SmallDisk(directory)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// What closing a file comes to.
fn close(file: fs::File) -> std::io::Result<()> {
    // SAFETY: the descriptor is the file's own, which has let go of it.
    match unsafe { libc::close(file.into_raw_fd()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

impl World {
    fn connect_rw(&self, more: &[&str]) {
        let (share, user) = (self.samba.unc("rw"), self.samba.user().to_owned());
        let arguments = ["connect", &share, "Z:", "--user", &user, "--password-stdin"];
        self.ok(&[&arguments, more].concat(), &format!("{}\n", Samba::PASSWORD));
    }

    /// The lost writes on record.
    fn lost_writes(&self) -> Vec<serde_json::Value> {
        let events = self.ok(&["events", "--json"], "");
        let records = events.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        records.filter(|record| record["event"] == "lost-write").collect()
    }
}

#[test]
fn close_reports_a_write_that_found_the_disk_full_and_it_is_on_record() {
    // A disk can be made small by root alone.
    if mpr_helper::dirs::effective_uid() != 0 {
        return;
    }
    let world = World::new();
    let _full = SmallDisk::at(world.samba.data("rw").join("full"));
    world.connect_rw(&[]);
    let mut file = fs::File::create(world.drive().join("full/letter")).unwrap();
    file.write_all(&[7; 600 << 10]).expect("what is kept back is told later");
    assert_eq!(close(file).unwrap_err().raw_os_error(), Some(libc::ENOSPC));
    assert!(fs::read(world.drive().join("full/letter")).unwrap().len() < 600 << 10);
    world.ok(&["disconnect", "Z:"], "");

    let lost = world.lost_writes();
    let [lost] = &*lost else { panic!("{lost:?}") };
    assert_eq!(lost["path"], "full/letter");
    assert_eq!((lost["local"].as_str(), lost["errno"].as_i64()), (Some("Z:"), Some(libc::ENOSPC.into())));
    assert_eq!(lost["remote"], *world.samba.unc("rw"));
    assert_eq!(lost["user"], *world.samba.user());
    assert!(lost["bytes"].as_u64().unwrap() <= 600 << 10, "{lost}");
    let told = world.ok(&["events"], "");
    assert!(told.contains("\"full/letter\" in Z: were written and did not reach the server"), "{told}");
    assert!(!told.contains(Samba::PASSWORD));
    world.ok(&["events", "verify"], "");
}

#[test]
fn what_was_kept_back_when_a_connection_is_ended_by_force_is_on_record() {
    let world = World::new();
    world.connect_rw(&[]);
    // Not this process: a child of it would close its copy of the file, and wait for the server, before it is `mpr`.
    let mut writer = Command::new("sh")
        .args([
            "-c",
            "exec 3>\"$1\"; printf old >&3; sync \"$1\"; echo; read go; printf dear >&3; echo; read go",
            "sh",
        ])
        .arg(world.drive().join("letter"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut go, mut done) = (writer.stdin.take().unwrap(), writer.stdout.take().unwrap());
    done.read_exact(&mut [0]).unwrap();
    world.samba.freeze();
    go.write_all(b"\n").unwrap();
    done.read_exact(&mut [0]).unwrap();
    world.ok(&["disconnect", "Z:", "--force"], "");
    drop(go);
    writer.wait().unwrap();
    let begun = std::time::Instant::now();
    // The helper answers first, and then says goodbye to its server.
    while world.lost_writes().is_empty() {
        assert!(begun.elapsed().as_secs() < 20, "it is never on record");
        std::thread::yield_now();
    }
    let lost = world.lost_writes();
    assert_eq!((lost.len(), &lost[0]["path"]), (1, &"letter".into()), "{lost:?}");
    assert_eq!((lost[0]["from"].as_u64(), lost[0]["to"].as_u64()), (Some(3), Some(7)));
    world.samba.thaw();
}

/// What the kernel says of the mount at `path`: its options and those of its file system.
fn mount_options(path: &std::path::Path) -> String {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let path = path.canonicalize().unwrap();
    let line = table.lines().find(|line| line.split(' ').nth(4) == path.to_str());
    let fields: Vec<&str> = line.expect("it is mounted").split(' ').collect();
    format!("{},{}", fields[5], fields[fields.len() - 1])
}

#[test]
fn a_connection_is_as_its_options_say_and_comes_back_so() {
    use std::os::unix::fs::MetadataExt;

    let world = World::new();
    fs::write(world.samba.data("rw").join("letter"), "dear").unwrap();
    let options = "uid=4711,gid=4712,file-mode=0640,dir-mode=0750,timeout=7s,cache-memory=16M";
    world.connect_rw(&["-o", options, "-o", "allow-other,read-only", "--persist"]);
    let is_so = |world: &World| {
        let file = fs::metadata(world.drive().join("letter")).unwrap();
        assert_eq!((file.uid(), file.gid(), file.mode() & 0o7777), (4711, 4712, 0o640));
        assert_eq!(fs::metadata(world.drive()).unwrap().mode() & 0o7777, 0o750);
        let mounted = mount_options(&world.drive());
        for option in ["ro", "nosuid", "nodev", "allow_other", "default_permissions"] {
            assert!(mounted.split(',').any(|one| one == option), "{option}: {mounted}");
        }
        let error = fs::write(world.drive().join("new"), "").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
        let info = world.ok(&["info", "Z:"], "");
        assert!(
            info.contains("uid=4711,gid=4712,file-mode=0640,dir-mode=0750,allow-other,read-only"),
            "{info}"
        );
    };
    is_so(&world);
    let remembered = world.env.connections();
    assert!(remembered.contains("UseOptions = "), "{remembered}");
    assert!(!remembered.contains("= \"\""), "{remembered}");

    world.log_out();
    let refused = world.run(&["restore"], "");
    assert!(!refused.status.success(), "its password is not remembered");
    let password = format!("{}\n", Samba::PASSWORD);
    let user = world.samba.user().to_owned();
    let keep = ["cred", "add", &world.samba.unc("rw"), "--user", &user, "--password-stdin"];
    world.ok(&keep, &password);
    world.ok(&["restore"], "");
    is_so(&world);
    world.ok(&["cred", "remove", &world.samba.unc("rw"), "--user", &user], "");
}

#[test]
fn an_option_that_is_none_is_refused_before_anything_happens() {
    let world = World::new();
    let share = world.samba.unc("guest");
    for (options, said) in [
        ("fast", "there is no option 'fast'; the options are uid="),
        ("uid=nobody-at-all", "'nobody-at-all' is none"),
        ("timeout=0", "timeout is a time from 1s to 60m"),
        ("file-mode=888", "octal"),
    ] {
        let refused = world.run(&["connect", &share, "Z:", "--user", "guest", "-o", options], "");
        let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{errors}");
        assert!(errors.contains(said), "{errors}");
    }
    assert_eq!(world.told(), "", "nobody was told");
    assert_eq!(world.ok(&["events", "--json"], "").matches("\"operation\"").count(), 0);
}

#[test]
fn force_is_done_within_a_second_whatever_the_helper_does() {
    let world = World::new();
    let connections = Connections::of(&world.env.runtime_dir());
    // Stopped altogether; alive, with a server that says nothing; or without the part of it that can unmount.
    for what in ["stopped", "waiting", "halved"] {
        world.connect_rw(&[]);
        let mount_point = world.drive();
        let helper = connections.all().unwrap()[0].record.helper;
        // SAFETY: takes integers; the processes are those of a helper this test has started.
        let signal = |pid: u32, signal| unsafe { libc::kill(libc::pid_t::try_from(pid).unwrap(), signal) };
        match what {
            "stopped" => signal(helper.pid, libc::SIGSTOP),
            "halved" => signal(parent(helper.pid), libc::SIGKILL),
            _ => {
                world.samba.freeze();
                0
            }
        };
        let mut reader = Command::new("cat");
        let mut reader = reader.arg(mount_point.join("none")).stderr(Stdio::null()).spawn().unwrap();
        let begun = std::time::Instant::now();
        world.ok(&["disconnect", "Z:", "--force"], "");
        let took = begun.elapsed();
        assert!(took.as_millis() < 1000, "{what}: {took:?}");
        assert!(connections.all().unwrap().is_empty());
        assert!(!mount_point.exists(), "its mount point is gone");
        reader.wait().unwrap();
        world.samba.thaw();
    }
}

/// The process that has started another.
fn parent(pid: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    line.unwrap().trim().parse().unwrap()
}

/// Somebody without privileges, and what is theirs.
struct Ordinary {
    base: tempfile::TempDir,
    uid: u32,
    gid: u32,
}

impl Ordinary {
    /// The account everybody has that owns nothing; `None` where this is not root, who alone can become another.
    fn user() -> Option<Ordinary> {
        if mpr_helper::dirs::effective_uid() != 0 {
            return None;
        }
        let (uid, gid) = mpr_helper::accounts::user("nobody").expect("an account called nobody");
        let base = tempfile::Builder::new().prefix("mpr-nobody-").tempdir().unwrap();
        fs::set_permissions(base.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        for (name, built) in [("mpr", mpr()), ("mpr-mount", mpr_mount())] {
            fs::copy(built, base.path().join(name)).unwrap();
        }
        for name in ["home", "run", "config"] {
            let directory = base.path().join(name);
            fs::DirBuilder::new().create(&directory).unwrap();
            fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
            std::os::unix::fs::chown(&directory, Some(uid), Some(gid)).unwrap();
        }
        Some(Ordinary { base, uid, gid })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    fn drive(&self) -> PathBuf {
        self.path("run/mpr/drives/z")
    }

    /// The helper of Z:. Root does not believe a record of somebody else's, which is read here all the same.
    fn helper(&self) -> Option<mpr_helper::record::Process> {
        let record = fs::read(self.path("run/mpr/connections/drive-z.json")).ok()?;
        Some(mpr_helper::record::Record::parse(&record).unwrap().helper)
    }

    fn run(&self, program: &str, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new("setpriv");
        command
            .args([format!("--reuid={}", self.uid), format!("--regid={}", self.gid)])
            .args(["--clear-groups", "--inh-caps=-all", "--bounding-set=+all", program])
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.path("home"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("MPR_CONFIG_DIRS", self.path("config"))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("setpriv is there; install the package util-linux");
        _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(self.path("mpr").to_str().unwrap(), arguments, input);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "mpr {arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Ordinary {
    fn drop(&mut self) {
        if let Some(helper) = self.helper().filter(|helper| helper.is_alive()) {
            // SAFETY: takes integers; the helper is one this test has started.
            unsafe { libc::kill(libc::pid_t::try_from(helper.pid).unwrap(), libc::SIGKILL) };
        }
        _ = unmount(&self.drive(), Unmount::Detach);
    }
}

#[test]
fn a_user_without_privileges_connects_works_and_cleans_up() {
    let Some(user) = Ordinary::user() else { return };
    let samba = Samba::start();
    let share = samba.unc("rw");
    let password = format!("{}\n", Samba::PASSWORD);
    let connect = ["connect", &share, "Z:", "--user", samba.user(), "--password-stdin"];
    user.ok(&connect, &password);

    let letter = user.drive().join("letter");
    let written =
        user.run("sh", &["-c", "echo dear > \"$1\" && cat \"$1\"", "sh", letter.to_str().unwrap()], "");
    assert_eq!(String::from_utf8_lossy(&written.stdout), "dear\n", "{written:?}");
    assert_eq!(fs::read_to_string(samba.data("rw").join("letter")).unwrap(), "dear\n");
    assert_eq!(fs::read(&letter).unwrap_err().kind(), std::io::ErrorKind::PermissionDenied, "not even root");
    // Not `mount_options`: its mount point is not for root to look at.
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = table.lines().find(|line| line.contains(user.drive().to_str().unwrap())).unwrap();
    assert!(line.contains("nosuid,nodev") && line.contains(&format!("user_id={}", user.uid)), "{line}");

    let helper = user.helper().unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", helper.pid)).unwrap();
    let says = |name: &str, value: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        assert_eq!(line.split_whitespace().next(), Some(value), "{name} in {status}");
    };
    says("Uid:", &user.uid.to_string());
    says("NoNewPrivs:", "1");
    says("CapEff:", "0000000000000000");
    user.ok(&["disconnect", "Z:"], "");
    assert!(!user.drive().exists() && user.helper().is_none());

    // A helper that died leaves a mount that is named, and taken away.
    user.ok(&connect, &password);
    let helper = user.helper().unwrap();
    // SAFETY: takes integers; the helper is one this test has started.
    unsafe { libc::kill(libc::pid_t::try_from(helper.pid).unwrap(), libc::SIGKILL) };
    while helper.is_alive() {
        std::thread::yield_now();
    }
    assert!(user.ok(&["list"], "").contains("Lost"));
    user.ok(&["disconnect", "Z:"], "");
    assert!(!user.drive().exists() && user.helper().is_none());

    // Others are let in where the machine's administrator allows that, else it is said what to do.
    let others = [&connect[..], &["-o", "allow-other"]].concat();
    let allowed = fs::read_to_string("/etc/fuse.conf").unwrap_or_default();
    if allowed.lines().any(|line| line.trim() == "user_allow_other") {
        user.ok(&others, &password);
        user.ok(&["disconnect", "Z:", "--force"], "");
    } else {
        let refused = user.run(user.path("mpr").to_str().unwrap(), &others, &password);
        let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            !refused.status.success() && errors.contains("user_allow_other into /etc/fuse.conf"),
            "{errors}"
        );
    }
}
