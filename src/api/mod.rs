//! The embedder's surface: a node inside your own process, and the cache it is a member of.
//!
//! No global state: a node runs on a thread of its own, logs through `tracing` to whatever
//! subscriber the host installed, and several can live in one process.

use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::time::Duration;

use bytes::Bytes;

use crate::config::Config;
use crate::driver::{Running, Stage};
use crate::error::{CacheError, EndError, Failure, StartError};
use crate::handle::Handle;
use crate::node::event::{Command, Level, MemberView, Reply, Written};
use crate::placement::NodeId;
use crate::store::entry::KEY_BYTES_MAX;
use crate::store::{Answer, Key, KeyRef, Namespace, Operation, Version};
use crate::tls::ClusterKey;

/// Sets up a node; see [`Config`] for what each setting means.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `start`"]
pub struct Builder {
    config: Config,
}

impl Builder {
    /// The node's name: its identity and its place on the ring are derived from it. Two nodes must
    /// never share a name. Default: the address it advertises.
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.config.name = Some(name.into());
        self
    }

    /// Where peers are listened to (UDP); port 0 takes any free one. Default 127.0.0.1:7379.
    pub fn listen(mut self, listen: SocketAddr) -> Builder {
        self.config.listen = listen;
        self
    }

    /// Where peers reach this node, if not where it listens.
    pub fn advertise(mut self, advertise: SocketAddr) -> Builder {
        self.config.advertise = Some(advertise);
        self
    }

    /// A node to join, `host:port`; may be called several times.
    pub fn seed(mut self, seed: impl Into<String>) -> Builder {
        self.config.seeds.push(seed.into());
        self
    }

    /// This node's share of the ring, relative to the others'. Default 128; 0 owns nothing.
    pub fn weight(mut self, weight: u16) -> Builder {
        self.config.weight = weight;
        self
    }

    /// The failure domain: copies go to different zones.
    pub fn zone(mut self, zone: impl Into<String>) -> Builder {
        self.config.zone = zone.into();
        self
    }

    /// Owners per partition, a constant of the cluster. Default 3.
    pub fn replicas(mut self, replicas: NonZeroU8) -> Builder {
        self.config.replicas = replicas;
        self
    }

    /// Memory for entries, in bytes. Default 256 MiB.
    pub fn max_memory(mut self, bytes: usize) -> Builder {
        self.config.max_memory = bytes;
        self
    }

    /// Bytes a second that bring other nodes up to date. Default 64 MiB.
    pub fn bulk_rate(mut self, bytes_per_second: u64) -> Builder {
        self.config.bulk_rate = bytes_per_second;
        self
    }

    /// Starts the node. Returns as soon as its socket is bound; it joins in the background, see
    /// [`Node::await_ready`].
    ///
    /// # Errors
    /// A setting that cannot be used, or an address that cannot be bound.
    pub async fn start(self) -> Result<Node, StartError> {
        self.config.check()?;
        // Binding does not wait for the network, so this blocks for well under a millisecond.
        Ok(Node { running: Running::start(self.config)? })
    }
}

/// A member of a cluster, living in this process.
///
/// Dropping it stops the node for a restart without waiting; [`Node::restart`] waits.
#[derive(Debug)]
pub struct Node {
    running: Running,
}

impl Node {
    /// Sets up a node of the cluster that this key belongs to.
    pub fn builder(key: ClusterKey) -> Builder {
        Builder { config: Config::new(key) }
    }

    /// Starts a node from a configuration.
    ///
    /// # Errors
    /// As [`Builder::start`].
    pub fn start(config: Config) -> Result<Node, StartError> {
        Ok(Node { running: Running::start(config)? })
    }

    /// Who this node is.
    pub fn id(&self) -> NodeId {
        self.running.id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.running.name
    }

    /// Where peers reach it: what others give as their seed.
    pub fn addr(&self) -> SocketAddr {
        self.running.addr
    }

    /// Where it listens to peers, which may be a wildcard.
    pub fn listen_addr(&self) -> SocketAddr {
        self.running.listen_addr
    }

    /// The default cache of the cluster: the one that Redis clients see as database 0.
    pub fn cache(&self) -> Cache {
        Cache { handle: self.running.handle.clone(), namespace: Namespace(0) }
    }

    /// What runs local operations, for the Redis listener.
    pub fn handle(&self) -> Handle {
        self.running.handle.clone()
    }

    /// Waits until the node is a member of a cluster, or knows that it is alone. Then its doors may
    /// open: it answers, though it may still be fetching what it owns.
    ///
    /// # Errors
    /// If the node has ended by itself.
    pub async fn await_open(&self) -> Result<(), EndError> {
        let mut stage = self.running.stage.clone();
        match stage.wait_for(|stage| *stage != Stage::Joining).await {
            Ok(stage) if *stage == Stage::Open => Ok(()),
            _ => Err(self.end()),
        }
    }

    /// Waits until the node ends by itself, and tells why. A node does so when it was replaced, and
    /// when it cannot be a member of the cluster it was told to join.
    pub async fn await_end(&self) -> EndError {
        let mut stage = self.running.stage.clone();
        let _ = stage.wait_for(|stage| *stage == Stage::Stopped).await;
        self.end()
    }

    fn end(&self) -> EndError {
        self.running.ended.get().cloned().unwrap_or(EndError::Stopped)
    }

    /// Waits until the node has all of what it owns. For an orchestrator: only then restart the
    /// next node.
    ///
    /// # Errors
    /// If the node has ended by itself: it will not be ready any more.
    pub async fn await_ready(&self) -> Result<(), EndError> {
        self.await_open().await?;
        let shared = self.running.handle.shared();
        loop {
            let changed = shared.changed.notified();
            if *self.running.stage.borrow() == Stage::Stopped {
                return Err(self.end());
            }
            if self.running.handle.is_ready() {
                return Ok(());
            }
            // In case the change came between the two lines above.
            let _ = tokio::time::timeout(Duration::from_millis(50), changed).await;
        }
    }

    /// The members that this node knows, itself first.
    ///
    /// # Errors
    /// If the node has stopped.
    pub async fn members(&self) -> Result<Vec<MemberView>, CacheError> {
        match self.running.handle.ask(Command::Members).await {
            Ok(Reply::Members(members)) => Ok(members),
            Ok(Reply::Failed(failure)) | Err(failure @ Failure::Replaced) => {
                Err(CacheError::Failed(failure))
            }
            _ => Err(CacheError::Stopped),
        }
    }

    /// Leaves the cluster for good: hands over what this node holds to those who own it from now on,
    /// for at most so long, and ends. Returns how many partitions nobody had taken by then; what was
    /// only there is lost.
    pub async fn leave(mut self, within: Duration) -> usize {
        let within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        let left = self.running.handle.ask(Command::Leave { within_ms }).await;
        self.running.stop().await;
        match left {
            Ok(Reply::Left { kept }) => kept,
            // It had ended before.
            _ => 0,
        }
    }

    /// Stops the node for a restart: finishes what is under way, tells the others that it is gone so
    /// that nobody waits for it, and returns when it has ended, within 10 s. Started again under its
    /// name it takes the same place and fetches what it owns.
    pub async fn restart(mut self) {
        self.running.stop().await;
    }
}

/// The cluster's cache, as seen from one node. Cheap to clone.
///
/// A key that this node owns is read without leaving the caller's thread.
#[derive(Clone, Debug)]
pub struct Cache {
    handle: Handle,
    namespace: Namespace,
}

impl Cache {
    /// Reads a value. `None` also if the cluster forgot it: this is a cache.
    ///
    /// # Errors
    /// If no owner of the key can be reached.
    pub async fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, CacheError> {
        let bytes = key.as_ref();
        let key = self.key_ref(bytes)?;
        let copied = |answer: Answer<&[u8]>| match answer {
            Answer::Found { value, .. } => Some(Bytes::copy_from_slice(value)),
            _ => None,
        };
        let batch = self.handle.batch();
        if let Ok(found) = self.handle.local(batch, key, &Operation::Get, copied) {
            return Ok(found);
        }
        match self.ask(bytes, Operation::Get, Level::One).await? {
            (Answer::Found { value, .. }, _) => Ok(Some(value)),
            _ => Ok(None),
        }
    }

    /// Writes a value, ending after `ttl` if one is given. Returns what the write came to: how many
    /// owners have it, and its version.
    ///
    /// # Errors
    /// If too few owners acknowledged in time, in which case it may still appear; or if key or value
    /// are too long.
    pub async fn insert(
        &self,
        key: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
        ttl: Option<Duration>,
    ) -> Result<Option<Written>, CacheError> {
        let bytes = key.as_ref();
        let key = self.key_ref(bytes)?;
        let value = value.into();
        let max = self.handle.value_bytes_max();
        if value.len() > max {
            return Err(CacheError::ValueTooLarge { bytes: value.len(), max });
        }
        let batch = self.handle.batch();
        let ends = |ttl: Duration| {
            let ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
            self.handle.expiry_ms(batch).saturating_add(ms)
        };
        let deadline_ms = ttl.map(ends);
        let local = Operation::Set { value: &value[..], deadline_ms };
        if self.handle.local(batch, key, &local, |_| ()).is_ok() {
            return Ok(None);
        }
        let (_, written) =
            self.ask(bytes, Operation::Set { value, deadline_ms }, Level::Quorum).await?;
        Ok(written)
    }

    /// Removes a value. Returns whether there was one.
    ///
    /// # Errors
    /// If too few owners acknowledged in time, in which case it may still take effect.
    pub async fn remove(&self, key: impl AsRef<[u8]>) -> Result<bool, CacheError> {
        let bytes = key.as_ref();
        let key = self.key_ref(bytes)?;
        let existed = |answer: Answer<&[u8]>| matches!(answer, Answer::Existed(true));
        let batch = self.handle.batch();
        if let Ok(existed) = self.handle.local(batch, key, &Operation::Delete, existed) {
            return Ok(existed);
        }
        let (answer, _) = self.ask(bytes, Operation::Delete, Level::Quorum).await?;
        Ok(matches!(answer, Answer::Existed(true)))
    }

    async fn ask(
        &self,
        key: &[u8],
        operation: Operation<Bytes>,
        level: Level,
    ) -> Result<(Answer<Bytes>, Option<Written>), CacheError> {
        let bytes = Bytes::copy_from_slice(key);
        let key = Key { namespace: self.namespace, bytes };
        let command = Command::Key { key, operation, level, min: Version::ZERO };
        match self.handle.ask(command).await {
            Ok(Reply::Answer { answer, written }) => Ok((answer, written)),
            Ok(Reply::Failed(failure)) | Err(failure @ Failure::Replaced) => {
                Err(CacheError::Failed(failure))
            }
            _ => Err(CacheError::Stopped),
        }
    }

    fn key_ref<'k>(&self, bytes: &'k [u8]) -> Result<KeyRef<'k>, CacheError> {
        if bytes.len() > KEY_BYTES_MAX {
            return Err(CacheError::KeyTooLong(bytes.len()));
        }
        Ok(KeyRef { namespace: self.namespace, bytes })
    }
}
