//! A private SSH server, for sshfs.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::program::{self, eventually, succeed};

const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(super) struct Sshd {
    child: Child,
    port: u16,
    key: PathBuf,
    user: String,
}

impl Sshd {
    /// Starts one that keeps everything in `place`.
    pub(super) fn start(place: &Path) -> Result<Sshd, String> {
        let (host_key, key) = (place.join("host"), place.join("key"));
        for key in [&host_key, &key] {
            let mut make = Command::new("ssh-keygen");
            succeed(make.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(key), PATIENCE)?;
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .map_err(|error| error.to_string())?
            .port();
        let settings = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}.pub\nStrictModes no\nUsePAM no\n\
             PidFile none\nSubsystem sftp internal-sftp\n",
            host_key.display(),
            key.display()
        );
        fs::write(place.join("sshd"), settings).map_err(|error| error.to_string())?;
        // Debian's sshd wants this directory, which its service makes.
        _ = fs::create_dir_all("/run/sshd");
        let child = Command::new("/usr/sbin/sshd")
            .arg("-D")
            .arg("-f")
            .arg(place.join("sshd"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("sshd: {error}"))?;
        let user = succeed(Command::new("id").arg("-un"), PATIENCE)?.trim().to_owned();
        let sshd = Sshd { child, port, key, user };
        eventually("sshd listens", PATIENCE, || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())?;
        Ok(sshd)
    }

    pub(super) fn host(&self) -> String {
        format!("{}@127.0.0.1", self.user)
    }

    /// Options of sshfs that lead here.
    pub(super) fn options(&self) -> Vec<String> {
        let of = |text: String| ["-o".to_owned(), text];
        [
            of(format!("port={}", self.port)),
            of(format!("IdentityFile={}", self.key.display())),
            of("StrictHostKeyChecking=no".to_owned()),
            of("UserKnownHostsFile=/dev/null".to_owned()),
        ]
        .concat()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        program::end(&mut self.child);
    }
}
