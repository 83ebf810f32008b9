//! What the command says: facts and results on standard output, everything else on standard error.

use crate::failure::Failure;
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, Write};

/// How the command is to speak.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// Facts as JSON, one object a line.
    pub(crate) json: bool,
    /// Nothing but the facts asked for, and errors.
    pub(crate) quiet: bool,
}

impl Output {
    /// A line of facts for people. Not for `--json`, whose facts are [`object`](Self::object)s.
    pub(crate) fn line(&self, text: impl Display) -> Result<(), Failure> {
        write_line(&text.to_string())
    }

    /// A part of a line, or something for the terminal itself.
    pub(crate) fn part(&self, text: &str) -> Result<(), Failure> {
        io::stdout().lock().write_all(text.as_bytes()).map_err(Failure::from_stdout)
    }

    /// A fact for programs: one JSON object on a line of its own.
    pub(crate) fn object(&self, fact: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(fact).expect("facts are structs and maps with text keys");
        write_line(&text)
    }

    /// What was done, for people; nothing that was asked for.
    pub(crate) fn done(&self, text: impl Display) -> Result<(), Failure> {
        if self.quiet || self.json { Ok(()) } else { write_line(&text.to_string()) }
    }

    /// What became of a command: an object for programs, a sentence for people.
    pub(crate) fn result(&self, fact: &impl Serialize, text: impl Display) -> Result<(), Failure> {
        if self.json { self.object(fact) } else { self.done(text) }
    }

    /// Something worth knowing that is neither a fact asked for nor an error.
    pub(crate) fn note(&self, text: impl Display) {
        if !self.quiet {
            // Whoever closed standard error does not want to know.
            _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Something that is wrong, but did not stop the command.
    pub(crate) fn warn(&self, text: impl Display) {
        self.note(format_args!("warning: {text}"));
    }
}

fn write_line(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n")).map_err(Failure::from_stdout)
}

/// Writes what is buffered. Standard output is flushed at every line only when it is a terminal's.
pub(crate) fn flush() -> Result<(), Failure> {
    io::stdout().flush().map_err(Failure::from_stdout)
}

/// Text from a network or a plug-in, fit for a terminal: control characters could move the cursor, or worse.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// A table whose columns are as wide as they need to be; the last one is not padded.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(headings: &[&str]) -> Self {
        Table { rows: vec![headings.iter().map(|&heading| heading.to_owned()).collect()] }
    }

    /// Adds a row; the cells are [`clean`]ed.
    pub(crate) fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.push(cells.iter().map(|cell| clean(cell)).collect());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    pub(crate) fn print(&self, output: &Output) -> Result<(), Failure> {
        let columns = self.rows[0].len();
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(&format!("{cell:width$}  "));
            }
            output.line(line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_the_network_cannot_drive_the_terminal() {
        assert_eq!(clean("a\x1b[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
        assert_eq!(clean("Größe"), "Größe");
    }
}
