//! A plug-in's file, looked at without running it: what it is, whose it is, what it exports.

use crate::failure::Failure;
use object::read::elf::{ElfFile, FileHeader};
use object::{Architecture, Object, ObjectKind};
use serde::Serialize;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bigger files are no plug-ins.
const BIGGEST: u64 = 1 << 30;
/// `O_NONBLOCK`: a FIFO in the place of a file must not make anybody wait.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;

/// What is known of a plug-in's file.
#[derive(Debug, Serialize)]
pub(crate) struct LibraryFile {
    pub(crate) path: PathBuf,
    pub(crate) owner: u32,
    pub(crate) group: u32,
    pub(crate) mode: u32,
    /// `None`: not an ELF file.
    pub(crate) elf: Option<Elf>,
}

/// What its headers say.
#[derive(Debug, Serialize)]
pub(crate) struct Elf {
    pub(crate) architecture: String,
    pub(crate) shared_object: bool,
    /// Those of its exports that the router looks for.
    pub(crate) exports: Vec<String>,
    /// Shared objects it wants loaded with it.
    pub(crate) needs: Vec<String>,
}

impl LibraryFile {
    /// Whether it exports this function.
    pub(crate) fn exports(&self, name: &str) -> bool {
        self.elf.as_ref().is_some_and(|elf| elf.exports.iter().any(|known| known == name))
    }

    pub(crate) fn read(path: &Path) -> Result<LibraryFile, Failure> {
        let failed = |error: std::io::Error| {
            Failure::other(
                format!("cannot read {}: {error}", path.display()),
                "correct the path, or install the file",
            )
        };
        let path = path.canonicalize().map_err(failed)?;
        let file = OpenOptions::new().read(true).custom_flags(NONBLOCK).open(&path).map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        if !meta.is_file() || meta.len() > BIGGEST {
            return Err(Failure::other(
                format!("{} is not a shared object", path.display()),
                "name the shared object itself (….so)",
            ));
        }
        let mut bytes = Vec::new();
        file.take(BIGGEST).read_to_end(&mut bytes).map_err(failed)?;
        Ok(LibraryFile {
            path,
            owner: meta.uid(),
            group: meta.gid(),
            mode: meta.mode() & 0o7777,
            elf: elf(&bytes),
        })
    }
}

fn elf(bytes: &[u8]) -> Option<Elf> {
    match object::FileKind::parse(bytes).ok()? {
        object::FileKind::Elf64 => describe::<object::elf::FileHeader64<object::Endianness>>(bytes),
        object::FileKind::Elf32 => describe::<object::elf::FileHeader32<object::Endianness>>(bytes),
        _ => None,
    }
}

fn describe<Header: FileHeader<Endian = object::Endianness>>(bytes: &[u8]) -> Option<Elf> {
    let file = ElfFile::<Header>::parse(bytes).ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut exports: Vec<String> =
        file.exports().ok()?.iter().map(|export| text(export.name())).filter(|name| is_ours(name)).collect();
    exports.sort_unstable();
    exports.dedup();
    Some(Elf {
        architecture: architecture(file.architecture()),
        shared_object: file.kind() == ObjectKind::Dynamic,
        exports,
        needs: needs(&file).unwrap_or_default(),
    })
}

/// Names the router looks for in a plug-in.
fn is_ours(name: &str) -> bool {
    matches!(name, "AddConnectNotify" | "CancelConnectNotify")
        || name.strip_prefix("NP").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
}

fn architecture(architecture: Architecture) -> String {
    match architecture {
        Architecture::X86_64 => "x86-64".into(),
        Architecture::I386 => "32-bit x86".into(),
        Architecture::Aarch64 => "64-bit ARM".into(),
        Architecture::Arm => "32-bit ARM".into(),
        other => format!("{other:?}"),
    }
}

fn needs<Header: FileHeader<Endian = object::Endianness>>(file: &ElfFile<'_, Header>) -> Option<Vec<String>> {
    use object::read::elf::Dyn;
    let endian = file.endian();
    let sections = file.elf_section_table();
    let data = file.data();
    let (entries, link) = sections.dynamic(endian, data).ok()??;
    let strings = sections.strings(endian, data, link).ok()?;
    let needed = entries.iter().filter(|entry| entry.tag32(endian) == Some(object::elf::DT_NEEDED));
    let names = needed.filter_map(|entry| entry.string(endian, strings).ok());
    Some(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}
