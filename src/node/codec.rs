//! Messages to bytes and back.
//!
//! A frame is
//!
//! ```text
//! | kind u8 | version u8 | hybrid time u64 | ring id u64 | flush hash u64 | body |
//! ```
//!
//! with integers little-endian; the body of a batch is a run of items in bincode's standard
//! encoding. A kind or version that is not known is skipped by the receiver and counted. From the
//! first release on a body changes only together with its version. bincode is unmaintained
//! (RUSTSEC-2025-0141), so it is named in this file only, and golden bytes hold its format.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::Hlc;

/// What a frame is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// The first frame of a link.
    Hello = 1,
    /// A SWIM packet.
    Swim = 2,
    /// All that is known of the members.
    State = 3,
    /// A batch of requests.
    Requests = 4,
    /// A batch of responses.
    Responses = 5,
    /// A batch of exchange messages.
    Exchange = 6,
    /// A batch of messages about being late.
    Lateness = 7,
    /// The sender stops; no body.
    Bye = 8,
    /// A digest of what is known of the members.
    Digest = 9,
    /// A batch of numbers of requests whose answers are large and under way, each with its bytes.
    Coming = 10,
    /// One request, and behind it the value that belongs in it.
    LargeRequest = 11,
    /// One response, and behind it the value that belongs in it.
    LargeResponse = 12,
    /// A batch of numbers of requests whose large answers have arrived.
    Took = 13,
}

impl Kind {
    /// Whether it shows that the peer hears this node.
    pub fn answers(self) -> bool {
        matches!(self, Kind::Responses | Kind::LargeResponse | Kind::Coming | Kind::Took)
    }
}

/// The version of every body so far.
pub const VERSION: u8 = 1;

/// Bytes before the body.
pub const HEADER_BYTES: usize = 28;

/// Longest item, in bytes: the longest value, its key, and headers. Checked before anything is
/// allocated for it.
pub const ITEM_BYTES_MAX: usize = 9 << 20;

/// What every frame says besides its body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The sender's hybrid time.
    pub hlc: Hlc,
    /// By how much that is ahead of its physical time, in milliseconds, because others are ahead of
    /// it: what it has of them says nothing about its own clock.
    pub ahead_ms: u16,
    /// The sender's ring.
    pub ring: u64,
    /// Hash of the sender's flush stamps.
    pub flushes: u64,
}

/// Why bytes from a peer could not be read. State is not affected.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Shorter than a header.
    #[error("a frame of {0} bytes is shorter than its header")]
    Short(usize),
    /// A kind or version that this build does not speak.
    #[error("frame kind {kind}, version {version} is not known here")]
    Unknown {
        /// The kind byte.
        kind: u8,
        /// The version byte.
        version: u8,
    },
    /// The body is not what its kind says.
    #[error("a malformed body: {0}")]
    Malformed(#[from] bincode::error::DecodeError),
    /// A value came behind a message that has none.
    #[error("a value of {0} bytes behind a message that has none")]
    NotCarried(usize),
}

/// A message that may have a value in it.
pub trait Carries {
    /// Where it is.
    fn value_mut(&mut self) -> Option<&mut Bytes>;
    /// How long it is, in bytes.
    fn value_bytes(&self) -> usize;
}

/// Starts a frame; the header is filled in by [`seal`].
pub fn begin(kind: Kind) -> BytesMut {
    let mut frame = BytesMut::with_capacity(256);
    frame.put_u8(kind as u8);
    frame.put_u8(VERSION);
    frame.put_bytes(0, HEADER_BYTES - 2);
    frame
}

/// Ends a frame.
pub fn seal(mut frame: BytesMut, header: Header) -> Bytes {
    frame[2..10].copy_from_slice(&header.hlc.0.to_le_bytes());
    frame[10..12].copy_from_slice(&header.ahead_ms.to_le_bytes());
    frame[12..20].copy_from_slice(&header.ring.to_le_bytes());
    frame[20..28].copy_from_slice(&header.flushes.to_le_bytes());
    frame.freeze()
}

/// Takes the header off a frame.
pub fn open(mut frame: Bytes) -> Result<(Kind, Header, Bytes), CodecError> {
    if frame.len() < HEADER_BYTES {
        return Err(CodecError::Short(frame.len()));
    }
    let word = |at: usize| u64::from_le_bytes(frame[at..at + 8].try_into().expect("eight bytes"));
    let ahead_ms = u16::from_le_bytes([frame[10], frame[11]]);
    let header = Header { hlc: Hlc(word(2)), ahead_ms, ring: word(12), flushes: word(20) };
    let unknown = CodecError::Unknown { kind: frame[0], version: frame[1] };
    let kind = match (frame[0], frame[1]) {
        (1, VERSION) => Kind::Hello,
        (2, VERSION) => Kind::Swim,
        (3, VERSION) => Kind::State,
        (4, VERSION) => Kind::Requests,
        (5, VERSION) => Kind::Responses,
        (6, VERSION) => Kind::Exchange,
        (7, VERSION) => Kind::Lateness,
        (8, VERSION) => Kind::Bye,
        (9, VERSION) => Kind::Digest,
        (10, VERSION) => Kind::Coming,
        (11, VERSION) => Kind::LargeRequest,
        (12, VERSION) => Kind::LargeResponse,
        (13, VERSION) => Kind::Took,
        _ => return Err(unknown),
    };
    Ok((kind, header, frame.split_off(HEADER_BYTES)))
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<ITEM_BYTES_MAX>()
}

/// Appends one item.
pub fn put<T: Serialize>(frame: &mut BytesMut, item: &T) {
    bincode::serde::encode_into_std_write(item, &mut frame.writer(), config())
        .expect("our own messages are within the limit, and memory takes any write");
}

/// Encodes one item into a buffer of limited room; leaves it as it was if it does not fit.
pub fn put_within<T: Serialize>(out: &mut impl BufMut, item: &T) -> Result<(), Full> {
    let bytes = bincode::serde::encode_to_vec(item, config()).map_err(|_| Full)?;
    if out.remaining_mut() < bytes.len() {
        return Err(Full);
    }
    out.put_slice(&bytes);
    Ok(())
}

/// An item does not fit the room that is left.
#[derive(Debug, thiserror::Error)]
#[error("no room left in the packet")]
pub struct Full;

/// Reads one item off the front.
pub fn take<T: DeserializeOwned>(body: &mut &[u8]) -> Result<T, CodecError> {
    let (item, used) = bincode::serde::decode_from_slice(body, config())?;
    *body = &body[used..];
    Ok(item)
}

/// Starts a frame of one message whose value goes behind it, uncopied; returns it as well.
pub fn begin_with_value<T>(kind: Kind, number: u64, message: &T) -> (BytesMut, Bytes)
where
    T: Carries + Clone + Serialize,
{
    // Cloning copies no bytes of values.
    let mut message = message.clone();
    let value = message.value_mut().map(std::mem::take).unwrap_or_default();
    let mut frame = begin(kind);
    put(&mut frame, &(number, message));
    (frame, value)
}

/// The way back: what is left behind the message is its value, and is not copied.
pub fn take_with_value<T>(mut body: Bytes) -> Result<(u64, T), CodecError>
where
    T: Carries + DeserializeOwned,
{
    let mut rest = &body[..];
    let (number, mut message): (u64, T) = take(&mut rest)?;
    let value = body.split_off(body.len() - rest.len());
    let place = message.value_mut().ok_or(CodecError::NotCarried(value.len()))?;
    *place = value;
    Ok((number, message))
}

/// The items of a batch, until the end or the first malformed one.
pub fn items<T: DeserializeOwned>(body: &[u8]) -> impl Iterator<Item = Result<T, CodecError>> {
    let mut rest = Some(body);
    std::iter::from_fn(move || {
        let mut body = rest.take().filter(|body| !body.is_empty())?;
        let item = take(&mut body);
        if item.is_ok() {
            rest = Some(body);
        }
        Some(item)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::message::{Request, Response};
    use super::*;
    use crate::store::{Entry, Key, Namespace, Stamp, Version, Writer};

    fn key() -> Key {
        Key { namespace: Namespace(3), bytes: Bytes::from_static(b"key") }
    }

    fn stamp() -> Stamp {
        Stamp { hlc: Hlc(0x0102_0304_0506_0708), writer: Writer(9) }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// The bytes of version 1. If one of these fails, a rolling upgrade would too: give the body a
    /// new version instead of changing the expectation.
    #[test]
    fn the_bytes_of_version_1_have_not_changed() {
        let mut frame = begin(Kind::Requests);
        let entry = Entry::value(stamp(), Bytes::from_static(b"v"), Some(300));
        put(&mut frame, &(7u64, Request::Write { key: key(), entry }));
        put(&mut frame, &(8u64, Request::Read { key: key(), min: Version::ZERO }));
        let header = Header { hlc: Hlc(1), ahead_ms: 4, ring: 2, flushes: 3 };
        assert_eq!(
            hex(&seal(frame, header)),
            "04010100000000000000040002000000000000000300000000000000\
             070003036b6579010176fd0807060504030201090001fb2c0108\
             0103036b6579000000"
        );
        let mut frame = begin(Kind::Responses);
        put(&mut frame, &(7u64, Response::Ack { existed: true, epoch: 5 }));
        assert_eq!(&hex(&frame)[HEADER_BYTES * 2..], "07000105");
    }

    /// The same of messages with large values, which go behind them as they are.
    #[test]
    fn the_bytes_of_large_messages_have_not_changed() {
        let mut frame = begin(Kind::Coming);
        put(&mut frame, &(7u64, 70_000u64));
        let body = "07fc70110100";
        assert_eq!(hex(&frame), format!("0a01{}{body}", "00".repeat(HEADER_BYTES - 2)));

        let mut frame = begin(Kind::Took);
        put(&mut frame, &70_000u64);
        let body = "fc70110100";
        assert_eq!(hex(&frame), format!("0d01{}{body}", "00".repeat(HEADER_BYTES - 2)));

        let entry = Entry::value(stamp(), Bytes::from_static(b"v"), Some(300));
        let write = Request::Write { key: key(), entry: entry.clone() };
        let (frame, value) = begin_with_value(Kind::LargeRequest, 7, &write);
        let body = "070003036b65790100fd0807060504030201090001fb2c01";
        assert_eq!(hex(&frame), format!("0b01{}{body}", "00".repeat(HEADER_BYTES - 2)));
        assert_eq!(&value[..], b"v");
        let (.., body) = open([&frame[..], &value].concat().into()).unwrap();
        assert_eq!(take_with_value::<Request>(body).unwrap(), (7, write));

        let hit = Response::Hit(entry);
        let (frame, value) = begin_with_value(Kind::LargeResponse, 7, &hit);
        let body = "07030100fd0807060504030201090001fb2c01";
        assert_eq!(hex(&frame), format!("0c01{}{body}", "00".repeat(HEADER_BYTES - 2)));
        let (.., body) = open([&frame[..], &value].concat().into()).unwrap();
        assert_eq!(take_with_value::<Response>(body).unwrap(), (7, hit));
    }

    #[test]
    fn an_unknown_kind_is_named_and_not_guessed() {
        let mut frame = begin(Kind::Hello);
        frame[0] = 200;
        assert!(matches!(
            open(frame.freeze()),
            Err(CodecError::Unknown { kind: 200, version: VERSION })
        ));
    }

    #[test]
    fn a_claimed_length_beyond_the_limit_is_refused_before_it_is_allocated() {
        // A key of 2^60 bytes.
        let mut body: &[u8] = &[0, 3, 253, 0, 0, 0, 0, 0, 0, 0, 16];
        assert!(take::<Request>(&mut body).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = open(Bytes::from(bytes.clone()));
            for item in items::<(u64, Request)>(&bytes) { let _ = item; }
            for item in items::<(u64, Response)>(&bytes) { let _ = item; }
            for item in items::<super::super::message::Exchange>(&bytes) { let _ = item; }
            for item in items::<super::super::message::Hello>(&bytes) { let _ = item; }
        }
    }
}
