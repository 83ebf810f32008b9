//! What kind of file it is that is about to be loaded, in words: the dynamic linker says no more than
//! "invalid ELF header" or "wrong ELF class".

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes of a file that [`misfit`] looks at.
const HEADER: usize = 20;

/// Why `file`, `length` bytes long, cannot be loaded into this process; nothing if it can.
///
/// Returns what it is, to be preceded by "it is", and what to do about it.
pub(super) fn inspect(file: &File, length: u64) -> io::Result<Option<(String, &'static str)>> {
    let mut header = [0; 64];
    let got = read_up_to(file, &mut header, 0)?;
    if let Some(misfit) = misfit(&header[..got.min(HEADER)]) {
        return Ok(Some(misfit));
    }
    let needed = bytes_needed(file, &header[..got], length)?;
    Ok((needed > length).then(|| {
        let what = format!("cut short: {length} bytes are there, and at least {needed} belong to it");
        (what, "install it again")
    }))
}

/// How long the file must be for its segments to be there. The linker maps them without looking, and a page
/// behind the end of a file kills the process that touches it.
fn bytes_needed(file: &File, header: &[u8], length: u64) -> io::Result<u64> {
    const PT_LOAD: u32 = 1;
    let wide = Machine::OURS.wide;
    let number = |bytes: &[u8], at: usize, size: usize| -> Option<u64> {
        let mut number = [0; 8];
        let bytes = bytes.get(at..at + size)?;
        // The file is for this machine, so its numbers are in this machine's order.
        if cfg!(target_endian = "big") {
            number[8 - size..].copy_from_slice(bytes);
        } else {
            number[..size].copy_from_slice(bytes);
        }
        Some(u64::from_ne_bytes(number))
    };
    let (header_size, word) = if wide { (64, 8) } else { (52, 4) };
    if header.len() < header_size {
        return Ok(header_size as u64);
    }
    let field = |wide_at: usize, narrow_at: usize, size: usize| {
        number(header, if wide { wide_at } else { narrow_at }, size).unwrap_or(0)
    };
    let (offset, entry, count) = (field(32, 28, word), field(54, 42, 2), field(56, 44, 2));
    let mut table = vec![0; (entry * count).min(1 << 20) as usize];
    let end = offset.saturating_add(table.len() as u64);
    if end > length || read_up_to(file, &mut table, offset)? < table.len() {
        return Ok(end.max(length + 1));
    }
    let segments = table.chunks_exact((entry as usize).max(1)).filter_map(|segment| {
        let loaded = number(segment, 0, 4)? == u64::from(PT_LOAD);
        let offset = number(segment, if wide { 8 } else { 4 }, word)?;
        let size = number(segment, if wide { 32 } else { 16 }, word)?;
        loaded.then(|| offset.saturating_add(size))
    });
    Ok(segments.max().unwrap_or(0))
}

/// Whether a library looks for others where it is itself: `$ORIGIN` in its search path or in a name. In doubt, yes.
pub(super) fn uses_origin(file: &File, length: u64) -> bool {
    look_for_origin(file, length).unwrap_or(true)
}

fn look_for_origin(file: &File, length: u64) -> Option<bool> {
    const PT_LOAD: u64 = 1;
    const PT_DYNAMIC: u64 = 2;
    const DT_NEEDED: u64 = 1;
    const DT_STRTAB: u64 = 5;
    const DT_RPATH: u64 = 15;
    const DT_RUNPATH: u64 = 29;
    /// Longer tables are nobody's.
    const MOST: u64 = 1 << 20;
    let wide = Machine::OURS.wide;
    let word = if wide { 8 } else { 4 };
    let read = |offset: u64, size: u64| -> Option<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(size.min(MOST)).ok()?];
        let got = read_up_to(file, &mut bytes, offset).ok()?;
        bytes.truncate(got);
        Some(bytes)
    };
    let number = |bytes: &[u8], at: usize, size: usize| -> Option<u64> {
        let mut number = [0; 8];
        let bytes = bytes.get(at..at + size)?;
        match cfg!(target_endian = "big") {
            true => number[8 - size..].copy_from_slice(bytes),
            false => number[..size].copy_from_slice(bytes),
        }
        Some(u64::from_ne_bytes(number))
    };
    let header = read(0, 64)?;
    let field = |wide_at, narrow_at, size| number(&header, if wide { wide_at } else { narrow_at }, size);
    let (offset, entry, count) = (field(32, 28, word)?, field(54, 42, 2)?, field(56, 44, 2)?);
    let table = read(offset, entry * count)?;
    let mut segments = Vec::new();
    for segment in table.chunks_exact(usize::try_from(entry).ok()?.max(1)) {
        let part = |wide_at, narrow_at| number(segment, if wide { wide_at } else { narrow_at }, word);
        segments.push((number(segment, 0, 4)?, part(8, 4)?, part(16, 8)?, part(32, 16)?));
    }
    let Some((_, offset, _, size)) = segments.iter().find(|segment| segment.0 == PT_DYNAMIC) else {
        return Some(false);
    };
    let dynamic = read(*offset, *size)?;
    let entries: Vec<(u64, u64)> = dynamic
        .chunks_exact(2 * word)
        .map_while(|entry| Some((number(entry, 0, word)?, number(entry, word, word)?)))
        .take_while(|entry| entry.0 != 0)
        .collect();
    let strings = entries.iter().find(|entry| entry.0 == DT_STRTAB)?.1;
    let (_, offset, address, _) = segments.iter().find(|(kind, _, address, size)| {
        *kind == PT_LOAD && (*address..address.saturating_add(*size)).contains(&strings)
    })?;
    let strings = strings - address + offset;
    for (_, at) in entries.iter().filter(|entry| matches!(entry.0, DT_NEEDED | DT_RPATH | DT_RUNPATH)) {
        let at = strings.checked_add(*at).filter(|at| *at < length)?;
        let text = read(at, 4096)?;
        let text = &text[..text.iter().position(|byte| *byte == 0)?];
        let has = |what: &[u8]| text.windows(what.len()).any(|part| part == what);
        if has(b"$ORIGIN") || has(b"${ORIGIN") {
            return Some(true);
        }
    }
    Some(false)
}

fn read_up_to(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match file.read_at(&mut buffer[got..], offset.saturating_add(got as u64)) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

/// Why a file that begins with `header` cannot be loaded into this process, whatever follows.
fn misfit(header: &[u8]) -> Option<(String, &'static str)> {
    const NO_LIBRARY: &str = "put a shared object there, or correct the path";
    const REBUILD: &str =
        "install the build for this machine, or run the library in a process of its own machine";
    if !header.starts_with(b"\x7fELF") || header.len() < HEADER {
        return Some(match header {
            [] => ("empty".into(), NO_LIBRARY),
            [b'M', b'Z', ..] => {
                ("a Windows library, not a Linux one".into(), "install the library's Linux build")
            }
            [b'#', b'!', ..] => (
                "a script, not a shared object".into(),
                "a script is registered with command = [\"…\"] in notifyees.d",
            ),
            _ => ("not a shared object".into(), NO_LIBRARY),
        });
    }
    let word = |at: usize| match header[5] {
        2 => u16::from_be_bytes([header[at], header[at + 1]]),
        _ => u16::from_le_bytes([header[at], header[at + 1]]),
    };
    let its = Machine { code: word(18), wide: header[4] == 2, big_endian: header[5] == 2 };
    if its != Machine::OURS {
        return Some((
            format!("built for {}, and this process runs on {}", its.in_words(), Machine::OURS.in_words()),
            REBUILD,
        ));
    }
    match word(16) {
        3 => None,
        1 => Some(("an object file that was not linked yet".into(), "link it with: cc -shared")),
        2 => Some(("a program, not a shared object".into(), NO_LIBRARY)),
        4 => Some(("a core dump, not a shared object".into(), NO_LIBRARY)),
        _ => Some(("not a shared object".into(), NO_LIBRARY)),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Machine {
    /// `e_machine`.
    code: u16,
    /// 64 bits rather than 32.
    wide: bool,
    big_endian: bool,
}

impl Machine {
    const OURS: Self = Machine {
        code: if cfg!(target_arch = "x86_64") {
            62
        } else if cfg!(target_arch = "aarch64") {
            183
        } else if cfg!(target_arch = "x86") {
            3
        } else if cfg!(target_arch = "arm") {
            40
        } else if cfg!(any(target_arch = "riscv64", target_arch = "riscv32")) {
            243
        } else if cfg!(target_arch = "powerpc64") {
            21
        } else if cfg!(target_arch = "s390x") {
            22
        } else if cfg!(target_arch = "loongarch64") {
            258
        } else {
            0
        },
        wide: cfg!(target_pointer_width = "64"),
        big_endian: cfg!(target_endian = "big"),
    };

    fn in_words(self) -> String {
        let family = match self.code {
            3 => "x86",
            8 => "MIPS",
            20 | 21 => "PowerPC",
            22 => "z/Architecture",
            40 | 183 => "ARM",
            62 if self.wide => "x86",
            62 => "x86-64 with narrow pointers",
            243 => "RISC-V",
            258 => "LoongArch",
            other => return format!("another machine (ELF machine {other})"),
        };
        let bits = if self.wide { "64-bit" } else { "32-bit" };
        // Only where both occur does it tell anything.
        let order = match (self.code, self.big_endian) {
            (8 | 20 | 21 | 40 | 183, true) => " (big-endian)",
            (8 | 20 | 21, false) => " (little-endian)",
            _ => "",
        };
        format!("{bits} {family}{order}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(class: u8, data: u8, kind: u16, machine: u16) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(b"\x7fELF");
        (header[4], header[5]) = (class, data);
        let word = |value: u16| if data == 2 { value.to_be_bytes() } else { value.to_le_bytes() };
        header[16..18].copy_from_slice(&word(kind));
        header[18..20].copy_from_slice(&word(machine));
        header
    }

    fn ours(kind: u16) -> [u8; HEADER] {
        let Machine { code, wide, big_endian } = Machine::OURS;
        header(1 + u8::from(wide), 1 + u8::from(big_endian), kind, code)
    }

    fn words(header: &[u8]) -> String {
        misfit(header).expect("it does not fit").0
    }

    #[test]
    fn a_shared_object_for_this_machine_fits() {
        assert_eq!(misfit(&ours(3)), None);
    }

    #[test]
    fn what_else_there_is_for_this_machine_is_named() {
        assert_eq!(words(&ours(1)), "an object file that was not linked yet");
        assert_eq!(words(&ours(2)), "a program, not a shared object");
        assert_eq!(words(&ours(4)), "a core dump, not a shared object");
        assert_eq!(words(&ours(9)), "not a shared object");
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn another_machine_is_named() {
        let on = ", and this process runs on 64-bit x86";
        assert_eq!(words(&header(1, 1, 3, 3)), format!("built for 32-bit x86{on}"));
        assert_eq!(words(&header(2, 1, 3, 183)), format!("built for 64-bit ARM{on}"));
        assert_eq!(words(&header(2, 2, 3, 21)), format!("built for 64-bit PowerPC (big-endian){on}"));
        assert_eq!(words(&header(1, 1, 3, 62)), format!("built for 32-bit x86-64 with narrow pointers{on}"));
        assert_eq!(words(&header(2, 1, 3, 999)), format!("built for another machine (ELF machine 999){on}"));
    }

    #[test]
    fn what_is_no_elf_file_is_named() {
        assert_eq!(words(b""), "empty");
        assert_eq!(words(b"MZ\x90"), "a Windows library, not a Linux one");
        assert_eq!(words(b"#!/bin/sh\n"), "a script, not a shared object");
        assert_eq!(words(b"GNU ld script"), "not a shared object");
        assert_eq!(words(b"\x7fELF"), "not a shared object");
    }
}
