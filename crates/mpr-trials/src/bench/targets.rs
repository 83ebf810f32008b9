//! What was aimed at, as ratios within one run, and whether it was reached.

use super::figures::Results;
use super::measure::Figure;
use super::subject::Subject;

/// One aim, and how near we came.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) aim: &'static str,
    /// What was measured and what it had to be.
    pub(super) told: String,
    pub(super) met: bool,
    /// The figure it is about, for whoever looks where the time goes.
    pub(super) figure: Figure,
}

/// Every target that can be judged with what was measured.
#[must_use]
pub(super) fn targets(results: &Results) -> Vec<Target> {
    use Figure::*;
    let ours = |figure| results.median(Subject::Ours, figure);
    let best = |figure| results.best_smb_peer(figure);
    let sshfs = |figure| results.median(Subject::Sshfs, figure);
    let limits = results.limits();
    let limit = |of: fn(&super::limits::Limits) -> Option<f64>| limits.as_ref().and_then(of);
    // Said where the aim is out of reach for what has no file system around it, too.
    let limit_misses = |figure, than: f64, misses: &dyn Fn(f64) -> bool| {
        let limit = results.limit(figure).map(|limit| limit / than).filter(|&limit| misses(limit));
        limit.map_or_else(String::new, |limit| format!("; the limit itself comes to {limit:.2}"))
    };
    let at_least = |aim, figure, factor: f64, than: Option<f64>| {
        let (is, than) = (ours(figure)?, than?);
        let ratio = is / than;
        let mut told =
            format!("{is:.0} against {than:.0}: {ratio:.2}, aim {factor}{}", short(ratio / factor));
        if ratio < factor {
            told += &limit_misses(figure, than, &|limit| limit < factor);
        }
        Some(Target { aim, told, met: ratio >= factor, figure })
    };
    let at_most = |aim, figure, part: f64, than: Option<f64>| {
        let (is, than) = (ours(figure)?, than?);
        let ratio = is / than;
        let mut told = format!("{is:.0} against {than:.0}: {ratio:.2}, aim {part:.2}{}", long(ratio / part));
        if ratio > part {
            told += &limit_misses(figure, than, &|limit| limit > part);
        }
        Some(Target { aim, told, met: ratio <= part, figure })
    };
    let within = |aim, figure, most: f64| {
        let is = ours(figure)?;
        let told = format!("{is:.1}, aim {most}{}", if most > 0.0 { long(is / most) } else { String::new() });
        Some(Target { aim, told, met: is <= most, figure })
    };
    let third = 1.0 / 3.0;
    [
        at_least("read in order ≥ 80 % of smbclient", Read, 0.8, limit(|limits| Some(limits.get))),
        at_least("read in order ≥ 3 × the best SMB peer", Read, 3.0, best(Read)),
        at_least("write in order ≥ 90 % of smbclient", Write, 0.9, limit(|limits| Some(limits.put))),
        at_least("write in order ≥ 1.7 × the best SMB peer", Write, 1.7, best(Write)),
        at_least("random reads, depth 1 ≥ the best SMB peer", Read1, 1.0, best(Read1)),
        at_least("random reads, depth 8 ≥ 4 × the best SMB peer", Read8, 4.0, best(Read8)),
        at_least(
            "random reads, depth 32 ≥ 85 % of the protocol crate alone",
            Read32,
            0.85,
            limit(|limits| Some(limits.alone?.read32)),
        ),
        at_most("find of 2,000, cold ≤ ⅓ of the best SMB peer", Find, third, best(Find)),
        at_most("find of 50,000, cold ≤ ⅓ of the best SMB peer", FindLarge, third, best(FindLarge)),
        within("find of 2,000 again ≤ 30 ms", FindAgain, 30.0),
        at_least("stat again ≥ the best SMB peer", StatAgain, 1.0, best(StatAgain)),
        at_least("small files ≥ 4 × the best SMB peer", Create, 4.0, best(Create)),
        at_least("small files ≥ sshfs", Create, 1.0, sshfs(Create)),
        at_most("connect ≤ ⅓ of the best SMB peer", Connect, third, best(Connect)),
        within("warm metadata sends nothing, KiB", WireAgain, 0.0),
        within("memory ≤ 64 MiB and the 32 of the cache", Memory, 64.0 + 32.0),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// How much of what was aimed at is missing.
fn short(part: f64) -> String {
    if part >= 1.0 { String::new() } else { format!("; {:.0} % short", (1.0 - part) * 100.0) }
}

fn long(part: f64) -> String {
    if part <= 1.0 { String::new() } else { format!("; {:.1} times too much", part) }
}

#[cfg(test)]
mod tests {
    use super::super::limits::{Alone, Limits};
    use super::super::measure::Round;
    use super::*;

    fn told(ours: f64, peer: f64, limit: f64) -> String {
        let mut results = Results::default();
        results.add(Subject::Ours, Round::from([(Figure::Create, ours), (Figure::FindLarge, 1e6 / ours)]));
        results.add(Subject::Rclone, Round::from([(Figure::Create, peer), (Figure::FindLarge, 1e6 / peer)]));
        let alone =
            Alone { read1: 0.0, read8: 0.0, read32: 0.0, find: 0.0, find_large: 1e6 / limit, create: limit };
        results.add_limits(Limits { alone: Some(alone), ..Limits::default() });
        let judged = targets(&results);
        let about =
            |figure| judged.iter().find(move |target| target.figure == figure).map(|target| &*target.told);
        let (create, find) = (about(Figure::Create).unwrap(), about(Figure::FindLarge).unwrap());
        assert_eq!(create.contains("the limit"), find.contains("the limit"), "{create} {find}");
        create.to_owned()
    }

    #[test]
    fn a_missed_aim_that_the_limit_misses_too_says_so() {
        assert_eq!(
            told(200.0, 100.0, 300.0),
            "200 against 100: 2.00, aim 4; 50 % short; the limit itself comes to 3.00"
        );
        assert_eq!(told(200.0, 100.0, 500.0), "200 against 100: 2.00, aim 4; 50 % short");
        assert_eq!(told(400.0, 100.0, 300.0), "400 against 100: 4.00, aim 4");
    }
}
