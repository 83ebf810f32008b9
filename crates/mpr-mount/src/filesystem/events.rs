//! What others do, told to the kernel.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use mpr_fuse::{Notice, Notifier};
use mpr_remotefs::{Event, Recall, RemoteFs};

use super::{Inner, Mounted, locked};

/// How long a lease that is taken back waits for the kernel to forget what was read under it. Servers wait longer.
const FORGETTING: Duration = Duration::from_secs(5);

impl<R: RemoteFs> Mounted<R> {
    /// From now on the kernel is told by `notifier` what others do. To be called once, when it can hear.
    pub fn tell_of_events(&self, notifier: Notifier) {
        if self.0.notifier.set(notifier).is_ok() {
            let fs = Arc::downgrade(&self.0);
            self.0.runtime.spawn(listen(fs));
        }
    }
}

async fn listen<R: RemoteFs>(fs: Weak<Inner<R>>) {
    while let Some(fs) = fs.upgrade() {
        let event = fs.remote.next_event().await;
        fs.hear(event);
    }
}

impl<R: RemoteFs> Inner<R> {
    fn hear(&self, event: Event) {
        let Some(notifier) = self.notifier.get() else { return };
        match event {
            Event::Changed { path } => {
                let nodes = locked(&self.nodes);
                let node = nodes.place(&path).and_then(|(parent, name)| nodes.named(parent, name));
                if let Some(node) = node {
                    notifier.tell(Notice::Inode { node, contents: true });
                }
            }
            Event::Renamed { path } => {
                let nodes = locked(&self.nodes);
                if let Some((parent, name)) = nodes.place(&path) {
                    notifier.tell(Notice::Entry { parent, name: name.to_owned() });
                    notifier.tell(Notice::Inode { node: parent, contents: true });
                }
            }
            Event::Missed => {
                let nodes = locked(&self.nodes);
                for (parent, name) in nodes.names() {
                    notifier.tell(Notice::Entry { parent, name: name.to_owned() });
                }
                for node in nodes.all() {
                    notifier.tell(Notice::Inode { node, contents: true });
                }
            }
            Event::Recalled(recall) => self.give_back(notifier, recall),
            // What is not known here is told by what the kernel asks again.
            _ => {}
        }
    }

    /// Has the kernel forget what it read under a lease, then lets the lease go.
    fn give_back(&self, notifier: &Notifier, recall: Recall) {
        if recall.keep.read {
            return;
        }
        let nodes: Vec<u64> = locked(&self.nodes).numbered(recall.id).collect();
        for node in nodes {
            notifier.tell(Notice::Inode { node, contents: true });
        }
        let recall = Arc::new(Mutex::new(Some(recall)));
        let told = Arc::clone(&recall);
        notifier.mark(move || drop(locked(&told).take()));
        self.runtime.spawn(async move {
            tokio::time::sleep(FORGETTING).await;
            drop(locked(&recall).take());
        });
    }
}
