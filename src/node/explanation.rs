//! Why a key is where it is: what each of its holders says of it. The first thing to ask when a key
//! is missing.

use serde::{Deserialize, Serialize};

use crate::placement::{NodeId, Partition};
use crate::store::{Context, Held, KeyRef, Partition as Kept, Role, Stamp, Version};

/// Where a key belongs, and what is held of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// Slot of the key.
    pub slot: u16,
    /// Its partition.
    pub partition: Partition,
    /// Owners in order, as the node that was asked sees them: the first is the decider.
    pub owners: Vec<NodeId>,
    /// The node that was asked, the owners, and others that hold the partition.
    pub holders: Vec<Holder>,
}

impl Explanation {
    /// What to call a node: its name, or its id as long as that is unknown.
    pub fn name(&self, id: NodeId) -> String {
        let holder = self.holders.iter().find(|holder| holder.id == id);
        let name = holder.map(|holder| holder.name.clone()).filter(|name| !name.is_empty());
        name.unwrap_or_else(|| id.to_string())
    }
}

/// One node in an [`Explanation`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Who.
    pub id: NodeId,
    /// Its name; empty while unknown.
    pub name: String,
    /// What it holds; `None` if it cannot be reached, or did not answer in time.
    pub holding: Option<Holding>,
}

/// What a node holds of a key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Holding {
    /// What the node is to the key's partition.
    pub role: Role,
    /// What it holds.
    pub kind: HeldKind,
    /// At which version; zero if it holds nothing.
    pub version: Version,
    /// Milliseconds since 1970 at which the value ends.
    pub deadline_ms: Option<u64>,
    /// The largest stamp forgotten in the key's bucket, or flushed in its namespace: older values are
    /// not taken any more, unless to replace one that is held.
    pub floor: Stamp,
    /// Whether a miss there would be in doubt, so that others are asked.
    pub doubted: bool,
    /// Its sessions in the partition.
    pub sessions: Vec<Acquaintance>,
}

/// What a node holds of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum HeldKind {
    /// A live value.
    Value,
    /// The mark of one that is gone.
    Mark,
    /// Neither.
    Nothing,
}

/// What a holder knows of another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Acquaintance {
    /// Whom.
    pub peer: NodeId,
    /// Whether they trust each other, and have nothing left to say.
    pub in_step: bool,
    /// Whether the other one is known to cover what is held. Once all are, it may be forgotten.
    pub covers: bool,
}

impl Holding {
    /// What is held of a key here.
    pub fn of(key: KeyRef<'_>, kept: &Kept, context: &Context<'_>) -> Holding {
        let (kind, version, deadline_ms) = match kept.look(key, context) {
            Held::Value(parts) => (HeldKind::Value, parts.version, parts.deadline_ms),
            Held::Dead(version) => (HeldKind::Mark, version, None),
            Held::Nothing => (HeldKind::Nothing, Version::ZERO, None),
        };
        let bits = kept.bits(key);
        let sessions = kept.sessions().iter().map(|(bit, session)| Acquaintance {
            peer: session.peer,
            in_step: session.is_in_step(),
            covers: bits & 1 << bit != 0,
        });
        Holding {
            role: kept.role(),
            kind,
            version,
            deadline_ms,
            floor: kept.floor(key, context),
            doubted: kept.doubts(key, context.now),
            sessions: sessions.collect(),
        }
    }
}
