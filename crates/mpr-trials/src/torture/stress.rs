//! stress-ng's stressors that need nothing but a file system.

use crate::program::run;
use crate::stage::Stage;
use crate::verdict::{Judge, Trouble};

/// Those that can be judged on a network file system. Left out is what asks for devices, quotas or another
/// file system.
const STRESSORS: &[&str] = &[
    "access",
    "chdir",
    "chmod",
    "chown",
    "copy-file",
    "dentry",
    "dir",
    "dirdeep",
    "dirmany",
    "fallocate",
    "filename",
    "flock",
    "fpunch",
    "fsize",
    "fstat",
    "getdent",
    "hdd",
    "io-uring",
    "iomix",
    "link",
    "locka",
    "lockf",
    "lockofd",
    "mmap",
    "msync",
    "open",
    "readahead",
    "rename",
    "revio",
    "seek",
    "sendfile",
    "symlink",
    "sync-file",
    "touch",
    "utime",
    "xattr",
];
/// What the test command has time for: one of each kind.
const FEW: &[&str] =
    &["dentry", "dir", "fallocate", "flock", "hdd", "lockf", "rename", "seek", "utime", "xattr"];

/// What stress-ng ends with when a stressor could not do its work here.
const NOT_IMPLEMENTED: i32 = 4;
const NO_RESOURCE: i32 = 3;

pub(super) fn judge(stage: &Stage, judge: &mut Judge) {
    let form = judge.form;
    let mount = stage.mount();
    for name in form.of(FEW, STRESSORS) {
        judge.case(name, || {
            let mount = mount.as_ref().map_err(|why| Trouble::Failed(why.clone()))?;
            let place = mount.place(&format!("stress-{name}"))?;
            let mut stress = mount.command("stress-ng");
            // From inside: with a place that begins at the root, `io-uring` asks by name for the file it has removed, and
            // takes the answer for a mistake on every file system.
            stress.current_dir(&place).args(["--temp-path", "."]);
            stress.arg(format!("--{name}")).arg(form.of("1", "4"));
            stress.args(["--timeout", form.of("1", "20"), "--verify"]);
            if *name == "hdd" {
                stress.args(["--hdd-bytes", form.of("4m", "128m")]);
            }
            if *name == "dentry" {
                stress.args(["--dentries", form.of("200", "4000")]);
            }
            let ended = run(&mut stress, form.patience())?;
            let said = telling(&ended.said());
            match ended.status.code() {
                Some(0) => Ok(()),
                Some(NOT_IMPLEMENTED | NO_RESOURCE) => {
                    Err(Trouble::Failed(format!("cannot be done here: {said}")))
                }
                _ => Err(Trouble::Failed(said)),
            }
        });
    }
}

/// The lines that say what went wrong, each once.
fn telling(said: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in said
        .lines()
        .filter(|line| ["fail:", "skipp", "error:", "unexpected"].iter().any(|word| line.contains(word)))
    {
        let line = line.split_once(']').map_or(line, |(_, rest)| rest).trim();
        if !lines.contains(&line) && lines.len() < 5 {
            lines.push(line);
        }
    }
    if lines.is_empty() { said.to_owned() } else { lines.join("; ") }
}
