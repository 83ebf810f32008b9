//! A connection with the kernel, from the first message to the last.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;

use crate::abi::{FIRST_ROOM, MAJOR, MINOR, OLDEST_MINOR, REQUEST_ROOM};
use crate::abi::{Fields, Malformed, init, opcode};
use crate::buffers::{Buffer, Buffers};
use crate::interrupt::{self, Watch};
use crate::notify::Notifier;
use crate::queue::{Queue, Waiting};
use crate::reply::{self, Out, Reply};
use crate::request::{Header, Message, Operation, Write};

/// Where the kernel is met.
pub const DEVICE: &str = "/dev/fuse";

/// Something that answers the kernel's requests.
///
/// These are called on the threads that read them. Whatever takes longer goes on in a task, for which there are
/// [`Tasks`](crate::Tasks).
pub trait Filesystem: Send + Sync + 'static {
    /// Answers a request.
    fn answer(&self, header: &Header, operation: Operation<'_>, reply: Reply);

    /// Answers a write.
    fn write(&self, header: &Header, write: Write, data: Bytes, reply: Reply);

    /// The kernel has forgotten a node it had been told of this many times.
    fn forget(&self, node: u64, times: u64);
}

/// How a connection is to be.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// The most bytes in one read or write; a whole number of pages.
    pub max_write: u32,
    /// The unit of times.
    pub granularity: Duration,
    /// How many requests that nobody waits for may be under way.
    pub background: u16,
    /// How many threads read requests.
    pub threads: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config { max_write: 1 << 20, granularity: Duration::from_nanos(100), background: 64, threads: 2 }
    }
}

/// A connection with the kernel, agreed upon.
#[derive(Debug)]
pub struct Session {
    device: File,
    config: Config,
    /// The version both speak.
    minor: u32,
}

impl Session {
    /// Waits for the kernel's first message on `device`, a descriptor of [`DEVICE`] through which a file system
    /// was just mounted, and agrees with it on how to go on.
    pub fn begin(device: OwnedFd, config: Config) -> io::Result<Session> {
        let device = File::from(device);
        // As large as one for writes it would be memory that the first buffer for these is cleared in.
        let mut buffer = vec![0; FIRST_ROOM];
        loop {
            let message = match (&device).read(&mut buffer) {
                Ok(len) => &buffer[..len],
                Err(error) if is_passing(&error) => continue,
                Err(error) => return Err(error),
            };
            let malformed = |_: Malformed| io::Error::from(io::ErrorKind::InvalidData);
            let (header, body) = Header::parse(message).map_err(malformed)?;
            if header.opcode != opcode::INIT {
                let _ = reply::send(&device, header.unique, -libc::EIO, &[]);
                continue;
            }
            let offer = Offer::parse(body).map_err(malformed)?;
            match offer.judge() {
                Judgement::Refused => {
                    let _ = reply::send(&device, header.unique, -libc::EPROTO, &[]);
                    return Err(io::Error::new(
                        io::ErrorKind::Unsupported,
                        format!("the kernel speaks version {}.{} of FUSE", offer.major, offer.minor),
                    ));
                }
                // It comes again with the version we know.
                Judgement::TooNew => {
                    reply::send(&device, header.unique, 0, &[&offer.counter_offer()])?;
                }
                Judgement::Agreed => {
                    reply::send(&device, header.unique, 0, &[&offer.accept(&config)])?;
                    return Ok(Session { device, config, minor: offer.minor.min(MINOR) });
                }
            }
        }
    }

    /// What tells the kernel of changes it has not asked for.
    pub fn notifier(&self) -> io::Result<Notifier> {
        Notifier::start(self.device.try_clone()?)
    }

    /// The version both speak: 7 and this.
    #[must_use]
    pub fn minor(&self) -> u32 {
        self.minor
    }

    /// Lets `filesystem` answer the kernel's requests, on threads of their own and in `runtime`. Calls `ended` when
    /// there will be no more, because the file system is mounted nowhere and no file in it is open.
    pub fn serve<F: Filesystem>(
        self,
        filesystem: Arc<F>,
        runtime: &Handle,
        ended: impl FnOnce() + Send + Sync + 'static,
    ) -> io::Result<()> {
        let queues = Arc::new(self.queues()?);
        let watch = Watch::over(&queues);
        let buffers = Buffers::of_size(REQUEST_ROOM + self.config.max_write as usize);
        // Dropped by the last reader.
        let ended = Arc::new(Ended(Some(ended)));
        for number in 0..queues.len() {
            let reader = Reader {
                filesystem: Arc::clone(&filesystem),
                queues: Arc::clone(&queues),
                watch: Arc::clone(&watch),
                number,
                buffer: buffers.take(),
                runtime: runtime.clone(),
            };
            let ended = Arc::clone(&ended);
            thread::Builder::new().name(format!("kernel-{number}")).spawn(move || {
                reader.read_until_the_end();
                drop(ended);
            })?;
        }
        Ok(())
    }

    /// A queue for each thread, where the kernel has them. All threads can share one, too.
    fn queues(&self) -> io::Result<Vec<Arc<Queue>>> {
        let first = Arc::new(Queue::new(self.device.try_clone()?));
        let mut queues = vec![Arc::clone(&first)];
        for _ in 1..self.config.threads.max(1) {
            queues.push(match self.another() {
                Ok(device) => Arc::new(Queue::new(device)),
                Err(_) => Arc::clone(&first),
            });
        }
        Ok(queues)
    }

    fn another(&self) -> io::Result<File> {
        let device = OpenOptions::new().read(true).write(true).custom_flags(libc::O_CLOEXEC).open(DEVICE)?;
        crate::sys::attach(&device, &self.device)?;
        Ok(device)
    }
}

struct Ended<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for Ended<F> {
    fn drop(&mut self) {
        if let Some(tell) = self.0.take() {
            tell();
        }
    }
}

/// What the kernel says it can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Offer {
    major: u32,
    minor: u32,
    max_readahead: u32,
    flags: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    Agreed,
    TooNew,
    Refused,
}

/// Each is welcome and none is needed: a kernel without it serves the same files more slowly.
///
/// * the rights of a program to a file it changes are ours to take away, and there are none: asking for them
///   before each write is spared;
/// * locks are ours, and meet those of other machines;
/// * a file is not emptied by opening it (`FUSE_ATOMIC_O_TRUNC`): the kernel would have it emptied before it finds
///   that it may not be, because a program runs from it. It asks for it once the file is open;
/// * contents that were kept are dropped when the time of the last change or the length is another one.
const WELCOME: u64 = init::ASYNC_READ
    | init::POSIX_LOCKS
    | init::BIG_WRITES
    | init::FLOCK_LOCKS
    | init::AUTO_INVAL_DATA
    | init::DO_READDIRPLUS
    | init::READDIRPLUS_AUTO
    | init::ASYNC_DIO
    | init::PARALLEL_DIROPS
    | init::HANDLE_KILLPRIV
    | init::ABORT_ERROR
    | init::MAX_PAGES
    | init::CACHE_SYMLINKS
    | init::HANDLE_KILLPRIV_V2
    | init::INIT_EXT;

impl Offer {
    fn parse(body: &[u8]) -> Result<Offer, Malformed> {
        let mut fields = Fields(body);
        let (major, minor) = (fields.u32()?, fields.u32()?);
        if major != MAJOR {
            return Ok(Offer { major, minor, max_readahead: 0, flags: 0 });
        }
        let max_readahead = fields.u32()?;
        let mut flags = u64::from(fields.u32()?);
        if flags & init::INIT_EXT != 0 {
            flags |= u64::from(fields.u32()?) << 32;
        }
        Ok(Offer { major, minor, max_readahead, flags })
    }

    fn judge(&self) -> Judgement {
        match self.major {
            MAJOR if self.minor >= OLDEST_MINOR => Judgement::Agreed,
            newer if newer > MAJOR => Judgement::TooNew,
            _ => Judgement::Refused,
        }
    }

    fn counter_offer(&self) -> Vec<u8> {
        let mut out = Out::default();
        out.u32(MAJOR);
        out.u32(MINOR);
        out.bytes.resize(64, 0);
        out.bytes
    }

    fn accept(&self, config: &Config) -> Vec<u8> {
        let flags = self.flags & WELCOME;
        let congested = config.background / 4 * 3;
        // Without the word for more pages, the kernel sends 32 of them at most, whatever we say.
        let pages = u16::try_from(config.max_write.div_ceil(4096)).unwrap_or(u16::MAX);
        // More than it offers is no more than leave: whoever may can have it read further ahead (`read_ahead_kb`).
        let ahead = self.max_readahead.max(config.max_write);
        let mut out = Out::default();
        for number in [MAJOR, MINOR, ahead, flags as u32] {
            out.u32(number);
        }
        out.u32(u32::from(config.background) | u32::from(congested) << 16);
        out.u32(config.max_write);
        out.u32(config.granularity.subsec_nanos().max(1));
        out.u32(pages.into());
        out.u32((flags >> 32) as u32);
        out.bytes.resize(64, 0);
        out.bytes
    }
}

/// One thread that reads requests.
struct Reader<F> {
    filesystem: Arc<F>,
    queues: Arc<Vec<Arc<Queue>>>,
    watch: Arc<Watch>,
    number: usize,
    buffer: Buffer,
    runtime: Handle,
}

impl<F: Filesystem> Reader<F> {
    fn read_until_the_end(mut self) {
        let runtime = self.runtime.clone();
        let _inside = runtime.enter();
        let queue = Arc::clone(&self.queues[self.number]);
        loop {
            match (&queue.device).read(self.buffer.bytes_mut()) {
                Ok(len) => {
                    if !self.take(&queue, len) {
                        return;
                    }
                }
                Err(error) if is_passing(&error) => {}
                // It is unmounted, or the connection was cut.
                Err(_) => return,
            }
        }
    }

    /// Has a message of this length answered. Says whether there may be another.
    fn take(&mut self, queue: &Arc<Queue>, len: usize) -> bool {
        let message = &self.buffer.bytes()[..len];
        let Ok((header, body)) = Header::parse(message) else { return true };
        let message = match Message::of(&header, body) {
            Ok(message) => message,
            Err(Malformed) => {
                let _ = reply::send(&queue.device, header.unique, -libc::EIO, &[]);
                return true;
            }
        };
        match message {
            Message::Ask(operation) => {
                let waiting = queue.expect(header);
                let reply = Reply::new(Arc::clone(queue), Arc::clone(&waiting));
                self.filesystem.answer(&header, operation, reply);
                self.look_after(&waiting);
            }
            Message::Write(write, range) => {
                let waiting = queue.expect(header);
                let reply = Reply::new(Arc::clone(queue), Arc::clone(&waiting));
                let data = self.buffer.hand_on(range);
                // Nobody waits for what the kernel had kept back; that it failed would be told to somebody else.
                let somebody_waits = !write.kept_back;
                self.filesystem.write(&header, write, data, reply);
                if somebody_waits {
                    self.look_after(&waiting);
                } else {
                    waiting.is_nobodys();
                }
            }
            Message::Forget(forgotten) => forgotten.each(|node, times| self.filesystem.forget(node, times)),
            Message::Interrupt(unique) => interrupt::interrupt(&self.queues, unique),
            Message::Destroy => {
                let _ = reply::send(&queue.device, header.unique, 0, &[]);
                return false;
            }
            Message::Unknown => {
                let _ = reply::send(&queue.device, header.unique, -libc::ENOSYS, &[]);
            }
        }
        true
    }

    /// What is not answered yet may be waited for by somebody who is to be disturbed.
    fn look_after(&self, waiting: &Waiting) {
        if !waiting.is_answered() {
            self.watch.be_on(&self.runtime);
        }
    }
}

/// Whether reading is to be tried again: a signal, or a request that was taken back before it was read.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN | libc::ENOENT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(major: u32, minor: u32, flags: u32) -> Vec<u8> {
        let mut offer: Vec<u8> =
            [major, minor, 1 << 17, flags].into_iter().flat_map(u32::to_ne_bytes).collect();
        offer.resize(64, 0);
        offer
    }

    #[test]
    fn what_both_know_is_agreed_on() {
        let offer = Offer::parse(&offer(7, 45, !(1 << 15))).unwrap();
        assert_eq!(offer.judge(), Judgement::Agreed);
        let accepted = offer.accept(&Config::default());
        assert_eq!(accepted.len(), 64);
        let mut fields = Fields(&accepted);
        assert_eq!((fields.u32(), fields.u32(), fields.u32()), (Ok(7), Ok(MINOR), Ok(1 << 20)));
        assert_eq!(u64::from(fields.u32().unwrap()), WELCOME & !init::ASYNC_DIO);
        assert_eq!((fields.u16(), fields.u16()), (Ok(64), Ok(48)));
        assert_eq!((fields.u32(), fields.u32(), fields.u16()), (Ok(1 << 20), Ok(100), Ok(256)));
    }

    #[test]
    fn a_newer_kernel_is_told_our_version_and_an_old_one_refused() {
        let judge = |major, minor| Offer::parse(&offer(major, minor, 0)).unwrap().judge();
        assert_eq!(judge(8, 0), Judgement::TooNew);
        assert_eq!(judge(7, 12), Judgement::Refused);
        assert_eq!(judge(6, 40), Judgement::Refused);
        assert_eq!(Offer::parse(&[0; 7]), Err(Malformed));
    }
}
