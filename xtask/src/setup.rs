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
    Package { name: "krb5-kdc", file: "/usr/sbin/krb5kdc", needed_for: "a private Kerberos realm" },
    Package {
        name: "krb5-admin-server",
        file: "/usr/sbin/kadmin.local",
        needed_for: "a private Kerberos realm",
    },
    Package { name: "krb5-user", file: "/usr/bin/kinit", needed_for: "tickets of that realm" },
    Package { name: "fuse3", file: "/usr/bin/fusermount3", needed_for: "mounts without privileges" },
    Package { name: "dbus-daemon", file: "/usr/bin/dbus-daemon", needed_for: "a private session bus" },
    Package {
        name: "gnome-keyring",
        file: "/usr/bin/gnome-keyring-daemon",
        needed_for: "a Secret Service on that bus",
    },
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

/// What our mounts are measured beside.
const PEERS: &[Package] = &[
    Package { name: "rclone", file: "/usr/bin/rclone", needed_for: "a peer to measure" },
    Package { name: "smbnetfs", file: "/usr/bin/smbnetfs", needed_for: "a peer to measure" },
    Package { name: "gvfs-fuse", file: "/usr/libexec/gvfsd-fuse", needed_for: "a peer to measure" },
    Package { name: "gvfs-backends", file: "/usr/libexec/gvfsd-smb", needed_for: "a peer to measure" },
    Package { name: "libglib2.0-bin", file: "/usr/bin/gio", needed_for: "a peer to measure" },
    Package { name: "dbus", file: "/usr/bin/dbus-run-session", needed_for: "a peer to measure" },
    Package { name: "sshfs", file: "/usr/bin/sshfs", needed_for: "a peer to measure" },
    Package { name: "openssh-server", file: "/usr/sbin/sshd", needed_for: "a peer to measure" },
];

/// Programs of crates.io that judge mounted shares. They are run, not linked; built into `target/tools`.
const TOOLS: &[(&str, &str)] = &[("fsx", "0.3.2"), ("pjdfstest", "0.2.2")];

/// Installs what is missing.
pub(crate) fn everything() -> Result<()> {
    install(PACKAGES)?;
    tools()
}

/// Installs the peers.
pub(crate) fn peers() -> Result<()> {
    install(PEERS)
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
fn install(packages: &'static [Package]) -> Result<()> {
    let missing: Vec<&Package> =
        packages.iter().filter(|package| !Path::new(package.file).exists()).collect();
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
            "what is missing above is needed; on Debian, run as root: apt-get update && {install}"
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
    // Packages start servers of their own; ours are private and need none of them. One that was here before
    // is somebody's, and stays.
    for (package, service) in [
        ("samba", "smbd"),
        ("samba", "nmbd"),
        ("openssh-server", "ssh"),
        ("krb5-kdc", "krb5-kdc"),
        ("krb5-admin-server", "krb5-admin-server"),
    ] {
        if names.contains(&package) {
            _ = Command::new("service").args([service, "stop"]).output();
        }
    }
    match missing.iter().find(|package| !Path::new(package.file).exists()) {
        Some(package) => Err(format!("{} was installed, but there is no {}", package.name, package.file)),
        None => Ok(()),
    }
}
