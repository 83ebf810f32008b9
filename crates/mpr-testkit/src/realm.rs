//! A private Kerberos realm: MIT's key distribution centre on a loopback port, everything it owns in a directory of its
//! own, and SMB servers that belong to it.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::samba::{Samba, free_port, text};

/// How long the centre may take to come up.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(5);
/// The Debian packages the programs are in.
const PACKAGES: [(&str, &str); 5] = [
    ("kdb5_util", "krb5-kdc"),
    ("krb5kdc", "krb5-kdc"),
    ("kadmin.local", "krb5-admin-server"),
    ("kinit", "krb5-user"),
    ("klist", "krb5-user"),
];

/// A realm. Its centre is stopped, and its files are gone, when it is dropped.
#[derive(Debug)]
pub struct Realm {
    directory: tempfile::TempDir,
    port: u16,
    centre: Mutex<Option<Child>>,
}

impl Realm {
    /// What it is called.
    pub const NAME: &str = "MPR.TEST";
    /// The password of everybody in it.
    pub const PASSWORD: &str = "Kerberos-1";

    /// Makes a realm with nobody in it and starts its centre.
    ///
    /// # Panics
    ///
    /// Without MIT's programs, saying which package has them; with their own words if they fail.
    #[must_use]
    pub fn start() -> Realm {
        let mut last = String::new();
        for _ in 0..5 {
            match Realm::try_start() {
                Ok(realm) => return realm,
                Err(error) => last = error,
            }
        }
        panic!("the key distribution centre does not start: {last}");
    }

    fn try_start() -> Result<Realm, String> {
        let directory = tempfile::Builder::new().prefix("mpr-realm-").tempdir().map_err(text)?;
        let port = free_port().map_err(text)?;
        let realm = Realm { directory, port, centre: Mutex::new(None) };
        let (name, root) = (Realm::NAME, realm.directory.path().display());
        let client = format!(
            "[libdefaults]
  default_realm = {name}
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  default_ccache_name = FILE:{root}/tickets
[realms]
  {name} = {{
    kdc = 127.0.0.1:{port}
  }}
[domain_realm]
  localhost = {name}
"
        );
        fs::write(realm.configuration(), client).map_err(text)?;
        // Samba cannot read a PAC that is about no account of a domain.
        let centre = format!(
            "[kdcdefaults]
  kdc_listen = 127.0.0.1:{port}
  kdc_tcp_listen = 127.0.0.1:{port}
[realms]
  {name} = {{
    database_name = {root}/principal
    key_stash_file = {root}/stash
    disable_pac = true
  }}
[logging]
  kdc = FILE:{root}/log
"
        );
        fs::write(realm.path("kdc.conf"), centre).map_err(text)?;
        realm.run("kdb5_util", &["create", "-s", "-r", name, "-P", "of the master key"])?;
        realm.launch()?;
        Ok(realm)
    }

    /// The file `krb5.conf` for programs of this realm, as the variable `KRB5_CONFIG` names it.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.path("krb5.conf")
    }

    /// Where tickets are looked for when no variable names another place.
    #[must_use]
    pub fn tickets(&self) -> PathBuf {
        self.path("tickets")
    }

    /// Lets somebody in, by [`Realm::PASSWORD`], if that is not so already.
    ///
    /// # Panics
    ///
    /// With the words of `kadmin.local`, if it does not.
    pub fn add(&self, user: &str) {
        self.make(&format!("-pw {} {user}", Realm::PASSWORD));
    }

    fn make(&self, principal: &str) {
        match self.administer(&format!("addprinc {principal}")) {
            Err(said) if said.contains("already exists") => {}
            made => made.expect("a principal is made"),
        }
    }

    fn administer(&self, query: &str) -> Result<(), String> {
        self.run("kadmin.local", &["-r", Realm::NAME, "-q", query])
    }

    /// Starts an SMB server of this realm, `localhost`, with these lines added to its configuration. Its user is
    /// one of the realm, too.
    ///
    /// # Panics
    ///
    /// As [`Samba::with`].
    #[must_use]
    pub fn samba(&self, extra: &str) -> Samba {
        let keytab = self.path("keytab");
        self.make("-randkey cifs/localhost");
        self.administer(&format!("ktadd -norandkey -k {} cifs/localhost", keytab.display()))
            .expect("the server gets its key");
        let samba = Samba::in_surroundings(
            &format!(
                "realm = {}\n  kerberos method = dedicated keytab\n  dedicated keytab file = {}\n  {extra}",
                Realm::NAME,
                keytab.display()
            ),
            &[("KRB5_CONFIG".into(), self.configuration().into())],
        );
        self.add(samba.user());
        samba
    }

    /// Gets a ticket for somebody into a cache, `FILE:…` or another kind, for as long as `kinit` is told.
    ///
    /// # Panics
    ///
    /// With the words of `kinit`, if there is none.
    pub fn log_in(&self, user: &str, cache: &str, lifetime: &str) {
        use std::io::Write;
        let mut kinit = self.command("kinit");
        kinit.args(["-c", cache, "-l", lifetime, user]).stdin(Stdio::piped());
        let mut child = kinit.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("kinit starts");
        let mut input = child.stdin.take().expect("a pipe");
        writeln!(input, "{}", Realm::PASSWORD).expect("kinit reads");
        drop(input);
        let output = child.wait_with_output().expect("kinit ends");
        assert!(output.status.success(), "kinit: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Whether a cache has a ticket whose time is not over.
    #[must_use]
    pub fn is_logged_in(&self, cache: &str) -> bool {
        self.command("klist").args(["-s", "-c", cache]).status().is_ok_and(|status| status.success())
    }

    /// What a cache has, in the words of `klist`.
    #[must_use]
    pub fn list(&self, cache: &str) -> String {
        let output = self.command("klist").args(["-c", cache]).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
    }

    /// Stops the centre: nobody gets a ticket any more.
    pub fn stop(&self) {
        if let Some(mut centre) = self.centre.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = centre.kill();
            let _ = centre.wait();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn launch(&self) -> Result<(), String> {
        let said = fs::File::create(self.path("said")).map_err(text)?;
        let mut centre = self
            .command("krb5kdc")
            .arg("-n")
            .stdin(Stdio::null())
            .stdout(said.try_clone().map_err(text)?)
            .stderr(said)
            .spawn()
            .map_err(text)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ended = centre.try_wait().map_err(text)?;
            if ended.is_none() && TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                *self.centre.lock().unwrap_or_else(PoisonError::into_inner) = Some(centre);
                return Ok(());
            }
            if ended.is_some() || Instant::now() > deadline {
                let _ = centre.kill();
                let _ = centre.wait();
                return Err(fs::read_to_string(self.path("said")).unwrap_or_default());
            }
            thread::sleep(PAUSE);
        }
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<(), String> {
        let output = self.command(program).args(arguments).stdin(Stdio::null()).output().map_err(text)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // kadmin.local tells of failures in words only.
        let failed =
            said.lines().any(|line| ["add_principal:", "kadmin"].iter().any(|by| line.starts_with(by)));
        if output.status.success() && !failed { Ok(()) } else { Err(format!("{program}: {said}")) }
    }

    /// A program of MIT's, which lie where only root's search path leads, in this realm.
    fn command(&self, program: &str) -> Command {
        let place = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
        let found = place.iter().map(|place| Path::new(place).join(program)).find(|path| path.exists());
        let found = found.unwrap_or_else(|| {
            let package = PACKAGES.iter().find(|(known, _)| *known == program).map_or("krb5-user", |(_, of)| of);
            panic!("this test needs a Kerberos realm, and there is no {program}; install the Debian package {package}")
        });
        let mut command = Command::new(found);
        command
            .env("KRB5_CONFIG", self.configuration())
            .env("KRB5_KDC_PROFILE", self.path("kdc.conf"))
            .env_remove("KRB5CCNAME")
            .current_dir(self.directory.path());
        command
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_gives_tickets_and_is_gone_with_its_owner() {
        let realm = Realm::start();
        let cache = format!("FILE:{}", realm.path("own").display());
        assert!(!realm.is_logged_in(&cache));
        realm.add("ann");
        realm.log_in("ann", &cache, "1h");
        assert!(realm.is_logged_in(&cache) && realm.list(&cache).contains("ann@MPR.TEST"));
        let (port, directory) = (realm.port, realm.directory.path().to_owned());
        drop(realm);
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() && !directory.exists());
    }
}
