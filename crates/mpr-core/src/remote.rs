//! Names of network resources.
//!
//! The canonical form is UNC: `\\server\share`, with a port `\\server@14450\share`. Other spellings of the
//! same name are rewritten before anything else sees them, so that providers, notification libraries and
//! the remembered connections all speak of one name. A name this module does not know how to rewrite is
//! passed on as it is: its syntax belongs to the provider.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Suffix by which a UNC name carries an IPv6 address: `fe80--1.ipv6-literal.net`.
const IPV6_SUFFIX: &str = ".ipv6-literal.net";

/// A remote name, rewritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonical {
    /// The name in UTF-16, without terminator.
    pub name: Vec<u16>,
    /// User named in a URL, decoded.
    pub user: Option<String>,
}

/// Why a spelling cannot be rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemoteError {
    /// A URL with a password in it: it would end in process lists, histories and logs.
    PasswordInUrl,
    /// A URL of a known scheme that is not well formed.
    Malformed,
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RemoteError::PasswordInUrl => {
                "a password must not stand in a URL, where others can read it; leave it out and give it at the \
                 prompt, or with --password-stdin, --password-fd or --password-file"
            }
            RemoteError::Malformed => "not a well-formed URL; expected smb://[user@]server[:port]/share[/path]",
        })
    }
}

impl std::error::Error for RemoteError {}

const SLASH: u16 = b'/' as u16;
const BACKSLASH: u16 = b'\\' as u16;

/// Whether a name is one that [`canonical`] passes on, told at a glance. It is the form callers of Windows
/// use, and the one the fast path of the router meets.
#[inline]
#[must_use]
pub fn is_canonical(name: &[u16]) -> bool {
    name.first() == Some(&BACKSLASH)
}

/// A name as it may be written down: without the part of a URL before the `@`, where a user is named and where
/// some put a password. A port behind the `@` of a UNC name stays.
#[must_use]
pub fn without_userinfo(name: &str) -> String {
    let begin = match name.find("://") {
        Some(scheme) => scheme + 3,
        None => name.len() - name.trim_start_matches(['\\', '/']).len(),
    };
    let (scheme, rest) = name.split_at(begin);
    let authority = &rest[..rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len())];
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let end = match authority.rfind('@') {
        Some(at) if scheme.starts_with(['\\', '/']) => {
            let behind = &authority[at + 1..];
            (!is_port(behind) && !behind.eq_ignore_ascii_case("ssl")).then_some(at)
        }
        Some(at) => Some(at),
        // What follows the colon is no port: a password, with a character in it that should have been escaped.
        None if authority.split_once(':').is_some_and(|(_, port)| !is_port(port)) => rest.rfind('@'),
        None => None,
    };
    format!("{scheme}{}", &rest[end.map_or(0, |at| at + 1)..])
}

/// Rewrites a remote name given in UTF-16 without terminator. `None`: it is to be passed on as it is.
///
/// # Errors
///
/// [`RemoteError`] for a URL that must not be passed on.
pub fn canonical(name: &[u16]) -> Result<Option<Canonical>, RemoteError> {
    match name {
        _ if is_canonical(name) => Ok(None),
        [SLASH, SLASH, _, ..] => {
            let name = name.iter().map(|&unit| if unit == SLASH { BACKSLASH } else { unit }).collect();
            Ok(Some(Canonical { name, user: None }))
        }
        _ => {
            let Ok(url) = String::from_utf16(name) else { return Ok(None) };
            let Some((scheme, rest)) = url.split_once("://") else { return Ok(None) };
            if !matches!(
                &*scheme.to_ascii_lowercase(),
                "smb" | "cifs" | "http" | "https" | "dav" | "davs" | "nfs" | "sftp"
            ) {
                return Ok(None);
            }
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let userinfo = authority.rsplit_once('@').map(|(userinfo, _)| userinfo);
            if userinfo.is_some_and(|userinfo| userinfo.contains(':')) {
                return Err(RemoteError::PasswordInUrl);
            }
            if !(scheme.eq_ignore_ascii_case("smb") || scheme.eq_ignore_ascii_case("cifs")) {
                // The networks of the other schemes take their URLs as they are.
                return Ok(None);
            }
            smb_url(rest).map(Some)
        }
    }
}

/// Everything behind `smb://`.
fn smb_url(rest: &str) -> Result<Canonical, RemoteError> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (userinfo, host_port) = match authority.rsplit_once('@') {
        Some((userinfo, host_port)) => (Some(userinfo), host_port),
        None => (None, authority),
    };
    let user = match userinfo {
        // `DOMAIN;user` is the form of the smb URL drafts.
        Some(userinfo) => {
            Some(percent_decode(userinfo).ok_or(RemoteError::Malformed)?.replacen(';', "\\", 1))
        }
        None => None,
    }
    .filter(|user| !user.is_empty());

    let (host, port) = if let Some(inside) = host_port.strip_prefix('[') {
        let (address, behind) = inside.split_once(']').ok_or(RemoteError::Malformed)?;
        let address: Ipv6Addr = address.parse().map_err(|_| RemoteError::Malformed)?;
        (ipv6_literal(address), behind.strip_prefix(':'))
    } else {
        match host_port.split_once(':') {
            Some((host, port)) => (host.to_owned(), Some(port)),
            None => (host_port.to_owned(), None),
        }
    };
    let host = percent_decode(&host).ok_or(RemoteError::Malformed)?;
    if host.is_empty() || host.contains(['\\', '/', '@', '\0']) {
        return Err(RemoteError::Malformed);
    }
    let mut name = format!("\\\\{host}");
    if let Some(port) = port.filter(|port| !port.is_empty()) {
        let port: u16 = port.parse().ok().filter(|&port| port != 0).ok_or(RemoteError::Malformed)?;
        name.push_str(&format!("@{port}"));
    }
    let path = path.split(['?', '#']).next().unwrap_or_default();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let part = percent_decode(part).ok_or(RemoteError::Malformed)?;
        if part.contains(['\\', '/', '\0']) {
            return Err(RemoteError::Malformed);
        }
        name.push('\\');
        name.push_str(&part);
    }
    Ok(Canonical { name: name.encode_utf16().collect(), user })
}

fn percent_decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            out.push((high * 16 + low) as u8);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

/// An IPv6 address in the form a UNC name can carry.
#[must_use]
pub fn ipv6_literal(address: Ipv6Addr) -> String {
    format!("{}{IPV6_SUFFIX}", address.to_string().replace(':', "-"))
}

/// A UNC name, taken apart: `\\server[@port]\share[\path]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unc<'a> {
    /// Server as written, without the port.
    pub server: &'a str,
    /// Port, if one is given.
    pub port: Option<u16>,
    /// Share; `None` names the server itself.
    pub share: Option<&'a str>,
    /// Rest without leading and trailing backslashes; empty if there is none.
    pub path: &'a str,
}

impl<'a> Unc<'a> {
    /// Takes `name` apart; `None` if it is not a UNC name.
    #[must_use]
    pub fn parse(name: &'a str) -> Option<Self> {
        let rest = name.strip_prefix("\\\\")?;
        if rest.contains(['/', '\0']) {
            return None;
        }
        let (server, rest) = rest.split_once('\\').unwrap_or((rest, ""));
        let (share, path) = rest.split_once('\\').unwrap_or((rest, ""));
        let path = path.trim_matches('\\');
        if share.is_empty() && !path.is_empty() || path.contains("\\\\") {
            return None;
        }
        let (server, port) = match server.split_once('@') {
            Some((server, port)) => (server, Some(port.parse::<u16>().ok().filter(|&port| port != 0)?)),
            None => (server, None),
        };
        if server.is_empty() || server == "." || server == "?" || path.split('\\').any(|part| part == "..") {
            return None;
        }
        Some(Unc { server, port, share: (!share.is_empty()).then_some(share), path })
    }

    /// The server as an address, if it is one: IPv4, IPv6, or IPv6 in its UNC form.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        if let Ok(address) = self.server.parse() {
            return Some(address);
        }
        let split = self.server.len().checked_sub(IPV6_SUFFIX.len())?;
        let (literal, suffix) = self.server.split_at_checked(split)?;
        if !suffix.eq_ignore_ascii_case(IPV6_SUFFIX) {
            return None;
        }
        // A zone index is written with an `s` for the percent sign; this form of address has none.
        literal.replace('-', ":").parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    }
}

/// `\\server[@port]\share[\path]`.
impl fmt::Display for Unc<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\\\\{}", self.server)?;
        if let Some(port) = self.port {
            write!(f, "@{port}")?;
        }
        if let Some(share) = self.share {
            write!(f, "\\{share}")?;
        }
        if !self.path.is_empty() {
            write!(f, "\\{}", self.path)?;
        }
        Ok(())
    }
}

/// Whether two names, in UTF-16 without terminator, name the same resource: case and trailing backslashes
/// do not count.
#[must_use]
pub fn same_resource(one: &[u16], other: &[u16]) -> bool {
    fn folded(name: &[u16]) -> impl Iterator<Item = Result<char, u16>> + '_ {
        let mut end = name.len();
        while end > 0 && name[end - 1] == u16::from(b'\\') {
            end -= 1;
        }
        char::decode_utf16(name[..end].iter().copied()).flat_map(|unit| {
            let (folded, lone) = match unit {
                Ok(character) => (Some(character.to_lowercase()), None),
                Err(lone) => (None, Some(Err(lone.unpaired_surrogate()))),
            };
            folded.into_iter().flatten().map(Ok).chain(lone)
        })
    }
    folded(one).eq(folded(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    fn rewritten(name: &str) -> Option<(String, Option<String>)> {
        let canonical = canonical(&wide(name)).expect("accepted")?;
        Some((String::from_utf16(&canonical.name).unwrap(), canonical.user))
    }

    #[test]
    fn a_unc_name_is_passed_on_to_the_letter() {
        for name in [r"\\srv\share", r"\\srv@445\share\a", r"\", "", "Z:", "host:/export", "Example Network"]
        {
            assert_eq!(rewritten(name), None, "{name}");
        }
    }

    #[test]
    fn slashes_become_backslashes() {
        assert_eq!(rewritten("//srv/share/dir"), Some((r"\\srv\share\dir".into(), None)));
        assert_eq!(rewritten("//srv@14450/share"), Some((r"\\srv@14450\share".into(), None)));
    }

    #[test]
    fn an_smb_url_becomes_unc_and_gives_up_its_user() {
        assert_eq!(rewritten("smb://srv/share"), Some((r"\\srv\share".into(), None)));
        assert_eq!(
            rewritten("SMB://ann@srv:1445/my%20share/a/"),
            Some((r"\\srv@1445\my share\a".into(), Some("ann".into())))
        );
        assert_eq!(rewritten("smb://CORP;ann@srv/s"), Some((r"\\srv\s".into(), Some(r"CORP\ann".into()))));
        assert_eq!(rewritten("smb://[::1]:445/s"), Some((r"\\--1.ipv6-literal.net@445\s".into(), None)));
    }

    #[test]
    fn a_password_in_a_url_of_any_scheme_is_refused() {
        for url in ["smb://ann:secret@srv/s", "https://ann:secret@srv/", "sftp://ann:@srv/x"] {
            assert_eq!(canonical(&wide(url)), Err(RemoteError::PasswordInUrl), "{url}");
        }
    }

    #[test]
    fn urls_of_other_networks_are_passed_on() {
        for url in ["https://srv/dav", "nfs://srv/export", "sftp://ann@srv/home"] {
            assert_eq!(rewritten(url), None, "{url}");
        }
    }

    #[test]
    fn what_stands_before_the_host_of_a_url_is_not_written_down() {
        for (name, written) in [
            ("smb://ann:hunter2@nas/x", "smb://nas/x"),
            ("davs://ann@nas:8443/a@b", "davs://nas:8443/a@b"),
            ("gopher://ann:h@unter2@nas/x", "gopher://nas/x"),
            ("smb://ann:hun/ter2@nas/x", "smb://nas/x"),
            ("https://nas:8443/x@y", "https://nas:8443/x@y"),
            ("ann:hunter2@nas:/export", "nas:/export"),
            ("nas:/export@x", "nas:/export@x"),
            (r"\\ann:hunter2@nas\x", r"\\nas\x"),
            (r"\\nas@14450\x@y", r"\\nas@14450\x@y"),
            (r"\\nas@SSL@8443\x", r"\\nas@SSL@8443\x"),
            ("//ann:hunter2@nas/x", "//nas/x"),
            ("", ""),
            ("@", ""),
        ] {
            assert_eq!(without_userinfo(name), written, "{name}");
        }
    }

    #[test]
    fn a_broken_smb_url_is_malformed() {
        for url in [
            "smb://",
            "smb:///share",
            "smb://srv:0/s",
            "smb://srv:99999/s",
            "smb://[::1/s",
            "smb://s%2/x",
            "smb://srv/a%5cb",
            "smb://srv/%00",
        ] {
            assert_eq!(canonical(&wide(url)), Err(RemoteError::Malformed), "{url}");
        }
    }

    #[test]
    fn a_unc_name_is_taken_apart() {
        let unc = Unc::parse(r"\\srv@14450\share\a\b\").unwrap();
        assert_eq!((unc.server, unc.port, unc.share, unc.path), ("srv", Some(14450), Some("share"), r"a\b"));
        assert_eq!(unc.to_string(), r"\\srv@14450\share\a\b");
        assert_eq!(Unc::parse(r"\\srv").unwrap().share, None);
        assert_eq!(Unc::parse(r"\\srv\").unwrap().share, None);
        for wrong in [
            "srv",
            r"\\",
            r"\\\share",
            r"\\srv@x\s",
            r"\\srv@0\s",
            r"\\@1\s",
            r"\\.\pipe",
            r"\\?\C:",
            r"\\s\x\..\y",
            r"\\s\x\a\\b",
            "//s/x",
        ] {
            assert_eq!(Unc::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_server_may_be_an_address() {
        let address = |name| Unc::parse(name).unwrap().address();
        assert_eq!(address(r"\\127.0.0.1\s"), Some("127.0.0.1".parse().unwrap()));
        assert_eq!(address(r"\\--1.ipv6-literal.net\s"), Some("::1".parse().unwrap()));
        assert_eq!(address(r"\\2001-db8--7.IPv6-Literal.NET\s"), Some("2001:db8::7".parse().unwrap()));
        assert_eq!(address(r"\\srv\s"), None);
        assert_eq!(address(r"\\ü\s"), None);
    }

    #[test]
    fn case_and_trailing_backslashes_do_not_make_another_resource() {
        assert!(same_resource(&wide(r"\\s\x"), &wide(r"\\S\X\")));
        assert!(same_resource(&wide(r"\\s\É"), &wide(r"\\s\é")));
        assert!(!same_resource(&wide(r"\\s\x"), &wide(r"\\s\y")));
        assert!(!same_resource(&[0xD800], &[0xD801]));
        assert!(same_resource(&[0xD800], &[0xD800]));
    }
}
