//! The directory in which files are being made one after the other: what it is afterwards is asked for with each of
//! them, over a handle that stays open meanwhile.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mpr_remotefs::{Attributes, Result};
use smb2::msg::create::{CreateDisposition, CreateResponse};
use smb2::msg::create_context::pack_contexts;
use smb2::msg::query_info::QueryInfoResponse;
use smb2::types::Command;
use tokio::time::Instant;

use super::handle::Grip;
use super::{EXAMINE, SmbFs};
use crate::link::{Asked, Link, Trouble};
use crate::wire::{self, Facts, Identity};
use crate::{contexts, locked};

/// How long a directory stays open in which nothing is made any more. Whoever removes it elsewhere waits for that; but
/// then there is something in it, too, that was made a moment ago.
const IDLE: Duration = Duration::from_millis(100);

/// Where something is being made.
#[derive(Debug, Default)]
pub(super) struct Making(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Where something was made last.
    last: Option<String>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    path: String,
    grip: Grip,
    number: u64,
    used: Instant,
}

impl SmbFs {
    /// What a directory is in which something is being made. Not asked for the first time: it may be the only one.
    pub(super) async fn ask_made_in(&self, directory: &str) -> Result<Option<Attributes>> {
        let link = self.link().await?;
        let (again, open) = {
            let mut state = locked(&self.making.0);
            let again = state.last.as_deref() == Some(directory);
            if !again {
                state.last = Some(directory.to_owned());
            }
            let open = state.open.as_mut().filter(|open| open.path == directory);
            (again, open.and_then(|open| open.use_on(&link)))
        };
        let asked = match open {
            Some((id, number)) => {
                let answer: QueryInfoResponse =
                    link.call(Command::QueryInfo, &wire::query_attributes(id), 0).await?;
                let facts = Facts::parse(&answer.output_buffer).ok_or(Trouble::Garbled)?;
                facts.of(Identity { number, ..Identity::UNKNOWN })
            }
            None if again => self.open_to_make_in(&link, directory).await?,
            None => return Ok(None),
        };
        Ok(Some(asked))
    }

    async fn open_to_make_in(&self, link: &Arc<Link>, directory: &str) -> Asked<Attributes> {
        let mut create =
            wire::create(&self.full(directory), EXAMINE, CreateDisposition::FileOpen, wire::DIRECTORY, 0);
        create.create_contexts = pack_contexts(&[contexts::number()]);
        let created: CreateResponse = link.call(Command::Create, &create, 0).await?;
        let grip = Grip::on(link, created.file_id, None);
        let number = contexts::told_number(&created.create_contexts).ok_or(Trouble::Garbled)?;
        let open = Open { path: directory.to_owned(), grip, number, used: Instant::now() };
        let before = locked(&self.making.0).open.replace(open);
        if before.is_none() {
            tokio::spawn(close_when_idle(Arc::clone(&self.making.0)));
        }
        Ok(Facts::of_create(&created).of(Identity { number, ..Identity::UNKNOWN }))
    }

    /// A directory is about to be removed or renamed, and with it what is below. Nothing of ours is to stand in the way.
    pub(super) async fn make_in_no_more(&self, path: &str) {
        let open = {
            let mut state = locked(&self.making.0);
            let below = |open: &Open| {
                open.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            if state.open.as_ref().is_some_and(below) { state.open.take() } else { None }
        };
        if let Some(open) = open {
            open.grip.close().await;
        }
    }
}

impl Open {
    fn use_on(&mut self, link: &Link) -> Option<(smb2::types::FileId, u64)> {
        self.used = Instant::now();
        (self.grip.generation == link.generation).then_some((self.grip.id, self.number))
    }
}

async fn close_when_idle(making: Arc<Mutex<State>>) {
    loop {
        let until = {
            let mut state = locked(&making);
            let Some(open) = &state.open else { return };
            let until = open.used + IDLE;
            if until <= Instant::now() {
                // Dropped, it is closed.
                *state = State::default();
                return;
            }
            until
        };
        tokio::time::sleep_until(until).await;
    }
}
