//! Making a lost connection again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use mpr_abi::Status;
use mpr_helper::control::Health;
use mpr_helper::protocol::Failure;

use super::SmbFs;
use crate::channel::silence;
use crate::link::{Asked, Link, Trouble};
use crate::session::Proof;

/// Pauses between attempts: the first, and the longest. Each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A connection that is lost sooner after it was made is not made again at once: whatever ended it would go on doing that
/// as fast as connections can be made.
const STEADY: Duration = Duration::from_secs(5);
/// How long a server is not shown a password again that it has refused: at first, and at most. Each time is twice the one
/// before. Servers lock accounts for which a few wrong ones come within half an hour.
const REFUSED: [Duration; 2] = [Duration::from_secs(10 * 60), Duration::from_secs(60 * 60)];
/// After a connection could not be made again for as long as anybody waits, how long every request fails at once
/// instead of trying.
pub(super) const COOL_DOWN: Duration = Duration::from_secs(2);

/// A connection that is lost.
#[derive(Debug, Default)]
pub(super) struct Mending {
    /// Since when it is known.
    lost: Option<Instant>,
    /// When making it again failed last.
    failed: Option<Instant>,
    /// When it was made again last, and after which pause.
    made: Option<(Instant, Duration)>,
    /// When the server refused the password last, and how long it is not shown it again.
    refused: Option<(Instant, Duration)>,
}

/// Why a connection could not be made again.
enum Unmade {
    /// Not in time.
    Late,
    /// The server does not let this user in.
    Refused,
}

impl Mending {
    /// How long to wait before the first attempt.
    fn first_pause(&self) -> Duration {
        match self.made {
            Some((when, pause)) if when.elapsed() < STEADY => (2 * pause).clamp(FIRST_PAUSE, LONGEST_PAUSE),
            _ => Duration::ZERO,
        }
    }

    /// It could not be made now.
    fn failed(&mut self, is_about_a_password: bool) {
        let now = Instant::now();
        self.failed = Some(now);
        if is_about_a_password {
            let pause = self.refused.map_or(REFUSED[0], |(_, pause)| (2 * pause).min(REFUSED[1]));
            self.refused = Some((now, pause));
        }
    }

    /// Whether it is not to be tried now.
    fn rests(&self) -> bool {
        self.failed.is_some_and(|when| when.elapsed() < COOL_DOWN)
            || self.refused.is_some_and(|(when, pause)| when.elapsed() < pause)
    }
}

/// What went over connections that were lost.
#[derive(Debug, Default)]
pub(super) struct Before {
    requests: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

/// Whether a failure to connect is worth another attempt. One that is about the user is not: it could lock the account.
/// A share that is not there may be, once the server has come up.
pub(super) fn is_passing(failure: &Failure) -> bool {
    !matches!(Status(failure.status), Status::LOGON_FAILURE | Status::BAD_PASSWORD)
}

impl SmbFs {
    /// The connection there was last.
    pub(super) fn now(&self) -> Arc<Link> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A connection that stands, as far as is known. One that is lost is waited for as long as its settings say,
    /// from when it was lost; after that there is one attempt every now and then.
    pub(super) async fn link(&self) -> Asked<Arc<Link>> {
        let link = self.now();
        if !link.is_lost() {
            return Ok(link);
        }
        // Apart, so that requests are not all as large as what has to be remembered for this.
        Box::pin(self.mended()).await
    }

    async fn mended(&self) -> Asked<Arc<Link>> {
        let mut mending = self.mending.lock().await;
        let link = self.now();
        if !link.is_lost() {
            return Ok(link);
        }
        if mending.rests() {
            return Err(Trouble::Lost);
        }
        let lost = *mending.lost.get_or_insert_with(Instant::now);
        let pause = mending.first_pause().min(self.target.settings.patience);
        tokio::time::sleep(pause).await;
        match self.again(&link, lost).await {
            Ok(new) => {
                let new = Arc::new(new);
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&new);
                self.reconnects.fetch_add(1, Ordering::Relaxed);
                let figures = link.channel().figures();
                self.before.requests.fetch_add(figures.requests, Ordering::Relaxed);
                self.before.sent.fetch_add(figures.sent, Ordering::Relaxed);
                self.before.received.fetch_add(figures.received, Ordering::Relaxed);
                *mending = Mending { made: Some((Instant::now(), pause)), ..Mending::default() };
                Ok(new)
            }
            Err(unmade) => {
                // A ticket is not locked.
                let password = self.target.proof == Proof::Password && self.target.password.is_some();
                mending.failed(password && matches!(unmade, Unmade::Refused));
                Err(Trouble::Lost)
            }
        }
    }

    /// Tries until it is made.
    async fn again(&self, old: &Link, lost: Instant) -> std::result::Result<Link, Unmade> {
        let mut pause = FIRST_PAUSE;
        let mut client = Some(old.client());
        loop {
            let attempt = Link::to(&self.target, &self.share, Some(old), client, &|_| {});
            // A server that is half alive must not take up all the time there is.
            match tokio::time::timeout(silence(self.target.settings.patience), attempt).await {
                Ok(Ok(link)) => return Ok(link),
                Ok(Err(failure)) if is_passing(&failure) => {}
                Ok(Err(_)) => return Err(Unmade::Refused),
                // Servers hand a connection over to the process that serves this client already. If that one hangs,
                // only somebody new is served.
                Err(_) => client = None,
            }
            if lost.elapsed() + pause >= self.target.settings.patience {
                return Err(Unmade::Late);
            }
            tokio::time::sleep(pause).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    pub(super) fn how_it_is(&self) -> Health {
        let link = self.now();
        let figures = link.channel().figures();
        Health {
            connected: !link.is_lost(),
            open_files: 0,
            reconnects: self.reconnects.load(Ordering::Relaxed),
            security: link.security.clone(),
            authentication: link.authentication.clone(),
            signing: link.signing.to_owned(),
            encryption: link.encryption.to_owned(),
            round_trip: figures.last_round_trip,
            mean_round_trip: figures.mean_round_trip,
            silence: figures.silence,
            credits: figures.credits,
            requests: figures.requests + self.before.requests.load(Ordering::Relaxed),
            bytes_sent: figures.sent + self.before.sent.load(Ordering::Relaxed),
            bytes_received: figures.received + self.before.received.load(Ordering::Relaxed),
            resumed: self.resumed.load(Ordering::Relaxed),
            ..Health::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_does_not_last_is_made_again_more_and_more_slowly() {
        let mut mending = Mending::default();
        assert_eq!(mending.first_pause(), Duration::ZERO);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let pause = mending.first_pause();
            mending.made = Some((Instant::now(), pause));
            pauses.push(pause.as_millis());
        }
        assert_eq!(pauses, [0, 50, 100, 200, 400, 800, 1600, 2000]);
        mending.made = Instant::now().checked_sub(STEADY).map(|then| (then, LONGEST_PAUSE));
        assert_eq!(mending.first_pause(), Duration::ZERO);
    }

    #[test]
    fn a_refused_password_is_not_shown_again_for_ten_minutes_and_then_longer() {
        let mut mending = Mending::default();
        mending.failed(false);
        assert!(mending.rests() && mending.refused.is_none());
        let mut pauses = Vec::new();
        for _ in 0..5 {
            mending.failed(true);
            pauses.push(mending.refused.map(|(_, pause)| pause.as_secs() / 60).unwrap());
        }
        assert_eq!(pauses, [10, 20, 40, 60, 60]);
        mending.failed = None;
        assert!(mending.rests());
    }
}
