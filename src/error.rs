//! Errors, one enum per kind of operation: whose fault it is, and what state is left.

use std::net::SocketAddr;

pub use crate::node::event::Failure;

/// Why a node did not start. Nothing is left running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting has a value that cannot be used. The caller's fault.
    #[error("`{name}` {problem}")]
    Setting {
        /// The setting, as [`crate::Config`] calls it.
        name: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The peers' socket could not be bound.
    #[error("cannot listen for peers on {addr} (UDP): {source}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The system refused a thread or a runtime.
    #[error("cannot start the node's thread: {0}")]
    Thread(#[source] std::io::Error),
}

/// Why an operation on the cache failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The cluster's doing; see [`Failure`]. A write may still appear.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The key is longer than 65,535 bytes. Nothing was done.
    #[error("the key is {0} bytes long; 65535 are allowed")]
    KeyTooLong(usize),
    /// The value is longer than allowed. Nothing was done.
    #[error("the value is {bytes} bytes long; this node allows {max}")]
    ValueTooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

/// Why a node ended by itself.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndError {
    /// Another process was started under the node's name while it was a member. The others talk to
    /// that one; what this one held is not lost to them.
    #[error("another process runs as {name:?} at {addr}: give each node a name of its own")]
    Replaced {
        /// The name.
        name: String,
        /// Where the other process is.
        addr: SocketAddr,
    },
    /// Every seed belongs to a cluster with other constants than this node's configuration, and it
    /// had not joined any. The caller's fault.
    #[error("{problem}")]
    Unfit {
        /// The setting, as [`crate::Config`] calls it; `None` where the versions of the program are
        /// too far apart.
        setting: Option<&'static str>,
        /// Both values.
        problem: String,
    },
    /// It left the cluster, as it was asked to.
    #[error("the node has left its cluster")]
    Left,
    /// Its socket or its thread is gone.
    #[error("the node has stopped")]
    Stopped,
}
