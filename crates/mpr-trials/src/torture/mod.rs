//! Trials: programs of strangers, each let loose on a mounted share.

mod build;
mod copies;
mod database;
mod fio;
mod fsx;
mod known;
mod posix;
mod repository;
mod server;
mod stress;
mod two;
mod wire;

use crate::stage::Stage;
use crate::verdict::{Case, Form, Judge, Trouble};

/// One judge.
#[derive(Debug)]
pub struct Trial {
    pub name: &'static str,
    /// Who judges what.
    pub about: &'static str,
    judge: fn(&Stage, &mut Judge),
}

/// Every judge there is.
pub const TRIALS: &[Trial] = &[
    Trial { name: "fio", about: "fio writes patterns and verifies them", judge: fio::judge },
    Trial {
        name: "fsx",
        about: "fsx does random operations on a file and knows what must be in it",
        judge: fsx::judge,
    },
    Trial { name: "stress", about: "stress-ng's file-system stressors", judge: stress::judge },
    Trial { name: "posix", about: "pjdfstest, what SMB can carry of it", judge: posix::judge },
    Trial {
        name: "database",
        about: "SQLite under writers that are killed, from two mounts",
        judge: database::judge,
    },
    Trial { name: "repository", about: "git clone, commit, gc and fsck", judge: repository::judge },
    Trial { name: "build", about: "cargo build of a small crate", judge: build::judge },
    Trial { name: "copies", about: "rsync both ways and tar of many files", judge: copies::judge },
    Trial { name: "two", about: "two mounts of one share, writing under locks", judge: two::judge },
    Trial {
        name: "server",
        about: "a server that is killed, frozen, and loses its sessions",
        judge: server::judge,
    },
    Trial { name: "wire", about: "a network that resets, cuts and loses", judge: wire::judge },
];

impl Trial {
    /// The trial of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Trial> {
        TRIALS.iter().find(|trial| trial.name == name)
    }

    /// Lets the judge loose.
    #[must_use]
    pub fn run(&self, stage: &Stage, form: Form) -> Vec<Case> {
        let mut judge = Judge::new(self.name, known::KNOWN, form);
        (self.judge)(stage, &mut judge);
        judge.cases()
    }
}

/// Something of the system's that failed, in words.
fn failed(what: &str) -> impl Fn(std::io::Error) -> Trouble + '_ {
    move |error| Trouble::Failed(format!("{what}: {error}"))
}
