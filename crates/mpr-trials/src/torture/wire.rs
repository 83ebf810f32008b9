//! The network breaks down: connections are reset, cut, lossy, slow.
//!
//! In a network name space of its own, which has nothing but a loopback: server, helper and writer are started by
//! a thread that lives there. Packets are dropped and rejected by nftables there; delay takes `tc netem`,
//! which not every kernel has. The name space goes with its last process.

use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::server::survives;
use crate::program::succeed;
use crate::stage::Stage;
use crate::verdict::{Form, Judge, Trouble};

const PATIENCE: Duration = Duration::from_secs(20);
/// How long a connection is cut: long enough that TCP notices, shorter than the deadline of a call.
const CUT: Duration = Duration::from_secs(4);

pub(super) fn judge(_: &Stage, judge: &mut Judge) {
    let form = judge.form;
    judge.case("what was synced survives connections that are reset", || {
        apart(move |stage| {
            survives(stage, "reset", form.of(2, 20), || {
                let rule = Rule::set(stage, "reject with tcp reset");
                thread::sleep(Duration::from_millis(300));
                drop(rule);
            })
        })
    });
    judge.case("what was synced survives a network that is cut", || {
        apart(move |stage| {
            survives(stage, "cut", form.of(1, 10), || {
                let rule = Rule::set(stage, "drop");
                thread::sleep(CUT);
                drop(rule);
            })
        })
    });
    judge.case("what was synced survives a network that loses packets", || {
        apart(move |stage| {
            let _rule = Rule::set(stage, "numgen random mod 100 < 3 drop")?;
            survives(stage, "lossy", form.of(2, 20), || thread::sleep(Duration::from_millis(500)))
        })
    });
    if form == Form::Long {
        judge.case("what was synced survives a slow network", || {
            apart(|stage| {
                let mut netem = Command::new("tc");
                netem.args([
                    "qdisc", "add", "dev", "lo", "root", "netem", "delay", "40ms", "20ms", "loss", "1%",
                ]);
                succeed(&mut netem, PATIENCE)
                    .map_err(|why| Trouble::Skipped(format!("this kernel has no netem: {}", why.trim())))?;
                survives(stage, "slow", 10, || stage.samba().break_connections())
            })
        });
    }
}

/// Judges in a network of its own, with a server of its own.
fn apart(judge: impl FnOnce(&Stage) -> Result<(), Trouble> + Send) -> Result<(), Trouble> {
    thread::scope(|scope| {
        let there = scope.spawn(|| {
            // SAFETY: only the network of this thread changes; nothing shared with other threads does.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.map_err(|error| {
                Trouble::Skipped(format!("no network of its own can be made ({error}); it takes root"))
            })?;
            succeed(Command::new("ip").args(["link", "set", "lo", "up"]), PATIENCE)?;
            judge(&Stage::own())
        });
        there.join().unwrap_or_else(|_| Err("the judge panicked".into()))
    })
}

/// Something that happens to packets on their way to the server, until dropped.
struct Rule;

impl Rule {
    fn set(stage: &Stage, what: &str) -> Result<Rule, String> {
        let port = stage.samba().port();
        let rules = format!(
            "add table inet trial; add chain inet trial way {{ type filter hook input priority 0; }}; \
             add rule inet trial way tcp dport {port} {what}"
        );
        succeed(Command::new("nft").arg(rules), PATIENCE)?;
        Ok(Rule)
    }
}

impl Drop for Rule {
    fn drop(&mut self) {
        _ = succeed(Command::new("nft").args(["delete", "table", "inet", "trial"]), PATIENCE);
    }
}
