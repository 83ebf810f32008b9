//! A credential manager in a shared object (`spec/provider.md` §7).

use super::LoadError;
use mpr_abi::{PF_NPLogonNotify, PF_NPPasswordChangeNotify};
use std::path::Path;

/// A credential manager, loaded for good.
#[derive(Debug)]
pub struct LoadedCredentialManager {
    /// `NPLogonNotify`.
    pub logon_notify: Option<PF_NPLogonNotify>,
    /// `NPPasswordChangeNotify`.
    pub password_change_notify: Option<PF_NPPasswordChangeNotify>,
}

impl LoadedCredentialManager {
    /// Loads the credential manager at `path`, which is an entry's
    /// [`credential_path`](crate::config::ProviderEntry::credential_path).
    ///
    /// # Errors
    ///
    /// Why there is no library, or none to be trusted; also when it exports neither function.
    pub fn load(path: &Path, elevated: bool) -> Result<Self, LoadError> {
        _ = (path, elevated);
        unimplemented!()
    }
}
