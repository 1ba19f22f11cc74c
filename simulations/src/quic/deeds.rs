//! What processes did, in order, until the world takes note of it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use chickadee::node::event::Notice;
use tokio::sync::Notify;

/// Something that a process did.
#[derive(Debug)]
pub enum Deed {
    /// It sent a datagram.
    Sent {
        /// Where to.
        to: SocketAddr,
        /// What.
        bytes: Bytes,
    },
    /// Its node handed a frame or datagram to the network.
    Said(Bytes),
    /// Its node had something to say to an operator.
    Noticed(Notice),
    /// It exited.
    Exited,
}

/// Who did it: a host, in one of its lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Who {
    /// Which host.
    pub host: usize,
    /// Which life of it.
    pub life: u32,
}

/// Everything that was done and not yet taken note of.
#[derive(Debug, Default)]
pub struct Deeds {
    done: Mutex<Vec<(Who, Deed)>>,
    arrived: Notify,
}

impl Deeds {
    /// Waits until there is something. Cancel safe.
    pub async fn wait(&self) {
        while self.done.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            self.arrived.notified().await;
        }
    }

    /// Takes everything.
    pub fn take(&self) -> Vec<(Who, Deed)> {
        std::mem::take(&mut self.done.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Where a process leaves what it does.
#[derive(Clone, Debug)]
pub struct Doer {
    who: Who,
    deeds: Arc<Deeds>,
}

impl Doer {
    /// For one process.
    pub fn new(who: Who, deeds: Arc<Deeds>) -> Doer {
        Doer { who, deeds }
    }

    /// It did that.
    pub fn did(&self, deed: Deed) {
        let mut done = self.deeds.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.push((self.who, deed));
        if done.len() == 1 {
            self.deeds.arrived.notify_one();
        }
    }
}
