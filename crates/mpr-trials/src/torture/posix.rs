//! pjdfstest, as a user without privileges: what asks for root asks for what SMB does not carry (owners,
//! devices, other users).

use std::fs;

use crate::program::{run, tool};
use crate::stage::{Mount, Person, Stage};
use crate::verdict::{Judge, Trouble};

/// The suite's own file of settings, with the list of what is known to fail.
const SETTINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/pjdfstest.toml");

pub(super) fn judge(stage: &Stage, judge: &mut Judge) {
    let form = judge.form;
    judge.case("pjdfstest", || {
        let mount = Mount::new(stage.samba(), "rw", Person::Ordinary)?;
        let place = mount.place("posix")?;
        let settings = mount.local("posix")?.join("pjdfstest.toml");
        fs::copy(SETTINGS, &settings).map_err(super::failed(SETTINGS))?;
        let mut suite = mount.command(mount.reachable(&tool("pjdfstest")?)?);
        suite.arg("-c").arg(&settings).arg("-p").arg(&place).env("NO_COLOR", "1").env("RUST_BACKTRACE", "0");
        let ended = run(&mut suite, form.patience())?;
        let wrong = not_as_expected(&ended.output);
        if ended.status.success() && wrong.is_empty() {
            return Ok(());
        }
        let what = if wrong.is_empty() { ended.said() } else { wrong.join("; ") };
        Err(Trouble::Failed(format!("{what} (what is known to fail is in {SETTINGS})")))
    });
}

/// The cases that failed, and those that passed though they are marked.
fn not_as_expected(output: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut lines = output.lines().peekable();
    while let Some(line) = lines.next() {
        if line.ends_with("FAILED") {
            let why = lines.peek().map_or("", |next| next.trim());
            found.push(format!("{}: {why}", line.trim_end_matches("FAILED").trim()));
        } else if line.contains("unexpected") {
            found.push(line.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    found
}
