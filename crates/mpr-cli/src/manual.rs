//! `mpr man` and `mpr completions`: the manual and the shells' knowledge of the command line, both made from the
//! command line itself.

use crate::explain::EXPLANATIONS;
use crate::failure::Failure;
use crate::output::Output;
use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use mpr_plugin::abi::STATUSES;
use serde_json::json;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes the manual pages
#[derive(clap::Args, Debug)]
pub(crate) struct Pages {
    /// Directory for all of them, such as /usr/share/man/man1; mpr-errors.7 goes to man7 beside it. Without one, mpr.1 goes
    /// to standard output
    directory: Option<PathBuf>,
}

/// Writes the completions of a shell to standard output
#[derive(clap::Args, Debug)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

pub(crate) fn complete(completions: &Completions, mut command: Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut command, "mpr", &mut script);
    io::stdout().write_all(&script).map_err(Failure::from_stdout)
}

pub(crate) fn write(pages: &Pages, mut command: Command, output: &Output) -> Result<(), Failure> {
    command.build();
    match &pages.directory {
        None => io::stdout().write_all(&page(&command, "mpr")).map_err(Failure::from_stdout),
        Some(directory) => {
            fs::create_dir_all(directory).map_err(|error| failed(directory, &error))?;
            write_all(directory, &command, "mpr", output)?;
            write_errors(directory, output)
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::other(format!("cannot write {}: {error}", path.display()), "choose a directory that is yours")
}

/// Writes the page of a command and those of its subcommands.
fn write_all(directory: &Path, command: &Command, name: &str, output: &Output) -> Result<(), Failure> {
    let file = directory.join(format!("{name}.1"));
    fs::write(&file, page(command, name)).map_err(|error| failed(&file, &error))?;
    output.result(&json!({ "file": file }), file.display())?;
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        write_all(directory, inner, &format!("{name}-{}", inner.get_name()), output)?;
    }
    Ok(())
}

/// Writes `mpr-errors(7)`: beside the others, or where its section is if theirs is `man1`.
fn write_errors(directory: &Path, output: &Output) -> Result<(), Failure> {
    let section = match directory.file_name() {
        Some(name) if name == "man1" => directory.with_file_name("man7"),
        _ => directory.to_owned(),
    };
    fs::create_dir_all(&section).map_err(|error| failed(&section, &error))?;
    let file = section.join("mpr-errors.7");
    let page = format!("{ERRORS}{}.SH \"SEE ALSO\"\n\\fBmpr\\-error\\fR(1)\n", statuses());
    fs::write(&file, page).map_err(|error| failed(&file, &error))?;
    output.result(&json!({ "file": file }), file.display())
}

/// What stands before the codes.
const ERRORS: &str = r#".ie \n(.g .ds Aq \(aq
.el .ds Aq '
.TH mpr\-errors 7
.SH NAME
mpr\-errors \- status codes of the Multiple Provider Router
.SH DESCRIPTION
Every WNet function, network provider and notification library answers with one of these codes, or with another code of the system. Each is
told with its names in \fIwinnetwk.h\fR, what it means, where it usually comes from, and what to do next. \fBmpr error\fR \fICODE\fR tells one.
"#;

/// One page. The pages of the command itself and of `mpr error` say more than the command line does.
fn page(command: &Command, name: &str) -> Vec<u8> {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    // The display name was made by `Command::build` from the names of the commands above, as `name` was.
    // Writing to memory does not fail.
    man.render(&mut page).expect("a Vec takes whatever is written to it");
    match name {
        "mpr" => page.extend_from_slice(MORE.as_bytes()),
        "mpr-error" => page.extend_from_slice(statuses().as_bytes()),
        _ => {}
    }
    page
}

/// What belongs into the page of the whole command.
const MORE: &str = r#".SH "EXIT STATUS"
.TP
0
success
.TP
1
the operation failed; the message names the status, and \fBmpr error\fR explains it
.TP
2
wrong usage
.SH FILES
.TP
\fI/usr/share/mpr\fR, \fI/etc/mpr\fR, \fI$XDG_CONFIG_HOME/mpr\fR
configuration, a later directory wins: \fImpr.toml\fR, \fInotifyees.d/*.toml\fR, \fIproviders.d/*.toml\fR
.TP
\fI$XDG_STATE_HOME/mpr/connections.toml\fR
remembered and recent connections
.TP
\fI$XDG_RUNTIME_DIR/mpr\fR
connections: \fIdrives/z\fR is Z:, \fIunc/server/share\fR is \\\\server\\share
.SH ENVIRONMENT
.TP
\fBMPR_CONFIG_DIRS\fR
configuration directories instead of the usual ones, separated by colons, weakest first
.TP
\fBMPR_STATE_DIR\fR, \fBMPR_RUNTIME_DIR\fR
directories instead of the usual ones
.TP
\fBMPR_LIBEXEC_DIR\fR
where helper programs are looked for, too
"#;

/// Every status and its explanation.
fn statuses() -> String {
    let mut text = String::from(".SH \"STATUS CODES\"\n");
    for (known, explanation) in STATUSES.iter().zip(EXPLANATIONS) {
        let names: Vec<&str> = known.wn_name.into_iter().chain([known.error_name]).collect();
        text.push_str(&format!(".TP\n\\fB{}\\fR  {}\n", known.status.0, escaped(&names.join(", "))));
        text.push_str(&format!("{}\n", escaped(explanation.sentence)));
        for cause in explanation.causes {
            text.push_str(&format!(".br\n\\(bu {}\n", escaped(cause)));
        }
        text.push_str(&format!(".br\nNext: {}\n", escaped(explanation.hint)));
    }
    text
}

/// Text in which nothing is taken for a request of the typesetter.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', r"\e").replace('-', r"\-");
    if text.starts_with(['.', '\'']) { format!(r"\&{text}") } else { text }
}
