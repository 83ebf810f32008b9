//! SQLite: writers at once, one of which is killed; afterwards the database is whole and has every row that
//! was acknowledged.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::program::{self, succeed};
use crate::stage::{Mount, Stage};
use crate::torture::two;
use crate::verdict::{Form, Judge, Trouble};

/// How long a writer waits for the others, in milliseconds.
const BUSY: u32 = 60_000;

pub(super) fn judge(stage: &Stage, judge: &mut Judge) {
    let form = judge.form;
    for mode in ["delete", "truncate", "persist"] {
        if form == Form::Short && mode == "persist" {
            continue;
        }
        judge.case(&format!("writers on one mount, journal {mode}"), || {
            let mount = stage.mount()?;
            let place = mount.place(&format!("database-{mode}"))?;
            let file = place.join("one.db");
            write_and_kill(form, mode, &[(&mount, file.clone()), (&mount, file.clone()), (&mount, file)])
        });
    }
    judge.case("writers on two mounts", || {
        let (one, other) = (stage.mount()?, stage.mount()?);
        let place = one.place("database-two")?;
        two::locks_exclude(&place, &other.root().join("database-two"))?;
        let (here, there) = (place.join("two.db"), other.root().join("database-two/two.db"));
        write_and_kill(form, "delete", &[(&one, here.clone()), (&other, there), (&one, here)])
    });
}

/// Lets a writer loose on each of these, and kills the last in the middle.
fn write_and_kill(form: Form, mode: &str, places: &[(&Mount, PathBuf)]) -> Result<(), Trouble> {
    let (mount, file) = &places[0];
    let make = format!("PRAGMA journal_mode={mode}; CREATE TABLE t (who INTEGER, n INTEGER, filler BLOB);");
    succeed(sqlite(mount, file).arg(make), form.patience())?;
    let rows = form.of(25, 500);
    let mut writers: Vec<Writer> = Vec::new();
    for (who, (mount, file)) in places.iter().enumerate() {
        writers.push(Writer::start(mount, file, mode, who, rows)?);
    }
    let killed = writers.last_mut().expect("there are writers");
    killed.read_until(rows / 3);
    // Where it is: in a transaction, most likely, with a journal beside the database.
    let died = program::end(&mut killed.child);
    if !died {
        return Err("a writer cannot be killed".into());
    }
    for writer in &mut writers {
        writer.read_until(rows);
        if program::wait(&mut writer.child, form.patience()).is_none() {
            program::end(&mut writer.child);
            return Err(Trouble::Failed(format!("writer {} hangs", writer.who)));
        }
    }
    for (mount, file) in places.iter().take(2) {
        let check = succeed(sqlite(mount, file).arg("PRAGMA integrity_check;"), form.patience())?;
        if check.trim() != "ok" {
            return Err(Trouble::Failed(format!("integrity_check: {check}")));
        }
        for writer in &writers {
            let count = format!("SELECT count(*) FROM t WHERE who = {};", writer.who);
            let count = succeed(sqlite(mount, file).arg(count), form.patience())?;
            let count: usize = count.trim().parse().map_err(|_| format!("count: {count}"))?;
            let whole = writer.who + 1 < writers.len();
            // The one that was killed may have committed once more than it could say.
            let good = if whole {
                writer.acknowledged == rows && count == rows
            } else {
                count >= writer.acknowledged
            };
            if !good {
                return Err(Trouble::Failed(format!(
                    "writer {} of {rows} rows: {} acknowledged, {count} there",
                    writer.who, writer.acknowledged
                )));
            }
        }
    }
    Ok(())
}

/// `sqlite3` that waits for others, with the file to open.
fn sqlite(mount: &Mount, file: &Path) -> Command {
    let mut sqlite = mount.command("sqlite3");
    sqlite.args(["-batch", "-bail", "-init", "/dev/null", "-cmd", &format!(".timeout {BUSY}")]).arg(file);
    sqlite
}

/// A process that inserts rows, one transaction each, and says so after each.
struct Writer {
    who: usize,
    child: Child,
    said: BufReader<std::process::ChildStdout>,
    acknowledged: usize,
}

impl Writer {
    fn start(mount: &Mount, file: &Path, mode: &str, who: usize, rows: usize) -> Result<Writer, String> {
        let mut child = program::start(sqlite(mount, file).stdin(Stdio::piped()))?;
        let mut script = format!("PRAGMA journal_mode={mode}; PRAGMA synchronous=FULL;\n");
        for n in 0..rows {
            script += &format!(
                "BEGIN IMMEDIATE; INSERT INTO t VALUES ({who}, {n}, randomblob(3000)); COMMIT; SELECT 'done';\n"
            );
        }
        let mut input = child.stdin.take().ok_or("sqlite3 has no standard input")?;
        // The script is longer than a pipe; it is fed beside.
        std::thread::spawn(move || _ = input.write_all(script.as_bytes()));
        let said = BufReader::new(child.stdout.take().ok_or("sqlite3 has no standard output")?);
        Ok(Writer { who, child, said, acknowledged: 0 })
    }

    /// Reads until that many rows were acknowledged, or it has nothing more to say.
    fn read_until(&mut self, rows: usize) {
        let mut line = String::new();
        while self.acknowledged < rows && self.said.read_line(&mut line).is_ok_and(|read| read > 0) {
            self.acknowledged += usize::from(line.trim() == "done");
            line.clear();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        program::end(&mut self.child);
    }
}
