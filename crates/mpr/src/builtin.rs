//! The providers that come with the router. Each is a plug-in linked statically: same trait, same rules.

use crate::config::Config;
use mpr_plugin::NetworkProvider;

/// A provider that comes with the router.
pub(crate) struct Builtin {
    /// Short name, by which `builtin-providers` lists it.
    pub(crate) stem: &'static str,
    /// Registered name.
    pub(crate) name: &'static str,
    pub(crate) network: Box<dyn NetworkProvider>,
}

/// Those the configuration asks for; all unless it says otherwise.
pub(crate) fn providers(config: &Config) -> Vec<Builtin> {
    let wanted = |stem: &str| {
        config
            .builtin_providers
            .as_ref()
            .is_none_or(|list| list.iter().any(|name| name.eq_ignore_ascii_case(stem)))
    };
    available(config).into_iter().filter(|builtin| wanted(builtin.stem)).collect()
}

#[cfg(unix)]
fn available(config: &Config) -> Vec<Builtin> {
    use mpr_helper::dirs;
    use mpr_providers::{LocalDirectories, WindowsNetwork};

    // Without a place for them there are no connections of ours, and every name is somebody else's.
    let Ok(runtime) = dirs::runtime_path() else { return Vec::new() };
    let drives = config.drives_dir.clone().unwrap_or_else(|| runtime.join("drives"));
    let local = LocalDirectories::new(config.local_shares.clone(), runtime.clone(), drives.clone());
    let smb = WindowsNetwork::new(runtime, drives).with_servers(config.smb_servers.clone());
    vec![
        Builtin { stem: "local", name: LocalDirectories::NAME, network: Box::new(local) },
        Builtin { stem: "smb", name: WindowsNetwork::NAME, network: Box::new(smb) },
    ]
}

#[cfg(not(unix))]
fn available(_: &Config) -> Vec<Builtin> {
    Vec::new()
}
