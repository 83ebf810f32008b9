//! What the tests need besides Rust: Debian packages, and programs of crates.io.

use crate::shell::{Result, cargo, heading, is_root, root, run};
use std::path::Path;
use std::process::Command;

/// A package, and a file by which its presence is known.
struct Package {
    name: &'static str,
    file: &'static str,
    needed_for: &'static str,
}

const PACKAGES: &[Package] = &[
    Package { name: "gcc", file: "/usr/bin/gcc", needed_for: "C plug-ins and C programs" },
    Package { name: "g++", file: "/usr/bin/g++", needed_for: "C++ programs and fuzzing" },
    Package { name: "libc6-dev", file: "/usr/include/stdio.h", needed_for: "C plug-ins and C programs" },
    Package { name: "samba", file: "/usr/sbin/smbd", needed_for: "a private SMB server" },
    Package { name: "samba-common-bin", file: "/usr/bin/testparm", needed_for: "a private SMB server" },
    Package {
        name: "smbclient",
        file: "/usr/bin/smbclient",
        needed_for: "a second opinion on the SMB server",
    },
    Package { name: "fuse3", file: "/usr/bin/fusermount3", needed_for: "mounts without privileges" },
    Package { name: "git", file: "/usr/bin/git", needed_for: "git clone into a mounted share" },
    Package { name: "mono-runtime", file: "/usr/bin/mono", needed_for: "C# programs" },
    Package { name: "mono-mcs", file: "/usr/bin/mcs", needed_for: "C# programs" },
    Package { name: "python3", file: "/usr/bin/python3", needed_for: "Python programs" },
    Package { name: "fio", file: "/usr/bin/fio", needed_for: "files written and verified on a share" },
    Package { name: "stress-ng", file: "/usr/bin/stress-ng", needed_for: "a share under stress" },
    Package { name: "sqlite3", file: "/usr/bin/sqlite3", needed_for: "databases on a share" },
    Package { name: "rsync", file: "/usr/bin/rsync", needed_for: "trees copied to a share" },
    Package { name: "nftables", file: "/usr/sbin/nft", needed_for: "networks that lose packets" },
    Package { name: "iproute2", file: "/usr/sbin/ip", needed_for: "networks of the tests' own" },
];

/// Programs of crates.io that judge mounted shares. They are run, not linked; built into `target/tools`.
const TOOLS: &[(&str, &str)] = &[("fsx", "0.3.2"), ("pjdfstest", "0.2.2")];

/// Installs what is missing.
pub(crate) fn everything() -> Result<()> {
    packages()?;
    tools()
}

/// Builds the programs of crates.io, once.
fn tools() -> Result<()> {
    let place = root().join("target/tools");
    for (name, version) in TOOLS {
        if place.join("bin").join(name).exists() {
            continue;
        }
        heading(&format!("cargo install {name}@{version}"));
        let mut install = cargo();
        install.args(["install", "--quiet", "--locked"]).arg(format!("{name}@{version}"));
        install.arg("--root").arg(&place).arg("--target-dir").arg(place.join("build"));
        run(&mut install)?;
    }
    Ok(())
}

/// Installs what is missing, as root; names it, otherwise.
fn packages() -> Result<()> {
    let missing: Vec<&Package> =
        PACKAGES.iter().filter(|package| !Path::new(package.file).exists()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let install = format!("apt-get install --no-install-recommends {}", names.join(" "));
    if !is_root() || !Path::new("/usr/bin/apt-get").exists() {
        for package in &missing {
            eprintln!("missing: {} ({}), for {}", package.name, package.file, package.needed_for);
        }
        return Err(format!(
            "the tests need what is missing above; on Debian, run as root: apt-get update && {install}"
        ));
    }
    heading(&install);
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    run(apt().args(["update", "-qq"]))?;
    run(apt().args(["install", "-y", "-qq", "--no-install-recommends"]).args(&names))?;
    // The package starts a server of its own; ours are private and need none of it.
    for service in ["smbd", "nmbd"] {
        _ = Command::new("service").args([service, "stop"]).output();
    }
    match missing.iter().find(|package| !Path::new(package.file).exists()) {
        Some(package) => Err(format!("{} was installed, but there is no {}", package.name, package.file)),
        None => Ok(()),
    }
}
