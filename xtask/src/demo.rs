//! The main job, shown with nothing set up but Rust and a C compiler: a directory of this machine is
//! connected as a network drive while a notification library watches.
//!
//! Everything is real: the command `mpr`, a notification library compiled from C, configuration files, a
//! connection. It all lives in a directory of its own, which is removed at the end.

use crate::shell::{self, Result, cargo, root, unstarted};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) fn run() -> Result<bool> {
    eprintln!("building mpr …");
    shell::run(cargo().args(["build", "--quiet", "--package", "mpr-cli"]))?;
    let world = World::new()?;
    show(&world)?;
    println!(
        "\nThat was all real. Next: mpr --help, and the README for SMB shares and for writing a library."
    );
    Ok(true)
}

fn show(world: &World) -> Result<()> {
    say("A directory with two photos in it stands for the network; a notification library is registered.");
    world.mpr(&["notifyee", "list"])?;

    say("Connect it as Z:. The library is told before and after.");
    world.mpr(&["connect", "//local/photos", "Z:"])?;

    say("It is listed, and the files are there.");
    world.mpr(&["list"])?;
    world.mpr(&["path", r"Z:\beach.jpg"])?;
    world.shell("ls", &["-1"], &world.drive("z"))?;

    say("Disconnect it. The library is told again.");
    world.mpr(&["disconnect", "Z:"])?;
    world.mpr(&["list"])?;
    Ok(())
}

/// A private place with a configuration, a share and a notification library.
struct World {
    home: PathBuf,
}

impl World {
    fn new() -> Result<Self> {
        let home = std::env::temp_dir().join(format!("mpr-demo-{}", std::process::id()));
        // Made by us and for us alone: the name can be guessed, and what is in it will be loaded.
        DirBuilder::new()
            .mode(0o700)
            .create(&home)
            .map_err(|error| format!("{}: {error}", home.display()))?;
        let world = World { home };
        let make = |path: &Path, text: &str| {
            let written = fs::create_dir_all(path.parent().expect("below the home"))
                .and_then(|()| fs::write(path, text));
            written.map_err(|error| format!("{}: {error}", path.display()))
        };
        let (photos, library) = (world.home.join("photos"), world.home.join("watch.so"));
        make(&photos.join("beach.jpg"), "not really a photo\n")?;
        make(&photos.join("forest.jpg"), "not really a photo\n")?;
        make(
            &world.home.join("etc/mpr.toml"),
            &format!("builtin-providers = [\"local\"]\n\n[local-directory.shares]\nphotos = {photos:?}\n"),
        )?;
        make(&world.home.join("etc/notifyees.d/watch.toml"), &format!("path = {library:?}\n"))?;
        let mut compile = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
        compile.current_dir(root()).args(["-shared", "-fPIC", "-fshort-wchar", "-Iinclude/mpr", "-o"]);
        compile.arg(&library).arg("examples/c/watch_notifyee.c");
        let hint = |error| {
            format!("{error}; the demonstration needs a C compiler (Debian package gcc and libc6-dev)")
        };
        shell::run(&mut compile).map_err(hint)?;
        Ok(world)
    }

    /// Where a drive letter is found.
    fn drive(&self, letter: &str) -> PathBuf {
        self.home.join("run/drives").join(letter)
    }

    /// Runs the command as the user would type it, showing it first.
    fn mpr(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(root().join("target/debug/mpr"));
        println!("$ mpr {}", arguments.join(" "));
        command
            .args(arguments)
            .env("MPR_CONFIG_DIRS", self.home.join("etc"))
            .env("MPR_STATE_DIR", self.home.join("state"))
            .env("MPR_RUNTIME_DIR", self.home.join("run"));
        shell::run(&mut command)
    }

    fn shell(&self, program: &str, arguments: &[&str], directory: &Path) -> Result<()> {
        println!("$ {program} {}", directory.display());
        let mut command = Command::new(program);
        command.args(arguments).arg(directory.join("."));
        let status = command.status().map_err(|error| unstarted(&command, &error))?;
        if status.success() { Ok(()) } else { Err(format!("{program}: {status}")) }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.home);
    }
}

fn say(text: &str) {
    println!("\n# {text}");
}
