use std::time::Duration;

use mpr_remotefs::{Access, Allocation, Creation, Errno, Event, Kind, Lease, Lock, RemoteFs, Seek, SetMode};

use super::contents::BLOCK;
use super::{Call, MemoryFile, MemoryFs};

const BOTH: Access = Access { read: true, write: true };
const ALL: Lease = Lease { read: true, write: true, handle: true };

async fn made(fs: &MemoryFs, path: &str) -> MemoryFile {
    let new = Creation { access: BOTH, exclusive: true, truncate: false, read_only: false };
    fs.create(path, new).await.unwrap().0
}

#[tokio::test]
async fn a_lease_of_writing_is_given_back_before_another_client_has_the_file() {
    let here = MemoryFs::new();
    let there = here.another_client();
    here.grant(ALL);
    let file = made(&here, "a").await;
    assert_eq!(here.lease(&file), Lease::default(), "nobody listens for its recall");
    drop(file);

    let events = tokio::spawn({
        let here = here.clone();
        async move { here.next_event().await }
    });
    tokio::task::yield_now().await;
    let file = here.open("a", BOTH).await.unwrap().0;
    assert_eq!(here.lease(&file), ALL);
    let open = tokio::spawn(async move { there.open("a", BOTH).await.unwrap().1.size });
    let Event::Recalled(recall) = events.await.unwrap() else { panic!("no recall") };
    assert_eq!(recall.keep, Lease { write: false, ..ALL });
    here.write(&file, 0, "kept".into()).await.unwrap();
    drop(recall);
    assert_eq!(open.await.unwrap(), 4);
}

#[tokio::test]
async fn writing_takes_back_leases_of_reading_and_renaming_those_of_handles() {
    let here = MemoryFs::new();
    let there = here.another_client();
    here.grant(ALL);
    let other = made(&there, "a").await;
    let give_back = async || drop(here.next_event().await);
    // The first call for an event comes before there is one: until then, no lease is given.
    let ((), opened) = tokio::join!(biased; give_back(), async {
        let opened = here.open("a", BOTH).await;
        there.write(&other, 0, "x".into()).await.unwrap();
        opened
    });
    let file = opened.unwrap().0;
    assert_eq!(here.lease(&file), Lease { handle: true, ..Lease::default() });
    let (renamed, ()) = tokio::join!(there.rename("a", "b", false), give_back());
    renamed.unwrap();
    assert_eq!(here.lease(&file), Lease::default());
}

#[tokio::test]
async fn changes_are_told_to_those_who_watch() {
    let here = MemoryFs::new();
    let there = here.another_client();
    here.watch(Duration::from_secs(60));
    let file = made(&there, "a").await;
    there.write(&file, 0, "x".into()).await.unwrap();
    made(&here, "mine").await;
    assert!(matches!(here.next_event().await, Event::Renamed { path } if path == "a"));
    assert!(matches!(here.next_event().await, Event::Changed { path } if path == "a"));
    here.lose_connection();
    assert!(matches!(here.next_event().await, Event::Missed));
}

#[tokio::test]
async fn calls_are_held_up_and_fail_before_or_after_their_effect() {
    let fs = MemoryFs::new();
    let file = made(&fs, "a").await;
    fs.fail(Call::Write, Errno::LOST);
    fs.fail_after(Call::Write, Errno::TIMED_OUT);
    assert_eq!(fs.write(&file, 0, "x".into()).await, Err(Errno::LOST));
    assert_eq!(fs.stat("a").await.unwrap().size, 0);
    assert_eq!(fs.write(&file, 0, "x".into()).await, Err(Errno::TIMED_OUT));
    assert_eq!(fs.stat("a").await.unwrap().size, 1);

    let held = fs.hold(Call::Read);
    let reading = tokio::spawn({
        let fs = fs.clone();
        async move { fs.read(&file, 0, 10).await }
    });
    held.reached(1).await;
    assert!(!reading.is_finished());
    drop(held);
    assert_eq!(reading.await.unwrap().unwrap(), "x");
    assert_eq!((fs.count(Call::Write), fs.count(Call::Read)), (2, 1));
}

#[tokio::test]
async fn what_is_removed_lasts_as_long_as_its_handle() {
    let fs = MemoryFs::new();
    let file = made(&fs, "a").await;
    fs.remove_file("a", true).await.unwrap();
    assert_eq!(fs.stat("a").await, Err(Errno::NOT_FOUND));
    fs.write(&file, 0, "x".into()).await.unwrap();
    assert_eq!(fs.stat_open(&file).await.unwrap().links, 0);
    fs.close(&file).await;
    assert_eq!(fs.read(&file, 0, 1).await, Err(Errno::CLOSED));
    assert_eq!(fs.open_handles(), 0);
}

#[tokio::test]
async fn links_locks_holes_and_attributes_are_there() {
    let fs = MemoryFs::new();
    let one = made(&fs, "a").await;
    let two = fs.open("a", BOTH).await.unwrap().0;
    fs.lock(&one, 0..10, Lock::Exclusive).await.unwrap();
    assert_eq!(fs.lock(&two, 5..6, Lock::Shared).await, Err(Errno::LOCKED));
    fs.unlock(&one, 0..10).await.unwrap();
    fs.lock(&two, 5..6, Lock::Shared).await.unwrap();

    fs.write(&one, 3 * BLOCK, "x".into()).await.unwrap();
    assert_eq!(fs.seek(&one, 0, Seek::Data).await, Ok(3 * BLOCK));
    fs.allocate(&one, 3 * BLOCK..4 * BLOCK, Allocation::Punch).await.unwrap();
    assert_eq!(fs.seek(&one, 0, Seek::Data).await, Err(Errno(libc::ENXIO)));
    fs.write(&one, 0, "text".into()).await.unwrap();
    assert_eq!(fs.copy(&one, 1, &two, 10, 2).await, Ok(2));
    assert_eq!(fs.read(&two, 9, 3).await.unwrap(), "\0ex");

    assert_eq!(fs.link("a", "b").await.unwrap().links, 2);
    assert_eq!(fs.make_symlink("s", "a").await.unwrap().kind, Kind::Symlink);
    assert_eq!(fs.read_link("s").await.unwrap(), "a");
    fs.set_xattr("a", "user.x", "1".into(), SetMode::Create).await.unwrap();
    assert_eq!(fs.set_xattr("b", "user.x", "1".into(), SetMode::Create).await, Err(Errno::EXISTS));
    assert_eq!(fs.xattr("b", "user.x").await.unwrap(), "1");
}
