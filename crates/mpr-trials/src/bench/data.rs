//! What lies on the server while it is measured.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use mpr_testkit::Samba;

use crate::program::succeed;
use crate::verdict::Form;

/// How much there is of everything.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) file_mib: usize,
    pub(super) large_tree: usize,
    pub(super) repository: usize,
    pub(super) creates: usize,
    /// How long a random pattern is kept up, in seconds.
    pub(super) random: u32,
    pub(super) rounds: usize,
}

impl Sizes {
    pub(super) fn full() -> Sizes {
        Sizes { file_mib: 1024, large_tree: 50_000, repository: 5000, creates: 1000, random: 4, rounds: 5 }
    }

    pub(super) fn quick() -> Sizes {
        Sizes { file_mib: 128, large_tree: 10_000, repository: 1000, creates: 1000, random: 1, rounds: 3 }
    }
}

/// Files in the small tree, and in the flat directory.
pub(super) const SMALL_TREE: usize = 2000;
/// MiB that are written to at random.
pub(super) const WRITTEN: usize = 64;

/// The share's data, and lists of names for those who stat.
#[derive(Debug)]
pub(super) struct Data {
    local: tempfile::TempDir,
}

impl Data {
    pub(super) fn lay_out(samba: &Samba, sizes: Sizes) -> Result<Data, String> {
        let root = samba.data("rw");
        touch_memory(&root, 3 * sizes.file_mib).map_err(|error| format!("touching memory: {error}"))?;
        let data = Data { local: tempfile::tempdir().map_err(|error| error.to_string())? };
        data.make(&root, sizes).map_err(|error| format!("laying out the share: {error}"))?;
        repository(&root.join("repository"), sizes.repository)?;
        succeed(Command::new("chown").arg("-R").arg(samba.user()).arg(&root), Form::Long.patience())?;
        Ok(data)
    }

    fn make(&self, root: &Path, sizes: Sizes) -> io::Result<()> {
        big(&root.join("big.bin"), sizes.file_mib)?;
        // What is read at random is not what was read in order: nobody has it in a cache.
        big(&root.join("random.bin"), sizes.file_mib)?;
        big(&root.join("written.bin"), WRITTEN)?;
        big(&self.local("put.bin"), sizes.file_mib)?;
        for file in 0..SMALL_TREE {
            let directory = root.join(format!("tree/d{}/s{}", file % 20, file / 20 % 5));
            fs::create_dir_all(&directory)?;
            fs::write(directory.join(format!("file-{file}.txt")), vec![b'x'; 512 + file])?;
        }
        let flat: Vec<String> = (0..SMALL_TREE).map(|file| format!("flat/file-{file}.dat")).collect();
        let large: Vec<String> =
            (0..sizes.large_tree).map(|file| format!("large/d{}/file-{file}.dat", file % 50)).collect();
        for (names, list) in [(&flat, "flat"), (&large, "large")] {
            for name in names {
                let path = root.join(name);
                if !path.parent().is_some_and(Path::exists) {
                    fs::create_dir_all(path.parent().expect("below the root"))?;
                }
                fs::write(path, "x")?;
            }
            fs::write(self.local(list), names.join("\n"))?;
        }
        Ok(())
    }

    /// A file beside the share: `put.bin`, and the names in `flat` and in `large`.
    pub(super) fn local(&self, name: &str) -> PathBuf {
        self.local.path().join(name)
    }
}

/// Every MiB differs, so that nothing can be deduplicated.
fn big(path: &Path, mib: usize) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut block: Vec<u8> =
        (0..1 << 20).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for number in 0..mib {
        block[..8].copy_from_slice(&(number as u64).to_le_bytes());
        file.write_all(&block)?;
    }
    Ok(())
}

/// A virtual machine gets a page of memory from its host when it is touched first, which is slow; so that this
/// is not measured, as much as will be needed is touched before.
fn touch_memory(beside: &Path, mib: usize) -> io::Result<()> {
    let path = beside.join("touched");
    big(&path, mib)?;
    fs::remove_file(path)
}

/// A repository with one commit. What git knows of files on the server it must not compare here: times and
/// sizes are the same through a mount, numbers of inodes are not.
fn repository(root: &Path, files: usize) -> Result<(), String> {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null").arg("-C").arg(root);
        git.args(["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org"]).args(arguments);
        succeed(&mut git, Form::Long.patience())
    };
    for file in 0..files {
        let directory = root.join(format!("d{}/s{}", file % 25, file / 25 % 8));
        fs::create_dir_all(&directory)
            .and_then(|()| fs::write(directory.join(format!("file-{file}.c")), format!("int x{file};\n")))
            .map_err(|error| error.to_string())?;
    }
    git(&["init", "--quiet"])?;
    for (key, value) in [
        ("core.checkStat", "minimal"),
        ("core.trustctime", "false"),
        ("core.filemode", "false"),
        ("gc.auto", "0"),
    ] {
        git(&["config", key, value])?;
    }
    git(&["add", "--all"])?;
    git(&["commit", "--quiet", "--message", "all"])?;
    Ok(())
}
