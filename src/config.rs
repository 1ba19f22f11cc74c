//! Every setting of a node: what it means, its unit and range, how to choose it, what it costs.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU8;

use crate::error::StartError;
use crate::placement::PartitionCount;
use crate::tls::ClusterKey;

/// The port peers talk on (UDP), unless another is given.
pub const PEER_PORT: u16 = 7379;

/// Owners of each partition, unless another number is given.
pub const REPLICAS: NonZeroU8 = NonZeroU8::new(3).expect("three is not zero");

/// Least memory a node can be given, in bytes.
pub const MEMORY_BYTES_MIN: usize = 1 << 20;

/// Longest value unless limited further, in bytes.
pub const VALUE_BYTES_MAX: usize = 8 << 20;

/// Most operations that wait for the node at a time. Beyond it the callers wait: connections are
/// not read further, and embedded callers' futures are pending.
pub const SUBMISSIONS_MAX: usize = 16_384;

/// Most operations that a node has under way for its callers. Beyond it they wait as submissions,
/// where no deadline runs yet: a node that is asked for more than it can do gets slower, and its
/// clients with it, but no operation fails for want of time.
pub const UNDER_WAY_MAX: usize = 4_096;

/// Most bytes that wait for one peer. Beyond it frames are dropped: the writes in them count as
/// missed, and the peer is told to fetch them.
pub const PEER_QUEUE_BYTES_MAX: usize = 64 << 20;

/// Most bytes of large values, above 64 KiB each, that are under way to one peer when a command
/// with another one for it begins; less where the rate of bulk is low. Beyond it such commands
/// wait, with no deadline running; small ones pass them, and those that go to other peers.
pub const LARGE_UNDER_WAY_MAX: usize = 4 << 20;

/// Most commands that wait for that; beyond it the node takes none at all. [`DOOR_BYTES_MAX`] is full
/// with fewer where all of them have places.
pub const LARGE_WAITING_MAX: usize = 1_024;

/// Large values that wait for a peer, or are under way to it, are dropped when it has not answered
/// for so long, in milliseconds: it is told what it misses when it does.
pub const LARGE_SILENCE_MS: u64 = 500;

/// Of the memory for entries, one of so many parts may be taken by large values that are arriving,
/// half of that by those on one connection. Each has its place before its first byte is taken, for
/// which others are evicted as for an entry; beyond the bound their senders wait.
pub const ARRIVING_PARTS: usize = 4;

/// Of the memory for entries, one of so many parts, and no more than [`DOOR_BYTES_MAX`], may be
/// taken besides by what clients and callers have handed over of commands and values above 64 KiB:
/// what arrives, waits, or is under way to other nodes. A longer command passes alone. Beyond it
/// connections are not read, and callers' futures are pending. Some of the longest values fit in
/// it, as many as arrive at a peer at a time ([`ARRIVING_PARTS`]).
pub const DOOR_PARTS: usize = 4;

/// Most bytes of that, whatever the memory. As much as one peer's queue takes: more of it would wait
/// longer, and not be faster.
pub const DOOR_BYTES_MAX: usize = PEER_QUEUE_BYTES_MAX;

/// The same for commands and values above 1 KiB and up to 64 KiB. These go the way of all operations,
/// so what is under way of them is what a small one waits for.
pub const SHORT_DOOR_PARTS: usize = 16;

/// Most bytes of that, whatever the memory: some 30 ms of a way of 1 Gbit/s.
pub const SHORT_DOOR_BYTES_MAX: usize = 4 << 20;

/// A command that has had a place there for so long, in milliseconds, and for what its bytes that are
/// there take at [`CLIENT_RATE_MIN`], and has not arrived yet, loses its connection as soon as others
/// wait for the place. So does one whose client takes as long to read replies.
pub const CLIENT_PATIENCE_MS: u64 = 5_000;

/// Bytes a second, as slow as a client may be that keeps others waiting.
pub const CLIENT_RATE_MIN: u64 = 64 << 10;

/// Bytes of long commands and values, and of short ones, that a node with that memory for entries
/// has in hand.
pub(crate) fn door_bytes(max_memory: usize) -> (usize, usize) {
    let long = (max_memory / DOOR_PARTS).min(DOOR_BYTES_MAX);
    (long, (max_memory / SHORT_DOOR_PARTS).min(SHORT_DOOR_BYTES_MAX))
}

/// Bytes a second that bring other nodes up to date, unless another rate is given.
pub const BULK_RATE: u64 = 64 << 20;

/// Least such rate that a node can be given.
pub const BULK_RATE_MIN: u64 = 64 << 10;

/// How a node is set up. Every field may be set; [`Config::new`] gives the usual values.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The node's name, 1 to 64 bytes. Its identity, and with it its place on the ring, is derived
    /// from the name and the cluster key, so a node that is restarted under its name owns what it
    /// owned. Of two that share a name, the one that was started first ends
    /// ([`EndError::Replaced`](crate::EndError::Replaced)). Default: the advertised address.
    pub name: Option<String>,
    /// Where peers are listened to (UDP). Port 0 takes any free one. Default 127.0.0.1:7379.
    pub listen: SocketAddr,
    /// Where peers reach this node, if that is not the address listened on: behind NAT, or when
    /// listening on a wildcard address, which itself is never advertised.
    pub advertise: Option<SocketAddr>,
    /// Addresses of nodes to join, `host:port`. A name is resolved to all of its addresses, again
    /// and again, so a name in front of many nodes will do. Own addresses among them are ignored.
    pub seeds: Vec<String>,
    /// The secret that makes a cluster one: whoever has it is a member.
    pub key: ClusterKey,
    /// Memory for entries, in bytes, at least 1 MiB: keys, values, metadata and tables count. The
    /// process needs more: about 10 MiB for itself, 50 KiB per peer, what is in flight, and up to 5
    /// MiB for the versions of the 65,536 keys that were written through it last. Where entries
    /// come and go, the allocator keeps gaps between them, the more so the smaller they are:
    /// measured were 33 MiB in all for 16 MiB of entries of 100 bytes.
    pub max_memory: usize,
    /// Number of owners of each partition, 1 to 8. A constant of the cluster: a node with another
    /// number is refused. More copies survive more crashes and cost writes and memory. Default 3.
    pub replicas: NonZeroU8,
    /// This node's share of the ring, relative to the others'. 0 owns nothing: such a node
    /// coordinates and reads, as an autoscaled edge process should. Default 128.
    pub weight: u16,
    /// The failure domain (rack, data centre), at most 16 bytes: copies go to different zones.
    pub zone: String,
    /// Number of partitions, a power of two up to 16384. A constant of the cluster. Default 1024:
    /// good for up to about 100 nodes.
    pub partitions: PartitionCount,
    /// Longest value, in bytes; at most 8 MiB and a sixteenth of `max_memory`. Values above 64 KiB go
    /// to other nodes on a connection of their own, so that small operations do not wait behind
    /// them; what of them is arriving counts as memory for entries ([`ARRIVING_PARTS`]).
    pub value_bytes_max: usize,
    /// Bytes a second that this node sends to bring others up to date: to new owners of what it
    /// holds, and to nodes that were away. Half of it to one of them at most, and never more than
    /// their paths take without being filled. At least 64 KiB; default 64 MiB. Less of it leaves
    /// more of a narrow uplink to clients, and a joining node waits for longer. An operation with a
    /// value above 64 KiB has a deadline of 1 s and what the value takes at this rate, or at 8 MiB a
    /// second if that is less: set it to what a narrow path takes. It does not bound how fast these
    /// are sent.
    pub bulk_rate: u64,
}

impl Config {
    /// The usual values: loopback, no seeds, 256 MiB.
    pub fn new(key: ClusterKey) -> Config {
        Config {
            name: None,
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PEER_PORT),
            advertise: None,
            seeds: Vec::new(),
            key,
            max_memory: 256 << 20,
            replicas: REPLICAS,
            weight: 128,
            zone: String::new(),
            partitions: PartitionCount::default(),
            value_bytes_max: VALUE_BYTES_MAX,
            bulk_rate: BULK_RATE,
        }
    }

    /// Checks what the types leave open.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        let setting = |name, problem: String| Err(StartError::Setting { name, problem });
        if let Some(name) = &self.name
            && (name.is_empty() || name.len() > 64)
        {
            return setting("name", format!("is {} bytes long; 1 to 64 are allowed", name.len()));
        }
        for (setting_name, text) in
            [("name", self.name.as_deref().unwrap_or_default()), ("zone", &self.zone)]
        {
            if text.chars().any(char::is_control) {
                return setting(
                    setting_name,
                    "has control characters, which logs break at".to_owned(),
                );
            }
        }
        if self.replicas.get() > 8 {
            return setting("replicas", format!("is {}; 1 to 8 are allowed", self.replicas));
        }
        if self.zone.len() > 16 {
            return setting("zone", format!("is {} bytes long; 16 are allowed", self.zone.len()));
        }
        if self.max_memory < MEMORY_BYTES_MIN {
            return setting(
                "max_memory",
                format!("is {} bytes; the least is 1 MiB", self.max_memory),
            );
        }
        if self.bulk_rate < BULK_RATE_MIN {
            let least = BULK_RATE_MIN >> 10;
            return setting(
                "bulk_rate",
                format!("is {} bytes a second; the least is {least} KiB", self.bulk_rate),
            );
        }
        for (name, addr) in [("listen", Some(self.listen)), ("advertise", self.advertise)] {
            if let Some(addr) = addr.filter(|addr| is_of_many(addr.ip())) {
                return setting(
                    name,
                    format!("is {}, an address of many: give one of this host's own", addr.ip()),
                );
            }
        }
        let advertised = self.advertise.unwrap_or(self.listen);
        if advertised.ip().is_unspecified() {
            return setting(
                "advertise",
                format!(
                    "is needed, because {} is no address that others can reach: give this host's \
                     own, as in --advertise 10.0.0.1:{}",
                    advertised.ip(),
                    if self.listen.port() == 0 { PEER_PORT } else { self.listen.port() }
                ),
            );
        }
        if let Some(advertise) = self.advertise
            && advertise.port() == 0
            && self.listen.port() != 0
        {
            return setting("advertise", "has port 0, which nobody can reach".to_owned());
        }
        for seed in &self.seeds {
            let port = seed.rsplit_once(':').and_then(|(host, port)| {
                (!host.is_empty()).then_some(port)?.parse::<u16>().ok().filter(|port| *port != 0)
            });
            if port.is_none() {
                return setting("seed", format!("`{seed}` is no address of the form host:port"));
            }
        }
        Ok(())
    }

    /// The longest value this node takes, in bytes.
    pub(crate) fn value_limit(&self) -> usize {
        self.value_bytes_max.min(VALUE_BYTES_MAX).min(self.max_memory / 16)
    }
}

/// Whether packets to it go to more than one host, in which case no QUIC connection comes about.
fn is_of_many(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_multicast() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_multicast(),
    }
}
