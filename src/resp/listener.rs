//! The plain listener: accepts Redis clients; any node serves every key.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::connection::Connection;
use crate::handle::Handle;

/// How a listener is set up.
#[derive(Clone, Debug)]
pub struct ListenerOptions {
    /// The password that clients must give with AUTH or HELLO; none lets everybody in.
    pub password: Option<String>,
    /// Most connections at a time; a further one is told so and closed.
    pub connections_max: usize,
}

impl Default for ListenerOptions {
    fn default() -> ListenerOptions {
        ListenerOptions { password: None, connections_max: 10_000 }
    }
}

/// What all connections of a listener share.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) handle: Handle,
    pub(super) options: ListenerOptions,
    pub(super) local: SocketAddr,
    pub(super) started: Instant,
    pub(super) commands: AtomicU64,
    pub(super) accepted: AtomicU64,
    /// A line for CLIENT LIST per connection.
    pub(super) lines: Mutex<BTreeMap<u64, String>>,
}

/// Serves clients until `stop` says so, then gives those that are connected a moment to read their
/// last replies.
pub async fn serve(
    listener: TcpListener,
    handle: Handle,
    options: ListenerOptions,
    mut stop: watch::Receiver<bool>,
) {
    let Ok(local) = listener.local_addr() else {
        return;
    };
    let clients = Arc::new(Clients {
        handle,
        options,
        local,
        started: Instant::now(),
        commands: AtomicU64::new(0),
        accepted: AtomicU64::new(0),
        lines: Mutex::default(),
    });
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(_) = tasks.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => admit(stream, peer, &clients, &mut tasks),
                Err(error) => {
                    // Out of file descriptors, most likely: others may close theirs meanwhile.
                    warn!("cannot accept a client: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    drop(listener);
    // Connections see the node stop answering; what they have written is with the kernel.
    tasks.shutdown().await;
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone will never say it any more: the same to us.
    let _ = stop.wait_for(|stop| *stop).await;
}

fn admit(stream: TcpStream, peer: SocketAddr, clients: &Arc<Clients>, tasks: &mut JoinSet<()>) {
    let id = clients.accepted.fetch_add(1, Ordering::Relaxed) + 1;
    if clients.lines.lock().len() >= clients.options.connections_max {
        let _ = stream.try_write(b"-ERR max number of clients reached\r\n");
        return;
    }
    let _ = stream.set_nodelay(true);
    let clients = clients.clone();
    clients.lines.lock().insert(id, String::new());
    tasks.spawn(async move {
        // Also when the task is aborted.
        let _registered = Registered { id, clients: clients.clone() };
        if let Err(error) = Connection::new(id, peer, stream, clients).run().await {
            debug!(%peer, "client gone: {error}");
        }
    });
}

struct Registered {
    id: u64,
    clients: Arc<Clients>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.clients.lines.lock().remove(&self.id);
    }
}
