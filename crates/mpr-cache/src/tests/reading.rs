use std::sync::Arc;

use mpr_remotefs::{Errno, Lease, Lock, RemoteFs};
use mpr_testkit::Call;
use tokio::time::{Duration, advance};

use super::*;

const READING: Lease = Lease { read: true, ..NONE };

#[tokio::test]
async fn reading_in_sequence_is_fetched_ahead_with_several_requests_at_once() {
    let world = World::new(NONE).await;
    let contents = pattern(12 * M + 77);
    world.file("a", &contents).await;
    let file = world.open("a").await;
    for at in 0..8 {
        assert_eq!(world.read(&file, at * 128 * K, 128 * K).await, contents[at * 128 * K..][..128 * K]);
    }
    let held = world.here.hold(Call::Read);
    let reading = tokio::spawn({
        let cached = Arc::clone(&world.cached);
        async move {
            let mut all = Vec::new();
            loop {
                let part = cached.read(&file, (M + all.len()) as u64, 128 * K).await.unwrap();
                all.extend_from_slice(&part);
                if part.len() < 128 * K {
                    return all;
                }
            }
        }
    });
    held.reached(3).await;
    drop(held);
    assert_eq!(reading.await.unwrap(), contents[M..]);
    let stats = world.cached.stats();
    assert!(stats.bytes_missed < M as u64, "{stats:?}");
    // Nothing was read twice.
    assert!(stats.bytes_ahead + stats.bytes_missed <= contents.len() as u64 + 128 * K as u64, "{stats:?}");
}

#[tokio::test]
async fn long_requests_are_not_answered_out_of_many_short_ones() {
    let world = World::new(NONE).await;
    let contents = pattern(16 * M);
    world.file("a", &contents).await;
    let file = world.open("a").await;
    for at in 0..16 {
        assert_eq!(world.read(&file, at * M, M).await, contents[at * M..][..M]);
    }
    assert!(world.here.count(Call::Read) <= 20, "{}", world.here.count(Call::Read));
}

#[tokio::test]
async fn what_lies_in_pieces_is_passed_on_so() {
    let world = World::new(NONE).await;
    let contents = pattern(16 * M);
    world.file("a", &contents).await;
    let file = world.open("a").await;
    let mut last = 0;
    for at in (0..15).map(|at| at * M + 300 * K) {
        let pieces = world.cached.read_pieces(&file, at as u64, M).await.unwrap();
        assert!(pieces.concat() == contents[at..at + M], "{at}");
        last = pieces.len();
    }
    assert!(last > 1, "what was fetched ahead does not begin where it is asked for");
}

#[tokio::test]
async fn reading_here_and_there_asks_for_what_is_read_and_nothing_else() {
    let world = World::new(NONE).await;
    let contents = pattern(8 * M);
    world.file("a", &contents).await;
    let file = world.open("a").await;
    for at in [5, 900, 17, 455, 300, 1721, 44, 618, 1130, 2] {
        assert_eq!(world.read(&file, at * 4 * K, 4 * K).await, contents[at * 4 * K..][..4 * K]);
    }
    assert_eq!((world.here.count(Call::Read), world.cached.stats().bytes_ahead), (10, 0));
}

#[tokio::test]
async fn what_was_read_under_a_lease_is_not_asked_for_again_until_it_is_taken_back() {
    let world = World::new(READING).await;
    world.file("a", b"old contents").await;
    let file = world.open("a").await;
    for _ in 0..3 {
        assert_eq!(world.read(&file, 4, 8).await, "contents");
        assert_eq!(world.cached.stat_open(&file).await.unwrap().size, 12);
    }
    assert_eq!((world.here.count(Call::Read), world.here.count(Call::StatOpen)), (1, 0));

    let (other, _) = world.there.open("a", BOTH).await.unwrap();
    world.there.write(&other, 0, "new contents, and more".into()).await.unwrap();
    assert_eq!(world.read(&file, 0, 3).await, "new");
    assert_eq!(world.cached.stat_open(&file).await.unwrap().size, 22);
    assert_eq!(*locked(&world.events), ["recalled"]);
}

#[tokio::test]
async fn who_gets_a_lock_reads_what_was_written_under_it_though_the_lease_is_not_taken_back_yet() {
    let world = World::new(READING).await;
    world.file("a", b"old").await;
    let file = world.open("a").await;
    assert_eq!(world.read(&file, 0, 4).await, "old");
    // As if by somebody else, with the recall still on its way.
    let (other, _) = world.here.open("a", BOTH).await.unwrap();
    world.here.write(&other, 0, "news".into()).await.unwrap();
    assert_eq!(world.read(&file, 0, 4).await, "old");
    world.cached.lock(&file, 0..1, Lock::Exclusive).await.unwrap();
    assert_eq!(world.read(&file, 0, 4).await, "news");
    assert_eq!(world.cached.stat_open(&file).await.unwrap().size, 4);
}

#[tokio::test(start_paused = true)]
async fn without_a_lease_what_was_fetched_ahead_is_believed_for_a_second() {
    let world = World::new(NONE).await;
    world.file("a", &vec![1; M]).await;
    let file = world.open("a").await;
    for at in 0..4 {
        world.read(&file, at * 64 * K, 64 * K).await;
    }
    until(|| world.here.count(Call::Read) > 4 && world.cached.stats().bytes_kept > 0).await;
    let (other, _) = world.there.open("a", BOTH).await.unwrap();
    world.there.write(&other, 0, Bytes::from(vec![2; M])).await.unwrap();
    advance(Duration::from_millis(1001)).await;
    assert_eq!(world.read(&file, 300 * K, 4 * K).await, vec![2; 4 * K]);
}

#[tokio::test]
async fn a_file_that_is_seen_to_have_changed_is_read_again() {
    let world = World::new(NONE).await;
    world.file("a", &vec![1; M]).await;
    let file = world.open("a").await;
    for at in 0..4 {
        world.read(&file, at * 64 * K, 64 * K).await;
    }
    until(|| world.cached.stats().bytes_kept > 0).await;
    let (other, _) = world.there.open("a", BOTH).await.unwrap();
    world.there.write(&other, 0, Bytes::from(vec![2; M])).await.unwrap();
    // Listing its directory tells of its new time.
    let directory = world.cached.open_directory("").await.unwrap();
    world.cached.next_entries(&directory).await.unwrap();
    assert_eq!(world.read(&file, 300 * K, 4 * K).await, vec![2; 4 * K]);
}

#[tokio::test]
async fn what_is_on_its_way_when_it_is_written_is_not_believed() {
    let world = World::new(READING).await;
    world.file("a", b"old").await;
    let (file, writer) = (Arc::new(world.open("a").await), world.open("a").await);
    let held = world.here.hold(Call::Read);
    let reading = tokio::spawn({
        let (cached, file) = (Arc::clone(&world.cached), Arc::clone(&file));
        async move { cached.read(&file, 0, 3).await }
    });
    held.reached(1).await;
    world.write(&writer, 0, b"new").await.unwrap();
    drop(held);
    reading.await.unwrap().unwrap();
    world.here.forget_counts();
    assert_eq!(world.read(&file, 0, 3).await, "new");
    assert_eq!(world.here.count(Call::Read), 1);
}

#[tokio::test]
async fn an_error_ahead_is_nobodys_until_somebody_reads_there() {
    let world = World::new(NONE).await;
    let contents = pattern(M);
    world.file("a", &contents).await;
    let file = world.open("a").await;
    world.read(&file, 0, 64 * K).await;
    let held = world.here.hold(Call::Read);
    let first = tokio::spawn({
        let cached = Arc::clone(&world.cached);
        async move {
            let second = cached.read(&file, 64 * K as u64, 64 * K).await.unwrap();
            (second, cached.read(&file, 128 * K as u64, 64 * K).await.unwrap())
        }
    });
    // The one that is asked for, and one ahead.
    held.reached(2).await;
    drop(held);
    let (second, third) = first.await.unwrap();
    assert_eq!(
        (second, third),
        (contents[64 * K..128 * K].to_vec().into(), contents[128 * K..192 * K].to_vec().into())
    );

    let file = world.open("a").await;
    world.here.fail(Call::Read, Errno::LOST);
    assert_eq!(world.cached.read(&file, 900 * K as u64, 10).await, Err(Errno::LOST));
    assert_eq!(world.read(&file, 900 * K, 10).await, contents[900 * K..][..10]);
}

#[tokio::test]
async fn memory_for_what_was_read_is_bounded_and_what_is_used_again_stays() {
    let limits = Limits { memory: 64 * K, ..Limits::default() };
    let world = World::with(READING, limits).await;
    let contents = pattern(4 * M);
    let mut files = Vec::new();
    for (number, part) in contents.chunks(64 * K).enumerate() {
        world.file(&number.to_string(), part).await;
        files.push(world.open(&number.to_string()).await);
    }
    for at in 0..200 {
        // Far apart, so that nothing looks like a sequence.
        let place = (at * 37 % 256) * 16 * K;
        let read = world.read(&files[place / (64 * K)], place % (64 * K), 4 * K).await;
        assert_eq!(read, contents[place..][..4 * K]);
        assert_eq!(world.read(&files[0], 8 * K, 4 * K).await, contents[8 * K..][..4 * K]);
        assert!(world.cached.stats().bytes_kept <= 64 * K as u64);
    }
    assert!(world.here.count(Call::Read) <= 201, "{}", world.here.count(Call::Read));
}

#[tokio::test]
async fn of_a_file_longer_than_all_room_what_is_read_here_and_there_is_not_kept() {
    let limits = Limits { memory: 64 * K, ..Limits::default() };
    let world = World::with(READING, limits).await;
    let contents = pattern(M);
    world.file("a", &contents).await;
    let file = world.open("a").await;
    for at in [5, 90, 17, 55, 30, 90] {
        assert_eq!(world.read(&file, at * 8 * K, 4 * K).await, contents[at * 8 * K..][..4 * K]);
        assert_eq!(world.cached.stats().bytes_kept, 0);
    }
    assert_eq!(world.here.count(Call::Read), 6);
}

#[tokio::test]
async fn a_reader_that_gives_up_keeps_nobody_else_waiting() {
    let world = World::new(READING).await;
    world.file("a", b"contents").await;
    let file = Arc::new(world.open("a").await);
    let read = || {
        let (cached, file) = (Arc::clone(&world.cached), Arc::clone(&file));
        tokio::spawn(async move { cached.read(&file, 0, 8).await })
    };
    let held = world.here.hold(Call::Read);
    let first = read();
    held.reached(1).await;
    let second = read();
    tokio::task::yield_now().await;
    first.abort();
    let _ = first.await;
    drop(held);
    assert_eq!(second.await.unwrap().unwrap(), "contents");
}
