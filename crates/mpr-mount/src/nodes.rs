//! The kernel's node numbers and the names they stand for.
//!
//! The kernel names files by numbers it was given and has not yet forgotten; a server names them by paths.
//! This table is between them. A node's number is the server's own number for the file wherever that is free,
//! so that it is the same after a new mount. Names that stand for one file by being links to it share a node.
//! Two spellings of one name do not: to the kernel, giving one the other would be doing nothing. They, and files
//! of servers without numbers, get numbers from a range of our own.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::SystemTime;

use mpr_remotefs::{Attributes, Kind};
use smallvec::SmallVec;

/// The root of every file system.
pub const ROOT: u64 = 1;
/// Numbers of our own begin here.
const OWN: u64 = 1 << 63;

#[derive(Debug)]
struct Node {
    /// The directory it is in, or was in last.
    parent: u64,
    /// Its names, the one that was seen last at the end; none once they have gone to other files or to none.
    names: SmallVec<[Name; 1]>,
    number: u64,
    created: SystemTime,
    kind: Kind,
    links: u32,
    /// A spelling of a name that has a node already.
    spelling: bool,
    /// Its last name was taken away here, or given to something else.
    removed: bool,
    lookups: u64,
    /// Time of the last change and length, as the kernel was told last.
    told: Option<(SystemTime, u64)>,
}

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Name(u64, Arc<str>);

/// What [`Name`] is looked up by, so that nothing has to be allocated for that.
trait Key {
    fn key(&self) -> (u64, &str);
}

impl Key for Name {
    fn key(&self) -> (u64, &str) {
        (self.0, &self.1)
    }
}

impl Key for (u64, &str) {
    fn key(&self) -> (u64, &str) {
        *self
    }
}

impl Hash for dyn Key + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // As `Name` is hashed: field by field.
        let (parent, name) = self.key();
        parent.hash(state);
        name.hash(state);
    }
}

impl PartialEq for dyn Key + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for dyn Key + '_ {}

impl<'a> Borrow<dyn Key + 'a> for Name {
    fn borrow(&self) -> &(dyn Key + 'a) {
        self
    }
}

/// The table.
#[derive(Debug)]
pub struct Nodes {
    /// In places of their own: a table of ten thousands of nodes would take twice as much whenever it grows.
    by_ino: HashMap<u64, Box<Node>>,
    by_name: HashMap<Name, u64>,
    next_own: u64,
}

impl Default for Nodes {
    fn default() -> Self {
        let root = Node {
            parent: ROOT,
            names: SmallVec::new(),
            number: 0,
            created: SystemTime::UNIX_EPOCH,
            kind: Kind::Directory,
            links: 1,
            spelling: false,
            removed: false,
            lookups: 1,
            told: None,
        };
        Nodes { by_ino: HashMap::from([(ROOT, Box::new(root))]), by_name: HashMap::new(), next_own: OWN }
    }
}

impl Nodes {
    /// The path of a node from the root; `None` when it has no name any more or is not known.
    #[must_use]
    pub fn path(&self, ino: u64) -> Option<String> {
        let mut names: SmallVec<[&str; 16]> = SmallVec::new();
        let mut at = ino;
        while at != ROOT {
            let Name(parent, name) = self.by_ino.get(&at)?.names.last()?;
            names.push(name);
            at = *parent;
        }
        let mut path = String::with_capacity(names.iter().map(|name| name.len() + 1).sum());
        for name in names.iter().rev() {
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(name);
        }
        Some(path)
    }

    /// The path of a name in a directory.
    #[must_use]
    pub fn path_of(&self, parent: u64, name: &str) -> Option<String> {
        let mut path = self.path(parent)?;
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(name);
        Some(path)
    }

    /// The node known by this name.
    #[must_use]
    pub fn named(&self, parent: u64, name: &str) -> Option<u64> {
        self.by_name.get(&(parent, name) as &dyn Key).copied()
    }

    /// The directory a path leads into and the name it ends in, as far as the directory is known.
    #[must_use]
    pub fn place<'a>(&self, path: &'a str) -> Option<(u64, &'a str)> {
        let (directories, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parts = directories.split('/').filter(|part| !part.is_empty());
        let parent = parts.into_iter().try_fold(ROOT, |at, name| self.named(at, name))?;
        Some((parent, name))
    }

    /// The nodes of the file with this number at the server.
    pub fn numbered(&self, number: u64) -> impl Iterator<Item = u64> {
        let spelled = self.by_ino.iter().filter(move |(_, node)| node.number == number && number != 0);
        spelled.map(|(ino, _)| *ino)
    }

    /// Every node.
    pub fn all(&self) -> impl Iterator<Item = u64> {
        self.by_ino.keys().copied()
    }

    /// Every name, with the directory it is in.
    pub fn names(&self) -> impl Iterator<Item = (u64, &str)> {
        self.by_name.keys().map(Key::key)
    }

    /// The directory a node is or was in.
    #[must_use]
    pub fn parent(&self, ino: u64) -> Option<u64> {
        self.by_ino.get(&ino).map(|node| node.parent)
    }

    /// Whether a node has lost its name.
    #[must_use]
    pub fn is_nameless(&self, ino: u64) -> bool {
        ino != ROOT && self.by_ino.get(&ino).is_none_or(|node| node.names.is_empty())
    }

    /// Whether what the server has under a node's name is still what the kernel was told it is.
    #[must_use]
    pub fn is_same(&self, ino: u64, now: &Attributes) -> bool {
        ino == ROOT
            || self.by_ino.get(&ino).is_some_and(|node| node.kind == now.kind && same(node.number, now.id))
    }

    /// The kernel is about to be told this of a node. Answers the number that people and programs see.
    pub fn tell(&mut self, ino: u64, now: &Attributes) -> u64 {
        let Some(node) = self.by_ino.get_mut(&ino) else { return ino };
        node.told = Some((now.modified, now.size));
        node.links = node.links.max(now.links);
        // A second link to a file of which nothing was known but its name has a node of its own; programs that
        // look for links see the file's number all the same.
        let shown = node.kind == Kind::File && !node.spelling && node.number > ROOT && node.number < OWN;
        if shown { node.number } else { ino }
    }

    /// Whether this is, to all appearances, what the kernel was told of a node last.
    #[must_use]
    pub fn is_as_told(&self, ino: u64, now: &Attributes) -> bool {
        self.by_ino.get(&ino).is_some_and(|node| node.told == Some((now.modified, now.size)))
    }

    /// A name was found to stand for this. Answers the node's number and counts that the kernel was told it.
    pub fn found(&mut self, parent: u64, name: &str, now: &Attributes) -> u64 {
        if let Some(ino) = self.named(parent, name) {
            if let Some(node) = self.by_ino.get_mut(&ino)
                && node.kind == now.kind
                && same(node.number, now.id)
            {
                node.lookups += 1;
                node.seen(parent, name);
                return ino;
            }
            self.unname(parent, name);
        }
        let known = self.by_ino.get(&now.id).filter(|node| now.id > ROOT && node.is(now));
        // A server may say so; the way up from there would have no end.
        let known = known.filter(|_| !self.is_in(parent, now.id));
        let spelling = known.is_some_and(|node| node.is_spelled(parent, name, now));
        if known.is_some_and(|node| !spelling && (node.names.is_empty() || node.is_linked(now))) {
            self.name(now.id, parent, name);
            return now.id;
        }
        let ino = self.free_number(now.id);
        let node = Node {
            parent,
            names: SmallVec::new(),
            number: now.id,
            created: now.created,
            kind: now.kind,
            links: now.links,
            spelling,
            removed: false,
            lookups: 0,
            told: None,
        };
        self.by_ino.insert(ino, Box::new(node));
        self.name(ino, parent, name);
        ino
    }

    /// A node was given another name beside those it has. Counts that the kernel was told it.
    pub fn linked(&mut self, ino: u64, parent: u64, name: &str) {
        self.unname(parent, name);
        self.name(ino, parent, name);
    }

    fn name(&mut self, ino: u64, parent: u64, name: &str) {
        if let Some(node) = self.by_ino.get_mut(&ino) {
            let name = Name(parent, name.into());
            node.parent = parent;
            node.names.push(name.clone());
            node.removed = false;
            node.lookups += 1;
            self.by_name.insert(name, ino);
        }
    }

    /// A name stands for nothing any more.
    pub fn unname(&mut self, parent: u64, name: &str) {
        if let Some(ino) = self.by_name.remove(&(parent, name) as &dyn Key)
            && let Some(node) = self.by_ino.get_mut(&ino)
        {
            node.names.retain(|has| has.key() != (parent, name));
        }
    }

    /// What had a name was removed, or replaced, here.
    pub fn removed(&mut self, parent: u64, name: &str) {
        let ino = self.named(parent, name);
        self.unname(parent, name);
        if let Some(node) = ino.and_then(|ino| self.by_ino.get_mut(&ino)) {
            node.removed = node.names.is_empty();
        }
    }

    /// Whether a node was removed here: whoever still has it open has all there is of it.
    #[must_use]
    pub fn is_removed(&self, ino: u64) -> bool {
        self.by_ino.get(&ino).is_some_and(|node| node.removed)
    }

    /// What is left to be said of a node that was removed here.
    #[must_use]
    pub fn remains(&self, ino: u64) -> Option<Attributes> {
        let node = self.by_ino.get(&ino).filter(|node| node.removed)?;
        let (modified, size) = node.told.unwrap_or((node.created, 0));
        Some(Attributes {
            kind: node.kind,
            size,
            allocated: size,
            accessed: modified,
            modified,
            changed: modified,
            created: node.created,
            id: node.number,
            read_only: false,
            links: 0,
        })
    }

    /// What had one name has another now.
    pub fn renamed(&mut self, parent: u64, name: &str, new_parent: u64, new_name: &str) {
        if (parent, name) == (new_parent, new_name) {
            return;
        }
        let moved = self.named(parent, name);
        self.removed(new_parent, new_name);
        if let Some(ino) = moved {
            self.unname(parent, name);
            self.name(ino, new_parent, new_name);
            if let Some(node) = self.by_ino.get_mut(&ino) {
                node.lookups -= 1;
            }
        }
    }

    /// The kernel has forgotten having been told a number this many times.
    pub fn forget(&mut self, ino: u64, times: u64) {
        let Some(node) = self.by_ino.get_mut(&ino) else { return };
        node.lookups = node.lookups.saturating_sub(times);
        if node.lookups > 0 || ino == ROOT {
            return;
        }
        if let Some(node) = self.by_ino.remove(&ino) {
            for name in node.names {
                self.by_name.remove(&name);
            }
        }
    }

    /// How many nodes the kernel knows, the root included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_ino.len()
    }

    /// Whether there is no node; there always is the root.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_ino.is_empty()
    }

    /// Whether a directory is `above`, or was last known to be somewhere in it.
    fn is_in(&self, directory: u64, above: u64) -> bool {
        let mut at = directory;
        while at != ROOT && at != above {
            let Some(node) = self.by_ino.get(&at) else { return false };
            at = node.parent;
        }
        at == above
    }

    fn free_number(&mut self, number: u64) -> u64 {
        if number > ROOT && number < OWN && !self.by_ino.contains_key(&number) {
            return number;
        }
        loop {
            let own = self.next_own;
            self.next_own = own.checked_add(1).unwrap_or(OWN);
            if !self.by_ino.contains_key(&own) {
                return own;
            }
        }
    }
}

impl Node {
    /// Whether this is surely the same file. A number alone is not enough: a share may span disks that count each
    /// for itself.
    fn is(&self, now: &Attributes) -> bool {
        self.kind == now.kind && self.number == now.id && self.created == now.created
    }

    /// Whether it has several names. A directory has one, though a server that follows links shows it twice.
    fn is_linked(&self, now: &Attributes) -> bool {
        self.kind == Kind::File && (now.links > 1 || self.links > 1)
    }

    /// Whether a name is one it has already, spelled otherwise.
    fn is_spelled(&self, parent: u64, name: &str, now: &Attributes) -> bool {
        !self.is_linked(now)
            && self
                .names
                .iter()
                .any(|Name(at, has)| *at == parent && has.to_lowercase() == name.to_lowercase())
    }

    /// A name of it was seen.
    fn seen(&mut self, parent: u64, name: &str) {
        let last = self.names.len().saturating_sub(1);
        if let Some(at) = self.names.iter().position(|has| has.key() == (parent, name))
            && at != last
        {
            self.names.swap(at, last);
            self.parent = parent;
        }
    }
}

/// Whether two numbers of a server mean one file. A server without numbers says 0, which means any.
fn same(one: u64, other: u64) -> bool {
    one == other || one == 0 || other == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn thing(kind: Kind, id: u64) -> Attributes {
        Attributes {
            links: 1,
            kind,
            size: 0,
            allocated: 0,
            accessed: UNIX_EPOCH,
            modified: UNIX_EPOCH,
            changed: UNIX_EPOCH,
            created: UNIX_EPOCH,
            id,
            read_only: false,
        }
    }

    fn file(id: u64) -> Attributes {
        thing(Kind::File, id)
    }

    #[test]
    fn a_file_keeps_the_number_its_server_gave_it() {
        let mut nodes = Nodes::default();
        assert_eq!(nodes.found(ROOT, "a", &file(77)), 77);
        assert_eq!(nodes.found(ROOT, "a", &file(77)), 77);
        nodes.forget(77, 1);
        assert_eq!(nodes.path(77).unwrap(), "a");
        nodes.forget(77, 1);
        assert_eq!((nodes.path(77), nodes.len()), (None, 1));
    }

    #[test]
    fn a_directory_is_never_found_inside_itself() {
        let directory = |id| thing(Kind::Directory, id);
        let mut nodes = Nodes::default();
        assert_eq!(nodes.found(ROOT, "d", &directory(42)), 42);
        assert_eq!(nodes.found(42, "e", &directory(43)), 43);
        // Its name stands for another one now, and it is said to be in itself.
        nodes.found(ROOT, "d", &directory(44));
        for (parent, name) in [(42, "loop"), (43, "loop")] {
            let found = nodes.found(parent, name, &directory(42));
            assert_ne!(found, 42, "{name} in {parent}");
            assert_eq!(nodes.path(found), None);
        }
        // Moved elsewhere it is itself again.
        assert_eq!(nodes.found(44, "here", &directory(42)), 42);
        assert_eq!(nodes.path(43).unwrap(), "d/here/e");
    }

    #[test]
    fn a_second_spelling_of_a_name_gets_a_number_of_its_own() {
        let mut nodes = Nodes::default();
        let one = nodes.found(ROOT, "a", &file(77));
        let other = nodes.found(ROOT, "A", &file(77));
        assert_ne!(one, other);
        assert_eq!(nodes.path(other).unwrap(), "A");
        assert_ne!(nodes.tell(one, &file(77)), nodes.tell(other, &file(77)));
    }

    #[test]
    fn links_to_one_file_share_a_node_until_the_last_is_gone() {
        let mut nodes = Nodes::default();
        let dir = nodes.found(ROOT, "d", &thing(Kind::Directory, 10));
        let two = Attributes { links: 2, ..file(77) };
        assert_eq!(nodes.found(ROOT, "a", &two), 77);
        assert_eq!(nodes.found(dir, "b", &two), 77);
        assert_eq!(nodes.path(77).unwrap(), "d/b");
        nodes.found(ROOT, "a", &two);
        assert_eq!(nodes.path(77).unwrap(), "a");
        nodes.unname(ROOT, "a");
        assert_eq!(nodes.path(77).unwrap(), "d/b");
        nodes.forget(77, 3);
        assert_eq!((nodes.path(77), nodes.named(dir, "b")), (None, None));
    }

    #[test]
    fn a_link_first_seen_in_a_listing_shows_the_number_of_the_file() {
        let mut nodes = Nodes::default();
        // Listings do not say how many names a file has.
        let (one, other) = (nodes.found(ROOT, "a", &file(77)), nodes.found(ROOT, "b", &file(77)));
        assert_ne!(one, other);
        assert_eq!((nodes.tell(one, &file(77)), nodes.tell(other, &file(77))), (77, 77));
    }

    #[test]
    fn files_of_two_disks_with_one_number_are_not_taken_for_links() {
        let mut nodes = Nodes::default();
        let two = Attributes { links: 2, ..file(77) };
        let elsewhere = Attributes { created: UNIX_EPOCH + std::time::Duration::from_secs(1), ..two };
        assert_ne!(nodes.found(ROOT, "a", &two), nodes.found(ROOT, "b", &elsewhere));
    }

    #[test]
    fn a_file_that_others_renamed_keeps_its_node() {
        let mut nodes = Nodes::default();
        let ino = nodes.found(ROOT, "a", &file(5));
        nodes.unname(ROOT, "a");
        assert_eq!(nodes.found(ROOT, "b", &file(5)), ino);
        assert_eq!(nodes.path(ino).unwrap(), "b");
    }

    #[test]
    fn a_directory_never_has_two_names() {
        let mut nodes = Nodes::default();
        let one = nodes.found(ROOT, "d", &thing(Kind::Directory, 10));
        let followed = Attributes { links: 3, ..thing(Kind::Directory, 10) };
        assert_ne!(nodes.found(ROOT, "link", &followed), one);
    }

    #[test]
    fn a_path_leads_to_what_is_known_of_it() {
        let mut nodes = Nodes::default();
        let dir = nodes.found(ROOT, "d", &thing(Kind::Directory, 10));
        assert_eq!(nodes.place("d/f"), Some((dir, "f")));
        assert_eq!(nodes.place("f"), Some((ROOT, "f")));
        assert_eq!(nodes.place("x/f"), None);
    }

    #[test]
    fn the_root_cannot_be_taken_and_strange_numbers_are_replaced() {
        let mut nodes = Nodes::default();
        for id in [0, ROOT, u64::MAX] {
            assert!(nodes.found(ROOT, &id.to_string(), &file(id)) >= OWN);
        }
    }

    #[test]
    fn what_the_kernel_was_told_is_known_until_it_changes() {
        let mut nodes = Nodes::default();
        let ino = nodes.found(ROOT, "a", &file(5));
        assert!(!nodes.is_as_told(ino, &file(5)));
        nodes.tell(ino, &file(5));
        assert!(nodes.is_as_told(ino, &file(5)));
        assert!(!nodes.is_as_told(ino, &Attributes { size: 1, ..file(5) }));
    }

    #[test]
    fn another_file_of_the_same_name_is_another_node() {
        let mut nodes = Nodes::default();
        let old = nodes.found(ROOT, "a", &file(5));
        let new = nodes.found(ROOT, "a", &file(6));
        assert_ne!(old, new);
        assert!(nodes.is_nameless(old));
        assert_eq!(nodes.path(new).unwrap(), "a");
        nodes.forget(old, 1);
        assert_eq!(nodes.named(ROOT, "a"), Some(new));
    }

    #[test]
    fn what_is_below_a_directory_moves_with_it() {
        let mut nodes = Nodes::default();
        let dir = nodes.found(ROOT, "d", &thing(Kind::Directory, 10));
        let inner = nodes.found(dir, "f", &file(11));
        let victim = nodes.found(ROOT, "e", &thing(Kind::Directory, 12));
        nodes.renamed(ROOT, "d", ROOT, "e");
        assert_eq!(nodes.path(inner).unwrap(), "e/f");
        assert_eq!(nodes.path_of(dir, "g").unwrap(), "e/g");
        assert!(nodes.is_nameless(victim));
        assert_eq!(nodes.named(ROOT, "d"), None);
    }

    #[test]
    fn what_was_removed_here_is_known_until_it_is_forgotten_or_found_again() {
        let mut nodes = Nodes::default();
        let two = Attributes { links: 2, ..file(5) };
        let ino = nodes.found(ROOT, "a", &two);
        nodes.linked(ino, ROOT, "b");
        nodes.tell(ino, &two);
        nodes.removed(ROOT, "a");
        assert!(!nodes.is_removed(ino) && nodes.remains(ino).is_none());
        let other = nodes.found(ROOT, "c", &file(6));
        nodes.renamed(ROOT, "c", ROOT, "b");
        assert!(nodes.is_removed(ino) && !nodes.is_removed(other));
        assert_eq!(nodes.remains(ino).unwrap(), Attributes { links: 0, ..file(5) });
        // Only others know what became of it, then.
        nodes.unname(ROOT, "b");
        assert!(nodes.is_nameless(other) && !nodes.is_removed(other));
        nodes.found(ROOT, "d", &file(5));
        assert!(!nodes.is_removed(ino));
        nodes.removed(ROOT, "d");
        nodes.forget(ino, 9);
        assert!(!nodes.is_removed(ino));
    }

    #[test]
    fn renaming_to_the_same_name_changes_nothing() {
        let mut nodes = Nodes::default();
        let ino = nodes.found(ROOT, "a", &file(5));
        nodes.renamed(ROOT, "a", ROOT, "a");
        assert_eq!(nodes.named(ROOT, "a"), Some(ino));
    }
}
