//! A wire between client and server that can be cut, and messed with.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Changes the first message of a client.
pub(crate) type Meddler = fn(&mut [u8]);

pub(crate) struct Wire {
    pub(crate) port: u16,
    down: Arc<AtomicBool>,
    connections: Arc<Mutex<Vec<JoinHandle<()>>>>,
    listening: JoinHandle<()>,
}

impl Wire {
    pub(crate) async fn to(server: u16, meddler: Option<Meddler>) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let down = Arc::new(AtomicBool::new(false));
        let connections = Arc::new(Mutex::new(Vec::new()));
        let (is_down, made) = (Arc::clone(&down), Arc::clone(&connections));
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !is_down.load(Ordering::SeqCst) {
                    made.lock().unwrap().push(tokio::spawn(connect(client, server, meddler)));
                }
            }
        });
        Wire { port, down, connections, listening }
    }

    /// Cuts every connection.
    pub(crate) fn cut(&self) {
        for connection in self.connections.lock().unwrap().drain(..) {
            connection.abort();
        }
    }

    /// Connections that were made since every one was cut.
    pub(crate) fn made(&self) -> usize {
        self.connections.lock().unwrap().len()
    }

    /// Whether new connections get nowhere, too.
    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut();
    }
}

async fn connect(mut client: TcpStream, server: u16, meddler: Option<Meddler>) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    if let Some(meddler) = meddler {
        let mut length = [0; 4];
        client.read_exact(&mut length).await.unwrap();
        let mut message = vec![0; u32::from_be_bytes(length) as usize];
        client.read_exact(&mut message).await.unwrap();
        meddler(&mut message);
        server.write_all(&length).await.unwrap();
        server.write_all(&message).await.unwrap();
    }
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}
