//! What the protocol allows: `smbclient` for files in order, the protocol crate alone for small reads.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mpr_testkit::Samba;
use smb2::client::{Connection, Session, Tree};
use smb2::msg::read::ReadRequest;
use smb2::types::{Command as Smb, FileId, TreeId};

use super::data::{Data, Sizes};
use super::subject::Protection;
use crate::program::succeed;

const PATIENCE: Duration = Duration::from_secs(240);

/// What the limits were in one round.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Limits {
    /// Connecting and leaving again, in milliseconds.
    pub(super) connect: f64,
    /// MB/s, the connecting not counted.
    pub(super) get: f64,
    pub(super) put: f64,
    /// Reads of 4 KiB a second, so many at a time. Not known of encrypted ones: the crate alone does not encrypt with
    /// this server.
    pub(super) read1: Option<f64>,
    pub(super) read8: Option<f64>,
    pub(super) read32: Option<f64>,
}

impl Limits {
    pub(super) fn measure(
        protection: Protection,
        samba: &Samba,
        data: &Data,
        sizes: Sizes,
    ) -> Result<Limits, String> {
        let account = data.local("account");
        fs::write(&account, format!("username = {}\npassword = {}\n", samba.user(), Samba::PASSWORD))
            .and_then(|()| fs::set_permissions(&account, fs::Permissions::from_mode(0o600)))
            .map_err(|error| error.to_string())?;
        let run = |what: &str| -> Result<f64, String> {
            let mut smbclient = Command::new("smbclient");
            smbclient
                .arg(format!("//127.0.0.1/{}", protection.share()))
                .args(["-p", &samba.port().to_string(), "-A"])
                .arg(&account);
            smbclient.args(["-c", what]);
            let begun = Instant::now();
            succeed(&mut smbclient, PATIENCE)?;
            Ok(begun.elapsed().as_secs_f64())
        };
        let connect = run("quit")?;
        let megabytes = sizes.file_mib as f64 * 1.048_576;
        let get = megabytes / (run("get big.bin /dev/null")? - connect);
        let put = megabytes / (run(&format!("put {} limit.bin", data.local("put.bin").display()))? - connect);
        run("rm limit.bin")?;
        let reads = |depth| match protection {
            Protection::AsItComes => small_reads(samba, sizes, depth).map(Some),
            Protection::Encrypted => Ok(None),
        };
        Ok(Limits {
            connect: connect * 1e3,
            get,
            put,
            read1: reads(1)?,
            read8: reads(8)?,
            read32: reads(32)?,
        })
    }
}

/// Small reads a second with the protocol crate alone.
fn small_reads(samba: &Samba, sizes: Sizes, depth: usize) -> Result<f64, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime
        .block_on(read_at_random(samba, sizes, depth))
        .map_err(|error| format!("the protocol crate: {error}"))
}

async fn read_at_random(samba: &Samba, sizes: Sizes, depth: usize) -> smb2::Result<f64> {
    let address = format!("127.0.0.1:{}", samba.port());
    let mut connection = Connection::connect(&address, Duration::from_secs(10)).await?;
    connection.negotiate().await?;
    Session::setup(&mut connection, samba.user(), Samba::PASSWORD, "").await?;
    let tree = Tree::connect(&mut connection, "rw").await?;
    let (file, size) = tree.open_file(&mut connection, "random.bin").await?;
    let (connection, done) = (Arc::new(connection), Arc::new(AtomicU64::new(0)));
    let begun = Instant::now();
    let until = begun + Duration::from_secs(sizes.random.into());
    let tasks: Vec<_> = (0..depth)
        .map(|task| {
            let (connection, done) = (Arc::clone(&connection), Arc::clone(&done));
            tokio::spawn(async move {
                // xorshift: any walk over the file will do, as long as it is not in order.
                let mut at = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(task as u64 + 1);
                while Instant::now() < until {
                    at ^= at << 13;
                    at ^= at >> 7;
                    at ^= at << 17;
                    read_one(&connection, tree.tree_id, file, at % (size / 4096) * 4096).await?;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                smb2::Result::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await.map_err(|error| smb2::Error::invalid_data(error.to_string()))??;
    }
    Ok(done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64())
}

async fn read_one(connection: &Connection, tree: TreeId, file_id: FileId, offset: u64) -> smb2::Result<()> {
    let request = ReadRequest {
        padding: 0x50,
        flags: 0,
        length: 4096,
        offset,
        file_id,
        minimum_count: 0,
        channel: 0,
        remaining_bytes: 0,
        read_channel_info: Vec::new(),
    };
    let frame = connection.execute(Smb::Read, &request, Some(tree)).await?;
    let status = frame.header.status;
    if status.is_success_or_partial() {
        Ok(())
    } else {
        Err(smb2::Error::Protocol { status, command: Smb::Read })
    }
}
