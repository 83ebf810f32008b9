//! Asking the helper of one connection to report or to end.
//!
//! A helper listens on a Unix socket beside its record. One connection carries one [`Order`] and one
//! [`Reply`], each a JSON frame. The socket is this user's alone, and the helper checks who is calling.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::frame;
use crate::protocol::{Failure, Share};

/// What a helper can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Order {
    /// How are you?
    Status,
    /// Which shares does your server have?
    ListShares,
    /// End the connection.
    Unmount {
        /// Even if files are open.
        force: bool,
    },
}

/// What a helper answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reply {
    /// To [`Order::Status`].
    Status(Health),
    /// To [`Order::ListShares`].
    Shares {
        /// They, as many as fit into one frame.
        shares: Vec<Share>,
    },
    /// To [`Order::Unmount`]: it is unmounted.
    Unmounted,
    /// It was not done.
    Failed(Failure),
}

/// How a connection is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Whether the server answers, as far as is known without asking it now.
    pub connected: bool,
    /// Files open in the mount.
    pub open_files: u64,
    /// How often the connection was made again after it was lost.
    pub reconnects: u64,
    /// Protocol version, signing and encryption, for people.
    pub security: String,
}

/// Gives an order to the helper that listens at `socket` and waits for its reply.
pub fn order(socket: &Path, order: Order, patience: Duration) -> io::Result<Reply> {
    let mut stream = connect(socket)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    frame::write_json(&mut stream, &order)?;
    frame::read_json(&mut stream)?
        .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the helper hung up without a reply"))
}

fn connect(socket: &Path) -> io::Result<UnixStream> {
    // A socket's address holds 108 bytes; through a descriptor of its directory any path fits.
    let (Some(directory), Some(name)) = (socket.parent(), socket.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let directory =
        OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(directory)?;
    UnixStream::connect(PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn an_order_gets_its_reply_even_below_a_very_long_path() {
        let base = tempfile::tempdir().unwrap();
        let deep = base.path().join("d".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        let directory = std::fs::File::open(&deep).unwrap();
        let listener =
            UnixListener::bind(format!("/proc/self/fd/{}/drive-z.sock", directory.as_raw_fd())).unwrap();
        let helper = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let order: Order = frame::read_json(&mut stream).unwrap().unwrap();
            assert_eq!(order, Order::Unmount { force: true });
            frame::write_json(&mut stream, &Reply::Unmounted).unwrap();
        });
        let reply = order(&deep.join("drive-z.sock"), Order::Unmount { force: true }, Duration::from_secs(5));
        assert_eq!(reply.unwrap(), Reply::Unmounted);
        helper.join().unwrap();
    }

    #[test]
    fn nobody_listening_is_an_error_at_once() {
        let base = tempfile::tempdir().unwrap();
        let missing = order(&base.path().join("drive-z.sock"), Order::Status, Duration::from_secs(5));
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
