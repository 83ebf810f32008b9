//! How fast mounted shares are, beside their peers, in one run on one private server.

mod data;
mod figures;
mod limits;
mod measure;
mod page;
mod reasons;
mod sshd;
mod subject;
mod targets;
mod usage;
mod worker;

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread;

use mpr_testkit::Samba;

use data::{Data, Sizes};
use figures::Results;
use limits::Limits;
use measure::{ENCRYPTED, Figure, Measuring, Round};
use subject::{Protection, Running, Subject};

pub use worker::work;

/// What to measure.
#[derive(Debug, Default)]
pub struct Options {
    /// The peers, too.
    pub peers: bool,
    /// Small files, short patterns, fewer rounds.
    pub quick: bool,
    /// Instead of how many rounds there are.
    pub rounds: Option<usize>,
    /// Where the page and the picture go; nowhere if not said.
    pub pages: Option<PathBuf>,
}

/// Measures, prints, and writes the page and the picture.
///
/// # Errors
///
/// If what is measured cannot be set up. A peer that fails only lacks its figures.
pub fn run(options: &Options) -> Result<(), String> {
    let mut sizes = if options.quick { Sizes::quick() } else { Sizes::full() };
    sizes.rounds = options.rounds.unwrap_or(sizes.rounds);
    let samba = Samba::start();
    eprintln!(
        "laying out the share: {} MiB files, trees of 2,000 and {} …",
        sizes.file_mib, sizes.large_tree
    );
    let data = Data::lay_out(&samba, sizes)?;
    let subjects: Vec<Subject> = Subject::ALL.into_iter().filter(|each| takes_part(*each, options)).collect();
    let (mut as_it_comes, mut encrypted) = (Results::default(), Results::default());
    for round in 0..sizes.rounds {
        let parts = [
            (Protection::AsItComes, "as it comes", &mut as_it_comes),
            (Protection::Encrypted, "encrypted", &mut encrypted),
        ];
        for (protection, told, results) in parts {
            let told = format!("round {} of {}, {told}", round + 1, sizes.rounds);
            eprintln!("{told}: smbclient and the protocol crate");
            results.add_limits(Limits::measure(protection, &samba, &data, sizes)?);
            for subject in &subjects {
                if protection == Protection::Encrypted && *subject == Subject::Sshfs {
                    continue; // Not of this server, and always encrypted.
                }
                eprintln!("{told}: {}", subject.name());
                // A peer takes minutes over the large tree; once is enough to tell.
                let large = *subject == Subject::Ours || round == 0;
                match Running::start(*subject, protection, &samba) {
                    Ok(running) => {
                        let only: &[Figure] =
                            if protection == Protection::Encrypted { ENCRYPTED } else { &[] };
                        results.add(*subject, measure(&running, *subject, &samba, &data, sizes, large, only));
                    }
                    Err(why) if *subject == Subject::Ours => return Err(why),
                    Err(why) => eprintln!("  {why}"),
                }
            }
        }
    }
    let targets = targets::targets(&as_it_comes);
    let equal = targets::targets(&encrypted);
    let mut missed: Vec<Figure> =
        targets.iter().chain(&equal).filter(|target| !target.met).map(|target| target.figure).collect();
    missed.sort();
    missed.dedup();
    missed.retain(|figure| !matches!(figure, Figure::Memory | Figure::WireAgain | Figure::Connect));
    let mut reasons = Vec::new();
    for figure in missed {
        eprintln!("where the time goes: {figure:?}");
        match reasons::reason(figure, &samba, &data, sizes) {
            Ok(reason) => reasons.push(reason),
            Err(why) => eprintln!("  {why}"),
        }
    }
    let page = page::markdown(
        &page::Measured { as_it_comes: &as_it_comes, encrypted: &encrypted },
        &page::Judged { as_it_comes: &targets, encrypted: &equal },
        &how(sizes),
        &reasons,
        sizes.large_tree,
    );
    println!("{page}");
    if let Some(pages) = &options.pages {
        write(pages, "smb.md", &page)?;
        write(pages, "smb.svg", &page::svg(&as_it_comes))?;
    }
    Ok(())
}

fn takes_part(subject: Subject, options: &Options) -> bool {
    if subject != Subject::Ours && !options.peers {
        return false;
    }
    match subject.obstacle() {
        None => true,
        Some(missing) => {
            eprintln!("{} does not take part: install the {missing}", subject.name());
            false
        }
    }
}

fn measure(
    running: &Running,
    subject: Subject,
    samba: &Samba,
    data: &Data,
    sizes: Sizes,
    large: bool,
    only: &[Figure],
) -> Round {
    let round = Round::new();
    let mut measuring = Measuring {
        running,
        data,
        sizes,
        subject,
        port: samba.port(),
        large,
        only,
        round,
        troubles: Vec::new(),
    };
    measuring.all();
    measuring.troubles.iter().for_each(|trouble| eprintln!("  {trouble}"));
    measuring.round
}

fn how(sizes: Sizes) -> String {
    let rounds = match sizes.rounds {
        1 => "One round".to_owned(),
        rounds => format!("Medians of {rounds} rounds"),
    };
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    format!(
        "{rounds} in which the subjects took turns, each mounted anew, on one private Samba server on loopback with its \
         data in memory; files of {} MiB, {} s for each random pattern. Processors that serve everybody, server included: \
         {processors}. Read the figures as ratios.",
        sizes.file_mib, sizes.random
    )
}

fn write(directory: &Path, name: &str, text: &str) -> Result<(), String> {
    let path = directory.join(name);
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(&path, text))
        .map_err(|error| format!("{}: {error}", path.display()))
}
