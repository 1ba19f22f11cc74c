//! How many entries are told at once, in few bytes: each property of all of them after the other,
//! and of the versions only what differs. Writers are few, and times lie close together, so a
//! version of sixteen bytes mostly takes five.

use std::collections::BTreeMap;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::store::partition::exchange::Verdict;
use crate::store::{Content, Entry, Hlc, Key, Stamp, Version, Writer};

/// Most verdicts of one message: more than any push has entries.
const VERDICTS_MAX: usize = 1 << 12;

/// A run of versions.
#[derive(Debug, Serialize, Deserialize)]
struct Versions {
    writers: Vec<Writer>,
    since_ms: u64,
    /// Place of the writer, milliseconds since then, counter.
    values: Vec<(u16, u64, u16)>,
    /// Which of them have a deadline with a stamp of its own.
    deadlines: Vec<(u16, Stamp)>,
}

impl Versions {
    fn pack(versions: impl Iterator<Item = Version> + Clone) -> Versions {
        let since_ms = versions.clone().map(|version| version.value.hlc.ms()).min().unwrap_or(0);
        let (mut writers, mut places) = (Vec::new(), BTreeMap::new());
        let (mut values, mut deadlines) = (Vec::new(), Vec::new());
        for (at, version) in versions.enumerate() {
            let Stamp { hlc, writer } = version.value;
            let place = *places.entry(writer).or_insert_with(|| {
                writers.push(writer);
                (writers.len() - 1) as u16
            });
            values.push((place, hlc.ms() - since_ms, hlc.0 as u16));
            if version.deadline != version.value {
                deadlines.push((at as u16, version.deadline));
            }
        }
        Versions { writers, since_ms, values, deadlines }
    }

    /// `None` if it makes no sense.
    fn unpack(self) -> Option<Vec<Version>> {
        let value = |(place, ms, counter): &(u16, u64, u16)| {
            let writer = *self.writers.get(usize::from(*place))?;
            let ms = self.since_ms.checked_add(*ms).filter(|ms| ms >> 48 == 0)?;
            let hlc = Hlc(Hlc::at_ms(ms).0 | u64::from(*counter));
            Some(Version::of(Stamp { hlc, writer }))
        };
        let mut versions: Vec<Version> = self.values.iter().map(value).collect::<Option<_>>()?;
        for (at, stamp) in self.deadlines {
            versions.get_mut(usize::from(at))?.deadline = stamp;
        }
        Some(versions)
    }
}

fn unsound<E: Error>() -> E {
    E::custom("the parts of a run of entries do not fit each other")
}

/// Keys with their versions, and whether there is a value.
pub(super) mod headers {
    use super::*;

    type Headers = Vec<(Key, Version, bool)>;

    pub(in super::super) fn serialize<S: Serializer>(
        headers: &Headers,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let keys: Vec<&Key> = headers.iter().map(|(key, ..)| key).collect();
        let versions = Versions::pack(headers.iter().map(|(_, version, _)| *version));
        let live: Vec<bool> = headers.iter().map(|(.., live)| *live).collect();
        (keys, versions, live).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Headers, D::Error> {
        let (keys, versions, live): (Vec<Key>, Versions, Vec<bool>) =
            Deserialize::deserialize(from)?;
        let versions = versions.unpack().ok_or_else(unsound)?;
        if keys.len() != versions.len() || keys.len() != live.len() {
            return Err(unsound());
        }
        let headers = keys.into_iter().zip(versions).zip(live);
        Ok(headers.map(|((key, version), live)| (key, version, live)).collect())
    }
}

/// Keys with their entries.
pub(super) mod entries {
    use super::*;

    type Entries = Vec<(Key, Entry)>;

    pub(in super::super) fn serialize<S: Serializer>(
        entries: &Entries,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let keys: Vec<&Key> = entries.iter().map(|(key, _)| key).collect();
        let versions = Versions::pack(entries.iter().map(|(_, entry)| entry.version()));
        let contents: Vec<&Content> = entries.iter().map(|(_, entry)| entry.content()).collect();
        let ends = entries.iter().map(|(_, entry)| entry.deadline_ms()).enumerate();
        let ends: Vec<(u16, u64)> = ends.filter_map(|(at, ms)| Some((at as u16, ms?))).collect();
        (keys, versions, contents, ends).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Entries, D::Error> {
        type Parts = (Vec<Key>, Versions, Vec<Content>, Vec<(u16, u64)>);
        let (keys, versions, contents, ends): Parts = Deserialize::deserialize(from)?;
        let versions = versions.unpack().ok_or_else(unsound)?;
        if keys.len() != versions.len() || keys.len() != contents.len() {
            return Err(unsound());
        }
        let mut deadlines = vec![None; keys.len()];
        for (at, ms) in ends {
            *deadlines.get_mut(usize::from(at)).ok_or_else(unsound)? = Some(ms);
        }
        let parts = contents.into_iter().zip(versions).zip(deadlines);
        let entries = parts.map(|((content, version), ms)| Entry::from((content, version, ms)));
        Ok(keys.into_iter().zip(entries).collect())
    }
}

/// Verdicts, of which most are the same as the one before.
pub(super) mod verdicts {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        verdicts: &[Verdict],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let runs = verdicts.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u32));
        runs.collect::<Vec<_>>().serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Verdict>, D::Error> {
        let runs: Vec<(Verdict, u32)> = Deserialize::deserialize(from)?;
        let mut verdicts = Vec::new();
        for (verdict, count) in runs {
            let count = verdicts.len().saturating_add(count as usize);
            if count > VERDICTS_MAX {
                return Err(D::Error::custom("more verdicts than a push has entries"));
            }
            verdicts.resize(count, verdict);
        }
        Ok(verdicts)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::super::codec::{HEADER_BYTES, Kind};
    use super::super::codec::{begin, items, put};
    use super::*;
    use crate::store::Namespace;

    #[derive(PartialEq, Debug, Serialize, Deserialize)]
    struct Message {
        #[serde(with = "super::headers")]
        headers: Vec<(Key, Version, bool)>,
        #[serde(with = "super::entries")]
        entries: Vec<(Key, Entry)>,
        #[serde(with = "super::verdicts")]
        verdicts: Vec<Verdict>,
    }

    fn bytes(message: &impl Serialize) -> Vec<u8> {
        let mut frame = begin(Kind::Exchange);
        put(&mut frame, message);
        frame[HEADER_BYTES..].to_vec()
    }

    fn key() -> impl Strategy<Value = Key> {
        let bytes = prop::collection::vec(any::<u8>(), 0..20);
        (0..3u16, bytes).prop_map(|(n, b)| Key { namespace: Namespace(n), bytes: b.into() })
    }

    fn stamp() -> impl Strategy<Value = Stamp> {
        let hlc = prop_oneof![any::<u64>(), 1_000_000..1_100_000u64];
        (hlc, 0..4u64).prop_map(|(hlc, w)| Stamp { hlc: Hlc(hlc), writer: Writer(w) })
    }

    fn version() -> impl Strategy<Value = Version> {
        let own = prop::option::of(stamp());
        (stamp(), own).prop_map(|(value, own)| Version { value, deadline: own.unwrap_or(value) })
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let value = prop::collection::vec(any::<u8>(), 0..9).prop_map(Bytes::from);
        let content = prop_oneof![Just(Content::Mark), value.prop_map(Content::Value)];
        (content, version(), any::<Option<u64>>()).prop_map(Entry::from)
    }

    fn verdict() -> impl Strategy<Value = Verdict> {
        prop_oneof![5 => Just(Verdict::Ack), 1 => Just(Verdict::Want), 1 => Just(Verdict::Later)]
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_out_as_it_went_in(
            headers in prop::collection::vec((key(), version(), any::<bool>()), 0..40),
            entries in prop::collection::vec((key(), entry()), 0..40),
            verdicts in prop::collection::vec(verdict(), 0..80),
        ) {
            let message = Message { headers, entries, verdicts };
            let read: Vec<_> = items::<Message>(&bytes(&message)).collect();
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!(read[0].as_ref().unwrap(), &message);
        }
    }

    /// What an entry takes besides its key and its value, of which most were written within a minute.
    #[test]
    fn an_entry_takes_little_besides_what_it_is() {
        let entry = |n: u64| {
            let key = Key { namespace: Namespace(0), bytes: vec![n as u8; 16].into() };
            let hlc = Hlc(Hlc::at_ms(1_790_000_000_000 + 137 * n).0 + n % 5);
            let stamp = Stamp { hlc, writer: Writer(0x0123_4567_89ab_cdef + n % 3) };
            (key, Entry::value(stamp, vec![7; 100].into(), None))
        };
        let entries: Vec<_> = (0..400).map(entry).collect();
        let verdicts = vec![Verdict::Ack; 400];
        let message = Message { headers: Vec::new(), entries, verdicts };
        let besides = bytes(&message).len() - 400 * 116;
        assert!(besides <= 400 * 9 + 100, "{besides}");
    }

    #[test]
    fn a_run_whose_parts_do_not_fit_is_refused() {
        let version = |place: u16, ms: u64| Versions {
            writers: vec![Writer(1)],
            since_ms: 5,
            values: vec![(place, ms, 0)],
            deadlines: Vec::new(),
        };
        assert!(version(0, 5).unpack().is_some());
        assert!(version(1, 5).unpack().is_none(), "no such writer");
        assert!(version(0, u64::MAX).unpack().is_none(), "no such time");
        assert!(version(0, 1 << 48).unpack().is_none(), "no such time");
        let deadlines = vec![(1, Stamp::ZERO)];
        assert!(Versions { deadlines, ..version(0, 5) }.unpack().is_none(), "no such entry");
        let none = Versions::pack(std::iter::empty());
        let headers = (Vec::<Key>::new(), version(0, 5), Vec::<bool>::new());
        let entries = (Vec::<Key>::new(), none, Vec::<Content>::new(), Vec::<(u16, u64)>::new());
        let message = bytes(&(headers, entries, Vec::<(Verdict, u32)>::new()));
        assert!(items::<Message>(&message).next().unwrap().is_err());
    }

    #[test]
    fn runs_of_verdicts_are_bounded() {
        let message = |count: u32| {
            let empty = Message { headers: vec![], entries: vec![], verdicts: vec![] };
            let mut bytes = bytes(&empty);
            bytes.pop();
            bytes.extend(self::bytes(&vec![(Verdict::Ack, count), (Verdict::Want, 1)]));
            items::<Message>(&bytes).next().unwrap().is_ok()
        };
        assert!(message(VERDICTS_MAX as u32 - 1));
        assert!(!message(VERDICTS_MAX as u32));
        assert!(!message(u32::MAX));
    }
}
