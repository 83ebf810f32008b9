use std::sync::Arc;

use mpr_remotefs::{Allocation, Changes, Errno, Lease, Lock, RemoteFs, Seek};
use mpr_testkit::Call;
use tokio::time::{Duration, advance};

use super::*;

#[tokio::test]
async fn without_a_lease_a_write_is_at_the_server_when_it_returns() {
    let world = World::new(Lease { write: false, ..ALL }).await;
    let file = world.made("a").await;
    world.write(&file, 0, b"text").await.unwrap();
    assert_eq!(world.at_server("a").await, b"text");
    assert_eq!(world.cached.stats().bytes_kept_back, 0);
}

#[tokio::test]
async fn writes_in_a_row_are_sent_together_when_the_file_is_settled() {
    let world = World::new(ALL).await;
    let contents = pattern(200 * 100);
    let file = world.made("a").await;
    for at in 0..200 {
        world.write(&file, at * 100, &contents[at * 100..][..100]).await.unwrap();
    }
    assert_eq!(world.here.count(Call::Write), 0);
    world.cached.settle(&file).await.unwrap();
    assert_eq!(world.here.count(Call::Write), 1);
    assert_eq!(world.at_server("a").await, contents);
}

#[tokio::test]
async fn a_small_file_costs_making_it_writing_it_and_closing_it() {
    let world = World::new(ALL).await;
    let file = world.made("a").await;
    for line in 0..10 {
        world.write(&file, line * 5, b"line\n").await.unwrap();
    }
    world.cached.settle(&file).await.unwrap();
    world.cached.close(&file).await;
    assert_eq!(world.here.count_all(), 3);
    assert_eq!(world.here.open_handles(), 0);
}

#[tokio::test]
async fn long_writes_go_on_their_way_several_at_once_before_anybody_asks() {
    let world = World::new(ALL).await;
    let contents = pattern(6 * M);
    let file = world.made("a").await;
    let held = world.here.hold(Call::Write);
    for at in 0..48 {
        world.write(&file, at * 128 * K, &contents[at * 128 * K..][..128 * K]).await.unwrap();
    }
    held.reached(6).await;
    drop(held);
    world.cached.flush(&file).await.unwrap();
    assert_eq!((world.here.count(Call::Write), world.here.count(Call::Flush)), (6, 1));
    assert_eq!(world.at_server("a").await, contents);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_back_for_longer_than_a_second() {
    let world = World::new(ALL).await;
    let file = world.made("a").await;
    world.write(&file, 0, b"text").await.unwrap();
    tokio::task::yield_now().await;
    advance(Duration::from_millis(1001)).await;
    until(|| world.here.count(Call::Write) == 1 && world.cached.stats().bytes_dirty == 0).await;
    assert_eq!(world.at_server("a").await, b"text");
}

#[tokio::test]
async fn what_is_written_again_while_it_is_on_its_way_arrives_later() {
    let world = World::new(ALL).await;
    let file = world.made("a").await;
    let held = world.here.hold(Call::Write);
    world.write(&file, 0, &vec![1; M]).await.unwrap();
    held.reached(1).await;
    world.write(&file, 0, &vec![2; M]).await.unwrap();
    world.write(&file, 10, &[3]).await.unwrap();
    assert_eq!(world.read(&file, 9, 3).await, [2, 3, 2].as_slice());
    tokio::task::yield_now().await;
    assert_eq!(world.here.count(Call::Write), 1);
    drop(held);
    world.cached.settle(&file).await.unwrap();
    assert_eq!(world.at_server("a").await[9..12], [2, 3, 2]);
}

#[tokio::test]
async fn what_is_kept_back_is_read_through_every_handle_and_gaps_are_zeros() {
    let world = World::new(ALL).await;
    world.file("a", b"0123456789").await;
    let (writer, reader) = (world.open("a").await, world.open("a").await);
    assert_eq!(world.read(&reader, 0, 100).await, "0123456789");
    world.write(&writer, 4, b"xy").await.unwrap();
    world.write(&writer, 13, b"z").await.unwrap();
    assert_eq!(world.here.count(Call::Write), 0);
    assert_eq!(world.read(&reader, 2, 100).await, "23xy6789\0\0\0z".as_bytes());
    assert_eq!(world.read(&reader, 20, 5).await, "");
}

#[tokio::test]
async fn what_is_kept_back_is_part_of_the_length_everywhere() {
    let world = World::new(ALL).await;
    let (file, other) = (world.made("a").await, world.open("a").await);
    let mut length = 0;
    let mut longer = async |world: &World| {
        world.write(&file, length, b"text").await.unwrap();
        length += 4;
        length as u64
    };
    let expected = longer(&world).await;
    assert_eq!(world.cached.stat("a").await.unwrap().size, expected);
    let expected = longer(&world).await;
    assert_eq!(world.cached.stat_open(&other).await.unwrap().size, expected);
    let expected = longer(&world).await;
    let directory = world.cached.open_directory("").await.unwrap();
    let entries = world.cached.next_entries(&directory).await.unwrap();
    assert_eq!(entries[0].attributes.size, expected);
    let expected = longer(&world).await;
    assert_eq!(world.cached.open("a", READ).await.unwrap().1.size, expected);
    let expected = longer(&world).await;
    assert_eq!(world.cached.link("a", "b").await.unwrap().size, expected);
}

#[tokio::test]
async fn a_time_that_was_told_does_not_change_when_the_file_is_closed() {
    let world = World::new(ALL).await;
    let file = world.made("a").await;
    world.write(&file, 0, b"text").await.unwrap();
    let told = world.cached.stat_open(&file).await.unwrap().modified;
    world.cached.settle(&file).await.unwrap();
    world.cached.close(&file).await;
    assert_eq!(world.there.stat("a").await.unwrap().modified, told);
}

#[tokio::test]
async fn what_comes_after_a_write_comes_after_it_at_the_server() {
    let world = World::new(ALL).await;
    let (file, other) = (world.made("a").await, world.open("a").await);
    world.write(&file, 0, b"0123456789").await.unwrap();
    let shorter = Changes { size: Some(4), ..Changes::default() };
    assert_eq!(world.cached.change_open(&other, shorter).await.unwrap().size, 4);
    world.write(&file, 4, b"45").await.unwrap();
    let shorter = Changes { size: Some(5), ..Changes::default() };
    assert_eq!(world.cached.change("a", shorter).await.unwrap().size, 5);
    assert_eq!(world.read(&file, 0, 100).await, "01234");

    world.write(&file, 0, b"x").await.unwrap();
    let copy = world.made("copy").await;
    assert_eq!(world.cached.copy(&file, 0, &copy, 0, 100).await, Ok(5));
    assert_eq!(world.read(&copy, 0, 100).await, "x1234");

    world.write(&file, 1, b"yz").await.unwrap();
    world.cached.allocate(&file, 0..2, Allocation::Zero).await.unwrap();
    assert_eq!(world.read(&other, 0, 100).await, "\0\0z34");

    world.write(&file, 200 * K, b"end").await.unwrap();
    assert_eq!(world.cached.seek(&other, 100 * K as u64, Seek::Data).await, Ok(192 * K as u64));

    world.write(&file, 0, b"locked").await.unwrap();
    world.cached.lock(&file, 0..10, Lock::Exclusive).await.unwrap();
    assert_eq!(world.at_server("a").await[..6], *b"locked");
    world.write(&file, 0, b"unlock").await.unwrap();
    world.cached.unlock(&file, 0..10).await.unwrap();
    assert_eq!(world.at_server("a").await[..6], *b"unlock");

    world.write(&file, 0, b"emptied").await.unwrap();
    let empty = Creation { truncate: true, ..new(false) };
    assert_eq!(world.cached.create("a", empty).await.unwrap().1.size, 0);
    assert_eq!(world.read(&file, 0, 100).await, "");
}

#[tokio::test]
async fn a_failure_is_told_once_to_the_handle_that_wrote_and_to_who_keeps_the_log() {
    let world = World::new(ALL).await;
    let (file, other) = (world.made("a").await, world.open("a").await);
    world.here.fail(Call::Write, Errno(libc::ENOSPC));
    world.write(&file, 7, b"lost").await.unwrap();
    world.cached.settle(&other).await.unwrap();
    assert_eq!(world.cached.settle(&file).await, Err(Errno(libc::ENOSPC)));
    assert_eq!(world.cached.settle(&file).await, Ok(()));
    let loss = LostWrite { path: "a".to_owned(), range: 7..11, error: Errno(libc::ENOSPC) };
    assert_eq!(*locked(&world.losses), [loss]);
    assert_eq!(world.read(&file, 0, 100).await, "", "what was lost is not read, either");

    // The next write is told, and does nothing; the one after it is as always.
    world.here.fail(Call::Write, Errno(libc::EDQUOT));
    world.write(&file, 0, b"lost").await.unwrap();
    assert_eq!(world.cached.stat_open(&other).await.unwrap().size, 0);
    assert_eq!(world.write(&file, 0, b"refused").await, Err(Errno(libc::EDQUOT)));
    world.write(&file, 0, b"text").await.unwrap();
    assert_eq!(world.cached.flush(&file).await, Ok(()));
    assert_eq!(world.at_server("a").await, b"text");
}

#[tokio::test]
async fn a_failure_nobody_asks_for_before_closing_is_in_the_log() {
    let world = World::new(ALL).await;
    let file = world.made("a").await;
    world.here.fail(Call::Write, Errno(libc::ENOSPC));
    world.write(&file, 0, b"lost").await.unwrap();
    world.cached.close(&file).await;
    assert_eq!(locked(&world.losses).len(), 1);
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_sent_again_while_the_lease_stands() {
    let world = World::new(ALL).await;
    let file = world.made("a").await;
    for fail in [mpr_testkit::MemoryFs::fail, mpr_testkit::MemoryFs::fail_after] {
        fail(&world.here, Call::Write, Errno::LOST);
        world.write(&file, 0, b"text").await.unwrap();
        assert_eq!(world.cached.settle(&file).await, Ok(()));
        assert_eq!(world.at_server("a").await, b"text");
    }
    assert!(locked(&world.losses).is_empty());
}

#[tokio::test]
async fn a_write_whose_answer_and_lease_were_lost_is_told_as_lost_and_not_sent_again() {
    let world = World::new(ALL).await;
    let file = Arc::new(world.made("a").await);
    world.here.fail(Call::Write, Errno::LOST);
    let held = world.here.hold(Call::Write);
    world.write(&file, 0, b"text").await.unwrap();
    let settled = tokio::spawn({
        let (cached, file) = (Arc::clone(&world.cached), Arc::clone(&file));
        async move { cached.settle(&file).await }
    });
    held.reached(1).await;
    world.here.lose_connection();
    drop(held);
    assert_eq!(settled.await.unwrap(), Err(Errno::LOST));
    assert_eq!(world.here.count(Call::Write), 1);
    assert_eq!(locked(&world.losses).len(), 1);
}

#[tokio::test]
async fn a_lease_is_given_back_only_when_everything_has_reached_the_server() {
    let world = World::new(ALL).await;
    let contents = pattern(3 * M + 5);
    let file = world.made("a").await;
    world.write(&file, 0, &contents).await.unwrap();
    let (other, now) = world.there.open("a", READ).await.unwrap();
    assert_eq!(now.size, contents.len() as u64);
    assert_eq!(world.there.read(&other, 0, contents.len()).await.unwrap(), contents);
    // From now on, the other sees everything at once.
    world.write(&file, 0, b"now").await.unwrap();
    assert_eq!(world.there.read(&other, 0, 3).await.unwrap(), "now");
}

#[tokio::test]
async fn a_failure_while_a_lease_is_taken_back_is_told_and_holds_nobody_up() {
    let world = World::new(ALL).await;
    let file = world.made("a").await;
    world.write(&file, 0, b"text").await.unwrap();
    world.here.fail(Call::Write, Errno(libc::EIO));
    world.here.fail(Call::StatOpen, Errno(libc::EIO));
    let (_, now) = world.there.open("a", READ).await.unwrap();
    assert_eq!(now.size, 0);
    assert_eq!(world.cached.settle(&file).await, Err(Errno(libc::EIO)));
}

#[tokio::test]
async fn memory_for_what_is_kept_back_is_bounded() {
    let limits = Limits { memory: 4 * M, ..Limits::default() };
    let world = World::with(ALL, limits).await;
    let file = Arc::new(world.made("a").await);
    let held = world.here.hold(Call::Write);
    let writing = tokio::spawn({
        let (cached, file) = (Arc::clone(&world.cached), Arc::clone(&file));
        async move {
            for at in 0..64 {
                cached
                    .write(&file, (at * 256 * K) as u64, Bytes::from(vec![at as u8; 256 * K]))
                    .await
                    .unwrap();
            }
            cached.settle(&file).await
        }
    });
    held.reached(2).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
        assert!(world.cached.stats().bytes_kept <= 4 * M as u64);
    }
    assert!(!writing.is_finished());
    drop(held);
    writing.await.unwrap().unwrap();
    assert_eq!(world.at_server("a").await.len(), 16 * M);
    assert_eq!(world.cached.stats().bytes_dirty, 0);
}

#[tokio::test]
async fn what_is_left_when_the_mount_ends_is_sent_first() {
    let world = World::new(ALL).await;
    let file = world.made("a").await;
    world.write(&file, 0, b"text").await.unwrap();
    world.cached.shut_down().await;
    assert_eq!(world.at_server("a").await, b"text");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_when_the_mount_ends_is_in_the_log() {
    let world = World::new(ALL).await;
    let file = world.made("a").await;
    let _held = world.here.hold(Call::Write);
    world.write(&file, 0, b"text").await.unwrap();
    world.cached.shut_down().await;
    assert_eq!(locked(&world.losses).len(), 1);
}

#[tokio::test]
async fn a_file_that_lost_its_name_or_got_another_is_written_all_the_same() {
    let world = World::new(ALL).await;
    let (file, removed) = (world.made("a").await, world.made("b").await);
    world.write(&file, 0, b"text").await.unwrap();
    world.write(&removed, 0, b"gone").await.unwrap();
    world.cached.rename("a", "c", true).await.unwrap();
    world.cached.remove_file("b", true).await.unwrap();
    world.write(&file, 4, b", more").await.unwrap();
    assert_eq!(world.read(&removed, 0, 10).await, "gone");
    assert_eq!(world.cached.settle(&removed).await, Ok(()));
    assert_eq!(world.cached.settle(&file).await, Ok(()));
    assert_eq!(world.at_server("c").await, b"text, more");
    assert_eq!(world.cached.stat("c").await.unwrap().size, 10);
}
