//! The system log: for what nobody may be left to be told of.

use std::os::unix::net::UnixDatagram;
use std::process;

use mpr_cache::LostWrite;

/// Where the system log listens.
const LOG: &str = "/dev/log";
/// A user-level message (1 × 8) that is an error (3).
const ERROR: u32 = 11;

/// Something written did not reach the server. Programs are told, too, if they still ask.
pub fn lost(remote: &str, loss: &LostWrite) {
    tell(&sentence(remote, loss));
}

fn sentence(remote: &str, loss: &LostWrite) -> String {
    let why = std::io::Error::from_raw_os_error(loss.error.0);
    let sentence = format!(
        "{} bytes at {} of {:?} in {remote} were written and did not reach the server: {why}",
        loss.range.end - loss.range.start,
        loss.range.start,
        loss.path,
    );
    // A name comes from anywhere, and a log is read on a terminal.
    sentence.replace(char::is_control, "\u{fffd}")
}

fn tell(sentence: &str) {
    let Ok(log) = UnixDatagram::unbound() else { return };
    // A log that nobody empties must not hold up who serves files.
    let _ = log.set_nonblocking(true);
    let _ = log.send_to(format!("<{ERROR}>mpr-mount[{}]: {sentence}", process::id()).as_bytes(), LOG);
}

#[cfg(test)]
mod tests {
    use super::*;
    use mpr_remotefs::Errno;

    #[test]
    fn a_lost_write_is_told_with_its_place_and_reason_on_one_line() {
        let loss = LostWrite { path: "a\nb\u{1b}".to_owned(), range: 10..15, error: Errno(28) };
        let told = sentence(r"\\nas\photos", &loss);
        assert!(told.starts_with("5 bytes at 10 of "), "{told}");
        assert!(told.ends_with("No space left on device (os error 28)"), "{told}");
        assert!(!told.contains(char::is_control), "{told}");
    }
}
