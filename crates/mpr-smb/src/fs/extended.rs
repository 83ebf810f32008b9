//! Extended attributes.
//!
//! `user.NAME` here is the attribute `NAME` there (MS-FSCC §2.4.16), as Linux's own client has it; Samba keeps it
//! as `user.NAME` of the file in turn. No other class of names is carried. A server may change the case of the
//! letters, and then a name is found whatever its case.
//!
//! The protocol takes an attribute without a value for one to be removed, so that an empty one cannot be kept.

use bytes::Bytes;
use mpr_remotefs::{Errno, Result, SetMode};
use smb2::msg::query_info::{InfoType, QueryInfoRequest, QueryInfoResponse};
use smb2::msg::set_info::SetInfoRequest;
use smb2::pack::Pack;
use smb2::types::flags::FileAccessMask;
use smb2::types::status::NtStatus;
use smb2::types::{Command, FileId};

use super::{SmbFs, ask_twice};
use crate::link::{Trouble, parse};
use crate::wire;

/// FileFullEaInformation.
const FULL_EA: u8 = 15;
/// Begin with the first attribute.
const FROM_THE_FIRST: u32 = 1;
/// The most that is read of a file's attributes: as much as one credit covers, and as much as Windows keeps.
const MOST: u32 = 65536;
/// The longest name and the longest value.
const LONGEST_NAME: usize = 254;
const LONGEST_VALUE: usize = 65535 - 1024;
/// Bytes before the name of an attribute.
const HEADER: usize = 8;
/// The class of names that is carried.
const CLASS: &str = "user.";

const NO_EAS_ON_FILE: NtStatus = NtStatus(0xC000_0052);

/// One attribute, by its name there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Attribute {
    name: String,
    value: Bytes,
}

impl SmbFs {
    pub(super) async fn extended_names(&self, path: &str) -> Result<Vec<String>> {
        let attributes = self.extended(path).await?;
        Ok(attributes.into_iter().map(|attribute| format!("{CLASS}{}", attribute.name)).collect())
    }

    pub(super) async fn extended_value(&self, path: &str, name: &str) -> Result<Bytes> {
        let name = there(name)?;
        let attributes = self.extended(path).await?;
        Ok(find(&attributes, name).ok_or(Errno(libc::ENODATA))?.value.clone())
    }

    pub(super) async fn set_extended(
        &self,
        path: &str,
        name: &str,
        value: Bytes,
        mode: SetMode,
    ) -> Result<()> {
        let name = there(name)?;
        if value.len() > LONGEST_VALUE {
            return Err(Errno(libc::ERANGE));
        }
        if value.is_empty() {
            return Err(Errno::UNSUPPORTED);
        }
        if mode != SetMode::Any {
            let exists = find(&self.extended(path).await?, name).is_some();
            match (mode, exists) {
                (SetMode::Create, true) => return Err(Errno::EXISTS),
                (SetMode::Replace, false) => return Err(Errno(libc::ENODATA)),
                _ => {}
            }
        }
        self.put(path, name, &value).await
    }

    pub(super) async fn remove_extended(&self, path: &str, name: &str) -> Result<()> {
        let name = there(name)?;
        let attributes = self.extended(path).await?;
        let there = find(&attributes, name).ok_or(Errno(libc::ENODATA))?;
        self.put(path, &there.name, &[]).await
    }

    async fn put(&self, path: &str, name: &str, value: &[u8]) -> Result<()> {
        let set = SetInfoRequest {
            info_type: InfoType::File,
            file_info_class: FULL_EA,
            additional_information: 0,
            file_id: FileId::SENTINEL,
            buffer: pack(name, value),
        };
        let access = FileAccessMask::FILE_WRITE_EA | FileAccessMask::FILE_READ_ATTRIBUTES;
        let work: [(Command, &dyn Pack); 1] = [(Command::SetInfo, &set)];
        self.work(path, access, wire::NOT_THROUGH_LINKS, &work).await?;
        Ok(())
    }

    /// The attributes of `path`.
    async fn extended(&self, path: &str) -> Result<Vec<Attribute>> {
        let query = QueryInfoRequest {
            info_type: InfoType::File,
            file_info_class: FULL_EA,
            output_buffer_length: MOST,
            additional_information: 0,
            flags: FROM_THE_FIRST,
            file_id: FileId::SENTINEL,
            input_buffer: Vec::new(),
        };
        let access = FileAccessMask::FILE_READ_EA | FileAccessMask::FILE_READ_ATTRIBUTES;
        let work: [(Command, &dyn Pack); 1] = [(Command::QueryInfo, &query)];
        match ask_twice!(self.work(path, access, wire::NOT_THROUGH_LINKS, &work).await) {
            Ok(mut answers) => {
                let answer: QueryInfoResponse = parse(&answers.pop().unwrap_or_default())?;
                Ok(unpack(&answer.output_buffer).ok_or(Trouble::Garbled)?)
            }
            Err(Trouble::Status(NO_EAS_ON_FILE)) => Ok(Vec::new()),
            Err(trouble) => Err(trouble.into()),
        }
    }
}

/// The name a server knows an attribute by.
fn there(name: &str) -> Result<&str> {
    match name.strip_prefix(CLASS) {
        Some(name) if name.len() > LONGEST_NAME => Err(Errno(libc::ERANGE)),
        Some(name) if !name.is_empty() && !name.contains('\0') => Ok(name),
        _ => Err(Errno::UNSUPPORTED),
    }
}

fn find<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes
        .iter()
        .find(|attribute| attribute.name == name)
        .or_else(|| attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name)))
}

/// One attribute as it is sent.
fn pack(name: &str, value: &[u8]) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(HEADER + name.len() + 1 + value.len());
    buffer.extend_from_slice(&0u32.to_le_bytes()); // no next one
    buffer.push(0);
    buffer.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    buffer.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
    buffer.extend_from_slice(name.as_bytes());
    buffer.push(0);
    buffer.extend_from_slice(value);
    buffer
}

/// The attributes in an answer. Those whose names are no text are left out, as are those without a value, which
/// is how a server says that there is none of a name.
fn unpack(answer: &[u8]) -> Option<Vec<Attribute>> {
    let mut attributes = Vec::new();
    let mut rest = answer;
    while !rest.is_empty() {
        let next = u32::from_le_bytes(*rest.first_chunk()?) as usize;
        let name_len = usize::from(*rest.get(5)?);
        let value_len = usize::from(u16::from_le_bytes(*rest.get(6..)?.first_chunk()?));
        let name = rest.get(HEADER..HEADER + name_len)?;
        let value = rest.get(HEADER + name_len + 1..)?.get(..value_len)?;
        match std::str::from_utf8(name) {
            Ok(name) if !name.is_empty() && !name.contains('\0') && !value.is_empty() => {
                attributes.push(Attribute { name: name.to_owned(), value: Bytes::copy_from_slice(value) });
            }
            _ => {}
        }
        if next == 0 {
            break;
        }
        if next < HEADER {
            return None;
        }
        rest = rest.get(next..)?;
    }
    Some(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_what_is_read() {
        let mut two = pack("origin", b"camera");
        let padded = two.len().next_multiple_of(4);
        two.resize(padded, 0);
        two[..4].copy_from_slice(&u32::try_from(padded).unwrap().to_le_bytes());
        two.extend_from_slice(&pack("Rating", &[5]));
        let read = unpack(&two).unwrap();
        assert_eq!(read.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["origin", "Rating"]);
        assert_eq!(find(&read, "rating").unwrap().value, [5].as_slice());
        assert_eq!(find(&read, "none"), None);
    }

    #[test]
    fn an_answer_that_leads_outside_itself_or_in_a_circle_is_none() {
        let whole = pack("origin", b"camera");
        for cut in 1..whole.len() {
            assert_eq!(unpack(&whole[..cut]), None, "{cut}");
        }
        let mut circle = whole.clone();
        circle[0] = 4;
        assert_eq!(unpack(&circle), None);
        let mut outside = whole;
        outside[0] = 200;
        assert_eq!(unpack(&outside), None);
    }

    #[test]
    fn only_names_of_users_are_carried_and_none_that_does_not_fit() {
        assert_eq!(there("user.origin"), Ok("origin"));
        for other in ["security.selinux", "system.posix_acl_access", "trusted.x", "user.", "origin"] {
            assert_eq!(there(other), Err(Errno::UNSUPPORTED), "{other}");
        }
        assert_eq!(there(&format!("user.{}", "n".repeat(255))), Err(Errno(libc::ERANGE)));
    }
}
