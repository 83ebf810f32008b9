//! What the protocol allows: `smbclient` for files in order, the protocol crate alone for small reads, listings and
//! small files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mpr_testkit::Samba;
use smb2::client::connection::CompoundOp;
use smb2::client::{Connection, Session, Tree};
use smb2::msg::close::CloseRequest;
use smb2::msg::create::{CreateDisposition, CreateRequest, ImpersonationLevel, ShareAccess};
use smb2::msg::read::ReadRequest;
use smb2::msg::write::WriteRequest;
use smb2::types::flags::FileAccessMask;
use smb2::types::{Command as Smb, FileId, OplockLevel, TreeId};
use tokio::task::JoinSet;

use super::data::{Data, SMALL_TREE, Sizes};
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
    /// What the crate does. Not known of what is encrypted, which it does not do with this server.
    pub(super) alone: Option<Alone>,
}

/// What the protocol crate does alone, with no file system around it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alone {
    /// Reads of 4 KiB a second, so many at a time.
    pub(super) read1: f64,
    pub(super) read8: f64,
    pub(super) read32: f64,
    /// Milliseconds to list a tree, eight directories at a time: what the server takes.
    pub(super) find: f64,
    pub(super) find_large: f64,
    /// Files a second, each made, written and closed by a single message.
    pub(super) create: f64,
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
        let alone = match protection {
            Protection::AsItComes => Some(Alone::measure(samba, sizes)?),
            Protection::Encrypted => None,
        };
        Ok(Limits { connect: connect * 1e3, get, put, alone })
    }
}

impl Alone {
    fn measure(samba: &Samba, sizes: Sizes) -> Result<Alone, String> {
        let reads = |depth| alone(read_at_random(samba, sizes, depth));
        let measured = Alone {
            read1: reads(1)?,
            read8: reads(8)?,
            read32: reads(32)?,
            find: alone(list(samba, "tree", SMALL_TREE))?,
            find_large: alone(list(samba, "large", sizes.large_tree))?,
            create: alone(create(samba, sizes.creates))?,
        };
        fs::remove_dir_all(samba.data("rw").join(CREATED)).map_err(|error| error.to_string())?;
        Ok(measured)
    }
}

/// Has the protocol crate do something alone.
fn alone(work: impl Future<Output = smb2::Result<f64>>) -> Result<f64, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(work).map_err(|error| format!("the protocol crate: {error}"))
}

async fn connected(samba: &Samba) -> smb2::Result<(Connection, Tree)> {
    let address = format!("127.0.0.1:{}", samba.port());
    let mut connection = Connection::connect(&address, Duration::from_secs(10)).await?;
    connection.negotiate().await?;
    Session::setup(&mut connection, samba.user(), Samba::PASSWORD, "").await?;
    let tree = Tree::connect(&mut connection, "rw").await?;
    Ok((connection, tree))
}

/// Milliseconds to list a tree of at least so many entries.
async fn list(samba: &Samba, root: &str, least: usize) -> smb2::Result<f64> {
    const AT_ONCE: usize = 8;
    let (connection, tree) = connected(samba).await?;
    let tree = Arc::new(tree);
    let begun = Instant::now();
    let (mut left, mut under_way, mut seen) = (vec![root.to_owned()], JoinSet::new(), 0);
    loop {
        while under_way.len() < AT_ONCE
            && let Some(path) = left.pop()
        {
            let (tree, mut connection) = (Arc::clone(&tree), connection.clone());
            under_way.spawn(async move {
                let entries = tree.list_directory(&mut connection, &path).await;
                entries.map(|entries| (path, entries))
            });
        }
        let Some(listed) = under_way.join_next().await else { break };
        let (path, entries) = listed.map_err(|error| smb2::Error::invalid_data(error.to_string()))??;
        let entries = entries.iter().filter(|entry| !matches!(&*entry.name, "." | ".."));
        for entry in entries {
            seen += 1;
            if entry.is_directory {
                left.push(format!("{path}/{}", entry.name));
            }
        }
    }
    let took = begun.elapsed().as_secs_f64() * 1e3;
    if seen < least {
        return Err(smb2::Error::invalid_data(format!("{seen} of {least} entries")));
    }
    Ok(took)
}

/// Where files are made.
const CREATED: &str = "created-alone";

/// Small files a second, in a directory of their own.
async fn create(samba: &Samba, count: usize) -> smb2::Result<f64> {
    let (mut connection, tree) = connected(samba).await?;
    tree.create_directory(&mut connection, CREATED).await?;
    let id = Some(tree.tree_id);
    let write = WriteRequest {
        data_offset: 0x70,
        offset: 0,
        file_id: FileId::SENTINEL,
        channel: 0,
        remaining_bytes: 0,
        write_channel_info_offset: 0,
        write_channel_info_length: 0,
        flags: 0,
        data: vec![7; 1024],
    };
    let close = CloseRequest { flags: 0, file_id: FileId::SENTINEL };
    let begun = Instant::now();
    for file in 0..count {
        let create = CreateRequest {
            requested_oplock_level: OplockLevel::None,
            impersonation_level: ImpersonationLevel::Impersonation,
            desired_access: FileAccessMask::new(FileAccessMask::FILE_WRITE_DATA),
            file_attributes: 0,
            share_access: ShareAccess(7),
            create_disposition: CreateDisposition::FileCreate,
            create_options: 0,
            name: format!("{CREATED}\\file-{file}"),
            create_contexts: Vec::new(),
        };
        let answers = connection
            .execute_compound(&[
                CompoundOp::new(Smb::Create, &create, id),
                CompoundOp::new(Smb::Write, &write, id),
                CompoundOp::new(Smb::Close, &close, id),
            ])
            .await?;
        for answer in answers {
            let header = answer?.header;
            if !header.status.is_success() {
                return Err(smb2::Error::Protocol { status: header.status, command: header.command });
            }
        }
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

async fn read_at_random(samba: &Samba, sizes: Sizes, depth: usize) -> smb2::Result<f64> {
    let (mut connection, tree) = connected(samba).await?;
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
