//! A connection to a server on which a user has proved who they are: many requests at once, each matched with
//! its answer.
//!
//! `smb2` reaches this point and packs and reads the messages; from there on its own connection would not do:
//! it drops what a server says unasked when that is about leases, and copies each byte that is read four times.
//!
//! * A request is numbered, signed and handed to the socket without a pause, so that one whose caller goes away
//!   is either sent whole or not at all. What the server opened for a caller who has gone is closed.
//! * Each answer is checked by whoever waits for it.
//! * A server that lets a request wait too long is given up, with everything under way: an answer that came later
//!   could not be told from one to a request made since.

mod frame;
mod inbox;
mod outbox;
mod seal;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use smb2::msg::close::CloseRequest;
use smb2::msg::header::Header;
use smb2::pack::Pack;
use smb2::types::flags::HeaderFlags;
use smb2::types::status::NtStatus;
use smb2::types::{Command, CreditCharge, FileId, MessageId, TreeId};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};

pub(crate) use self::frame::HEADER;
use self::frame::Message;
use self::outbox::Outbox;
pub(crate) use self::seal::Seal;
use crate::link::{Asked, Trouble};
use crate::locked;

/// Bytes covered by one credit.
pub(crate) const CREDIT: u32 = 65536;
/// Credits to have at hand: 32 MiB under way.
const CREDITS: u32 = 512;
/// The most that are kept of what a generous server gives.
const MOST_CREDITS: u32 = 8192;
/// Breaks that may wait to be looked at. A server that sends more without pause has gone mad.
const MOST_BREAKS: usize = 4096;
/// Requests nobody waits for that may be waiting for credit. A server that makes us owe it more without giving any has
/// gone mad, too.
const MOST_POSTS: u32 = 65536;
/// Silence after which the server is asked whether it is still there, and how long that answer may take: a third of
/// what it may take over a request, within these.
const SILENCE: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(10)];
/// How many times the patience a server may have that says again and again that it is not done yet.
const MOST_DELAYS: u32 = 3;

/// What [`Channel::over`] takes over.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) reading: OwnedReadHalf,
    pub(crate) writing: OwnedWriteHalf,
    /// What has been read and not been looked at.
    pub(crate) rest: BytesMut,
}

/// A request to be sent.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) command: Command,
    pub(crate) body: &'a dyn Pack,
    pub(crate) tree: Option<TreeId>,
    /// Bytes of the payload, whichever way it goes.
    pub(crate) payload: u32,
}

/// An answer, known to be the server's.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: NtStatus,
    /// What follows the header.
    pub(crate) body: Bytes,
}

/// What can be told of a connection without asking the server.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) requests: u64,
    pub(crate) credits: u32,
    pub(crate) last_round_trip: Duration,
    pub(crate) mean_round_trip: Duration,
    /// Since the server was last heard.
    pub(crate) silence: Duration,
}

/// The connection. Ends when it is dropped.
pub(crate) struct Channel {
    shared: Arc<Shared>,
    breaks: tokio::sync::Mutex<mpsc::Receiver<Bytes>>,
}

struct Shared {
    seal: Seal,
    patience: Duration,
    outbox: Outbox,
    sendable: Notify,
    waiting: Mutex<Waiting>,
    credits: Semaphore,
    /// Credits there are, at hand and spent on what is under way.
    window: AtomicU32,
    /// Requests nobody waits for that are waiting for credit.
    posts: AtomicU32,
    lost: watch::Sender<bool>,
    tally: Tally,
    runtime: Handle,
}

struct Waiting {
    next: u64,
    requests: HashMap<u64, Waiter>,
    /// Why the connection has ended.
    ended: Option<Trouble>,
}

struct Waiter {
    command: Command,
    charge: u16,
    sent: Instant,
    heard: Instant,
    /// Somebody waits who does not for ever.
    hurries: bool,
    async_id: Option<u64>,
    to: oneshot::Sender<Arrival>,
    /// Where to close what this opens if nobody is left to use it.
    orphanage: Option<TreeId>,
}

impl Waiter {
    /// By when the server has to have answered. If it says that it is at it, it gets more time.
    fn due(&self, patience: Duration) -> Instant {
        (self.heard + patience).min(self.sent + patience * MOST_DELAYS)
    }
}

struct Arrival {
    message: Message,
    sealed: bool,
}

impl Arrival {
    /// Whether it is what the server has said. Can be asked once: its signature is wiped.
    fn is_from_server(&mut self, seal: &Seal, id: u64) -> bool {
        self.sealed || seal.verify(&mut self.message.bytes, id, false).is_ok()
    }
}

struct Tally {
    since: Instant,
    sent: AtomicU64,
    received: AtomicU64,
    requests: AtomicU64,
    /// Microseconds after `since`.
    heard: AtomicU64,
    /// Microseconds.
    last_round_trip: AtomicU64,
    mean_round_trip: AtomicU64,
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("seal", &self.shared.seal).finish_non_exhaustive()
    }
}

impl Channel {
    /// Goes on with a socket on which a session has been made.
    pub(crate) fn over(
        socket: Socket,
        seal: Seal,
        next: MessageId,
        credits: u16,
        patience: Duration,
    ) -> Channel {
        let writing = Arc::new(socket.writing);
        let (breaks_in, breaks) = mpsc::channel(MOST_BREAKS);
        let shared = Arc::new(Shared {
            seal,
            patience,
            outbox: Outbox::to(Arc::clone(&writing)),
            sendable: Notify::new(),
            waiting: Mutex::new(Waiting { next: next.0, requests: HashMap::new(), ended: None }),
            credits: Semaphore::new(credits.into()),
            window: AtomicU32::new(credits.into()),
            posts: AtomicU32::new(0),
            lost: watch::Sender::new(false),
            tally: Tally::new(),
            runtime: Handle::current(),
        });
        tokio::spawn(inbox::read(Arc::clone(&shared), socket.reading, socket.rest, breaks_in));
        tokio::spawn(outbox::write(Arc::clone(&shared), writing));
        tokio::spawn(stay_in_touch(Arc::clone(&shared)));
        tokio::spawn(be_patient(Arc::clone(&shared)));
        Channel { shared, breaks: breaks.into() }
    }

    /// Sends one request and waits for its answer.
    pub(crate) async fn call(&self, request: Request<'_>) -> Asked<Answer> {
        let mut pending = self.begin(&[request]).await?;
        let mut one = pending.pop().ok_or(Trouble::Garbled)?;
        one.ready().await?;
        one.take()
    }

    /// Sends requests in one message, each after the first about the file the one before it was about, and waits
    /// for all answers.
    pub(crate) async fn chain(&self, requests: &[Request<'_>]) -> Asked<Vec<Asked<Answer>>> {
        let mut pending = self.begin(requests).await?;
        for one in &mut pending {
            one.ready().await?;
        }
        Ok(pending.into_iter().map(Pending::take).collect())
    }

    /// Sends requests and leaves the waiting to the caller.
    pub(crate) async fn begin(&self, requests: &[Request<'_>]) -> Asked<Vec<Pending>> {
        self.shared.reserve(requests).await?;
        self.shared.send(requests)
    }

    /// Sends a request whose answer nobody waits for.
    pub(crate) fn post(&self, command: Command, body: impl Pack + 'static, tree: TreeId) {
        self.shared.post(command, body, tree);
    }

    /// What the server says next without having been asked: breaks of leases and oplocks.
    pub(crate) async fn next_break(&self) -> Option<Bytes> {
        self.breaks.lock().await.recv().await
    }

    pub(crate) fn is_lost(&self) -> bool {
        *self.shared.lost.borrow()
    }

    /// Returns when the connection has ended.
    pub(crate) async fn lost(&self) {
        let mut lost = self.shared.lost.subscribe();
        let _ = lost.wait_for(|lost| *lost).await;
    }

    pub(crate) fn give_up(&self) {
        self.shared.end(Trouble::Lost);
    }

    pub(crate) fn seal(&self) -> &Seal {
        &self.shared.seal
    }

    /// As much of a payload as the server gives credit for.
    pub(crate) fn affordable(&self, payload: u32) -> u32 {
        payload.min(self.shared.window.load(Ordering::Relaxed).max(1).saturating_mul(CREDIT))
    }

    pub(crate) fn figures(&self) -> Figures {
        let tally = &self.shared.tally;
        let micros = |of: &AtomicU64| Duration::from_micros(of.load(Ordering::Relaxed));
        Figures {
            sent: tally.sent.load(Ordering::Relaxed),
            received: tally.received.load(Ordering::Relaxed),
            requests: tally.requests.load(Ordering::Relaxed),
            credits: self.shared.window.load(Ordering::Relaxed),
            last_round_trip: micros(&tally.last_round_trip),
            mean_round_trip: micros(&tally.mean_round_trip),
            silence: tally.since.elapsed().saturating_sub(micros(&tally.heard)),
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.shared.end(Trouble::Lost);
    }
}

impl Request<'_> {
    fn charge(&self) -> u16 {
        u16::try_from(self.payload.div_ceil(CREDIT).max(1)).unwrap_or(u16::MAX)
    }
}

impl Shared {
    /// Waits until the server gives credit for these requests, and spends it.
    async fn reserve(&self, requests: &[Request<'_>]) -> Asked<()> {
        let charge = requests.iter().map(|request| u32::from(request.charge())).sum();
        match tokio::time::timeout(self.patience, self.credits.acquire_many(charge)).await {
            Ok(Ok(credits)) => {
                credits.forget();
                Ok(())
            }
            Ok(Err(_)) => Err(self.ended()),
            Err(_) => {
                self.end(Trouble::TimedOut);
                Err(Trouble::TimedOut)
            }
        }
    }

    /// Numbers, signs and hands over requests for which there is credit. Never waits.
    fn send(self: &Arc<Shared>, requests: &[Request<'_>]) -> Asked<Vec<Pending>> {
        let closed = requests.iter().any(|request| request.command == Command::Close);
        let now = Instant::now();
        let mut pending = Vec::with_capacity(requests.len());
        let mut waiting = locked(&self.waiting);
        if let Some(ended) = waiting.ended {
            return Err(ended);
        }
        for request in requests {
            let (to, answer) = oneshot::channel();
            let id = waiting.next;
            waiting.next += u64::from(request.charge());
            let opens = request.command == Command::Create && !closed;
            waiting.requests.insert(
                id,
                Waiter {
                    command: request.command,
                    charge: request.charge(),
                    sent: now,
                    heard: now,
                    // That something changes is waited for as long as it takes; a sign of life has its own time.
                    hurries: !matches!(request.command, Command::ChangeNotify | Command::Echo),
                    async_id: None,
                    to,
                    orphanage: if opens { request.tree } else { None },
                },
            );
            let orphanage = if opens { request.tree } else { None };
            pending.push(Pending {
                shared: Arc::clone(self),
                id,
                command: request.command,
                answer,
                arrived: None,
                orphanage,
                over: false,
            });
        }
        drop(waiting);

        let mut whole = Vec::new();
        for (at, (request, waits)) in requests.iter().zip(&pending).enumerate() {
            let mut header = self.header(request, waits.id);
            if at > 0 {
                header.flags |= HeaderFlags::new(HeaderFlags::RELATED_OPERATIONS);
            }
            let room = if request.command == Command::Write { request.payload as usize } else { 0 };
            let mut message = frame::pack(&header, request.body, room);
            if at + 1 < requests.len() {
                frame::link_to_next(&mut message);
            }
            if !self.seal.encrypts() {
                self.seal.sign(&mut message, waits.id, false);
            }
            if whole.is_empty() {
                whole = message;
            } else {
                whole.extend_from_slice(&message);
            }
        }
        self.tally.requests.fetch_add(requests.len() as u64, Ordering::Relaxed);
        self.hand_over(whole);
        Ok(pending)
    }

    fn header(&self, request: &Request<'_>, id: u64) -> Header {
        let charge = request.charge();
        let missing = CREDITS.saturating_sub(self.window.load(Ordering::Relaxed)).min(128);
        let mut header = Header::new_request(request.command);
        header.message_id = MessageId(id);
        header.credit_charge = CreditCharge(charge);
        header.credits = charge.saturating_add(u16::try_from(missing).unwrap_or(0));
        header.session_id = self.seal.session();
        header.tree_id = request.tree.or(Some(TreeId(0)));
        if self.seal.signs() && !self.seal.encrypts() {
            header.flags |= HeaderFlags::new(HeaderFlags::SIGNED);
        }
        header
    }

    /// Asks the server to give up on a request.
    fn cancel(&self, id: u64, async_id: Option<u64>) {
        let mut header = Header::new_request(Command::Cancel);
        header.message_id = MessageId(id);
        header.credits = 0;
        header.session_id = self.seal.session();
        if async_id.is_some() {
            header.flags |= HeaderFlags::new(HeaderFlags::ASYNC_COMMAND);
            header.async_id = async_id;
        }
        if self.seal.signs() && !self.seal.encrypts() {
            header.flags |= HeaderFlags::new(HeaderFlags::SIGNED);
        }
        let mut message = frame::pack(&header, &smb2::msg::cancel::CancelRequest, 0);
        if !self.seal.encrypts() {
            self.seal.sign(&mut message, id, true);
        }
        self.hand_over(message);
    }

    fn hand_over(&self, mut message: Vec<u8>) {
        let header = self.seal.encrypt(&mut message);
        self.tally.sent.fetch_add(message.len() as u64, Ordering::Relaxed);
        match self.outbox.put(header.as_ref(), message) {
            Ok(false) => {}
            Ok(true) => self.sendable.notify_one(),
            Err(_) => self.end(Trouble::Lost),
        }
    }

    fn post(self: &Arc<Shared>, command: Command, body: impl Pack + 'static, tree: TreeId) {
        if let Ok(credit) = self.credits.try_acquire() {
            credit.forget();
            self.send_and_forget(&Request { command, body: &body, tree: Some(tree), payload: 0 });
        } else if !self.credits.is_closed() {
            if self.posts.fetch_add(1, Ordering::Relaxed) >= MOST_POSTS {
                return self.end(Trouble::Lost);
            }
            let shared = Arc::clone(self);
            self.runtime.spawn(async move {
                let request = Request { command, body: &body, tree: Some(tree), payload: 0 };
                if shared.reserve(&[request]).await.is_ok() {
                    shared.send_and_forget(&request);
                }
                shared.posts.fetch_sub(1, Ordering::Relaxed);
            });
        }
    }

    fn send_and_forget(self: &Arc<Shared>, request: &Request<'_>) {
        for pending in &mut self.send(std::slice::from_ref(request)).unwrap_or_default() {
            pending.over = true;
            self.nobody_waits(pending.id);
        }
    }

    /// Nobody waits for the answer to a request any more. Says whether it is still to come, and what the server calls
    /// the request if that takes longer.
    fn nobody_waits(&self, id: u64) -> Option<Option<u64>> {
        let mut waiting = locked(&self.waiting);
        let waiter = waiting.requests.get_mut(&id)?;
        waiter.hurries = false;
        Some(waiter.async_id)
    }

    /// Closes what an answer has opened for somebody who has gone.
    fn abandon(self: &Arc<Shared>, arrival: &mut Arrival, id: u64, orphanage: Option<TreeId>) {
        /// Where in a message the handle is that CREATE answers with.
        const HANDLE: usize = frame::HEADER + 64;
        if orphanage.is_none() {
            return;
        }
        if !arrival.is_from_server(&self.seal, id) {
            return self.end(Trouble::Lost);
        }
        let handle = arrival.message.bytes.get(HANDLE..HANDLE + 16);
        if let (Some(tree), Some(handle)) = (orphanage, handle)
            && arrival.message.status.is_success()
        {
            let half = |at: usize| handle[at..].first_chunk().map_or(0, |half| u64::from_le_bytes(*half));
            let file_id = FileId { persistent: half(0), volatile: half(8) };
            self.post(Command::Close, CloseRequest { flags: 0, file_id }, tree);
        }
    }

    /// Ends the connection. Whoever waits is told why.
    fn end(&self, why: Trouble) {
        let waiters = {
            let mut waiting = locked(&self.waiting);
            waiting.ended.get_or_insert(why);
            // Before anybody is told that a request was lost, and tries again over what is lost itself.
            self.lost.send_replace(true);
            std::mem::take(&mut waiting.requests)
        };
        self.credits.close();
        self.outbox.close();
        drop(waiters);
    }

    fn ended(&self) -> Trouble {
        locked(&self.waiting).ended.unwrap_or(Trouble::Lost)
    }
}

/// A request under way. Dropped before its answer was taken, the server is told, and closes what it opened.
pub(crate) struct Pending {
    shared: Arc<Shared>,
    id: u64,
    command: Command,
    answer: oneshot::Receiver<Arrival>,
    arrived: Option<Arrival>,
    orphanage: Option<TreeId>,
    over: bool,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending")
            .field("id", &self.id)
            .field("command", &self.command)
            .finish_non_exhaustive()
    }
}

impl Pending {
    /// Waits for the answer, as long as the server may take: then the connection is given up. Can be called again when
    /// it was interrupted.
    pub(crate) async fn ready(&mut self) -> Asked<()> {
        if self.arrived.is_none() {
            self.arrived = Some((&mut self.answer).await.map_err(|_| self.shared.ended())?);
        }
        Ok(())
    }

    /// The answer, once it is [`ready`](Self::ready).
    pub(crate) fn take(mut self) -> Asked<Answer> {
        let Some(mut arrival) = self.arrived.take() else {
            return Err(self.shared.ended());
        };
        self.over = true;
        if !arrival.is_from_server(&self.shared.seal, self.id) {
            self.shared.end(Trouble::Lost);
            return Err(Trouble::Lost);
        }
        let message = arrival.message;
        Ok(Answer { status: message.status, body: message.into_body() })
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        if self.arrived.is_none() {
            // From now on the reader abandons the answer.
            self.answer.close();
            self.arrived = self.answer.try_recv().ok();
        }
        match &mut self.arrived {
            Some(arrival) => self.shared.abandon(arrival, self.id, self.orphanage),
            None => {
                let waits = matches!(self.command, Command::ChangeNotify | Command::Lock);
                if let Some(async_id) = self.shared.nobody_waits(self.id)
                    && (waits || async_id.is_some())
                {
                    self.shared.cancel(self.id, async_id);
                }
            }
        }
    }
}

impl Tally {
    fn new() -> Tally {
        Tally {
            since: Instant::now(),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            last_round_trip: AtomicU64::new(0),
            mean_round_trip: AtomicU64::new(0),
        }
    }

    fn heard(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        self.heard.store(micros(self.since.elapsed()), Ordering::Relaxed);
    }

    fn answered(&self, after: Duration) {
        let now = micros(after);
        let mean = self.mean_round_trip.load(Ordering::Relaxed);
        self.last_round_trip.store(now, Ordering::Relaxed);
        self.mean_round_trip.store(if mean == 0 { now } else { (mean * 7 + now) / 8 }, Ordering::Relaxed);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Reads bytes as a server's frames. For the fuzzer.
pub(crate) fn read_as_frames(bytes: &[u8]) {
    if let Ok(Some(length)) = inbox::length_ahead(bytes)
        && let Some(frame) = bytes.get(4..4 + length)
    {
        let _ = frame::split(BytesMut::from(frame));
    }
    for message in frame::split(BytesMut::from(bytes)).unwrap_or_default() {
        let _ = message.into_body();
    }
}

/// How long a server may be silent that takes no longer than this over a request.
pub(crate) fn silence(patience: Duration) -> Duration {
    (patience / 3).clamp(SILENCE[0], SILENCE[1])
}

/// Gives up a server that takes too long over a request. One clock for all of them, since most are answered long before.
async fn be_patient(shared: Arc<Shared>) {
    let mut lost = shared.lost.subscribe();
    loop {
        let now = Instant::now();
        let due = {
            let waiting = locked(&shared.waiting);
            let waiters = waiting.requests.values().filter(|waiter| waiter.hurries);
            waiters.map(|waiter| waiter.due(shared.patience)).min()
        };
        if due.is_some_and(|due| due <= now) {
            return shared.end(Trouble::TimedOut);
        }
        // Nothing that is asked from now on has to be answered before.
        let next = due.unwrap_or(now + shared.patience);
        tokio::select! {
            _ = lost.wait_for(|lost| *lost) => return,
            () = tokio::time::sleep_until(next.into()) => {}
        }
    }
}

/// Asks a silent server whether it is still there, so that a connection that is lost is known to be.
async fn stay_in_touch(shared: Arc<Shared>) {
    let mut lost = shared.lost.subscribe();
    let most = silence(shared.patience);
    loop {
        let heard = shared.tally.since + Duration::from_micros(shared.tally.heard.load(Ordering::Relaxed));
        tokio::select! {
            _ = lost.wait_for(|lost| *lost) => return,
            () = tokio::time::sleep_until((heard + most).into()) => {}
        }
        let quiet = shared
            .tally
            .since
            .elapsed()
            .saturating_sub(Duration::from_micros(shared.tally.heard.load(Ordering::Relaxed)));
        if quiet < most {
            continue;
        }
        let echo =
            Request { command: Command::Echo, body: &smb2::msg::echo::EchoRequest, tree: None, payload: 0 };
        // With no credit left, requests are under way, and their own patience watches over the server.
        let Ok(credit) = shared.credits.try_acquire() else {
            tokio::select! {
                _ = lost.wait_for(|lost| *lost) => return,
                () = tokio::time::sleep(most) => continue,
            }
        };
        credit.forget();
        let Ok(mut sent) = shared.send(&[echo]) else { return };
        let Some(mut pending) = sent.pop() else { return };
        let answered = tokio::time::timeout(most, pending.ready()).await;
        if !matches!(answered, Ok(Ok(()))) || pending.take().is_err() {
            shared.end(Trouble::TimedOut);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_says_it_is_at_it_gets_more_time_but_not_for_ever() {
        let (sent, patience) = (Instant::now(), Duration::from_secs(30));
        let mut waiter = Waiter {
            command: Command::Read,
            charge: 1,
            sent,
            heard: sent,
            hurries: true,
            async_id: None,
            to: oneshot::channel().0,
            orphanage: None,
        };
        assert_eq!(waiter.due(patience), sent + patience);
        waiter.heard = sent + Duration::from_secs(20);
        assert_eq!(waiter.due(patience), sent + Duration::from_secs(50));
        waiter.heard = sent + Duration::from_secs(80);
        assert_eq!(waiter.due(patience), sent + patience * MOST_DELAYS);
    }
}
