use mpr_remotefs::{Changes, Errno, Event, RemoteFs, SetMode};
use mpr_testkit::Call;
use tokio::time::{Duration, advance};

use super::*;

pub(super) async fn listed(world: &World, path: &str) -> Vec<String> {
    let directory = world.cached.open_directory(path).await.unwrap();
    let mut names = Vec::new();
    loop {
        let part = world.cached.next_entries(&directory).await.unwrap();
        if part.is_empty() {
            world.cached.close_directory(&directory).await;
            names.sort();
            return names;
        }
        names.extend(part.into_iter().map(|entry| entry.name));
    }
}

#[tokio::test(start_paused = true)]
async fn names_are_believed_for_half_of_their_lifetime_and_the_mount_has_the_other_half() {
    let world = World::new(NONE).await;
    world.here.set_lifetime(Duration::from_secs(10));
    assert_eq!(world.cached.lifetime(), Duration::from_secs(5));
    world.file("a", b"1").await;
    for _ in 0..3 {
        assert_eq!(world.cached.stat("a").await.unwrap().size, 1);
        assert_eq!(world.cached.stat("none").await, Err(Errno::NOT_FOUND));
    }
    assert_eq!(world.here.count(Call::Stat), 2);
    world.file("none", b"").await;
    let (file, _) = world.there.open("a", BOTH).await.unwrap();
    world.there.write(&file, 0, "12".into()).await.unwrap();
    advance(Duration::from_secs(5)).await;
    assert_eq!(world.cached.stat("a").await.unwrap().size, 2);
    assert_eq!(world.cached.stat("none").await.unwrap().size, 0);
    // It may become shorter at any time.
    world.there.write(&file, 0, "123".into()).await.unwrap();
    world.here.set_lifetime(Duration::ZERO);
    assert_eq!(world.cached.stat("a").await.unwrap().size, 3);
}

#[tokio::test]
async fn a_second_look_through_a_tree_asks_nobody() {
    let world = World::new(NONE).await;
    world.here.set_lifetime(Duration::from_secs(3600));
    for directory in ["", "one", "two"] {
        if !directory.is_empty() {
            world.there.make_directory(directory).await.unwrap();
        }
        for number in 0..700 {
            world.file(format!("{directory}/{number}").trim_start_matches('/'), b"").await;
        }
    }
    let look = async || {
        for directory in ["", "one", "two"] {
            for name in listed(&world, directory).await {
                let path = format!("{directory}/{name}");
                world.cached.stat(path.trim_start_matches('/')).await.unwrap();
            }
        }
    };
    look().await;
    assert_eq!(world.here.count(Call::Stat), 0, "what was listed is known");
    world.here.forget_counts();
    look().await;
    assert_eq!(world.here.count_all(), 0);
}

#[tokio::test]
async fn what_is_done_here_is_seen_here_at_once() {
    let world = World::new(NONE).await;
    world.here.set_lifetime(Duration::from_secs(3600));
    let cached = &world.cached;
    assert_eq!(cached.stat("a").await, Err(Errno::NOT_FOUND));
    assert_eq!(listed(&world, "").await, [""; 0]);
    let file = world.made("a").await;
    assert_eq!(cached.stat("a").await.unwrap().size, 0);
    assert_eq!(listed(&world, "").await, ["a"]);
    world.write(&file, 0, b"text").await.unwrap();
    assert_eq!(cached.stat("a").await.unwrap().size, 4);
    cached.link("a", "b").await.unwrap();
    assert_eq!(cached.stat("a").await.unwrap().links, 2);
    world.write(&file, 4, b"!").await.unwrap();
    assert_eq!(cached.stat("b").await.unwrap().size, 5);
    cached.change("b", Changes { read_only: Some(true), ..Changes::default() }).await.unwrap();
    assert!(cached.stat("a").await.unwrap().read_only);
    let before = cached.stat("a").await.unwrap().changed;
    cached.set_xattr("a", "user.x", "1".into(), SetMode::Any).await.unwrap();
    assert!(cached.stat("a").await.unwrap().changed > before);
    cached.rename("a", "c", false).await.unwrap();
    assert_eq!(cached.stat("a").await, Err(Errno::NOT_FOUND));
    assert_eq!(listed(&world, "").await, ["b", "c"]);
    cached.remove_file("b", false).await.unwrap();
    assert_eq!(cached.stat("b").await, Err(Errno::NOT_FOUND));
    assert_eq!(cached.stat("c").await.unwrap().links, 1);
    cached.make_directory("d").await.unwrap();
    cached.make_directory("d/e").await.unwrap();
    assert_eq!(listed(&world, "d").await, ["e"]);
    cached.rename("d", "f", false).await.unwrap();
    assert_eq!(cached.stat("d/e").await, Err(Errno::NOT_FOUND));
    assert_eq!(listed(&world, "f").await, ["e"]);
    cached.remove_directory("f/e").await.unwrap();
    assert_eq!(listed(&world, "f").await, [""; 0]);
    assert_eq!(cached.make_symlink("s", "c").await.unwrap(), cached.stat("s").await.unwrap());
}

#[tokio::test]
async fn what_is_done_here_in_a_directory_changes_its_times_at_once() {
    let world = World::new(NONE).await;
    world.here.set_lifetime(Duration::from_secs(3600));
    let cached = &world.cached;
    cached.make_directory("d").await.unwrap();
    let asked = async |path: &str| {
        world.here.forget_counts();
        cached.stat(path).await.unwrap();
        cached.stat(path).await.unwrap();
        world.here.count(Call::Stat)
    };
    for directory in ["", "d"] {
        let (one, other) = match directory {
            "" => ("x", "y"),
            _ => ("d/x", "d/y"),
        };
        asked(directory).await;
        assert_eq!(asked(directory).await, 0);
        world.made(one).await;
        assert_eq!(asked(directory).await, 1, "created");
        cached.link(one, other).await.unwrap();
        assert_eq!(asked(directory).await, 1, "linked");
        cached.remove_file(other, false).await.unwrap();
        assert_eq!(asked(directory).await, 1, "removed");
        cached.rename(one, other, false).await.unwrap();
        assert_eq!(asked(directory).await, 1, "renamed");
        cached.make_symlink(one, "z").await.unwrap();
        assert_eq!(asked(directory).await, 1, "linked by name");
        cached.remove_file(one, false).await.unwrap();
        asked(directory).await;
        cached.make_directory(one).await.unwrap();
        assert_eq!(asked(directory).await, 1, "a directory made");
        cached.remove_directory(one).await.unwrap();
        assert_eq!(asked(directory).await, 1, "a directory removed");
    }
}

#[tokio::test]
async fn what_was_done_here_needs_no_question() {
    let world = World::new(NONE).await;
    let _file = world.made("a").await;
    world.cached.make_directory("d").await.unwrap();
    world.cached.stat("a").await.unwrap();
    world.cached.stat("d").await.unwrap();
    world.cached.remove_file("a", true).await.unwrap();
    assert_eq!(world.cached.stat("a").await, Err(Errno::NOT_FOUND));
    assert_eq!(world.here.count(Call::Stat) + world.here.count(Call::StatOpen), 0);
}

#[tokio::test]
async fn whoever_asks_for_much_that_is_not_there_is_told_by_one_listing() {
    let world = World::new(NONE).await;
    world.here.set_lifetime(Duration::from_secs(3600));
    let cached = &world.cached;
    cached.make_directory("d").await.unwrap();
    world.file("d/there", b"").await;
    world.here.forget_counts();
    let mut files = Vec::new();
    for number in 0..100 {
        let path = format!("d/{number}");
        assert_eq!(cached.stat(&path).await, Err(Errno::NOT_FOUND));
        files.push(world.made(&path).await);
        cached.stat(&path).await.unwrap();
    }
    assert_eq!(world.here.count(Call::Stat), 4);
    assert_eq!(world.here.count(Call::OpenDirectory), 1);
    assert_eq!(cached.stat("d/there").await.unwrap().size, 0);
    assert_eq!(listed(&world, "d").await.len(), 101);
    // A name that could not be given may be there by now.
    world.file("d/other", b"").await;
    assert!(cached.create("d/other", new(true)).await.is_err());
    cached.stat("d/other").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_many_names_one_by_one_is_told_by_one_listing() {
    let world = World::new(NONE).await;
    world.here.set_lifetime(Duration::from_secs(10));
    for number in 0..300 {
        world.file(&format!("{number}"), b"text").await;
    }
    for round in 1..=2 {
        for number in 0..300 {
            assert_eq!(world.cached.stat(&format!("{number}")).await.unwrap().size, 4);
        }
        assert_eq!(world.here.count(Call::OpenDirectory), round);
        assert!(world.here.count(Call::Stat) <= 30 * round, "{}", world.here.count(Call::Stat));
        advance(Duration::from_secs(5)).await;
    }
    // Who asks for one now and then has nothing listed.
    for _ in 0..100 {
        world.cached.stat("7").await.unwrap();
        advance(Duration::from_secs(5)).await;
    }
    assert_eq!(world.here.count(Call::OpenDirectory), 2);
}

#[tokio::test]
async fn a_long_directory_is_not_listed_for_few_names() {
    let world = World::new(NONE).await;
    world.here.set_lifetime(Duration::from_secs(3600));
    for number in 0..3000 {
        world.there.make_symlink(&format!("{number}"), "").await.unwrap();
    }
    let ask = async |names: std::ops::Range<usize>| {
        for number in names {
            assert_eq!(world.cached.stat(&format!("x{number}")).await, Err(Errno::NOT_FOUND));
        }
    };
    ask(0..20).await;
    assert_eq!(world.here.count(Call::NextEntries), 2, "given up");
    ask(20..2000).await;
    assert_eq!(world.here.count(Call::OpenDirectory), 4);
    assert!(world.here.count(Call::Stat) < 400, "{}", world.here.count(Call::Stat));
}

#[tokio::test]
async fn a_change_that_may_have_happened_is_asked_for() {
    let world = World::new(NONE).await;
    world.file("a", b"1").await;
    world.cached.stat("a").await.unwrap();
    world.here.fail_after(Call::RemoveFile, Errno::LOST);
    assert_eq!(world.cached.remove_file("a", false).await, Err(Errno::LOST));
    assert_eq!(world.cached.stat("a").await, Err(Errno::NOT_FOUND));
}

#[tokio::test]
async fn an_answer_that_a_change_has_overtaken_is_not_kept() {
    let world = World::new(NONE).await;
    world.here.set_lifetime(Duration::from_secs(3600));
    world.file("a", b"1").await;
    // It is counted before it is held, and answered after it was let go: by then, what it says is new again.
    let held = world.here.hold(Call::Stat);
    let asking = tokio::spawn({
        let cached = std::sync::Arc::clone(&world.cached);
        async move { cached.stat("a").await }
    });
    held.reached(1).await;
    world.cached.remove_file("a", false).await.unwrap();
    world.file("a", b"22").await;
    drop(held);
    asking.await.unwrap().unwrap();
    world.here.forget_counts();
    let _ = world.cached.stat("a").await;
    // What is known is what came of removing it; what was asked before was not kept in its place.
    assert_eq!(world.cached.stat("a").await, Err(Errno::NOT_FOUND));
}

#[tokio::test]
async fn what_others_do_is_seen_when_it_is_told_and_passed_on() {
    let world = World::new(NONE).await;
    world.here.watch(Duration::from_secs(3600));
    world.file("a", b"1").await;
    until(|| locked(&world.events).len() == 2).await;
    assert_eq!(world.cached.stat("a").await.unwrap().size, 1);
    assert_eq!(listed(&world, "").await, ["a"]);
    let (file, _) = world.there.open("a", BOTH).await.unwrap();
    world.there.write(&file, 0, "12".into()).await.unwrap();
    until(|| locked(&world.events).len() == 3).await;
    assert_eq!(world.cached.stat("a").await.unwrap().size, 2);
    world.there.rename("a", "b", false).await.unwrap();
    until(|| locked(&world.events).len() == 5).await;
    assert_eq!(world.cached.stat("a").await, Err(Errno::NOT_FOUND));
    assert_eq!(listed(&world, "").await, ["b"]);
    world.there.remove_file("b", false).await.unwrap();
    until(|| locked(&world.events).len() == 6).await;
    world.here.tell(Event::Missed);
    until(|| locked(&world.events).len() == 7).await;
    assert_eq!(
        *locked(&world.events),
        ["renamed a", "changed a", "changed a", "renamed a", "renamed b", "renamed b", "missed"]
    );
}

#[tokio::test]
async fn nothing_is_believed_that_may_have_been_missed() {
    let world = World::new(ALL).await;
    world.here.set_lifetime(Duration::from_secs(3600));
    world.file("a", b"1").await;
    let file = world.open("a").await;
    world.read(&file, 0, 1).await;
    world.cached.stat("a").await.unwrap();
    listed(&world, "").await;
    world.here.lose_connection();
    let (other, _) = world.there.open("a", BOTH).await.unwrap();
    world.there.write(&other, 0, "22".into()).await.unwrap();
    until(|| !locked(&world.events).is_empty()).await;
    assert_eq!(world.read(&file, 0, 5).await, "22");
    assert_eq!(world.cached.stat("a").await.unwrap().size, 2);
    assert_eq!(world.cached.stat_open(&file).await.unwrap().size, 2);
}

#[tokio::test]
async fn a_directory_of_fifty_thousand_is_kept_whole_and_one_that_is_too_large_is_not() {
    let limits = Limits { names: 60_000, ..Limits::default() };
    let world = World::with(NONE, limits).await;
    world.here.set_lifetime(Duration::from_secs(3600));
    for (directory, count) in [("fits", 50_000), ("does not", 60_001)] {
        world.there.make_directory(directory).await.unwrap();
        for number in 0..count {
            let path = format!("{directory}/{number}");
            world.there.make_symlink(&path, "").await.unwrap();
        }
    }
    let fits = listed(&world, "fits").await;
    world.here.forget_counts();
    assert_eq!(listed(&world, "fits").await, fits);
    assert_eq!(world.here.count_all(), 0);
    assert_eq!(listed(&world, "does not").await.len(), 60_001);
    world.here.forget_counts();
    assert_eq!(listed(&world, "does not").await.len(), 60_001);
    assert!(world.here.count_all() > 0);
}

#[tokio::test]
async fn who_appends_finds_where_others_have_appended() {
    let world = World::new(NONE).await;
    world.here.set_lifetime(Duration::from_secs(3600));
    world.file("a", b"12").await;
    let (file, reader) = (world.open("a").await, world.cached.open("a", READ).await.unwrap().0);
    let (other, _) = world.there.open("a", BOTH).await.unwrap();
    world.there.write(&other, 2, "34".into()).await.unwrap();
    assert_eq!(world.cached.stat_open(&file).await.unwrap().size, 4);
    assert_eq!(world.cached.stat_open(&reader).await.unwrap().size, 4);
}
