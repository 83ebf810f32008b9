//! Whether this system lets us mount, and what becomes of the tests that do where it does not, as in most
//! containers: they are counted as skipped.

use crate::shell::{Result, is_root, unstarted};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

const DEVICE: &str = "/dev/fuse";
/// The test programs that mount.
const PROGRAMS: &[&str] = &["foreign", "smb", "strangers"];
/// `CAP_SYS_ADMIN`, without which not even root mounts.
const MAY_MOUNT: u64 = 1 << 21;

/// What keeps us from mounting, and what to do about it. As root, the device is first made if need be.
pub(crate) fn obstacle() -> Option<String> {
    if is_root() && !Path::new(DEVICE).exists() {
        provide_device();
    }
    let device = match File::options().read(true).write(true).open(DEVICE) {
        Ok(device) => device,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Some(format!(
                "there is no {DEVICE}; as root, load the kernel module (modprobe fuse), or pass the device into \
                 the container (--device {DEVICE} --cap-add SYS_ADMIN)"
            ));
        }
        Err(error) => {
            return Some(format!(
                "{DEVICE} cannot be opened ({error}); it should have the mode 0666, and a container needs \
                 --device {DEVICE} --cap-add SYS_ADMIN"
            ));
        }
    };
    let works = if is_root() { root_can_mount(device) } else { may_become_root() };
    (!works).then(|| {
        "this system lets nobody mount; a container needs --cap-add SYS_ADMIN and --security-opt \
         apparmor=unconfined"
            .to_owned()
    })
}

/// Loads the module, or makes the device where no udev does it.
fn provide_device() {
    let quietly = |command: &mut Command| _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    quietly(Command::new("modprobe").arg("fuse"));
    let known = fs::read_to_string("/proc/filesystems");
    let known = known.is_ok_and(|text| text.lines().any(|line| line.trim_start() == "nodev\tfuse"));
    if known && !Path::new(DEVICE).exists() {
        quietly(Command::new("mknod").args(["-m", "666", DEVICE, "c", "10", "229"]));
    }
}

/// Mounts something, in a name space of its own, which takes it along when it ends.
fn root_can_mount(device: File) -> bool {
    let mut mount = Command::new("unshare");
    mount.args(["--mount", "mount", "-i", "-t", "fuse", "mpr-probe", "/mnt"]);
    mount.args(["-o", "fd=0,rootmode=40000,user_id=0,group_id=0"]);
    let status = mount.stdin(device).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Whether `fusermount3`, which is set-user-ID, gets the right to mount when we start it.
fn may_become_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    let reachable = u64::from_str_radix(of("CapBnd:"), 16).unwrap_or_default();
    reachable & MAY_MOUNT != 0 && of("NoNewPrivs:") != "1"
}

/// Arguments that make `cargo test` run every test program through [`run_unless_it_mounts`].
pub(crate) fn pass_over() -> Result<[String; 2]> {
    let own = std::env::current_exe().map_err(|error| format!("cannot find the own program: {error}"))?;
    Ok(["--config".to_owned(), format!("target.\"cfg(unix)\".runner = [{own:?}, \"run-unless-it-mounts\"]")])
}

/// Becomes the test program named first; of one that mounts, counts the tests.
pub(crate) fn run_unless_it_mounts(program_and_arguments: &[String]) -> Result<bool> {
    let (program, arguments) = program_and_arguments.split_first().ok_or("a test program is missing")?;
    let mut test = Command::new(program);
    if !mounts(Path::new(program)) {
        let error = test.args(arguments).exec();
        return Err(unstarted(&test, &error));
    }
    let list = test.arg("--list").output().map_err(|error| unstarted(&test, &error))?;
    let list = String::from_utf8_lossy(&list.stdout);
    let tests: Vec<&str> = list.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    tests.iter().for_each(|test| println!("test {test} ... ignored, because nothing can be mounted here"));
    println!("\ntest result: ok. 0 passed; 0 failed; {} ignored", tests.len());
    Ok(true)
}

/// Whether this is one of [`PROGRAMS`]: `target/debug/deps/smb-0123456789abcdef`.
fn mounts(program: &Path) -> bool {
    let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.rsplit_once('-').is_some_and(|(name, _)| PROGRAMS.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_mount_are_known_by_name() {
        assert!(mounts(Path::new("/t/debug/deps/smb-6215284cbd191f48")));
        assert!(!mounts(Path::new("/t/debug/deps/store-6215284cbd191f48")));
        assert!(!mounts(Path::new("/t/debug/deps/mpr_smb-6215284cbd191f48")));
    }
}
