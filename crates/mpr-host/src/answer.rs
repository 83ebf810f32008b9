//! What a command's exit status and output say (`docs/isolation.md`, Answers).

use mpr_plugin::Status;
use serde::Deserialize;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// The most a command may print.
pub(crate) const MAX_OUTPUT: usize = 64 << 10;

/// The answer of a command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CommandAnswer {
    pub(crate) status: Status,
    pub(crate) reason: Option<String>,
    /// With one, it is run again afterwards; it may be empty.
    pub(crate) context: Option<String>,
}

/// What a command can print. Fields that are not known are mistakes: a refusal that is misspelt must not pass
/// for consent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Printed {
    status: Option<u32>,
    reason: Option<String>,
    context: Option<String>,
}

/// Reads an answer; the error is why there is none.
pub(crate) fn read(exit: ExitStatus, output: &[u8]) -> Result<CommandAnswer, String> {
    if output.len() > MAX_OUTPUT {
        return Err(format!("it printed more than {MAX_OUTPUT} bytes"));
    }
    if let Some(signal) = exit.signal() {
        return Err(format!("it was ended by signal {signal}"));
    }
    let status = match exit.code() {
        Some(0) => Status::SUCCESS,
        Some(1) => Status::CANCEL,
        Some(75) => Status::RETRY,
        code => return Err(format!("its exit status was {}", code.unwrap_or(-1))),
    };
    if output.trim_ascii().is_empty() {
        return Ok(CommandAnswer { status, reason: None, context: None });
    }
    let printed: Printed =
        serde_json::from_slice(output).map_err(|error| format!("what it printed is no answer: {error}"))?;
    let clean = |text: String| text.replace('\0', "");
    Ok(CommandAnswer {
        status: printed.status.map_or(status, Status),
        reason: printed.reason.map(clean).filter(|reason| !reason.is_empty()),
        context: printed.context.map(clean),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(code: i32, output: &str) -> Result<CommandAnswer, String> {
        read(ExitStatus::from_raw(code << 8), output.as_bytes())
    }

    fn plain(status: Status) -> Result<CommandAnswer, String> {
        Ok(CommandAnswer { status, reason: None, context: None })
    }

    #[test]
    fn an_exit_status_is_an_answer() {
        assert_eq!(exit(0, ""), plain(Status::SUCCESS));
        assert_eq!(exit(1, "\n"), plain(Status::CANCEL));
        assert_eq!(exit(75, ""), plain(Status::RETRY));
        assert_eq!(exit(2, "").unwrap_err(), "its exit status was 2");
        assert_eq!(read(ExitStatus::from_raw(9), b"").unwrap_err(), "it was ended by signal 9");
    }

    #[test]
    fn what_is_printed_goes_before_the_exit_status() {
        let refused = CommandAnswer { status: Status(1223), reason: Some("no".into()), context: None };
        assert_eq!(exit(0, r#"{"status":1223,"reason":"no"}"#), Ok(refused));
        let refused = CommandAnswer { status: Status(1223), reason: Some("no".into()), context: None };
        assert_eq!(exit(1, r#"{"reason":"no"}"#), Ok(refused));
        let watching = CommandAnswer { status: Status(0), reason: None, context: Some(String::new()) };
        assert_eq!(exit(0, r#"{"context":""}"#), Ok(watching));
    }

    #[test]
    fn a_mistake_is_no_consent() {
        for output in ["{", "[]", "no", r#"{"staus":1223}"#, r#"{"status":"1223"}"#, "{}{}"] {
            assert!(exit(0, output).is_err(), "{output}");
        }
        assert!(exit(0, &" ".repeat(MAX_OUTPUT + 1)).is_err());
        assert!(exit(3, r#"{"status":0}"#).is_err());
    }
}
