//! Bytes on the wire, by kind of frame.

use std::fmt;
use std::ops::AddAssign;

use chickadee::node::codec::Kind;

/// Kinds of frames, by their first byte; see the node's codec.
const NAMES: [&str; 10] = [
    "other",
    "hello",
    "swim",
    "state",
    "requests",
    "responses",
    "exchange",
    "lateness",
    "bye",
    "digest",
];

/// How much was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    frames: [u64; NAMES.len()],
    bytes: [u64; NAMES.len()],
}

impl Traffic {
    /// A frame or datagram is sent.
    pub fn sent(&mut self, frame: &[u8]) {
        let kind = frame.first().map_or(0, |kind| usize::from(*kind));
        let kind = if kind < NAMES.len() { kind } else { 0 };
        self.frames[kind] += 1;
        self.bytes[kind] += frame.len() as u64;
    }

    /// Bytes by kind of frame, of those kinds that there are.
    pub fn kinds(&self) -> impl Iterator<Item = (&'static str, u64)> {
        NAMES.into_iter().zip(self.bytes)
    }

    /// Bytes of one kind of frame.
    pub fn bytes_of(&self, kind: Kind) -> u64 {
        self.bytes.get(kind as usize).copied().unwrap_or_default()
    }

    /// Bytes of all kinds.
    pub fn bytes(&self) -> u64 {
        self.bytes.iter().sum()
    }
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Traffic) {
        for kind in 0..NAMES.len() {
            self.frames[kind] += other.frames[kind];
            self.bytes[kind] += other.bytes[kind];
        }
    }
}

impl fmt::Display for Traffic {
    /// Kibibytes and frames of every kind that was sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sent = (0..NAMES.len()).filter(|kind| self.frames[*kind] > 0);
        for (at, kind) in sent.enumerate() {
            let (comma, name) = (if at > 0 { ", " } else { "" }, NAMES[kind]);
            write!(f, "{comma}{name} {} KiB in {}", self.bytes[kind] >> 10, self.frames[kind])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_is_counted_by_its_kind() {
        let mut traffic = Traffic::default();
        traffic.sent(&[4; 2048]);
        traffic.sent(&[4; 1024]);
        traffic.sent(&[200; 10]);
        let mut sum = traffic;
        sum += traffic;
        assert_eq!(traffic.bytes(), 3_082);
        assert_eq!(sum.to_string(), "other 0 KiB in 2, requests 6 KiB in 4");
    }
}
