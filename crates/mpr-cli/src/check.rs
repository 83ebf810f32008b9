//! What `mpr notifyee check` and `mpr provider check` have in common: a plug-in is loaded in a process of its own, and
//! called there if that is asked for.

use crate::failure::Failure;
use crate::library_file::LibraryFile;
use crate::output::{Output, clean};
use mpr::isolated::Tried;
use mpr::library::LoadError;
use serde_json::{Value, json};
use std::time::Duration;

/// How long a call may take unless somebody says otherwise.
const LIMIT: u32 = 5000;

#[derive(clap::Args, Debug)]
pub(crate) struct Check {
    /// Name of a registration, or path of a shared object
    pub(crate) name: String,
    /// Call it, too, for the name \\mpr-check\test, which is nobody's: what it does then, it does
    #[arg(long)]
    pub(crate) call: bool,
    /// How long a call may take, in milliseconds; as registered, or else 5000
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(1..=3_600_000))]
    timeout_ms: Option<u32>,
}

impl Check {
    pub(crate) fn limit(&self, registered: Option<u32>) -> u32 {
        self.timeout_ms.or(registered).unwrap_or(LIMIT)
    }
}

/// Tells what is known of a plug-in's file, what came of loading it, and what of calling it. Ends with status 1 if it
/// could not be loaded, or gave no answer.
pub(crate) fn tell(
    file: &LibraryFile,
    loaded: Result<Duration, &LoadError>,
    more: Value,
    calls: &[Tried],
    output: &Output,
    what_it_is: impl FnOnce() -> String,
) -> Result<(), Failure> {
    if output.json {
        let refused = loaded.err().map(|error| json!({ "what": error.what, "remedy": error.remedy }));
        output.object(&json!({
            "file": file,
            "loaded": loaded.is_ok(),
            "load_ms": loaded.ok().map(milliseconds),
            "refused": refused,
            "as": more,
            "calls": calls.iter().map(fact).collect::<Vec<_>>(),
        }))?;
    } else {
        tell_file(file, output)?;
        match loaded {
            Ok(took) => output.line(format_args!(
                "loaded        yes, in {} ms: {}",
                milliseconds(took),
                clean(&what_it_is())
            ))?,
            Err(error) => {
                output.line(format_args!("loaded        no: {}", clean(&error.what)))?;
                output.line(format_args!("to mend it    {}", clean(&error.remedy)))?;
            }
        }
        if loaded.is_ok() && calls.is_empty() {
            output.line("called        no; --call does that, for a name that is nobody's")?;
        }
        for (place, call) in calls.iter().enumerate() {
            let label = if place == 0 { "called" } else { "" };
            output.line(format_args!("{label:<14}{}", clean(&sentence(call))))?;
        }
    }
    let failed = loaded.is_err() || calls.iter().any(|call| call.answer.is_err());
    if failed { Err(Failure::Told) } else { Ok(()) }
}

fn tell_file(file: &LibraryFile, output: &Output) -> Result<(), Failure> {
    output.line(format_args!("file          {}", file.path.display()))?;
    output.line(format_args!(
        "owner         user {}, group {}, mode {:04o}",
        file.owner, file.group, file.mode
    ))?;
    let Some(elf) = &file.elf else { return output.line("format        not an ELF file") };
    let kind = if elf.shared_object { "shared object" } else { "not a shared object" };
    output.line(format_args!("format        ELF {kind} for {}", clean(&elf.architecture)))?;
    let exports = match elf.exports.is_empty() {
        true => "nothing the router looks for".into(),
        false => elf.exports.join(", "),
    };
    output.line(format_args!("exports       {}", clean(&exports)))?;
    output.line(format_args!("needs         {}", clean(&elf.needs.join(", "))))
}

/// To a hundredth.
fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 100_000.0).round() / 100.0
}

fn sentence(call: &Tried) -> String {
    let said = call.said.as_ref().map(|said| format!(": {said}")).unwrap_or_default();
    match &call.answer {
        Ok(status) => format!("{}: {} in {} ms{said}", call.call, status, milliseconds(call.took)),
        Err(why) => format!("{}: no answer: {why}", call.call),
    }
}

fn fact(call: &Tried) -> Value {
    json!({
        "call": call.call,
        "ms": milliseconds(call.took),
        "status": call.answer.as_ref().ok().map(|status| status.0),
        "failed": call.answer.as_ref().err(),
        "said": call.said,
    })
}
