//! What a plug-in in a host may not do, although its user may (`docs/isolation.md`, Sandbox).
//!
//! Two things of the kernel's are used where it has them: Landlock for files, programs, signals and TCP, and a
//! filter of system calls. What it has not got is left out; `mpr doctor` says so.

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, Scope,
};
use mpr_helper::host::Sandbox;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

/// The newest Landlock this knows; older ones do less.
const KNOWN: ABI = ABI::V6;

/// What is kept from being written to in the default sandbox: the programs and the configuration of the system, and
/// what stands for its kernel. Names below the root directory.
const SYSTEM: &[&str] = &[
    "bin", "boot", "efi", "etc", "gnu", "lib", "lib32", "lib64", "libx32", "nix", "proc", "sbin", "sys",
    "usr",
];

/// Where anything may be written, whatever the sandbox: it goes nowhere.
const NOWHERE: &[&str] = &["/dev/null", "/dev/zero", "/dev/full"];

/// What no plug-in needs, and what would lead out of here: into other processes, the kernel, the mount table, the
/// clock.
const DENIED: &[libc::c_long] = &[
    libc::SYS_acct,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    // What it does is seen by no filter.
    libc::SYS_io_uring_setup,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pivot_root,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_umount2,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
];

/// What a strict sandbox denies besides: the keys of the user.
const STRICTLY_DENIED: &[libc::c_long] = &[libc::SYS_add_key, libc::SYS_keyctl, libc::SYS_request_key];

/// Closes the sandbox around this process for good. `runs_programs` says whether it has to start programs to do its
/// work.
pub(crate) fn enter(sandbox: Sandbox, runs_programs: bool) -> Result<(), String> {
    let entered = match sandbox {
        Sandbox::None => return Ok(()),
        Sandbox::Default => keep_the_system().map_err(Into::into),
        Sandbox::Strict => keep_everything(runs_programs).map_err(Into::into),
    };
    let entered = entered.and_then(|()| filter(sandbox == Sandbox::Strict));
    entered.map_err(|error| format!("its sandbox cannot be closed: {error}"))
}

/// Nothing is written to the system's own directories, and nobody outside is sent signals.
fn keep_the_system() -> Result<(), RulesetError> {
    let writes = AccessFs::from_write(KNOWN);
    let below_root = fs::read_dir("/").into_iter().flatten().flatten();
    let others = below_root
        // A link leads to what has an entry of its own.
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter(|entry| entry.file_name().to_str().is_none_or(|name| !SYSTEM.contains(&name)))
        .map(|entry| entry.path());
    // What a process says of itself to the kernel.
    let others = others.chain([PathBuf::from("/proc/self")]);
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(writes)?
        .scope(Scope::Signal)?
        .create()?;
    ruleset.add_rules(rules(others, writes))?.restrict_self()?;
    Ok(())
}

/// Nothing is written at all, no program is started, nobody outside is reached but by a named socket.
fn keep_everything(runs_programs: bool) -> Result<(), RulesetError> {
    let mut kept = AccessFs::from_write(KNOWN);
    if !runs_programs {
        kept |= AccessFs::Execute;
    }
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(kept)?
        .handle_access(AccessNet::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()?;
    let nowhere = NOWHERE.iter().map(PathBuf::from);
    ruleset.add_rules(rules(nowhere, AccessFs::WriteFile.into()))?.restrict_self()?;
    Ok(())
}

/// Grants `access` below each of these places that is there.
fn rules(
    places: impl Iterator<Item = PathBuf>,
    access: BitFlags<AccessFs>,
) -> impl Iterator<Item = Result<PathBeneath<PathFd>, RulesetError>> {
    places.filter_map(move |place| Some(Ok(PathBeneath::new(PathFd::new(place).ok()?, access))))
}

/// Denies system calls, with `EPERM`. On a machine the crate does not know there is no filter.
#[allow(clippy::useless_conversion, reason = "the numbers of system calls are shorter on other machines")]
fn filter(strict: bool) -> Result<(), Box<dyn Error>> {
    let Ok(machine) = std::env::consts::ARCH.try_into() else { return Ok(()) };
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        DENIED.iter().map(|&call| (i64::from(call), Vec::new())).collect();
    if strict {
        rules.extend(STRICTLY_DENIED.iter().map(|&call| (i64::from(call), Vec::new())));
        // Sockets of this machine are named by files or were given; all others lead out of it.
        let elsewhere =
            SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, libc::AF_UNIX as u64)?;
        rules.insert(i64::from(libc::SYS_socket), vec![SeccompRule::new(vec![elsewhere])?]);
    }
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    let program: BpfProgram =
        SeccompFilter::new(rules, SeccompAction::Allow, refused, machine)?.try_into()?;
    match seccompiler::apply_filter(&program) {
        // A kernel without filters.
        Err(seccompiler::Error::Seccomp(error))
            if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) =>
        {
            Ok(())
        }
        applied => Ok(applied?),
    }
}
