//! Chickadee is a peer-to-peer gossip cache: a library to put into your own process, and a node
//! that any Redis client can talk to. There is no leader, no coordinator and no configuration
//! beyond one address to join and one key.
//!
//! Nodes find each other by SWIM gossip over mutually authenticated QUIC. Each builds the same hash
//! ring from the members it knows; an entry is a last-writer-wins register, kept by three owners;
//! what a node missed it fetches when it is back.
//!
//! ```
//! use std::time::Duration;
//! use chickadee::{ClusterKey, Node};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let key = ClusterKey::generate("prod", [7; 32])?; // in earnest: `chickadee key new`, a file
//! let listen = "127.0.0.1:0".parse()?;
//! let one = Node::builder(key.clone()).name("one").listen(listen).start().await?;
//! let seed = one.addr().to_string();
//! let two = Node::builder(key).name("two").listen(listen).seed(seed).start().await?;
//! two.await_ready().await?;
//!
//! one.cache().insert("greeting", "hello", Some(Duration::from_secs(60))).await?;
//! assert_eq!(two.cache().get("greeting").await?.as_deref(), Some(&b"hello"[..]));
//! two.restart().await;
//! # one.restart().await;
//! # Ok(())
//! # }
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(run()).unwrap();
//! ```
//!
//! # What is promised
//!
//! Each promise names what checks it.
//!
//! * **It answers.** A node serves reads and writes as long as it can reach itself or one owner of
//!   the key. A missing owner means fewer copies, counted in [`Written`], not a refusal; a hung one
//!   costs milliseconds. (Simulations `kill`, `stall`, `lossy`, `slow-node`, `contended`;
//!   `tests/binary.rs`.)
//! * **Large values give way to small ones.** Above 64 KiB they go to other nodes on a connection of
//!   their own; what of them is arriving has its place in the memory before it comes, and their
//!   operations have as much more time as they take at [`bulk_rate`](Config::bulk_rate). They wait
//!   for one another, and a node that does not answer is sent no more of them. What callers hand over
//!   is bounded in bytes ([`config::DOOR_PARTS`]): beyond it they wait. (Simulation `large-values`,
//!   `tests/clients/large.py`, `tests/binary.rs`.)
//! * **The last writer wins, always the same one.** Versions are unique and totally ordered, so all
//!   nodes agree which of two concurrent writes stays: the one with the later hybrid time, or at
//!   equal times the larger writer. The other is lost. (Laws in `src/store/entry.rs`.) A write that
//!   begins after another was acknowledged is no concurrent one: it comes after it, through whichever
//!   node, while a majority of the owners is there, and in the first second none of them starts anew.
//!   For that a node keeps its clock within 250 ms of the median of all that it hears, and follows
//!   its wall clock no further. (All simulations: the checker `order`, above all in `clock-skew`,
//!   `clock-jump`, `clock-restart`.)
//! * **It does not go back.** A replica that knew of a newer value or of a removal does not serve
//!   the old one again. In doubt it answers as if there were nothing: a cache may forget, it may
//!   not lie. What one replica knew says nothing of another: a client that is answered by two owners
//!   in turn, which were cut off from each other until lately, may read the older value second; and
//!   so may one that asks a node that owns no copy, while the newer is on its way to the second.
//!   Nor does a process serve what was overwritten while it was stopped for longer than 100 ms, if
//!   somebody who has that can be reached: it asks before it answers. (Of a large value it may hear
//!   as late as other owners, if only one of them had acknowledged it.)
//!   (Simulations `kill`, `stall`, `quick-restart`, `last-words`, `flush`, `partition-heal-short`,
//!   `partition-heal-long`, `heal-and-crash`, `half-told`, `short-lived`, `one-copy`, `swarm`.)
//! * **It converges.** Any two holders of an entry know of each other whether the other has it, and
//!   tell it what it may lack; then they are quiet. Two that meet again compare trees of hashes
//!   first, and only what differs is told. (All simulations, `reopen` above all;
//!   `tests/embedding.rs`.)
//! * **Eviction stays at home.** Memory pressure on one node changes no other node's content: what
//!   it dropped it is not sent again, and what the others must not forget it keeps as a mark; unless
//!   these marks would take half of its memory, as where it has a few per cent of the others'. Then
//!   it meets them anew, and what it cannot tell from something outlived they drop.
//!   What a node that starts anew or was away takes from one owner, another that had to evict it
//!   makes it drop only if nobody who knows as much still holds it. (Simulations `swarm`, `scarce`,
//!   `streamed-boot`; `simulations/tests/losses.rs`.) What is read at one owner the others hear of,
//!   and spare. What a node has evicted itself it does not ask another owner for, nor keep what it
//!   would be told: in a cache that answers 77 % of its reads (Zipf 0.9), another owner could have
//!   answered 2 % of all. (`src/store/partition/tests.rs`, `tests/clients/failover.py`.)
//! * **Expiry needs no message.** The end is a part of the entry, and checked at every read.
//!   (The checker `expiry`, above all in `clock-jump` and `slow-ways`; `tests/embedding.rs`.)
//! * **A deploy does not empty it.** Restarting every node, one after the other, loses no key while
//!   the others have copies and room, and of what full caches hold next to nothing;
//!   [`Node::await_ready`] says when the next one may go.
//!   A node that leaves for good waits until its successors have all it had, or its time is up
//!   ([`Node::leave`]). (Simulations `rolling-restart`, `leaving`, `crowded`, `no-longer-owner`;
//!   `simulations/tests/losses.rs`, `tests/embedding.rs`.)
//! * **It is closed by default.** All traffic between nodes is TLS 1.3 with certificates on both
//!   sides, derived from the cluster key; there is no plaintext mode. Without a key the binary uses
//!   loopback only, and a Redis port that others can reach needs a password. (`src/tls.rs`,
//!   `tests/binary.rs`.)
//!
//! And what is not: `SET NX`, `INCR` and the like are decided by one owner, which is exact while
//! the members are stable, and last-writer-wins across a partition: it is no lock service. Several
//! keys are never written atomically. An acknowledged write is lost if every owner that has it dies
//! before another one got it; and it may be, if none of those who took it owned it in the eyes of
//! the rest, from whom they were cut off. What fewer than most owners took, because the others were
//! out of reach, these may refuse later: then it is found at some owners, and missing at others. Ways
//! of more than 150 ms, one way, are not what the times above are made for. Nothing is written to
//! disk.
//!
//! # How the sources are laid out
//!
//! | | |
//! |---|---|
//! | `placement/` | who owns what: slots, partitions, the ring. Pure functions of the member list |
//! | `store/` | what is kept: stamps, entries, partitions. Sends nothing; time is an argument |
//! | `node/` | what a node decides: a deterministic state machine, bytes in, bytes out |
//! | `net/` | how bytes move: QUIC links between peers. Never looks inside a message |
//! | `tls.rs` | keys and certificates |
//! | `driver.rs` | the one loop that joins `node` to `net` |
//! | `handle.rs` | the fast path: local operations straight on the store |
//! | `api/` | the embedder's surface |
//! | `resp/` | the Redis protocol (feature `resp`) |
//! | `cli/` | the verbs of the binary (feature `cli`) |
//! | `config.rs`, `error.rs` | every setting; every error |
//!
//! Nothing points up: `cli`, `resp`, `api`, then `handle` and `driver`, then `node` and `net`, then
//! `store`, then `placement`. `tests/house_rules.rs` holds the sources to it. Since `placement`,
//! `store` and `node` read no clock and wait for nothing, the member `simulations` of the workspace
//! runs the same code by the hundred nodes in one process, under faults, from a seed.
//!
//! # Features
//!
//! `cli` (default) is the binary and brings `resp`; an embedding program wants
//! `default-features = false`. `simulation` opens the inside to the simulator, and promises nothing.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(feature = "simulation", warn(unreachable_pub))]

pub mod config;
pub mod error;

mod api;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;

// The inside: public only to the simulator, which uses parts of it that nothing here does.
#[cfg(not(feature = "simulation"))]
#[allow(dead_code, unused_imports)]
mod driver;
#[cfg(feature = "simulation")]
#[doc(hidden)]
pub mod driver;
#[cfg(not(feature = "simulation"))]
#[allow(dead_code, unused_imports)]
mod handle;
#[cfg(feature = "simulation")]
#[cfg_attr(not(feature = "resp"), allow(dead_code))]
#[doc(hidden)]
pub mod handle;
#[cfg(not(feature = "simulation"))]
#[allow(dead_code, unused_imports)]
mod net;
#[cfg(feature = "simulation")]
#[doc(hidden)]
pub mod net;
#[cfg(not(feature = "simulation"))]
#[allow(dead_code, unused_imports)]
mod node;
#[cfg(feature = "simulation")]
#[doc(hidden)]
pub mod node;
#[cfg(not(feature = "simulation"))]
#[allow(dead_code, unused_imports)]
mod placement;
#[cfg(feature = "simulation")]
#[doc(hidden)]
pub mod placement;
#[cfg(all(feature = "resp", not(feature = "simulation")))]
#[allow(dead_code, unused_imports)]
mod resp;
#[cfg(all(feature = "resp", feature = "simulation"))]
#[doc(hidden)]
pub mod resp;
#[cfg(not(feature = "simulation"))]
#[allow(dead_code, unused_imports)]
mod store;
#[cfg(feature = "simulation")]
#[doc(hidden)]
pub mod store;
#[cfg(not(feature = "simulation"))]
#[allow(dead_code, unused_imports)]
mod tls;
#[cfg(feature = "simulation")]
#[doc(hidden)]
pub mod tls;

pub use api::{Builder, Cache, Node};
pub use config::Config;
pub use error::{CacheError, EndError, Failure, StartError};
pub use node::event::{Level, MemberState, MemberView, Written};
pub use placement::{Generation, NodeId, PartitionCount, Zone};
pub use store::{Hlc, Stamp, Version, Writer};
pub use tls::{ClusterKey, KeyError};
