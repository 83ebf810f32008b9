//! git: a repository is cloned to the share, worked on there, packed, examined, and cloned back.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::program::succeed;
use crate::stage::{Mount, Stage};
use crate::verdict::{Form, Judge, Trouble};

pub(super) fn judge(stage: &Stage, judge: &mut Judge) {
    let form = judge.form;
    judge.case("clone, commit, gc, fsck", || {
        let mount = stage.mount()?;
        let (place, local) = (mount.place("repository")?, mount.local("repository")?);
        let origin = local.join("origin");
        make(&mount, &origin, form)?;
        let (clone, back) = (place.join("clone"), local.join("back"));
        git(&mount, &local, &["clone", "--no-local", "--quiet", path(&origin)?, path(&clone)?], form)?;
        git(&mount, &clone, &["fsck", "--full", "--strict"], form)?;
        fs::write(clone.join("added"), "here\n").map_err(super::failed("added"))?;
        git(&mount, &clone, &["rm", "--quiet", "-r", "d0"], form)?;
        git(&mount, &clone, &["mv", "d1", "moved"], form)?;
        git(&mount, &clone, &["add", "--all"], form)?;
        git(&mount, &clone, &["commit", "--quiet", "--message", "on the share"], form)?;
        git(&mount, &clone, &["checkout", "--quiet", "HEAD~1"], form)?;
        git(&mount, &clone, &["checkout", "--quiet", "-"], form)?;
        git(&mount, &clone, &["gc", "--quiet", "--prune=now"], form)?;
        git(&mount, &clone, &["fsck", "--full", "--strict"], form)?;
        let changed = git(&mount, &clone, &["status", "--porcelain"], form)?;
        if !changed.is_empty() {
            return Err(Trouble::Failed(format!("git status of a clean tree: {changed}")));
        }
        git(&mount, &local, &["clone", "--no-local", "--quiet", path(&clone)?, path(&back)?], form)?;
        let tree = |repository: &Path| git(&mount, repository, &["rev-parse", "HEAD^{tree}"], form);
        if tree(&clone)? == tree(&back)? { Ok(()) } else { Err("the clone of the clone differs".into()) }
    });
}

/// A repository with a past.
fn make(mount: &Mount, origin: &Path, form: Form) -> Result<(), Trouble> {
    git(mount, Path::new("/"), &["init", "--quiet", path(origin)?], form)?;
    let (commits, files) = form.of((3, 60), (20, 3000));
    for commit in 0..commits {
        for file in 0..files {
            // A third of the files changes each time.
            if commit > 0 && file % 3 != commit % 3 {
                continue;
            }
            let directory = origin.join(format!("d{}/s{}", file % 7, file % 11));
            let text = format!("file {file} in commit {commit}\n").repeat(20 + file % 50);
            fs::create_dir_all(&directory)
                .and_then(|()| fs::write(directory.join(format!("f{file}.txt")), text))
                .map_err(super::failed("the repository to clone"))?;
        }
        git(mount, origin, &["add", "--all"], form)?;
        git(mount, origin, &["commit", "--quiet", "--message", &format!("commit {commit}")], form)?;
    }
    Ok(())
}

fn git(mount: &Mount, directory: &Path, arguments: &[&str], form: Form) -> Result<String, Trouble> {
    let mut git: Command = mount.command("git");
    for role in ["AUTHOR", "COMMITTER"] {
        git.env(format!("GIT_{role}_NAME"), "Nobody").env(format!("GIT_{role}_EMAIL"), "nobody@example.org");
    }
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null").args(["-c", "gc.auto=0"]);
    git.arg("-C").arg(directory).args(arguments);
    succeed(&mut git, form.patience())
        .map_err(|why| Trouble::Failed(format!("git {}: {why}", arguments.join(" "))))
}

fn path(path: &Path) -> Result<&str, Trouble> {
    path.to_str().ok_or_else(|| "a path of a test is text".into())
}
