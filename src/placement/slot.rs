//! Slots and partitions: where a key belongs.
//!
//! A key hashes to one of 16384 **slots** exactly as in Redis Cluster, so a stock cluster client
//! computes the same slot and can go straight to an owner. Slots are too many to own one by one
//! (each costs a tree, sessions and a line in `CLUSTER SLOTS`), so a **partition** is a contiguous
//! range of them and the unit of ownership.
//!
//! Keeps true: the slot depends on the key's bytes alone and never changes between builds;
//! partitions are of equal size and cover every slot once.
//!
//! Deliberately not: a good hash. CRC16 is linear and public, so whoever chooses keys can aim them
//! all at one partition, as in Redis. Compatibility is worth more here; nothing else in the crate
//! relies on slots being spread well.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// Number of slots, as in Redis Cluster.
pub const SLOTS: u16 = 16384;

/// A partition: a contiguous range of slots, the unit of ownership.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Partition(pub u16);

/// Into how many partitions the slots are cut: a power of two in `1..=16384`, the same on every
/// node of a cluster.
///
/// More partitions balance better and make membership changes finer; each costs memory, and
/// clients fetch one line per partition. 1024 (the default) balances 50 nodes within a few percent
/// and keeps `CLUSTER SLOTS` at a quarter of a megabyte.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct PartitionCount(u16);

/// A number that cannot be a [`PartitionCount`]: the caller's mistake; nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0} is no partition count: a power of two from 1 to 16384 is wanted")]
pub struct BadPartitionCount(pub u16);

impl PartitionCount {
    /// The count, if it is a power of two that divides the slots.
    pub const fn new(count: u16) -> Option<Self> {
        if count.is_power_of_two() && count <= SLOTS { Some(Self(count)) } else { None }
    }

    /// The number itself.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The partition that holds a slot.
    pub const fn of_slot(self, slot: u16) -> Partition {
        debug_assert!(slot < SLOTS);
        // As `slot / (SLOTS / count)`, without a division on the path of every GET.
        Partition(((slot as u32 * self.0 as u32) >> SLOTS.trailing_zeros()) as u16)
    }

    /// The slots of a partition, which must be one of [`iter`](Self::iter).
    pub const fn slots(self, partition: Partition) -> RangeInclusive<u16> {
        assert!(partition.0 < self.0, "no such partition");
        let width = SLOTS / self.0;
        let first = partition.0 * width;
        first..=first + (width - 1)
    }

    /// All partitions, in the order of their slots.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Partition> + DoubleEndedIterator {
        (0..self.0).map(Partition)
    }
}

impl Default for PartitionCount {
    fn default() -> Self {
        Self(1024)
    }
}

impl TryFrom<u16> for PartitionCount {
    type Error = BadPartitionCount;

    fn try_from(count: u16) -> Result<Self, BadPartitionCount> {
        Self::new(count).ok_or(BadPartitionCount(count))
    }
}

impl From<PartitionCount> for u16 {
    fn from(count: PartitionCount) -> u16 {
        count.0
    }
}

/// The slot of a key: CRC16 of the key, or of its `{tag}` if it has one, mod 16384.
///
/// The rule is the Redis Cluster specification's ("Hash tags"), to the byte: the tag reaches from
/// the first `{` to the first `}` after it and counts only if it is not empty.
#[inline]
pub fn slot(key: &[u8]) -> u16 {
    let hashed = if has_brace(key) { tag(key).unwrap_or(key) } else { key };
    crc16(hashed) % SLOTS
}

/// Whether there is a `{` at all, eight bytes at a time: most keys have none, and this is all that
/// the tag rule costs them.
fn has_brace(key: &[u8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES << 7;
    const BRACES: u64 = ONES * b'{' as u64;
    let (words, rest) = key.as_chunks::<8>();
    words.iter().any(|&word| {
        // A byte of `x` is zero where the key has the brace; the subtraction borrows exactly if
        // some byte is zero ("Bit Twiddling Hacks", haszero).
        let x = u64::from_ne_bytes(word) ^ BRACES;
        x.wrapping_sub(ONES) & !x & HIGHS != 0
    }) || rest.contains(&b'{')
}

#[cold]
fn tag(key: &[u8]) -> Option<&[u8]> {
    let open = key.iter().position(|&byte| byte == b'{')?;
    let rest = &key[open + 1..];
    let close = rest.iter().position(|&byte| byte == b'}')?;
    (close > 0).then(|| &rest[..close])
}

/// CRC16/XMODEM (polynomial 0x1021, start 0, not reflected), eight bytes per step.
fn crc16(bytes: &[u8]) -> u16 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut crc = 0u16;
    for word in words {
        // The CRC is linear: each byte's contribution depends only on how many bytes follow it,
        // so eight independent look-ups replace eight that wait for each other.
        let [high, low] = crc.to_be_bytes();
        crc = TABLES[7][usize::from(word[0] ^ high)]
            ^ TABLES[6][usize::from(word[1] ^ low)]
            ^ TABLES[5][usize::from(word[2])]
            ^ TABLES[4][usize::from(word[3])]
            ^ TABLES[3][usize::from(word[4])]
            ^ TABLES[2][usize::from(word[5])]
            ^ TABLES[1][usize::from(word[6])]
            ^ TABLES[0][usize::from(word[7])];
    }
    for &byte in rest {
        crc = (crc << 8) ^ TABLES[0][usize::from((crc >> 8) as u8 ^ byte)];
    }
    crc
}

/// `TABLES[n][byte]` is the CRC of `byte` followed by `n` zero bytes.
static TABLES: [[u16; 256]; 8] = tables();

const fn tables() -> [[u16; 256]; 8] {
    let mut tables = [[0u16; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut zeros = 0;
        while zeros < 8 {
            let mut bit = 0;
            while bit < 8 {
                crc = (crc << 1) ^ if crc & 0x8000 != 0 { 0x1021 } else { 0 };
                bit += 1;
            }
            tables[zeros][byte] = crc;
            zeros += 1;
        }
        byte += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition: polynomial division, one bit at a time.
    fn crc16_by_definition(bytes: &[u8]) -> u16 {
        let mut crc = 0u16;
        for byte in bytes {
            for bit in (0..8).rev() {
                let out = (crc >> 15) ^ u16::from(byte >> bit & 1);
                crc = (crc << 1) ^ (out * 0x1021);
            }
        }
        crc
    }

    /// The specification's rule, read literally.
    fn hashed_by_definition(key: &[u8]) -> &[u8] {
        for open in 0..key.len() {
            if key[open] == b'{' {
                for close in open + 1..key.len() {
                    if key[close] == b'}' {
                        return if close == open + 1 { key } else { &key[open + 1..close] };
                    }
                }
                return key;
            }
        }
        key
    }

    #[test]
    fn the_crc_is_the_one_of_the_redis_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(crc16(b""), 0);
    }

    #[test]
    fn known_keys_have_the_slots_redis_gives_them() {
        assert_eq!(slot(b"foo"), 12182);
        assert_eq!(slot(b"bar"), 5061);
        assert_eq!(slot(b""), 0);
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_eq!(slot(b"{user1000}.following"), slot(b"user1000"));
    }

    #[test]
    fn an_empty_or_open_tag_is_no_tag() {
        let whole = |key: &[u8]| crc16_by_definition(key) % SLOTS;
        for key in [&b"foo{}{bar}"[..], b"foo{bar", b"foo}bar{", b"{", b"{}", b"}{"] {
            assert_eq!(slot(key), whole(key));
        }
        assert_eq!(slot(b"foo{{bar}}zap"), whole(b"{bar"));
        assert_eq!(slot(b"foo{bar}{zap}"), whole(b"bar"));
    }

    #[test]
    fn only_powers_of_two_up_to_the_slots_are_partition_counts() {
        for count in 0..=u16::MAX {
            let good = (0..=14).any(|power| count == 1 << power);
            assert_eq!(PartitionCount::new(count).is_some(), good, "{count}");
            assert_eq!(PartitionCount::try_from(count).is_ok(), good, "{count}");
        }
    }

    #[test]
    fn partitions_cover_every_slot_once_and_in_order() {
        for count in (0..=14).filter_map(|power| PartitionCount::new(1 << power)) {
            assert_eq!(count.iter().len(), usize::from(count.get()));
            let mut slots = 0..SLOTS;
            for partition in count.iter() {
                for slot in count.slots(partition) {
                    assert_eq!(slots.next(), Some(slot));
                    assert_eq!(count.of_slot(slot), partition);
                }
            }
            assert!(slots.is_empty());
        }
    }

    proptest! {
        #[test]
        fn eight_bytes_at_a_time_is_the_crc_by_definition(
            bytes in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            prop_assert_eq!(crc16(&bytes), crc16_by_definition(&bytes));
        }

        // Few letters, so that braces meet in every order and on both sides of a word's border;
        // `|` and `z` are the brace's neighbours, 0xfb is the brace with the high bit set.
        #[test]
        fn the_tag_rule_is_the_specifications(
            key in proptest::collection::vec(
                proptest::sample::select(&b"aaaa{{}|z\x00\xfb\xff"[..]), 0..24),
        ) {
            prop_assert_eq!(slot(&key), crc16_by_definition(hashed_by_definition(&key)) % SLOTS);
        }
    }
}
