//! Reaching a server by name: each of its addresses gets a chance, and the first that answers is taken.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mpr_helper::protocol::Stage;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::session::OnStage;

/// The most addresses of a name that are tried.
const MOST_ADDRESSES: usize = 8;
/// How long an address is tried alone before the next one is, too (RFC 8305).
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to a host. `NotFound` means that there is no such host, `ConnectionRefused` that nothing listens there,
/// `TimedOut` that it does not answer. Says when the address of a name is looked up, and when it is known.
pub(crate) async fn dial(
    host: &str,
    port: u16,
    patience: Duration,
    on_stage: OnStage<'_>,
) -> io::Result<TcpStream> {
    let dialled = tokio::time::timeout(patience, within(host, port, on_stage));
    dialled.await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
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
                Some(Ok(Ok(stream))) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
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
        assert!(dial("localhost", port, patience, &told).await.is_ok());
        assert_eq!(*stages.lock().unwrap(), [Stage::Resolving, Stage::Connecting]);
        let port = listener.local_addr().unwrap().port();
        assert!(dial("127.0.0.1", port, patience, &|_| {}).await.is_ok());
        drop(listener);
        assert_eq!(
            dial("127.0.0.1", port, patience, &|_| {}).await.unwrap_err().kind(),
            io::ErrorKind::ConnectionRefused
        );
        assert_eq!(
            dial("no such host", 1, patience, &|_| {}).await.unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
