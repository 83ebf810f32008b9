//! Passwords that are kept: in a Secret Service on a bus of this test's own, and in the kernel's keyring.

#![cfg(target_os = "linux")]

use mpr_testkit::{Samba, TestEnv, mpr, mpr_mount};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// A session bus with GNOME Keyring on it, unlocked, and nothing of the user's own.
struct Desktop {
    directory: tempfile::TempDir,
    address: String,
    processes: Vec<Child>,
}

impl Desktop {
    fn start() -> Desktop {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let socket = format!("unix:path={}/bus", directory.path().display());
        let mut bus = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--nopidfile", "--print-address", "--address", &socket])
            .env("HOME", directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test needs a session bus; install the Debian package dbus");
        let mut address = String::new();
        BufReader::new(bus.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        let mut keyring = Command::new("gnome-keyring-daemon")
            .args(["--foreground", "--components=secrets", "--unlock"])
            .env_clear()
            .env("DBUS_SESSION_BUS_ADDRESS", &address)
            .env("HOME", directory.path())
            .env("XDG_RUNTIME_DIR", directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test needs a Secret Service; install the Debian package gnome-keyring");
        keyring.stdin.take().unwrap().write_all(b"opens the keyring").unwrap();
        Desktop { directory, address, processes: vec![keyring, bus] }
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

struct World {
    env: TestEnv,
    samba: Samba,
    desktop: Option<Desktop>,
}

impl World {
    fn new(desktop: Option<Desktop>) -> World {
        _ = mpr_mount();
        let mut env = TestEnv::new().setting("builtin-providers", ["smb"].as_slice());
        if let Some(desktop) = &desktop {
            env = env
                .var("DBUS_SESSION_BUS_ADDRESS", &desktop.address)
                .var("XDG_RUNTIME_DIR", desktop.directory.path());
        }
        World { env, samba: Samba::start(), desktop }
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.env.command(mpr());
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input);
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "mpr {arguments:?}: {said}");
        said
    }

    /// The code of a failure, and what is said with it.
    fn refused(&self, arguments: &[&str], input: &str) -> (i64, String) {
        let arguments = [&["--json"], arguments].concat();
        let output = self.run(&arguments, input);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output.stdout));
        let said = text(&output.stderr);
        let fact: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
        (fact["error"]["code"].as_i64().or(fact["code"].as_i64()).unwrap_or(-1), said)
    }

    fn server(&self) -> String {
        format!("//127.0.0.1@{}", self.samba.port())
    }

    fn user(&self) -> &str {
        self.samba.user()
    }

    fn password() -> String {
        format!("{}\n", Samba::PASSWORD)
    }

    fn is_listed(&self) -> bool {
        self.ok(&["cred", "list"], "").contains(&self.server())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !happened() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::yield_now();
    }
}

/// What is to hold wherever passwords are kept. Leaves none behind.
fn a_password_is_kept_used_renewed_and_removed(world: &World, place: &str) {
    let (share, user) = (world.samba.unc("rw"), world.user());
    let plain = ["connect", &share, "Z:", "--user", user];
    assert_eq!(world.refused(&plain, "").0, 86, "nothing is kept yet");

    let said =
        world.ok(&[&plain[..], &["--save", "--persist", "--password-stdin"]].concat(), &World::password());
    assert!(said.contains("is kept in") && !said.contains(Samba::PASSWORD), "{said}");
    let listed = world.ok(&["cred", "list"], "");
    assert!(listed.contains(&world.server()) && listed.contains(place), "{listed}");
    world.ok(&["disconnect", "Z:"], "");
    world.ok(&plain, "");
    world.ok(&["disconnect", "Z:"], "");
    world.ok(&["restore"], "");
    world.ok(&["disconnect", "Z:"], "");

    // The password is another one now: what is kept is refused, and the right one takes its place.
    world.samba.change_password("Anders-2");
    let (code, said) = world.refused(&plain, "");
    assert_eq!(code, 1326);
    assert!(said.contains("the password that is kept"), "{said}");
    world.ok(&[&plain[..], &["--password-stdin"]].concat(), "Anders-2\n");
    world.ok(&["disconnect", "Z:"], "");
    eventually("the new password is kept", || {
        let connected = world.run(&plain, "").status.success();
        if connected {
            world.ok(&["disconnect", "Z:"], "");
        }
        connected
    });

    let said = world.ok(&["cred", "remove", &share, "--user", user], "");
    assert!(said.contains("removed"), "{said}");
    assert!(!world.is_listed());
    assert_eq!(world.refused(&plain, "").0, 86);
    assert!(world.refused(&["cred", "remove", &share, "--user", user], "").1.contains("no password"));

    // Without connecting.
    world.ok(&["cred", "add", &world.server(), "--user", user, "--password-stdin"], "Anders-2\n");
    world.ok(&plain, "");
    world.ok(&["disconnect", "Z:"], "");
    world.ok(&["cred", "remove", &world.server(), "--user", user], "");
}

#[test]
fn a_password_is_kept_by_the_secret_service() {
    let world = World::new(Some(Desktop::start()));
    eventually("the Secret Service answers", || {
        world.ok(&["cred", "add", "//nowhere.invalid", "--user", "x", "--password-stdin"], "x\n");
        let kept = world.ok(&["cred", "list"], "").contains("//nowhere.invalid\tx\tSecret Service");
        world.ok(&["cred", "remove", "//nowhere.invalid", "--user", "x"], "");
        kept
    });
    a_password_is_kept_used_renewed_and_removed(&world, "Secret Service");
    assert!(world.desktop.is_some());
}

#[test]
fn without_a_desktop_a_password_is_kept_by_the_kernel() {
    a_password_is_kept_used_renewed_and_removed(&World::new(None), "kernel keyring");
}

#[test]
fn a_password_that_is_kept_for_one_user_is_not_used_for_another() {
    let world = World::new(None);
    world.ok(
        &["cred", "add", &world.server(), "--user", world.user(), "--password-stdin"],
        &World::password(),
    );
    let share = world.samba.unc("rw");
    assert_eq!(world.refused(&["connect", &share, "Z:", "--user", "somebody-else"], "").0, 86);
    world.ok(&["cred", "remove", &world.server(), "--user", world.user()], "");
}
