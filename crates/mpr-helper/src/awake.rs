//! Waiting a moment without going to sleep.
//!
//! To be woken takes a process some twenty microseconds where its processor has gone to sleep with it, several times
//! what a plug-in needs to answer. The two ends of a conversation therefore stay awake for a moment, as long as that
//! turns out to be of use: it is not where the other one waits for this very processor, nor where it takes its time.

use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

/// How long: somewhat longer than being woken takes, so that at most half of the time is wasted.
const MOMENT: Duration = Duration::from_micros(50);
/// How often in a row one goes to sleep at once, at most, after it was of no use to stay awake.
const MOST: u32 = 4096;

/// Whether it has been of use to stay awake.
#[derive(Debug, Clone, Copy)]
pub struct Wakefulness {
    /// How often to go to sleep at once.
    left: u32,
    /// How often that was after the last time it was of no use.
    last: u32,
}

/// A moment that has begun.
#[derive(Debug, Clone, Copy)]
pub struct Moment(Option<Instant>);

impl Wakefulness {
    /// Of one that stays awake at first, if that is `wanted` and there is a processor for each of two.
    #[must_use]
    pub fn new(wanted: bool) -> Self {
        static SEVERAL: OnceLock<bool> = OnceLock::new();
        let several =
            || *SEVERAL.get_or_init(|| thread::available_parallelism().is_ok_and(|count| count.get() > 1));
        Wakefulness { left: if wanted && several() { 0 } else { u32::MAX }, last: 0 }
    }

    /// A moment that begins now, or is over already.
    #[must_use]
    pub fn moment(&mut self) -> Moment {
        match self.left {
            0 => Moment(Some(Instant::now() + MOMENT)),
            u32::MAX => Moment(None),
            _ => {
                self.left -= 1;
                Moment(None)
            }
        }
    }

    /// What was waited for has come: before the end of the moment, or behind it.
    pub fn learn(&mut self, moment: Moment, came_before: bool) {
        match (moment.0, came_before) {
            (Some(_), true) => self.last = 0,
            (Some(_), false) => {
                self.last = (self.last * 2).clamp(16, MOST);
                self.left = self.last;
            }
            (None, _) => {}
        }
    }
}

impl Moment {
    /// Whether it is time to sleep.
    #[must_use]
    pub fn is_over(self) -> bool {
        self.0.is_none_or(|end| Instant::now() >= end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many moments are there to stay awake in, if that is of use or not.
    fn awake(wakefulness: &mut Wakefulness, moments: u32, of_use: bool) -> usize {
        (0..moments)
            .filter(|_| {
                let moment = wakefulness.moment();
                wakefulness.learn(moment, of_use);
                moment.0.is_some()
            })
            .count()
    }

    #[test]
    fn who_stays_awake_in_vain_does_so_less_and_less() {
        let mut wakefulness = Wakefulness { left: 0, last: 0 };
        assert_eq!(awake(&mut wakefulness, 100, true), 100);
        assert_eq!(awake(&mut wakefulness, 1 + 16, false), 1);
        assert_eq!(awake(&mut wakefulness, 1 + 32, false), 1);
        assert!(awake(&mut wakefulness, 100_000, false) < 40);
        _ = awake(&mut wakefulness, MOST, true);
        assert_eq!(awake(&mut wakefulness, 100, true), 100, "of use again, it is done again");
    }

    #[test]
    fn who_is_not_to_stay_awake_never_does() {
        assert_eq!(awake(&mut Wakefulness::new(false), 100, true), 0);
    }

    #[test]
    fn a_moment_ends() {
        let moment = Wakefulness { left: 0, last: 0 }.moment();
        while !moment.is_over() {
            std::hint::spin_loop();
        }
    }
}
