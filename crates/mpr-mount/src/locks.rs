//! Who has locked what in one file.
//!
//! `fcntl` locks belong to a process or an open file, one owner's are joined and split at will, and those of
//! `flock` do not meet them. Servers know locks of handles, each given back as it was taken. This table is the
//! first kind; [`Table::beneath`] says what of the second has to be held for it, and [`steps`] how to get there.

use std::collections::BTreeSet;
use std::ops::Range;

use mpr_remotefs::Lock;

/// Where the locks of `flock` are at the server: a byte that no file has and `fcntl` cannot name, so that they
/// are in nobody's way but each other's.
pub const FLOCK: Range<u64> = 1 << 63..(1 << 63) + 1;

/// Whose a lock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// As the kernel names them.
    pub id: u64,
    /// Whether by `flock`.
    pub flock: bool,
}

/// A lock that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Whose.
    pub owner: Owner,
    /// Where.
    pub range: Range<u64>,
    /// Against whom.
    pub lock: Lock,
    /// Through which open file.
    pub handle: u64,
    /// By which process.
    pub pid: u32,
}

/// A lock at the server.
pub type Segment = (Range<u64>, Lock);

/// The locks of one file.
#[derive(Debug, Clone, Default)]
pub struct Table {
    held: Vec<Held>,
}

impl Table {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// A lock that is in the way of this one.
    #[must_use]
    pub fn conflict(&self, owner: Owner, range: &Range<u64>, lock: Lock) -> Option<&Held> {
        self.held.iter().find(|held| {
            held.owner != owner
                && held.owner.flock == owner.flock
                && overlap(&held.range, range)
                && (lock == Lock::Exclusive || held.lock == Lock::Exclusive)
        })
    }

    /// Gives an owner a lock. What it had there before is replaced.
    pub fn lock(&mut self, new: Held) {
        self.unlock(new.owner, &new.range);
        self.held.push(new);
    }

    /// Takes from an owner what it has there.
    pub fn unlock(&mut self, owner: Owner, range: &Range<u64>) {
        self.take(range, |held| held.owner == owner);
    }

    /// Takes from an owner all it has.
    pub fn unlock_owner(&mut self, owner: Owner) {
        self.held.retain(|held| held.owner != owner);
    }

    /// Takes what was locked through a handle.
    pub fn unlock_handle(&mut self, handle: u64) {
        self.held.retain(|held| held.handle != handle);
    }

    fn take(&mut self, range: &Range<u64>, whose: impl Fn(&Held) -> bool) {
        let mut rest = Vec::new();
        self.held.retain(|held| {
            if !whose(held) || !overlap(&held.range, range) {
                return true;
            }
            let before = held.range.start..range.start.min(held.range.end);
            let after = range.end.max(held.range.start)..held.range.end;
            rest.extend(
                [before, after]
                    .into_iter()
                    .filter(|part| !part.is_empty())
                    .map(|part| Held { range: part, ..held.clone() }),
            );
            false
        });
        self.held.append(&mut rest);
    }

    /// The handles through which something is locked.
    #[must_use]
    pub fn handles(&self) -> BTreeSet<u64> {
        self.held.iter().map(|held| held.handle).collect()
    }

    /// What has to be locked at the server: parts in order that do not overlap, each against as many as anybody
    /// wants it.
    #[must_use]
    pub fn beneath(&self) -> Vec<Segment> {
        let locks: Vec<Segment> = self
            .held
            .iter()
            .map(|held| (if held.owner.flock { FLOCK } else { held.range.clone() }, held.lock))
            .collect();
        let places: BTreeSet<u64> = locks.iter().flat_map(|(range, _)| [range.start, range.end]).collect();
        let places: Vec<u64> = places.into_iter().collect();
        let mut parts: Vec<Segment> = Vec::new();
        for pair in places.windows(2) {
            let part = pair[0]..pair[1];
            let mut there = locks.iter().filter(|(range, _)| overlap(range, &part)).map(|(_, lock)| *lock);
            let Some(first) = there.next() else { continue };
            let lock = if there.any(|lock| lock == Lock::Exclusive) { Lock::Exclusive } else { first };
            match parts.last_mut() {
                Some((last, same)) if *same == lock && last.end == part.start => last.end = part.end,
                _ => parts.push((part, lock)),
            }
        }
        parts
    }
}

/// What has to be given back and what to be taken so that these are held instead of those. What is held and
/// wanted is left alone: between giving back and taking again, somebody else could be faster.
#[must_use]
pub fn steps(held: &[Segment], wanted: &[Segment]) -> (Vec<Segment>, Vec<Segment>) {
    let is_wanted = |(range, lock): &Segment| {
        let mut at = range.start;
        for (part, wanted) in wanted {
            if part.start <= at && at < part.end && wanted == lock {
                at = part.end;
            }
        }
        at >= range.end
    };
    let (kept, given_back): (Vec<Segment>, Vec<Segment>) = held.iter().cloned().partition(is_wanted);
    let mut taken = wanted.to_vec();
    for (range, _) in &kept {
        taken = taken
            .into_iter()
            .flat_map(|(part, lock)| {
                let before = (part.start..part.end.min(range.start), lock);
                let after = (part.start.max(range.end)..part.end, lock);
                if overlap(&part, range) { vec![before, after] } else { vec![(part, lock)] }
            })
            .filter(|(part, _)| !part.is_empty())
            .collect();
    }
    (given_back, taken)
}

fn overlap(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
}

#[cfg(test)]
mod tests {
    use super::*;
    use Lock::{Exclusive, Shared};

    const ANN: Owner = Owner { id: 1, flock: false };
    const BOB: Owner = Owner { id: 2, flock: false };

    fn held(owner: Owner, range: Range<u64>, lock: Lock, handle: u64) -> Held {
        Held { owner, range, lock, handle, pid: 0 }
    }

    #[test]
    fn only_what_excludes_is_in_the_way_and_only_of_others() {
        let mut table = Table::default();
        table.lock(held(ANN, 0..10, Shared, 1));
        assert!(table.conflict(BOB, &(5..6), Shared).is_none());
        assert!(table.conflict(BOB, &(5..6), Exclusive).is_some());
        assert!(table.conflict(BOB, &(10..11), Exclusive).is_none());
        assert!(table.conflict(ANN, &(0..10), Exclusive).is_none());
        assert!(table.conflict(Owner { id: 2, flock: true }, &(0..u64::MAX), Exclusive).is_none());
    }

    #[test]
    fn unlocking_a_part_leaves_the_rest() {
        let mut table = Table::default();
        table.lock(held(ANN, 0..100, Exclusive, 1));
        table.unlock(ANN, &(40..60));
        assert_eq!(table.beneath(), [(0..40, Exclusive), (60..100, Exclusive)]);
        table.lock(held(ANN, 30..70, Shared, 1));
        assert_eq!(table.beneath(), [(0..30, Exclusive), (30..70, Shared), (70..100, Exclusive)]);
        table.unlock_owner(ANN);
        assert!(table.is_empty());
    }

    #[test]
    fn locks_side_by_side_are_one_at_the_server_unless_they_were_taken_apart() {
        let mut table = Table::default();
        table.lock(held(ANN, 0..1, Exclusive, 1));
        table.lock(held(ANN, 1..2, Exclusive, 1));
        let wanted = table.beneath();
        assert_eq!(wanted, [(0..2, Exclusive)]);
        let taken_apart = [(0..1, Exclusive)];
        assert_eq!(steps(&taken_apart, &wanted), (vec![], vec![(1..2, Exclusive)]));
        assert_eq!(steps(&[(0..1, Exclusive), (1..2, Exclusive)], &[]).0.len(), 2);
    }

    #[test]
    fn what_is_held_and_wanted_is_left_alone() {
        let part = |range, lock| (range, lock);
        assert_eq!(
            steps(&[part(0..10, Shared)], &[part(0..10, Exclusive)]),
            (vec![part(0..10, Shared)], vec![part(0..10, Exclusive)])
        );
        assert_eq!(
            steps(
                &[part(0..10, Shared), part(20..30, Exclusive)],
                &[part(0..5, Shared), part(20..40, Exclusive)]
            ),
            (vec![part(0..10, Shared)], vec![part(0..5, Shared), part(30..40, Exclusive)])
        );
    }

    #[test]
    fn what_anybody_has_locked_is_locked_at_the_server_once() {
        let mut table = Table::default();
        table.lock(held(ANN, 0..10, Shared, 1));
        table.lock(held(BOB, 5..15, Shared, 2));
        assert_eq!(table.beneath(), [(0..15, Shared)]);
        table.lock(held(ANN, 0..3, Exclusive, 2));
        assert_eq!(table.beneath(), [(0..3, Exclusive), (3..15, Shared)]);
        table.unlock_handle(2);
        assert_eq!(table.beneath(), [(3..10, Shared)]);
        assert_eq!(table.handles().into_iter().collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn locks_of_whole_files_are_a_byte_no_file_has() {
        let mut table = Table::default();
        let file = Owner { id: 9, flock: true };
        table.lock(held(file, 0..1 << 62, Exclusive, 1));
        assert_eq!(table.beneath(), [(FLOCK, Exclusive)]);
        assert!(table.conflict(Owner { id: 10, flock: true }, &(0..1 << 62), Shared).is_some());
    }
}
