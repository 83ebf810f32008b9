//! Locks, within a mount and between two, which stand for two machines.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::common::{Mounted, eventually, run_of};

/// Sets or asks for a lock of `fcntl`. `end` is not in it.
fn fcntl(file: &File, command: i32, kind: i32, range: std::ops::Range<i64>) -> io::Result<libc::flock> {
    let mut lock = libc::flock {
        l_type: kind as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: range.start,
        l_len: range.end - range.start,
        l_pid: 0,
    };
    // SAFETY: the descriptor is open, and the structure lives through the call.
    match unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) } {
        0 => Ok(lock),
        _ => Err(io::Error::last_os_error()),
    }
}

fn is_refused(result: io::Result<libc::flock>) -> bool {
    match result {
        Ok(_) => false,
        Err(error) => {
            assert!(matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)), "{error}");
            true
        }
    }
}

/// One file of one share, through two mounts of it.
struct Two {
    a: Mounted,
    b: Mounted,
    name: PathBuf,
}

impl Two {
    fn mounts(name: &str) -> Two {
        let a = Mounted::share("rw");
        let b = Mounted::of(Arc::clone(&a.samba), "rw");
        let (here, _) = a.place(name);
        fs::write(here.join("f"), "0").unwrap();
        Two { a, b, name: PathBuf::from(name).join("f") }
    }

    fn in_a(&self) -> File {
        File::options().read(true).write(true).open(self.a.root.join(&self.name)).unwrap()
    }

    fn in_b(&self) -> File {
        File::options().read(true).write(true).open(self.b.root.join(&self.name)).unwrap()
    }
}

#[test]
fn a_part_locked_in_one_mount_cannot_be_locked_in_another() {
    let two = Two::mounts("lock-parts");
    let (a, b) = (two.in_a(), two.in_b());
    fcntl(&a, libc::F_SETLK, libc::F_WRLCK, 0..100).unwrap();
    assert!(is_refused(fcntl(&b, libc::F_SETLK, libc::F_RDLCK, 50..60)));
    let found = fcntl(&b, libc::F_GETLK, libc::F_WRLCK, 50..60).unwrap();
    assert_eq!(i32::from(found.l_type), libc::F_WRLCK);
    fcntl(&b, libc::F_SETLK, libc::F_WRLCK, 100..200).unwrap();
    // A part is unlocked, and the rest is not.
    fcntl(&a, libc::F_SETLK, libc::F_UNLCK, 0..50).unwrap();
    fcntl(&b, libc::F_SETLK, libc::F_RDLCK, 0..50).unwrap();
    assert!(is_refused(fcntl(&b, libc::F_SETLK, libc::F_RDLCK, 0..60)));
    // Both may read.
    fcntl(&a, libc::F_SETLK, libc::F_RDLCK, 50..100).unwrap();
    fcntl(&b, libc::F_SETLK, libc::F_RDLCK, 50..100).unwrap();
    assert!(is_refused(fcntl(&a, libc::F_SETLK, libc::F_WRLCK, 50..100)));
    let free = fcntl(&b, libc::F_GETLK, libc::F_RDLCK, 50..60).unwrap();
    assert_eq!(i32::from(free.l_type), libc::F_UNLCK);
    drop(a);
    fcntl(&b, libc::F_SETLK, libc::F_WRLCK, 0..200).unwrap();
}

#[test]
fn closing_any_descriptor_of_a_file_ends_the_locks_of_the_process() {
    let two = Two::mounts("lock-close");
    let (a, other, b) = (two.in_a(), two.in_a(), two.in_b());
    fcntl(&a, libc::F_SETLK, libc::F_WRLCK, 0..10).unwrap();
    assert!(is_refused(fcntl(&b, libc::F_SETLK, libc::F_WRLCK, 0..10)));
    drop(other);
    fcntl(&b, libc::F_SETLK, libc::F_WRLCK, 0..10).unwrap();
}

#[test]
fn locks_of_open_files_meet_within_one_mount_and_end_with_the_file() {
    let two = Two::mounts("lock-ofd");
    let (one, other) = (two.in_a(), two.in_a());
    fcntl(&one, libc::F_OFD_SETLK, libc::F_WRLCK, 0..10).unwrap();
    assert!(is_refused(fcntl(&other, libc::F_OFD_SETLK, libc::F_RDLCK, 5..15)));
    assert!(is_refused(fcntl(&two.in_b(), libc::F_OFD_SETLK, libc::F_RDLCK, 5..15)));
    // Closing a second descriptor of the same open file ends nothing.
    drop(one.try_clone().unwrap());
    assert!(is_refused(fcntl(&other, libc::F_OFD_SETLK, libc::F_RDLCK, 5..15)));
    drop(one);
    eventually("it is unlocked", || fcntl(&other, libc::F_OFD_SETLK, libc::F_RDLCK, 5..15).is_ok());
}

#[test]
fn who_waits_for_a_lock_gets_it_when_it_is_free() {
    let two = Two::mounts("lock-wait");
    for (holder, waiter) in [(two.in_a(), two.in_a()), (two.in_a(), two.in_b())] {
        // Waiting: the kernel tells of the close of the last waiter's file, which ends its lock, after the close.
        fcntl(&holder, libc::F_OFD_SETLKW, libc::F_WRLCK, 0..10).unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let waiting = thread::spawn(move || {
            fcntl(&waiter, libc::F_OFD_SETLKW, libc::F_WRLCK, 0..10).unwrap();
            tell.send(()).unwrap();
        });
        assert!(told.recv_timeout(Duration::from_millis(300)).is_err());
        fcntl(&holder, libc::F_OFD_SETLK, libc::F_UNLCK, 0..10).unwrap();
        told.recv_timeout(Duration::from_secs(30)).unwrap();
        waiting.join().unwrap();
    }
}

#[test]
fn who_waits_for_a_lock_is_ended_by_a_signal_and_does_not_get_it_later() {
    let two = Two::mounts("lock-signal");
    let holder = two.in_a();
    holder.lock().unwrap();
    let mut waiter = run_of("flock").arg(two.a.root.join(&two.name)).arg("true").spawn().unwrap();
    let place = format!("/proc/{}/wchan", waiter.id());
    eventually("it waits", || fs::read_to_string(&place).is_ok_and(|place| place.contains("request_wait")));
    Command::new("kill").args(["-INT", &waiter.id().to_string()]).status().unwrap();
    assert!(!waiter.wait().unwrap().success());
    drop(holder);
    let next = two.in_b();
    eventually("nobody has it", || next.try_lock().is_ok());
}

#[test]
fn locks_of_whole_files_hold_between_mounts_and_do_not_meet_those_of_parts() {
    let two = Two::mounts("lock-whole");
    let (a, b) = (two.in_a(), two.in_b());
    a.lock().unwrap();
    assert!(matches!(b.try_lock(), Err(TryLockError::WouldBlock)));
    assert!(matches!(two.in_a().try_lock_shared(), Err(TryLockError::WouldBlock)));
    fcntl(&b, libc::F_SETLK, libc::F_WRLCK, 0..10).unwrap();
    // A lock of a whole file is advice: nobody is kept from reading.
    assert_eq!(fs::read(two.b.root.join(&two.name)).unwrap(), b"0");
    a.unlock().unwrap();
    b.lock_shared().unwrap();
    a.lock_shared().unwrap();
    assert!(matches!(two.in_a().try_lock(), Err(TryLockError::WouldBlock)));
}

#[test]
fn what_one_program_has_locked_the_others_of_the_mount_can_read_and_write() {
    let two = Two::mounts("lock-others");
    let holder = two.in_a();
    fcntl(&holder, libc::F_OFD_SETLK, libc::F_WRLCK, 0..i64::MAX).unwrap();
    let other = two.in_a();
    other.write_all_at(b"other", 0).unwrap();
    let mut bytes = [0; 5];
    two.in_a().read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"other");
}

#[test]
fn what_was_written_under_a_lock_is_read_by_whoever_gets_it_next() {
    const ROUNDS: usize = 40;
    let two = Two::mounts("lock-counter");
    thread::scope(|scope| {
        for file in [two.in_a(), two.in_b(), two.in_a()] {
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    file.lock().unwrap();
                    let mut digits = [0; 20];
                    let len = file.read_at(&mut digits, 0).unwrap();
                    let count: usize = std::str::from_utf8(&digits[..len]).unwrap().parse().unwrap();
                    file.write_all_at((count + 1).to_string().as_bytes(), 0).unwrap();
                    file.unlock().unwrap();
                }
            });
        }
    });
    assert_eq!(fs::read_to_string(two.a.root.join(&two.name)).unwrap(), (3 * ROUNDS).to_string());
}
