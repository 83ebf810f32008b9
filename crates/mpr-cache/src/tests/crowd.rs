//! Many tasks at once on threads of their own, each with a part of one file that nobody else writes.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mpr_remotefs::RemoteFs;
use mpr_testkit::MemoryFs;

use super::*;

const PART: usize = 600 * K;
const HERE: usize = 4;
const ROUNDS: usize = 60;
/// How often everything is done over until a lease has been taken back.
const MOST_TIMES: usize = 1000;

/// A sequence that is the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn within(&mut self, part: &Range<usize>) -> (usize, usize) {
        let at = part.start + self.below(PART - 1);
        (at, 1 + self.below((part.end - at).min(200 * K)))
    }
}

/// Writes and reads its part and finds in it what it has written.
async fn work<R: RemoteFs>(fs: &R, number: usize) -> Vec<u8> {
    let mut random = Random(number as u64);
    let part = number * PART..(number + 1) * PART;
    let mut file = fs.open("a", BOTH).await.unwrap().0;
    let mut mine = fs.read(&file, part.start as u64, PART).await.unwrap().to_vec();
    for round in 0..ROUNDS {
        let (at, len) = random.within(&part);
        let place = at - part.start..at - part.start + len;
        match random.below(8) {
            0..4 => {
                let byte = (round * HERE + number) as u8 | 1;
                fs.write(&file, at as u64, Bytes::from(vec![byte; len])).await.unwrap();
                mine[place].fill(byte);
            }
            4 => {
                fs.settle(&file).await.unwrap();
                fs.close(&file).await;
                file = fs.open("a", BOTH).await.unwrap().0;
            }
            5 => drop(fs.stat_open(&file).await.unwrap()),
            _ => {
                let read = fs.read(&file, at as u64, len).await.unwrap();
                assert!(read == mine[place], "{number} at {at}, {len}");
            }
        }
    }
    fs.settle(&file).await.unwrap();
    fs.close(&file).await;
    mine
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everybody_finds_what_they_wrote_while_leases_come_and_go() {
    let limits = Limits { memory: 2 * M, read_ahead: M, ..Limits::default() };
    let world = World::with(ALL, limits).await;
    world.file("a", &vec![0; (HERE + 1) * PART]).await;
    let others: Vec<_> = (0..HERE)
        .map(|number| {
            let cached = Arc::clone(&world.cached);
            tokio::spawn(async move {
                let mut mine = work(&*cached, number).await;
                // On a busy machine the other client may not have begun yet.
                for _ in 0..MOST_TIMES {
                    if cached.stats().recalls > 0 {
                        break;
                    }
                    mine = work(&*cached, number).await;
                }
                mine
            })
        })
        .collect();
    // The other client takes leases back by opening and by writing, in its own part.
    let ended = Arc::new(AtomicBool::new(false));
    let there = tokio::spawn({
        let (there, ended): (MemoryFs, _) = (world.there.clone(), Arc::clone(&ended));
        async move {
            let mut last = work(&there, HERE).await;
            while !ended.load(Ordering::Relaxed) {
                last = work(&there, HERE).await;
                tokio::task::yield_now().await;
            }
            last
        }
    });
    let mut expected = Vec::new();
    for other in others {
        expected.extend(other.await.unwrap());
    }
    ended.store(true, Ordering::Relaxed);
    drop(there.await.unwrap());
    world.cached.shut_down().await;
    assert!(world.at_server("a").await[..HERE * PART] == expected);
    assert!(world.cached.stats().recalls > 0);
    assert_eq!((world.here.open_handles(), world.cached.stats().bytes_dirty), (0, 0));
}
