//! A notification library that refuses one server, gives a reason, and times every other connection.
//!
//! ```text
//! cargo build --release --package example-notifyee
//! mpr notifyee add timing "$PWD/target/release/libexample_notifyee.so"
//! ```

use mpr_plugin::{AddNotice, After, Attempt, Before, ConnectNotify, Status, Veto};
use std::time::{Duration, Instant};

/// A server that is being taken out of service.
const RETIRED: &str = r"\\old-nas\";
/// One more attempt is worth it when the network was only just coming up.
const SOON: Duration = Duration::from_millis(200);

#[derive(Default)]
struct Timing;

/// What is kept from before the attempt until after it.
struct Started {
    at: Instant,
    tried_again: bool,
}

impl ConnectNotify for Timing {
    type Context = Started;

    fn name(&self) -> &str {
        "timing"
    }

    fn before_add(&self, add: &AddNotice<'_>, _: Attempt) -> Before<Started> {
        let remote = add.remote.map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        if remote.starts_with(RETIRED) {
            return Before::Veto(Veto::because("old-nas is being retired; use \\\\nas instead"));
        }
        Before::Watch(Started { at: Instant::now(), tried_again: false })
    }

    fn after_add(&self, add: &AddNotice<'_>, outcome: Status, started: Started) -> After<Started> {
        let remote = add.remote.map(|name| name.to_string_lossy()).unwrap_or_default();
        if outcome == Status::BAD_NETPATH && !started.tried_again && started.at.elapsed() < SOON {
            return After::Retry(Some(Started { tried_again: true, ..started }));
        }
        eprintln!("{remote}: {outcome:?} after {:?}", started.at.elapsed());
        After::Accept
    }
}

mpr_plugin::export_connect_notify!(Timing);
