//! The figures of all rounds, and their medians.

use super::limits::{Alone, Limits};
use super::measure::{Figure, Round, SHOWN};
use super::subject::Subject;

/// Everything that was measured.
#[derive(Debug, Default)]
pub(super) struct Results {
    rounds: Vec<(Subject, Round)>,
    limits: Vec<Limits>,
}

impl Results {
    pub(super) fn add(&mut self, subject: Subject, round: Round) {
        self.rounds.push((subject, round));
    }

    pub(super) fn add_limits(&mut self, limits: Limits) {
        self.limits.push(limits);
    }

    /// Whoever was measured.
    #[must_use]
    pub(super) fn subjects(&self) -> Vec<Subject> {
        let measured = |subject: &Subject| self.rounds.iter().any(|(each, _)| each == subject);
        Subject::ALL.into_iter().filter(measured).collect()
    }

    /// The median of the rounds in which there is such a figure.
    #[must_use]
    pub(super) fn median(&self, subject: Subject, figure: Figure) -> Option<f64> {
        let of = self.rounds.iter().filter(|(each, _)| *each == subject);
        median(of.filter_map(|(_, round)| round.get(&figure).copied()).collect())
    }

    /// The best figure of a peer that speaks SMB.
    #[must_use]
    pub(super) fn best_smb_peer(&self, figure: Figure) -> Option<f64> {
        let more = SHOWN.iter().find(|shown| shown.figure == figure)?.more_is_better;
        let peers = self.subjects().into_iter().filter(|subject| subject.is_smb_peer());
        let figures = peers.filter_map(|peer| self.median(peer, figure));
        figures.reduce(|one, other| if (one > other) == more { one } else { other })
    }

    /// The medians of the limits.
    #[must_use]
    pub(super) fn limits(&self) -> Option<Limits> {
        let of = |field: fn(&Limits) -> f64| median(self.limits.iter().map(field).collect());
        Some(Limits {
            connect: of(|limits| limits.connect)?,
            get: of(|limits| limits.get)?,
            put: of(|limits| limits.put)?,
            alone: self.alone(),
        })
    }

    /// What the protocol allows, where it has such a figure.
    #[must_use]
    pub(super) fn limit(&self, figure: Figure) -> Option<f64> {
        let limits = self.limits()?;
        match figure {
            Figure::Connect => Some(limits.connect),
            Figure::Read => Some(limits.get),
            Figure::Write => Some(limits.put),
            Figure::Read1 => limits.alone.map(|alone| alone.read1),
            Figure::Read8 => limits.alone.map(|alone| alone.read8),
            Figure::Read32 => limits.alone.map(|alone| alone.read32),
            Figure::Find => limits.alone.map(|alone| alone.find),
            Figure::FindLarge => limits.alone.map(|alone| alone.find_large),
            Figure::Create => limits.alone.map(|alone| alone.create),
            _ => None,
        }
    }

    fn alone(&self) -> Option<Alone> {
        let measured: Vec<Alone> = self.limits.iter().filter_map(|limits| limits.alone).collect();
        let of = |field: fn(&Alone) -> f64| median(measured.iter().map(field).collect());
        Some(Alone {
            read1: of(|alone| alone.read1)?,
            read8: of(|alone| alone.read8)?,
            read32: of(|alone| alone.read32)?,
            find: of(|alone| alone.find)?,
            find_large: of(|alone| alone.find_large)?,
            create: of(|alone| alone.create)?,
        })
    }
}

fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    let upper = *figures.get(middle)?;
    Some(if figures.len() % 2 == 1 { upper } else { (figures[middle - 1] + upper) / 2.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_peer_is_an_smb_peer_and_best_in_the_sense_of_the_figure() {
        let mut results = Results::default();
        for (subject, speed, time) in [
            (Subject::Ours, 9.0, 1.0),
            (Subject::Rclone, 3.0, 5.0),
            (Subject::Gvfs, 4.0, 8.0),
            (Subject::Sshfs, 7.0, 2.0),
        ] {
            results.add(subject, Round::from([(Figure::Read, speed), (Figure::Find, time)]));
        }
        assert_eq!(results.best_smb_peer(Figure::Read), Some(4.0));
        assert_eq!(results.best_smb_peer(Figure::Find), Some(5.0));
        assert_eq!(results.best_smb_peer(Figure::Copy), None);
    }

    #[test]
    fn a_median_lies_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(vec![]), None);
    }
}
