//! A network provider in a shared object.

use super::LoadError;
use mpr_plugin::{Capabilities, NetworkProvider};
use std::path::Path;

/// A network provider, loaded for good.
#[derive(Debug)]
pub struct LoadedProvider {
    capabilities: Capabilities,
}

impl LoadedProvider {
    /// Loads the provider at `path`. Whether it wants to start ([`NetworkProvider::start`]) is left to the
    /// caller, as with a built-in one.
    ///
    /// # Errors
    ///
    /// Why there is no library, or none to be trusted; also when it does not export `NPGetCaps`.
    pub fn load(path: &Path, elevated: bool) -> Result<Self, LoadError> {
        _ = (path, elevated);
        unimplemented!()
    }
}

impl NetworkProvider for LoadedProvider {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }
}
