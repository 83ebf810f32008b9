//! Shares of a real server, mounted for real.

use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::IntoRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mpr_abi::Status;
use mpr_helper::connections::State;
use mpr_helper::control::{Order, Reply};
use mpr_helper::mounts::Table;
use mpr_helper::protocol::{Event, Login, Mount, Protocol, Request, Server, Share, ShareKind, Stage, Taste};
use mpr_helper::spawn::Helper;
use mpr_testkit::{RuntimeDir, Samba};

mod common;
use common::{Mounted, PATIENCE, ask, eventually, helper, known, names, pattern, request, server};

#[test]
fn what_is_written_here_is_on_the_server_when_it_is_synced_or_closed() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("written");
    let data = pattern(5 << 20);
    let mut file = File::create(here.join("f")).unwrap();
    file.write_all(&data).unwrap();
    file.sync_all().unwrap();
    assert!(fs::read(there.join("f")).unwrap() == data);
    file.write_all_at(b"middle", 3 << 20).unwrap();
    drop(file);
    let mut expected = data;
    expected[3 << 20..][..6].copy_from_slice(b"middle");
    assert!(fs::read(here.join("f")).unwrap() == expected, "read back here");
    assert!(fs::read(there.join("f")).unwrap() == expected, "on the server");
}

#[test]
fn the_kernel_reads_as_far_ahead_as_it_asks_for_at_once() {
    let mounted = Mounted::share("rw");
    let minor = Table::now().unwrap().at(&mounted.root).unwrap().minor;
    let ahead = format!("/sys/class/bdi/0:{minor}/read_ahead_kb");
    // Not everybody may say so.
    if OpenOptions::new().write(true).open(&ahead).is_ok() {
        eventually("it is said", || fs::read_to_string(&ahead).unwrap().trim() == "1024");
    }
}

#[test]
fn a_file_can_be_appended_to_and_cut() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("cut");
    fs::write(here.join("f"), "one").unwrap();
    OpenOptions::new().append(true).open(here.join("f")).unwrap().write_all(b" two").unwrap();
    assert_eq!(fs::read_to_string(there.join("f")).unwrap(), "one two");
    let file = OpenOptions::new().write(true).open(here.join("f")).unwrap();
    file.set_len(3).unwrap();
    assert_eq!(fs::metadata(here.join("f")).unwrap().len(), 3);
    file.set_len(1 << 20).unwrap();
    assert_eq!(fs::metadata(there.join("f")).unwrap().len(), 1 << 20);
    fs::write(here.join("f"), "new").unwrap();
    assert_eq!(fs::read_to_string(there.join("f")).unwrap(), "new");
}

#[test]
fn a_file_that_exists_is_not_created_again() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("exists");
    fs::write(there.join("theirs"), "").unwrap();
    let error = OpenOptions::new().write(true).create_new(true).open(here.join("theirs")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::create_dir(here.join("theirs")).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(here.join("none")).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn renaming_replaces_files_and_empty_directories_and_nothing_else() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("renaming");
    fs::write(here.join("a"), "a").unwrap();
    fs::write(here.join("b"), "b").unwrap();
    fs::rename(here.join("a"), here.join("b")).unwrap();
    assert_eq!(fs::read_to_string(there.join("b")).unwrap(), "a");
    for name in ["d1", "d2", "d3"] {
        fs::create_dir(here.join(name)).unwrap();
    }
    fs::write(here.join("d1/f"), "f").unwrap();
    fs::rename(here.join("d1"), here.join("d2")).unwrap();
    assert_eq!(fs::read_to_string(here.join("d2/f")).unwrap(), "f");
    let error = fs::rename(here.join("d3"), here.join("d2")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DirectoryNotEmpty);
    assert_eq!(fs::rename(here.join("b"), here.join("d3")).unwrap_err().kind(), ErrorKind::IsADirectory);
    assert!(there.join("b").exists() && there.join("d2/f").exists() && there.join("d3").exists());
}

#[test]
fn an_open_file_survives_being_replaced_and_its_name_is_the_new_one_at_once() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("replaced");
    fs::write(here.join("old"), "old").unwrap();
    fs::write(here.join("new"), "new").unwrap();
    let mut open = File::open(here.join("old")).unwrap();
    fs::rename(here.join("new"), here.join("old")).unwrap();
    assert_eq!(fs::read_to_string(here.join("old")).unwrap(), "new");
    let mut text = String::new();
    open.read_to_string(&mut text).unwrap();
    assert_eq!(text, "old");
    assert_eq!(names(&here), ["old"]);
    drop(open);
    eventually("the old file is gone from the server", || names(&there) == ["old"]);
}

#[test]
fn a_file_can_be_removed_while_it_is_open() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("removed");
    let mut open = OpenOptions::new().read(true).write(true).create_new(true).open(here.join("f")).unwrap();
    open.write_all(b"before").unwrap();
    fs::remove_file(here.join("f")).unwrap();
    assert_eq!(names(&here), Vec::<String>::new());
    fs::write(here.join("f"), "another").unwrap();
    open.write_all(b" and after").unwrap();
    open.seek(SeekFrom::Start(0)).unwrap();
    let mut text = String::new();
    open.read_to_string(&mut text).unwrap();
    assert_eq!(text, "before and after");
    assert_eq!((open.metadata().unwrap().len(), open.metadata().unwrap().nlink()), (16, 0));
    assert_eq!(fs::read_to_string(here.join("f")).unwrap(), "another");
    drop(open);
    eventually("only the new file is on the server", || names(&there) == ["f"]);
    fs::remove_dir_all(&here).unwrap();
    assert!(!there.exists());
}

#[test]
fn an_open_file_counts_the_names_that_are_left_of_it() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("counted");
    let named = |name: &str| here.join(name);
    let open = File::create(named("a")).unwrap();
    fs::hard_link(named("a"), named("b")).unwrap();
    fs::hard_link(named("a"), named("c")).unwrap();
    let links = || open.metadata().unwrap().nlink();
    assert_eq!(links(), 3);
    // A listing of the server says nothing of that.
    for _ in 0..2 {
        let listed: Vec<u64> =
            fs::read_dir(&here).unwrap().map(|entry| entry.unwrap().metadata().unwrap().nlink()).collect();
        assert_eq!(listed, [3, 3, 3]);
    }
    fs::remove_file(named("b")).unwrap();
    assert_eq!((links(), fs::metadata(named("c")).unwrap().nlink()), (2, 2));
    fs::write(named("other"), "").unwrap();
    fs::rename(named("other"), named("a")).unwrap();
    assert_eq!((links(), fs::metadata(named("a")).unwrap().nlink()), (1, 1));
    fs::remove_file(named("c")).unwrap();
    assert_eq!(links(), 0);
    drop(open);
    eventually("it is gone from the server", || names(&there) == ["a"]);
}

#[test]
fn one_name_of_an_open_file_can_be_changed_after_another() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("another");
    let named = |name: &str| here.join(name);
    let open = File::create(named("a")).unwrap();
    fs::hard_link(named("a"), named("b")).unwrap();
    // Some servers take what is open to be known by the new name from now on.
    fs::rename(named("b"), named("c")).unwrap();
    fs::set_permissions(named("a"), Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(named("a"), Permissions::from_mode(0o755)).unwrap();
    fs::rename(named("a"), named("d")).unwrap();
    fs::rename(named("c"), named("e")).unwrap();
    fs::remove_file(named("d")).unwrap();
    fs::remove_file(named("e")).unwrap();
    open.write_all_at(b"still here", 0).unwrap();
    assert_eq!(names(&here), Vec::<String>::new());
    drop(open);
    eventually("it is gone from the server", || names(&there).is_empty());
}

#[test]
fn a_removed_file_can_be_opened_again_through_its_descriptor() {
    use std::os::fd::AsRawFd;
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("descriptor");
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(here.join("f")).unwrap();
    file.write_all(b"still here").unwrap();
    fs::remove_file(here.join("f")).unwrap();
    let again = format!("/proc/self/fd/{}", file.as_raw_fd());
    assert_eq!(fs::read_to_string(&again).unwrap(), "still here");
    let second = File::open(&again).unwrap();
    drop(file);
    let mut text = String::new();
    (&second).read_to_string(&mut text).unwrap();
    assert_eq!(text, "still here");
    drop(second);
    eventually("nothing is left on the server", || names(&there).is_empty());
}

#[test]
fn what_is_open_here_and_elsewhere_is_renamed_and_replaced() {
    let (mounted, other) = (Mounted::share("rw"), Mounted::share("rw"));
    let (here, there) = mounted.place("elsewhere");
    let other = other.root.join("elsewhere");
    let read = |mut file: &File| {
        let mut text = String::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_string(&mut text).unwrap();
        text
    };
    fs::write(here.join("f"), "old").unwrap();
    for round in 0..3 {
        let theirs = File::open(other.join("f")).unwrap();
        let before = read(&theirs);
        fs::rename(here.join("f"), here.join("g")).unwrap();
        fs::rename(here.join("g"), here.join("f")).unwrap();
        let ours = File::open(here.join("f")).unwrap();
        let new = format!("new {round}");
        fs::write(here.join("new"), &new).unwrap();
        fs::rename(here.join("new"), here.join("f")).unwrap();
        assert_eq!((read(&ours), read(&theirs)), (before.clone(), before));
        assert_eq!(fs::read_to_string(here.join("f")).unwrap(), new);
        eventually("it is seen there", || fs::read_to_string(other.join("f")).is_ok_and(|now| now == new));
    }
    eventually("nothing else is left on the server", || names(&there) == ["f"]);
}

#[test]
fn a_file_that_is_read_all_the_time_is_replaced_all_the_same() {
    let mounted = Mounted::share("rw");
    let (here, _) = mounted.place("read-meanwhile");
    let (file, new) = (here.join("f"), here.join("new"));
    fs::write(&file, "0").unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    // Replaced twice while it was being opened: the kernel tries once more, and no oftener.
                    let text = fs::read(&file);
                    let stale = |error: &std::io::Error| error.raw_os_error() == Some(libc::ESTALE);
                    assert!(text.as_ref().map_or_else(stale, |text| text.len() == 1), "{text:?}");
                }
            });
        }
        let replaced: Vec<_> = (0..200u32)
            .map(|round| {
                fs::write(&new, (round % 10).to_string()).unwrap();
                fs::rename(&new, &file)
            })
            .collect();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(replaced.iter().all(Result::is_ok), "{replaced:?}");
    });
}

#[test]
fn a_name_can_change_its_case() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("case");
    fs::write(here.join("file"), "file").unwrap();
    let open = File::open(here.join("file")).unwrap();
    fs::create_dir(here.join("directory")).unwrap();
    fs::create_dir(here.join("full")).unwrap();
    fs::write(here.join("full/f"), "f").unwrap();
    for name in ["file", "directory", "full"] {
        fs::rename(here.join(name), here.join(name.to_uppercase())).unwrap();
    }
    assert_eq!(names(&there), ["DIRECTORY", "FILE", "FULL"]);
    assert_eq!(fs::read_to_string(here.join("FILE")).unwrap(), "file");
    assert_eq!(fs::read_to_string(here.join("FULL/f")).unwrap(), "f");
    assert_eq!(open.metadata().unwrap().len(), 4);
}

#[test]
fn a_name_that_was_free_is_found_once_it_is_given_in_another_case() {
    /// For so long the kernel may believe that a name is free.
    const BELIEVED: Duration = Duration::from_secs(5);
    let mounted = Mounted::share("rw");
    let (here, _) = mounted.place("other-case");
    let took = |round: u32| {
        let (asked, given) = (here.join(format!("name{round}")), here.join(format!("NAME{round}")));
        let begun = Instant::now();
        assert!(!asked.exists());
        fs::write(&given, "text").unwrap();
        eventually("it is there in the first case, too", || asked.exists());
        begun.elapsed()
    };
    // A busy machine may take that long now and then.
    assert!((0..5).any(|round| took(round) < BELIEVED - Duration::from_secs(1)));
}

#[test]
fn a_directory_with_an_open_file_in_it_can_be_renamed() {
    let mounted = Mounted::of(Arc::new(Samba::start()), "rw");
    fs::create_dir(mounted.root.join("old")).unwrap();
    let mut file = File::create(mounted.root.join("old/f")).unwrap();
    file.write_all(b"before").unwrap();
    fs::rename(mounted.root.join("old"), mounted.root.join("new")).unwrap();
    file.write_all(b", after").unwrap();
    // The file is found again under its new path when the connection has to be made again.
    break_connection(&mounted);
    file.write_all(b", again").unwrap();
    assert_eq!(fs::read_to_string(mounted.root.join("new/f")).unwrap(), "before, after, again");
}

#[test]
fn a_directory_with_an_open_file_in_it_that_was_removed_or_locked_is_busy() {
    let mounted = Mounted::share("rw");
    let (here, _) = mounted.place("busy");
    for busy in ["removed", "locked"] {
        let (old, new) = (here.join(busy), here.join(format!("{busy}-2")));
        fs::create_dir(&old).unwrap();
        let file = File::create(old.join("f")).unwrap();
        match busy {
            "removed" => fs::remove_file(old.join("f")).unwrap(),
            _ => file.lock().unwrap(),
        }
        let error = fs::rename(&old, &new).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EBUSY), "{busy}");
        drop(file);
        eventually("it can be renamed", || fs::rename(&old, &new).is_ok());
    }
}

#[test]
fn every_version_of_the_protocol_is_spoken_with_what_protection_it_has() {
    for (settings, security) in [
        ("server max protocol = SMB2_02\n  server min protocol = SMB2_02", "SMB 2.0.2, signed"),
        ("server max protocol = SMB2_10", "SMB 2.1, signed"),
        ("server max protocol = SMB3_00\n  smb encrypt = required", "SMB 3.0, encrypted"),
        (
            "server max protocol = SMB3_02\n  server signing = mandatory\n  smb encrypt = off",
            "SMB 3.0.2, signed",
        ),
        ("smb encrypt = off", "SMB 3.1.1, signed"),
        ("smb encrypt = required", "SMB 3.1.1, encrypted"),
        ("server smb3 encryption algorithms = AES-256-GCM", "SMB 3.1.1, encrypted"),
        ("server smb3 encryption algorithms = AES-256-CCM\n  smb encrypt = off", "SMB 3.1.1, signed"),
    ] {
        let mounted = Mounted::of(Arc::new(Samba::with(settings)), "rw");
        let health = mounted.health();
        assert_eq!((&*health.security, &*health.authentication), (security, "NTLMv2"));
        let data = pattern(3 << 20);
        fs::write(mounted.root.join("f"), &data).unwrap();
        assert!(fs::read(mounted.root.join("f")).unwrap() == data, "{security}");
        fs::rename(mounted.root.join("f"), mounted.root.join("g")).unwrap();
        assert_eq!(names(&mounted.root), ["g"]);
    }
}

#[test]
fn a_directory_can_be_removed_right_after_the_file_in_it_was_closed() {
    let mounted = Mounted::share("rw");
    let (here, _) = mounted.place("quick");
    for round in 0..50 {
        let directory = here.join(format!("d{round}"));
        fs::create_dir(&directory).unwrap();
        let file = File::create(directory.join("f")).unwrap();
        fs::remove_file(directory.join("f")).unwrap();
        drop(file);
        fs::remove_dir(&directory).unwrap();
    }
}

#[test]
fn a_file_that_forbids_writing_can_still_be_replaced_and_removed() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("forbidding");
    for name in ["a", "b", "c"] {
        fs::write(here.join(name), name).unwrap();
        fs::set_permissions(here.join(name), Permissions::from_mode(0o444)).unwrap();
        assert_eq!(fs::metadata(here.join(name)).unwrap().permissions().mode() & 0o222, 0);
    }
    fs::rename(here.join("a"), here.join("b")).unwrap();
    fs::remove_file(here.join("b")).unwrap();
    fs::set_permissions(here.join("c"), Permissions::from_mode(0o644)).unwrap();
    fs::write(here.join("c"), "written").unwrap();
    assert_eq!(names(&there), ["c"]);
}

#[test]
fn times_are_kept_to_a_tenth_of_a_microsecond() {
    let mounted = Mounted::share("rw");
    let (here, _) = mounted.place("times");
    let file = File::create(here.join("f")).unwrap();
    let first = UNIX_EPOCH + Duration::new(981_173_106, 123_456_700);
    let second = UNIX_EPOCH + Duration::new(1_000_000_000, 700);
    let long_ago = UNIX_EPOCH - Duration::new(1_000_000_000, 700);
    for (modified, accessed) in [(first, second), (second, long_ago), (long_ago, first)] {
        file.set_times(FileTimes::new().set_modified(modified).set_accessed(accessed)).unwrap();
        let meta = fs::metadata(here.join("f")).unwrap();
        assert_eq!((meta.modified().unwrap(), meta.accessed().unwrap()), (modified, accessed));
    }
    drop(file);
    assert_eq!(fs::metadata(here.join("f")).unwrap().modified().unwrap(), long_ago);
}

#[test]
fn a_time_that_was_set_by_name_outlasts_the_closing_of_what_was_written() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("set-by-name");
    let then = rustix::fs::Timespec { tv_sec: 1_000_000_000, tv_nsec: 0 };
    let times = rustix::fs::Timestamps { last_access: then, last_modification: then };
    let set =
        |path: &Path| rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::empty());
    // As rsync and unzip do: the server may hear of the close only after the time.
    for at in 0..200 {
        let name = format!("closed-{at}");
        fs::write(here.join(&name), "written").unwrap();
        set(&here.join(&name)).unwrap();
        fs::rename(here.join(&name), here.join(format!("{name}-to-stay"))).unwrap();
    }
    for at in 0..200 {
        let path = there.join(format!("closed-{at}-to-stay"));
        assert_eq!(fs::metadata(path).unwrap().mtime(), then.tv_sec, "{at}");
    }
    // Several write, and one of them sets the time when all have written.
    let name = here.join("several");
    let mut writers: Vec<File> =
        (0..3).map(|_| OpenOptions::new().create(true).append(true).open(&name).unwrap()).collect();
    for writer in &mut writers {
        writer.write_all(b"written").unwrap();
    }
    set(&name).unwrap();
    drop(writers);
    assert_eq!(fs::metadata(&name).unwrap().mtime(), then.tv_sec);
    drop(mounted.place("closed by now"));
    assert_eq!(fs::metadata(there.join("several")).unwrap().mtime(), then.tv_sec);
}

#[test]
fn a_time_that_was_set_ends_with_the_next_write() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("set-and-written");
    let then = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let mut file = File::create(here.join("f")).unwrap();
    let changes: [fn(&mut File); 2] =
        [|file| file.write_all(b"more").unwrap(), |file| file.set_len(1).unwrap()];
    for change in changes {
        let before = SystemTime::now() - Duration::from_millis(1);
        file.set_times(FileTimes::new().set_modified(then)).unwrap();
        assert_eq!(file.metadata().unwrap().modified().unwrap(), then);
        change(&mut file);
        let after = file.metadata().unwrap().modified().unwrap();
        assert!(after >= before, "{after:?}");
    }
    drop(file);
    assert_ne!(fs::metadata(here.join("f")).unwrap().modified().unwrap(), then);
    assert_ne!(fs::metadata(there.join("f")).unwrap().modified().unwrap(), then);
}

#[test]
fn names_that_windows_forbids_come_back_as_they_were() {
    let mounted = Mounted::share("rw");
    let (here, _) = mounted.place("names");
    let mut given =
        ["a:b", "what?", "star*", "\"quoted\"", "<less|more>", "back\\slash", "end.", "end ", "ü\u{1F600}"]
            .map(str::to_owned)
            .to_vec();
    for name in &given {
        fs::write(here.join(name), name).unwrap();
    }
    given.sort();
    assert_eq!(names(&here), given);
    for name in &given {
        assert_eq!(&fs::read_to_string(here.join(name)).unwrap(), name);
        fs::remove_file(here.join(name)).unwrap();
    }
    let long = fs::write(here.join("x".repeat(256)), "").unwrap_err();
    assert_eq!(long.kind(), ErrorKind::InvalidFilename);
}

#[test]
fn a_large_directory_is_listed_whole() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("large");
    let mut expected: Vec<String> = (0..3000).map(|at| format!("file with a longer name {at:05}")).collect();
    for name in &expected {
        File::create(there.join(name)).unwrap();
    }
    assert_eq!(names(&here), expected);
    // A program that reads on while it removes sees each entry once.
    for entry in fs::read_dir(&here).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    expected.clear();
    assert_eq!(names(&there), expected);
}

#[test]
fn inode_numbers_stay_the_same_from_mount_to_mount() {
    let mounted = Mounted::share("rw");
    let (here, _) = mounted.place("numbers");
    fs::write(here.join("f"), "").unwrap();
    let number = fs::metadata(here.join("f")).unwrap().ino();
    let listed = fs::read_dir(&here).unwrap().next().unwrap().unwrap();
    assert_eq!(std::os::unix::fs::DirEntryExt::ino(&listed), number);
    let again = Mounted::of(Arc::clone(&mounted.samba), "rw");
    assert_eq!(fs::metadata(again.root.join("numbers/f")).unwrap().ino(), number);
}

#[test]
fn room_on_the_server_is_told() {
    let mounted = Mounted::share("rw");
    let output = Command::new("df").arg("--output=source,size,avail").arg(&mounted.root).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let fields: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(fields[0], mounted.samba.unc("rw").replace('\\', "/"));
    assert!(fields[1].parse::<u64>().unwrap() > 0 && fields[2].parse::<u64>().unwrap() > 0, "{text}");
}

#[test]
fn what_others_do_on_the_server_is_seen() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("others");
    fs::write(there.join("f"), "theirs").unwrap();
    assert_eq!(fs::read_to_string(here.join("f")).unwrap(), "theirs");
    fs::write(there.join("g"), "other").unwrap();
    fs::rename(there.join("g"), there.join("f")).unwrap();
    eventually("the new file is seen under the old name", || {
        fs::read_to_string(here.join("f")).is_ok_and(|text| text == "other")
    });
}

#[test]
fn a_file_that_another_machine_renames_over_one_that_is_read_here_is_read_here() {
    let (one, other) = (Mounted::share("rw"), Mounted::share("rw"));
    let (here, _) = one.place("renamed-over");
    let there = other.root.join("renamed-over");
    let reads = |what: &str| fs::read_to_string(here.join("f")).is_ok_and(|text| text == what);
    // What the server tells of names that were given and taken here is taken for that, for a while.
    fs::write(here.join("g"), "mine").unwrap();
    fs::rename(here.join("g"), here.join("f")).unwrap();
    fs::remove_file(here.join("f")).unwrap();
    for what in ["one", "two"] {
        fs::write(there.join("f"), what).unwrap();
        eventually(what, || reads(what));
    }
    assert!(reads("two"));
    fs::write(there.join("g"), "another").unwrap();
    fs::rename(there.join("g"), there.join("f")).unwrap();
    // Reading it again and again keeps it open here, under a lease that nobody takes back; if each time it has
    // been closed before, which the kernel does behind the program's back.
    eventually("the second file is read", || {
        thread::sleep(Duration::from_millis(20));
        reads("another")
    });
}

#[test]
fn what_is_done_in_a_directory_changes_its_time_at_once() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("times-of-directories");
    // Servers count in tenths of a microsecond.
    let time = |directory: &Path| {
        let now = fs::metadata(directory).unwrap();
        (now.mtime(), now.mtime_nsec() / 100)
    };
    let (one, other) = (here.join("one"), here.join("other"));
    let steps: [(&str, &dyn Fn()); 5] = [
        ("a file made", &|| drop(File::create_new(&one).unwrap())),
        ("a file renamed", &|| fs::rename(&one, &other).unwrap()),
        ("a file removed", &|| fs::remove_file(&other).unwrap()),
        ("a directory made", &|| fs::create_dir(&one).unwrap()),
        ("a directory removed", &|| fs::remove_dir(&one).unwrap()),
    ];
    for (what, step) in steps {
        assert_eq!(time(&here), time(&there), "before {what}");
        step();
        assert_eq!(time(&here), time(&there), "{what}");
    }
    for number in 0..30 {
        fs::write(here.join(number.to_string()), "text").unwrap();
        assert_eq!(time(&here), time(&there), "{number} files made");
    }
}

#[test]
fn a_directory_in_which_something_was_just_made_can_be_renamed_and_removed() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("just-made-in");
    for round in 0..3 {
        let (old, new) = (here.join("old"), here.join("new"));
        fs::create_dir_all(old.join("below")).unwrap();
        for number in 0..4 {
            fs::write(old.join("below").join(number.to_string()), "text").unwrap();
        }
        fs::rename(&old, &new).unwrap();
        for number in 4..8 {
            fs::write(new.join("below").join(number.to_string()), "text").unwrap();
        }
        assert_eq!(fs::read_dir(there.join("new/below")).unwrap().count(), 8);
        fs::remove_dir_all(&new).unwrap();
        assert_eq!(fs::read_dir(&there).unwrap().count(), 0, "{round}");
    }
}

#[test]
fn a_directory_inside_a_share_can_be_what_is_mounted() {
    let samba = Samba::shared();
    fs::create_dir_all(samba.data("rw").join("deep/inside")).unwrap();
    Command::new("chown").args(["-R", samba.user()]).arg(samba.data("rw").join("deep")).status().unwrap();
    let runtime = RuntimeDir::new();
    let inner = Mount { path: "deep/inside".into(), ..request(&samba, "rw", &runtime) };
    ask(&runtime, &Request::Mount(Box::new(inner.clone())), Some(Samba::PASSWORD)).unwrap();
    fs::write(runtime.path().join("drives/z/f"), "x").unwrap();
    assert!(samba.data("rw").join("deep/inside/f").exists());

    let elsewhere = RuntimeDir::new();
    let missing = Mount { path: "deep/none".into(), ..request(&samba, "rw", &elsewhere) };
    let failure = ask(&elsewhere, &Request::Mount(Box::new(missing)), Some(Samba::PASSWORD)).unwrap_err();
    assert_eq!(failure.status, Status::BAD_NETNAME.0, "{failure}");
}

#[test]
fn a_tree_is_copied_with_everything_it_has() {
    let mounted = Mounted::share("rw");
    let (here, _) = mounted.place("copied");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mpr-helper");
    let copied = Command::new("cp").arg("-a").arg(&source).arg(here.join("copy")).output().unwrap();
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    let same = Command::new("diff").arg("-r").arg(&source).arg(here.join("copy")).output().unwrap();
    assert!(same.status.success(), "{}", String::from_utf8_lossy(&same.stdout));
    let (original, copy) = (
        fs::metadata(source.join("Cargo.toml")).unwrap(),
        fs::metadata(here.join("copy/Cargo.toml")).unwrap(),
    );
    let rounded = |meta: &fs::Metadata| (meta.mtime(), meta.mtime_nsec() / 100);
    assert_eq!(rounded(&original), rounded(&copy));
}

#[test]
fn a_repository_can_live_on_a_share() {
    let mounted = Mounted::share("rw");
    let (here, _) = mounted.place("repository");
    let git = |directory: &Path, arguments: &[&str]| {
        let output = Command::new("git")
            .current_dir(directory)
            .args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"])
            .args(arguments)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .expect("this test needs git; install the Debian package git");
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let origin = tempfile::tempdir().unwrap();
    git(origin.path(), &["init", "-q"]);
    for at in 0..40 {
        fs::write(origin.path().join(format!("file{at}")), pattern(at * 100)).unwrap();
    }
    git(origin.path(), &["add", "."]);
    git(origin.path(), &["commit", "-q", "-m", "first"]);
    git(&here, &["clone", "-q", origin.path().to_str().unwrap(), "clone"]);
    let clone = here.join("clone");
    assert_eq!(git(&clone, &["status", "--porcelain"]), "");
    fs::write(clone.join("file1"), "changed").unwrap();
    git(&clone, &["commit", "-q", "-a", "-m", "second"]);
    git(&clone, &["checkout", "-q", "-b", "branch", "HEAD~1"]);
    git(&clone, &["gc", "-q"]);
    git(&clone, &["fsck", "--strict"]);
    assert_eq!(git(&clone, &["status", "--porcelain"]), "");
    fs::remove_dir_all(&clone).unwrap();
}

#[test]
fn what_is_left_of_a_removed_file_does_not_keep_its_directory() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("left");
    let hidden = |of: &str| format!(".mpr-deleted-{of}");
    fs::write(there.join(hidden(&"0a".repeat(16))), "left").unwrap();
    fs::write(there.join(hidden("of somebody else's")), "kept").unwrap();
    assert_eq!(fs::remove_dir(&here).unwrap_err().kind(), ErrorKind::DirectoryNotEmpty);
    fs::remove_file(there.join(hidden("of somebody else's"))).unwrap();
    eventually("it is removed", || fs::remove_dir(&here).is_ok());
    assert!(!there.exists());
}

#[test]
fn a_tree_is_removed_however_late_its_directories_are_closed() {
    let mounted = Mounted::share("rw");
    let (here, _) = mounted.place("trees");
    thread::scope(|scope| {
        for tree in 0..8 {
            let root = here.join(format!("tree{tree}"));
            scope.spawn(move || {
                for _ in 0..10 {
                    fs::create_dir_all(root.join("a/b/c/d")).unwrap();
                    // It reads a directory, closes it, removes it, and goes on with the one above.
                    fs::remove_dir_all(&root).unwrap();
                }
            });
        }
    });
}

#[test]
fn a_program_can_be_built_and_run_on_a_share() {
    let mounted = Mounted::share("rw");
    let (here, _) = mounted.place("built");
    fs::write(here.join("a.c"), "int f(void); int main(void) { return f(); }").unwrap();
    fs::write(here.join("b.c"), "int f(void) { return 42; }").unwrap();
    let built = Command::new("cc").current_dir(&here).args(["-g", "-o", "a", "a.c", "b.c"]).output();
    let built = built.expect("this test needs a C compiler; install the Debian package gcc");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    assert_eq!(Command::new(here.join("a")).status().unwrap().code(), Some(42));
}

#[test]
fn many_threads_at_once_disturb_nobody() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("threads");
    thread::scope(|scope| {
        for worker in 0..8 {
            let here = &here;
            scope.spawn(move || {
                for round in 0..25 {
                    let path = here.join(format!("w{worker}-{round}"));
                    let data = pattern(worker * 1000 + round);
                    fs::write(&path, &data).unwrap();
                    assert!(fs::read(&path).unwrap() == data);
                    let renamed = path.with_extension("done");
                    fs::rename(&path, &renamed).unwrap();
                    if round % 2 == 0 {
                        fs::remove_file(&renamed).unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(names(&there).len(), 8 * 12);
}

#[test]
fn a_server_that_can_encrypt_does() {
    let mounted = Mounted::share("enc");
    assert_eq!(fs::read_to_string(mounted.root.join("secret.txt")).unwrap(), "secret\n");
    assert_eq!(mounted.health().security, "SMB 3.1.1, encrypted");
    assert_eq!(Mounted::share("rw").health().security, "SMB 3.1.1, encrypted");
}

#[test]
fn encryption_can_be_required_of_any_share_and_not_of_a_guest() {
    let (samba, runtime) = (Samba::shared(), RuntimeDir::new());
    let mount = Mount { require_encryption: true, ..request(&samba, "ro", &runtime) };
    ask(&runtime, &Request::Mount(Box::new(mount.clone())), Some(Samba::PASSWORD)).unwrap();
    assert_eq!(fs::read_to_string(runtime.path().join("drives/z/readme.txt")).unwrap(), "read me\n");

    let runtime = RuntimeDir::new();
    let guest = Mount {
        require_encryption: true,
        login: Login::Guest,
        has_password: false,
        ..request(&samba, "guest", &runtime)
    };
    let failure = ask(&runtime, &Request::Mount(Box::new(guest)), None).unwrap_err();
    assert_eq!(failure.status, Status::ACCESS_DENIED.0, "{failure}");
}

#[test]
fn guests_come_in_when_they_say_that_they_are_guests() {
    let (samba, runtime) = (Samba::shared(), RuntimeDir::new());
    let guest = Mount { login: Login::Guest, has_password: false, ..request(&samba, "guest", &runtime) };
    ask(&runtime, &Request::Mount(Box::new(guest.clone())), None).unwrap();
    assert_eq!(fs::read_to_string(runtime.path().join("drives/z/hello.txt")).unwrap(), "hello\n");

    // This server makes a guest of every user it does not know. Nobody asked for that.
    let runtime = RuntimeDir::new();
    let stranger = Login::Account { user: "stranger".into(), domain: String::new() };
    let stranger = Mount { login: stranger, ..request(&samba, "guest", &runtime) };
    let failure = ask(&runtime, &Request::Mount(Box::new(stranger)), Some("x")).unwrap_err();
    assert_eq!(failure.status, Status::LOGON_FAILURE.0, "{failure}");
}

#[test]
fn each_refusal_has_its_code_and_says_what_was_refused() {
    let (samba, runtime) = (Samba::shared(), RuntimeDir::new());
    let mount = |share: &str| request(&samba, share, &runtime);
    let refused = |mount: Mount, password: Option<&str>| {
        let failure = ask(&runtime, &Request::Mount(Box::new(mount)), password).unwrap_err();
        assert!(failure.message.contains("127.0.0.1") || failure.message.contains("nosuchhost"), "{failure}");
        assert!(!failure.message.contains("S3cret"), "{failure}");
        failure.status
    };
    assert_eq!(refused(mount("rw"), Some("S3cret")), Status::LOGON_FAILURE.0);
    assert_eq!(refused(Mount { has_password: false, ..mount("rw") }, None), Status::BAD_PASSWORD.0);
    assert_eq!(refused(mount("nosuchshare"), Some(Samba::PASSWORD)), Status::BAD_NETNAME.0);
    assert_eq!(refused(mount("denied"), Some(Samba::PASSWORD)), Status::ACCESS_DENIED.0);
    assert_eq!(refused(mount("lp1"), Some(Samba::PASSWORD)), Status::BAD_DEV_TYPE.0);
    let elsewhere = |host: &str, port| Mount {
        server: Server { protocol: Protocol::Smb, host: host.into(), port: Some(port) },
        ..mount("rw")
    };
    assert_eq!(refused(elsewhere("127.0.0.1", 1), Some("S3cret")), Status::BAD_NETPATH.0);
    assert_eq!(refused(elsewhere("nosuchhost.invalid", 445), Some("S3cret")), Status::BAD_NETPATH.0);
    assert_eq!(names(&runtime.path().join("connections")), Vec::<String>::new());
    assert!(!runtime.path().join("drives/z").exists());
}

#[test]
fn what_is_mounted_for_reading_refuses_to_be_changed() {
    let (samba, runtime) = (Samba::shared(), RuntimeDir::new());
    let mount = Mount { read_only: true, ..request(&samba, "rw", &runtime) };
    ask(&runtime, &Request::Mount(Box::new(mount.clone())), Some(Samba::PASSWORD)).unwrap();
    let error = fs::write(runtime.path().join("drives/z/f"), "").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnlyFilesystem);

    let share = Mounted::share("ro");
    assert_eq!(fs::write(share.root.join("f"), "").unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(fs::read_to_string(share.root.join("readme.txt")).unwrap(), "read me\n");
}

#[test]
fn the_progress_of_a_connection_is_told_in_order() {
    let (samba, runtime) = (Samba::shared(), RuntimeDir::new());
    let mut stages = Vec::new();
    let mount = Request::Mount(Box::new(request(&samba, "rw", &runtime)));
    let password = Some(Samba::PASSWORD.as_bytes());
    Helper::start(helper(), &runtime.path())
        .unwrap()
        .ask(&mount, password, PATIENCE, &mut |event| match event {
            Event::Progress { stage } => stages.push(stage),
            other => panic!("{other:?}"),
        })
        .unwrap();
    assert_eq!(stages, [Stage::Connecting, Stage::Authenticating, Stage::Opening, Stage::Mounting]);
}

#[test]
fn a_server_lists_its_disks_and_printers() {
    let (samba, runtime) = (Samba::shared(), RuntimeDir::new());
    let mut listed: Vec<Share> = Vec::new();
    let request = Request::ListShares { server: server(&samba), login: known(&samba), has_password: true };
    let password = Some(Samba::PASSWORD.as_bytes());
    Helper::start(helper(), &runtime.path())
        .unwrap()
        .ask(&request, password, PATIENCE, &mut |event| {
            if let Event::Shares { shares } = event {
                listed.extend(shares);
            }
        })
        .unwrap();
    let kinds: Vec<(&str, ShareKind)> =
        listed.iter().map(|share| (share.name.as_str(), share.kind)).collect();
    for (name, kind) in [("rw", ShareKind::Disk), ("ro", ShareKind::Disk), ("lp1", ShareKind::Printer)] {
        assert!(kinds.contains(&(name, kind)), "{kinds:?}");
    }
    assert!(!kinds.iter().any(|(name, _)| name.ends_with('$')), "{kinds:?}");
    assert_eq!(listed.iter().find(|share| share.name == "ro").unwrap().comment, "to be read");

    let mounted = Mounted::share("rw");
    match mounted.order(Order::ListShares) {
        Reply::Shares { shares } => assert_eq!(shares, listed),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_connection_in_use_is_not_ended_unless_by_force() {
    let mounted = Mounted::share("rw");
    let (here, _) = mounted.place("in-use");
    let refused = |mounted: &Mounted| match mounted.order(Order::Unmount { force: false }) {
        Reply::Failed(failure) => {
            assert_eq!(failure.status, Status::OPEN_FILES.0, "{failure}");
            failure.message
        }
        other => panic!("{other:?}"),
    };
    let file = File::create(here.join("f")).unwrap();
    assert!(refused(&mounted).contains("a file is open"));
    drop(file);
    let mut inside = Command::new("cat").current_dir(&here).stdin(Stdio::piped()).spawn().unwrap();
    assert!(refused(&mounted).contains("Z:"));
    drop(inside.stdin.take());
    inside.wait().unwrap();
    mounted.unmount();
    assert!(mounted.is_gone());

    let mounted = Mounted::share("rw");
    let file = File::create(mounted.root.join("in-use/g")).unwrap();
    assert_eq!(mounted.order(Order::Unmount { force: true }), Reply::Unmounted);
    assert!(mounted.is_gone());
    eventually("the open file has lost its connection", || file.metadata().is_err());
}

#[test]
fn force_does_not_wait_for_a_server_that_says_nothing() {
    let mounted = Mounted::of(Arc::new(Samba::start()), "rw");
    let path = mounted.root.join("f");
    fs::write(&path, pattern(1 << 20)).unwrap();
    let file = File::open(&path).unwrap();
    mounted.samba.freeze();
    let reader = thread::spawn(move || file.read_at(&mut [0; 100], 500_000));
    eventually("the reader waits for the server", || mounted.health().open_files == 1);
    let begun = Instant::now();
    assert_eq!(mounted.order(Order::Unmount { force: true }), Reply::Unmounted);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let _ = reader.join().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "the reader was let go after {:?}", begun.elapsed());
    mounted.samba.thaw();
    assert!(mounted.is_gone());
}

#[test]
fn what_was_kept_back_from_a_server_that_falls_silent_fails_when_it_is_closed() {
    let taste = Taste { timeout_ms: Some(2000), ..Taste::default() };
    let samba = Arc::new(Samba::start());
    let mounted = Mounted::of_taste(samba, "rw", taste);
    let mut file = File::create(mounted.root.join("f")).unwrap();
    file.write_all(b"old").unwrap();
    file.sync_all().unwrap();
    mounted.samba.freeze();
    file.write_all(b"dear").expect("it is kept back");
    let begun = Instant::now();
    // SAFETY: the descriptor is the file's own, which has let go of it.
    let closed = unsafe { libc::close(file.into_raw_fd()) };
    let (error, took) = (std::io::Error::last_os_error(), begun.elapsed());
    mounted.samba.thaw();
    assert_eq!(closed, -1, "a loss is told");
    assert_eq!(error.raw_os_error(), Some(libc::ETIMEDOUT), "{error}");
    assert!(took < Duration::from_secs(20), "{took:?}");
}

/// What is closed as a program begins is closed by the kernel while nobody may look at the process.
#[test]
fn a_program_that_is_started_beside_kept_back_writes_does_not_hold_up_the_mount() {
    let taste = Taste { timeout_ms: Some(2000), ..Taste::default() };
    let mounted = Mounted::of_taste(Arc::new(Samba::start()), "rw", taste);
    let mut file = File::create(mounted.root.join("f")).unwrap();
    file.write_all(b"old").unwrap();
    file.sync_all().unwrap();
    mounted.samba.freeze();
    file.write_all(b"dear").expect("it is kept back");
    let begun = Instant::now();
    assert!(Command::new("true").status().unwrap().success());
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    mounted.samba.thaw();
}

/// Breaks the connection and waits until the helper has noticed.
fn break_connection(mounted: &Mounted) {
    let before = mounted.health().reconnects;
    mounted.samba.break_connections();
    wait_for_a_break(mounted, before);
}

fn wait_for_a_break(mounted: &Mounted, before: u64) {
    // On a busy machine it may have connected again before anybody looks.
    eventually("the helper has noticed", || {
        let health = mounted.health();
        !health.connected || health.reconnects > before
    });
}

#[test]
fn a_broken_connection_is_made_again_and_open_files_go_on() {
    let mounted = Mounted::of(Arc::new(Samba::start()), "rw");
    fs::write(mounted.root.join("f"), "first line\n").unwrap();
    let mut file = OpenOptions::new().read(true).append(true).open(mounted.root.join("f")).unwrap();
    for round in 1..=3 {
        break_connection(&mounted);
        file.write_all(b"another\n").unwrap();
        assert_eq!(mounted.health().reconnects, round);
    }
    file.sync_all().unwrap();
    let text = fs::read_to_string(mounted.samba.data("rw").join("f")).unwrap();
    assert_eq!(text, "first line\nanother\nanother\nanother\n");
    // One that was replaced meanwhile is not the one that was opened.
    let before = mounted.health().reconnects;
    mounted.samba.break_connections();
    fs::remove_file(mounted.samba.data("rw").join("f")).unwrap();
    fs::write(mounted.samba.data("rw").join("other"), "").unwrap();
    fs::rename(mounted.samba.data("rw").join("other"), mounted.samba.data("rw").join("f")).unwrap();
    wait_for_a_break(&mounted, before);
    let error = file.write_all(b"lost").unwrap_err();
    assert!(
        matches!(error.raw_os_error(), Some(libc::ESTALE | libc::EACCES)),
        "nothing is written to another file: {error}"
    );
}

#[test]
fn a_helper_that_died_leaves_a_lost_connection_that_can_be_cleaned_or_made_again() {
    let mounted = Mounted::share("ro");
    let connection = mounted.connection().unwrap();
    assert_eq!(connection.state, State::Connected);
    Command::new("kill").args(["-KILL", &connection.record.helper.pid.to_string()]).status().unwrap();
    eventually("it is lost", || mounted.connection().is_some_and(|found| found.state == State::Lost));
    mounted.runtime.connections().clean(&mounted.connection().unwrap()).unwrap();
    assert!(mounted.connection().is_none() && !mounted.root.exists());

    let mounted = Mounted::share("ro");
    let dead = mounted.connection().unwrap().record.helper.pid;
    Command::new("kill").args(["-KILL", &dead.to_string()]).status().unwrap();
    eventually("it is lost", || mounted.connection().is_some_and(|found| found.state == State::Lost));
    let mount = Request::Mount(Box::new(request(&mounted.samba, "ro", &mounted.runtime)));
    ask(&mounted.runtime, &mount, Some(Samba::PASSWORD)).unwrap();
    assert_eq!(mounted.connection().unwrap().state, State::Connected);
    assert_eq!(fs::read_to_string(mounted.root.join("readme.txt")).unwrap(), "read me\n");
}

#[test]
fn a_signal_or_somebody_elses_umount_ends_a_connection_cleanly() {
    let mounted = Mounted::share("rw");
    let pid = mounted.connection().unwrap().record.helper.pid;
    Command::new("kill").arg(pid.to_string()).status().unwrap();
    eventually("it has cleaned up", || mounted.is_gone());

    let mounted = Mounted::share("rw");
    let file = File::create(mounted.root.join("still-open")).unwrap();
    mpr_helper::connections::detach(&mounted.root).unwrap();
    eventually("it has cleaned up", || mounted.is_gone());
    file.write_all_at(b"served on", 0).unwrap();
}

#[test]
fn a_name_is_connected_once() {
    let mounted = Mounted::share("rw");
    let again = Request::Mount(Box::new(request(&mounted.samba, "ro", &mounted.runtime)));
    let failure = ask(&mounted.runtime, &again, Some(Samba::PASSWORD)).unwrap_err();
    assert_eq!(failure.status, Status::ALREADY_CONNECTED.0, "{failure}");
    assert_eq!(mounted.connection().unwrap().record.remote, mounted.samba.unc("rw"));
}

#[test]
fn a_directory_of_the_users_own_is_used_only_if_it_is_empty_and_stays_afterwards() {
    let (samba, runtime) = (Samba::shared(), RuntimeDir::new());
    let place = runtime.path().join("mine");
    fs::create_dir(&place).unwrap();
    let mut mount = request(&samba, "ro", &runtime);
    mount.mount_point = place.to_str().unwrap().to_owned();
    mount.own_mount_point = false;
    fs::write(place.join("f"), "").unwrap();
    let failure = ask(&runtime, &Request::Mount(Box::new(mount.clone())), Some(Samba::PASSWORD)).unwrap_err();
    assert_eq!(failure.status, Status::BAD_LOCALNAME.0, "{failure}");
    assert!(failure.message.contains("not empty"), "{failure}");
    fs::remove_file(place.join("f")).unwrap();
    ask(&runtime, &Request::Mount(Box::new(mount)), Some(Samba::PASSWORD)).unwrap();
    let mounted = Mounted { samba, share: "ro".into(), runtime, root: place };
    assert!(mounted.root.join("readme.txt").exists());
    mounted.unmount();
    assert_eq!(names(&mounted.root), Vec::<String>::new());
}

#[test]
fn a_caller_that_gives_up_leaves_nothing_behind() {
    let (samba, runtime) = (Samba::start(), RuntimeDir::new());
    samba.freeze();
    let mount = Request::Mount(Box::new(request(&samba, "rw", &runtime)));
    let given_up = Helper::start(helper(), &runtime.path()).unwrap().ask(
        &mount,
        Some(Samba::PASSWORD.as_bytes()),
        Duration::from_millis(200),
        &mut |_| {},
    );
    assert!(given_up.unwrap_err().message.contains("did not answer"));
    let connections = runtime.path().join("connections");
    eventually("the helper has let go", || !connections.join("drive-z.lock").exists());
    samba.thaw();
    assert!(runtime.connections().all().unwrap().is_empty());
    assert!(!runtime.path().join("drives/z").exists());
}

#[test]
fn the_password_is_nowhere_to_be_read() {
    let mounted = Mounted::share("rw");
    let pid = mounted.connection().unwrap().record.helper.pid;
    let mut seen = Vec::new();
    for file in ["cmdline", "environ", "comm"] {
        seen.extend(fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default());
    }
    for entry in fs::read_dir(mounted.runtime.path().join("connections")).unwrap() {
        seen.extend(fs::read(entry.unwrap().path()).unwrap_or_default());
    }
    assert!(!seen.is_empty());
    let password = Samba::PASSWORD.as_bytes();
    assert!(!seen.windows(password.len()).any(|window| window == password));
    // No core dump either: the kernel has no such process to dump.
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
}

#[test]
fn a_helper_started_by_hand_says_who_starts_it() {
    let output = Command::new(helper()).arg("--help").stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("mpr connect"));
}

/// The line of a file below `/proc/<pid>` that begins like this.
fn line_of(pid: u32, file: &str, begin: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(begin));
    line.unwrap_or_else(|| panic!("{begin} is not in {text}")).trim().to_owned()
}

#[test]
fn whoever_hears_the_server_has_no_privileges_and_can_get_none() {
    let mounted = Mounted::share("rw");
    let pid = mounted.connection().unwrap().record.helper.pid;
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(u64::from_str_radix(&line_of(pid, "status", set), 16), Ok(0), "{set}");
    }
    assert_eq!(line_of(pid, "status", "NoNewPrivs:"), "1");
    for thread in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let thread = thread.unwrap().file_name().into_string().unwrap().parse().unwrap();
        assert_eq!(u64::from_str_radix(&line_of(thread, "status", "CapEff:"), 16), Ok(0));
    }
    let core = line_of(pid, "limits", "Max core file size");
    assert_eq!(core.split_whitespace().collect::<Vec<_>>(), ["0", "0", "bytes"]);
    let data = line_of(pid, "limits", "Max data size");
    let memory = fs::read_to_string("/proc/meminfo").unwrap();
    let memory = memory.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10;
    let bound = (memory / 4).max(1 << 30) + (1 << 30);
    assert!(data.split_whitespace().next().unwrap().parse::<u64>().unwrap() < bound, "{data}");
    // It has the device, sockets and what the runtime waits with, and nothing else.
    for open in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        let Ok(target) = fs::read_link(open.unwrap().path()) else { continue };
        let target = target.to_str().unwrap().to_owned();
        let ours = mounted.runtime.path().join("connections/drive-z.lock");
        let known = ["/dev/null", "/dev/fuse", "socket:[", "anon_inode:", "pipe:["];
        let known = known.iter().any(|known| target.starts_with(known));
        assert!(known || target == ours.to_str().unwrap() || target.ends_with("/mountinfo"), "{target}");
    }
}

#[test]
fn a_connection_keeps_no_more_than_it_was_told_to() {
    let mounted = Mounted::to_taste("rw", Taste { cache_mib: Some(4), ..Taste::default() });
    let (here, there) = mounted.place("kept-little");
    fs::write(there.join("big"), pattern(24 << 20)).unwrap();
    let mut file = File::open(here.join("big")).unwrap();
    let (mut read, mut most) = (Vec::new(), 0);
    while (&mut file).take(1 << 20).read_to_end(&mut read).unwrap() > 0 {
        // Some of what was asked for ahead of it is there, as far as there is room.
        let kept = mounted.health().bytes_kept;
        assert!(kept <= 4 << 20, "{kept}");
        most = most.max(kept);
    }
    assert!(read == pattern(24 << 20));
    assert!(most > 0);
}

#[test]
fn the_part_that_mounts_ends_with_the_part_that_serves() {
    let mounted = Mounted::share("rw");
    let helper = mounted.connection().unwrap().record.helper;
    let keeper: u32 = line_of(helper.pid, "status", "PPid:").parse().unwrap();
    assert_eq!(line_of(keeper, "status", "Name:"), "mpr-keeper");
    let is_there = |pid: u32| {
        let state = fs::read_to_string(format!("/proc/{pid}/status"));
        state.is_ok_and(|state| state.contains("mpr-keeper") && !state.contains("State:\tZ"))
    };
    // It lets go of the device once it has handed it over, which may be a moment after the mount is there.
    eventually("a dead helper leaves a dead mount", || {
        let open = fs::read_dir(format!("/proc/{keeper}/fd")).unwrap();
        let mut open = open.filter_map(|open| fs::read_link(open.unwrap().path()).ok());
        open.all(|open| open != Path::new("/dev/fuse"))
    });
    // Asked to end together with everything else, it waits for the other part to be done.
    signal(keeper, "TERM");
    mounted.unmount();
    eventually("the helper has ended", || !helper.is_alive());
    eventually("the keeper has ended", || !is_there(keeper));
    assert!(mounted.is_gone());
}

fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap().success());
}
