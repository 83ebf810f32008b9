//! The figures as a page and as a picture.

use std::fmt::Write;

use super::figures::Results;
use super::measure::{Figure, SHOWN};
use super::subject::Subject;
use super::targets::Target;

/// The figures of both parts of a run.
#[derive(Debug)]
pub(super) struct Measured<'a> {
    pub(super) as_it_comes: &'a Results,
    pub(super) encrypted: &'a Results,
}

/// What both parts say to what was aimed at.
#[derive(Debug)]
pub(super) struct Judged<'a> {
    pub(super) as_it_comes: &'a [Target],
    pub(super) encrypted: &'a [Target],
}

/// The page `docs/benchmarks/smb.md`.
#[must_use]
pub(super) fn markdown(
    measured: &Measured<'_>,
    judged: &Judged<'_>,
    how: &str,
    reasons: &[String],
    large: usize,
) -> String {
    let mut page = String::from("# Mounted SMB shares, measured\n\n");
    line(&mut page, &format!("Written by `cargo xtask bench-smb`. {how}\n"));
    line(&mut page, "![the same figures as bars](smb.svg)\n");
    line(
        &mut page,
        "## As each comes\n\nWhat mpr sends and gets is encrypted, as it is by default; with the other SMB clients and \
         `smbclient` it is neither encrypted nor signed.\n",
    );
    table(&mut page, measured.as_it_comes, large);
    line(
        &mut page,
        "\nThe limit is `smbclient` for connecting and for files in order (its `put` does not sync), and the protocol crate \
         alone for random reads, for listing the trees (eight directories at a time) and for small files (each made, written and \
         closed by one message): about what this server gives a client of one connection. `–`: it cannot, or failed. sshfs speaks SFTP, and is there for comparison.\n",
    );
    line(
        &mut page,
        "## Everybody encrypts\n\nThe same files on the same server, by a share that requires it.\n",
    );
    table(&mut page, measured.encrypted, large);
    line(&mut page, "\n## Aims\n\n| aim | as each comes | | everybody encrypts | |\n|---|---|---|---|---|");
    for target in judged.as_it_comes {
        let equal = judged.encrypted.iter().find(|other| other.aim == target.aim);
        let (met, told) = equal.map_or(("", ""), |equal| (verdict(equal), &equal.told));
        let aim = target.aim.replace("50,000", &thousands(large as f64));
        line(&mut page, &format!("| {aim} | {} | {} | {met} | {told} |", verdict(target), target.told));
    }
    if !reasons.is_empty() {
        line(
            &mut page,
            "\n## Where the time goes\n\nFor what was missed: the processor time of each party while the figure was taken again.\n",
        );
        reasons.iter().for_each(|reason| line(&mut page, reason));
    }
    page
}

fn line(page: &mut String, text: &str) {
    page.push_str(text);
    page.push('\n');
}

fn verdict(target: &Target) -> &'static str {
    if target.met { "met" } else { "**missed**" }
}

/// Who was measured, and their figures, as far as there are any.
fn table(page: &mut String, results: &Results, large: usize) {
    let subjects = results.subjects();
    let names: Vec<&str> = subjects.iter().map(|subject| subject.name()).collect();
    line(page, &format!("| | | {} | limit |", names.join(" | ")));
    line(page, &format!("|---|---|{}", "---:|".repeat(names.len() + 1)));
    for shown in SHOWN {
        let figures = subjects.iter().map(|subject| results.median(*subject, shown.figure));
        if figures.clone().all(|figure| figure.is_none()) {
            continue;
        }
        let cells: Vec<String> = figures.map(cell).collect();
        let limit = results.limit(shown.figure).map_or(String::new(), |limit| cell(Some(limit)));
        let title = shown.title.replace("50,000", &thousands(large as f64));
        line(page, &format!("| {title} | {} | {} | {limit} |", shown.unit, cells.join(" | ")));
    }
}

fn cell(figure: Option<f64>) -> String {
    match figure {
        None => "–".to_owned(),
        Some(figure) if figure >= 100.0 => thousands(figure),
        Some(figure) if figure >= 10.0 => format!("{figure:.0}"),
        Some(figure) => format!("{figure:.1}"),
    }
}

fn thousands(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// What the picture shows: one group of bars each.
const PICTURED: &[Figure] = &[
    Figure::Read,
    Figure::Write,
    Figure::Read1,
    Figure::Read8,
    Figure::Read32,
    Figure::Create,
    Figure::Find,
    Figure::FindAgain,
    Figure::FindLarge,
    Figure::StatAgain,
    Figure::GitStatus,
    Figure::Connect,
];
const COLOURS: &[(Subject, &str)] = &[
    (Subject::Ours, "#1b6ca8"),
    (Subject::Rclone, "#d98324"),
    (Subject::Smbnetfs, "#7a9e3f"),
    (Subject::Gvfs, "#a04668"),
    (Subject::Sshfs, "#9a9a9a"),
];

/// The picture `docs/benchmarks/smb.svg`: in each group the longest bar is the best.
#[must_use]
pub(super) fn svg(results: &Results) -> String {
    const BAR: usize = 13;
    const LEFT: usize = 250;
    const WIDE: f64 = 430.0;
    let subjects = results.subjects();
    let mut body = String::new();
    let mut y = 46;
    for shown in PICTURED.iter().filter_map(|figure| SHOWN.iter().find(|shown| shown.figure == *figure)) {
        let figures: Vec<(Subject, f64)> = subjects
            .iter()
            .filter_map(|subject| Some((*subject, results.median(*subject, shown.figure)?)))
            .collect();
        let goodness = |figure: f64| if shown.more_is_better { figure } else { 1.0 / figure.max(1e-3) };
        let Some(best) = figures.iter().map(|(_, figure)| goodness(*figure)).reduce(f64::max) else {
            continue;
        };
        let again = if shown.title == "again" { "find of 2,000, again" } else { shown.title };
        let again = if shown.figure == Figure::StatAgain { "stat of 2,000, again" } else { again };
        let _ = write!(
            body,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{again}</text>",
            LEFT - 8,
            y + BAR * figures.len() / 2 + 4
        );
        for (subject, figure) in figures {
            let colour =
                COLOURS.iter().find(|(each, _)| *each == subject).map_or("#000", |(_, colour)| colour);
            let length = (goodness(figure) / best * WIDE).max(1.0);
            let _ = write!(
                body,
                "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{length:.0}\" height=\"{}\" fill=\"{colour}\"/>\
                 <text x=\"{:.0}\" y=\"{}\" class=\"figure\">{} {}</text>",
                BAR - 2,
                LEFT as f64 + length + 4.0,
                y + BAR - 3,
                cell(Some(figure)),
                shown.unit
            );
            y += BAR;
        }
        y += 9;
    }
    let mut legend = String::new();
    for (at, (subject, colour)) in
        COLOURS.iter().filter(|(subject, _)| subjects.contains(subject)).enumerate()
    {
        let x = LEFT + at * 92;
        let _ = write!(
            legend,
            "<rect x=\"{x}\" y=\"14\" width=\"11\" height=\"11\" fill=\"{colour}\"/><text x=\"{}\" y=\"24\">{}</text>",
            x + 16,
            subject.name()
        );
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"800\" height=\"{0}\" viewBox=\"0 0 800 {0}\" \
         font-family=\"sans-serif\" font-size=\"12\"><style>.figure{{font-size:10px;fill:#444}}</style>\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>{legend}{body}</svg>\n",
        y + 8
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_to_be_read() {
        assert_eq!(cell(None), "–");
        assert_eq!(cell(Some(3.123)), "3.1");
        assert_eq!(cell(Some(31.23)), "31");
        assert_eq!(cell(Some(1_234_567.0)), "1,234,567");
    }

    #[test]
    fn the_longest_bar_is_the_best_whether_more_or_less_is_better() {
        let mut results = Results::default();
        for (subject, ms) in [(Subject::Ours, 10.0), (Subject::Rclone, 20.0)] {
            results.add(subject, super::super::measure::Round::from([(Figure::Connect, ms)]));
        }
        let picture = svg(&results);
        assert!(picture.contains("width=\"430\" height=\"11\" fill=\"#1b6ca8\""), "{picture}");
        assert!(picture.contains("width=\"215\" height=\"11\" fill=\"#d98324\""), "{picture}");
    }
}
