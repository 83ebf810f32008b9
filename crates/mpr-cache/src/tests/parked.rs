use mpr_remotefs::{Errno, Lease, RemoteFs};
use mpr_testkit::Call;
use tokio::time::{Duration, advance};

use super::*;

/// Opens, reads and closes a file.
async fn visit(world: &World, path: &str) -> Bytes {
    let (file, now) = world.cached.open(path, READ).await.unwrap();
    let contents = world.read(&file, 0, now.size as usize).await;
    world.cached.settle(&file).await.unwrap();
    world.cached.close(&file).await;
    assert_eq!(world.cached.read(&file, 0, 1).await, Err(Errno::CLOSED));
    contents
}

#[tokio::test]
async fn a_file_that_was_read_is_opened_and_read_again_without_asking() {
    let world = World::new(ALL).await;
    world.file("a", b"text").await;
    assert_eq!(visit(&world, "a").await, "text");
    world.here.forget_counts();
    assert_eq!(visit(&world, "a").await, "text");
    assert_eq!((world.here.count_all(), world.cached.stats().reopened), (0, 1));
}

#[tokio::test]
async fn a_file_is_closed_when_it_is_closed_without_a_lease_of_the_handle() {
    let world = World::new(Lease { handle: false, ..ALL }).await;
    world.file("a", b"text").await;
    visit(&world, "a").await;
    assert_eq!((world.here.count(Call::Close), world.here.open_handles()), (1, 0));
}

#[tokio::test]
async fn a_file_that_was_written_is_closed_when_it_is_closed() {
    let world = World::new(ALL).await;
    let file = world.made("a").await;
    world.write(&file, 0, b"text").await.unwrap();
    world.cached.close(&file).await;
    assert_eq!(world.here.open_handles(), 0);
}

#[tokio::test]
async fn a_parked_file_is_in_nobodys_way() {
    let world = World::new(ALL).await;
    for path in ["a", "b", "c", "d"] {
        world.file(path, path.as_bytes()).await;
        visit(&world, path).await;
    }
    assert_eq!((world.cached.inner.parked(), world.here.open_handles()), (4, 4));
    // Here, it is closed before its name goes; for others, when they ask for that.
    world.cached.remove_file("a", false).await.unwrap();
    assert_eq!((world.here.count(Call::Close), world.here.open_handles()), (1, 3));
    world.cached.rename("b", "c", true).await.unwrap();
    assert_eq!(world.here.open_handles(), 1);
    world.there.rename("d", "e", false).await.unwrap();
    assert_eq!(world.here.open_handles(), 0);
    assert_eq!(world.cached.open("d", READ).await.unwrap_err(), Errno::NOT_FOUND);
    assert_eq!(visit(&world, "c").await, "b");
}

#[tokio::test]
async fn what_is_parked_by_one_name_is_not_in_the_way_of_another_name_of_it() {
    let world = World::new(ALL).await;
    world.file("a", b"old").await;
    world.file("c", b"new").await;
    world.cached.link("a", "b").await.unwrap();
    visit(&world, "a").await;
    assert_eq!(world.cached.inner.parked(), 1);
    world.cached.rename("c", "b", true).await.unwrap();
    assert_eq!(world.here.open_handles(), 0);
    assert_eq!((visit(&world, "a").await, visit(&world, "b").await), ("old".into(), "new".into()));
}

#[tokio::test]
async fn what_others_write_is_read_by_who_opens_again() {
    let world = World::new(ALL).await;
    world.file("a", b"old").await;
    visit(&world, "a").await;
    let (file, _) = world.there.open("a", BOTH).await.unwrap();
    world.there.write(&file, 0, "new".into()).await.unwrap();
    assert_eq!(visit(&world, "a").await, "new");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_others_gave_to_another_file_opens_that_though_no_lease_was_taken_back() {
    let world = World::new(ALL).await;
    world.here.set_lifetime(Duration::from_secs(10));
    world.file("a", b"old").await;
    world.file("b", b"new").await;
    visit(&world, "a").await;
    world.there.rename_over("b", "a");
    // Opening it again and again does not make what is known of it younger.
    for _ in 0..4 {
        advance(Duration::from_millis(1200)).await;
        visit(&world, "a").await;
    }
    advance(Duration::from_millis(200)).await;
    assert_eq!(visit(&world, "a").await, "new");
}

#[tokio::test]
async fn a_file_that_lost_its_name_while_it_was_open_is_not_opened_by_it_again() {
    let world = World::new(ALL).await;
    world.here.watch(Duration::from_secs(3600));
    world.file("a", b"old").await;
    world.file("b", b"new").await;
    until(|| locked(&world.events).len() == 4).await;
    let (file, _) = world.cached.open("a", READ).await.unwrap();
    world.there.rename_over("b", "a");
    until(|| locked(&world.events).last().is_some_and(|told| told == "renamed a")).await;
    assert_eq!(world.read(&file, 0, 3).await, "old");
    world.cached.close(&file).await;
    assert_eq!(visit(&world, "a").await, "new");
}

#[tokio::test]
async fn what_is_parked_is_not_opened_for_more_than_it_was() {
    let world = World::new(ALL).await;
    world.file("a", b"text").await;
    visit(&world, "a").await;
    let file = world.open("a").await;
    world.write(&file, 0, b"more").await.unwrap();
    assert_eq!(world.cached.settle(&file).await, Ok(()));
    assert_eq!(visit(&world, "a").await, "more");
}

#[tokio::test(start_paused = true)]
async fn parked_files_are_few_and_not_parked_for_long() {
    let limits = Limits { parked: 3, ..Limits::default() };
    let world = World::with(ALL, limits).await;
    for number in 0..10 {
        world.file(&number.to_string(), b"text").await;
        visit(&world, &number.to_string()).await;
    }
    until(|| world.here.open_handles() == 3).await;
    tokio::task::yield_now().await;
    advance(Duration::from_millis(5001)).await;
    until(|| world.here.open_handles() == 0).await;
    assert_eq!(world.cached.inner.parked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_opened_again_and_again_is_closed_now_and_then() {
    let world = World::new(ALL).await;
    world.here.set_lifetime(Duration::from_secs(3600));
    world.file("a", b"text").await;
    for _ in 0..9 {
        visit(&world, "a").await;
        advance(Duration::from_secs(1)).await;
    }
    assert_eq!(world.here.count(Call::Open), 2);
}

#[tokio::test]
async fn nothing_is_parked_when_the_mount_ends() {
    let world = World::new(ALL).await;
    world.file("a", b"text").await;
    visit(&world, "a").await;
    world.cached.shut_down().await;
    assert_eq!(world.here.open_handles(), 0);
}
