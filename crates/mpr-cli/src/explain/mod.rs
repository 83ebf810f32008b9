//! `mpr error`: what a status means, where it usually comes from, and what to do next.

mod table;

pub(crate) use table::EXPLANATIONS;

use crate::failure::Failure;
use crate::output::Output;
use mpr_plugin::Status;
use mpr_plugin::abi::{Description, STATUSES};
use serde_json::json;

/// What a person needs to know of a status.
#[derive(Debug)]
pub(crate) struct Explanation {
    pub(crate) status: Status,
    /// The meaning as a sentence.
    pub(crate) sentence: &'static str,
    /// Where it usually comes from, likeliest first.
    pub(crate) causes: &'static [&'static str],
    /// What to do next. `REMOTE` and `LOCAL` stand for the names at hand.
    pub(crate) hint: &'static str,
}

/// Explains a status code
#[derive(clap::Args, Debug)]
pub(crate) struct Explain {
    /// Number (86, 0x56; 0x80070056 and its negative, as .NET shows them) or name (WN_BAD_PASSWORD,
    /// ERROR_INVALID_PASSWORD, BAD_PASSWORD); every code if left out
    #[arg(allow_negative_numbers = true)]
    code: Option<String>,
}

pub(crate) fn run(explain: &Explain, output: &Output) -> Result<(), Failure> {
    let Some(code) = &explain.code else {
        return STATUSES.iter().try_for_each(|known| list(known, output));
    };
    let known = find(code).ok_or_else(|| unknown(code))?;
    tell(known, output)
}

fn list(known: &Description, output: &Output) -> Result<(), Failure> {
    if output.json {
        return output.object(&fact(known));
    }
    output.line(format_args!("{:>6}  {:<38}  {}", known.status.0, name(known.status), known.meaning))
}

fn tell(known: &Description, output: &Output) -> Result<(), Failure> {
    if output.json {
        return output.object(&fact(known));
    }
    let alias = known.wn_name.map(|_| format!(", {}", known.error_name)).unwrap_or_default();
    output.line(format_args!("{} ({}){alias}", name(known.status), known.status.0))?;
    let Some(explanation) = of(known.status) else { return output.line(known.meaning) };
    output.line(explanation.sentence)?;
    output.line("\nPossible causes:")?;
    for (number, cause) in explanation.causes.iter().enumerate() {
        output.line(format_args!("  {}. {cause}", number + 1))?;
    }
    output.line(format_args!("\nHint: {}", explanation.hint))
}

fn fact(known: &Description) -> serde_json::Value {
    let explanation = of(known.status);
    json!({
        "code": known.status.0,
        "name": name(known.status),
        "error_name": known.error_name,
        "meaning": known.meaning,
        "sentence": explanation.map(|explanation| explanation.sentence),
        "causes": explanation.map(|explanation| explanation.causes),
        "hint": explanation.map(|explanation| explanation.hint),
    })
}

fn find(text: &str) -> Option<&'static Description> {
    if let Some(number) = number(text) {
        return Status(number).description();
    }
    let same = |name: &str| {
        let bare = name.trim_start_matches("WN_").trim_start_matches("ERROR_");
        [name, bare].iter().any(|name| name.eq_ignore_ascii_case(text))
    };
    // Two names are 0's and 59's alternatives, kept by programs that were written against either.
    let alias = match text.to_ascii_uppercase().as_str() {
        "WN_NO_ERROR" | "ERROR_SUCCESS" => Some(Status::SUCCESS),
        "WN_WINDOWS_ERROR" => Some(Status::NET_ERROR),
        _ => None,
    };
    match alias {
        Some(status) => status.description(),
        None => STATUSES.iter().find(|known| known.wn_name.is_some_and(same) || same(known.error_name)),
    }
}

/// What a dialog returns that was closed, in place of a status.
const DIALOG_CLOSED: u32 = u32::MAX;

fn number(text: &str) -> Option<u32> {
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok().or_else(|| text.parse::<i32>().ok().map(i32::cast_unsigned)),
    }?;
    Some(wrapped(number).unwrap_or(number))
}

/// The code in an `HRESULT`, as which .NET and COM hand on a system error.
fn wrapped(number: u32) -> Option<u32> {
    const FACILITY_WIN32: u32 = 0x8007;
    (number >> 16 == FACILITY_WIN32).then_some(number & 0xFFFF)
}

fn unknown(code: &str) -> Failure {
    let what = match number(code) {
        Some(DIALOG_CLOSED) => {
            format!("{code} is no status: a dialog returns -1 when it was closed and nothing was done")
        }
        Some(number) => {
            format!(
                "{number} is none of the router's codes; a provider or notification library answered it, and \
                 may use any system error code of Windows, or one of its own"
            )
        }
        None => format!("there is no status of the name {code}"),
    };
    Failure::other(what, "list every code: mpr error")
}

/// The explanation of a status.
pub(crate) fn of(status: Status) -> Option<&'static Explanation> {
    EXPLANATIONS.iter().find(|explanation| explanation.status == status)
}

/// `WN_BAD_PASSWORD`, or `STATUS` for a code without a name.
pub(crate) fn name(status: Status) -> &'static str {
    status.description().map_or("STATUS", |known| known.wn_name.unwrap_or(known.error_name))
}

/// Its meaning in a few words.
pub(crate) fn meaning(status: Status) -> &'static str {
    status
        .description()
        .map_or("a code of the provider's or notification library's own", |known| known.meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_explained_once_and_in_order() {
        let explained: Vec<u32> = EXPLANATIONS.iter().map(|explanation| explanation.status.0).collect();
        let known: Vec<u32> = STATUSES.iter().map(|known| known.status.0).collect();
        assert_eq!(explained, known);
    }

    #[test]
    fn every_explanation_is_a_sentence_with_a_cause_and_a_hint() {
        for explanation in EXPLANATIONS {
            assert!(explanation.sentence.ends_with('.'), "{explanation:?}");
            assert!(!explanation.causes.is_empty(), "{explanation:?}");
            assert!(!explanation.hint.is_empty(), "{explanation:?}");
        }
    }

    #[test]
    fn a_code_is_found_by_number_and_by_every_name() {
        for text in
            ["86", "0x56", "WN_BAD_PASSWORD", "bad_password", "ERROR_INVALID_PASSWORD", "invalid_password"]
        {
            assert_eq!(find(text).map(|known| known.status), Some(Status::BAD_PASSWORD), "{text}");
        }
        assert_eq!(find("wn_windows_error").map(|known| known.status), Some(Status::NET_ERROR));
        assert!(find("31337").is_none());
        assert!(find("WN_").is_none());
    }
}
