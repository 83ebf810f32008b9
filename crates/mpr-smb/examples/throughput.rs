//! Measures the protocol layer alone: `throughput HOST PORT USER SHARE encrypt|sign < password`.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use mpr_helper::protocol::Login;
use mpr_remotefs::{Access, Creation, RemoteFs};
use mpr_smb::{Ahead, Proof, Settings, SmbFs, Target};

const MIB: usize = 1 << 20;

fn main() {
    // SAFETY: plain numbers, before any thread is made.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 64 << 20);
    }
    let arguments: Vec<String> = std::env::args().collect();
    let mut password = String::new();
    std::io::stdin().read_line(&mut password).unwrap();
    let target = Target {
        host: arguments[1].clone(),
        port: Some(arguments[2].parse().unwrap()),
        login: Login::Account { user: arguments[3].clone(), domain: String::new() },
        proof: Proof::Password,
        password: Some(password.trim().to_owned().into()),
        require_encryption: false,
        settings: Settings { encrypt: arguments[5] == "encrypt", ..Settings::default() },
        ahead: Ahead::default(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let started = Instant::now();
        let fs = Arc::new(SmbFs::connect(target, &arguments[4], "", &|_| {}).await.unwrap());
        println!("{}; connected in {:?}", fs.security(), started.elapsed());
        let access = Access { read: true, write: true };
        let creation = Creation { access, exclusive: false, truncate: true, read_only: false };
        let (file, _) = fs.create("throughput.bin", creation).await.unwrap();
        let file = Arc::new(file);
        let data = Bytes::from(vec![7u8; MIB]);
        for size in [MIB] {
            let total = 512 * MIB;
            for round in 0..2 {
                let started = Instant::now();
                run(8, total / size, |at| {
                    let (fs, file, data) = (Arc::clone(&fs), Arc::clone(&file), data.clone());
                    async move { fs.write(&file, (at * size) as u64, data.slice(..size)).await.unwrap() }
                })
                .await;
                let written = started.elapsed();
                let started = Instant::now();
                run(8, total / size, |at| {
                    let (fs, file) = (Arc::clone(&fs), Arc::clone(&file));
                    async move {
                        assert_eq!(fs.read(&file, (at * size) as u64, size).await.unwrap().len(), size);
                    }
                })
                .await;
                let speed = |time: std::time::Duration| total as f64 / time.as_secs_f64() / 1e6;
                println!(
                    "{round}: write {:.0} MB/s, read {:.0} MB/s",
                    speed(written),
                    speed(started.elapsed())
                );
            }
        }
        let started = Instant::now();
        for at in 0..16 {
            assert_eq!(fs.read(&file, (at * 32 * MIB) as u64, 32 * MIB).await.unwrap().len(), 32 * MIB);
        }
        println!("32 MiB reads one by one: {:.0} MB/s", 512.0 * 1.048576 / started.elapsed().as_secs_f64());
        for depth in [1, 8, 32] {
            let count = 20_000;
            let started = Instant::now();
            run(depth, count, |at| {
                let (fs, file) = (Arc::clone(&fs), Arc::clone(&file));
                async move {
                    let at = (at * 7919 % 100_000) as u64 * 4096;
                    assert_eq!(fs.read(&file, at, 4096).await.unwrap().len(), 4096);
                }
            })
            .await;
            println!("4 KiB, depth {depth}: {:.0}/s", count as f64 / started.elapsed().as_secs_f64());
        }
        let started = Instant::now();
        for _ in 0..5000 {
            fs.stat("throughput.bin").await.unwrap();
        }
        println!("stat: {:.0}/s", 5000.0 / started.elapsed().as_secs_f64());
        fs.close(&file).await;
        fs.remove_file("throughput.bin", false).await.unwrap();
        fs.shut_down().await;
    });
}

async fn run<F: Future<Output = ()> + Send + 'static>(depth: usize, count: usize, work: impl Fn(usize) -> F) {
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..count {
        if tasks.len() >= depth {
            tasks.join_next().await.unwrap().unwrap();
        }
        tasks.spawn(work(at));
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}
