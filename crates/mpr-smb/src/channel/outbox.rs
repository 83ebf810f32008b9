//! What goes to the server, in order. Whoever sends writes as much as the socket takes at once, and with it what others
//! leave meanwhile; when it takes no more, a task writes the rest.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex};

use tokio::net::tcp::OwnedWriteHalf;

use super::Shared;
use super::seal::TRANSFORM_HEADER;
use crate::link::Trouble;
use crate::locked;

/// Length and, before an encrypted message, its header.
const MOST_AHEAD: usize = 4 + TRANSFORM_HEADER;
/// Messages that are written at once.
const MOST_AT_ONCE: usize = 16;

pub(super) struct Outbox(Mutex<State>);

struct State {
    /// None once it is closed.
    socket: Option<Arc<OwnedWriteHalf>>,
    queue: VecDeque<Parcel>,
    turn: Turn,
}

/// Who is to write next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Whoever comes.
    Anybody,
    /// Somebody who is at it, and goes on with what others leave.
    Somebody,
    /// The task, once the socket takes more.
    Task,
}

struct Parcel {
    ahead: [u8; MOST_AHEAD],
    ahead_len: usize,
    message: Vec<u8>,
    /// Bytes that have been written, of all.
    written: usize,
}

impl Parcel {
    fn new(header: Option<&[u8; TRANSFORM_HEADER]>, message: Vec<u8>) -> Parcel {
        let mut ahead = [0; MOST_AHEAD];
        let mut ahead_len = 4;
        if let Some(header) = header {
            ahead[4..].copy_from_slice(header);
            ahead_len = MOST_AHEAD;
        }
        let length = u32::try_from(ahead_len - 4 + message.len()).unwrap_or(u32::MAX);
        ahead[..4].copy_from_slice(&length.to_be_bytes());
        Parcel { ahead, ahead_len, message, written: 0 }
    }

    /// What is still to be written.
    fn rest(&self) -> [&[u8]; 2] {
        let ahead = &self.ahead[self.written.min(self.ahead_len)..self.ahead_len];
        [ahead, &self.message[self.written.saturating_sub(self.ahead_len)..]]
    }
}

impl Outbox {
    pub(super) fn to(socket: Arc<OwnedWriteHalf>) -> Outbox {
        Outbox(Mutex::new(State { socket: Some(socket), queue: VecDeque::new(), turn: Turn::Anybody }))
    }

    /// Sends a message, or leaves it to who is writing already. Says whether the task has to go on.
    pub(super) fn put(&self, header: Option<&[u8; TRANSFORM_HEADER]>, message: Vec<u8>) -> io::Result<bool> {
        let parcel = Parcel::new(header, message);
        let mut state = locked(&self.0);
        if state.socket.is_none() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        state.queue.push_back(parcel);
        if state.turn != Turn::Anybody {
            return Ok(false);
        }
        state.turn = Turn::Somebody;
        drop(state);
        self.write()
    }

    /// For the task, when the socket may take more. Says whether it has to go on.
    fn go_on(&self) -> io::Result<bool> {
        let mut state = locked(&self.0);
        if state.turn != Turn::Task {
            return Ok(false);
        }
        state.turn = Turn::Somebody;
        drop(state);
        self.write()
    }

    /// Writes what the socket takes. No lock is held meanwhile: who comes leaves what they have, and goes.
    fn write(&self) -> io::Result<bool> {
        let mut mine = VecDeque::new();
        loop {
            let mut state = locked(&self.0);
            let Some(socket) = state.socket.clone() else { return Err(io::ErrorKind::NotConnected.into()) };
            if mine.is_empty() {
                std::mem::swap(&mut mine, &mut state.queue);
            }
            if mine.is_empty() {
                state.turn = Turn::Anybody;
                // The one that has grown.
                std::mem::swap(&mut mine, &mut state.queue);
                return Ok(false);
            }
            drop(state);
            match write_some(&socket, &mut mine) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let mut state = locked(&self.0);
                    mine.append(&mut state.queue);
                    state.queue = mine;
                    state.turn = Turn::Task;
                    return Ok(true);
                }
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn close(&self) {
        let mut state = locked(&self.0);
        state.socket = None;
        state.queue.clear();
    }
}

fn write_some(socket: &OwnedWriteHalf, parcels: &mut VecDeque<Parcel>) -> io::Result<()> {
    let mut slices = [IoSlice::new(&[]); 2 * MOST_AT_ONCE];
    let mut count = 0;
    for part in parcels.iter().take(MOST_AT_ONCE).flat_map(Parcel::rest).filter(|part| !part.is_empty()) {
        slices[count] = IoSlice::new(part);
        count += 1;
    }
    let mut written = match socket.try_write_vectored(&slices[..count])? {
        0 => return Err(io::ErrorKind::WriteZero.into()),
        written => written,
    };
    while let Some(parcel) = parcels.front_mut() {
        let rest = parcel.ahead_len + parcel.message.len() - parcel.written;
        if written < rest {
            parcel.written += written;
            break;
        }
        written -= rest;
        parcels.pop_front();
    }
    Ok(())
}

/// Writes what could not be written at once, until the connection ends.
pub(super) async fn write(shared: Arc<Shared>, socket: Arc<OwnedWriteHalf>) {
    let mut lost = shared.lost.subscribe();
    let work = async {
        loop {
            shared.sendable.notified().await;
            loop {
                if socket.writable().await.is_err() {
                    return;
                }
                match shared.outbox.go_on() {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(_) => return,
                }
            }
        }
    };
    tokio::select! {
        _ = lost.wait_for(|lost| *lost) => {}
        () = work => shared.end(Trouble::Lost),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    /// An outbox, and where what is put into it arrives.
    async fn pair() -> (Arc<Outbox>, Arc<OwnedWriteHalf>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (here, _) = listener.accept().await.unwrap();
        let socket = Arc::new(there.into_split().1);
        // Nothing can be written before the runtime has seen that it can.
        socket.writable().await.unwrap();
        (Arc::new(Outbox::to(Arc::clone(&socket))), socket, here)
    }

    async fn next(stream: &mut TcpStream) -> Vec<u8> {
        let mut message = vec![0; stream.read_u32().await.unwrap() as usize];
        stream.read_exact(&mut message).await.unwrap();
        message
    }

    #[tokio::test]
    async fn what_the_socket_does_not_take_at_once_follows_in_order_and_whole() {
        let (outbox, socket, mut stream) = pair().await;
        let message = |number: u8| vec![number; 1 << 20];
        let full: Vec<bool> = (0..40).map(|number| outbox.put(None, message(number)).unwrap()).collect();
        // Told once; from then on it is the task's turn.
        assert_eq!(full.iter().filter(|full| **full).count(), 1);
        let rest = tokio::spawn(async move {
            loop {
                socket.writable().await.unwrap();
                if !outbox.go_on().unwrap() {
                    return;
                }
            }
        });
        for number in 0..40 {
            assert!(next(&mut stream).await == message(number), "{number}");
        }
        rest.await.unwrap();
    }

    #[tokio::test]
    async fn what_many_send_at_once_arrives_message_by_message() {
        const SENDERS: u8 = 4;
        const EACH: usize = 2000;
        let (outbox, _socket, mut stream) = pair().await;
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let outbox = Arc::clone(&outbox);
                std::thread::spawn(move || {
                    for number in 0..EACH {
                        let header = [sender; TRANSFORM_HEADER];
                        let message = number.to_le_bytes().to_vec();
                        assert!(!outbox.put(Some(&header), message).unwrap(), "so little fits");
                    }
                })
            })
            .collect();
        let mut seen = [0_usize; SENDERS as usize];
        for _ in 0..usize::from(SENDERS) * EACH {
            let message = next(&mut stream).await;
            let sender = message[0];
            assert_eq!(message[..TRANSFORM_HEADER], [sender; TRANSFORM_HEADER]);
            let seen = &mut seen[usize::from(sender)];
            assert_eq!(message[TRANSFORM_HEADER..], seen.to_le_bytes());
            *seen += 1;
        }
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    }

    #[tokio::test]
    async fn nothing_is_sent_once_it_is_closed() {
        let (outbox, _socket, _stream) = pair().await;
        outbox.close();
        assert!(outbox.put(None, vec![1]).is_err());
    }
}
