//! The server breaks down: its sessions die, it is killed, it freezes.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::diary::Diary;
use crate::program;
use crate::stage::{Mount, Person, Stage};
use crate::verdict::{Form, Judge, Trouble};

/// Within what time work goes on after a fault is over, on a busy machine. Longer than the deadline of a call.
const RECOVERY: Duration = Duration::from_secs(75);
/// How long a server stays frozen: shorter than the deadline of a call, so that nothing need fail.
const FROZEN: Duration = Duration::from_secs(3);
/// How fast somebody who waits can be killed, and a disconnection forced. One second is promised; the rest is
/// for a busy machine.
const AT_ONCE: Duration = Duration::from_secs(8);
/// Within what time the helper takes a request from the kernel.
const TAKEN: Duration = Duration::from_millis(500);
/// The deadline of a call, and room.
const DEADLINE: Duration = Duration::from_secs(45);

pub(super) fn judge(_: &Stage, judge: &mut Judge) {
    let form = judge.form;
    // Their own server: the others' would suffer.
    let stage = Stage::own();
    judge.case("what was synced survives broken connections", || {
        survives(&stage, "broken", form.of(2, 20), || stage.samba().break_connections())
    });
    judge.case("what was synced survives a server that is killed", || {
        survives(&stage, "killed", form.of(2, 20), || {
            stage.samba().kill();
            stage.samba().start_again();
        })
    });
    judge.case("what was synced survives a server that freezes", || {
        survives(&stage, "frozen", form.of(1, 10), || {
            stage.samba().freeze();
            thread::sleep(FROZEN);
            stage.samba().thaw();
        })
    });
    judge.case("who waits for a frozen server can be killed", || frozen(&stage, can_be_killed));
    judge.case("a frozen server can be disconnected by force", || frozen(&stage, can_be_disconnected));
    if form == Form::Long {
        judge.case("nobody waits longer than the deadline", || frozen(&stage, is_told));
    }
}

/// Whether everything acknowledged is on the server after the world broke so many times, and work went on.
pub(super) fn survives(
    stage: &Stage,
    name: &str,
    times: usize,
    mut breaks: impl FnMut(),
) -> Result<(), Trouble> {
    let mount = Mount::new(stage.samba(), "rw", Person::Myself)?;
    let place = mount.place(&format!("diary-{name}"))?;
    let mut diary = Diary::begin(&mount, place.join("diary"))?;
    diary.goes_on(8, RECOVERY)?;
    for _ in 0..times {
        breaks();
        diary.goes_on(8, RECOVERY)?;
    }
    diary.is_on(&stage.there(&format!("diary-{name}")), RECOVERY)?;
    Ok(())
}

/// Judges with a file on a frozen server that nobody has read before. Thaws it, whatever came of it.
fn frozen(stage: &Stage, judge: fn(&Mount, &mut Command) -> Result<(), Trouble>) -> Result<(), Trouble> {
    let mount = Mount::new(stage.samba(), "rw", Person::Myself)?;
    mount.place("frozen")?;
    fs::write(stage.there("frozen/unread"), "x").map_err(super::failed("a file on the server"))?;
    let mut cat = mount.command("cat");
    cat.arg(mount.root().join("frozen/unread"));
    stage.samba().freeze();
    let judged = judge(&mount, &mut cat);
    stage.samba().thaw();
    judged
}

fn can_be_killed(_: &Mount, cat: &mut Command) -> Result<(), Trouble> {
    let mut waiting = program::start(cat)?;
    // It is in the kernel when the kernel says that it waits there.
    let state = || fs::read_to_string(format!("/proc/{}/wchan", waiting.id())).unwrap_or_default();
    program::eventually("the reader waits", AT_ONCE, || {
        state().contains("fuse") || state().contains("request")
    })?;
    // A request that nobody has taken from the kernel yet is given up easily; it is the others that count.
    thread::sleep(TAKEN);
    let begun = Instant::now();
    waiting.kill().map_err(super::failed("killing"))?;
    match program::wait(&mut waiting, AT_ONCE) {
        Some(_) => Ok(()),
        None => Err(Trouble::Failed(format!("it lives {:?} after SIGKILL", begun.elapsed()))),
    }
}

fn can_be_disconnected(mount: &Mount, cat: &mut Command) -> Result<(), Trouble> {
    let mut waiting = program::start(cat)?;
    let begun = Instant::now();
    mount.disconnect(true)?;
    let took = begun.elapsed();
    let released = program::wait(&mut waiting, AT_ONCE).is_some();
    program::end(&mut waiting);
    match (took < AT_ONCE, released) {
        (true, true) => Ok(()),
        (false, _) => Err(Trouble::Failed(format!("it took {took:?}"))),
        (true, false) => Err("the waiting reader was not released".into()),
    }
}

fn is_told(_: &Mount, cat: &mut Command) -> Result<(), Trouble> {
    let ended = program::run(cat, DEADLINE)?;
    if ended.status.success() { Err("a frozen server answered".into()) } else { Ok(()) }
}
