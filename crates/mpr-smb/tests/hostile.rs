//! A server that answers badly on purpose: nothing hangs, nothing breaks, nothing grows without bound.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mpr_abi::Status;
use mpr_remotefs::{Access, Changes, Creation, Errno, RemoteFs, Seek};
use mpr_smb::{Settings, SmbFs};

use common::hostile::{self, Habits, Hostile};

const PATIENCE: Duration = Duration::from_secs(3);
const BOTH: Access = Access { read: true, write: true };
const ANY: Creation = Creation { access: BOTH, exclusive: false, truncate: false, read_only: false };

fn settings() -> Settings {
    Settings { patience: PATIENCE, ..Settings::default() }
}

async fn connect(server: &Hostile) -> SmbFs {
    SmbFs::connect(server.as_guest(settings()), "share", "", &|_| {}).await.unwrap()
}

async fn names(fs: &SmbFs) -> Result<Vec<String>, Errno> {
    let directory = fs.open_directory("").await?;
    let mut names = Vec::new();
    loop {
        let entries = fs.next_entries(&directory).await;
        match entries {
            Ok(entries) if entries.is_empty() => break,
            Ok(entries) => names.extend(entries.into_iter().map(|entry| entry.name)),
            Err(error) => {
                fs.close_directory(&directory).await;
                return Err(error);
            }
        }
    }
    fs.close_directory(&directory).await;
    Ok(names)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_a_server_unless_it_is_to_be_another() {
    let fs = connect(&Hostile::with(Habits::default())).await;
    assert_eq!(names(&fs).await.unwrap(), ["file"]);
    assert_eq!(fs.stat("file").await.unwrap().size, 100_000);
    let (file, _) = fs.open("file", BOTH).await.unwrap();
    fs.write(&file, 0, Bytes::from_static(b"data")).await.unwrap();
    assert!(fs.read(&file, 0, 10).await.unwrap().is_empty());
    assert!(fs.space().await.unwrap().total > 0);
    fs.close(&file).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listing_in_which_nothing_is_ever_seen_is_given_up() {
    for nothing in [hostile::buffer(&[]), hostile::buffer(&hostile::entry(".", 7))] {
        let server = Hostile::with(Habits {
            answer: Box::new(move |asked| {
                (asked.command == hostile::QUERY_DIRECTORY).then(|| (0, nothing.clone()))
            }),
            ..Habits::default()
        });
        let fs = connect(&server).await;
        let begun = Instant::now();
        assert_eq!(names(&fs).await.unwrap_err(), Errno::TIMED_OUT);
        assert!(begun.elapsed() >= PATIENCE);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_in_a_listing_is_no_name() {
    let server = Hostile::with(Habits {
        answer: Box::new(|asked| {
            let odd = ["..", ".", "a/b", "../../etc/passwd", "n\0ul", "/", "", "\u{F02F}"];
            let name = *odd.get(asked.before).unwrap_or(&"good");
            let listed = asked.command == hostile::QUERY_DIRECTORY && asked.before <= odd.len();
            listed.then(|| (0, hostile::buffer(&hostile::entry(name, 7))))
        }),
        ..Habits::default()
    });
    let listed = names(&connect(&server).await).await.unwrap();
    assert!(listed.iter().all(|name| !name.contains(['/', '\0']) && !name.is_empty()), "{listed:?}");
    assert!(listed.iter().all(|name| name != "." && name != ".."), "{listed:?}");
    assert!(listed.contains(&"good".to_owned()), "{listed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_ends_each_connection_is_not_come_back_to_without_pause() {
    let server = Hostile::with(Habits {
        // It says at once that something has changed, in answer to nothing that was asked.
        answer: Box::new(|asked| {
            (asked.command == hostile::CHANGE_NOTIFY).then(|| (0, hostile::buffer(&[])))
        }),
        send: Box::new(|mut message| {
            if message[16] == u8::try_from(hostile::CHANGE_NOTIFY).unwrap() {
                message[28] ^= 0xFF;
            }
            message
        }),
    });
    let fs = Arc::new(connect(&server).await);
    let listening = Arc::clone(&fs);
    let listening = tokio::spawn(async move {
        loop {
            listening.next_event().await;
        }
    });
    tokio::time::timeout(Duration::from_secs(2), async {
        while server.connections() < 4 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("a connection that was lost is made again");
    let (before, begun) = (server.connections(), Instant::now());
    while begun.elapsed() < Duration::from_secs(1) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    listening.abort();
    // With pauses of 200 ms and more; it would be hundreds.
    let made = server.connections() - before;
    assert!(made <= 5, "{made} connections in a second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shares_that_are_not_there_need_no_memory() {
    let pipe = |kind: u8, contents: &[u8]| {
        let length = u16::try_from(16 + contents.len()).unwrap();
        [&[5, 0, kind, 3, 0x10, 0, 0, 0][..], &length.to_le_bytes(), &[0, 0, 1, 0, 0, 0], contents].concat()
    };
    let bound = [&[0xB8, 0x10, 0xB8, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0][..], &[0; 24]].concat();
    let stub = [1, 1, 2, u32::MAX, 3, u32::MAX, 4, 0, 5].map(u32::to_le_bytes).concat();
    let answers = [pipe(12, &bound), pipe(2, &[&[0; 8][..], &stub].concat())];
    let server = Hostile::with(Habits {
        answer: Box::new(move |asked| {
            let answer = answers.get(asked.before).filter(|_| asked.command == hostile::READ)?;
            Some((0, hostile::read(answer)))
        }),
        ..Habits::default()
    });
    let failure = mpr_smb::list_shares(&server.as_guest(settings()), &|_| {}).await.unwrap_err();
    assert_eq!(failure.status, Status::NET_ERROR.0, "{failure}");
    assert!(failure.message.contains("the list of shares is not what it says it is"), "{failure}");
}

/// Numbers that are always the same.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }
}

/// Changes something of a message, the length before it now and then included.
fn spoil(message: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.roll(3) {
        let from = if dice.roll(8) == 0 { 0 } else { 68.min(message.len() - 1) };
        let at = from + dice.roll(message.len() - from);
        match dice.roll(4) {
            0 => message[at] = u8::try_from(dice.roll(256)).unwrap(),
            1 => message[at] ^= 1 << dice.roll(8),
            2 => {
                let wrong = [u32::MAX, 0, 0x7FFF_FFFF, 0x8000_0000][dice.roll(4)].to_le_bytes();
                message.iter_mut().skip(at).zip(wrong).for_each(|(byte, wrong)| *byte = wrong);
            }
            _ => {
                // As long as it then is, so that it is read as a message.
                message.truncate(at.max(68));
                let length = u32::try_from(message.len().saturating_sub(4)).unwrap();
                if let Some(head) = message.first_chunk_mut::<4>() {
                    *head = length.to_be_bytes();
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_server_answers_is_survived_in_time() {
    let panics = Arc::new(AtomicUsize::new(0));
    let (seen, usual) = (Arc::clone(&panics), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        seen.fetch_add(1, Ordering::Relaxed);
        usual(panic);
    }));
    for seed in 1..=16 {
        let dice = Mutex::new(Dice(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed)));
        let server = Hostile::with(Habits {
            send: Box::new(move |mut message| {
                let mut dice = dice.lock().unwrap();
                if dice.roll(3) == 0 {
                    spoil(&mut message, &mut dice);
                }
                message
            }),
            ..Habits::default()
        });
        let work = async {
            let Ok(fs) = SmbFs::connect(server.as_guest(settings()), "share", "", &|_| {}).await else {
                return;
            };
            for _ in 0..3 {
                let _ = names(&fs).await;
                let _ = fs.stat("file").await;
                let _ = fs.space().await;
                let _ = fs.xattrs("file").await;
                let _ = fs.read_link("file").await;
                let _ = fs.rename("file", "other", true).await;
                let _ = fs.change("file", Changes { size: Some(1), ..Changes::default() }).await;
                if let Ok((file, _)) = fs.create("file", ANY).await {
                    let _ = fs.read(&file, 0, 200_000).await;
                    let _ = fs.write(&file, 0, Bytes::from(vec![1; 200_000])).await;
                    let _ = fs.seek(&file, 0, Seek::Data).await;
                    let _ = fs.lock(&file, 0..1, mpr_remotefs::Lock::Exclusive).await;
                    let _ = fs.flush(&file).await;
                    fs.close(&file).await;
                }
            }
            fs.shut_down().await;
        };
        // Of each of fifty requests the server may make us wait as long as it may.
        tokio::time::timeout(50 * PATIENCE, work).await.unwrap_or_else(|_| panic!("{seed}: it hangs"));
        assert_eq!(panics.load(Ordering::Relaxed), 0, "{seed}");
    }
    drop(std::panic::take_hook());
}
