//! A mount over a remote file system in memory, which does what it is told to: what the kernel keeps, and what it
//! forgets when others change something.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mpr_cache::Cached;
use mpr_fuse::{Config, Session};
use mpr_mount::filesystem::{Look, Mounted};
use mpr_mount::place;
use mpr_remotefs::{Access, Creation, Errno, Event, Lease, RemoteFs};
use mpr_testkit::{Call, MemoryFs, RuntimeDir};
use tokio::runtime::Runtime;

/// Longer than anything takes, and shorter than anybody waits.
const PATIENCE: Duration = Duration::from_secs(60);
/// What nobody tells a change of is believed for as long as a test never runs.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// A mount of a server in memory, and another client of that server.
struct World {
    here: MemoryFs,
    there: MemoryFs,
    runtime: Runtime,
    root: PathBuf,
    ended: mpsc::Receiver<()>,
    place: RuntimeDir,
}

impl World {
    /// `prepare` is called before the first request.
    fn of(prepare: impl FnOnce(&MemoryFs)) -> World {
        World::through(MemoryFs::clone, prepare)
    }

    /// The same with something between the mount and the server.
    fn through<R: RemoteFs>(between: impl FnOnce(&MemoryFs) -> R, prepare: impl FnOnce(&MemoryFs)) -> World {
        let here = MemoryFs::new();
        prepare(&here);
        let there = here.another_client();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let place = RuntimeDir::new();
        let root = place.path().join("mount");
        fs::create_dir(&root).unwrap();
        let device = place::mount(&root, "memory", place::How::default()).unwrap();
        let session = Session::begin(device, Config::default()).unwrap();
        // SAFETY: neither takes anything or can fail.
        let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
        let between = {
            let _inside = runtime.enter();
            between(&here)
        };
        let mounted = Mounted::new(between, runtime.handle().clone(), Look::of(uid, gid));
        mounted.tell_of_events(session.notifier().unwrap());
        let (tell, ended) = mpsc::sync_channel(1);
        session.serve(Arc::new(mounted), runtime.handle(), move || _ = tell.send(())).unwrap();
        World { here, there, runtime, root, ended, place }
    }

    /// Told of every change, and so believing for ever what it was told.
    fn watching() -> World {
        World::of(|here| here.watch(FOR_EVER))
    }

    /// Has the other client write a whole file.
    fn write_there(&self, path: &str, text: &str) {
        self.runtime.block_on(async {
            let both = Access { read: true, write: true };
            let new = Creation { access: both, exclusive: false, truncate: true, read_only: false };
            let (file, _) = self.there.create(path, new).await.unwrap();
            self.there.write(&file, 0, Bytes::copy_from_slice(text.as_bytes())).await.unwrap();
            self.there.close(&file).await;
        });
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = mpr_helper::connections::detach(&self.root);
        if !thread::panicking() {
            self.ended.recv_timeout(PATIENCE).expect("what is unmounted is served no more");
        }
        let _ = &self.place;
    }
}

fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !happened() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        thread::yield_now();
    }
}

#[test]
fn who_reads_a_directory_slowly_does_not_make_the_kernel_believe_what_was_before() {
    let world = World::through(|here| Cached::new(here.clone()), |here| here.watch(FOR_EVER));
    let d = world.root.join("d");
    fs::create_dir(&d).unwrap();
    for name in ["gone", "moved", "written", "cut"] {
        world.write_there(&format!("d/{name}"), "text");
    }
    // Once asking the server, once knowing.
    for suffix in ["", "2"] {
        let opened = fs::read_dir(&d).unwrap();
        let named = |name: &str| d.join(format!("{name}{suffix}"));
        fs::remove_file(named("gone")).unwrap();
        fs::rename(named("moved"), named("new")).unwrap();
        fs::write(named("written"), "more text").unwrap();
        OpenOptions::new().write(true).open(named("cut")).unwrap().set_len(1).unwrap();
        assert!(opened.count() >= 2);
        assert!(!named("gone").exists() && !named("moved").exists());
        assert_eq!(fs::metadata(named("written")).unwrap().len(), 9);
        assert_eq!(fs::metadata(named("cut")).unwrap().len(), 1);
        for name in ["gone2", "moved2", "written2", "cut2"] {
            fs::write(d.join(name), "text").unwrap();
        }
        assert!(fs::read_dir(&d).unwrap().count() > 4);
    }
}

#[test]
fn what_is_known_is_not_asked_again_while_changes_are_told() {
    let world = World::watching();
    fs::create_dir(world.root.join("d")).unwrap();
    fs::write(world.root.join("d/f"), "text").unwrap();
    let look = || {
        assert_eq!(fs::metadata(world.root.join("d/f")).unwrap().len(), 4);
        assert!(fs::metadata(world.root.join("d/none")).is_err());
        assert_eq!(fs::read_to_string(world.root.join("d/f")).unwrap(), "text");
    };
    look();
    // Once more: having read the file, the kernel asks when it was read last.
    look();
    world.here.forget_counts();
    for _ in 0..10 {
        look();
    }
    assert_eq!(world.here.count(Call::Stat), 0);
    assert_eq!(world.here.count(Call::Read), 0, "the kernel has kept what it read of an unchanged file");
}

#[test]
fn what_others_write_is_read_as_soon_as_it_is_told() {
    let world = World::watching();
    world.write_there("f", "first");
    let kept = File::open(world.root.join("f")).unwrap();
    assert_eq!(fs::read_to_string(world.root.join("f")).unwrap(), "first");
    world.write_there("f", "second and longer");
    eventually("the new contents are read", || {
        fs::read_to_string(world.root.join("f")).unwrap() == "second and longer"
    });
    let mut bytes = [0; 17];
    kept.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"second and longer");
    assert_eq!(fs::metadata(world.root.join("f")).unwrap().len(), 17);
}

#[test]
fn names_that_others_give_and_take_are_seen_as_soon_as_they_are_told() {
    let world = World::watching();
    assert!(fs::metadata(world.root.join("new")).is_err(), "which the kernel remembers");
    world.write_there("new", "new");
    eventually("the new name is seen", || fs::metadata(world.root.join("new")).is_ok());
    world.runtime.block_on(world.there.rename("new", "newer", false)).unwrap();
    eventually("the old name is gone", || fs::metadata(world.root.join("new")).is_err());
    assert_eq!(fs::read_to_string(world.root.join("newer")).unwrap(), "new");
    world.runtime.block_on(world.there.remove_file("newer", false)).unwrap();
    eventually("the file is gone", || fs::metadata(world.root.join("newer")).is_err());
}

#[test]
fn a_name_that_others_took_away_can_be_given_anew_before_that_is_known() {
    // Nobody tells, and everything is believed.
    let world = World::of(|here| here.set_lifetime(FOR_EVER));
    for (name, text) in [("f", "first"), ("g", "g")] {
        world.write_there(name, text);
        assert!(fs::metadata(world.root.join(name)).is_ok());
        world.runtime.block_on(world.there.remove_file(name, false)).unwrap();
    }
    File::create(world.root.join("f")).unwrap().write_all(b"new").unwrap();
    assert_eq!(fs::read_to_string(world.root.join("f")).unwrap(), "new");
    let error = File::open(world.root.join("g")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn nothing_is_believed_after_changes_may_have_been_missed() {
    let world = World::of(|here| here.set_lifetime(FOR_EVER));
    world.write_there("f", "first");
    world.write_there("g", "g");
    assert_eq!(fs::read_to_string(world.root.join("f")).unwrap(), "first");
    assert!(fs::metadata(world.root.join("g")).is_ok());
    world.write_there("f", "second");
    world.runtime.block_on(world.there.remove_file("g", false)).unwrap();
    world.here.tell(Event::Missed);
    eventually("the change is seen", || fs::read_to_string(world.root.join("f")).unwrap() == "second");
    eventually("the removal is seen", || fs::metadata(world.root.join("g")).is_err());
}

#[test]
fn a_directory_somebody_is_in_keeps_its_name_when_the_kernel_is_told_to_ask_again() {
    let world = World::watching();
    fs::create_dir(world.root.join("d")).unwrap();
    let inside = File::open(world.root.join("d")).unwrap();
    world.here.tell(Event::Renamed { path: "d".into() });
    world.here.tell(Event::Missed);
    world.write_there("d/f", "");
    eventually("it was told", || fs::metadata(world.root.join("d/f")).is_ok());
    use std::os::fd::AsRawFd;
    let name = fs::read_link(format!("/proc/self/fd/{}", inside.as_raw_fd())).unwrap();
    assert_eq!(name, world.root.join("d"));
}

#[test]
fn a_lease_is_given_back_when_the_kernel_has_forgotten_what_it_read() {
    let lease = Lease { read: true, write: false, handle: true };
    let world = World::of(|here| {
        here.grant(lease);
        here.set_lifetime(FOR_EVER);
    });
    world.write_there("f", "first");
    let kept = File::open(world.root.join("f")).unwrap();
    let read = || {
        let mut text = String::new();
        (&kept).read_to_string(&mut text).unwrap();
        let mut bytes = vec![0; 20];
        let len = kept.read_at(&mut bytes, 0).unwrap();
        String::from_utf8(bytes[..len].to_vec()).unwrap()
    };
    assert_eq!(read(), "first");
    // Returns when the lease was given back.
    world.write_there("f", "other");
    assert_eq!(read(), "other");
}

#[test]
fn a_removed_file_is_asked_about_through_whichever_handle_is_open_still() {
    let world = World::of(|here| here.set_lifetime(Duration::ZERO));
    let path = world.root.join("f");
    let one = File::create(&path).unwrap();
    let other = OpenOptions::new().write(true).open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    // What becomes of a question through a handle that another program closes meanwhile.
    for file in [&one, &other] {
        world.here.fail(Call::StatOpen, Errno::CLOSED);
        assert_eq!(file.metadata().unwrap().nlink(), 0);
        world.here.fail(Call::ChangeOpen, Errno::CLOSED);
        file.set_len(1).unwrap();
    }
}

#[test]
fn a_removed_directory_that_is_open_is_there_still_and_empty() {
    let world = World::of(|here| here.set_lifetime(Duration::ZERO));
    let path = world.root.join("d");
    fs::create_dir(&path).unwrap();
    let open = File::open(&path).unwrap();
    fs::remove_dir(&path).unwrap();
    let meta = open.metadata().unwrap();
    assert_eq!((meta.is_dir(), meta.nlink()), (true, 0));
    let again = PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()));
    assert_eq!(fs::read_dir(&again).unwrap().count(), 0);
    let error = File::create(again.join("f")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
    // Another one of that name is another one.
    fs::create_dir(&path).unwrap();
    fs::write(path.join("f"), "").unwrap();
    assert_eq!((open.metadata().unwrap().nlink(), fs::read_dir(&again).unwrap().count()), (0, 0));
    assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
}

#[test]
fn a_write_and_a_sync_report_what_could_not_be_written() {
    let world = World::watching();
    let mut file = File::create(world.root.join("f")).unwrap();
    world.here.fail(Call::Write, Errno(libc::ENOSPC));
    let error = file.write_all(b"x").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
    world.here.fail(Call::Flush, Errno(libc::EIO));
    assert_eq!(file.sync_all().unwrap_err().raw_os_error(), Some(libc::EIO));
    file.sync_all().unwrap();
}

#[test]
fn what_was_opened_is_closed_when_its_asker_is_gone() {
    let world = World::watching();
    world.write_there("f", "x");
    fs::metadata(world.root.join("f")).unwrap();
    let held = world.here.hold(Call::Open);
    let mut child = std::process::Command::new("cat")
        .arg(world.root.join("f"))
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    eventually("it waits", || world.here.count(Call::Open) == 1);
    child.kill().unwrap();
    child.wait().unwrap();
    drop(held);
    eventually("its file is closed", || world.here.count(Call::Close) == 1 && world.here.open_handles() == 0);
}

#[test]
fn a_slow_answer_keeps_nobody_else_waiting() {
    let world = World::watching();
    world.write_there("slow", "slow");
    world.write_there("fast", "fast");
    let slow = File::open(world.root.join("slow")).unwrap();
    let held = world.here.hold(Call::Read);
    let (tell, told) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut bytes = [0; 4];
        slow.read_exact_at(&mut bytes, 0).unwrap();
        tell.send(bytes).unwrap();
    });
    eventually("it waits", || world.here.count(Call::Read) > 0);
    for name in ["a", "b", "c"] {
        fs::create_dir(world.root.join(name)).unwrap();
    }
    assert_eq!(fs::read_dir(&world.root).unwrap().count(), 5);
    assert!(told.try_recv().is_err());
    drop(held);
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), *b"slow");
    reader.join().unwrap();
}
