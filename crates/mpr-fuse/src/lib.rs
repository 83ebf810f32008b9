//! The kernel's FUSE protocol.
//!
//! A [`Session`] speaks with the kernel through the descriptor of a mounted file system and has a
//! [`Filesystem`] answer its requests. What it is made for:
//!
//! * **Several queues**, a thread on each. A request is begun on the thread that read it ([`Tasks`]) and goes on
//!   elsewhere only if it has to wait.
//! * **No copy that can be avoided.** Requests are read where they lie; the bytes of a large write are handed on
//!   as they came; bytes that were read elsewhere are written to the kernel from where they are.
//! * **Interrupts are answered.** Who waits for a server that says nothing can be ended at once. The request
//!   itself goes on; whatever it brings that nobody takes any more is told by the answer ([`Reply`]).
//! * **Nothing is believed.** No length, no name, no order of messages.
//!
//! It knows nothing of mounting, which needs rights, and of file systems.

#![deny(unsafe_code)]

mod abi;
mod buffers;
mod interrupt;
mod listing;
mod notify;
mod queue;
mod reply;
mod request;
mod session;
mod signals;
#[allow(unsafe_code)]
mod sys;
mod task;

pub use abi::Malformed;
pub use listing::Listing;
pub use notify::{Notice, Notifier};
pub use reply::{Attr, Entry, OpenMode, Reply, Room};
pub use request::{FileLock, Forgotten, Header, LockRequest, Message, Operation, SetAttr, Stamp, Write};
pub use session::{Config, DEVICE, Filesystem, Session};
pub use task::Tasks;
