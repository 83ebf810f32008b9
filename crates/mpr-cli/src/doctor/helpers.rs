//! The helper programs, and what of the system they need.

use super::{Examination, Section};
use mpr::Router;
use mpr::config::{Config, Isolation, Sandbox};
use mpr_helper::{dirs, sandbox, spawn};
use mpr_kerberos::Why;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The version of Landlock with everything a sandbox uses.
const LANDLOCK: u32 = 6;

/// Whether any loaded provider mounts what it connects: the built-in ones do, but for the local one.
fn needs_mounts(router: &Router, config: &Config) -> bool {
    router.network_providers().any(|provider| {
        let name = provider.name.to_string_lossy();
        let registered = config.providers.iter().any(|entry| entry.name.eq_ignore_ascii_case(&name));
        !registered && name != "Local Directory Network"
    })
}

pub(super) fn examine(examination: &mut Examination, router: &Router, config: &Config) {
    let here = Section::Helpers;
    let needed = needs_mounts(router, config);
    let lacks = |examination: &mut Examination, subject: &str, what: String, remedy: &str| {
        if needed {
            examination.wrong(here, subject, what, remedy);
        } else {
            examination.note(here, subject, format!("{what}; no loaded provider needs it"));
        }
    };
    match spawn::find(spawn::MPR_MOUNT) {
        Ok(path) => examination.ok(here, spawn::MPR_MOUNT, path.display().to_string()),
        Err(error) => lacks(
            examination,
            spawn::MPR_MOUNT,
            error.to_string(),
            "install the package that brings it, or set MPR_LIBEXEC_DIR to its directory",
        ),
    }
    let fuse = Path::new("/dev/fuse");
    match rustix::fs::access(fuse, rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK) {
        Ok(()) => examination.ok(here, "/dev/fuse", "can be used"),
        Err(error) if error == rustix::io::Errno::NOENT => lacks(
            examination,
            "/dev/fuse",
            "is not there".into(),
            "load the kernel module (modprobe fuse); in a container, pass the device in",
        ),
        Err(error) => lacks(
            examination,
            "/dev/fuse",
            format!("cannot be used: {}", io::Error::from(error)),
            "give this user access to it, usually with mode 0666",
        ),
    }
    examine_fusermount(examination, &lacks);
    examine_tickets(examination);
    examine_host(examination, config);
}

/// Who a server would be told to be talking to where nobody is named.
fn examine_tickets(examination: &mut Examination) {
    let what = match mpr_kerberos::look(None) {
        Ok(principal) => {
            format!(
                "there is a ticket of {principal}, which is used where neither user nor password is given"
            )
        }
        Err(Why::NoKerberos) => {
            "is not used: there is no libgssapi_krb5.so.2, or this machine has no realm".to_owned()
        }
        Err(why) => format!("is not used: {why}"),
    };
    examination.note(Section::Helpers, "Kerberos", what);
}

/// What plug-ins outside the caller need.
fn examine_host(examination: &mut Examination, config: &Config) {
    let here = Section::Helpers;
    let notifyees = config.notifyees.iter().filter(|entry| entry.isolation == Isolation::Process);
    let providers = config.providers.iter().filter(|entry| entry.isolation == Isolation::Process);
    let sandboxes: Vec<Sandbox> =
        notifyees.map(|entry| entry.sandbox).chain(providers.map(|entry| entry.sandbox)).collect();
    match spawn::find(spawn::MPR_HOST) {
        Ok(path) => examination.ok(here, spawn::MPR_HOST, path.display().to_string()),
        Err(error) if sandboxes.is_empty() => examination.note(
            here,
            spawn::MPR_HOST,
            format!("{error}; no plug-in is registered that needs it"),
        ),
        Err(error) => examination.wrong(
            here,
            spawn::MPR_HOST,
            format!("{error}; plug-ins that run outside the caller cannot"),
            "install the package that brings it, or set MPR_LIBEXEC_DIR to its directory",
        ),
    }
    if sandboxes.iter().all(|sandbox| *sandbox == Sandbox::None) {
        return;
    }
    match sandbox::landlock() {
        Some(version) if version >= LANDLOCK => {
            examination.ok(here, "Landlock", format!("version {version}: sandboxes keep files and signals"));
        }
        Some(version) => examination.note(
            here,
            "Landlock",
            format!("version {version} keeps files, but not signals to other processes: {LANDLOCK} does"),
        ),
        None => examination.note(
            here,
            "Landlock",
            "this kernel has none, or has it switched off (lsm=): sandboxes keep no files",
        ),
    }
    if !sandbox::seccomp() {
        examination.note(here, "seccomp", "this kernel has none: sandboxes filter no system calls");
    }
}

fn examine_fusermount(examination: &mut Examination, lacks: &dyn Fn(&mut Examination, &str, String, &str)) {
    const NAME: &str = "fusermount3";
    let root = dirs::effective_uid() == 0;
    let places = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];
    let found = places.iter().map(|place| PathBuf::from(place).join(NAME)).find_map(|path| {
        let meta = fs::metadata(&path).ok()?;
        Some((path, meta))
    });
    match found {
        Some((path, meta)) if root || meta.uid() == 0 && meta.mode() & 0o4000 != 0 => {
            examination.ok(Section::Helpers, NAME, path.display().to_string());
        }
        Some((path, meta)) => lacks(
            examination,
            NAME,
            format!(
                "{} is not set-user-ID root (mode {:04o}), so only root can mount",
                path.display(),
                meta.mode() & 0o7777
            ),
            "reinstall the package fuse3",
        ),
        None if root => examination.note(Section::Helpers, NAME, "is not there; root can mount without it"),
        None => lacks(
            examination,
            NAME,
            "is not there, so only root can mount".into(),
            "install the package fuse3",
        ),
    }
}
