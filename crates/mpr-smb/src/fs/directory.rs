//! Reading directories.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use mpr_remotefs::{Entry, Errno, Result};
use smb2::msg::create::{CreateDisposition, CreateResponse};
use smb2::msg::directory_info::parse_entries;
use smb2::msg::query_directory::{FileInformationClass, QueryDirectoryResponse};
use smb2::types::flags::FileAccessMask;
use smb2::types::status::NtStatus;
use smb2::types::{Command, FileId};

use super::handle::{Grip, Handle};
use super::{EXAMINE, SmbFs, ask_twice};
use crate::link::{Asked, Trouble, parse};
use crate::locked;
use crate::wire;

/// Bytes of the first part of a listing, which comes with opening the directory.
const FIRST_LISTING: u32 = 65536;

/// A directory being read.
#[derive(Debug)]
pub struct SmbDirectory {
    path: String,
    handle: Mutex<Handle>,
    /// What came with opening it.
    first: Mutex<Option<Vec<Entry>>>,
    ended: AtomicBool,
}

impl SmbFs {
    pub(super) async fn start_listing(&self, path: &str) -> Result<SmbDirectory> {
        let opened = ask_twice!(
            async {
                let link = self.link().await?;
                let access = FileAccessMask::FILE_READ_DATA | EXAMINE;
                let create =
                    wire::create(&self.full(path), access, CreateDisposition::FileOpen, wire::DIRECTORY, 0);
                let list = wire::query_directory(FileId::SENTINEL, FIRST_LISTING);
                let answers =
                    link.chain(&[(Command::Create, &create), (Command::QueryDirectory, &list)]).await?;
                Ok::<_, Trouble>((link, answers))
            }
            .await
        );
        let (link, answers) = opened?;
        let mut answers = answers.into_iter();
        let created: CreateResponse = parse(&answers.next().unwrap_or(Err(Trouble::Garbled))?)?;
        let directory = SmbDirectory {
            path: path.to_owned(),
            handle: Mutex::new(Handle::Open(Grip::on(&link, created.file_id, None))),
            first: Mutex::new(None),
            ended: false.into(),
        };
        let listed = answers.next().unwrap_or(Err(Trouble::Garbled)).and_then(|body| entries_in(&body));
        match listed {
            Ok(entries) => {
                *locked(&directory.first) = Some(entries);
                Ok(directory)
            }
            Err(Trouble::Status(NtStatus::NO_MORE_FILES)) => {
                directory.ended.store(true, Ordering::Relaxed);
                Ok(directory)
            }
            Err(trouble) => {
                self.end_listing(&directory).await;
                Err(trouble.into())
            }
        }
    }

    pub(super) async fn go_on_listing(&self, directory: &SmbDirectory) -> Result<Vec<Entry>> {
        let mut entries = self.list_on(directory).await?;
        self.find_links(&directory.path, &mut entries).await?;
        Ok(entries)
    }

    async fn list_on(&self, directory: &SmbDirectory) -> Result<Vec<Entry>> {
        if let Some(entries) = locked(&directory.first).take()
            && !entries.is_empty()
        {
            return Ok(entries);
        }
        let link = self.now();
        loop {
            if directory.ended.load(Ordering::Relaxed) {
                return Ok(Vec::new());
            }
            let Some(id) = locked(&directory.handle).on(&link) else {
                // Where a listing had come to is known to the old connection alone.
                return Err(Errno::LOST);
            };
            let request = wire::query_directory(id, link.max_listing);
            let listed: Asked<QueryDirectoryResponse> =
                link.call(Command::QueryDirectory, &request, link.max_listing).await;
            match listed {
                Ok(answer) => {
                    let entries = visible(&answer)?;
                    // A part in which nothing is visible is not the end.
                    if !entries.is_empty() {
                        return Ok(entries);
                    }
                }
                Err(Trouble::Status(NtStatus::NO_MORE_FILES)) => {
                    directory.ended.store(true, Ordering::Relaxed);
                }
                Err(trouble) => return Err(trouble.into()),
            }
        }
    }

    pub(super) async fn end_listing(&self, directory: &SmbDirectory) {
        let handle = std::mem::replace(&mut *locked(&directory.handle), Handle::Closed);
        handle.close().await;
    }
}

fn entries_in(body: &[u8]) -> Asked<Vec<Entry>> {
    visible(&parse(body)?)
}

fn visible(answer: &QueryDirectoryResponse) -> Asked<Vec<Entry>> {
    let class = FileInformationClass::FileIdBothDirectoryInformation;
    let raw = parse_entries(class, &answer.output_buffer).map_err(|_| Trouble::Garbled)?;
    Ok(raw.iter().filter_map(wire::entry).collect())
}
