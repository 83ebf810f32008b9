//! fsx: random operations on one file, with a model of what must be in it.

use std::fs;

use crate::program::{succeed, tool};
use crate::stage::Stage;
use crate::verdict::{Judge, Trouble};

/// Name of a case, and the weights of its operations.
const MIXTURES: &[(&str, &str)] = &[
    ("read and write", "read = 10\nwrite = 10\ntruncate = 3\nmapread = 0\nmapwrite = 0\nclose_open = 1"),
    ("mapped", "read = 5\nwrite = 5\ntruncate = 2\nmapread = 10\nmapwrite = 10\ninvalidate = 1\nfsync = 1"),
    (
        "copied within the share",
        "read = 10\nwrite = 10\ntruncate = 2\nmapread = 0\nmapwrite = 0\ncopy_file_range = 6\nsendfile = 3",
    ),
    (
        "holes",
        "read = 10\nwrite = 10\ntruncate = 2\nmapread = 3\nmapwrite = 3\npunch_hole = 5\nposix_fallocate = 3",
    ),
];

pub(super) fn judge(stage: &Stage, judge: &mut Judge) {
    let form = judge.form;
    for (name, weights) in MIXTURES {
        judge.case(name, || {
            let fsx = tool("fsx")?;
            let mount = stage.mount()?;
            let (place, local) = (mount.place("fsx")?, mount.local("fsx")?);
            let settings = local.join("fsx.toml");
            let text = format!("flen = 262144\n[opsize]\nmax = 65536\n[weights]\n{weights}\n");
            fs::write(&settings, text).map_err(super::failed("fsx.toml"))?;
            for seed in 1..=form.of(2, 20) {
                let mut run = mount.command(&fsx);
                run.arg("-q").arg("-f").arg(&settings).arg("-P").arg(&local);
                run.args(["-S", &seed.to_string(), "-N", form.of("400", "20000")]);
                let file = place.join(format!("{}-{seed}", name.replace(' ', "-")));
                let done = succeed(run.arg(&file), form.patience());
                done.map_err(|why| Trouble::Failed(format!("seed {seed}, weights {weights:?}: {why}")))?;
            }
            Ok(())
        });
    }
}
