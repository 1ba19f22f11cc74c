//! A kept entry: header, key and value packed into one allocation.
//!
//! ```text
//! 0        8         16      17     18          20         22
//! | hlc u64 | writer u64 | flags | bits | namespace | key len | [deadline ms u64] [deadline stamp 16] | key | value |
//! ```
//!
//! A table slot is the box itself (16 bytes), so an entry costs one allocation and one pointer
//! hop. The optional fields are there only where there is a deadline, and where the deadline was
//! decided apart from the value. All integers are little-endian.

use bytes::Bytes;

use super::clock::{Hlc, Stamp, Writer};
use super::entry::{Content, Entry, Key, Namespace, Version};

const HEADER: usize = 22;
const FLAGS: usize = 16;
const BITS: usize = 17;

const MARK: u8 = 1;
const DEADLINE: u8 = 2;
const DEADLINE_STAMP: u8 = 4;
const HOT: u8 = 8;
/// A mark of what a peer may have outlived.
const CONDEMNED: u8 = 16;
/// Read at another holder.
const WARM: u8 = 32;

/// A key, borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyRef<'a> {
    /// The namespace.
    pub namespace: Namespace,
    /// The bytes; at most [`super::entry::KEY_BYTES_MAX`].
    pub bytes: &'a [u8],
}

/// A key, borrowed.
pub fn key_ref(key: &Key) -> KeyRef<'_> {
    KeyRef { namespace: key.namespace, bytes: &key.bytes }
}

/// The parts of an entry, borrowed: what is merged, whoever brought it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parts<'a> {
    /// Value stamp and deadline stamp.
    pub version: Version,
    /// The value; `None` is a mark.
    pub value: Option<&'a [u8]>,
    /// When the value ends, in milliseconds since 1970.
    pub deadline_ms: Option<u64>,
}

impl<'a> Parts<'a> {
    /// The parts of an entry in exchange form.
    pub fn of(entry: &'a Entry) -> Parts<'a> {
        Parts {
            version: entry.version(),
            value: match entry.content() {
                Content::Mark => None,
                Content::Value(bytes) => Some(bytes),
            },
            deadline_ms: entry.deadline_ms(),
        }
    }

    /// The entry in exchange form; copies the value.
    pub fn to_entry(self) -> Entry {
        match self.value {
            None => Entry::mark(self.version.value),
            Some(value) => {
                Entry::value(self.version.value, Bytes::copy_from_slice(value), self.deadline_ms)
            }
        }
        .with_deadline(self.deadline_ms, self.version.deadline)
    }
}

/// An entry as it lies in the table.
#[derive(Debug)]
pub(super) struct Record(Box<[u8]>);

impl Record {
    pub(super) fn new(key: KeyRef<'_>, parts: Parts<'_>) -> Record {
        let separate = parts.version.deadline != parts.version.value;
        let mut flags = 0;
        let mut len = HEADER + key.bytes.len();
        match parts.value {
            None => flags |= MARK,
            Some(value) => len += value.len(),
        }
        if parts.deadline_ms.is_some() {
            flags |= DEADLINE;
            len += 8;
        }
        if separate {
            flags |= DEADLINE_STAMP;
            len += 16;
        }
        let mut bytes = Vec::with_capacity(len);
        put_stamp(&mut bytes, parts.version.value);
        bytes.push(flags);
        bytes.push(0);
        bytes.extend_from_slice(&key.namespace.0.to_le_bytes());
        bytes.extend_from_slice(&(key.bytes.len() as u16).to_le_bytes());
        if let Some(at) = parts.deadline_ms {
            bytes.extend_from_slice(&at.to_le_bytes());
        }
        if separate {
            put_stamp(&mut bytes, parts.version.deadline);
        }
        bytes.extend_from_slice(key.bytes);
        bytes.extend_from_slice(parts.value.unwrap_or_default());
        debug_assert_eq!(bytes.len(), len);
        Record(bytes.into_boxed_slice())
    }

    /// Overwrites in place where the new form has exactly the old one's size and layout, which
    /// spares an allocation on the commonest write. Returns whether it did.
    pub(super) fn overwrite(&mut self, parts: Parts<'_>) -> bool {
        let Some(value) = parts.value else {
            return false;
        };
        let separate = parts.version.deadline != parts.version.value;
        let flags = self.0[FLAGS];
        let start = self.value_start();
        if flags & MARK != 0
            || separate
            || flags & DEADLINE_STAMP != 0
            || (flags & DEADLINE != 0) != parts.deadline_ms.is_some()
            || self.0.len() - start != value.len()
        {
            return false;
        }
        self.0[..8].copy_from_slice(&parts.version.value.hlc.0.to_le_bytes());
        self.0[8..16].copy_from_slice(&parts.version.value.writer.0.to_le_bytes());
        self.0[BITS] = 0;
        if let Some(at) = parts.deadline_ms {
            self.0[HEADER..HEADER + 8].copy_from_slice(&at.to_le_bytes());
        }
        self.0[start..].copy_from_slice(value);
        true
    }

    pub(super) fn is(&self, key: KeyRef<'_>) -> bool {
        let start = self.key_start();
        let end = start + self.key_len();
        self.0[18..20] == key.namespace.0.to_le_bytes()
            && end - start == key.bytes.len()
            && &self.0[start..end] == key.bytes
    }

    pub(super) fn key(&self) -> KeyRef<'_> {
        let start = self.key_start();
        KeyRef { namespace: self.namespace(), bytes: &self.0[start..start + self.key_len()] }
    }

    pub(super) fn namespace(&self) -> Namespace {
        Namespace(u16::from_le_bytes([self.0[18], self.0[19]]))
    }

    pub(super) fn parts(&self) -> Parts<'_> {
        Parts {
            version: self.version(),
            value: (!self.is_mark()).then(|| &self.0[self.value_start()..]),
            deadline_ms: self.deadline_ms(),
        }
    }

    pub(super) fn version(&self) -> Version {
        let value = self.stamp_at(0);
        if self.0[FLAGS] & DEADLINE_STAMP == 0 {
            return Version::of(value);
        }
        let at = HEADER + if self.0[FLAGS] & DEADLINE != 0 { 8 } else { 0 };
        Version { value, deadline: self.stamp_at(at) }
    }

    pub(super) fn deadline_ms(&self) -> Option<u64> {
        (self.0[FLAGS] & DEADLINE != 0).then(|| self.u64_at(HEADER))
    }

    pub(super) fn is_mark(&self) -> bool {
        self.0[FLAGS] & MARK != 0
    }

    /// One bit per session of the partition: "that peer covers this entry".
    pub(super) fn bits(&self) -> u8 {
        self.0[BITS]
    }

    pub(super) fn set_bits(&mut self, bits: u8) {
        self.0[BITS] = bits;
    }

    /// Whether it was read since eviction last looked.
    pub(super) fn is_hot(&self) -> bool {
        self.0[FLAGS] & HOT != 0
    }

    /// It is read here.
    pub(super) fn heat(&mut self) {
        // Read first: a hot key read by several threads must not dirty its cache line each time.
        if !self.is_hot() {
            self.0[FLAGS] |= HOT;
        }
    }

    /// It is read elsewhere. Word of that comes once in a round of that node's eviction, and this
    /// one's is at another place, so that two rounds may pass between two of them.
    pub(super) fn warm(&mut self) {
        self.0[FLAGS] |= HOT | WARM;
    }

    /// Eviction looks at it. Returns whether it is spared.
    pub(super) fn cool(&mut self) -> bool {
        let (hot, warm) = (self.is_hot(), self.0[FLAGS] & WARM != 0);
        self.0[FLAGS] &= if warm { !WARM } else { !HOT };
        hot
    }

    /// Takes over how another one is read.
    pub(super) fn take_heat(&mut self, other: &Record) {
        self.0[FLAGS] |= other.0[FLAGS] & (HOT | WARM);
    }

    /// Whether a peer may have outlived what this is the mark of.
    pub(super) fn is_condemned(&self) -> bool {
        self.0[FLAGS] & CONDEMNED != 0
    }

    pub(super) fn condemn(&mut self) {
        self.0[FLAGS] |= CONDEMNED;
    }

    /// Bytes of memory, the allocator's rounding included.
    pub(super) fn footprint(&self) -> usize {
        (self.0.len() + 8 + 15) & !15
    }

    fn key_len(&self) -> usize {
        u16::from_le_bytes([self.0[20], self.0[21]]) as usize
    }

    fn key_start(&self) -> usize {
        let flags = self.0[FLAGS];
        HEADER
            + if flags & DEADLINE != 0 { 8 } else { 0 }
            + if flags & DEADLINE_STAMP != 0 { 16 } else { 0 }
    }

    fn value_start(&self) -> usize {
        self.key_start() + self.key_len()
    }

    fn u64_at(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.0[at..at + 8].try_into().expect("eight bytes"))
    }

    fn stamp_at(&self, at: usize) -> Stamp {
        Stamp { hlc: Hlc(self.u64_at(at)), writer: Writer(self.u64_at(at + 8)) }
    }
}

fn put_stamp(out: &mut Vec<u8>, stamp: Stamp) {
    out.extend_from_slice(&stamp.hlc.0.to_le_bytes());
    out.extend_from_slice(&stamp.writer.0.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::entry::tests::entries;
    use super::*;

    proptest! {
        #[test]
        fn a_record_gives_back_what_was_packed(entry in entries(), key in prop::collection::vec(any::<u8>(), 0..40), namespace: u16) {
            let key = KeyRef { namespace: Namespace(namespace), bytes: &key };
            let record = Record::new(key, Parts::of(&entry));
            prop_assert_eq!(record.key(), key);
            prop_assert!(record.is(key));
            prop_assert_eq!(record.parts(), Parts::of(&entry));
            prop_assert_eq!(record.parts().to_entry(), entry);
        }

        #[test]
        fn overwriting_in_place_equals_packing_anew(a in entries(), b in entries()) {
            let key = KeyRef { namespace: Namespace(3), bytes: b"key" };
            let mut record = Record::new(key, Parts::of(&a));
            if record.overwrite(Parts::of(&b)) {
                prop_assert_eq!(record.parts(), Parts::of(&b));
                prop_assert_eq!(record.key(), key);
            }
        }
    }
}
