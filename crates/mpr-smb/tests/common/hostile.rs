//! A server of our own, for what no real one does: SMB 2.1, for guests, with one small directory. Whatever it answers can be
//! replaced, and every message changed on its way out.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use mpr_helper::protocol::Login;
use mpr_smb::{Ahead, Proof, Settings, Target};

pub(crate) const CREATE: u16 = 5;
pub(crate) const READ: u16 = 8;
pub(crate) const WRITE: u16 = 9;
pub(crate) const QUERY_DIRECTORY: u16 = 14;
pub(crate) const CHANGE_NOTIFY: u16 = 15;
const QUERY_INFO: u16 = 16;

const MORE_PROCESSING: u32 = 0xC000_0016;
pub(crate) const NO_MORE_FILES: u32 = 0x8000_0006;
const NOT_SUPPORTED: u32 = 0xC000_00BB;
const PENDING: u32 = 0x103;
const END_OF_FILE: u32 = 0xC000_0011;

/// The middle of 2023.
const TIME: u64 = 133_300_000_000_000_000;
const SIZE: u64 = 100_000;

/// A request that came in once the share was granted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) command: u16,
    /// What follows its header.
    pub(crate) body: &'a [u8],
    /// How many of this kind came before it, over all connections.
    pub(crate) before: usize,
}

/// Status and body of an answer.
pub(crate) type Answer = (u32, Vec<u8>);

/// What this server does otherwise than one should.
pub(crate) struct Habits {
    /// An answer in the place of the usual one.
    pub(crate) answer: Box<dyn Fn(Asked<'_>) -> Option<Answer> + Send + Sync>,
    /// What becomes of each message that is sent once the share was granted, the length before it included.
    pub(crate) send: Box<dyn Fn(Vec<u8>) -> Vec<u8> + Send + Sync>,
}

impl Default for Habits {
    fn default() -> Self {
        Habits { answer: Box::new(|_| None), send: Box::new(|message| message) }
    }
}

pub(crate) struct Hostile {
    port: u16,
    connections: Arc<AtomicUsize>,
}

struct Server {
    habits: Habits,
    counts: [AtomicUsize; 32],
}

impl Hostile {
    /// Serves until the test ends.
    pub(crate) fn with(habits: Habits) -> Hostile {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let (made, server) =
            (Arc::clone(&connections), Arc::new(Server { habits, counts: Default::default() }));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                made.fetch_add(1, Ordering::Relaxed);
                let server = Arc::clone(&server);
                thread::spawn(move || Conversation::default().hold(&server, stream));
            }
        });
        Hostile { port, connections }
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn as_guest(&self, settings: Settings) -> Target {
        Target {
            host: "127.0.0.1".into(),
            port: Some(self.port),
            login: Login::Guest,
            proof: Proof::Password,
            password: None,
            require_encryption: false,
            settings,
            ahead: Ahead::default(),
        }
    }
}

/// What one client has said so far.
#[derive(Default)]
struct Conversation {
    granted: bool,
    /// Which handles are of directories, and how often those have been listed.
    directories: HashMap<u64, usize>,
    handles: u64,
}

impl Conversation {
    fn hold(mut self, server: &Server, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        loop {
            let mut length = [0; 4];
            stream.read_exact(&mut length)?;
            let mut frame = vec![0; u32::from_be_bytes(length) as usize];
            stream.read_exact(&mut frame)?;
            let (mut rest, mut answers, mut last) = (&frame[..], Vec::new(), 0);
            loop {
                let next = number(rest, 20) as usize;
                let message = if next == 0 { rest } else { &rest[..next] };
                answers.extend(self.answer(server, message, &mut last));
                if next == 0 {
                    break;
                }
                rest = &rest[next..];
            }
            if answers.is_empty() {
                continue;
            }
            let mut whole = vec![0; 4];
            let count = answers.len();
            for (nth, mut answer) in answers.into_iter().enumerate() {
                if nth + 1 < count {
                    answer.resize(answer.len().next_multiple_of(8), 0);
                    let next = u32::try_from(answer.len()).unwrap();
                    answer[20..24].copy_from_slice(&next.to_le_bytes());
                }
                whole.extend(answer);
            }
            let length = u32::try_from(whole.len() - 4).unwrap();
            whole[..4].copy_from_slice(&length.to_be_bytes());
            stream.write_all(&if self.granted { (server.habits.send)(whole) } else { whole })?;
        }
    }

    /// The answer to a message, if it gets one. `last` is the handle that the message before it was about.
    fn answer(&mut self, server: &Server, message: &[u8], last: &mut u64) -> Option<Vec<u8>> {
        let (command, body) = (u16::try_from(number(message, 12) & 0xFFFF).unwrap(), &message[64..]);
        let count = &server.counts[usize::from(command) % 32];
        let asked = Asked { command, body, before: count.fetch_add(1, Ordering::Relaxed) };
        let (usual, handle) = self.usual(command, body, message, *last)?;
        *last = handle;
        let own = if self.granted { (server.habits.answer)(asked) } else { None };
        let (status, body) = own.unwrap_or(usual);
        // A tree is granted by its answer.
        self.granted |= command == 3;
        let flags = if status == PENDING { 3 } else { 1 };
        let mut answer = b"\xFESMB\x40\0\x01\0".to_vec();
        answer.extend(status.to_le_bytes());
        answer.extend(command.to_le_bytes());
        answer.extend(64_u16.to_le_bytes());
        answer.extend(u32::to_le_bytes(flags));
        answer.extend([0; 4]);
        answer.extend(&message[24..32]);
        // No process and tree 5; or, for what takes longer, a number of this server's.
        answer.extend([0, 0, 0, 0, 5, 0, 0, 0]);
        answer.extend(0x77_u64.to_le_bytes());
        answer.extend([0; 16]);
        answer.extend(body);
        Some(answer)
    }

    fn usual(&mut self, command: u16, body: &[u8], message: &[u8], last: u64) -> Option<(Answer, u64)> {
        let handle = |at: usize| match u64::from_le_bytes(body[at..at + 8].try_into().unwrap()) {
            u64::MAX => last,
            handle => handle,
        };
        Some(match command {
            0 => ((0, negotiated()), 0),
            1 if message.windows(9).any(|part| part == b"NTLMSSP\0\x01") => {
                ((MORE_PROCESSING, challenge()), 0)
            }
            // As a guest.
            1 => ((0, vec![9, 0, 1, 0, 72, 0, 0, 0, 0]), 0),
            3 => {
                let pipe =
                    body.windows(2).rev().find(|unit| *unit != [0, 0]).is_some_and(|unit| unit[0] == b'$');
                let kind = if pipe { 2 } else { 1 };
                ((0, [&[16, 0, kind, 0][..], &[0; 8], &0x1F_01FF_u32.to_le_bytes()].concat()), 0)
            }
            CREATE => {
                let name = usize::try_from(number(body, 44) >> 16).unwrap();
                let directory = name == 0;
                self.handles += 1;
                if directory {
                    self.directories.insert(self.handles, 0);
                }
                ((0, created(self.handles, directory)), self.handles)
            }
            6 => ((0, [&[60, 0][..], &[0; 58]].concat()), handle(8)),
            READ => ((END_OF_FILE, refusal()), handle(16)),
            WRITE => ((0, [&[17, 0, 0, 0][..], &body[4..8], &[0; 8]].concat()), handle(16)),
            // It is never told that it can be given up.
            12 => return None,
            2 | 4 | 7 | 10 | 13 | 17 => ((0, vec![4, 0, 0, 0]), last),
            QUERY_DIRECTORY => {
                let handle = handle(8);
                let listed = self.directories.entry(handle).or_default();
                *listed += 1;
                let answer =
                    if *listed == 1 { (0, buffer(&entry("file", 7))) } else { (NO_MORE_FILES, refusal()) };
                (answer, handle)
            }
            CHANGE_NOTIFY => ((PENDING, refusal()), last),
            QUERY_INFO => {
                let handle = handle(24);
                (facts(body[2], body[3], self.directories.contains_key(&handle)), handle)
            }
            _ => ((NOT_SUPPORTED, refusal()), last),
        })
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn refusal() -> Vec<u8> {
    vec![9, 0, 0, 0, 0, 0, 0, 0, 0]
}

fn negotiated() -> Vec<u8> {
    let mut body = vec![65, 0, 1, 0, 0x10, 0x02, 0, 0];
    body.extend([b'G'; 16]);
    // DFS, leases, large messages.
    body.extend(7_u32.to_le_bytes());
    body.extend([(1_u32 << 20).to_le_bytes(); 3].concat());
    body.extend([TIME, 0].map(u64::to_le_bytes).concat());
    body.extend([128, 0, 0, 0, 0, 0, 0, 0]);
    body
}

fn challenge() -> Vec<u8> {
    let mut message = b"NTLMSSP\0\x02\0\0\0".to_vec();
    message.extend([0, 0, 0, 0, 56, 0, 0, 0]);
    message.extend(0xE28A_8215_u32.to_le_bytes());
    message.extend(b"CHALLENG\0\0\0\0\0\0\0\0");
    message.extend([4, 0, 4, 0, 48, 0, 0, 0]);
    message.extend([0; 4]);
    let length = u16::try_from(message.len()).unwrap();
    [&[9, 0, 0, 0, 72, 0][..], &length.to_le_bytes(), &message].concat()
}

fn created(handle: u64, directory: bool) -> Vec<u8> {
    let mut body = vec![89, 0, 0, 0, 1, 0, 0, 0];
    body.extend([TIME; 4].map(u64::to_le_bytes).concat());
    let size = if directory { 0 } else { SIZE };
    body.extend([size; 2].map(u64::to_le_bytes).concat());
    body.extend((if directory { 0x10_u32 } else { 0x20 }).to_le_bytes());
    body.extend([0; 4]);
    body.extend([handle; 2].map(u64::to_le_bytes).concat());
    body.extend([0; 8]);
    body
}

/// An answer that holds a buffer: to QUERY_DIRECTORY, QUERY_INFO and CHANGE_NOTIFY.
pub(crate) fn buffer(contents: &[u8]) -> Vec<u8> {
    let length = u32::try_from(contents.len()).unwrap();
    [&[9, 0, 72, 0][..], &length.to_le_bytes(), contents].concat()
}

/// An answer to READ.
pub(crate) fn read(contents: &[u8]) -> Vec<u8> {
    let length = u32::try_from(contents.len()).unwrap();
    [&[17, 0, 80, 0][..], &length.to_le_bytes(), &[0; 8], contents].concat()
}

/// The one entry of a directory (MS-FSCC 2.4.24).
pub(crate) fn entry(name: &str, number: u64) -> Vec<u8> {
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut entry = vec![0; 8];
    entry.extend([TIME; 4].map(u64::to_le_bytes).concat());
    entry.extend([SIZE; 2].map(u64::to_le_bytes).concat());
    entry.extend([0x20, u32::try_from(name.len()).unwrap(), 0, 0].map(u32::to_le_bytes).concat());
    entry.extend(number.to_le_bytes());
    entry.extend(name);
    entry
}

fn facts(kind: u8, class: u8, directory: bool) -> Answer {
    let (size, attributes) = if directory { (0, 0x10_u32) } else { (SIZE, 0x20) };
    let times = [TIME; 4].map(u64::to_le_bytes).concat();
    let sizes = [size; 2].map(u64::to_le_bytes).concat();
    let links = [1, 0, 0, 0, 0, u8::from(directory), 0, 0];
    let attributes = [attributes, 0].map(u32::to_le_bytes).concat();
    match (kind, class) {
        (2, 7) => {
            let units = [1_u64 << 30, 1 << 29, 1 << 29].map(u64::to_le_bytes).concat();
            (0, buffer(&[units, [8_u32, 512].map(u32::to_le_bytes).concat()].concat()))
        }
        (1, 18) => {
            (0, buffer(&[&times, &attributes, &sizes, &links[..], &7_u64.to_le_bytes(), &[0; 24]].concat()))
        }
        (1, 34) => (0, buffer(&[times, sizes, attributes].concat())),
        (1, 5) => (0, buffer(&[&sizes[..], &links].concat())),
        _ => (NOT_SUPPORTED, refusal()),
    }
}
