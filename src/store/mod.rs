//! What is kept: entries, their versions, their end, and the memory they may use.
//!
//! Laws and data; sends nothing, and knows time only as an argument. The lock and the eviction unit
//! is the [`shard`]; the unit of ownership and repair is the [`partition`].

pub mod clock;
pub mod entry;
pub mod flushes;
pub mod operation;
pub mod partition;
pub mod record;
pub mod rules;
pub mod sessions;
pub mod shard;

pub use clock::{Clock, Hlc, Mono, Now, Stamp, Writer};
pub use entry::{Content, Entry, Key, Namespace, Version};
pub use flushes::Flushes;
pub use operation::{Answer, Only, OnlyDeadline, Operation, Ttl, Update};
pub use partition::{Context, Cursor, Decided, Held, Merged, NotHere, Partition, Role};
pub use record::{KeyRef, Parts, key_ref};
pub use rules::Rules;
pub use shard::{Store, StoreOptions, key_hash};
