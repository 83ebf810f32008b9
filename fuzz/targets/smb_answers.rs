//! What is read of an SMB server's answers by ourselves, and not by the protocol crate.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| mpr_smb::read_as_anything(bytes));
