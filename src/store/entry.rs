//! Entries: last-writer-wins registers with an optional deadline register inside.
//!
//! At the edges (messages, merge laws) an entry is `crdts`' [`LWWReg`]; kept, it is a packed
//! [`Record`](super::record::Record), and a law test holds the two merges equal. `LWWReg::merge`
//! silently keeps the local value when two markers are equal and the values differ, which would
//! leave two replicas apart for ever: [`Entry::merge`] validates first, reports the conflict so
//! that it can be counted, and breaks the tie the same way everywhere.
//!
//! The deadline is a register of its own under the value's stamp: EXPIRE changes when a value
//! ends without claiming to have written the value, so it cannot overwrite a newer concurrent SET.

use bytes::Bytes;
use crdts::{CmRDT, CvRDT, LWWReg};
use serde::{Deserialize, Serialize};

use super::clock::Stamp;

/// A key in a namespace.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Key {
    /// The namespace: a database number of the Redis protocol, or a named cache.
    pub namespace: Namespace,
    /// The bytes; at most [`KEY_BYTES_MAX`].
    pub bytes: Bytes,
}

/// A namespace: keys in different namespaces never meet.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Namespace(pub u16);

/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = u16::MAX as usize;

/// The version of an entry: its value's stamp, then its deadline's. The deadline's equals the
/// value's where both were written together or there is none. Ordered lexicographically. In a message
/// it is told only where it does not.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(from = "(Stamp, Option<Stamp>)", into = "(Stamp, Option<Stamp>)")]
pub struct Version {
    /// Stamp of the value.
    pub value: Stamp,
    /// Stamp of the deadline.
    pub deadline: Stamp,
}

impl Version {
    /// Below every version of an entry.
    pub const ZERO: Version = Version { value: Stamp::ZERO, deadline: Stamp::ZERO };

    /// The version of a value written together with its deadline.
    pub fn of(stamp: Stamp) -> Version {
        Version { value: stamp, deadline: stamp }
    }

    /// The later of the two: whatever comes after the version has a stamp above it.
    pub fn latest(self) -> Stamp {
        self.value.max(self.deadline)
    }
}

impl From<(Stamp, Option<Stamp>)> for Version {
    fn from((value, deadline): (Stamp, Option<Stamp>)) -> Version {
        Version { value, deadline: deadline.unwrap_or(value) }
    }
}

impl From<Version> for (Stamp, Option<Stamp>) {
    fn from(version: Version) -> (Stamp, Option<Stamp>) {
        let Version { value, deadline } = version;
        (value, (deadline != value).then_some(deadline))
    }
}

/// What an entry holds.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Content {
    /// No content: "anything older than this stamp is dead". What a delete leaves, and what
    /// eviction or expiry leaves of an entry that some replica may not know yet.
    Mark,
    /// A value.
    Value(Bytes),
}

/// An entry as peers exchange it: in a message as content, version, deadline.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(from = "(Content, Version, Option<u64>)", into = "(Content, Version, Option<u64>)")]
pub struct Entry {
    register: LWWReg<Content, Stamp>,
    deadline: LWWReg<Option<u64>, Stamp>,
}

impl From<(Content, Version, Option<u64>)> for Entry {
    fn from((content, version, ends): (Content, Version, Option<u64>)) -> Entry {
        Entry {
            register: LWWReg { val: content, marker: version.value },
            deadline: LWWReg { val: ends, marker: version.deadline },
        }
    }
}

impl From<Entry> for (Content, Version, Option<u64>) {
    fn from(entry: Entry) -> (Content, Version, Option<u64>) {
        let version = entry.version();
        (entry.register.val, version, entry.deadline.val)
    }
}

/// Two different contents under one stamp. Cannot happen while writers are unique; counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Conflict;

impl Entry {
    /// A value written at `stamp`, ending at `deadline_ms` (milliseconds since 1970).
    pub fn value(stamp: Stamp, bytes: Bytes, deadline_ms: Option<u64>) -> Entry {
        Entry {
            register: LWWReg { val: Content::Value(bytes), marker: stamp },
            deadline: LWWReg { val: deadline_ms, marker: stamp },
        }
    }

    /// A mark: everything up to `stamp` is dead.
    pub fn mark(stamp: Stamp) -> Entry {
        Entry {
            register: LWWReg { val: Content::Mark, marker: stamp },
            deadline: LWWReg { val: None, marker: stamp },
        }
    }

    /// The same content with another deadline, decided at `stamp`.
    pub fn with_deadline(mut self, deadline_ms: Option<u64>, stamp: Stamp) -> Entry {
        self.deadline.apply(LWWReg { val: deadline_ms, marker: stamp });
        self
    }

    /// The version.
    pub fn version(&self) -> Version {
        Version { value: self.register.marker, deadline: self.deadline.marker }
    }

    /// The content.
    pub fn content(&self) -> &Content {
        &self.register.val
    }

    /// Bytes of the value; 0 for a mark.
    pub fn value_bytes(&self) -> usize {
        match &self.register.val {
            Content::Value(bytes) => bytes.len(),
            Content::Mark => 0,
        }
    }

    /// Where the value is, to be taken out or put in.
    pub fn value_mut(&mut self) -> Option<&mut Bytes> {
        match &mut self.register.val {
            Content::Value(bytes) => Some(bytes),
            Content::Mark => None,
        }
    }

    /// When the value ends, in milliseconds since 1970.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.deadline.val
    }

    /// The least upper bound of both: the newer value, and of equal values the newer deadline.
    ///
    /// Under one stamp, a value and a mark are the same version, once with and once without its
    /// content: the held one stays (a mark is never upgraded, a value never downgraded). Two values
    /// under one stamp are a conflict: the larger bytes win, everywhere.
    pub fn merge(&mut self, other: Entry) -> Result<(), Conflict> {
        let mut outcome = Ok(());
        if self.register.validate_merge(&other.register).is_err()
            && let (Content::Value(held), Content::Value(offered)) =
                (&self.register.val, &other.register.val)
        {
            outcome = Err(Conflict);
            if offered > held {
                self.register.val = other.register.val.clone();
            }
        }
        match self.register.marker.cmp(&other.register.marker) {
            std::cmp::Ordering::Less => *self = other,
            std::cmp::Ordering::Greater => {}
            std::cmp::Ordering::Equal => {
                if self.deadline.validate_merge(&other.deadline).is_err() {
                    outcome = Err(Conflict);
                    let later = self.deadline.val.max(other.deadline.val);
                    self.deadline.val = later;
                }
                self.deadline.merge(other.deadline);
            }
        }
        outcome
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::super::clock::{Hlc, Writer};
    use super::*;

    /// Entries of a few stamps, such that a stamp determines its content, as in a real cluster.
    pub(crate) fn entries() -> impl Strategy<Value = Entry> {
        (1u64..6, 0u64..3, 0u64..6).prop_map(|(time, writer, later)| {
            let stamp = Stamp { hlc: Hlc(time), writer: Writer(writer) };
            let seed = time * 3 + writer;
            let entry = if seed.is_multiple_of(4) {
                Entry::mark(stamp)
            } else {
                let bytes = Bytes::from(vec![seed as u8; (seed % 5) as usize]);
                Entry::value(stamp, bytes, (seed.is_multiple_of(3)).then_some(seed * 100))
            };
            if later > time && matches!(entry.content(), Content::Value(_)) {
                let at = Stamp { hlc: Hlc(later), writer: Writer(writer) };
                entry.with_deadline((!later.is_multiple_of(2)).then_some(later * 1000), at)
            } else {
                entry
            }
        })
    }

    fn merged(a: &Entry, b: &Entry) -> Entry {
        let mut out = a.clone();
        out.merge(b.clone()).expect("a stamp determines its content");
        out
    }

    proptest! {
        #[test]
        fn merge_is_commutative_associative_and_idempotent(
            a in entries(), b in entries(), c in entries()
        ) {
            prop_assert_eq!(merged(&a, &b), merged(&b, &a));
            prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
            prop_assert_eq!(merged(&a, &a), a.clone());
            prop_assert_eq!(merged(&a, &b).version(), a.version().max(b.version()));
        }
    }

    #[test]
    fn equal_stamps_with_different_values_are_reported_and_broken_alike() {
        let stamp = Stamp { hlc: Hlc(9), writer: Writer(1) };
        let low = Entry::value(stamp, Bytes::from_static(b"a"), None);
        let high = Entry::value(stamp, Bytes::from_static(b"b"), None);
        let (mut left, mut right) = (low.clone(), high.clone());
        assert_eq!(left.merge(high.clone()), Err(Conflict));
        assert_eq!(right.merge(low), Err(Conflict));
        assert_eq!(left, right);
        assert_eq!(left, high);
    }

    #[test]
    fn a_deadline_does_not_outlive_a_newer_value() {
        let at = |t| Stamp { hlc: Hlc(t), writer: Writer(1) };
        let old = Entry::value(at(1), Bytes::from_static(b"old"), None);
        let expired = old.clone().with_deadline(Some(50), at(9));
        let mut newer = Entry::value(at(5), Bytes::from_static(b"new"), None);
        newer.merge(expired).unwrap();
        assert_eq!(newer.deadline_ms(), None);
        assert_eq!(newer.content(), &Content::Value(Bytes::from_static(b"new")));
    }
}
