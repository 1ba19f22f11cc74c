//! Why a peer's Hello is refused, in words for both sides.

use std::fmt;

use super::PROTOCOL;
use crate::placement::NodeId;

/// Why a peer's Hello was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// It is not a Hello.
    NoHello(String),
    /// The certificate says one thing, the Hello another.
    OtherName(NodeId),
    /// A constant of the cluster differs, so that one of the two is in the wrong place.
    Constant(Difference),
}

/// A constant of the cluster that is not the same on both sides.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Difference {
    /// No protocol version in common; the peer's oldest and newest.
    Protocol(u16, u16),
    /// Another number of partitions.
    Partitions {
        /// The peer's number.
        theirs: u16,
        /// This node's number.
        ours: u16,
    },
    /// Another number of replicas.
    Replicas {
        /// The peer's number.
        theirs: u8,
        /// This node's number.
        ours: u8,
    },
}

impl Difference {
    /// The setting that makes the difference; a protocol is none.
    pub fn setting(&self) -> Option<&'static str> {
        match self {
            Difference::Protocol(..) => None,
            Difference::Partitions { .. } => Some("partitions"),
            Difference::Replicas { .. } => Some("replicas"),
        }
    }

    /// Both values, as this node sees it; `there` is the other node.
    pub fn told(&self, there: &str) -> String {
        match self {
            Difference::Protocol(oldest, newest) => {
                let (own_oldest, own_newest) = PROTOCOL;
                format!(
                    "this node speaks protocol {own_oldest} to {own_newest}, {there} {oldest} to \
                     {newest}"
                )
            }
            Difference::Partitions { theirs, ours } => {
                format!("this node has {ours} partitions, {there} has {theirs}")
            }
            Difference::Replicas { theirs, ours } => {
                format!("this node keeps {ours} replicas, {there} keeps {theirs}")
            }
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::NoHello(problem) => write!(f, "its first frame is no Hello: {problem}"),
            Refused::OtherName(id) => {
                write!(f, "its Hello names node {id}, its certificate another")
            }
            Refused::Constant(difference) => f.write_str(&difference.told("that node")),
        }
    }
}

impl Refused {
    /// The same for the other side, whose own values come first there.
    pub fn for_the_other(&self) -> String {
        let turned = match self {
            Refused::NoHello(_) | Refused::OtherName(_) => return self.to_string(),
            Refused::Constant(Difference::Protocol(oldest, newest)) => {
                let (own_oldest, own_newest) = PROTOCOL;
                return format!(
                    "this node speaks protocol {oldest} to {newest}, that node {own_oldest} to \
                     {own_newest}"
                );
            }
            Refused::Constant(Difference::Partitions { theirs, ours }) => {
                Difference::Partitions { theirs: *ours, ours: *theirs }
            }
            Refused::Constant(Difference::Replicas { theirs, ours }) => {
                Difference::Replicas { theirs: *ours, ours: *theirs }
            }
        };
        turned.told("that node")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_reads_its_own_value_first() {
        let difference = Difference::Replicas { theirs: 3, ours: 2 };
        let told = difference.told("the node at 10.0.0.1:7379");
        assert_eq!(told, "this node keeps 2 replicas, the node at 10.0.0.1:7379 keeps 3");
        let refused = Refused::Constant(difference);
        assert_eq!(refused.to_string(), "this node keeps 2 replicas, that node keeps 3");
        assert_eq!(refused.for_the_other(), "this node keeps 3 replicas, that node keeps 2");
        let refused = Refused::Constant(Difference::Protocol(7, 9));
        assert_eq!(refused.to_string(), "this node speaks protocol 1 to 1, that node 7 to 9");
        assert_eq!(refused.for_the_other(), "this node speaks protocol 7 to 9, that node 1 to 1");
    }
}
