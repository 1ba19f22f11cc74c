//! What a client may ask of one key, and how a read-modify-write is decided.
//!
//! Generic over the bytes: borrowed from a connection's buffer on the fast path, owned in a
//! message. [`Update::decide`] is a pure function; whoever calls it holds the partition's lock.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// An operation on one key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Operation<B> {
    /// Reads the value.
    Get,
    /// Writes, whatever is there.
    Set {
        /// The value.
        value: B,
        /// When it ends, in milliseconds since 1970.
        deadline_ms: Option<u64>,
    },
    /// Removes.
    Delete,
    /// Reads, decides, writes: at one owner.
    Update(Update<B>),
}

impl<B> Operation<B> {
    /// The value it brings along.
    pub fn value(&self) -> Option<&B> {
        match self {
            Operation::Set { value, .. } => Some(value),
            Operation::Update(update) => update.value(),
            Operation::Get | Operation::Delete => None,
        }
    }

    /// The same, to be taken out or put in.
    pub fn value_mut(&mut self) -> Option<&mut B> {
        match self {
            Operation::Set { value, .. } => Some(value),
            Operation::Update(update) => update.value_mut(),
            Operation::Get | Operation::Delete => None,
        }
    }
}

/// A read-modify-write.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Update<B> {
    /// A conditional SET, or one that keeps the deadline or wants the previous value.
    Write {
        /// The value.
        value: B,
        /// Its deadline.
        ttl: Ttl,
        /// When to write.
        only: Only,
        /// Whether the previous value is wanted in the answer.
        previous: bool,
    },
    /// Adds to a decimal integer; absent counts as 0. Keeps the deadline.
    Add(i64),
    /// Appends to the value; absent counts as empty. Keeps the deadline.
    Append(B),
    /// Changes when the value ends.
    Expire {
        /// When, in milliseconds since 1970. Not later than now: the value is removed.
        at_ms: u64,
        /// Under which condition.
        only: OnlyDeadline,
    },
    /// Takes the deadline away.
    Persist,
}

impl<B> Update<B> {
    /// The value it brings along.
    pub fn value(&self) -> Option<&B> {
        match self {
            Update::Write { value, .. } | Update::Append(value) => Some(value),
            Update::Add(_) | Update::Expire { .. } | Update::Persist => None,
        }
    }

    /// The same, to be taken out or put in.
    pub fn value_mut(&mut self) -> Option<&mut B> {
        match self {
            Update::Write { value, .. } | Update::Append(value) => Some(value),
            Update::Add(_) | Update::Expire { .. } | Update::Persist => None,
        }
    }
}

/// The deadline of a conditional write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Ttl {
    /// None.
    Never,
    /// At that time, in milliseconds since 1970.
    At(u64),
    /// The one the replaced value has.
    Keep,
}

/// When a conditional write takes place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Only {
    /// Always.
    Always,
    /// Only if there is no value (NX).
    IfAbsent,
    /// Only if there is one (XX).
    IfPresent,
}

/// When a change of deadline takes place; all that are set must hold. No deadline counts as
/// infinitely late.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct OnlyDeadline {
    /// Only if there is none (NX).
    pub absent: bool,
    /// Only if there is one (XX).
    pub present: bool,
    /// Only if it becomes later (GT).
    pub later: bool,
    /// Only if it becomes earlier (LT).
    pub earlier: bool,
}

impl OnlyDeadline {
    fn allows(self, current: Option<u64>, at_ms: u64) -> bool {
        !(self.absent && current.is_some()
            || self.present && current.is_none()
            || self.later && current.is_none_or(|current| at_ms <= current)
            || self.earlier && current.is_some_and(|current| at_ms >= current))
    }
}

/// The answer to an [`Operation`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Answer<B> {
    /// To Get: the value and when it ends (milliseconds since 1970).
    Found {
        /// The value.
        value: B,
        /// When it ends.
        deadline_ms: Option<u64>,
    },
    /// To Get: there is none.
    Missing,
    /// To Set.
    Done,
    /// To Delete: whether there was a value.
    Existed(bool),
    /// To [`Update::Write`].
    Written {
        /// Whether the condition held.
        applied: bool,
        /// The previous value, if wanted and there was one.
        previous: Option<B>,
    },
    /// To Add: the sum. To Append: the length.
    Number(i64),
    /// To Expire and Persist: whether something changed.
    Changed(bool),
    /// To Add: the value is not a decimal integer of 64 bits.
    NotANumber,
    /// To Add: the sum does not fit 64 bits.
    Overflow,
    /// The value would be longer than allowed. Nothing changed.
    TooLarge,
}

impl<B> Answer<B> {
    /// The value in it.
    pub fn value(&self) -> Option<&B> {
        match self {
            Answer::Found { value, .. } => Some(value),
            Answer::Written { previous, .. } => previous.as_ref(),
            _ => None,
        }
    }

    /// The same, to be taken out or put in.
    pub fn value_mut(&mut self) -> Option<&mut B> {
        match self {
            Answer::Found { value, .. } => Some(value),
            Answer::Written { previous, .. } => previous.as_mut(),
            _ => None,
        }
    }

    /// The same answer with its bytes in another form.
    pub fn map<C>(self, mut f: impl FnMut(B) -> C) -> Answer<C> {
        match self {
            Answer::Found { value, deadline_ms } => Answer::Found { value: f(value), deadline_ms },
            Answer::Missing => Answer::Missing,
            Answer::Done => Answer::Done,
            Answer::Existed(x) => Answer::Existed(x),
            Answer::Written { applied, previous } => {
                Answer::Written { applied, previous: previous.map(f) }
            }
            Answer::Number(x) => Answer::Number(x),
            Answer::Changed(x) => Answer::Changed(x),
            Answer::NotANumber => Answer::NotANumber,
            Answer::Overflow => Answer::Overflow,
            Answer::TooLarge => Answer::TooLarge,
        }
    }
}

impl<B: AsRef<[u8]>> Answer<B> {
    /// The same answer, borrowed.
    pub fn as_ref(&self) -> Answer<&[u8]> {
        match self {
            Answer::Found { value, deadline_ms } => {
                Answer::Found { value: value.as_ref(), deadline_ms: *deadline_ms }
            }
            Answer::Missing => Answer::Missing,
            Answer::Done => Answer::Done,
            Answer::Existed(x) => Answer::Existed(*x),
            Answer::Written { applied, previous } => Answer::Written {
                applied: *applied,
                previous: previous.as_ref().map(AsRef::as_ref),
            },
            Answer::Number(x) => Answer::Number(*x),
            Answer::Changed(x) => Answer::Changed(*x),
            Answer::NotANumber => Answer::NotANumber,
            Answer::Overflow => Answer::Overflow,
            Answer::TooLarge => Answer::TooLarge,
        }
    }
}

impl<B> Operation<B> {
    /// The same operation with its bytes in another form.
    pub fn map<C>(self, mut f: impl FnMut(B) -> C) -> Operation<C> {
        match self {
            Operation::Get => Operation::Get,
            Operation::Set { value, deadline_ms } => {
                Operation::Set { value: f(value), deadline_ms }
            }
            Operation::Delete => Operation::Delete,
            Operation::Update(update) => Operation::Update(match update {
                Update::Write { value, ttl, only, previous } => {
                    Update::Write { value: f(value), ttl, only, previous }
                }
                Update::Add(by) => Update::Add(by),
                Update::Append(tail) => Update::Append(f(tail)),
                Update::Expire { at_ms, only } => Update::Expire { at_ms, only },
                Update::Persist => Update::Persist,
            }),
        }
    }
}

/// The value an update is decided on.
#[derive(Clone, Copy, Debug)]
pub struct Current<'a> {
    /// The bytes.
    pub value: &'a [u8],
    /// When it ends.
    pub deadline_ms: Option<u64>,
}

/// What a decided update does to the entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change<'a> {
    /// Nothing.
    Keep,
    /// A new value, with a new stamp.
    Put {
        /// The value.
        value: Cow<'a, [u8]>,
        /// When it ends.
        deadline_ms: Option<u64>,
    },
    /// The same value with another deadline, under a new deadline stamp.
    Deadline(Option<u64>),
    /// A tombstone.
    Remove,
}

impl<B: AsRef<[u8]>> Update<B> {
    /// Decides on the current value. `now_ms` is expiry time; `value_bytes_max` the longest value
    /// allowed.
    pub fn decide(
        &self,
        current: Option<Current<'_>>,
        now_ms: u64,
        value_bytes_max: usize,
    ) -> (Change<'_>, Answer<Vec<u8>>) {
        let deadline_ms = current.and_then(|c| c.deadline_ms);
        match self {
            Update::Write { value, ttl, only, previous } => {
                let applied = match only {
                    Only::Always => true,
                    Only::IfAbsent => current.is_none(),
                    Only::IfPresent => current.is_some(),
                };
                let previous = match current {
                    Some(current) if *previous => Some(current.value.to_vec()),
                    _ => None,
                };
                let answer = Answer::Written { applied, previous };
                if !applied {
                    return (Change::Keep, answer);
                }
                let deadline_ms = match ttl {
                    Ttl::Never => None,
                    Ttl::At(at) => Some(*at),
                    Ttl::Keep => deadline_ms,
                };
                (Change::Put { value: Cow::Borrowed(value.as_ref()), deadline_ms }, answer)
            }
            Update::Add(by) => {
                let Some(held) = current.map_or(Some(0), |c| parse_i64(c.value)) else {
                    return (Change::Keep, Answer::NotANumber);
                };
                let Some(sum) = held.checked_add(*by) else {
                    return (Change::Keep, Answer::Overflow);
                };
                let value = Cow::Owned(sum.to_string().into_bytes());
                (Change::Put { value, deadline_ms }, Answer::Number(sum))
            }
            Update::Append(tail) => {
                let held = current.map_or(&[][..], |c| c.value);
                if held.len() + tail.as_ref().len() > value_bytes_max {
                    return (Change::Keep, Answer::TooLarge);
                }
                let value = [held, tail.as_ref()].concat();
                let length = value.len() as i64;
                (Change::Put { value: Cow::Owned(value), deadline_ms }, Answer::Number(length))
            }
            Update::Expire { at_ms, only } => {
                let holds = current.is_some() && only.allows(deadline_ms, *at_ms);
                let change = match holds {
                    false => Change::Keep,
                    true if *at_ms <= now_ms => Change::Remove,
                    true => Change::Deadline(Some(*at_ms)),
                };
                (change, Answer::Changed(holds))
            }
            Update::Persist => match deadline_ms {
                Some(_) => (Change::Deadline(None), Answer::Changed(true)),
                None => (Change::Keep, Answer::Changed(false)),
            },
        }
    }
}

/// A decimal integer as Redis' `string2ll` takes it: no sign but one minus, no leading zeros, no
/// spaces.
fn parse_i64(bytes: &[u8]) -> Option<i64> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let strict = match digits {
        [b'0'] => bytes.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.len() < 19 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    strict.then(|| std::str::from_utf8(bytes).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(value: &[u8], deadline_ms: Option<u64>) -> Option<Current<'_>> {
        Some(Current { value, deadline_ms })
    }

    #[test]
    fn integers_are_parsed_as_redis_does() {
        for (text, value) in [("0", 0), ("-1", -1), ("10", 10), ("9223372036854775807", i64::MAX)] {
            assert_eq!(parse_i64(text.as_bytes()), Some(value), "{text}");
        }
        assert_eq!(parse_i64(b"-9223372036854775808"), Some(i64::MIN));
        for text in ["", "-", "01", "-0", "+1", " 1", "1 ", "1a", "9223372036854775808"] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn adding_keeps_the_deadline_and_refuses_what_is_no_number() {
        let add = Update::<&[u8]>::Add(5);
        let (change, answer) = add.decide(held(b"37", Some(9)), 0, 100);
        assert_eq!(answer, Answer::Number(42));
        assert_eq!(change, Change::Put { value: Cow::Owned(b"42".to_vec()), deadline_ms: Some(9) });
        assert_eq!(add.decide(held(b"x", None), 0, 100), (Change::Keep, Answer::NotANumber));
        let most = i64::MAX.to_string();
        assert_eq!(
            add.decide(held(most.as_bytes(), None), 0, 100),
            (Change::Keep, Answer::Overflow)
        );
    }

    #[test]
    fn a_deadline_in_the_past_removes() {
        let expire = Update::<&[u8]>::Expire { at_ms: 5, only: OnlyDeadline::default() };
        assert_eq!(expire.decide(held(b"v", None), 5, 9), (Change::Remove, Answer::Changed(true)));
        assert_eq!(expire.decide(None, 5, 9), (Change::Keep, Answer::Changed(false)));
    }

    #[test]
    fn no_deadline_counts_as_infinitely_late() {
        let changed = |only, deadline| {
            Update::<&[u8]>::Expire { at_ms: 50, only }.decide(held(b"v", deadline), 0, 9).1
        };
        let later = OnlyDeadline { later: true, ..OnlyDeadline::default() };
        let earlier = OnlyDeadline { earlier: true, ..OnlyDeadline::default() };
        let absent = OnlyDeadline { absent: true, ..OnlyDeadline::default() };
        let both = OnlyDeadline { present: true, later: true, ..OnlyDeadline::default() };
        assert_eq!(changed(later, None), Answer::Changed(false));
        assert_eq!(changed(earlier, None), Answer::Changed(true));
        assert_eq!(changed(later, Some(40)), Answer::Changed(true));
        assert_eq!(changed(absent, Some(40)), Answer::Changed(false));
        assert_eq!(changed(both, Some(40)), Answer::Changed(true));
        assert_eq!(changed(both, None), Answer::Changed(false));
    }
}
