//! fio writes patterns with checksums in them, and reads them back.

use std::path::Path;

use crate::program::succeed;
use crate::stage::{Mount, Stage};
use crate::verdict::{Form, Judge, Trouble};

/// Name of a case, and how fio is to do it.
const PATTERNS: &[(&str, &[&str])] = &[
    ("sequential", &["--rw=write", "--bs=1m", "--ioengine=psync", "--end_fsync=1"]),
    ("random", &["--rw=randwrite", "--bs=4k", "--ioengine=psync", "--numjobs=2"]),
    // Whatever is written has to have room for the checksum.
    (
        "unaligned",
        &["--rw=randwrite", "--bsrange=128-64k", "--bs_unaligned=1", "--ioengine=psync", "--norandommap"],
    ),
    ("mixed", &["--rw=randrw", "--bs=16k", "--ioengine=psync", "--verify_backlog=64"]),
    ("mapped", &["--rw=randwrite", "--bs=4k", "--ioengine=mmap"]),
    ("direct", &["--rw=randwrite", "--bs=16k", "--ioengine=libaio", "--iodepth=8", "--direct=1"]),
    ("vectored", &["--rw=write", "--bs=128k", "--ioengine=pvsync", "--fsync=16"]),
];

pub(super) fn judge(stage: &Stage, judge: &mut Judge) {
    let form = judge.form;
    for (name, how) in PATTERNS {
        judge.case(name, || {
            let mount = stage.mount()?;
            let place = mount.place(&format!("fio-{name}"))?;
            run(&mount, form, &place, how)
        });
    }
    judge.case("seen by another mount", || {
        let (one, other) = (stage.mount()?, stage.mount()?);
        let how = ["--rw=randwrite", "--bs=64k", "--ioengine=psync"];
        run(&one, form, &one.place("fio-two")?, &how)?;
        let place = other.root().join("fio-two");
        run(&other, form, &place, &[&how[..], &["--verify_only"]].concat())
    });
}

fn run(mount: &Mount, form: Form, place: &Path, how: &[&str]) -> Result<(), Trouble> {
    let mut fio = mount.command("fio");
    fio.args(["--name=verify", "--verify=crc32c", "--verify_fatal=1", "--do_verify=1", "--randseed=7"]);
    fio.args(["--output-format=terse", "--verify_state_save=0", "--thread=1", "--fallocate=none"]);
    fio.arg(format!("--size={}", form.of("8m", "512m"))).arg(format!("--directory={}", place.display()));
    succeed(fio.args(how), form.patience())?;
    Ok(())
}
