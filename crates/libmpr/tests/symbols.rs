//! What is in the dynamic symbol table of `libmpr.so`.

mod common;

use mpr_capi::exports;
use object::elf::{DT_NEEDED, DT_SONAME, FileHeader64};
use object::read::elf::{Dyn, ElfFile64, FileHeader};
use object::{Endianness, Object, ObjectSymbol};

#[test]
fn the_functions_are_exported_and_nothing_else() {
    let bytes = std::fs::read(common::library()).expect("it was built");
    let file = ElfFile64::<Endianness>::parse(&*bytes).expect("it is an ELF file");
    let mut defined: Vec<&str> = file
        .dynamic_symbols()
        .filter(|symbol| symbol.is_definition() && symbol.is_global())
        .filter_map(|symbol| symbol.name().ok())
        .collect();
    defined.sort_unstable();
    assert_eq!(defined, exports::names());
}

/// Strings of the dynamic section that stand behind `tag`.
fn dynamic(bytes: &[u8], tag: u32) -> Vec<String> {
    let header = FileHeader64::<Endianness>::parse(bytes).expect("it is an ELF file");
    let endian = header.endian().expect("it has an order of bytes");
    let sections = header.sections(endian, bytes).expect("it has sections");
    let (entries, strings) =
        sections.dynamic(endian, bytes).expect("it can be read").expect("it has a dynamic section");
    let strings = sections.strings(endian, bytes, strings).expect("it has strings");
    entries
        .iter()
        .filter(|entry| entry.tag32(endian) == Some(tag))
        .map(|entry| String::from_utf8_lossy(entry.string(endian, strings).expect("a string")).into_owned())
        .collect()
}

#[test]
fn it_is_known_by_the_name_programs_look_for() {
    let bytes = std::fs::read(common::library()).expect("it was built");
    assert_eq!(dynamic(&bytes, DT_SONAME), ["libmpr.so.0"]);
    for link in ["libmpr.so.0", "libmpr.dll.so"] {
        assert_eq!(std::fs::read(common::build_dir().join(link)).expect("beside it"), bytes, "{link}");
    }
}

#[test]
fn it_needs_nothing_but_the_c_library() {
    let bytes = std::fs::read(common::library()).expect("it was built");
    for needed in dynamic(&bytes, DT_NEEDED) {
        let basic = ["libc.so", "libgcc_s.so", "libm.so", "libdl.so", "libpthread.so", "ld-linux"];
        assert!(basic.iter().any(|name| needed.starts_with(name)), "{needed}");
    }
}
