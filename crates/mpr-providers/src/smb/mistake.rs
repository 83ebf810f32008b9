//! What is the matter with names that are none of shares, for people who wrote them.

use super::Target;
use mpr_core::remote::Unc;
use mpr_plugin::WideStr;

/// What is wrong with a name that is not one of a share, where that can be told.
pub(super) fn in_name(name: &WideStr) -> Option<String> {
    let name = name.to_string().ok()?;
    let Some(rest) = name.strip_prefix(r"\\") else {
        // A URL, or an export of a server, is of another network.
        let (server, share) = name.trim_start_matches(['/', '\\']).split_once(['/', '\\'])?;
        let named = !server.is_empty() && !share.is_empty() && !name.contains(':');
        return named.then(|| format!("the name of a share begins with two slashes: //{server}/{share}"));
    };
    let Some((server, share)) = rest.split_once('\\').filter(|(_, share)| !share.is_empty()) else {
        let server = rest.trim_end_matches('\\');
        return (!server.is_empty()).then(|| {
            format!(r"it names a server and no share: \\{server}\SHARE; list its shares with: mpr browse //{server}")
        });
    };
    if let Some(meant) = brackets_misplaced(server, share) {
        return Some(format!("an address has no brackets here, and a port stands behind an @: {meant}"));
    }
    if let Some(meant) = port_misplaced(&name) {
        return Some(format!("the port of a server is written behind an @: {meant}"));
    }
    if let Some((_, port)) = server.split_once('@')
        && !port.is_empty()
        && port.bytes().all(|digit| digit.is_ascii_digit())
        && port.parse::<u16>().ok().is_none_or(|port| port == 0)
    {
        return Some(format!("{port} is no port: those are from 1 to 65535"));
    }
    share.split('\\').any(|part| part == "..").then(|| "'..' leads out of a share: leave it out".to_owned())
}

/// What a name with a port as in URLs was meant to be: `\\nas:1445\x` is `\\nas@1445\x`.
fn port_misplaced(name: &str) -> Option<String> {
    let unc = Unc::parse(name)?;
    let (server, port) = unc.server.split_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0 && unc.port.is_none() && !server.is_empty());
    let meant = Unc { server, port: Some(port?), ..unc };
    Target::of(&meant, meant.share?).map(|_| meant.to_string())
}

/// The same of an address as in URLs: `\\[::1]:1445\x` is `\\::1@1445\x`.
fn brackets_misplaced(server: &str, share: &str) -> Option<String> {
    let (address, port) = server.strip_prefix('[')?.split_once(']')?;
    let meant = match port.strip_prefix([':', '@']) {
        Some(port) => format!(r"\\{address}@{port}\{share}"),
        None => format!(r"\\{address}\{share}"),
    };
    let unc = Unc::parse(&meant)?;
    unc.address()?;
    Target::of(&unc, unc.share?).map(|_| meant.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mpr_plugin::wide;

    #[test]
    fn a_port_as_in_urls_is_told_where_it_belongs() {
        let meant = port_misplaced;
        assert_eq!(meant(r"\\nas:1445\x\y").as_deref(), Some(r"\\nas@1445\x\y"));
        for other in [
            r"\\nas\x",
            r"\\nas:x\x",
            r"\\nas:0\x",
            r"\\nas:99999\x",
            r"\\:1\x",
            r"\\nas:1@2\x",
            r"\\fe80::1\x",
        ] {
            assert_eq!(meant(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_name_is_told() {
        let told = |name: &str| in_name(&wide(name)).unwrap_or_default();
        for (name, meant) in [
            (r"nas\x", "//nas/x"),
            ("/nas/x", "//nas/x"),
            ("nas/x/y", "//nas/x/y"),
            (r"\\nas", "mpr browse //nas"),
            (r"\\nas\", r"\\nas\SHARE"),
            (r"\\[::1]:1445\x\y", r"\\::1@1445\x\y"),
            (r"\\[::1]@1445\x", r"\\::1@1445\x"),
            (r"\\[::1]\x", r"\\::1\x"),
            (r"\\nas:1445\x", r"\\nas@1445\x"),
            (r"\\nas@99999\x", "99999 is no port"),
            (r"\\nas@0\x", "0 is no port"),
            (r"\\nas\x\..\y", "leads out of a share"),
        ] {
            assert!(told(name).contains(meant), "{name}: {}", told(name));
        }
        for other in
            ["", "x", r"\\", "https://nas/x", "box:/export", r"\\nas@SSL\dav", r"\\[x]\y", r"\\nas\a:b"]
        {
            assert_eq!(told(other), "", "{other}");
        }
    }
}
