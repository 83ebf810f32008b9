//! An operation told step by step, with times: while it takes place, so that it shows where it hangs.

use crate::explain;
use crate::output::{self, Output, clean};
use mpr::trace::{Kind, Operation, Sight, Step, What, When};
use mpr_plugin::Status;

/// Tells each operation it is shown: to people line by line, to programs as one object when it is over.
pub(crate) fn teller(output: &Output) -> impl Fn(Sight<'_>) + 'static {
    let output = *output;
    move |sight| {
        // Whoever closed standard output hears of it at the end.
        _ = match sight {
            Sight::Ends(operation) if output.json => output.object(operation),
            _ if output.json => Ok(()),
            Sight::Begins(operation) => output.line(heading(operation)),
            Sight::Step(_, step) => match line(step) {
                Some(line) => output.line(line),
                None => Ok(()),
            },
            Sight::Ends(operation) => output.line(ending(operation)),
            _ => Ok(()),
        };
        _ = output::flush();
    }
}

/// "connect Z: to \\nas\photos as ann"
fn heading(operation: &Operation) -> String {
    let request = &operation.request;
    let mut heading = match operation.kind {
        Kind::Add => "connect",
        Kind::Cancel => "disconnect",
        Kind::Remember => "remember",
        Kind::Forget => "forget",
    }
    .to_owned();
    if let Some(local) = &request.local {
        heading.push_str(&format!(" {}", clean(local)));
    }
    match (&request.remote, operation.kind, &request.local) {
        (Some(remote), Kind::Add, Some(_)) => heading.push_str(&format!(" to {}", clean(remote))),
        (Some(remote), ..) => heading.push_str(&format!(" {}", clean(remote))),
        (None, ..) => {}
    }
    if let Some(user) = &request.user {
        heading.push_str(&format!(" as {}", clean(user)));
    }
    heading
}

fn line(step: &Step) -> Option<String> {
    let status = Status(step.answer);
    let what = match &step.what {
        What::Notified { listener, when: When::Pre, .. } => {
            let answer = match status {
                Status::SUCCESS => "lets it pass".to_owned(),
                Status::RETRY => "lets it pass, and wants to hear how it ends".to_owned(),
                status => format!("refuses: {}", named(status)),
            };
            format!("{} is told before, and {answer}", clean(listener))
        }
        What::Notified { listener, when: When::Post, told } => {
            let outcome = if *told == 0 { "success" } else { "failure" };
            let answer = match status {
                Status::SUCCESS => String::new(),
                Status::RETRY => ", and wants it repeated".to_owned(),
                status => format!(", and answers {}", named(status)),
            };
            format!("{} is told of the {outcome}{answer}", clean(listener))
        }
        What::Asked { provider, device } => {
            let device = device.as_ref().map(|device| format!(" for {}", clean(device))).unwrap_or_default();
            let answer = if status.is_success() { "does it".to_owned() } else { named(status) };
            format!("{} is asked{device}: {answer}", clean(provider))
        }
        What::Attempted if status.is_success() => return None,
        What::Attempted => format!("the attempt has failed: {}", named(status)),
        What::Saved if status.is_success() => "what is remembered is brought up to date".to_owned(),
        What::Saved => format!("what is remembered cannot be brought up to date: {}", named(status)),
    };
    let mut line = format!("{:>11}  {what} ({})", millis(step.at), millis(step.micros));
    if let Some(said) = &step.said
        && !said.text.is_empty()
    {
        line.push_str(&format!("\n             says: {}", clean(&said.text)));
    }
    for remark in &step.remarks {
        line.push_str(&format!("\n             {}: {}", clean(&remark.kind), clean(&remark.text)));
    }
    Some(line)
}

fn ending(operation: &Operation) -> String {
    let status = Status(operation.status);
    let came = if status.is_success() { "success".to_owned() } else { named(status) };
    format!("{:>11}  {came}, decided by {}", millis(operation.micros), clean(&operation.decided.to_string()))
}

/// `WN_BAD_PASSWORD (86)`
pub(crate) fn named(status: Status) -> String {
    format!("{} ({})", explain::name(status), status.0)
}

fn millis(micros: u64) -> String {
    format!("{}.{:03} ms", micros / 1000, micros % 1000)
}
