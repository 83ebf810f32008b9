//! What is known of names: attributes, that there is nothing, and all that a directory lists.
//!
//! Everything here has an age and the [`Moment`] it was asked for; both are judged when it is used.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use mpr_remotefs::{Attributes, Entry, Kind};
use tokio::time::Instant;

use crate::listed::{Index, Listing, Snapshot};
use crate::moments::{Moment, Moments};
use crate::spelling::Spellings;

/// Names that were asked for and are not there, after which a directory is listed to know of all at once; more by one
/// for so many entries of it, each of which costs the server about as much less.
const MISSES: usize = 4;
const ENTRIES_A_MISS: usize = 16;
/// Entries that one message lists at least.
const MESSAGE: usize = 500;

/// When something was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) moment: Moment,
    pub(crate) at: Instant,
}

/// What is known of one name.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// `None`: there is nothing of that name.
    attributes: Option<Attributes>,
    asked: Asked,
}

#[derive(Debug, Default)]
struct Directory {
    /// What was learnt of single names, the root's own among them.
    names: HashMap<Box<str>, Known>,
    /// What was there when it was listed.
    listing: Option<Kept>,
    /// What has come so far of a listing under way.
    coming: Option<Kept>,
    /// The names of all this, once somebody has asked for one that is not there. Some of these may be gone.
    spelled: Option<Spellings>,
    /// Names that were asked for and were not there since it was last listed.
    misses: usize,
    /// Since when names that are there are counted among these, and which was the last of them.
    alone: Option<(Instant, Box<str>)>,
    /// Entries there were when it was last listed, to its end or not.
    long: usize,
    /// When this was begun to be kept.
    begun: Moment,
    used: u64,
}

/// A listing. It is shared only once it is whole.
#[derive(Debug)]
struct Kept {
    listing: Arc<Listing>,
    index: Index,
}

impl Kept {
    fn known(&mut self, name: &str) -> Option<Known> {
        let place = self.index.find(&self.listing, name)?;
        Some(Known { attributes: Some(self.listing.attributes(place)), asked: self.listing.asked })
    }
}

/// The names.
#[derive(Debug)]
pub(crate) struct Names {
    moments: Moments,
    directories: HashMap<Box<str>, Directory>,
    /// Files of which the server has said that they have several names, which a listing does not tell.
    linked: HashSet<u64>,
    /// Of directories and what is in them.
    len: usize,
    most: usize,
    uses: u64,
}

impl Names {
    /// Keeps at most `most` names.
    pub(crate) fn new(most: usize) -> Names {
        Names {
            moments: Moments::new(),
            directories: HashMap::new(),
            linked: HashSet::new(),
            len: 0,
            most,
            uses: 0,
        }
    }

    /// Something is about to be asked.
    pub(crate) fn ask(&mut self) -> Asked {
        Asked { moment: self.moments.next(), at: Instant::now() }
    }

    /// What is known of `path` and not older than `lifetime`.
    pub(crate) fn find(&mut self, path: &str, lifetime: Duration) -> Option<Option<Attributes>> {
        let (parent, name) = split(path);
        self.uses += 1;
        let directory = self.directories.get_mut(parent)?;
        directory.used = self.uses;
        if let Some(known) = directory.last_known(name)
            && is_good(&self.moments, path, &known)
            && known.asked.at.elapsed() < lifetime
        {
            let told = known.attributes.is_none_or(|now| now.links > 1 || !self.linked.contains(&now.id));
            return told.then_some(known.attributes);
        }
        let whole = directory.is_whole(self.moments.listing(parent), lifetime);
        let lacking = whole && !name.is_empty() && directory.lacks(name);
        directory.misses += usize::from(lacking);
        lacking.then_some(None)
    }

    /// Whether so much was asked for in the directory of `path` that is not there that it is worth listing, and up to
    /// how many entries.
    pub(crate) fn worth_listing(&mut self, path: &str) -> Option<usize> {
        let directory = self.directories.get_mut(split(path).0)?;
        let long = directory.long.max(directory.len());
        let misses = directory.misses;
        if misses < MISSES.max(long / ENTRIES_A_MISS) {
            return None;
        }
        directory.misses = 0;
        Some(MESSAGE.max(2 * ENTRIES_A_MISS * misses))
    }

    /// What was last known to stand under `path`, whether it still does or not.
    pub(crate) fn last_known(&mut self, path: &str) -> Option<Attributes> {
        let (parent, name) = split(path);
        self.directories.get_mut(parent)?.last_known(name)?.attributes
    }

    /// An answer about `path`.
    pub(crate) fn learn(&mut self, path: &str, attributes: Option<Attributes>, asked: Asked) {
        let (parent, name) = split(path);
        let known = Known { attributes, asked };
        if !is_good(&self.moments, path, &known) {
            return;
        }
        let Some(directory) = self.directory(parent) else { return };
        if let Some(spelled) = &mut directory.spelled
            && attributes.is_some()
        {
            spelled.add(name);
        }
        match directory.names.get_mut(name) {
            Some(old) if old.asked.moment > asked.moment => {}
            Some(old) => *old = known,
            None => {
                directory.names.insert(name.into(), known);
                self.grown(1);
            }
        }
    }

    /// The server has said how many names a file has.
    pub(crate) fn counted(&mut self, now: &Attributes) {
        if now.links < 2 || now.kind != Kind::File {
            self.linked.remove(&now.id);
        } else if now.id != 0 && self.linked.len() < self.most {
            self.linked.insert(now.id);
        }
    }

    fn grown(&mut self, by: usize) {
        self.len += by;
        if self.len > self.most {
            self.make_room();
        }
    }

    /// The server has said that there is nothing of this name.
    pub(crate) fn missed(&mut self, path: &str, asked: Asked) {
        self.learn(path, None, asked);
        if let Some(directory) = self.directories.get_mut(split(path).0) {
            directory.misses += 1;
        }
    }

    /// The server has said what stands under this name. As one listing would have told of all names in the directory,
    /// this counts as if nothing did, if it comes soon after others.
    pub(crate) fn asked_alone(&mut self, path: &str, lifetime: Duration) {
        let (parent, name) = split(path);
        let touched = self.moments.listing(parent);
        let Some(directory) = self.directories.get_mut(parent) else { return };
        if name.is_empty() || directory.is_whole(touched, lifetime) {
            return;
        }
        match &mut directory.alone {
            Some((since, last)) if since.elapsed() < lifetime => {
                // Whoever asks for the same again and again would not be helped by a listing.
                if **last != *name {
                    *last = name.into();
                    directory.misses += 1;
                }
            }
            alone => {
                *alone = Some((Instant::now(), name.into()));
                directory.misses = 1;
            }
        }
    }

    /// A directory is about to be listed.
    pub(crate) fn list(&mut self, path: &str) -> Asked {
        self.directory(path);
        self.ask()
    }

    /// A part of the listing of a directory, behind the `before` that came already. It is kept even if not all of it is
    /// to be believed: that the names are there is part of what is listed.
    pub(crate) fn learn_listed(&mut self, path: &str, entries: &[Entry], before: usize, asked: Asked) {
        let Some(directory) = self.directory(path) else { return };
        if let Some(spelled) = &mut directory.spelled {
            entries.iter().for_each(|entry| spelled.add(&entry.name));
        }
        let mut replaced = 0;
        let under_way = directory.coming.as_ref().map(|coming| coming.listing.asked.moment);
        // Of two listings at once the later one is kept.
        if before == 0 && under_way.is_none_or(|moment| moment < asked.moment) {
            let coming = Kept { listing: Arc::new(Listing::new(asked)), index: Index::default() };
            replaced = directory.coming.replace(coming).map_or(0, |old| old.listing.len());
        }
        let mut came = 0;
        if let Some(listing) = directory.coming.as_mut().and_then(|kept| Arc::get_mut(&mut kept.listing))
            && listing.asked.moment == asked.moment
            && listing.len() == before
        {
            came = entries.iter().take_while(|entry| listing.push(entry)).count();
        }
        self.len -= replaced;
        self.grown(came);
    }

    /// What is kept of a directory, from now on if nothing was.
    fn directory(&mut self, path: &str) -> Option<&mut Directory> {
        if !self.directories.contains_key(path) {
            let begun = self.moments.next();
            self.directories.insert(path.into(), Directory { begun, ..Directory::default() });
            self.len += 1;
        }
        let directory = self.directories.get_mut(path)?;
        self.uses += 1;
        directory.used = self.uses;
        Some(directory)
    }

    /// A directory was listed up to this many names, and that was not all.
    pub(crate) fn listed_in_part(&mut self, path: &str, count: usize) {
        if let Some(directory) = self.directories.get_mut(path) {
            directory.long = count;
        }
    }

    /// A directory was listed to its end; it has this many names.
    pub(crate) fn listed(&mut self, path: &str, count: usize, asked: Asked) {
        if count == 0 {
            self.learn_listed(path, &[], 0, asked);
        }
        self.listed_in_part(path, count);
        let undisturbed = self.moments.listing(path) < asked.moment;
        let Some(directory) = self.directories.get_mut(path) else { return };
        let before = directory.len();
        let coming = directory.coming.take_if(|coming| coming.listing.asked.moment == asked.moment);
        if let Some(whole) = coming
            && undisturbed
            // Some of it may have had to make room meanwhile.
            && whole.listing.len() == count
            && directory.begun < asked.moment
        {
            directory.take(whole);
        }
        self.len = self.len + directory.len() - before;
    }

    /// All that is in a directory, in the order it was listed, if that is known and not older than `lifetime`.
    pub(crate) fn listing(&mut self, path: &str, lifetime: Duration) -> Option<Snapshot> {
        self.uses += 1;
        let directory = self.directories.get_mut(path)?;
        directory.used = self.uses;
        if !directory.is_whole(self.moments.listing(path), lifetime) {
            return None;
        }
        let Kept { listing, index } = directory.listing.as_mut()?;
        let asked = listing.asked;
        let mut full = String::with_capacity(path.len() + 64);
        let mut is_known = |name: &str, known: &Known| {
            join(&mut full, path, name);
            is_good(&self.moments, &full, known) && known.asked.at.elapsed() < lifetime
        };
        let (mut changed, mut more) = (HashMap::new(), Vec::new());
        for (name, known) in &directory.names {
            // The root is in no directory.
            if known.asked.moment < asked.moment || name.is_empty() {
                continue;
            }
            match (index.find(listing, name), known.attributes) {
                (None, None) => {}
                _ if !is_known(name, known) => return None,
                (Some(place), now) => _ = changed.insert(place, now),
                (None, Some(attributes)) => more.push(Entry { name: name.to_string(), attributes }),
            }
        }
        // What was asked for by another spelling is listed by its own.
        if !more.is_empty() {
            let mut spelled = Spellings::of(listing.names());
            for entry in &more {
                if !spelled.lack(&entry.name) {
                    return None;
                }
                spelled.add(&entry.name);
            }
        }
        // If nothing at all has changed since, none of these has.
        if self.moments.last_change() > asked.moment {
            for place in (0..listing.len()).filter(|place| !changed.contains_key(place)) {
                let known = Known { attributes: Some(listing.attributes(place)), asked };
                if !is_known(listing.name(place), &known) {
                    return None;
                }
            }
        }
        Some(Snapshot::of(Arc::clone(listing), changed, more))
    }

    /// Whether nothing was changed here that is listed of a directory since it was asked, and nothing more is known of it.
    pub(crate) fn is_still(&self, path: &str, entry: &Entry, asked: Asked) -> bool {
        if entry.attributes.links < 2 && self.linked.contains(&entry.attributes.id) {
            return false;
        }
        if self.moments.last_change() < asked.moment {
            return true;
        }
        let mut full = String::new();
        join(&mut full, path, &entry.name);
        is_good(&self.moments, &full, &Known { attributes: Some(entry.attributes), asked })
    }

    /// Which of the directories that are listed where it is this is, and of how many.
    pub(crate) fn nth_directory(&mut self, path: &str) -> Option<(usize, usize)> {
        let (parent, name) = split(path);
        let Kept { listing, index } = self.directories.get_mut(parent)?.listing.as_mut()?;
        let nth = listing.nth_directory(index.find(listing, name)?)?;
        Some((nth, listing.directories()))
    }

    /// The directory that is listed behind the `nth`, or before it, or else the first or last one.
    pub(crate) fn directory_after(
        &self,
        parent: &str,
        nth: Option<usize>,
        up: bool,
    ) -> Option<(usize, String)> {
        let listing = &self.directories.get(parent)?.listing.as_ref()?.listing;
        let next = match (nth, up) {
            (None, true) => 0,
            (None, false) => listing.directories().checked_sub(1)?,
            (Some(nth), true) => nth + 1,
            (Some(nth), false) => nth.checked_sub(1)?,
        };
        let name = (next < listing.directories()).then(|| listing.directory(next))?;
        Some((next, if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") }))
    }

    /// How many names a directory lists, if that is known and no older than `lifetime`.
    pub(crate) fn count_in(&self, path: &str, lifetime: Duration) -> Option<usize> {
        let directory = self.directories.get(path)?;
        let listing = &directory.listing.as_ref()?.listing;
        directory.is_whole(self.moments.listing(path), lifetime).then(|| listing.len())
    }

    /// How many names are kept at most.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// What `path` stands for is about to change here. What comes of it may be told to [`Names::changed`]. The
    /// directory it is in changes too: what it lists, and its times.
    pub(crate) fn touch(&mut self, path: &str) -> Moment {
        let (parent, _) = split(path);
        self.moments.touch_listing(parent);
        self.moments.touch_name(parent);
        self.moments.touch_name(path)
    }

    /// It has changed, and this is it now, unless something else has happened to it since `before`.
    pub(crate) fn changed(&mut self, path: &str, now: Option<Attributes>, before: Moment) {
        let id = now.map_or(0, |now| now.id);
        let undisturbed = self.moments.name(path) == before && self.moments.file(id) <= before;
        self.touch(path);
        self.touch_file(id);
        if undisturbed {
            let asked = self.ask();
            self.learn(path, now, asked);
        }
    }

    /// `path` is about to be given to something new. What comes of it is told to [`Names::made`], or is not known, and
    /// then told to [`Names::touch`].
    pub(crate) fn making(&mut self, path: &str) -> Asked {
        Asked { moment: self.moments.touch_name(path), at: Instant::now() }
    }

    /// Something new has been made, and this is it, unless something else has happened to its name since `before`. Its
    /// directory has one name more, and is what it is said to be in answer to a question asked right behind that of making
    /// this, which counts as asked when what is returned says; `None` if something else has happened there, too.
    pub(crate) fn made(&mut self, path: &str, now: Attributes, before: Asked) -> Option<Asked> {
        let (parent, name) = split(path);
        let same = self.moments.name(parent) < before.moment;
        let undisturbed =
            self.moments.name(path) == before.moment && self.moments.file(now.id) <= before.moment;
        let adds = undisturbed && self.adds(parent, name);
        if !adds {
            self.moments.touch_listing(parent);
        }
        self.moments.touch_name(parent);
        self.moments.touch_name(path);
        self.touch_file(now.id);
        if undisturbed {
            let asked = self.ask();
            self.learn(path, Some(now), asked);
        }
        same.then(|| Asked { moment: self.moments.next(), ..before })
    }

    /// Whether what is listed of a directory, if it is, stays so with this name added.
    fn adds(&mut self, parent: &str, name: &str) -> bool {
        let listing = self.moments.listing(parent);
        let Some(directory) = self.directory(parent) else { return false };
        let there = directory.last_known(name).is_some_and(|known| known.attributes.is_some());
        there || !directory.is_whole(listing, Duration::MAX) || directory.lacks(name)
    }

    /// A file changes here, under whatever name.
    pub(crate) fn touch_file(&mut self, id: u64) {
        self.moments.touch_file(id);
    }

    /// Whether a file was changed here since this was asked.
    pub(crate) fn is_touched(&self, id: u64, asked: Asked) -> bool {
        self.moments.file(id) > asked.moment
    }

    /// Attributes of a name have changed elsewhere.
    pub(crate) fn touch_attributes(&mut self, path: &str) {
        if self.last_known(path).is_none() {
            // It is there, which was not known.
            self.moments.touch_listing(split(path).0);
        }
        self.moments.touch_name(path);
    }

    /// A name was given, taken, or given to something else. What was below it is not there any more.
    pub(crate) fn moved(&mut self, path: &str) {
        let may_be_directory = match self.last_known(path).map(|known| known.kind) {
            Some(Kind::File | Kind::Symlink) => false,
            _ => !path.is_ascii() || self.directories.keys().any(|directory| is_at_or_below(directory, path)),
        };
        if may_be_directory {
            // What is being asked about it now is not to be believed either.
            self.forget_all();
        } else {
            self.touch(path);
        }
    }

    /// An empty directory is gone.
    pub(crate) fn removed_directory(&mut self, path: &str) {
        self.touch(path);
        self.moments.touch_listing(path);
        if let Some(directory) = self.directories.remove(path) {
            self.len -= directory.len();
        }
    }

    /// Nothing is known any more.
    pub(crate) fn forget_all(&mut self) {
        self.moments.touch_all();
        self.directories.clear();
        self.len = 0;
    }

    /// Forgets what was not used for longest.
    fn make_room(&mut self) {
        let mut by_use: Vec<(u64, Box<str>)> =
            self.directories.iter().map(|(path, directory)| (directory.used, path.clone())).collect();
        by_use.sort_unstable();
        for (_, path) in by_use {
            if self.len <= self.most / 8 * 7 {
                break;
            }
            if let Some(directory) = self.directories.remove(&path) {
                self.len -= directory.len();
            }
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.len
    }
}

impl Directory {
    /// What was heard of a name last.
    fn last_known(&mut self, name: &str) -> Option<Known> {
        let alone = self.names.get(name).copied();
        let listed = [&mut self.listing, &mut self.coming].map(|kept| kept.as_mut()?.known(name));
        [alone].into_iter().chain(listed).flatten().max_by_key(|known| known.asked.moment)
    }

    /// How much room it takes, in names.
    fn len(&self) -> usize {
        let listed =
            [&self.listing, &self.coming].map(|kept| kept.as_ref().map_or(0, |kept| kept.listing.len()));
        1 + self.names.len() + listed[0] + listed[1]
    }

    /// Whether all that is in it is known, and not older than `lifetime`; `touched` is when that was last changed.
    fn is_whole(&self, touched: Moment, lifetime: Duration) -> bool {
        self.listing.as_ref().is_some_and(|Kept { listing, .. }| {
            touched <= listing.asked.moment && listing.asked.at.elapsed() < lifetime
        })
    }

    /// Keeps a listing that is whole.
    fn take(&mut self, mut whole: Kept) {
        let asked = whole.listing.asked;
        // What was there before and is not listed any more is gone; that something is not there is still so.
        self.names.retain(|name, known| {
            known.asked.moment > asked.moment
                || (known.attributes.is_none() || name.is_empty())
                    && whole.index.find(&whole.listing, name).is_none()
        });
        self.spelled = None;
        let made_since: Vec<&str> = self
            .names
            .iter()
            .filter(|(_, known)| known.attributes.is_some() && known.asked.moment > asked.moment)
            .filter(|(name, _)| !name.is_empty() && whole.index.find(&whole.listing, name).is_none())
            .map(|(name, _)| &**name)
            .collect();
        if !made_since.is_empty() {
            // They may have been there already under another spelling.
            let spelled = Spellings::of(whole.listing.names());
            if !made_since.into_iter().all(|name| spelled.lack(name)) {
                self.listing = None;
                return;
            }
        }
        if let Some(listing) = Arc::get_mut(&mut whole.listing) {
            listing.close();
        }
        self.listing = Some(whole);
    }

    /// Whether nothing in it can be meant by this name. It is known what is in it.
    fn lacks(&mut self, name: &str) -> bool {
        let Directory { names, listing, coming, spelled, .. } = self;
        let spelled = spelled.get_or_insert_with(|| {
            let alone = names.iter().filter(|(name, known)| !name.is_empty() && known.attributes.is_some());
            let listed = [&*listing, &*coming].into_iter().flatten().flat_map(|kept| kept.listing.names());
            Spellings::of(alone.map(|(name, _)| &**name).chain(listed))
        });
        spelled.lack(name)
    }
}

/// Whether nothing was changed here since it was asked.
fn is_good(moments: &Moments, path: &str, known: &Known) -> bool {
    let id = known.attributes.map_or(0, |attributes| attributes.id);
    known.asked.moment > moments.name(path) && known.asked.moment > moments.file(id)
}

/// The path of a name in a directory.
fn join(full: &mut String, directory: &str, name: &str) {
    full.clear();
    full.push_str(directory);
    if !directory.is_empty() {
        full.push('/');
    }
    full.push_str(name);
}

/// The directory of a path, and the name in it.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Whether `path` is `above` or inside it, in whatever case it is spelled.
pub(crate) fn is_at_or_below(path: &str, above: &str) -> bool {
    let (path, above) = (path.as_bytes(), above.as_bytes());
    path.len() >= above.len()
        && path[..above.len()].eq_ignore_ascii_case(above)
        && (path.len() == above.len() || above.is_empty() || path[above.len()] == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    const LONG: Duration = Duration::from_secs(3600);

    fn thing(id: u64) -> Attributes {
        Attributes {
            kind: Kind::File,
            size: 0,
            allocated: 0,
            accessed: UNIX_EPOCH,
            modified: UNIX_EPOCH,
            changed: UNIX_EPOCH,
            created: UNIX_EPOCH,
            id,
            read_only: false,
            links: 1,
        }
    }

    fn list(names: &mut Names, directory: &str, entries: &[(&str, u64)]) {
        let asked = names.list(directory);
        let entries: Vec<Entry> = entries
            .iter()
            .map(|(name, id)| Entry { name: (*name).to_owned(), attributes: thing(*id) })
            .collect();
        names.learn_listed(directory, &entries, 0, asked);
        names.listed(directory, entries.len(), asked);
    }

    fn listed(names: &mut Names, directory: &str) -> Option<Vec<String>> {
        let part = names.listing(directory, LONG)?.part(usize::MAX);
        Some(part.into_iter().map(|entry| entry.name).collect())
    }

    #[test]
    fn an_answer_that_was_asked_for_before_a_change_is_not_believed() {
        let mut names = Names::new(100);
        let asked = names.ask();
        let before = names.touch("d/a");
        names.changed("d/a", None, before);
        names.learn("d/a", Some(thing(5)), asked);
        assert_eq!(names.find("d/a", LONG), Some(None));
    }

    #[test]
    fn what_came_of_a_change_is_not_believed_if_another_was_under_way() {
        let mut names = Names::new(100);
        let one = names.touch("a");
        let other = names.touch("a");
        names.changed("a", None, other);
        names.changed("a", Some(thing(5)), one);
        assert_eq!(names.find("a", LONG), None);
    }

    #[test]
    fn a_file_written_under_one_name_is_changed_under_the_other() {
        let mut names = Names::new(100);
        let asked = names.ask();
        names.learn("a", Some(thing(5)), asked);
        names.learn("b", Some(thing(5)), asked);
        names.touch_file(5);
        assert_eq!((names.find("a", LONG), names.find("b", LONG)), (None, None));
    }

    #[test]
    fn a_listing_is_whole_until_a_name_in_it_changes() {
        let mut names = Names::new(100);
        list(&mut names, "d", &[("a", 5), ("b", 6)]);
        list(&mut names, "d", &[("b", 6), ("c", 7)]);
        assert_eq!(listed(&mut names, "d").unwrap(), ["b", "c"]);
        assert_eq!(names.find("d/a", LONG), Some(None));
        names.touch("d/x");
        assert_eq!(listed(&mut names, "d"), None);
        assert_eq!(names.find("d/a", LONG), None);
    }

    #[test]
    fn a_directory_is_what_is_told_of_it_with_what_was_made_in_it_last() {
        let mut names = Names::new(100);
        let directory = |seconds| {
            let modified = UNIX_EPOCH + Duration::from_secs(seconds);
            Attributes { kind: Kind::Directory, modified, ..thing(1) }
        };
        let made = |names: &mut Names, path| {
            let before = names.making(path);
            names.made(path, thing(5), before)
        };
        let asked = made(&mut names, "d/a").unwrap();
        names.learn("d", Some(directory(7)), asked);
        assert_eq!(names.find("d", LONG), Some(Some(directory(7))));
        // The last is not told yet.
        let (first, last) = (made(&mut names, "d/b").unwrap(), made(&mut names, "d/c").unwrap());
        names.learn("d", Some(directory(8)), first);
        assert_eq!(names.find("d", LONG), None);
        names.learn("d", Some(directory(9)), last);
        assert_eq!(names.find("d", LONG), Some(Some(directory(9))));
        // What was asked before something was made may be of before.
        let asked = names.ask();
        made(&mut names, "d/d");
        names.learn("d", Some(directory(9)), asked);
        assert_eq!(names.find("d", LONG), None);
        // Two at once: which was the last is not known.
        let (one, other) = (names.making("d/e"), names.making("d/f"));
        assert!(names.made("d/f", thing(6), other).is_some());
        assert!(names.made("d/e", thing(5), one).is_none());
        // Something else was done meanwhile.
        let before = names.making("d/g");
        names.touch("d/c");
        assert!(names.made("d/g", thing(8), before).is_none());
    }

    #[test]
    fn what_is_not_listed_is_not_there_until_it_is_made() {
        let mut names = Names::new(100);
        list(&mut names, "d", &[("a", 5)]);
        list(&mut names, "", &[("a", 5)]);
        assert_eq!((names.find("d/b", LONG), names.find("d/A", LONG)), (Some(None), None));
        assert_eq!((names.find("b", LONG), names.find("", LONG)), (Some(None), None));
        let before = names.making("d/b");
        names.made("d/b", thing(6), before);
        assert_eq!((names.find("d/c", LONG), names.find("d/B", LONG)), (Some(None), None));
        let count = |names: &mut Names| listed(names, "d").map(|all| all.len());
        assert_eq!(count(&mut names), Some(2));
        // A server that takes these for one has opened what was there.
        let before = names.making("d/B");
        names.made("d/B", thing(6), before);
        assert_eq!((names.find("d/c", LONG), count(&mut names)), (None, None));
    }

    #[test]
    fn what_was_asked_for_in_two_spellings_is_listed_once() {
        let mut names = Names::new(100);
        list(&mut names, "d", &[("a", 5)]);
        let before = names.making("d/b");
        names.made("d/b", thing(6), before);
        assert_eq!(listed(&mut names, "d").unwrap(), ["a", "b"]);
        for (name, id) in [("d/A", 5), ("d/B", 6)] {
            list(&mut names, "d", &[("a", 5), ("b", 6)]);
            let asked = names.ask();
            names.learn(name, Some(thing(id)), asked);
            assert_eq!(listed(&mut names, "d"), None);
        }
    }

    #[test]
    fn what_is_made_while_its_directory_is_listed_is_in_it() {
        let known = |made: &str, told: &[&str]| {
            let mut names = Names::new(100);
            let asked = names.list("d");
            let path = format!("d/{made}");
            let before = names.making(&path);
            names.made(&path, thing(9), before);
            for (place, name) in told.iter().enumerate() {
                let entry = Entry { name: (*name).to_owned(), attributes: thing(place as u64 + 20) };
                names.learn_listed("d", &[entry], place, asked);
            }
            names.listed("d", told.len(), asked);
            (names.find("d/x", LONG), listed(&mut names, "d").map(|all| all.len()))
        };
        assert_eq!(known("b", &["a"]), (Some(None), Some(2)));
        assert_eq!(known("b", &["a", "b"]), (Some(None), Some(2)));
        assert_eq!(known("A", &["a", "b"]), (None, None));
    }

    #[test]
    fn a_listing_without_what_others_have_done_since_is_not_believed() {
        let mut names = Names::new(100);
        list(&mut names, "d", &[("a", 5)]);
        names.touch_attributes("d/a");
        assert_eq!(names.find("d/b", LONG), Some(None));
        names.touch_attributes("d/b");
        assert_eq!(names.find("d/c", LONG), None);
        list(&mut names, "d", &[("a", 5)]);
        names.moved("d/c");
        assert_eq!(names.find("d/b", LONG), None);
        list(&mut names, "d", &[("a", 5)]);
        assert_eq!(names.find("d/b", Duration::ZERO), None);
    }

    #[test]
    fn a_listing_is_not_believed_of_a_file_that_is_known_to_have_several_names() {
        let mut names = Names::new(100);
        names.counted(&Attributes { links: 2, ..thing(5) });
        list(&mut names, "d", &[("a", 5), ("b", 6)]);
        assert_eq!((names.find("d/a", LONG), names.find("d/b", LONG)), (None, Some(Some(thing(6)))));
        let asked = names.ask();
        let entry = |name: &str, attributes| Entry { name: name.to_owned(), attributes };
        assert!(!names.is_still("d", &entry("a", thing(5)), asked));
        assert!(names.is_still("d", &entry("a", Attributes { links: 2, ..thing(5) }), asked));
        assert!(names.is_still("d", &entry("b", thing(6)), asked));
        let asked = names.ask();
        let two = Attributes { links: 2, ..thing(5) };
        names.learn("d/a", Some(two), asked);
        assert_eq!(names.find("d/a", LONG), Some(Some(two)));
        list(&mut names, "d", &[("a", 5), ("b", 6)]);
        names.counted(&thing(5));
        assert_eq!(names.find("d/a", LONG), Some(Some(thing(5))));
    }

    #[test]
    fn a_directory_is_worth_listing_when_that_costs_less_than_what_was_asked() {
        let mut names = Names::new(10_000);
        let miss = |names: &mut Names| {
            let asked = names.ask();
            names.missed("d/x", asked);
        };
        assert_eq!(names.worth_listing("d/y"), None);
        for _ in 0..MISSES {
            assert_eq!(names.worth_listing("d/y"), None);
            miss(&mut names);
        }
        assert_eq!(names.worth_listing("d/y"), Some(MESSAGE));
        assert_eq!(names.worth_listing("d/y"), None);
        // It was longer than that: whoever asks on has it listed further and further.
        names.listed_in_part("d", 1000);
        for _ in 0..1000 / ENTRIES_A_MISS {
            assert_eq!(names.worth_listing("d/y"), None);
            miss(&mut names);
        }
        let most = names.worth_listing("d/y").unwrap();
        assert!((1900..2100).contains(&most), "{most}");
    }

    #[test]
    fn a_listing_that_did_not_fit_is_not_whole() {
        let mut names = Names::new(3);
        list(&mut names, "d", &[("a", 5), ("b", 6), ("c", 7), ("e", 8)]);
        assert_eq!(listed(&mut names, "d"), None);
        assert!(names.len() <= 3);
    }

    #[test]
    fn a_file_changed_while_its_directory_is_listed_is_asked_for_again() {
        let mut names = Names::new(100);
        let asked = names.ask();
        names.touch_file(5);
        names.learn_listed("", &[Entry { name: "a".to_owned(), attributes: thing(5) }], 0, asked);
        names.listed("", 1, asked);
        assert_eq!(names.find("a", LONG), None);
        assert_eq!(listed(&mut names, ""), None);
    }

    #[test]
    fn what_is_below_a_directory_goes_with_it_in_every_spelling() {
        let mut names = Names::new(100);
        list(&mut names, "Dir/sub", &[("a", 5)]);
        names.moved("dir");
        assert_eq!(names.find("Dir/sub/a", LONG), None);
    }

    #[test]
    fn the_directory_used_last_stays() {
        let mut names = Names::new(8);
        for directory in 0..20 {
            list(&mut names, &directory.to_string(), &[("a", 5)]);
            names.find("0/a", LONG);
        }
        assert_eq!(names.find("0/a", LONG), Some(Some(thing(5))));
        assert!(names.len() <= 8);
    }

    #[test]
    fn nothing_is_older_than_it_may_be() {
        let mut names = Names::new(8);
        list(&mut names, "", &[("a", 5)]);
        assert_eq!(names.find("a", Duration::ZERO), None);
        assert!(names.listing("", Duration::ZERO).is_none());
    }
}
