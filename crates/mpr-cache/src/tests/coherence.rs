//! Sequences nobody thought of: several handles of several names here, another client there, and a plain model
//! of what everybody must see.

use std::collections::HashMap;
use std::sync::Arc;

use mpr_remotefs::{Access, Allocation, Changes, Errno, Lease, RemoteFs, Result};
use mpr_testkit::{Call, MemoryFile, MemoryFs};
use proptest::prelude::*;
use tokio::time::{Duration, advance};

use super::*;

const NAMES: [&str; 3] = ["a", "b", "d/c"];
const HERE: usize = 4;
const THERE: usize = 2;

#[derive(Debug, Clone)]
enum Step {
    Open { slot: usize, name: usize, read_only: bool },
    Write { slot: usize, at: usize, len: usize },
    WriteTogether { slots: [usize; 3], at: usize, len: usize },
    Read { slot: usize, at: usize, len: usize },
    ReadOn { slot: usize, times: usize },
    StatOpen { slot: usize },
    Stat { name: usize },
    List,
    Truncate { slot: usize, size: usize },
    TruncateName { name: usize, size: usize },
    Settle { slot: usize },
    Flush { slot: usize },
    Copy { from: usize, to: usize, at: usize, to_at: usize, len: usize },
    Punch { slot: usize, at: usize, len: usize },
    Rename { from: usize, to: usize },
    Remove { name: usize },
    Link { name: usize, also: usize },
    ThereOpen { slot: usize, name: usize },
    ThereWrite { slot: usize, at: usize, len: usize },
    ThereRead { slot: usize, at: usize, len: usize },
    ThereTruncate { slot: usize, size: usize },
    ThereRename { from: usize, to: usize },
    ThereRemove { name: usize },
    Pass { milliseconds: u64 },
}

/// Places are near each other or far apart, lengths small or of several requests.
fn place() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 0usize..200, 2 => 0usize..300_000, 1 => (0usize..24).prop_map(|at| at * 128 * K)]
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 1usize..100, 2 => 1usize..70_000, 1 => Just(128 * K), 1 => Just(M + 3)]
}

fn step() -> impl Strategy<Value = Step> {
    let here = || 0..HERE;
    let there = || 0..THERE;
    let name = || 0..NAMES.len();
    prop_oneof![
        6 => (here(), name(), any::<bool>())
            .prop_map(|(slot, name, read_only)| Step::Open { slot, name, read_only }),
        8 => (here(), place(), length()).prop_map(|(slot, at, len)| Step::Write { slot, at, len }),
        2 => ([here(), here(), here()], place(), length())
            .prop_map(|(slots, at, len)| Step::WriteTogether { slots, at, len }),
        8 => (here(), place(), length()).prop_map(|(slot, at, len)| Step::Read { slot, at, len }),
        3 => (here(), 2usize..12).prop_map(|(slot, times)| Step::ReadOn { slot, times }),
        3 => here().prop_map(|slot| Step::StatOpen { slot }),
        3 => name().prop_map(|name| Step::Stat { name }),
        1 => Just(Step::List),
        2 => (here(), place()).prop_map(|(slot, size)| Step::Truncate { slot, size }),
        1 => (name(), place()).prop_map(|(name, size)| Step::TruncateName { name, size }),
        2 => here().prop_map(|slot| Step::Settle { slot }),
        1 => here().prop_map(|slot| Step::Flush { slot }),
        1 => (here(), here(), place(), place(), length())
            .prop_map(|(from, to, at, to_at, len)| Step::Copy { from, to, at, to_at, len }),
        1 => (here(), place(), length()).prop_map(|(slot, at, len)| Step::Punch { slot, at, len }),
        1 => (name(), name()).prop_map(|(from, to)| Step::Rename { from, to }),
        1 => name().prop_map(|name| Step::Remove { name }),
        1 => (name(), name()).prop_map(|(name, also)| Step::Link { name, also }),
        3 => (there(), name()).prop_map(|(slot, name)| Step::ThereOpen { slot, name }),
        4 => (there(), place(), length()).prop_map(|(slot, at, len)| Step::ThereWrite { slot, at, len }),
        3 => (there(), place(), length()).prop_map(|(slot, at, len)| Step::ThereRead { slot, at, len }),
        1 => (there(), place()).prop_map(|(slot, size)| Step::ThereTruncate { slot, size }),
        1 => (name(), name()).prop_map(|(from, to)| Step::ThereRename { from, to }),
        1 => name().prop_map(|name| Step::ThereRemove { name }),
        2 => (0u64..700).prop_map(|milliseconds| Step::Pass { milliseconds }),
    ]
}

/// What everything must look like.
#[derive(Debug, Default)]
struct Model {
    files: Vec<Vec<u8>>,
    names: HashMap<&'static str, usize>,
}

impl Model {
    fn write(&mut self, file: usize, at: usize, data: &[u8]) {
        let contents = &mut self.files[file];
        if contents.len() < at + data.len() {
            contents.resize(at + data.len(), 0);
        }
        contents[at..at + data.len()].copy_from_slice(data);
    }

    fn read(&self, file: usize, at: usize, len: usize) -> &[u8] {
        let contents = &self.files[file];
        &contents[at.min(contents.len())..(at + len).min(contents.len())]
    }

    fn rename(&mut self, from: usize, to: usize) -> Result<()> {
        let file = *self.names.get(NAMES[from]).ok_or(Errno::NOT_FOUND)?;
        // Two names of one file stay as they are.
        if self.names.get(NAMES[to]) != Some(&file) {
            self.names.remove(NAMES[from]);
            self.names.insert(NAMES[to], file);
        }
        Ok(())
    }
}

struct Slot<F> {
    file: F,
    model: usize,
    write: bool,
    next: usize,
}

/// How others' changes become visible.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rule {
    /// At once: a lease is taken back first.
    Leases,
    /// After a second.
    Time,
    /// When they are told.
    Events,
}

struct Game {
    world: World,
    rule: Rule,
    model: Model,
    here: [Option<Slot<File>>; HERE],
    there: [Option<Slot<MemoryFile>>; THERE],
    step: u8,
}

impl Game {
    async fn new(rule: Rule) -> Game {
        let lease = match rule {
            Rule::Leases => ALL,
            Rule::Time => NONE,
            Rule::Events => Lease { write: true, ..NONE },
        };
        let limits = Limits { memory: 3 * M, read_ahead: M, ..Limits::default() };
        let world = World::with(lease, limits).await;
        match rule {
            Rule::Leases => world.here.set_lifetime(Duration::ZERO),
            Rule::Time => world.here.set_lifetime(Duration::from_secs(2)),
            Rule::Events => world.here.watch(Duration::from_secs(3600)),
        }
        world.there.make_directory("d").await.unwrap();
        Game {
            world,
            rule,
            model: Model::default(),
            here: Default::default(),
            there: Default::default(),
            step: 0,
        }
    }

    /// The other client has done something; from now on it must be seen.
    async fn let_it_be_seen(&self) {
        match self.rule {
            Rule::Leases => {}
            Rule::Time => advance(Duration::from_millis(1001)).await,
            Rule::Events => {
                // They are told in order, so that this one is told last.
                let seen = locked(&self.world.events).iter().filter(|event| *event == "changed mark").count();
                self.world.here.tell(mpr_remotefs::Event::Changed { path: "mark".to_owned() });
                let marked = || {
                    locked(&self.world.events).iter().filter(|event| *event == "changed mark").count() > seen
                };
                until(marked).await;
                // Contents are not told of file by file while nobody asks; they have their own second.
                advance(Duration::from_millis(1001)).await;
            }
        }
    }

    fn file_of(&mut self, name: usize) -> usize {
        let next = self.model.files.len();
        let file = *self.model.names.entry(NAMES[name]).or_insert(next);
        if file == next {
            self.model.files.push(Vec::new());
        }
        file
    }

    fn data(&self, len: usize) -> Vec<u8> {
        (0..len).map(|at| self.step.wrapping_mul(31).wrapping_add((at / 3) as u8)).collect()
    }

    async fn play(&mut self, step: Step) {
        self.step = self.step.wrapping_add(1);
        let cached = Arc::clone(&self.world.cached);
        let there = self.world.there.clone();
        match step {
            Step::Open { slot, name, read_only } => {
                if let Some(old) = self.here[slot].take() {
                    cached.settle(&old.file).await.unwrap();
                    cached.close(&old.file).await;
                }
                let access = Access { read: true, write: !read_only };
                let known = self.model.names.get(NAMES[name]).copied();
                let opened = match known {
                    Some(_) => cached.open(NAMES[name], access).await,
                    None => cached.create(NAMES[name], new(false)).await,
                };
                let (file, now) = opened.unwrap();
                let model = self.file_of(name);
                assert_eq!(now.size, self.model.files[model].len() as u64);
                let write = known.is_none() || !read_only;
                self.here[slot] = Some(Slot { file, model, write, next: 0 });
            }
            Step::Write { slot, at, len } => {
                let data = self.data(len);
                let Some(slot) = &self.here[slot] else { return };
                let written = self.world.write(&slot.file, at, &data).await;
                if slot.write {
                    written.unwrap();
                    self.model.write(slot.model, at, &data);
                } else {
                    written.unwrap_err();
                }
            }
            Step::WriteTogether { slots, at, len } => {
                let data = self.data(len);
                let write = async |place: usize| {
                    let Some(slot) = &self.here[slots[place]] else { return };
                    if slot.write {
                        self.world.write(&slot.file, at + place * len, &data).await.unwrap();
                    }
                };
                tokio::join!(write(0), write(1), write(2));
                for (place, slot) in slots.into_iter().enumerate() {
                    if let Some(slot) = self.here[slot].as_ref().filter(|slot| slot.write) {
                        self.model.write(slot.model, at + place * len, &data);
                    }
                }
            }
            Step::Read { slot, at, len } => {
                let Some(slot) = &self.here[slot] else { return };
                let read = self.world.read(&slot.file, at, len).await;
                assert!(read == self.model.read(slot.model, at, len), "{at}, {len}");
            }
            Step::ReadOn { slot, times } => {
                let Some(slot) = &mut self.here[slot] else { return };
                for _ in 0..times {
                    let read = self.world.read(&slot.file, slot.next, 64 * K).await;
                    assert!(read == self.model.read(slot.model, slot.next, 64 * K), "{}", slot.next);
                    slot.next = if read.len() < 64 * K { 0 } else { slot.next + 64 * K };
                }
            }
            Step::StatOpen { slot } => {
                let Some(slot) = &self.here[slot] else { return };
                let size = self.model.files[slot.model].len() as u64;
                assert_eq!(cached.stat_open(&slot.file).await.unwrap().size, size);
            }
            Step::Stat { name } => {
                let now = cached.stat(NAMES[name]).await.map(|now| now.size);
                assert_eq!(now, self.size_of(name));
            }
            Step::List => self.list(&cached).await,
            Step::Truncate { slot, size } => {
                let Some(slot) = self.here[slot].as_ref().filter(|slot| slot.write) else { return };
                let changes = Changes { size: Some(size as u64), ..Changes::default() };
                assert_eq!(cached.change_open(&slot.file, changes).await.unwrap().size, size as u64);
                self.model.files[slot.model].resize(size, 0);
            }
            Step::TruncateName { name, size } => {
                let changes = Changes { size: Some(size as u64), ..Changes::default() };
                let changed = cached.change(NAMES[name], changes).await.map(|now| now.size);
                if let Some(file) = self.model.names.get(NAMES[name]) {
                    self.model.files[*file].resize(size, 0);
                }
                assert_eq!(changed, self.size_of(name));
            }
            Step::Settle { slot } => {
                let Some(slot) = &self.here[slot] else { return };
                cached.settle(&slot.file).await.unwrap();
                assert_eq!(cached.stats().bytes_lost, 0);
            }
            Step::Flush { slot } => {
                let Some(slot) = self.here[slot].as_ref().filter(|slot| slot.write) else { return };
                cached.flush(&slot.file).await.unwrap();
            }
            Step::Copy { from, to, at, to_at, len } => {
                let (Some(from), Some(to)) = (&self.here[from], &self.here[to]) else { return };
                if !to.write {
                    return;
                }
                let copied =
                    cached.copy(&from.file, at as u64, &to.file, to_at as u64, len as u64).await.unwrap();
                let data = self.model.read(from.model, at, len).to_vec();
                assert_eq!(copied, data.len() as u64);
                if !data.is_empty() {
                    self.model.write(to.model, to_at, &data);
                }
            }
            Step::Punch { slot, at, len } => {
                let Some(slot) = self.here[slot].as_ref().filter(|slot| slot.write) else { return };
                let range = at as u64..(at + len) as u64;
                cached.allocate(&slot.file, range, Allocation::Punch).await.unwrap();
                let contents = &mut self.model.files[slot.model];
                let (from, to) = (at.min(contents.len()), (at + len).min(contents.len()));
                contents[from..to].fill(0);
            }
            Step::Rename { from, to } => {
                let renamed = cached.rename(NAMES[from], NAMES[to], true).await;
                assert_eq!(renamed, self.model.rename(from, to));
            }
            Step::Remove { name } => {
                let removed = cached.remove_file(NAMES[name], true).await;
                assert_eq!(removed.is_ok(), self.model.names.remove(NAMES[name]).is_some());
            }
            Step::Link { name, also } => {
                let linked = cached.link(NAMES[name], NAMES[also]).await.map(|now| now.size);
                match (self.model.names.get(NAMES[name]).copied(), self.model.names.get(NAMES[also])) {
                    (None, _) => assert_eq!(linked, Err(Errno::NOT_FOUND)),
                    (Some(_), Some(_)) => assert_eq!(linked, Err(Errno::EXISTS)),
                    (Some(file), None) => {
                        self.model.names.insert(NAMES[also], file);
                        assert_eq!(linked, self.size_of(name));
                    }
                }
            }
            Step::ThereOpen { slot, name } => {
                self.there[slot] = None;
                let new_there = !self.model.names.contains_key(NAMES[name]);
                let (file, now) = there.create(NAMES[name], new(false)).await.unwrap();
                let model = self.file_of(name);
                assert_eq!(now.size, self.model.files[model].len() as u64);
                self.there[slot] = Some(Slot { file, model, write: true, next: 0 });
                if new_there {
                    self.let_it_be_seen().await;
                }
            }
            Step::ThereWrite { slot, at, len } => {
                let data = self.data(len);
                let Some(slot) = &self.there[slot] else { return };
                there.write(&slot.file, at as u64, data.clone().into()).await.unwrap();
                self.model.write(slot.model, at, &data);
                self.let_it_be_seen().await;
            }
            Step::ThereRead { slot, at, len } => {
                let Some(slot) = &self.there[slot] else { return };
                let read = there.read(&slot.file, at as u64, len).await.unwrap();
                assert!(read == self.model.read(slot.model, at, len), "{at}, {len}");
            }
            Step::ThereTruncate { slot, size } => {
                let Some(slot) = &self.there[slot] else { return };
                let changes = Changes { size: Some(size as u64), ..Changes::default() };
                there.change_open(&slot.file, changes).await.unwrap();
                self.model.files[slot.model].resize(size, 0);
                self.let_it_be_seen().await;
            }
            Step::ThereRename { from, to } => {
                let renamed = there.rename(NAMES[from], NAMES[to], true).await;
                assert_eq!(renamed, self.model.rename(from, to));
                self.let_it_be_seen().await;
            }
            Step::ThereRemove { name } => {
                let removed = there.remove_file(NAMES[name], false).await;
                assert_eq!(removed.is_ok(), self.model.names.remove(NAMES[name]).is_some());
                self.let_it_be_seen().await;
            }
            Step::Pass { milliseconds } => {
                tokio::task::yield_now().await;
                advance(Duration::from_millis(milliseconds)).await;
                tokio::task::yield_now().await;
            }
        }
        let stats = self.world.cached.stats();
        assert!(stats.bytes_kept <= 3 * M as u64, "{stats:?}");
    }

    fn size_of(&self, name: usize) -> Result<u64> {
        let file = self.model.names.get(NAMES[name]).ok_or(Errno::NOT_FOUND)?;
        Ok(self.model.files[*file].len() as u64)
    }

    async fn list(&self, cached: &Cached<MemoryFs>) {
        for (path, prefix) in [("", ""), ("d", "d/")] {
            let directory = cached.open_directory(path).await.unwrap();
            let mut entries = Vec::new();
            loop {
                let part = cached.next_entries(&directory).await.unwrap();
                if part.is_empty() {
                    break;
                }
                entries.extend(part);
            }
            cached.close_directory(&directory).await;
            let mut listed: Vec<_> = entries
                .into_iter()
                .filter(|entry| entry.name != "d")
                .map(|entry| (format!("{prefix}{}", entry.name), entry.attributes.size))
                .collect();
            listed.sort();
            let here = |name: &&&str| (**name).rsplit_once('/').map_or("", |(above, _)| above) == path;
            let mut expected: Vec<_> = self
                .model
                .names
                .keys()
                .filter(here)
                .map(|name| ((*name).to_owned(), self.model.files[self.model.names[name]].len() as u64))
                .collect();
            expected.sort();
            assert_eq!(listed, expected);
        }
    }

    /// Closes everything; then the server has what the model has, and nothing is kept.
    async fn end(mut self) {
        for slot in self.here.iter_mut().filter_map(Option::take) {
            self.world.cached.settle(&slot.file).await.unwrap();
            self.world.cached.close(&slot.file).await;
        }
        self.world.cached.shut_down().await;
        self.there = Default::default();
        for (name, file) in &self.model.names {
            assert!(self.world.at_server(name).await == self.model.files[*file], "{name}");
        }
        let stats = self.world.cached.stats();
        assert_eq!((self.world.here.open_handles(), stats.bytes_dirty, stats.bytes_lost), (0, 0, 0));
        until(|| self.world.cached.stats().bytes_kept == 0).await;
    }
}

fn play(rule: Rule, steps: Vec<Step>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut game = Game::new(rule).await;
        // The clock goes on only while everybody waits: this is reached at once by what hangs.
        let long = Duration::from_secs(1000);
        for step in steps {
            let hung = tokio::time::timeout(long, game.play(step.clone())).await.is_err();
            assert!(!hung, "{step:?} hangs");
        }
        tokio::time::timeout(long, game.end()).await.expect("the end hangs");
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn with_leases_everybody_sees_everything_at_once(steps in prop::collection::vec(step(), 1..70)) {
        play(Rule::Leases, steps);
    }

    #[test]
    fn without_leases_what_others_did_is_seen_after_a_second(steps in prop::collection::vec(step(), 1..70)) {
        play(Rule::Time, steps);
    }

    #[test]
    fn with_notifications_what_others_did_is_seen_when_it_was_told(
        steps in prop::collection::vec(step(), 1..70)
    ) {
        play(Rule::Events, steps);
    }

    #[test]
    fn every_failure_is_told_once_and_everything_else_arrives(
        steps in prop::collection::vec((0usize..3, 0u8..8, place(), length()), 1..60)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(fail_now_and_then(steps));
    }
}

/// Writes to several files, some of which fails. Of each loss somebody is told exactly once, and never of one
/// that was not.
async fn fail_now_and_then(steps: Vec<(usize, u8, usize, usize)>) {
    let world = World::new(ALL).await;
    let mut files = Vec::new();
    for name in ["0", "1", "2"] {
        files.push(world.made(name).await);
    }
    let mut model: Vec<Vec<u8>> = vec![Vec::new(); files.len()];
    let mut told = vec![0; files.len()];
    let losses =
        |file: usize| locked(&world.losses).iter().filter(|loss| loss.path == file.to_string()).count();
    for (number, (file, what, at, len)) in steps.into_iter().enumerate() {
        let settled = match what {
            0 => {
                world.here.fail(Call::Write, Errno(libc::ENOSPC));
                continue;
            }
            1 => world.cached.settle(&files[file]).await,
            2 => world.cached.flush(&files[file]).await,
            3 => {
                tokio::task::yield_now().await;
                continue;
            }
            _ => {
                let data = vec![number as u8 | 1; len];
                let lost = losses(file);
                match world.write(&files[file], at, &data).await {
                    Ok(()) => {
                        let contents = &mut model[file];
                        contents.resize(contents.len().max(at + len), 0);
                        contents[at..at + len].copy_from_slice(&data);
                    }
                    Err(_) => {
                        assert!(lost > told[file], "told of nothing");
                        told[file] = lost;
                    }
                }
                continue;
            }
        };
        let lost = losses(file);
        assert_eq!(settled.is_err(), lost > told[file], "{settled:?}");
        told[file] = lost;
    }
    for (file, contents) in model.iter().enumerate() {
        let settled = world.cached.settle(&files[file]).await;
        assert_eq!(settled.is_err(), losses(file) > told[file]);
        world.cached.settle(&files[file]).await.unwrap();
        // Where only a lost write would have made the file longer, there is nothing.
        let mut there = world.at_server(&file.to_string()).await;
        let mut contents = contents.clone();
        there.resize(contents.len(), 0);
        for loss in locked(&world.losses).iter().filter(|loss| loss.path == file.to_string()) {
            let range = loss.range.start as usize..(loss.range.end as usize).min(contents.len());
            there[range.clone()].fill(0);
            contents[range].fill(0);
        }
        assert!(there == contents, "{file}");
    }
}
