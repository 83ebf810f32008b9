//! Letting those go who wait for an answer and are to be disturbed by a signal.
//!
//! The kernel speaks of a signal once, and only to those whose request it sent while they waited: not to who waits
//! for a page that is being read ahead, nor to who reads past the page cache. So whoever waits for longer than
//! most is looked at from time to time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::abi::opcode;
use crate::queue::{Queue, Waiting};
use crate::reply;
use crate::signals::{Verdict, is_ending, verdict};

/// How often those who wait are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// After how many looks nobody waits any more who was asked to end and can do so by themselves.
const PATIENCE: u32 = 20;
/// After how many looks at nobody nobody is looked for.
const NOBODY: u32 = 5;

/// Looks at those who wait, while there are any.
#[derive(Debug)]
pub(crate) struct Watch {
    queues: Vec<Arc<Queue>>,
    is_on: AtomicBool,
}

impl Watch {
    pub(crate) fn over(queues: &[Arc<Queue>]) -> Arc<Watch> {
        Arc::new(Watch { queues: queues.to_vec(), is_on: AtomicBool::new(false) })
    }

    /// Somebody waits.
    pub(crate) fn be_on(self: &Arc<Self>, runtime: &Handle) {
        if !self.is_on.load(Ordering::Acquire) && !self.is_on.swap(true, Ordering::AcqRel) {
            let watch = Arc::clone(self);
            runtime.spawn(async move { watch.look().await });
        }
    }

    async fn look(&self) {
        loop {
            self.look_while_anybody_waits().await;
            self.is_on.store(false, Ordering::Release);
            // Who came between the last look and now was told that we are looking.
            let missed = self.queues.iter().any(|queue| !queue.all().is_empty());
            if !missed || self.is_on.swap(true, Ordering::AcqRel) {
                return;
            }
        }
    }

    async fn look_while_anybody_waits(&self) {
        let mut nobody = 0;
        while nobody < NOBODY {
            sleep(LOOK).await;
            nobody += 1;
            for queue in &self.queues {
                for waiting in queue.all() {
                    nobody = 0;
                    let looks = waiting.looked_at();
                    // Most are answered before they are seen twice.
                    if looks > 0 && waiting.is_somebodys() {
                        let_go_if_due(queue, &waiting, looks);
                    }
                }
            }
        }
    }
}

/// Somebody who waits for the answer to `unique` has got a signal.
pub(crate) fn interrupt(queues: &[Arc<Queue>], unique: u64) {
    match queues.iter().find_map(|queue| Some((queue, queue.find(unique)?))) {
        Some((queue, waiting)) => {
            if waiting.header.opcode == opcode::SETLKW {
                // Waiting for a lock is what every signal ends.
                queue.answer(&waiting, -libc::EINTR, &[]);
            } else {
                let_go_if_due(queue, &waiting, 0);
            }
        }
        // Answered just now, or read by another thread that has not yet come to it. The kernel knows which: told
        // to come again, it does if somebody still waits. It listens on the queue that has the request.
        None => queues.iter().for_each(|queue| {
            let _ = reply::send(&queue.device, unique | 1, -libc::EAGAIN, &[]);
        }),
    }
}

/// Answers with `EINTR` what is not to be waited for any more.
fn let_go_if_due(queue: &Queue, waiting: &Waiting, looks: u32) {
    let due = match verdict(waiting.header.pid) {
        Verdict::Dying => true,
        Verdict::AskedToEnd if only_asks(waiting.header.opcode) => looks >= PATIENCE,
        // Ended or not, the kernel closes its files, and asks what has become of what was written to them.
        _ => waiting.header.opcode == opcode::FLUSH && is_ending(waiting.header.pid),
    };
    if due {
        queue.answer(waiting, -libc::EINTR, &[]);
    }
}

/// Whether nothing is changed by a request, so that it can be asked again without doing anything twice.
fn only_asks(opcode: u32) -> bool {
    matches!(
        opcode,
        opcode::LOOKUP
            | opcode::GETATTR
            | opcode::READLINK
            | opcode::OPEN
            | opcode::READ
            | opcode::STATFS
            | opcode::GETXATTR
            | opcode::LISTXATTR
            | opcode::OPENDIR
            | opcode::READDIR
            | opcode::READDIRPLUS
            | opcode::GETLK
            | opcode::LSEEK
    )
}
