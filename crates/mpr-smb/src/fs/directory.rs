//! Reading directories.
//!
//! Most directories are read by one message: opened, listed, listed once more to hear that this was all, and closed.
//! One that is too large for that is opened once more without being closed, and after each part of it the next
//! is asked for before anybody wants it. As are the next ones, until one fits again: large ones come together.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use mpr_remotefs::{Entry, Errno, Result};
use smb2::msg::create::{CreateDisposition, CreateResponse};
use smb2::types::flags::FileAccessMask;
use smb2::types::status::NtStatus;
use smb2::types::{Command, FileId};
use tokio::task::JoinHandle;

use super::handle::Grip;
use super::{EXAMINE, SmbFs, ask_twice};
use crate::channel::{Answer, Pending};
use crate::entries;
use crate::link::{Asked, Link, Trouble, parse};
use crate::wire;

/// Bytes of the two parts of a listing that come with opening the directory: some thousand names, and that there are
/// no more.
const FIRST: u32 = 256 << 10;
const SECOND: u32 = 64 << 10;

/// A directory being read.
#[derive(Debug)]
pub struct SmbDirectory {
    path: String,
    state: tokio::sync::Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Parts that have come and were not taken yet.
    come: VecDeque<Vec<Entry>>,
    reading: Reading,
}

#[derive(Debug)]
enum Reading {
    /// There is more.
    Open { link: Arc<Link>, grip: Grip, next: Option<Pending> },
    /// That was all; it is being closed.
    Closing(JoinHandle<()>),
    /// That was all.
    Closed,
}

/// What came of opening a directory.
struct Opened {
    link: Arc<Link>,
    come: VecDeque<Vec<Entry>>,
    ended: bool,
    /// Unless it was closed again.
    grip: Option<Grip>,
}

impl SmbFs {
    pub(super) async fn start_listing(&self, path: &str) -> Result<SmbDirectory> {
        let small = self.small_directories.load(Ordering::Relaxed);
        let mut opened = ask_twice!(self.open_and_list(path, small).await)?;
        if !opened.ended && opened.grip.is_none() {
            opened = ask_twice!(self.open_and_list(path, false).await)?;
        }
        self.small_directories.store(opened.ended, Ordering::Relaxed);
        let Opened { link, come, ended, grip } = opened;
        let reading = match grip {
            None => Reading::Closed,
            Some(grip) if ended => Reading::Closing(tokio::spawn(grip.close())),
            Some(grip) => {
                let next = ask_for_more(&link, grip.id).await?;
                Reading::Open { link, grip, next }
            }
        };
        Ok(SmbDirectory { path: path.to_owned(), state: State { come, reading }.into() })
    }

    /// Opens a directory, reads the beginning of it, and closes it if it is thought to be `small`.
    async fn open_and_list(&self, path: &str, small: bool) -> Asked<Opened> {
        let link = self.link().await?;
        let access = FileAccessMask::FILE_READ_DATA | EXAMINE;
        let create = wire::create(&self.full(path), access, CreateDisposition::FileOpen, wire::DIRECTORY, 0);
        let room = link.channel().affordable(FIRST).min(link.max_listing);
        let first = wire::query_directory(FileId::SENTINEL, room);
        let second = wire::query_directory(FileId::SENTINEL, SECOND);
        let close = wire::close(FileId::SENTINEL);
        let requests = [
            link.request(Command::Create, &create, 0),
            link.request(Command::QueryDirectory, &first, room),
            link.request(Command::QueryDirectory, &second, SECOND),
            link.request(Command::Close, &close, 0),
        ];
        let requests = if small { &requests[..] } else { &requests[..3] };
        let mut answers = link.channel().chain(requests).await?.into_iter();
        let mut next = || answers.next().unwrap_or(Err(Trouble::Garbled));
        let created: CreateResponse = parse(&link.judge(next()?)?)?;
        let (first, second, closed) = (next(), next(), small.then(&mut next));
        let closed = closed.is_some_and(|closed| closed.is_ok_and(|closed| closed.status.is_success()));
        let grip = (!closed).then(|| Grip::on(&link, created.file_id, None));
        let mut come = VecDeque::with_capacity(2);
        let mut ended = match part(&link, first?)? {
            Some(entries) => {
                come.push_back(entries);
                false
            }
            None => true,
        };
        // A server that does not like to be asked twice in one message is asked once more.
        match part(&link, second?) {
            Ok(Some(entries)) if !ended => come.push_back(entries),
            Ok(None) => ended = true,
            Ok(_) | Err(Trouble::Status(_)) => {}
            Err(trouble) => return Err(trouble),
        }
        Ok(Opened { link, come, ended, grip })
    }

    /// The hidden names in a directory of files that were removed, as many as fit into one answer.
    pub(super) async fn hidden_in(&self, path: &str) -> Asked<Vec<String>> {
        let link = self.link().await?;
        let access = FileAccessMask::FILE_READ_DATA | EXAMINE;
        let create = wire::create(&self.full(path), access, CreateDisposition::FileOpen, wire::DIRECTORY, 0);
        let mut query = wire::query_directory(FileId::SENTINEL, SECOND);
        query.file_name = format!("{}*", wire::REMOVED_PREFIX);
        let close = wire::close(FileId::SENTINEL);
        let requests = [
            link.request(Command::Create, &create, 0),
            link.request(Command::QueryDirectory, &query, SECOND),
            link.request(Command::Close, &close, 0),
        ];
        let mut answers = link.channel().chain(&requests).await?.into_iter().skip(1);
        let listed = link.judge(answers.next().unwrap_or(Err(Trouble::Garbled))?)?;
        entries::hidden(&listed).ok_or(Trouble::Garbled)
    }

    pub(super) async fn go_on_listing(&self, directory: &SmbDirectory) -> Result<Vec<Entry>> {
        let mut state = directory.state.lock().await;
        let begun = Instant::now();
        loop {
            // A part in which nothing is visible is not the end.
            while let Some(mut entries) = state.come.pop_front() {
                if !entries.is_empty() {
                    self.find_links(&directory.path, &mut entries).await?;
                    return Ok(entries);
                }
            }
            let Reading::Open { link, grip, next } = &mut state.reading else { return Ok(Vec::new()) };
            // Each part is answered in time; that one is seen in the end is owed in the same time.
            if begun.elapsed() > self.target.settings.patience {
                return Err(Errno::TIMED_OUT);
            }
            if link.is_lost() {
                // Where a listing had come to is known to the old connection alone.
                return Err(Errno::LOST);
            }
            let mut asked = match next.take() {
                Some(asked) => asked,
                None => ask_for_more(link, grip.id).await?.ok_or(Errno::LOST)?,
            };
            asked.ready().await?;
            match part(link, asked.take()?)? {
                Some(entries) => {
                    *next = ask_for_more(link, grip.id).await?;
                    state.come.push_back(entries);
                }
                None => {
                    if let Reading::Open { grip, .. } = std::mem::replace(&mut state.reading, Reading::Closed)
                    {
                        state.reading = Reading::Closing(tokio::spawn(grip.close()));
                    }
                }
            }
        }
    }

    pub(super) async fn end_listing(&self, directory: &SmbDirectory) {
        let reading = std::mem::replace(&mut directory.state.lock().await.reading, Reading::Closed);
        match reading {
            Reading::Open { grip, .. } => grip.close().await,
            Reading::Closing(closing) => _ = closing.await,
            Reading::Closed => {}
        }
    }
}

/// Asks for the next part of a directory.
async fn ask_for_more(link: &Arc<Link>, id: FileId) -> Asked<Option<Pending>> {
    let room = link.channel().affordable(link.max_listing);
    let request = wire::query_directory(id, room);
    let begun = link.channel().begin(&[link.request(Command::QueryDirectory, &request, room)]).await?;
    Ok(begun.into_iter().next())
}

/// A part of a listing; `None` if there is nothing more.
fn part(link: &Link, answer: Answer) -> Asked<Option<Vec<Entry>>> {
    match link.judge(answer) {
        Ok(body) => entries::listed(&body).map(Some).ok_or(Trouble::Garbled),
        Err(Trouble::Status(NtStatus::NO_MORE_FILES)) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}
