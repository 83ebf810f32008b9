//! A credential manager in a shared object (`spec/provider.md` §7).

use super::{LoadError, SharedObject, Terms};
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
    pub fn load(path: &Path, terms: &Terms) -> Result<Self, LoadError> {
        let object = SharedObject::load(path, terms)?;
        // SAFETY: these are the types of the functions of these names (`npapi.h`).
        let manager = unsafe {
            LoadedCredentialManager {
                logon_notify: object.function(c"NPLogonNotify"),
                password_change_notify: object.function(c"NPPasswordChangeNotify"),
            }
        };
        if manager.logon_notify.is_none() && manager.password_change_notify.is_none() {
            // Not `lacks`: a provider without these functions is registered in the right place.
            return Err(super::load_error(
                path,
                "it exports neither NPLogonNotify nor NPPasswordChangeNotify".into(),
                "take class 2 out of its entry, or name the right module with auth-path",
            ));
        }
        Ok(manager)
    }
}
