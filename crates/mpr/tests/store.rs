//! Many processes with one store, processes that are killed, disks that are full.
//!
//! A test that needs processes of its own starts this executable again, for the one test that does what the
//! environment says.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use mpr::store::{Entry, Store};
use mpr_abi::Status;
use mpr_core::device::LocalDevice;

const CHILD: &str = "a_child_process_does_what_the_environment_says";
const TASK: &str = "MPR_TEST_STORE_TASK";
const DIRECTORY: &str = "MPR_TEST_STORE_DIRECTORY";

const Z: LocalDevice = LocalDevice::Drive('Z');

fn store_in(directory: &Path) -> Store {
    Store::in_directory(directory.join("mpr"))
}

fn child_arguments(command: &mut Command, task: &str, directory: &Path) {
    command
        .args(["--exact", CHILD, "--nocapture", "--test-threads=1"])
        .env(TASK, task)
        .env(DIRECTORY, directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
}

fn child(task: &str, directory: &Path) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    child_arguments(&mut command, task, directory);
    command.spawn().unwrap()
}

#[test]
fn a_child_process_does_what_the_environment_says() {
    let (Ok(task), Some(directory)) = (env::var(TASK), env::var_os(DIRECTORY)) else { return };
    let store = store_in(Path::new(&directory));
    match task.split_once(' ').unwrap_or((&task, "")) {
        ("remember-many", process) => remember_many(&store, process),
        ("remember-until-killed", _) => remember_until_killed(&store),
        ("limited", _) => change_within_a_limit(&store),
        ("full", _) => change_on_a_full_disk(&store, Path::new(&directory)),
        ("read-only", _) => change_what_is_read_only(&store),
        ("powerless", _) => change_without_permission(&store, Path::new(&directory)),
        (other, _) => panic!("no such task: {other}"),
    }
}

const ENTRIES: usize = 12;

fn remember_many(store: &Store, process: &str) {
    // All start when all are there.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    for number in 0..ENTRIES {
        let device = LocalDevice::Directory(format!("/p{process}/e{number}"));
        store.remember(&Entry::new(device, format!(r"\\s\{process}-{number}"))).unwrap();
    }
    store.add_recent(&format!(r"\\s\{process}")).unwrap();
}

#[test]
fn what_many_processes_remember_at_once_is_all_there_afterwards() {
    const PROCESSES: usize = 6;
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(directory.path());
    let mut children: Vec<_> =
        (0..PROCESSES).map(|process| child(&format!("remember-many {process}"), directory.path())).collect();
    for child in &mut children {
        drop(child.stdin.take());
    }
    // Meanwhile a reader never finds less than it found before, nor anything that is not whole.
    let mut found = 0;
    while children.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
        let now = store.entries().unwrap().len();
        assert!(now >= found, "{now} entries after {found}");
        found = now;
    }
    assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
    let entries = store.entries().unwrap();
    assert_eq!(entries.len(), PROCESSES * ENTRIES);
    for process in 0..PROCESSES {
        for number in 0..ENTRIES {
            let remote = format!(r"\\s\{process}-{number}");
            assert!(entries.iter().any(|entry| entry.remote == remote), "{remote}");
        }
    }
    assert_eq!(store.recent().unwrap().len(), PROCESSES);
    assert_eq!(store.problems(), []);
}

#[test]
fn what_many_threads_remember_at_once_is_all_there_afterwards() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(directory.path());
    std::thread::scope(|scope| {
        for letter in 'C'..='J' {
            let store = &store;
            scope.spawn(move || {
                store.remember(&Entry::new(LocalDevice::Drive(letter), r"\\s\x")).unwrap();
            });
        }
    });
    assert_eq!(store.entries().unwrap().len(), 8);
}

fn remember_until_killed(store: &Store) {
    for number in 0_u64.. {
        store.remember(&Entry::new(Z, format!(r"\\s\{number:0>2000}"))).unwrap();
        println!("done {number}");
        std::io::stdout().flush().unwrap();
    }
}

#[test]
fn a_process_killed_at_any_moment_leaves_a_whole_store_and_nothing_it_had_done_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(directory.path());
    store.remember(&Entry::new(LocalDevice::Drive('A'), r"\\s\kept")).unwrap();
    let commented = format!("# mine\n{}", fs::read_to_string(store.path()).unwrap());
    fs::write(store.path(), commented).unwrap();
    for round in 0..25_u64 {
        let mut child = child("remember-until-killed", directory.path());
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut done =
            lines.filter_map(|line| Some(line.unwrap().split_once("done ")?.1.parse::<u64>().unwrap()));
        let reached = done.nth(round as usize % 4).unwrap();
        // The child is on its way through the next update; how far it comes differs from round to round.
        for spin in 0..(round * 40_000) {
            std::hint::black_box(spin);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let last = done.last().unwrap_or(reached);
        assert_eq!(store.problems(), []);
        let remote = store.entry(&Z).unwrap().unwrap().remote;
        let number: u64 = remote.trim_start_matches(r"\\s\").parse().unwrap();
        assert!(number == last || number == last + 1, "{number} after {last} was done");
        assert!(fs::read_to_string(store.path()).unwrap().starts_with("# mine\n"));
    }
    assert_eq!(store.entries().unwrap().len(), 2);
    store.forget(&Z).unwrap().unwrap();
    let mut names: Vec<_> = fs::read_dir(store.path().parent().unwrap())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["connections.toml", "connections.toml.lock"]);
}

/// A store that holds Z:, and a change to it that is bigger than 64 KiB and fails with 1205.
fn fails_and_loses_nothing(store: &Store, reason: &str) {
    let before = fs::read(store.path()).unwrap();
    let big = Entry::new(LocalDevice::Drive('Y'), "x".repeat(100_000));
    let error = store.remember(&big).unwrap_err();
    assert_eq!(error.status(), Status::CANNOT_OPEN_PROFILE);
    assert!(error.to_string().contains(reason), "{error}");
    assert_eq!(fs::read(store.path()).unwrap(), before);
    assert!(!Path::new(&format!("{}.new", store.path().display())).exists());
    assert_eq!(store.entry(&Z).unwrap().unwrap().remote, r"\\s\x");
}

fn change_within_a_limit(store: &Store) {
    // SAFETY: the limit outlives the call, and ignoring a signal installs no handler.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        let limit = libc::rlimit { rlim_cur: 65536, rlim_max: 65536 };
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
    }
    fails_and_loses_nothing(store, "ulimit -f");
}

#[test]
fn a_change_beyond_the_limit_on_file_sizes_is_1205_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    store_in(directory.path()).remember(&Entry::new(Z, r"\\s\x")).unwrap();
    assert!(child("limited", directory.path()).wait().unwrap().success());
}

fn change_on_a_full_disk(store: &Store, directory: &Path) {
    store.remember(&Entry::new(Z, r"\\s\x")).unwrap();
    fails_and_loses_nothing(store, "make room");
    let filler = directory.join("filler");
    let full = fs::write(&filler, vec![0; 1 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    fails_and_loses_nothing(store, "make room");
    fs::remove_file(filler).unwrap();
    store.remember(&Entry::new(Z, r"\\s\y")).unwrap();
}

fn change_what_is_read_only(store: &Store) {
    fails_and_loses_nothing(store, "Read-only file system");
    for error in [
        store.check_writable().unwrap_err(),
        store.check_forgettable(&Z).unwrap_err(),
        store.forget(&Z).unwrap_err(),
        store.add_recent("x").unwrap_err(),
        Store::in_directory(store.path().with_file_name("other")).check_writable().unwrap_err(),
    ] {
        assert_eq!(error.status(), Status::CANNOT_OPEN_PROFILE);
        assert!(error.to_string().contains("make that file system writable"), "{error}");
    }
    assert_eq!(store.problems().len(), 1);
    // What needs no change needs no permission.
    assert_eq!(store.forget(&LocalDevice::Drive('Q')).unwrap(), None);
    store.check_forgettable(&LocalDevice::Drive('Q')).unwrap();
}

/// Runs `task` where `directory` is a file system of its own, prepared by the shell commands in `prepare`.
/// `false` if this system does not let us mount one.
fn on_a_small_disk(task: &str, directory: &Path, prepare: &str) -> bool {
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["-U", "-r", "-m", "sh", "-ec", script]);
        command.env(DIRECTORY, directory);
        command
    };
    let mount = format!("mount -t tmpfs -o size=64k,mode=700 none \"${DIRECTORY}\"; {prepare}");
    if !unshare(&mount).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        eprintln!("not run: this system lets nobody mount a file system of their own");
        return false;
    }
    let mut command = unshare(&format!("{mount}; exec \"$0\" \"$@\""));
    command.arg(env::current_exe().unwrap());
    child_arguments(&mut command, task, directory);
    assert!(command.status().unwrap().success());
    true
}

#[test]
fn a_change_on_a_full_disk_is_1205_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    on_a_small_disk("full", directory.path(), ":");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_change_on_a_read_only_disk_is_1205_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let prepare = format!(
        "umask 077; mkdir \"${DIRECTORY}/mpr\"; \
         printf '[drives.\"Z:\"]\\nRemotePath = %s\\n' \"'\\\\\\\\s\\\\x'\" >\"${DIRECTORY}/mpr/connections.toml\"; \
         mount -o remount,ro none \"${DIRECTORY}\""
    );
    on_a_small_disk("read-only", directory.path(), &prepare);
}

fn change_without_permission(store: &Store, directory: &Path) {
    // SAFETY: these calls take no pointers.
    unsafe {
        if libc::geteuid() == 0 {
            assert_eq!(libc::setresuid(65534, 65534, 65534), 0);
        }
    }
    // A directory nobody may write to, with a store in it …
    fails_and_loses_nothing(store, "Permission denied");
    let error = store.check_writable().unwrap_err();
    assert!(error.to_string().contains("cannot be written to"), "{error}");
    // … one that does not exist below it …
    let below = Store::in_directory(directory.join("mpr/below"));
    assert_eq!(below.check_writable().unwrap_err().status(), Status::CANNOT_OPEN_PROFILE);
    assert_eq!(below.remember(&Entry::new(Z, "x")).unwrap_err().status(), Status::CANNOT_OPEN_PROFILE);
    assert_eq!(below.entries().unwrap(), []);
    // … and a file nobody may read.
    fs::set_permissions(store.path(), fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(store.entries().unwrap_err().status(), Status::CANNOT_OPEN_PROFILE);
    fs::set_permissions(store.path(), fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_change_without_permission_is_1205_before_anything_is_done() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(directory.path());
    store.remember(&Entry::new(Z, r"\\s\x")).unwrap();
    let state = store.path().parent().unwrap();
    fs::remove_file(state.join("connections.toml.lock")).unwrap();
    // Root may do everything, so it becomes somebody else for this, who owns all of it.
    // SAFETY: takes no pointer.
    if unsafe { libc::geteuid() } == 0 {
        for path in [directory.path(), state, store.path()] {
            std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
        }
    }
    fs::set_permissions(state, fs::Permissions::from_mode(0o500)).unwrap();
    let outcome = child("powerless", directory.path()).wait();
    fs::set_permissions(state, fs::Permissions::from_mode(0o700)).unwrap();
    assert!(outcome.unwrap().success());
}

#[test]
fn a_store_of_somebody_else_is_neither_read_nor_changed() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(directory.path());
    store.remember(&Entry::new(Z, r"\\s\x")).unwrap();
    // Only root can give a file away; for everybody else `judge` has a test of its own.
    // SAFETY: takes no pointer.
    if unsafe { libc::geteuid() } == 0 {
        std::os::unix::fs::chown(store.path(), Some(65534), None).unwrap();
        assert_eq!(store.entries().unwrap_err().status(), Status::CANNOT_OPEN_PROFILE);
        let error = store.check_writable().unwrap_err();
        assert!(error.to_string().contains("belongs to user 65534"), "{error}");
    }
}
