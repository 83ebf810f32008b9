//! Names of resources as rules see them, and patterns of such names.
//!
//! Two spellings that lead to the same place must not be two names here, or a rule is dodged by spelling: case,
//! a dot behind the server, the port everybody means, slashes that count for nothing.

use super::glob::Glob;
use std::net::{IpAddr, Ipv6Addr};

/// The scheme of UNC names, and of the URLs that are rewritten to them.
const UNC: &str = "unc";

/// The name of a resource, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(Shape);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    /// A server, and what is on it.
    Tree { scheme: String, host: String, port: Option<u16>, path: Vec<String> },
    /// A name with a syntax of some provider's own.
    Opaque(String),
    /// What could mean something else to a provider than to us, or is not known.
    Unclear,
}

impl Name {
    /// Reads a name as the router hands it to providers: canonical, or a URL of another network.
    #[must_use]
    pub fn new(name: &str) -> Self {
        if let Some(rest) = name.strip_prefix("\\\\") {
            return Name::tree(UNC, rest.split('\\'), false);
        }
        if let Some((scheme, rest)) = split_scheme(name) {
            let rest = rest.split(['?', '#']).next().unwrap_or_default();
            return Name::tree(&scheme, rest.split('/'), true);
        }
        if let Some((host, path)) = split_export(name) {
            return Name::tree("nfs", std::iter::once(host).chain(path.split('/')), true);
        }
        Name(Shape::Opaque(fold(name)))
    }

    /// A name that is not known.
    #[must_use]
    pub fn unknown() -> Self {
        Name(Shape::Unclear)
    }

    fn tree<'a>(scheme: &str, mut parts: impl Iterator<Item = &'a str>, is_url: bool) -> Self {
        let read = || -> Option<Shape> {
            let authority = parts.next()?;
            let (host, port) = server(authority, scheme, is_url)?;
            let mut path = Vec::new();
            for part in parts {
                let part = if is_url { percent_decoded(part)? } else { fold(part) };
                match &*part {
                    "" | "." => {}
                    ".." => return None,
                    part if part.contains(['/', '\\', '\0']) => return None,
                    _ => path.push(part),
                }
            }
            Some(Shape::Tree { scheme: scheme.to_owned(), host, port, path })
        };
        Name(read().unwrap_or(Shape::Unclear))
    }

    /// The server, if the name has one.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match &self.0 {
            Shape::Tree { host, .. } => Some(host),
            _ => None,
        }
    }

    /// Its scheme: `unc`, or that of the URL.
    #[must_use]
    pub fn scheme(&self) -> Option<&str> {
        match &self.0 {
            Shape::Tree { scheme, .. } => Some(scheme),
            _ => None,
        }
    }

    /// Whether nothing can be said of it.
    #[must_use]
    pub fn is_unclear(&self) -> bool {
        self.0 == Shape::Unclear
    }

    /// The server as an address, if that is how it is named.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.host()?.parse().ok().map(|address: IpAddr| address.to_canonical())
    }
}

/// Server and port, as they are compared.
fn server(authority: &str, scheme: &str, is_url: bool) -> Option<(String, Option<u16>)> {
    let (host, port) = if is_url {
        let host_port = authority.rsplit_once('@').map_or(authority, |(_, host_port)| host_port);
        match host_port.strip_prefix('[') {
            Some(inside) => {
                let (address, behind) = inside.split_once(']')?;
                (address.to_owned(), behind.strip_prefix(':'))
            }
            None => {
                let (host, port) = match host_port.split_once(':') {
                    Some((host, port)) => (host, Some(port)),
                    None => (host_port, None),
                };
                (percent_decoded(host)?, port)
            }
        }
    } else {
        match authority.split_once('@') {
            Some((host, port)) => (host.to_owned(), Some(port)),
            None => (authority.to_owned(), None),
        }
    };
    let host = folded_host(&host);
    if host.is_empty() || host.contains(['/', '\\', '\0']) {
        return None;
    }
    // What stands behind `@` in a UNC name need not be a port (`\\server@SSL\dav`): then it is none of them.
    let port = port.filter(|port| !port.is_empty()).map(|port| port.parse().unwrap_or(0));
    let port = port.filter(|port| Some(*port) != usual_port(scheme));
    Some((host, port))
}

/// A server's name or address, as it is compared.
fn folded_host(host: &str) -> String {
    const IPV6_SUFFIX: &str = ".ipv6-literal.net";
    let host = fold(host);
    let host = host.strip_suffix('.').unwrap_or(&host);
    let literal = host.strip_suffix(IPV6_SUFFIX).map(|literal| literal.replace('-', ":"));
    if let Some(address) = literal.and_then(|literal| literal.parse::<Ipv6Addr>().ok()) {
        return IpAddr::V6(address).to_canonical().to_string();
    }
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().to_string(),
        Err(_) => host.to_owned(),
    }
}

fn usual_port(scheme: &str) -> Option<u16> {
    match scheme {
        UNC => Some(445),
        "http" | "dav" => Some(80),
        "https" | "davs" => Some(443),
        "nfs" => Some(2049),
        "sftp" => Some(22),
        _ => None,
    }
}

/// Scheme, folded and with the names of one thing made one, and what follows it.
fn split_scheme(name: &str) -> Option<(String, &str)> {
    let (scheme, rest) = name.split_once("://")?;
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.*".contains(&byte);
    if scheme.is_empty() || !scheme.bytes().all(good) {
        return None;
    }
    Some((canonical_scheme(scheme), rest))
}

/// The name by which a scheme is known here.
#[must_use]
pub fn canonical_scheme(scheme: &str) -> String {
    match &*scheme.to_ascii_lowercase() {
        "smb" | "cifs" => UNC.to_owned(),
        other => other.to_owned(),
    }
}

/// `server:/export`.
fn split_export(name: &str) -> Option<(&str, &str)> {
    let (host, path) = name.split_once(":/")?;
    let good = host.len() > 1 && !host.contains(['/', '\\', ' ', '@']);
    good.then_some((host, path))
}

fn fold(text: &str) -> String {
    text.to_lowercase()
}

fn percent_decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        decoded.push(match byte {
            b'%' => u8::try_from(digit(bytes.next())? * 16 + digit(bytes.next())?).ok()?,
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

/// A pattern of names: what it names, and everything below that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern(Pattern);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Anything,
    Tree { scheme: Glob, host: Glob, port: Option<u16>, path: Vec<Part> },
    Opaque(Glob),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    One(Glob),
    /// `**`: any number of parts, none included.
    Several,
}

impl NamePattern {
    /// Reads a pattern: `\\server\share`, `//server/share`, `smb://server/share`, `https://server/**/x`, `*`.
    ///
    /// # Errors
    ///
    /// What is wrong with it: a clause that continues "… is a pattern that".
    pub fn new(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("is empty");
        }
        if text.bytes().all(|byte| byte == b'*') {
            return Ok(NamePattern(Pattern::Anything));
        }
        let pattern = if let Some(rest) = text.strip_prefix("\\\\") {
            tree(UNC, rest.split('\\'))?
        } else if let Some(rest) = text.strip_prefix("//") {
            tree(UNC, rest.split('/'))?
        } else if let Some((scheme, rest)) = split_scheme(text) {
            tree(&scheme, rest.split('/'))?
        } else if let Some((host, path)) = split_export(text) {
            tree("nfs", std::iter::once(host).chain(path.split('/')))?
        } else {
            Pattern::Opaque(Glob::new(&fold(text)))
        };
        Ok(NamePattern(pattern))
    }

    /// The servers it is about, unless it is about other names, too.
    pub(super) fn host(&self) -> Option<&Glob> {
        match &self.0 {
            Pattern::Tree { host, .. } => Some(host),
            Pattern::Anything | Pattern::Opaque(_) => None,
        }
    }

    /// Whether `name` is one of those it stands for, or lies below one; `None` where that cannot be said.
    #[must_use]
    pub fn matches(&self, name: &Name) -> Option<bool> {
        Some(match (&self.0, &name.0) {
            (Pattern::Anything, _) => true,
            (_, Shape::Unclear) => return None,
            (
                Pattern::Tree { scheme, host, port, path },
                Shape::Tree { scheme: its_scheme, host: its_host, port: its_port, path: its_path },
            ) => {
                host.matches(its_host)
                    && scheme.matches(its_scheme)
                    && port.is_none_or(|port| port == its_port.or(usual_port(its_scheme)).unwrap_or(0))
                    && path_begins(path, its_path)
            }
            (Pattern::Opaque(glob), Shape::Opaque(text)) => glob.matches(text),
            _ => false,
        })
    }
}

fn tree<'a>(scheme: &str, mut parts: impl Iterator<Item = &'a str>) -> Result<Pattern, &'static str> {
    let is_url = scheme != UNC;
    let authority = parts.next().unwrap_or_default();
    let separator = if is_url { ':' } else { '@' };
    // An address in brackets has colons of its own; a URL that became UNC has the port behind a colon.
    let (host, port) = match authority.strip_prefix('[') {
        Some(inside) => {
            let (host, behind) = inside.split_once(']').ok_or("has no closing bracket")?;
            (host, behind.strip_prefix(':'))
        }
        None => match authority.split_once(separator).or_else(|| authority.split_once(':')) {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        None | Some("*") => None,
        Some(port) => Some(port.parse::<u16>().ok().filter(|port| *port != 0).ok_or("has no such port")?),
    };
    if host.is_empty() {
        return Err("names no server");
    }
    let mut path = Vec::new();
    for part in parts {
        match part {
            "" | "." => {}
            ".." => return Err("has \"..\" in it, which no name that is connected has"),
            "**" => path.push(Part::Several),
            part if is_url => path.push(Part::One(Glob::new(part))),
            part => path.push(Part::One(Glob::new(&fold(part)))),
        }
    }
    // What it names and everything below: `**` at the end says no more than that.
    while path.last() == Some(&Part::Several) {
        path.pop();
    }
    Ok(Pattern::Tree { scheme: Glob::new(scheme), host: Glob::new(&folded_host(host)), port, path })
}

/// Whether the first parts of `path` are those of `pattern`. As with characters, the last `**` is the only one
/// that need be tried again.
fn path_begins(pattern: &[Part], path: &[String]) -> bool {
    let (mut at, mut next) = (0, 0);
    let mut several: Option<(usize, usize)> = None;
    loop {
        match pattern.get(at) {
            None => return true,
            Some(Part::Several) => {
                at += 1;
                several = Some((at, next));
                continue;
            }
            Some(Part::One(glob)) if path.get(next).is_some_and(|part| glob.matches(part)) => {
                (at, next) = (at + 1, next + 1);
                continue;
            }
            Some(Part::One(_)) => {}
        }
        match &mut several {
            Some((behind, from)) if *from < path.len() => {
                *from += 1;
                (at, next) = (*behind, *from);
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> Option<bool> {
        NamePattern::new(pattern).unwrap().matches(&Name::new(name))
    }

    #[test]
    fn a_pattern_stands_for_what_it_names_and_everything_below() {
        for (pattern, name) in [
            ("*", r"\\nas\photos"),
            ("**", "anything at all"),
            (r"\\nas", r"\\nas"),
            (r"\\nas", r"\\nas\photos\2024"),
            (r"\\nas\photos", r"\\NAS\Photos\"),
            (r"\\nas\photos", r"\\nas\photos\2024"),
            ("//nas/photos", r"\\nas\photos"),
            ("smb://nas/photos", r"\\nas\photos"),
            ("CIFS://nas/photos/**", r"\\nas\photos"),
            (r"\\*.example\**", r"\\a.example\x"),
            (r"\\*\secret", r"\\nas\secret\x"),
            (r"\\*\**\secret", r"\\nas\a\b\secret\c"),
            (r"\\*\**\secret", r"\\nas\secret"),
            (r"\\nas\p?otos", r"\\nas\photos"),
            ("https://dav.example/a", "HTTPS://ann@Dav.Example:443/a/b?c=d"),
            ("*://dav.example", "https://dav.example/x"),
            ("nfs://box/export", "box:/export/home"),
            ("box:/export", "nfs://box/export"),
            ("Example *", "example network 1"),
        ] {
            assert_eq!(matches(pattern, name), Some(true), "{pattern} {name}");
        }
        for (pattern, name) in [
            (r"\\nas", r"\\nas2\photos"),
            (r"\\nas\photos", r"\\nas\photos2"),
            (r"\\nas\photos", r"\\nas"),
            (r"\\nas\photos", "https://nas/photos"),
            ("https://dav.example/a", "https://dav.example/A"),
            ("https://dav.example", "http://dav.example/a"),
            (r"\\*\**\secret", r"\\nas\secrets"),
            ("nas", r"\\nas\photos"),
        ] {
            assert_eq!(matches(pattern, name), Some(false), "{pattern} {name}");
        }
    }

    #[test]
    fn another_spelling_is_no_other_name() {
        for name in [
            r"\\nas\photos",
            r"\\NAS.\PHOTOS",
            r"\\nas@445\photos",
            r"\\nas\\photos\.\",
            r"\\nas@SSL\photos",
            r"\\nas@4450\photos",
        ] {
            assert_eq!(matches(r"\\nas\photos", name), Some(true), "{name}");
        }
        assert_eq!(matches(r"\\[::1]\x", r"\\--1.ipv6-literal.net\x"), Some(true));
        assert_eq!(matches(r"\\10.0.0.1\x", r"\\--ffff-a00-1.ipv6-literal.net\x"), Some(true));
        assert_eq!(matches("https://h/a b", "https://%68/a%20b"), Some(true));
    }

    #[test]
    fn a_port_in_a_pattern_is_that_port_alone() {
        assert_eq!(matches(r"\\nas@445\x", r"\\nas\x"), Some(true));
        assert_eq!(matches("smb://nas:4450/x", r"\\nas@4450\x"), Some(true));
        assert_eq!(matches(r"\\nas@445\x", r"\\nas@4450\x"), Some(false));
        assert_eq!(matches(r"\\nas@*\x", r"\\nas@4450\x"), Some(true));
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_unclear() {
        for name in
            [r"\\nas\a\..\b", "https://h/a/%2e%2e/b", "https://h/a%2fb", "https://h/%zz", r"\\", "https:///x"]
        {
            assert!(Name::new(name).is_unclear(), "{name}");
            assert_eq!(matches(r"\\nas\a", name), None, "{name}");
            assert_eq!(matches("*", name), Some(true), "{name}");
        }
    }

    #[test]
    fn a_pattern_with_a_mistake_says_which() {
        for pattern in ["", r"\\", "//", r"\\nas\..\x", r"\\nas@x\y", "https://[::1/x", "https://h:0/"] {
            assert!(NamePattern::new(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_server_may_be_an_address() {
        assert_eq!(Name::new(r"\\10.1.2.3\x").address(), "10.1.2.3".parse().ok());
        assert_eq!(Name::new(r"\\--ffff-a00-1.ipv6-literal.net\x").address(), "10.0.0.1".parse().ok());
        assert_eq!(Name::new(r"\\nas\x").address(), None);
    }
}
