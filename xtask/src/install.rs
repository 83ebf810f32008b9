//! Puts what was built where programs look for it.
//!
//! The places are fixed, because others rely on them: helpers are looked for in `/usr/libexec/mpr`, and the
//! runtimes of C# and .NET for `libmpr.so` and `libmpr.dll.so` on the library path. `--destdir` puts the whole
//! tree below another directory, as package builders want it.

use crate::shell::{Result, cargo, root, run};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) fn install(arguments: &[String]) -> Result<bool> {
    let destination = match arguments {
        [] => PathBuf::from("/"),
        [option, directory] if option == "--destdir" => PathBuf::from(directory),
        _ => return Err("usage: cargo xtask install [--destdir DIRECTORY]".into()),
    };
    run(cargo().args(["build", "--release"]))?;
    let tree = Tree(destination);
    let built = root().join("target/release");
    tree.file(&built.join("mpr"), "usr/bin/mpr", 0o755)?;
    for helper in ["mpr-mount", "mpr-host"] {
        tree.file(&built.join(helper), &format!("usr/libexec/mpr/{helper}"), 0o755)?;
    }
    tree.file(&built.join("libmpr.so"), "usr/lib/libmpr.so.0", 0o644)?;
    tree.link("libmpr.so.0", "usr/lib/libmpr.so")?;
    tree.link("libmpr.so.0", "usr/lib/libmpr.dll.so")?;
    for header in files(&root().join("include/mpr"))? {
        let name = header.file_name().expect("a listed file has a name").to_string_lossy().into_owned();
        tree.file(&header, &format!("usr/include/mpr/{name}"), 0o644)?;
    }
    let manual = tree.directory("usr/share/man/man1")?;
    run(Command::new(built.join("mpr")).arg("man").arg(&manual))?;
    for (shell, place) in [
        ("bash", "usr/share/bash-completion/completions/mpr"),
        ("zsh", "usr/share/zsh/vendor-completions/_mpr"),
        ("fish", "usr/share/fish/vendor_completions.d/mpr.fish"),
    ] {
        let script = Command::new(built.join("mpr")).args(["completions", shell]).output();
        let script = script.map_err(|error| format!("mpr completions {shell}: {error}"))?;
        if !script.status.success() {
            return Err(format!("mpr completions {shell}: {}", script.status));
        }
        tree.text(&script.stdout, place)?;
    }
    if tree.0 == Path::new("/") {
        // So that programs linked with the library find it.
        run(&mut Command::new("ldconfig"))?;
    }
    println!("installed below {}", tree.0.display());
    Ok(true)
}

/// The file system, or a directory that stands for it.
struct Tree(PathBuf);

impl Tree {
    fn directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }

    /// A place for a file: its directory is there, and nothing stands in its way. What is replaced may be in
    /// use, so it is never written to.
    fn place(&self, name: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        self.directory(&Path::new(name).parent().unwrap_or(Path::new("")).to_string_lossy())?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("{}: {error}", path.display()))
            }
            _ => Ok(path),
        }
    }

    fn file(&self, from: &Path, name: &str, mode: u32) -> Result<()> {
        let path = self.place(name)?;
        let copied =
            fs::copy(from, &path).and_then(|_| fs::set_permissions(&path, fs::Permissions::from_mode(mode)));
        copied.map_err(|error| format!("{}: {error}", path.display()))
    }

    fn text(&self, bytes: &[u8], name: &str) -> Result<()> {
        let path = self.place(name)?;
        fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn link(&self, target: &str, name: &str) -> Result<()> {
        let path = self.place(name)?;
        symlink(target, &path).map_err(|error| format!("{}: {error}", path.display()))
    }
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}
