//! What was said in the log lately. What goes on failing is tried again for ever, and told once a
//! minute.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::Instant;

use crate::placement::NodeId;

/// Time between two lines about one topic.
const REPEAT: Duration = Duration::from_secs(60);
/// Topics remembered for that.
const TOPICS_MAX: usize = 1024;

/// What a line is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    Unreachable(SocketAddr),
    Refused(SocketAddr),
    AnotherKey(IpAddr),
    Dropped,
    /// Bulk for that peer goes over the link.
    Shared(NodeId),
    /// Names of seeds that do not resolve.
    Names,
    Rejoined,
    WentAbove,
}

/// When something was last said about each topic.
#[derive(Default)]
pub(super) struct Said(BTreeMap<Topic, Instant>);

impl Said {
    /// Whether it is time to say something about that topic, in which case the caller does.
    pub(super) fn is_due(&mut self, topic: Topic) -> bool {
        let now = Instant::now();
        let due = self.0.get(&topic).is_none_or(|said| now.duration_since(*said) >= REPEAT);
        if due {
            if self.0.len() >= TOPICS_MAX {
                self.0.clear();
            }
            self.0.insert(topic, now);
        }
        due
    }

    /// The same for two nodes that do not fit, which need not be called unreachable, too.
    pub(super) fn is_due_refused(&mut self, addr: SocketAddr) -> bool {
        self.is_due(Topic::Unreachable(addr));
        self.is_due(Topic::Refused(addr))
    }
}
