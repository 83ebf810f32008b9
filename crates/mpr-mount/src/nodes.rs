//! The kernel's inode numbers and the names they stand for.
//!
//! The kernel names files by numbers it was given and has not yet forgotten; a server names them by paths.
//! This table is between them. A file's inode number is the server's own number for it wherever that is free,
//! so that it is the same after a new mount; two names of one file, and files of servers without numbers, get
//! numbers from a range of our own.

use std::collections::HashMap;

use mpr_remotefs::{Attributes, Kind};

/// The root of every file system.
pub const ROOT: u64 = 1;
/// Numbers of our own begin here.
const OWN: u64 = 1 << 63;

#[derive(Debug)]
struct Node {
    parent: u64,
    /// `None` once the name has gone to another file or to none.
    name: Option<Box<str>>,
    number: u64,
    kind: Kind,
    lookups: u64,
}

/// The table.
#[derive(Debug)]
pub struct Nodes {
    by_ino: HashMap<u64, Node>,
    by_name: HashMap<(u64, Box<str>), u64>,
    next_own: u64,
}

impl Default for Nodes {
    fn default() -> Self {
        let root = Node { parent: ROOT, name: None, number: 0, kind: Kind::Directory, lookups: 1 };
        Nodes { by_ino: HashMap::from([(ROOT, root)]), by_name: HashMap::new(), next_own: OWN }
    }
}

impl Nodes {
    /// The path of a node from the root; `None` when it has no name any more or is not known.
    #[must_use]
    pub fn path(&self, ino: u64) -> Option<String> {
        let mut names = Vec::new();
        let mut at = ino;
        while at != ROOT {
            let node = self.by_ino.get(&at)?;
            names.push(node.name.as_deref()?);
            at = node.parent;
        }
        names.reverse();
        Some(names.join("/"))
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
        self.by_name.get(&(parent, name.into())).copied()
    }

    /// The directory a node is or was in.
    #[must_use]
    pub fn parent(&self, ino: u64) -> Option<u64> {
        self.by_ino.get(&ino).map(|node| node.parent)
    }

    /// Whether a node has lost its name.
    #[must_use]
    pub fn is_nameless(&self, ino: u64) -> bool {
        ino != ROOT && self.by_ino.get(&ino).is_none_or(|node| node.name.is_none())
    }

    /// Whether what the server has under a node's name is still what the kernel was told it is.
    #[must_use]
    pub fn is_same(&self, ino: u64, now: &Attributes) -> bool {
        ino == ROOT
            || self.by_ino.get(&ino).is_some_and(|node| node.kind == now.kind && same(node.number, now.id))
    }

    /// A name was found to stand for this. Answers the node's number and counts that the kernel was told it.
    pub fn found(&mut self, parent: u64, name: &str, now: &Attributes) -> u64 {
        if let Some(ino) = self.named(parent, name) {
            if let Some(node) = self.by_ino.get_mut(&ino)
                && node.kind == now.kind
                && same(node.number, now.id)
            {
                node.lookups += 1;
                return ino;
            }
            self.unname(parent, name);
        }
        let ino = self.free_number(now.id);
        let node = Node { parent, name: Some(name.into()), number: now.id, kind: now.kind, lookups: 1 };
        self.by_ino.insert(ino, node);
        self.by_name.insert((parent, name.into()), ino);
        ino
    }

    /// A name stands for nothing any more.
    pub fn unname(&mut self, parent: u64, name: &str) {
        if let Some(ino) = self.by_name.remove(&(parent, name.into()))
            && let Some(node) = self.by_ino.get_mut(&ino)
        {
            node.name = None;
        }
    }

    /// What had one name has another now.
    pub fn renamed(&mut self, parent: u64, name: &str, new_parent: u64, new_name: &str) {
        if (parent, name) == (new_parent, new_name) {
            return;
        }
        let moved = self.by_name.remove(&(parent, name.into()));
        self.unname(new_parent, new_name);
        if let Some(ino) = moved
            && let Some(node) = self.by_ino.get_mut(&ino)
        {
            node.parent = new_parent;
            node.name = Some(new_name.into());
            self.by_name.insert((new_parent, new_name.into()), ino);
        }
    }

    /// The kernel has forgotten having been told a number this many times.
    pub fn forget(&mut self, ino: u64, times: u64) {
        let Some(node) = self.by_ino.get_mut(&ino) else { return };
        node.lookups = node.lookups.saturating_sub(times);
        if node.lookups > 0 || ino == ROOT {
            return;
        }
        if let Some(node) = self.by_ino.remove(&ino)
            && let Some(name) = node.name
        {
            self.by_name.remove(&(node.parent, name));
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
    fn a_second_name_of_a_file_gets_a_number_of_its_own() {
        let mut nodes = Nodes::default();
        let one = nodes.found(ROOT, "a", &file(77));
        let other = nodes.found(ROOT, "A", &file(77));
        assert_ne!(one, other);
        assert_eq!(nodes.path(other).unwrap(), "A");
    }

    #[test]
    fn the_root_cannot_be_taken_and_strange_numbers_are_replaced() {
        let mut nodes = Nodes::default();
        for id in [0, ROOT, u64::MAX] {
            assert!(nodes.found(ROOT, &id.to_string(), &file(id)) >= OWN);
        }
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
    fn renaming_to_the_same_name_changes_nothing() {
        let mut nodes = Nodes::default();
        let ino = nodes.found(ROOT, "a", &file(5));
        nodes.renamed(ROOT, "a", ROOT, "a");
        assert_eq!(nodes.named(ROOT, "a"), Some(ino));
    }
}
