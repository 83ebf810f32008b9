//! Listing ahead of who walks through a tree.

use mpr_remotefs::{Errno, Event};
use mpr_testkit::Call;
use tokio::time::{Duration, advance};

use super::names::listed;
use super::*;

/// A tree of as many directories, each with one file and two directories in it.
async fn tree(count: usize) -> World {
    let world = World::new(NONE).await;
    world.here.set_lifetime(Duration::from_secs(3600));
    for number in 0..count {
        world.there.make_directory(&name(number)).await.unwrap();
        world.file(&format!("{}/f", name(number)), b"").await;
        for inner in ["x", "y"] {
            world.there.make_directory(&format!("{}/{inner}", name(number))).await.unwrap();
        }
    }
    world
}

fn name(number: usize) -> String {
    format!("d{number:02}")
}

/// Lets everything that was begun come to its end.
async fn rest(world: &World) {
    until(|| locked(&world.cached.inner.walks).is_at_rest()).await;
}

fn opened(world: &World) -> usize {
    world.here.count(Call::OpenDirectory)
}

#[tokio::test]
async fn what_a_walker_comes_to_is_known_when_it_comes() {
    for backwards in [false, true] {
        let world = tree(20).await;
        let mut left = listed(&world, "").await;
        if backwards {
            left.reverse();
        }
        for (nth, directory) in left.iter().enumerate() {
            let before = opened(&world);
            assert_eq!(listed(&world, directory).await, ["f", "x", "y"]);
            if nth > 0 {
                assert!(world.cached.stats().known >= nth as u64, "{directory}: {:?}", world.cached.stats());
            }
            let inner = if backwards { ["y", "x"] } else { ["x", "y"] };
            for inner in inner {
                assert_eq!(listed(&world, &format!("{directory}/{inner}")).await, [""; 0]);
            }
            rest(&world).await;
            assert!(opened(&world) - before <= 3 * 32);
        }
        assert_eq!(opened(&world), 1 + 20 * 3, "each was listed once");
    }
}

#[tokio::test]
async fn nobody_goes_ahead_of_who_jumps_about() {
    let world = tree(20).await;
    listed(&world, "").await;
    for number in [5, 9, 3, 17, 11] {
        listed(&world, &name(number)).await;
        rest(&world).await;
    }
    assert_eq!(opened(&world), 6);
}

#[tokio::test]
async fn only_a_few_are_listed_at_once_and_the_further_ahead_the_longer_it_goes_on() {
    let world = tree(40).await;
    let names = listed(&world, "").await;
    let held = world.here.hold(Call::NextEntries);
    let ahead = |world: &World| opened(world) - 1;
    let first = tokio::spawn({
        let cached = Arc::clone(&world.cached);
        async move { cached.open_directory("d00").await.map(drop) }
    });
    first.await.unwrap().unwrap();
    until(|| ahead(&world) == 3).await;
    drop(held);
    rest(&world).await;
    // The one, and two ahead of it: these two were the best guess before it was known what is in the first.
    let before = ahead(&world);
    assert!((3..=4).contains(&before), "{before}");
    listed(&world, &names[1]).await;
    rest(&world).await;
    let further = ahead(&world);
    assert!(further > before && further <= before + 4, "{further}");
}

#[tokio::test]
async fn who_comes_while_it_is_being_listed_waits_for_it() {
    let world = tree(5).await;
    listed(&world, "").await;
    listed(&world, "d00/x").await;
    let before = opened(&world);
    let held = world.here.hold(Call::NextEntries);
    drop(world.cached.open_directory("d00").await.unwrap());
    until(|| opened(&world) >= before + 3).await;
    let waits = tokio::spawn({
        let cached = Arc::clone(&world.cached);
        async move { cached.open_directory("d01").await.map(drop) }
    });
    tokio::task::yield_now().await;
    drop(held);
    waits.await.unwrap().unwrap();
    assert_eq!(listed(&world, "d01").await, ["f", "x", "y"]);
    rest(&world).await;
    let twice = locked(&world.cached.inner.names).count_in("d01", Duration::from_secs(1));
    assert_eq!(twice, Some(3));
    // The one in earnest, d01 to d04, and what is in them: none of them twice.
    assert!(opened(&world) <= before + 5 + 2 * 5, "{}", opened(&world) - before);
}

#[tokio::test(start_paused = true)]
async fn what_was_listed_ahead_is_believed_no_longer_than_anything_else() {
    let world = tree(5).await;
    world.here.watch(Duration::from_secs(10));
    let ahead = async || {
        listed(&world, "").await;
        listed(&world, "d00").await;
        rest(&world).await;
    };
    ahead().await;
    world.file("d01/new", b"").await;
    // Told.
    until(|| locked(&world.events).iter().any(|event| event == "renamed d01/new")).await;
    assert_eq!(listed(&world, "d01").await, ["f", "new", "x", "y"]);
    rest(&world).await;
    // Not told, but too old.
    world.here.tell(Event::Missed);
    until(|| locked(&world.events).iter().any(|event| event == "missed")).await;
    ahead().await;
    advance(Duration::from_secs(5)).await;
    let before = opened(&world);
    listed(&world, "d02").await;
    assert!(opened(&world) > before);
}

#[tokio::test]
async fn what_cannot_be_listed_ahead_is_tried_once_and_told_to_who_wants_it() {
    let world = tree(4).await;
    listed(&world, "").await;
    for _ in 0..2 {
        world.here.fail(Call::NextEntries, Errno(libc::EACCES));
    }
    let directory = world.cached.open_directory("d00").await.unwrap();
    rest(&world).await;
    let before = opened(&world);
    assert_eq!(before, 1 + 1 + 2);
    drop(directory);
    // Nobody tries d01 again but who wants it.
    listed(&world, "d00").await;
    rest(&world).await;
    world.here.fail(Call::OpenDirectory, Errno(libc::EACCES));
    assert_eq!(world.cached.open_directory("d01").await.map(drop), Err(Errno(libc::EACCES)));
    assert_eq!(listed(&world, "d01").await, ["f", "x", "y"]);
}
