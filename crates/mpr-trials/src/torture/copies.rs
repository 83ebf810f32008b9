//! rsync and tar: trees are copied to the share and back, and nothing is lost on the way.

use std::fs;
use std::io;
use std::path::Path;

use crate::program::succeed;
use crate::stage::{Mount, Stage};
use crate::verdict::{Form, Judge, Trouble};

pub(super) fn judge(stage: &Stage, judge: &mut Judge) {
    let form = judge.form;
    judge.case("rsync both ways", || {
        let mount = stage.mount()?;
        let (place, local) = (mount.place("rsync")?, mount.local("rsync")?);
        let (from, back) = (local.join("from"), local.join("back"));
        tree(&from, form.of(300, 10_000), 5000).map_err(super::failed("a tree to copy"))?;
        rsync(&mount, &from, &place, form)?;
        same(&mount, &from, &place, form)?;
        // Some change, some go, one is new; only these are to be copied.
        change(&from).map_err(super::failed("the tree to copy"))?;
        rsync(&mount, &from, &place, form)?;
        rsync(&mount, &place, &back, form)?;
        same(&mount, &from, &back, form)
    });
    judge.case("tar of many files", || {
        let mount = stage.mount()?;
        let (place, local) = (mount.place("tar")?, mount.local("tar")?);
        let (from, archive, again) = (local.join("from"), local.join("one.tar"), local.join("two.tar"));
        tree(&from, form.of(2000, 50_000), 300).map_err(super::failed("a tree to pack"))?;
        let tar = |directory: &Path, how: &str, archive: &Path| {
            let mut tar = mount.command("tar");
            tar.arg("-C").arg(directory).arg(how).arg(archive);
            tar.args((how == "-cf").then_some("."));
            succeed(&mut tar, form.patience())
        };
        tar(&from, "-cf", &archive)?;
        tar(&place, "-xf", &archive)?;
        tar(&place, "-cf", &again)?;
        let back = local.join("back");
        fs::create_dir(&back).map_err(super::failed("back"))?;
        tar(&back, "-xf", &again)?;
        same(&mount, &from, &back, form)?;
        succeed(mount.command("rm").arg("-r").arg(&place), form.patience())?;
        if place.exists() { Err("rm -r left something".into()) } else { Ok(()) }
    });
}

/// Files of up to `most` bytes, a few levels deep, with names and times that say something.
fn tree(root: &Path, files: usize, most: usize) -> io::Result<()> {
    for file in 0..files {
        let directory = root.join(format!("d{}/s{}", file % 13, file % 5));
        fs::create_dir_all(&directory)?;
        let text = format!("{file} ").repeat(1 + (file * 37) % most / 8);
        let path = directory.join(format!("Datei mit Größe {file}.txt"));
        let file = fs::File::create(&path)?;
        fs::write(&path, text)?;
        let when = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000 + files as u64);
        file.set_times(fs::FileTimes::new().set_modified(when))?;
    }
    Ok(())
}

fn change(root: &Path) -> io::Result<()> {
    fs::remove_dir_all(root.join("d3"))?;
    for entry in fs::read_dir(root.join("d4/s1"))? {
        fs::write(entry?.path(), "changed")?;
    }
    fs::write(root.join("new"), "new")
}

fn rsync(mount: &Mount, from: &Path, to: &Path, form: Form) -> Result<(), Trouble> {
    let mut rsync = mount.command("rsync");
    rsync.args(["-a", "--checksum", "--delete"]).arg(from.join(".")).arg(to);
    succeed(&mut rsync, form.patience())?;
    Ok(())
}

/// Whether rsync would have anything to do, reading every byte: contents, times, files too many or missing.
fn same(mount: &Mount, from: &Path, to: &Path, form: Form) -> Result<(), Trouble> {
    let mut rsync = mount.command("rsync");
    rsync.args(["-rt", "--checksum", "--delete", "--dry-run", "--itemize-changes", "--omit-dir-times"]);
    let differences = succeed(rsync.arg(from.join(".")).arg(to), form.patience())?;
    if differences.is_empty() { Ok(()) } else { Err(Trouble::Failed(format!("not the same: {differences}"))) }
}
