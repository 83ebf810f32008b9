//! What happens without having been asked for: leases that are taken back, names that others change, connections
//! that are lost.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use mpr_remotefs::{Event, Lease, Recall};
use smb2::msg::change_notify::{ChangeNotifyRequest, ChangeNotifyResponse};
use smb2::msg::create::CreateDisposition;
use smb2::types::Command;
use smb2::types::flags::FileAccessMask;
use smb2::types::status::NtStatus;
use tokio::sync::Notify;

use super::echo::Echoes;
use super::handle::Grip;
use super::lease::Leased;
use super::mending::COOL_DOWN;
use super::{EXAMINE, SmbFile, SmbFs};
use crate::channel::Pending;
use crate::link::{Asked, Link, parse};
use crate::notices::{Break, What, Yielded, parse_changes};
use crate::{locked, wire};

/// How long names and attributes may be believed while the server tells of changes, and while it does not. No
/// server tells of everything: Samba says nothing of what is merely written.
const WATCHED: Duration = Duration::from_secs(5);
const UNWATCHED: Duration = Duration::from_secs(1);
/// How long the server may collect what was done here before it is asked again: it tells of each thing otherwise, and
/// is then busier telling than doing.
const COLLECTING: Duration = Duration::from_millis(50);
/// Names, lengths, times and attributes, but not the times of reading.
const CHANGES: u32 = 0x5F;
const WHOLE_TREE: u16 = 1;
/// Bytes of changes the server keeps between two requests. Beyond that it says that there were too many.
const ROOM: u32 = 65536;
/// Too many changes to be told one by one.
const TOO_MANY: NtStatus = NtStatus(0x0000_010C);
/// Events nobody has fetched. With more than these, one says that some were missed.
const MOST_EVENTS: usize = 4096;
/// Leases taken back of which nobody has been told. A server that takes back more without pause than can be told takes back
/// what is not held.
const MOST_RECALLS: usize = 65536;

/// What is to be told, and what is known of it.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Somebody listens.
    listening: AtomicBool,
    queue: Mutex<VecDeque<Event>>,
    more: Notify,
    watch: tokio::sync::Mutex<Watch>,
    /// The connection on which the server tells of changes, and one more; 0 if it does not.
    watched: AtomicU64,
    echoes: Mutex<Echoes>,
}

/// The question to the server what changes.
#[derive(Debug, Default)]
struct Watch {
    generation: Option<u64>,
    root: Option<Grip>,
    question: Option<Pending>,
    /// It is not asked before.
    not_before: Option<Instant>,
    /// The server does not answer it.
    refused: bool,
}

/// What the server had to tell.
enum Told {
    /// Something that others have done, or may have done.
    News,
    /// Only what was done here.
    Echoes,
    /// It does not tell, and need not be asked again.
    Nothing,
}

impl SmbFs {
    /// Whether leases are to be asked for.
    pub(super) fn listens(&self) -> bool {
        self.news.listening.load(Ordering::Relaxed)
    }

    pub(super) fn may_keep(&self, file: &SmbFile) -> Lease {
        let link = self.now();
        match &*locked(&file.0.lease) {
            Some(leased) if !link.is_lost() => leased.now(link.generation),
            _ => Lease::default(),
        }
    }

    pub(super) fn believable(&self) -> Duration {
        let link = self.now();
        let watched = self.news.watched.load(Ordering::Relaxed) == link.generation + 1;
        if watched && !link.is_lost() { WATCHED } else { UNWATCHED }
    }

    /// A name is about to be given or taken here: the server may tell of it before it answers.
    pub(super) fn did_name(&self, path: &str, given: bool) {
        if self.news.watched.load(Ordering::Relaxed) != 0 {
            locked(&self.news.echoes).did_name(path, given, Instant::now());
        }
    }

    /// What a name stands for is about to be changed here.
    pub(super) fn did_change(&self, path: &str) {
        if self.news.watched.load(Ordering::Relaxed) != 0 {
            locked(&self.news.echoes).did_change(path, Instant::now());
        }
    }

    /// The lease of a file is held no more, though the server has not taken it back.
    pub(super) fn interrupted(&self, leased: &Leased, generation: u64) {
        leased.interrupted();
        if let Some((id, keep)) = leased.take_lost(generation) {
            self.tell(Event::Recalled(Recall { id, keep, done: None }));
        }
    }

    /// Waits for what happens next.
    pub(super) async fn next_news(&self) -> Event {
        self.news.listening.store(true, Ordering::Relaxed);
        let mut watch = self.news.watch.lock().await;
        loop {
            if let Some(event) = locked(&self.news.queue).pop_front() {
                return event;
            }
            let Ok(link) = self.link().await else {
                tokio::time::sleep(COOL_DOWN).await;
                continue;
            };
            if watch.generation != Some(link.generation) {
                let first = watch.generation.is_none();
                *watch = Watch::default();
                if !first {
                    self.take_stock(&link).await;
                }
                watch.generation = Some(link.generation);
                continue;
            }
            let now = Instant::now();
            watch.not_before = watch.not_before.filter(|when| *when > now);
            if watch.question.is_none() && watch.not_before.is_none() && !watch.refused {
                let asked = self.ask_what_changes(&link, &mut watch).await;
                watch.refused = asked.is_err();
                let watched = if watch.refused { 0 } else { link.generation + 1 };
                self.news.watched.store(watched, Ordering::Relaxed);
            }
            let (due, not_before) = (locked(&self.news.echoes).next_due(), watch.not_before);
            tokio::select! {
                broken = link.channel().next_break() => match broken {
                    Some(body) => self.taken_back(&link, &body),
                    None => link.channel().lost().await,
                },
                answered = answer(&mut watch.question) => {
                    let question = watch.question.take();
                    if answered.is_ok() && let Some(question) = question {
                        match self.told(&link, question) {
                            Told::News => {}
                            Told::Echoes => watch.not_before = Some(Instant::now() + COLLECTING),
                            Told::Nothing => watch.refused = true,
                        }
                    }
                }
                () = link.channel().lost() => self.news.watched.store(0, Ordering::Relaxed),
                () = self.news.more.notified() => {}
                () = at(due) => self.tell_of_echoes(),
                () = at(not_before) => {}
            }
        }
    }

    /// After a connection was made again: files that are open are claimed at once, while the server still keeps
    /// them, and what is no longer held is told.
    async fn take_stock(&self, link: &Link) {
        let open: Vec<_> = locked(&self.open).values().filter_map(Weak::upgrade).collect();
        for file in open {
            // What fails here fails again when it is next used, and is told then.
            let _ = self.handle(&file).await;
        }
        for leased in locked(&self.leases).all() {
            if let Some((id, keep)) = leased.take_lost(link.generation) {
                self.tell(Event::Recalled(Recall { id, keep, done: None }));
            }
        }
        self.tell(Event::Missed);
    }

    /// Asks the server to say what changes next. It remembers what changes before it is asked again.
    async fn ask_what_changes(&self, link: &Arc<Link>, watch: &mut Watch) -> Asked<()> {
        let root = match &watch.root {
            Some(root) => root.id,
            None => {
                let access = FileAccessMask::FILE_READ_DATA | EXAMINE;
                let opened = self
                    .create_raw(link, "", access, CreateDisposition::FileOpen, wire::DIRECTORY, 0)
                    .await?;
                watch.root.insert(opened.grip).id
            }
        };
        let question = ChangeNotifyRequest {
            flags: WHOLE_TREE,
            output_buffer_length: ROOM,
            file_id: root,
            completion_filter: CHANGES,
        };
        let begun = link.channel().begin(&[link.request(Command::ChangeNotify, &question, ROOM)]).await?;
        watch.question = begun.into_iter().next();
        Ok(())
    }

    /// The server has answered what changes.
    fn told(&self, link: &Link, question: Pending) -> Told {
        let Ok(answer) = question.take() else { return Told::Nothing };
        let changes = match answer.status {
            TOO_MANY => None,
            _ => match link.judge(answer) {
                Ok(body) => parse::<ChangeNotifyResponse>(&body)
                    .ok()
                    .filter(|told| !told.output_data.is_empty())
                    .and_then(|told| parse_changes(&told.output_data)),
                Err(_) => {
                    self.news.watched.store(0, Ordering::Relaxed);
                    self.tell(Event::Missed);
                    return Told::Nothing;
                }
            },
        };
        let Some(changes) = changes else {
            self.tell(Event::Missed);
            return Told::News;
        };
        let news = changes.into_iter().filter_map(|(what, path)| self.news_of(link, what, path));
        let mut told = Told::Echoes;
        for event in news {
            told = Told::News;
            self.tell(event);
        }
        told
    }

    /// What somebody else has done, if it was somebody else.
    fn news_of(&self, link: &Link, what: What, path: String) -> Option<Event> {
        if path.rsplit('/').next().is_some_and(|name| name.starts_with(wire::REMOVED_PREFIX)) {
            return None;
        }
        let now = Instant::now();
        match what {
            What::Given | What::Taken => locked(&self.news.echoes)
                .is_news_of_name(&path, what == What::Given, now)
                .then_some(Event::Renamed { path }),
            What::Contents => {
                // Nobody else has changed a file whose lease is held.
                let leased = locked(&self.leases).known(&path);
                let held = leased.is_some_and(|leased| leased.now(link.generation).read);
                (!held && locked(&self.news.echoes).is_news_of_contents(&path, now))
                    .then_some(Event::Changed { path })
            }
        }
    }

    fn tell_of_echoes(&self) {
        for path in locked(&self.news.echoes).due(Instant::now()) {
            self.tell(Event::Changed { path });
        }
    }

    fn taken_back(&self, link: &Arc<Link>, body: &[u8]) {
        let Some(taken) = Break::parse(body) else { return };
        let leased = locked(&self.leases).with_key(&taken.key);
        let yields = {
            let link = Arc::downgrade(link);
            let leased = leased.clone();
            move || {
                let Some(link) = link.upgrade().filter(|link| !link.is_lost()) else { return };
                link.post(Command::OplockBreak, Yielded { key: taken.key, left: taken.left });
                if let Some(leased) = &leased {
                    leased.yielded(link.generation);
                }
            }
        };
        match leased {
            Some(leased) => {
                let (id, keep) = leased.broken(link.generation, &taken);
                let done: Option<Box<dyn FnOnce() + Send>> =
                    if taken.wants_answer { Some(Box::new(yields)) } else { None };
                if locked(&self.news.queue).len() >= MOST_RECALLS {
                    // What it still thinks we hold ends with the connection.
                    link.channel().give_up();
                }
                self.tell(Event::Recalled(Recall { id, keep, done }));
            }
            // Its file has been closed meanwhile.
            None if taken.wants_answer => yields(),
            None => {}
        }
    }

    fn tell(&self, event: Event) {
        let mut queue = locked(&self.news.queue);
        if queue.len() < MOST_EVENTS || matches!(event, Event::Recalled(_)) {
            queue.push_back(event);
        } else {
            // Instead of all that is told of names. Leases that are taken back have to be told.
            queue.retain(|event| matches!(event, Event::Recalled(_)));
            queue.push_back(Event::Missed);
        }
        drop(queue);
        self.news.more.notify_one();
    }
}

/// The answer to a question that may not have been asked.
async fn answer(question: &mut Option<Pending>) -> Asked<()> {
    match question {
        Some(question) => question.ready().await,
        None => std::future::pending().await,
    }
}

async fn at(when: Option<Instant>) {
    match when {
        // A little later, so that it is over by then.
        Some(when) => tokio::time::sleep_until((when + Duration::from_millis(1)).into()).await,
        None => std::future::pending().await,
    }
}
