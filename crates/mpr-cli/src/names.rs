//! Names as people type them: resources, devices, paths.

use crate::failure::Failure;
use mpr_core::device::LocalDevice;
use mpr_core::remote::{self, RemoteError};

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
        // Of schemes the router does not know, too: whoever takes such names, a password is no part of them.
        let known = if has_password(typed) {
            Err(RemoteError::PasswordInUrl)
        } else {
            remote::canonical(&units(typed))
        };
        match known {
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

/// Whether a password stands in a URL, as in `scheme://user:password@server/`.
fn has_password(name: &str) -> bool {
    let Some((_, rest)) = name.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
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

/// The rest of a remote name inside a connection, without regard to case: empty, or beginning with a backslash.
/// `None` if it is not inside. Names that are not UNC separate with slashes.
pub(crate) fn inside(remote: &str, connection: &str) -> Option<String> {
    let separator = if connection.starts_with('\\') { '\\' } else { '/' };
    below(remote, connection, separator, true).map(|rest| rest.replace('/', r"\"))
}

/// A remote name and the rest of a path inside it, in the connection's own spelling.
pub(crate) fn joined(connection: &str, rest: &str) -> String {
    let connection = connection.trim_end_matches(['\\', '/']);
    match connection.starts_with('\\') {
        true => format!("{connection}{rest}"),
        false => format!("{connection}{}", rest.replace('\\', "/")),
    }
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
        for name in ["smb://ann:hunter2@nas/photos", "davs://ann:hunter2@nas", "gopher://ann:hunter2@nas/x"] {
            let error = RemoteName::new(name).unwrap_err().to_string();
            assert!(error.contains("--password-stdin"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        for name in ["nas:/export", "https://nas:8443/dav", "sftp://ann@nas:22/x@y:z", r"\\nas\a:b@c"] {
            assert!(RemoteName::new(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn what_lies_below_a_name_is_found_at_its_separators_only() {
        assert_eq!(below(r"\\NAS\Photos\2024", r"\\nas\photos", '\\', true), Some(r"\2024"));
        assert_eq!(below(r"\\nas\photos", r"\\nas\photos\", '\\', true), Some(""));
        assert_eq!(below(r"\\nas\photos2", r"\\nas\photos", '\\', true), None);
        assert_eq!(below("/MNT/x", "/mnt", '/', false), None);
        assert_eq!(below("/mnt/x/y", "/mnt/x", '/', false), Some("/y"));
        assert_eq!(inside(r"\\nas\a\b", r"\\NAS\a").as_deref(), Some(r"\b"));
        assert_eq!(inside("nfs://nas/export/b/c", "nfs://nas/export").as_deref(), Some(r"\b\c"));
        assert_eq!(inside("nas:/export2", "nas:/export"), None);
        assert_eq!(joined("nfs://nas/export/", r"\b\c"), "nfs://nas/export/b/c");
        assert_eq!(joined(r"\\nas\a", r"\b"), r"\\nas\a\b");
    }
}
