//! The files of the server: a tree of nodes, without clients, time-outs or leases.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use mpr_remotefs::{Attributes, Changes, Entry, Errno, Kind, Result, SetMode};

use super::contents::Contents;

pub(super) const NOT_DIRECTORY: Errno = Errno(libc::ENOTDIR);
pub(super) const IS_DIRECTORY: Errno = Errno(libc::EISDIR);
pub(super) const NO_DATA: Errno = Errno(libc::ENODATA);
const ROOT: u64 = 2;

#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) contents: Contents,
    pub(super) read_only: bool,
    /// Handles at the server.
    pub(super) opens: u32,
    target: String,
    children: BTreeMap<String, u64>,
    xattrs: BTreeMap<String, Bytes>,
    links: u32,
    accessed: SystemTime,
    modified: SystemTime,
    changed: SystemTime,
    created: SystemTime,
}

#[derive(Debug)]
pub(super) struct Tree {
    nodes: HashMap<u64, Node>,
    next: u64,
    clock: SystemTime,
}

impl Tree {
    pub(super) fn new() -> Tree {
        let mut tree = Tree { nodes: HashMap::new(), next: ROOT, clock: SystemTime::UNIX_EPOCH };
        tree.add(Kind::Directory);
        tree
    }

    /// The time: in the steps servers count in, and never the same twice.
    fn now(&mut self) -> SystemTime {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let rounded = Duration::new(since.as_secs(), since.subsec_nanos() / 100 * 100);
        self.clock = (SystemTime::UNIX_EPOCH + rounded).max(self.clock + Duration::from_nanos(100));
        self.clock
    }

    fn add(&mut self, kind: Kind) -> u64 {
        let now = self.now();
        let id = self.next;
        self.next += 1;
        let node = Node {
            kind,
            contents: Contents::default(),
            read_only: false,
            opens: 0,
            target: String::new(),
            children: BTreeMap::new(),
            xattrs: BTreeMap::new(),
            links: 1,
            accessed: now,
            modified: now,
            changed: now,
            created: now,
        };
        self.nodes.insert(id, node);
        id
    }

    pub(super) fn node(&self, id: u64) -> Result<&Node> {
        self.nodes.get(&id).ok_or(Errno::STALE)
    }

    pub(super) fn node_mut(&mut self, id: u64) -> Result<&mut Node> {
        self.nodes.get_mut(&id).ok_or(Errno::STALE)
    }

    pub(super) fn find(&self, path: &str) -> Result<u64> {
        let mut at = ROOT;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let node = self.node(at)?;
            if node.kind != Kind::Directory {
                return Err(NOT_DIRECTORY);
            }
            at = *node.children.get(name).ok_or(Errno::NOT_FOUND)?;
        }
        Ok(at)
    }

    pub(super) fn find_file(&self, path: &str) -> Result<u64> {
        let id = self.find(path)?;
        match self.node(id)?.kind {
            Kind::File => Ok(id),
            Kind::Directory => Err(IS_DIRECTORY),
            Kind::Symlink => Err(Errno(libc::ELOOP)),
        }
    }

    fn parent<'a>(&self, path: &'a str) -> Result<(u64, &'a str)> {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = self.find(directory)?;
        match self.node(parent)?.kind {
            Kind::Directory if name.is_empty() => Err(Errno(libc::EINVAL)),
            Kind::Directory => Ok((parent, name)),
            _ => Err(NOT_DIRECTORY),
        }
    }

    pub(super) fn attributes(&self, id: u64) -> Result<Attributes> {
        let node = self.node(id)?;
        let size = match node.kind {
            Kind::Symlink => node.target.len() as u64,
            _ => node.contents.size(),
        };
        Ok(Attributes {
            kind: node.kind,
            size,
            allocated: node.contents.allocated(),
            accessed: node.accessed,
            modified: node.modified,
            changed: node.changed,
            created: node.created,
            id,
            read_only: node.read_only,
            links: node.links,
        })
    }

    pub(super) fn entries(&self, path: &str) -> Result<Vec<Entry>> {
        let node = self.node(self.find(path)?)?;
        if node.kind != Kind::Directory {
            return Err(NOT_DIRECTORY);
        }
        let entry =
            |(name, id): (&String, &u64)| Ok(Entry { name: name.clone(), attributes: self.attributes(*id)? });
        node.children.iter().map(entry).collect()
    }

    /// Something new under a name that must be free.
    pub(super) fn make(&mut self, path: &str, kind: Kind, target: &str) -> Result<u64> {
        let (parent, name) = self.parent(path)?;
        if self.node(parent)?.children.contains_key(name) {
            return Err(Errno::EXISTS);
        }
        let id = self.add(kind);
        target.clone_into(&mut self.node_mut(id)?.target);
        self.give(parent, name, id)?;
        Ok(id)
    }

    fn give(&mut self, parent: u64, name: &str, id: u64) -> Result<()> {
        self.node_mut(parent)?.children.insert(name.to_owned(), id);
        self.touch(parent)
    }

    fn take(&mut self, parent: u64, name: &str) -> Result<()> {
        self.node_mut(parent)?.children.remove(name);
        self.touch(parent)
    }

    /// Its contents have changed.
    pub(super) fn touch(&mut self, id: u64) -> Result<()> {
        let now = self.now();
        let node = self.node_mut(id)?;
        node.modified = now;
        node.changed = now;
        Ok(())
    }

    pub(super) fn change(&mut self, id: u64, changes: Changes) -> Result<Attributes> {
        let now = self.now();
        let node = self.node_mut(id)?;
        if let Some(size) = changes.size {
            if node.kind != Kind::File {
                return Err(IS_DIRECTORY);
            }
            node.contents.resize(size);
            node.modified = now;
        }
        node.accessed = changes.accessed.unwrap_or(node.accessed);
        node.modified = changes.modified.unwrap_or(node.modified);
        node.read_only = changes.read_only.unwrap_or(node.read_only);
        node.changed = now;
        self.attributes(id)
    }

    pub(super) fn link(&mut self, path: &str, also: &str) -> Result<u64> {
        let id = self.find_file(path)?;
        let (parent, name) = self.parent(also)?;
        if self.node(parent)?.children.contains_key(name) {
            return Err(Errno::EXISTS);
        }
        self.give(parent, name, id)?;
        self.node_mut(id)?.links += 1;
        Ok(id)
    }

    pub(super) fn remove_file(&mut self, path: &str) -> Result<()> {
        let id = self.find(path)?;
        if self.node(id)?.kind == Kind::Directory {
            return Err(IS_DIRECTORY);
        }
        let (parent, name) = self.parent(path)?;
        self.take(parent, name)?;
        self.node_mut(id)?.links -= 1;
        self.sweep(id);
        Ok(())
    }

    pub(super) fn remove_directory(&mut self, path: &str) -> Result<()> {
        let id = self.find(path)?;
        let node = self.node(id)?;
        match node.kind {
            Kind::Directory if !node.children.is_empty() => Err(Errno(libc::ENOTEMPTY)),
            Kind::Directory if id == ROOT => Err(Errno(libc::EBUSY)),
            Kind::Directory => {
                let (parent, name) = self.parent(path)?;
                self.take(parent, name)?;
                self.nodes.remove(&id);
                Ok(())
            }
            _ => Err(NOT_DIRECTORY),
        }
    }

    pub(super) fn rename(&mut self, from: &str, to: &str, replace: bool) -> Result<()> {
        let id = self.find(from)?;
        if to.strip_prefix(from).is_some_and(|rest| rest.starts_with('/')) || id == ROOT {
            return Err(Errno(libc::EINVAL));
        }
        let (new_parent, _) = self.parent(to)?;
        match self.find(to) {
            Err(Errno::NOT_FOUND) => {}
            Err(error) => return Err(error),
            Ok(same) if same == id => return Ok(()),
            Ok(_) if !replace => return Err(Errno::EXISTS),
            Ok(victim) => match (self.node(id)?.kind, self.node(victim)?.kind) {
                (Kind::Directory, Kind::Directory) => self.remove_directory(to)?,
                (Kind::Directory, _) => return Err(NOT_DIRECTORY),
                (_, Kind::Directory) => return Err(IS_DIRECTORY),
                _ => self.remove_file(to)?,
            },
        }
        let (parent, name) = self.parent(from)?;
        self.take(parent, name)?;
        let (_, new_name) = self.parent(to)?;
        self.give(new_parent, new_name, id)
    }

    /// Every name of a node.
    pub(super) fn names_of(&self, id: u64) -> Vec<String> {
        let mut found = Vec::new();
        let mut directories = vec![(ROOT, String::new())];
        while let Some((directory, path)) = directories.pop() {
            let children = self.nodes.get(&directory).into_iter().flat_map(|node| &node.children);
            for (name, child) in children {
                let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
                if *child == id {
                    found.push(path.clone());
                }
                directories.push((*child, path));
            }
        }
        found
    }

    /// Forgets a node that has neither a name nor a handle.
    pub(super) fn sweep(&mut self, id: u64) {
        if self.nodes.get(&id).is_some_and(|node| node.links == 0 && node.opens == 0) {
            self.nodes.remove(&id);
        }
    }

    pub(super) fn target(&self, path: &str) -> Result<String> {
        let node = self.node(self.find(path)?)?;
        if node.kind == Kind::Symlink { Ok(node.target.clone()) } else { Err(Errno(libc::EINVAL)) }
    }

    pub(super) fn xattrs(&mut self, path: &str) -> Result<&mut BTreeMap<String, Bytes>> {
        let id = self.find(path)?;
        Ok(&mut self.node_mut(id)?.xattrs)
    }

    pub(super) fn set_xattr(&mut self, path: &str, name: &str, value: Bytes, mode: SetMode) -> Result<()> {
        let now = self.now();
        let xattrs = self.xattrs(path)?;
        match mode {
            SetMode::Create if xattrs.contains_key(name) => return Err(Errno::EXISTS),
            SetMode::Replace if !xattrs.contains_key(name) => return Err(NO_DATA),
            _ => {}
        }
        xattrs.insert(name.to_owned(), value);
        let id = self.find(path)?;
        self.node_mut(id)?.changed = now;
        Ok(())
    }
}
