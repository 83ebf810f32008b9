//! Reaching a server by name: each of its addresses gets a chance, and the first that answers is taken.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mpr_helper::protocol::Stage;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, ipproto, socket_with};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::locked;
use crate::session::{OnStage, PORT};

/// The most addresses of a name that are tried.
const MOST_ADDRESSES: usize = 8;
/// How long an address is tried alone before the next one is, too (RFC 8305).
const HEAD_START: Duration = Duration::from_millis(250);

/// A connection that is being made before there is a use for it, for whoever dials first.
///
/// A server takes as long to begin with a client as a client to begin with a server; both can be done at once. Nothing is
/// sent or read here.
#[derive(Debug, Clone, Default)]
pub struct Ahead(Arc<Mutex<Option<std::net::TcpStream>>>);

impl Ahead {
    /// Begins to connect, where there is no name to be looked up. Does not wait; what goes wrong is found out by whoever
    /// dials.
    #[must_use]
    pub fn to(host: &str, port: Option<u16>) -> Ahead {
        let address = host.parse().ok().map(|ip: IpAddr| SocketAddr::new(ip, port.unwrap_or(PORT)));
        Ahead(Arc::new(Mutex::new(address.and_then(|address| begin(address).ok()))))
    }

    pub(crate) fn take(&self) -> Option<std::net::TcpStream> {
        locked(&self.0).take()
    }
}

fn begin(address: SocketAddr) -> io::Result<std::net::TcpStream> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    match connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket.into()),
        Err(error) => Err(error.into()),
    }
}

/// Waits for a connection that was begun.
async fn end(begun: std::net::TcpStream) -> io::Result<TcpStream> {
    let stream = TcpStream::from_std(begun)?;
    stream.writable().await?;
    match stream.take_error()? {
        None => Ok(stream),
        Some(error) => Err(error),
    }
}

/// Connects to a host. `NotFound` means that there is no such host, `ConnectionRefused` that nothing listens there,
/// `TimedOut` that it does not answer. Says when the address of a name is looked up, and when it is known.
pub(crate) async fn dial(
    host: &str,
    port: u16,
    ahead: &Ahead,
    patience: Duration,
    on_stage: OnStage<'_>,
) -> io::Result<TcpStream> {
    let dialled = async {
        if let Some(begun) = ahead.take() {
            on_stage(Stage::Connecting);
            // Why not is told by trying again.
            if let Ok(stream) = end(begun).await {
                return Ok(stream);
            }
        }
        within(host, port, on_stage).await
    };
    let stream = tokio::time::timeout(patience, dialled).await.map_err(|_| io::ErrorKind::TimedOut)??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn within(host: &str, port: u16, on_stage: OnStage<'_>) -> io::Result<TcpStream> {
    if host.parse::<IpAddr>().is_err() {
        on_stage(Stage::Resolving);
    }
    let found = tokio::net::lookup_host((host, port)).await.map_err(|_| io::ErrorKind::NotFound)?;
    on_stage(Stage::Connecting);
    let mut addresses = in_turn(found.collect());
    addresses.truncate(MOST_ADDRESSES);
    let mut attempts = JoinSet::new();
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    let mut left = addresses.into_iter();
    let mut next = left.next();
    loop {
        if let Some(address) = next.take() {
            attempts.spawn(TcpStream::connect(address));
        }
        tokio::select! {
            attempt = attempts.join_next() => match attempt {
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err(error))) => {
                    // An address that refuses says less than one that cannot be reached.
                    if failure.kind() == io::ErrorKind::NotFound || error.kind() != io::ErrorKind::ConnectionRefused {
                        failure = error;
                    }
                    next = left.next();
                }
                Some(Err(_)) => next = left.next(),
                None => return Err(failure),
            },
            () = tokio::time::sleep(HEAD_START), if left.len() > 0 => next = left.next(),
        }
    }
}

/// Addresses of both families in turn, as a broken one must not stand before all of the other.
fn in_turn(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_6);
    let mut second = second.into_iter();
    let mut both: Vec<_> =
        first.into_iter().flat_map(|address| [Some(address), second.next()]).flatten().collect();
    both.extend(second);
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (a, b, c) = (address("[::1]:1"), address("[::2]:1"), address("127.0.0.1:1"));
        assert_eq!(in_turn(vec![a, b, c]), [a, c, b]);
        assert_eq!(in_turn(vec![c, a, b]), [c, a, b]);
        assert_eq!(in_turn(vec![]), []);
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_host_is_said() {
        let patience = Duration::from_secs(20);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stages = std::sync::Mutex::new(Vec::new());
        let port = listener.local_addr().unwrap().port();
        let told = |stage| stages.lock().unwrap().push(stage);
        let none = Ahead::default();
        assert!(dial("localhost", port, &none, patience, &told).await.is_ok());
        assert_eq!(*stages.lock().unwrap(), [Stage::Resolving, Stage::Connecting]);
        let port = listener.local_addr().unwrap().port();
        assert!(dial("127.0.0.1", port, &none, patience, &|_| {}).await.is_ok());
        drop(listener);
        let ahead = Ahead::to("127.0.0.1", Some(port));
        for ahead in [&none, &ahead] {
            assert_eq!(
                dial("127.0.0.1", port, ahead, patience, &|_| {}).await.unwrap_err().kind(),
                io::ErrorKind::ConnectionRefused
            );
        }
        assert_eq!(
            dial("no such host", 1, &none, patience, &|_| {}).await.unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[tokio::test]
    async fn what_was_begun_ahead_is_used_once() {
        for bound in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = tokio::net::TcpListener::bind(bound).await else { continue };
            let address = listener.local_addr().unwrap();
            let (host, port) = (address.ip().to_string(), address.port());
            let ahead = Ahead::to(&host, Some(port));
            let begun = ahead.clone().0.lock().unwrap().as_ref().unwrap().local_addr().unwrap();
            let patience = Duration::from_secs(20);
            let first = dial(&host, port, &ahead, patience, &|_| {}).await.unwrap();
            assert_eq!(first.local_addr().unwrap(), begun);
            assert!(first.nodelay().unwrap());
            let second = dial(&host, port, &ahead, patience, &|_| {}).await.unwrap();
            assert_ne!(second.local_addr().unwrap(), begun);
        }
        assert!(Ahead::to("localhost", None).take().is_none());
    }
}
