//! Requests as they are sent, answers as they are read. Pure functions on bytes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use mpr_remotefs::{Attributes, Kind};
use smb2::msg::close::CloseRequest;
use smb2::msg::create::{CreateDisposition, CreateRequest, CreateResponse, ImpersonationLevel, ShareAccess};
use smb2::msg::ioctl::{IoctlRequest, SMB2_0_IOCTL_IS_FSCTL};
use smb2::msg::query_directory::{FileInformationClass, QueryDirectoryFlags, QueryDirectoryRequest};
use smb2::msg::query_info::{InfoType, QueryInfoRequest};
use smb2::msg::read::ReadRequest;
use smb2::msg::set_info::SetInfoRequest;
use smb2::msg::write::WriteRequest;
use smb2::name::encode_name;
use smb2::pack::{FileTime, Pack, WriteCursor};
use smb2::types::flags::{FileAccessMask, FileAttributes};
use smb2::types::{FileId, OplockLevel};

/// Names a file has between its removal and the closing of its last handle; never shown in a listing.
pub(crate) const REMOVED_PREFIX: &str = ".mpr-deleted-";

/// Create options.
pub(crate) const DIRECTORY: u32 = 0x01;
pub(crate) const NOT_DIRECTORY: u32 = 0x40;
pub(crate) const NOT_THROUGH_LINKS: u32 = 0x0020_0000;

/// Classes of information about a file, and about its file system.
const BASIC: u8 = 4;
const STANDARD: u8 = 5;
const RENAME: u8 = 10;
const LINK: u8 = 11;
const DISPOSITION: u8 = 13;
const ALL: u8 = 18;
const ALLOCATION: u8 = 19;
const END_OF_FILE: u8 = 20;
const NETWORK_OPEN: u8 = 34;
const FULL_SIZE: u8 = 7;

/// Longer than everything there is to know of a file, its whole path included, and covered by one credit.
const LONGEST_ALL: u32 = 65536;

/// The name of a path as the server wants it: mapped component by component, joined with backslashes.
pub(crate) fn wire_name(path: &str) -> String {
    let mut name = String::with_capacity(path.len());
    for component in path.split('/').filter(|component| !component.is_empty()) {
        if !name.is_empty() {
            name.push('\\');
        }
        name.push_str(&encode_name(component));
    }
    name
}

/// Others may have the file open meanwhile, for whatever they want.
pub(crate) const SHARED: ShareAccess = ShareAccess(
    ShareAccess::FILE_SHARE_READ | ShareAccess::FILE_SHARE_WRITE | ShareAccess::FILE_SHARE_DELETE,
);
/// Nobody else may have the file open.
pub(crate) const ALONE: ShareAccess = ShareAccess(0);

/// CREATE, letting everybody else read, write and delete meanwhile.
pub(crate) fn create(
    path: &str,
    access: u32,
    disposition: CreateDisposition,
    options: u32,
    attributes: u32,
) -> CreateRequest {
    CreateRequest {
        requested_oplock_level: OplockLevel::None,
        impersonation_level: ImpersonationLevel::Impersonation,
        desired_access: FileAccessMask::new(access),
        file_attributes: attributes,
        share_access: SHARED,
        create_disposition: disposition,
        create_options: options,
        name: wire_name(path),
        create_contexts: Vec::new(),
    }
}

/// CLOSE.
pub(crate) fn close(id: FileId) -> CloseRequest {
    CloseRequest { flags: 0, file_id: id }
}

/// Asks for something about a file.
pub(crate) fn query_file(class: u8, length: u32, id: FileId) -> QueryInfoRequest {
    query(InfoType::File, class, length, id)
}

fn query(info_type: InfoType, class: u8, length: u32, id: FileId) -> QueryInfoRequest {
    QueryInfoRequest {
        info_type,
        file_info_class: class,
        output_buffer_length: length,
        additional_information: 0,
        flags: 0,
        file_id: id,
        input_buffer: Vec::new(),
    }
}

/// Asks which file it is. What the answer also holds and is not wanted may be cut off.
pub(crate) fn query_identity(id: FileId) -> QueryInfoRequest {
    query(InfoType::File, ALL, LONGEST_ALL, id)
}

/// Asks for times, sizes and attributes.
pub(crate) fn query_attributes(id: FileId) -> QueryInfoRequest {
    query(InfoType::File, NETWORK_OPEN, 56, id)
}

/// Asks for lengths: the least there is to ask.
pub(crate) fn query_length(id: FileId) -> QueryInfoRequest {
    query(InfoType::File, STANDARD, 24, id)
}

/// Asks for room on the file system.
pub(crate) fn query_space(id: FileId) -> QueryInfoRequest {
    query(InfoType::Filesystem, FULL_SIZE, 32, id)
}

fn set(class: u8, buffer: Vec<u8>, id: FileId) -> SetInfoRequest {
    SetInfoRequest {
        info_type: InfoType::File,
        file_info_class: class,
        additional_information: 0,
        file_id: id,
        buffer,
    }
}

/// Sets times and attributes; zero leaves each as it is.
pub(crate) fn set_basic(
    accessed: Option<SystemTime>,
    modified: Option<SystemTime>,
    attributes: u32,
    id: FileId,
) -> SetInfoRequest {
    let filetime =
        |time: Option<SystemTime>| time.map_or(0, |time| FileTime::from_system_time(time).0.max(1));
    let mut buffer = Vec::with_capacity(40);
    buffer.extend_from_slice(&0u64.to_le_bytes()); // creation
    buffer.extend_from_slice(&filetime(accessed).to_le_bytes());
    buffer.extend_from_slice(&filetime(modified).to_le_bytes());
    buffer.extend_from_slice(&0u64.to_le_bytes()); // change
    buffer.extend_from_slice(&attributes.to_le_bytes());
    buffer.extend_from_slice(&[0; 4]);
    set(BASIC, buffer, id)
}

/// Sets the length.
pub(crate) fn set_size(size: u64, id: FileId) -> SetInfoRequest {
    set(END_OF_FILE, size.to_le_bytes().to_vec(), id)
}

/// Sets room aside for the file as a whole. Less than its length would cut it short.
pub(crate) fn set_room(bytes: u64, id: FileId) -> SetInfoRequest {
    set(ALLOCATION, bytes.to_le_bytes().to_vec(), id)
}

/// Gives the open file another name.
pub(crate) fn set_name(path: &str, replace: bool, id: FileId) -> SetInfoRequest {
    set(RENAME, new_name(path, replace), id)
}

/// Gives the open file a name beside the one it has.
pub(crate) fn set_link(path: &str, id: FileId) -> SetInfoRequest {
    set(LINK, new_name(path, false), id)
}

fn new_name(path: &str, replace: bool) -> Vec<u8> {
    let name: Vec<u8> = wire_name(path).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut buffer = Vec::with_capacity(20 + name.len());
    buffer.extend_from_slice(&[u8::from(replace), 0, 0, 0, 0, 0, 0, 0]);
    buffer.extend_from_slice(&0u64.to_le_bytes()); // root directory
    buffer.extend_from_slice(&u32::try_from(name.len()).unwrap_or(u32::MAX).to_le_bytes());
    buffer.extend_from_slice(&name);
    if buffer.len() < 24 {
        buffer.resize(24, 0); // the structure's size with its padding, below which servers refuse it
    }
    buffer
}

/// Has the file removed when its last handle is closed.
pub(crate) fn set_removed(id: FileId) -> SetInfoRequest {
    set(DISPOSITION, vec![1], id)
}

/// IOCTL: a control of the file system.
pub(crate) fn control(id: FileId, code: u32, input: Vec<u8>, most: u32) -> IoctlRequest {
    IoctlRequest {
        ctl_code: code,
        file_id: id,
        max_input_response: 0,
        max_output_response: most,
        flags: SMB2_0_IOCTL_IS_FSCTL,
        input_data: input,
    }
}

/// READ.
pub(crate) fn read_request(id: FileId, offset: u64, length: u32) -> ReadRequest {
    ReadRequest {
        padding: 0x50,
        flags: 0,
        length,
        offset,
        file_id: id,
        minimum_count: 0,
        channel: 0,
        remaining_bytes: 0,
        read_channel_info: Vec::new(),
    }
}

/// WRITE.
pub(crate) fn write_request(id: FileId, offset: u64, data: Vec<u8>) -> WriteRequest {
    WriteRequest {
        data_offset: 0x70,
        offset,
        file_id: id,
        channel: 0,
        remaining_bytes: 0,
        write_channel_info_offset: 0,
        write_channel_info_length: 0,
        flags: 0,
        data,
    }
}

/// WRITE of data that is somebody else's.
pub(crate) struct Write<'a> {
    pub(crate) id: FileId,
    pub(crate) offset: u64,
    pub(crate) data: &'a [u8],
}

impl Pack for Write<'_> {
    fn pack(&self, cursor: &mut WriteCursor) {
        /// Bytes before the data: the header, and what follows.
        const AHEAD: u16 = 64 + 48;
        cursor.write_u16_le(49);
        cursor.write_u16_le(AHEAD);
        cursor.write_u32_le(u32::try_from(self.data.len()).unwrap_or(u32::MAX));
        cursor.write_u64_le(self.offset);
        cursor.write_u64_le(self.id.persistent);
        cursor.write_u64_le(self.id.volatile);
        cursor.write_zeros(16);
        cursor.write_bytes(self.data);
    }
}

/// Reads the answer to READ: a part of the message, not a copy of it.
pub(crate) fn read_answer(body: &Bytes) -> Option<Bytes> {
    let start = usize::from(*body.get(2)?).checked_sub(64)?;
    let end = start.checked_add(u32_at(body, 4)? as usize)?;
    if start < 16 || end > body.len() {
        return None;
    }
    Some(body.slice(start..end))
}

/// QUERY_DIRECTORY: the next entries, with their numbers.
pub(crate) fn query_directory(id: FileId, length: u32) -> QueryDirectoryRequest {
    QueryDirectoryRequest {
        file_information_class: FileInformationClass::FileIdFullDirectoryInformation,
        flags: QueryDirectoryFlags(0),
        file_index: 0,
        file_id: id,
        output_buffer_length: length,
        file_name: "*".to_owned(),
    }
}

/// Times, sizes and attributes as the server counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) created: FileTime,
    pub(crate) accessed: FileTime,
    pub(crate) modified: FileTime,
    pub(crate) changed: FileTime,
    pub(crate) allocated: u64,
    pub(crate) size: u64,
    pub(crate) attributes: u32,
}

impl Facts {
    pub(crate) fn of_create(response: &CreateResponse) -> Facts {
        Facts {
            created: response.creation_time,
            accessed: response.last_access_time,
            modified: response.last_write_time,
            changed: response.change_time,
            allocated: response.allocation_size,
            size: response.end_of_file,
            attributes: response.file_attributes,
        }
    }

    /// Reads the answer to [`query_attributes`].
    pub(crate) fn parse(buffer: &[u8]) -> Option<Facts> {
        let number = |at: usize| u64_at(buffer, at);
        Some(Facts {
            created: FileTime(number(0)?),
            accessed: FileTime(number(8)?),
            modified: FileTime(number(16)?),
            changed: FileTime(number(24)?),
            allocated: number(32)?,
            size: number(40)?,
            attributes: u32_at(buffer, 48)?,
        })
    }

    pub(crate) fn of(&self, Identity { number: id, links }: Identity) -> Attributes {
        let attributes = FileAttributes(self.attributes);
        let kind = if attributes.is_directory() { Kind::Directory } else { Kind::File };
        Attributes {
            kind,
            size: if kind == Kind::Directory { 0 } else { self.size },
            allocated: if kind == Kind::Directory { 0 } else { self.allocated },
            accessed: moment(self.accessed),
            modified: moment(self.modified),
            changed: moment(self.changed),
            created: moment(self.created),
            id,
            // On a directory the bit says "has a custom icon" and forbids nothing.
            read_only: kind == Kind::File && attributes.is_readonly(),
            // A directory's count says nothing that anybody here would expect it to say.
            links: if kind == Kind::File { links } else { 1 },
        }
    }
}

/// A time as the server counts it, from the year 1601 on. A server that does not know a time says that none has passed.
fn moment(time: FileTime) -> SystemTime {
    let since = |ticks: u64| Duration::new(ticks / 10_000_000, (ticks % 10_000_000) as u32 * 100);
    match time.0.checked_sub(FileTime::from_system_time(UNIX_EPOCH).0) {
        Some(after) => UNIX_EPOCH.checked_add(since(after)),
        None if time.0 == 0 => None,
        None => UNIX_EPOCH.checked_sub(since(FileTime::from_system_time(UNIX_EPOCH).0 - time.0)),
    }
    .unwrap_or(UNIX_EPOCH)
}

/// Which file it is, and how many names it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The server's number for it; 0 if it has none.
    pub(crate) number: u64,
    pub(crate) links: u32,
}

impl Identity {
    /// Of a file of which nothing is known.
    pub(crate) const UNKNOWN: Identity = Identity { number: 0, links: 1 };

    /// Reads the answer to [`query_identity`].
    pub(crate) fn parse(buffer: &[u8]) -> Option<Identity> {
        // One that is open though its last name was removed has none.
        let fewest = u32::from(*buffer.get(60)? == 0);
        Some(Identity { number: u64_at(buffer, 64)?, links: u32_at(buffer, 56)?.max(fewest) })
    }
}

/// Reads the answer to [`query_space`]: total, available and free units, and bytes in a unit.
pub(crate) fn parse_space(buffer: &[u8]) -> Option<(u64, u64, u64, u64)> {
    let unit = u64::from(u32_at(buffer, 24)?) * u64::from(u32_at(buffer, 28)?);
    Some((u64_at(buffer, 0)?, u64_at(buffer, 8)?, u64_at(buffer, 16)?, unit))
}

pub(crate) fn u64_at(buffer: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*buffer.get(at..)?.first_chunk()?))
}

pub(crate) fn u32_at(buffer: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*buffer.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_mapped_component_by_component() {
        assert_eq!(wire_name("a/b c/who?"), "a\\b c\\who\u{F025}");
        assert_eq!(wire_name("dots./x"), "dots\u{F029}\\x");
        assert_eq!(wire_name(""), "");
        assert_eq!(wire_name("back\\slash"), "back\u{F026}slash");
    }

    #[test]
    fn the_shortest_rename_is_as_long_as_servers_want_it() {
        assert_eq!(set_name("a", true, FileId::SENTINEL).buffer.len(), 24);
        let request = set_name("long name", false, FileId::SENTINEL);
        assert_eq!(request.buffer.len(), 20 + 18);
        assert_eq!(request.buffer[0], 0);
    }

    #[test]
    fn what_is_not_set_is_sent_as_zero_and_so_stays() {
        assert_eq!(set_basic(None, None, 0, FileId::SENTINEL).buffer, vec![0; 40]);
        let ancient = set_basic(Some(UNIX_EPOCH - Duration::from_secs(1 << 40)), None, 0, FileId::SENTINEL);
        assert_eq!(ancient.buffer[8..16], 1u64.to_le_bytes());
    }

    #[test]
    fn times_before_1970_are_told_as_they_are() {
        for time in [UNIX_EPOCH - Duration::new(9_000_000_000, 700), UNIX_EPOCH - Duration::from_nanos(100)] {
            assert_eq!(moment(FileTime::from_system_time(time)), time);
        }
        let after = UNIX_EPOCH + Duration::new(9_000_000_000, 700);
        assert_eq!(moment(FileTime::from_system_time(after)), after);
        assert_eq!(moment(FileTime(0)), UNIX_EPOCH, "not known");
        assert!(moment(FileTime(u64::MAX)) > after);
    }

    #[test]
    fn only_what_is_being_removed_has_no_name() {
        let mut answer = vec![0; 96];
        assert_eq!(Identity::parse(&answer).unwrap().links, 1);
        answer[60] = 1;
        assert_eq!(Identity::parse(&answer).unwrap().links, 0);
        answer[56] = 2;
        assert_eq!(Identity::parse(&answer).unwrap().links, 2);
    }

    #[test]
    fn a_write_is_packed_as_the_protocol_crate_packs_it() {
        let id = FileId { persistent: 3, volatile: 4 };
        let packed = |body: &dyn Pack| {
            let mut cursor = WriteCursor::new();
            cursor.write_zeros(64);
            body.pack(&mut cursor);
            cursor.into_inner()
        };
        let ours = packed(&Write { id, offset: 5, data: b"data" });
        assert_eq!(ours, packed(&write_request(id, 5, b"data".to_vec())));
    }

    #[test]
    fn what_was_read_lies_inside_the_answer() {
        let mut body = vec![17, 0, 80, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        body.extend_from_slice(b"data");
        assert_eq!(read_answer(&Bytes::from(body.clone())).unwrap(), "data");
        for (at, wrong) in [(2, 63), (2, 79), (2, 81), (4, 5), (7, 255)] {
            let mut body = body.clone();
            body[at] = wrong;
            assert_eq!(read_answer(&Bytes::from(body)), None, "{at}");
        }
        assert_eq!(read_answer(&Bytes::from_static(b"\x11\0")), None);
    }

    #[test]
    fn truncated_answers_are_no_answers() {
        assert_eq!(Facts::parse(&[0; 51]), None);
        assert!(Facts::parse(&[0; 52]).is_some());
        assert_eq!(Identity::parse(&[0; 71]), None);
        assert_eq!(parse_space(&[0; 31]), None);
    }
}
