//! Names as people type them: resources, devices, paths.

use crate::failure::Failure;
use mpr_core::device::LocalDevice;
use mpr_core::remote;

/// A remote name fit to be passed on and to be shown: no password is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemoteName {
    /// As it was typed.
    pub(crate) typed: String,
    /// In canonical spelling, as far as the router knows one.
    pub(crate) canonical: String,
    /// User named in a URL.
    pub(crate) user: Option<String>,
}

impl RemoteName {
    pub(crate) fn new(typed: &str) -> Result<RemoteName, Failure> {
        match remote::canonical(&units(typed)) {
            // The name itself must not be shown: it may hold the password.
            Err(error) => Err(Failure::Usage(error.to_string())),
            Ok(None) => Ok(RemoteName { typed: typed.to_owned(), canonical: typed.to_owned(), user: None }),
            Ok(Some(canonical)) => Ok(RemoteName {
                typed: typed.to_owned(),
                canonical: String::from_utf16_lossy(&canonical.name),
                user: canonical.user,
            }),
        }
    }
}

/// What a command is about.
#[derive(Debug, Clone)]
pub(crate) enum Name {
    Local(LocalDevice),
    Remote(RemoteName),
}

impl Name {
    pub(crate) fn new(typed: &str) -> Result<Name, Failure> {
        match device(typed) {
            Some(device) => Ok(Name::Local(device)),
            None => RemoteName::new(typed).map(Name::Remote),
        }
    }

    /// As the router takes it.
    pub(crate) fn text(&self) -> String {
        match self {
            Name::Local(device) => device.to_string(),
            Name::Remote(remote) => remote.canonical.clone(),
        }
    }
}

/// The local device of this name. A path is taken relative to the working directory when it says so (`./x`).
pub(crate) fn device(typed: &str) -> Option<LocalDevice> {
    if typed.starts_with("./") || typed.starts_with("../") {
        let absolute = std::path::absolute(typed).ok()?;
        return LocalDevice::parse(&units(absolute.to_str()?));
    }
    LocalDevice::parse(&units(typed))
}

/// The same resource, whatever the case.
pub(crate) fn same_resource(one: &str, other: &str) -> bool {
    remote::same_resource(&units(one), &units(other))
}

/// The rest of `path` below `base`, both with separator `separator`, without regard to case if `folded`:
/// empty, or beginning with the separator. `None` if it is not below.
pub(crate) fn below<'a>(path: &'a str, base: &str, separator: char, folded: bool) -> Option<&'a str> {
    let base = base.trim_end_matches(separator);
    let mut rest = path.chars();
    for wanted in base.chars() {
        let found = rest.next()?;
        let same = found == wanted || folded && found.to_lowercase().eq(wanted.to_lowercase());
        if !same {
            return None;
        }
    }
    let rest = rest.as_str();
    (rest.is_empty() || rest.starts_with(separator)).then_some(rest)
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_password_is_refused_and_not_repeated() {
        let error = RemoteName::new("smb://ann:hunter2@nas/photos").unwrap_err().to_string();
        assert!(error.contains("--password-stdin"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn what_lies_below_a_name_is_found_at_its_separators_only() {
        assert_eq!(below(r"\\NAS\Photos\2024", r"\\nas\photos", '\\', true), Some(r"\2024"));
        assert_eq!(below(r"\\nas\photos", r"\\nas\photos\", '\\', true), Some(""));
        assert_eq!(below(r"\\nas\photos2", r"\\nas\photos", '\\', true), None);
        assert_eq!(below("/MNT/x", "/mnt", '/', false), None);
        assert_eq!(below("/mnt/x/y", "/mnt/x", '/', false), Some("/y"));
    }
}
