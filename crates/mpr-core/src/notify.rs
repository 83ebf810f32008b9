//! The connection notification protocol (`spec/notification.md` §6–§12, §15).
//!
//! An [`Operation`] is one connect or disconnect, from the moment the router has accepted the request. It
//! says what to do next and is told what came of it:
//!
//! ```
//! use mpr_abi::Status;
//! use mpr_core::notify::{Operation, Step};
//!
//! let mut operation = Operation::new(1, 16);
//! let result = loop {
//!     match operation.step() {
//!         // Call the notifyee of that seat; this one sets a context and accepts everything.
//!         Step::Notify(notice) => notice.answered(Status::SUCCESS, 0xC0FFEE),
//!         // Run the routing loop over the providers.
//!         Step::Attempt(attempt) => attempt.came_to(Status::ACCESS_DENIED),
//!         // Update the remembered connections.
//!         Step::Save(save) => save.came_to(Status::SUCCESS),
//!         Step::Done(result) => break result,
//!     }
//! };
//! assert_eq!(result, Status::ACCESS_DENIED);
//! ```
//!
//! Each answer is given by consuming the step, so it can be given once and only when it is due. A step that
//! is dropped without an answer is offered again.

use mpr_abi::Status;
use smallvec::SmallVec;

/// How many participants an operation holds without allocating.
const INLINE_SEATS: usize = 8;

/// Attempts are repeated at most this often unless configured otherwise (DECISION 26).
pub const DEFAULT_RETRY_LIMIT: u32 = 16;

/// One connect or disconnect under way.
///
/// Participants are known by their seat: their position in registration order among those that take part.
#[derive(Debug)]
pub struct Operation {
    seats: SmallVec<[Seat; INLINE_SEATS]>,
    phase: Phase,
    retries_left: u32,
    /// What a PRE call is told: success, or retry before a repeated attempt (§8.1).
    announced: Status,
}

/// What one participant has said so far.
#[derive(Debug, Clone, Copy)]
struct Seat {
    /// The live context; zero when there is none. Never interpreted (§7.4).
    context: usize,
    /// What the next PRE pass does with this seat.
    standing: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Gets a PRE call in the coming or current PRE pass.
    Due,
    /// Holds a live context, or asked for the retry; gets no PRE call.
    Holding,
    /// Left NULL in its context; gets no further call (DECISION 10, 12).
    Declined,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// PRE calls, last seat first; `left` seats are still to be looked at.
    Before { left: usize },
    /// The routing loop is due.
    Attempt,
    /// The attempt succeeded and the remembered connections are to be updated.
    Save,
    /// POST calls after a success, first seat first. Answers change nothing.
    Succeeded { next: usize, result: Status },
    /// POST calls after a failure, first seat first. Answers make up the verdict.
    Failed { next: usize, status: Status, verdict: Verdict },
    /// POST calls that end contexts after a veto or a cancel. Answers change nothing (§8.3, DECISION 31).
    Undo { next: usize, status: Status },
    /// Nothing left to do.
    Done(Status),
}

/// What the answers of one POST pass after a failure add up to (§10.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Verdict {
    cancel: bool,
    retry: bool,
    replacement: Option<Status>,
}

/// What the router is to do next.
#[derive(Debug)]
pub enum Step<'a> {
    /// Call a notification library.
    Notify(Notice<'a>),
    /// Run the routing loop over the providers.
    Attempt(Attempt<'a>),
    /// The attempt succeeded: update the remembered connections, before anybody is told (DECISION 27).
    Save(Save<'a>),
    /// Return this to the application.
    Done(Status),
}

/// Which of the three shapes a notification has; decides what its structure holds (§9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// `NOTIFY_PRE`.
    Before,
    /// `NOTIFY_POST` of an attempt that succeeded.
    AfterSuccess,
    /// `NOTIFY_POST` of an attempt that failed, or of one that was vetoed.
    AfterFailure,
}

/// A call to make to one notification library.
#[derive(Debug)]
pub struct Notice<'a> {
    operation: &'a mut Operation,
    /// Whom to call.
    pub seat: usize,
    /// Which call.
    pub when: When,
    /// `dwOperationStatus`.
    pub status: Status,
    /// `lpContext` on entry.
    pub context: usize,
}

/// The routing loop to be run.
#[derive(Debug)]
pub struct Attempt<'a>(&'a mut Operation);

/// The remembered connections to be updated.
#[derive(Debug)]
pub struct Save<'a>(&'a mut Operation);

impl Operation {
    /// An operation announced to `participants` notification libraries that repeats a failed attempt at
    /// most `retry_limit` times.
    #[inline]
    #[must_use]
    pub fn new(participants: usize, retry_limit: u32) -> Self {
        Operation {
            seats: SmallVec::from_elem(Seat { context: 0, standing: Standing::Due }, participants),
            phase: Phase::Before { left: participants },
            retries_left: retry_limit,
            announced: Status::SUCCESS,
        }
    }

    /// What to do next.
    #[inline]
    pub fn step(&mut self) -> Step<'_> {
        loop {
            match self.phase {
                Phase::Before { left: 0 } => self.phase = Phase::Attempt,
                Phase::Before { left } => {
                    let seat = left - 1;
                    if self.seats[seat].standing == Standing::Due {
                        let status = self.announced;
                        return Step::Notify(Notice {
                            operation: self,
                            seat,
                            when: When::Before,
                            status,
                            context: 0,
                        });
                    }
                    self.phase = Phase::Before { left: seat };
                }
                Phase::Attempt => return Step::Attempt(Attempt(self)),
                Phase::Save => return Step::Save(Save(self)),
                Phase::Succeeded { next, result } => match self.live_from(next) {
                    Some(seat) => {
                        self.phase = Phase::Succeeded { next: seat, result };
                        return self.after(seat, When::AfterSuccess, Status::SUCCESS);
                    }
                    None => self.phase = Phase::Done(result),
                },
                Phase::Failed { next, status, verdict } => match self.live_from(next) {
                    Some(seat) => {
                        self.phase = Phase::Failed { next: seat, status, verdict };
                        return self.after(seat, When::AfterFailure, status);
                    }
                    None => self.conclude(status, verdict),
                },
                Phase::Undo { next, status } => match self.live_from(next) {
                    Some(seat) => {
                        self.phase = Phase::Undo { next: seat, status };
                        return self.after(seat, When::AfterFailure, status);
                    }
                    None => self.phase = Phase::Done(status),
                },
                Phase::Done(result) => return Step::Done(result),
            }
        }
    }

    #[inline]
    fn live_from(&self, first: usize) -> Option<usize> {
        (first..self.seats.len()).find(|&seat| self.seats[seat].context != 0)
    }

    #[inline]
    fn after(&mut self, seat: usize, when: When, status: Status) -> Step<'_> {
        let context = self.seats[seat].context;
        Step::Notify(Notice { operation: self, seat, when, status, context })
    }

    /// Takes the answer of `seat` in the pass that is under way.
    #[inline(always)]
    fn answered(&mut self, seat: usize, answer: Status, context: usize) {
        match self.phase {
            Phase::Before { .. } if matches!(answer, Status::SUCCESS | Status::RETRY) => {
                let standing = if context == 0 { Standing::Declined } else { Standing::Holding };
                self.seats[seat] = Seat { context, standing };
                self.phase = Phase::Before { left: seat };
            }
            // A veto. Its author keeps what it put into the context (§7.5); the others undo.
            Phase::Before { .. } => self.phase = Phase::Undo { next: 0, status: answer },
            Phase::Failed { status, mut verdict, .. } => {
                if answer == Status::RETRY && self.retries_left > 0 {
                    verdict.retry = true;
                    let standing = if context == 0 { Standing::Declined } else { Standing::Holding };
                    self.seats[seat] = Seat { context, standing };
                } else {
                    self.seats[seat] = Seat { context: 0, standing: Standing::Due };
                    match answer {
                        // At the retry limit, RETRY counts as SUCCESS (DECISION 26).
                        Status::SUCCESS | Status::RETRY => {}
                        Status::CANCEL => verdict.cancel = true,
                        other => _ = verdict.replacement.get_or_insert(other),
                    }
                }
                self.phase = Phase::Failed { next: seat + 1, status, verdict };
            }
            Phase::Succeeded { result, .. } => {
                self.seats[seat].context = 0;
                self.phase = Phase::Succeeded { next: seat + 1, result };
            }
            Phase::Undo { status, .. } => {
                self.seats[seat].context = 0;
                self.phase = Phase::Undo { next: seat + 1, status };
            }
            Phase::Attempt | Phase::Save | Phase::Done(_) => {
                unreachable!("a Notice is only made in a pass, and borrows the operation until answered")
            }
        }
    }

    /// Cancel beats retry beats a replaced error beats the attempt's own (§10.3).
    fn conclude(&mut self, status: Status, verdict: Verdict) {
        self.phase = if verdict.cancel {
            // Those who asked for the retry that will not come still hold a context (DECISION 31).
            Phase::Undo { next: 0, status: Status::CANCEL }
        } else if verdict.retry {
            self.retries_left -= 1;
            self.announced = Status::RETRY;
            Phase::Before { left: self.seats.len() }
        } else {
            Phase::Done(verdict.replacement.unwrap_or(status))
        };
    }
}

impl Notice<'_> {
    /// The library returned `answer` and left `context` behind.
    #[inline]
    pub fn answered(self, answer: Status, context: usize) {
        self.operation.answered(self.seat, answer, context);
    }
}

impl Attempt<'_> {
    /// All requested providers were tried, with this result.
    #[inline]
    pub fn came_to(self, status: Status) {
        self.0.phase = if status.is_success() {
            Phase::Save
        } else {
            Phase::Failed { next: 0, status, verdict: Verdict::default() }
        };
    }
}

impl Save<'_> {
    /// The remembered connections were updated, or not. A failure is what the application gets at the end;
    /// the notification libraries still see the success (§10.1).
    #[inline]
    pub fn came_to(self, status: Status) {
        self.0.phase = Phase::Succeeded { next: 0, result: status };
    }
}
