//! The providers that come with the router. Each is a plug-in linked statically: same trait, same rules.

use crate::Problem;
use crate::config::Config;
use mpr_core::claims::Claims;
use mpr_plugin::NetworkProvider;
use std::path::PathBuf;

/// A provider that comes with the router.
pub(crate) struct Builtin {
    /// Short name, by which `builtin-providers` lists it.
    pub(crate) stem: &'static str,
    /// Registered name.
    pub(crate) name: &'static str,
    /// What names it has.
    pub(crate) claims: Claims,
    pub(crate) network: Box<dyn NetworkProvider>,
}

/// Those the configuration asks for; all unless it says otherwise. What it asks for in vain is a problem.
pub(crate) fn providers(config: &Config, problems: &mut Vec<Problem>) -> Vec<Builtin> {
    let available = match available(config) {
        Ok(available) => available,
        Err(problem) => {
            problems.push(problem);
            return Vec::new();
        }
    };
    let Some(wanted) = &config.builtin_providers else { return available };
    let is = |builtin: &Builtin, name: &str| name.eq_ignore_ascii_case(builtin.stem);
    for name in wanted.iter().filter(|name| !available.iter().any(|builtin| is(builtin, name))) {
        let known: Vec<&str> = available.iter().map(|builtin| builtin.stem).collect();
        problems.push(Problem {
            file: PathBuf::from("mpr.toml"),
            line: None,
            what: format!("builtin-providers lists \"{name}\", which is none"),
            remedy: format!("choose from {}", known.join(", ")),
        });
    }
    available.into_iter().filter(|builtin| wanted.iter().any(|name| is(builtin, name))).collect()
}

#[cfg(unix)]
fn available(config: &Config) -> Result<Vec<Builtin>, Problem> {
    use crate::audit;
    use mpr_helper::dirs;
    use mpr_helper::protocol::{Taste, Trail};
    use mpr_providers::{LocalDirectories, WindowsNetwork};

    // Without a place for them there are no connections of ours, and every name is somebody else's.
    let runtime = dirs::runtime_path().map_err(|error| Problem {
        file: PathBuf::from("the run-time directory"),
        line: None,
        what: format!("{error}; so the built-in providers are left out"),
        remedy: "set MPR_RUNTIME_DIR or XDG_RUNTIME_DIR to the absolute path of a directory of yours".into(),
    })?;
    let drives = config.drives_dir.clone().unwrap_or_else(|| runtime.join("drives"));
    let local = LocalDirectories::new(config.local_shares.clone(), runtime.clone(), drives.clone());
    let mounts = config.mounts;
    let taste = Taste {
        file_mode: mounts.file_mode,
        directory_mode: mounts.directory_mode,
        timeout_ms: mounts.timeout_ms,
        encrypt: mounts.encrypt,
        symlinks_in_files: mounts.symlinks_in_files,
        cache_mib: mounts.cache_memory_mib,
        cache_names: mounts.cache_names,
    };
    // Without a state directory there is no trail; whoever connects is told so where one is required.
    let trail =
        (config.audit.mode != audit::Mode::Off).then(dirs::state_path).and_then(Result::ok).map(|state| {
            let audit::Settings { max_bytes, keep, journal, .. } = config.audit;
            Trail { state, max_bytes, keep, journal }
        });
    let smb = WindowsNetwork::new(runtime, drives)
        .with_servers(config.smb_servers.clone())
        .with_taste(taste)
        .with_trail(trail);
    let unc = Claims::new(&["unc".to_owned()], &[], &[]);
    Ok(vec![
        Builtin {
            stem: "local",
            name: LocalDirectories::NAME,
            claims: unc.clone(),
            network: Box::new(local),
        },
        Builtin { stem: "smb", name: WindowsNetwork::NAME, claims: unc, network: Box::new(smb) },
    ])
}

#[cfg(not(unix))]
fn available(_: &Config) -> Result<Vec<Builtin>, Problem> {
    Ok(Vec::new())
}
