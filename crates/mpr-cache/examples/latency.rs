//! What the cache is worth before a server that takes its time: `cargo run --release -p mpr-cache --example latency`.
//!
//! One client of a server in memory, each request of which takes 200 µs longer; once as it is, once with the cache
//! on it. Everything is asked for as the kernel does: 128 KiB at a time, one after the other.

use std::future::Future;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mpr_cache::Cached;
use mpr_remotefs::{Access, Creation, Lease, RemoteFs};
use mpr_testkit::MemoryFs;

const LATENCY: Duration = Duration::from_micros(200);
const REQUEST: usize = 128 << 10;
const LENGTH: usize = 256 << 20;
const FILES: usize = 2000;
const SMALL: usize = 500;
const READ: Access = Access { read: true, write: false };
const BOTH: Access = Access { read: true, write: true };
const NEW: Creation = Creation { access: BOTH, exclusive: false, truncate: true, read_only: false };

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let plain = measure(&server()).await;
        let client = server();
        let cached = std::sync::Arc::new(Cached::new(client.clone()));
        let listening = std::sync::Arc::clone(&cached);
        let events = tokio::spawn(async move {
            loop {
                drop(listening.next_event().await);
            }
        });
        while !client.listens() {
            tokio::task::yield_now().await;
        }
        let kept = measure(&*cached).await;
        events.abort();
        println!("{:<40}{:>12}{:>12}{:>9}", "", "without, ms", "with, ms", "ratio");
        for ((what, without), (_, with)) in plain.into_iter().zip(kept) {
            let ratio = without.as_secs_f64() / with.as_secs_f64().max(1e-6);
            let ms = |time: Duration| time.as_secs_f64() * 1e3;
            println!("{what:<40}{:>12.1}{:>12.1}{ratio:>9.1}", ms(without), ms(with));
        }
        println!("{:#?}", cached.stats());
    });
}

fn server() -> MemoryFs {
    let server = MemoryFs::new();
    server.grant(Lease { read: true, write: true, handle: true });
    server.watch(Duration::from_secs(60));
    server.set_latency(LATENCY);
    server
}

async fn timed(work: impl Future<Output = ()>) -> Duration {
    let begun = Instant::now();
    work.await;
    begun.elapsed()
}

async fn measure<R: RemoteFs>(fs: &R) -> Vec<(&'static str, Duration)> {
    let data = Bytes::from(vec![7; REQUEST]);
    let write = timed(async {
        let (file, _) = fs.create("big", NEW).await.expect("creating");
        for at in 0..LENGTH / REQUEST {
            fs.write(&file, (at * REQUEST) as u64, data.clone()).await.expect("writing");
        }
        fs.flush(&file).await.expect("flushing");
        fs.close(&file).await;
    })
    .await;
    let read = timed(async {
        let (file, _) = fs.open("big", READ).await.expect("opening");
        for at in 0..LENGTH / REQUEST {
            fs.read(&file, (at * REQUEST) as u64, REQUEST).await.expect("reading");
        }
        fs.close(&file).await;
    })
    .await;
    fs.make_directory("many").await.expect("making a directory");
    for number in 0..FILES {
        fs.make_symlink(&format!("many/{number}"), "x").await.expect("making a link");
    }
    let cold = timed(find(fs)).await;
    let again = timed(find(fs)).await;
    let small = timed(async {
        for number in 0..SMALL {
            let (file, _) = fs.create(&format!("small{number}"), NEW).await.expect("creating");
            for part in 0..4 {
                fs.write(&file, part * 1024, data.slice(..1024)).await.expect("writing");
            }
            fs.settle(&file).await.expect("settling");
            fs.close(&file).await;
        }
    })
    .await;
    let reopened = timed(async {
        for _ in 0..SMALL {
            let (file, _) = fs.open("small0", READ).await.expect("opening");
            fs.read(&file, 0, 4096).await.expect("reading");
            fs.close(&file).await;
        }
    })
    .await;
    vec![
        ("write 256 MiB and flush", write),
        ("read 256 MiB", read),
        ("list and stat 2,000 names", cold),
        ("the same again", again),
        ("create, write 4 KiB in 4, close: 500", small),
        ("open, read 4 KiB, close: 500, one file", reopened),
    ]
}

async fn find<R: RemoteFs>(fs: &R) {
    let directory = fs.open_directory("many").await.expect("opening a directory");
    loop {
        let entries = fs.next_entries(&directory).await.expect("listing");
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            fs.stat(&format!("many/{}", entry.name)).await.expect("stat");
        }
    }
    fs.close_directory(&directory).await;
}
