//! Finds the requests in the bytes a client has sent.
//!
//! The decoder reads in place: an argument is a range of the connection's own buffer, and the
//! ranges live in a vector that is used again for the next command. Given the unread bytes it
//! answers with one command, or with how many bytes it still needs.
//!
//! It keeps true:
//!
//! * How the bytes were cut into pieces does not show: the same stream gives the same commands
//!   and the same error.
//! * Progress is kept. A value of 8 MiB in small pieces is looked at once, not once per piece.
//! * What is kept for one command is bounded by [`Limits`], and no memory is set aside because a
//!   client announced something.
//! * A command too large to keep is not the end of the connection: its bytes are dropped as they
//!   come, and then it is reported as [`Decoded::TooLarge`] for the caller to refuse.
//!
//! It deliberately does not check the two bytes behind a bulk string nor the one behind the `\r`
//! of a length: Redis skips them unseen. One departure: Redis looks for line ends with C string
//! functions and waits for ever behind a NUL; here a NUL is a byte like another.

use thiserror::Error;

use super::args::{Args, Span};
use super::inline::unquote;
use super::number::parse_i64;

/// What a request may cost. Checked before anything is allocated.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The longest argument the protocol allows; an announcement of more is an error that ends
    /// the connection. Redis' `proto-max-bulk-len`.
    pub bulk_bytes_max: usize,
    /// The longest argument that is kept. Between this and `bulk_bytes_max` a command is read to
    /// its end and reported as [`Decoded::TooLarge`]. Somewhat above the store's limit, so that
    /// the store's own error is the usual one.
    pub bulk_bytes_kept: usize,
    /// The most bytes one command may keep in the buffer, all its arguments and framing together;
    /// above it is [`Decoded::TooLarge`]. At most 4 GiB, as offsets are 32 bits wide.
    pub command_bytes_kept: usize,
    /// The most arguments of one command; an announcement of more ends the connection. Redis 7.0
    /// allows 2^31 - 1, which is no limit; this is what it allowed before.
    pub arguments_max: usize,
    /// The longest line: an inline command, or the digits of a length.
    pub line_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bulk_bytes_max: 512 << 20,
            bulk_bytes_kept: (8 << 20) + (64 << 10),
            command_bytes_kept: 64 << 20,
            arguments_max: 1 << 20,
            line_bytes_max: 64 << 10,
        }
    }
}

/// Arguments of a client that has not authenticated yet, as in Redis.
const UNAUTHENTICATED_ARGUMENTS_MAX: i64 = 10;
/// Length of an argument of a client that has not authenticated yet, as in Redis.
const UNAUTHENTICATED_BULK_BYTES_MAX: i64 = 16384;
/// Ranges, and bytes of an unquoted inline command, that a connection keeps allocated when idle.
const RETAINED_MAX: usize = 4096;
/// How much it makes sense to read at once of a command that is being dropped.
const DROPPED_AT_ONCE: usize = 64 << 10;

/// Why a stream of bytes is not the Redis protocol. Always the client's fault, never repaired: the
/// caller sends the error and closes the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ProtocolError {
    /// `*` with something that is not a number, or too many arguments.
    #[error("Protocol error: invalid multibulk length")]
    InvalidMultibulkLength,
    /// More than ten arguments before authentication.
    #[error("Protocol error: unauthenticated multibulk length")]
    UnauthenticatedMultibulkLength,
    /// `*` with no end of line in sight.
    #[error("Protocol error: too big mbulk count string")]
    TooBigMultibulkCount,
    /// `$` with something that is not a number, negative, or above the limit.
    #[error("Protocol error: invalid bulk length")]
    InvalidBulkLength,
    /// More than 16 KiB in one argument before authentication.
    #[error("Protocol error: unauthenticated bulk length")]
    UnauthenticatedBulkLength,
    /// An argument's length with no end of line in sight.
    #[error("Protocol error: too big bulk count string")]
    TooBigBulkCount,
    /// An argument that does not start with `$`, but with this byte.
    #[error("Protocol error: expected '$', got '{}'", char::from(*.0))]
    ExpectedBulk(u8),
    /// An inline command with no end of line in sight.
    #[error("Protocol error: too big inline request")]
    TooBigInline,
    /// An inline command whose quotes do not close, or close in the middle of a word.
    #[error("Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
}

/// What the decoder made of the bytes at hand. In each case the caller drops the first `consumed`
/// bytes of its buffer and presents the rest, with whatever has arrived behind it, the next time.
#[derive(Debug)]
pub enum Decoded<'a> {
    /// A whole command.
    Command {
        /// Its arguments, of which there is at least one: the name.
        args: Args<'a>,
        /// Bytes done with, once the arguments are.
        consumed: usize,
    },
    /// A whole command has gone by that was too large to keep. The connection is in order; the
    /// caller answers with an ordinary error.
    TooLarge {
        /// Bytes done with.
        consumed: usize,
    },
    /// The command is not complete.
    Incomplete {
        /// Bytes done with all the same: empty commands, parts of a command that is too large.
        consumed: usize,
        /// At least this many bytes are missing, and worth making room for. Never more than the
        /// limits let one argument have; at least 1.
        wanted: usize,
    },
}

/// Finds one connection's requests; see the module's documentation.
///
/// Between two calls the caller may only drop `consumed` bytes from the front of what it presents
/// and append to its end: the decoder remembers how far it has come. After an error the connection
/// is over; further calls give the error again.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    restricted: bool,
    /// The arguments found so far.
    spans: Vec<Span>,
    /// An inline command's arguments, with quotes and escapes resolved.
    unquoted: Vec<u8>,
    /// Arguments of the current command still to come; zero between two commands.
    missing: usize,
    /// Where the current command has been understood up to, from its start.
    at: usize,
    /// Bytes of the current argument still to come, its line end included; zero before `$`.
    bulk: usize,
    /// Bytes of the current line already searched for its end.
    searched: usize,
    /// The current command is too large: its bytes are dropped as they come.
    dropping: bool,
}

impl Decoder {
    /// A decoder for a new connection, which may do everything.
    pub fn new(limits: Limits) -> Self {
        let command_bytes_kept = limits.command_bytes_kept.min(u32::MAX as usize);
        Self {
            limits: Limits { command_bytes_kept, ..limits },
            restricted: false,
            spans: Vec::new(),
            unquoted: Vec::new(),
            missing: 0,
            at: 0,
            bulk: 0,
            searched: 0,
            dropping: false,
        }
    }

    /// Whether the client may send only small commands because it has not authenticated: at most
    /// 10 arguments of at most 16 KiB. Holds from the next length on.
    pub fn restrict(&mut self, restricted: bool) {
        self.restricted = restricted;
    }

    /// The next command in `buf`, the bytes received and not yet consumed.
    #[inline]
    pub fn next<'a>(&'a mut self, buf: &'a [u8]) -> Result<Decoded<'a>, ProtocolError> {
        let mut skipped = 0;
        while self.missing == 0 {
            let rest = &buf[skipped..];
            let Some(&first) = rest.first() else {
                return Ok(Decoded::Incomplete { consumed: skipped, wanted: 1 });
            };
            self.forget();
            let taken = if first == b'*' { self.begin(rest)? } else { self.inline(rest)? };
            match taken {
                None => {
                    return Ok(Decoded::Incomplete { consumed: skipped, wanted: 1 });
                }
                // Blank lines and commands without arguments are passed over, as in Redis.
                Some(taken) if self.missing == 0 && self.spans.is_empty() => skipped += taken,
                Some(taken) if self.missing == 0 => {
                    let args = Args::new(&self.unquoted, &self.spans);
                    return Ok(Decoded::Command { args, consumed: skipped + taken });
                }
                Some(taken) => self.at = taken,
            }
        }
        let rest = &buf[skipped..];
        match self.arguments(rest)? {
            0 if self.dropping => {
                self.dropping = false;
                Ok(Decoded::TooLarge { consumed: skipped + self.at })
            }
            0 => {
                let args = Args::new(rest, &self.spans);
                Ok(Decoded::Command { args, consumed: skipped + self.at })
            }
            wanted if self.dropping => {
                let consumed = skipped + std::mem::take(&mut self.at);
                Ok(Decoded::Incomplete { consumed, wanted: wanted.min(DROPPED_AT_ONCE) })
            }
            wanted => Ok(Decoded::Incomplete { consumed: skipped, wanted }),
        }
    }

    /// Lets go of the last command. A connection that once had a huge one does not keep its
    /// memory.
    #[inline]
    fn forget(&mut self) {
        self.spans.clear();
        if self.spans.capacity() > RETAINED_MAX {
            self.spans.shrink_to(RETAINED_MAX);
        }
        if self.unquoted.capacity() > RETAINED_MAX {
            self.unquoted = Vec::new();
        }
    }

    /// Reads `*N`, and answers how long that was.
    #[inline]
    fn begin(&mut self, rest: &[u8]) -> Result<Option<usize>, ProtocolError> {
        match self.length(rest, 0) {
            Length::Incomplete => Ok(None),
            Length::TooLong => Err(ProtocolError::TooBigMultibulkCount),
            Length::Is { value: None, .. } => Err(ProtocolError::InvalidMultibulkLength),
            Length::Is { value: Some(count), end } => {
                if count > 0 {
                    if count as u64 > self.limits.arguments_max as u64 {
                        return Err(ProtocolError::InvalidMultibulkLength);
                    }
                    if self.restricted && count > UNAUTHENTICATED_ARGUMENTS_MAX {
                        return Err(ProtocolError::UnauthenticatedMultibulkLength);
                    }
                    self.missing = count as usize;
                }
                Ok(Some(end))
            }
        }
    }

    /// Reads the arguments that are there, and answers how many bytes are missing: none if the
    /// command is complete.
    #[inline]
    fn arguments(&mut self, rest: &[u8]) -> Result<usize, ProtocolError> {
        self.whole_arguments(rest);
        while self.missing > 0 {
            if self.bulk == 0 && !self.begin_bulk(rest)? {
                return Ok(1);
            }
            let here = rest.len() - self.at;
            if here < self.bulk {
                let wanted = self.bulk - here;
                if self.dropping {
                    self.at = rest.len();
                    self.bulk = wanted;
                }
                return Ok(wanted);
            }
            if !self.dropping {
                // Fits: `begin_bulk` has checked the end against the limit.
                let start = self.at as u32;
                self.spans.push(Span { start, end: start + (self.bulk - 2) as u32 });
            }
            self.at += self.bulk;
            self.bulk = 0;
            self.missing -= 1;
        }
        Ok(0)
    }

    /// The usual case, arguments that are all there and within every limit, without touching the
    /// state for each. Stops at the first that needs a closer look.
    #[inline]
    fn whole_arguments(&mut self, rest: &[u8]) {
        if self.bulk > 0 || self.dropping {
            return;
        }
        let limits = &self.limits;
        let mut length_max = limits.bulk_bytes_kept.min(limits.bulk_bytes_max);
        if self.restricted {
            length_max = length_max.min(UNAUTHENTICATED_BULK_BYTES_MAX as usize);
        }
        let end_max = rest.len().min(limits.command_bytes_kept);
        let (mut at, mut missing) = (self.at, self.missing);
        while missing > 0 {
            let Some((length, start)) = usual_length(rest, at) else {
                break;
            };
            let end = start + length;
            if rest[at] != b'$' || length > length_max || end + 2 > end_max {
                break;
            }
            self.spans.push(Span { start: start as u32, end: end as u32 });
            at = end + 2;
            missing -= 1;
        }
        if missing < self.missing {
            (self.at, self.missing, self.searched) = (at, missing, 0);
        }
    }

    /// Reads `$length`, and decides whether the command can still be kept.
    #[inline]
    fn begin_bulk(&mut self, rest: &[u8]) -> Result<bool, ProtocolError> {
        let (value, end) = match self.length(rest, self.at) {
            Length::Incomplete => return Ok(false),
            Length::TooLong => return Err(ProtocolError::TooBigBulkCount),
            Length::Is { value, end } => (value, end),
        };
        if rest[self.at] != b'$' {
            return Err(ProtocolError::ExpectedBulk(rest[self.at]));
        }
        let length = match value {
            Some(length) if length >= 0 && length as u64 <= self.limits.bulk_bytes_max as u64 => {
                length
            }
            _ => return Err(ProtocolError::InvalidBulkLength),
        };
        if self.restricted && length > UNAUTHENTICATED_BULK_BYTES_MAX {
            return Err(ProtocolError::UnauthenticatedBulkLength);
        }
        self.at = end;
        self.bulk = length as usize + 2;
        let kept = self.bulk - 2 <= self.limits.bulk_bytes_kept
            && self.bulk.saturating_add(self.at) <= self.limits.command_bytes_kept;
        if !kept {
            self.dropping = true;
            self.spans.clear();
        }
        Ok(true)
    }

    /// Reads the number between the marker at `at` and the end of its line.
    #[inline]
    fn length(&mut self, rest: &[u8], at: usize) -> Length {
        if let Some((value, end)) = usual_length(rest, at) {
            self.searched = 0;
            return Length::Is { value: Some(value as i64), end };
        }
        self.unusual_length(rest, at)
    }

    /// As `length`, for what is incomplete, malformed, negative or long.
    #[cold]
    fn unusual_length(&mut self, rest: &[u8], at: usize) -> Length {
        match self.line_end(&rest[at..], b'\r') {
            Err(TooLong) => Length::TooLong,
            // The byte behind `\r` must be there, though nobody looks at it.
            Ok(Some(end)) if rest.len() > at + end + 1 => {
                self.searched = 0;
                // A line that ends at once is not even the marker; the caller sees to that.
                let digits = rest.get(at + 1..at + end).unwrap_or_default();
                Length::Is { value: parse_i64(digits), end: at + end + 2 }
            }
            Ok(_) => Length::Incomplete,
        }
    }

    /// Where the line ends, if that has arrived. What was searched before is not searched again.
    fn line_end(&mut self, line: &[u8], mark: u8) -> Result<Option<usize>, TooLong> {
        // The limit holds even for a line that has arrived whole, or else the pieces would show.
        let window = &line[..line.len().min(self.limits.line_bytes_max + 1)];
        match window[self.searched..].iter().position(|byte| *byte == mark) {
            Some(found) => {
                // Not beyond the mark: it may have to be found again.
                self.searched += found;
                Ok(Some(self.searched))
            }
            None if window.len() > self.limits.line_bytes_max => Err(TooLong),
            None => {
                self.searched = window.len();
                Ok(None)
            }
        }
    }

    /// Reads an inline command, and answers how long it was.
    #[cold]
    fn inline(&mut self, rest: &[u8]) -> Result<Option<usize>, ProtocolError> {
        let Some(end) =
            self.line_end(rest, b'\n').map_err(|TooLong| ProtocolError::TooBigInline)?
        else {
            return Ok(None);
        };
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        self.unquoted.clear();
        if !unquote(line, &mut self.unquoted, &mut self.spans) {
            return Err(ProtocolError::UnbalancedQuotes);
        }
        self.searched = 0;
        Ok(Some(end + 1))
    }
}

/// The number between the marker at `at` and the end of its line, and where what follows begins,
/// if all of it is there and it is of the usual form: one to nine digits, no leading zero.
#[inline(always)]
fn usual_length(rest: &[u8], at: usize) -> Option<(usize, usize)> {
    let digit = |byte: u8| usize::from(byte.wrapping_sub(b'0'));
    match rest.get(at..)? {
        [_, a @ b'0'..=b'9', b'\r', _, ..] => Some((digit(*a), at + 4)),
        [_, a @ b'1'..=b'9', b @ b'0'..=b'9', b'\r', _, ..] => {
            Some((digit(*a) * 10 + digit(*b), at + 5))
        }
        [_, first @ b'1'..=b'9', more @ ..] => {
            let mut value = digit(*first);
            for (index, byte) in more.iter().take(9).enumerate() {
                if digit(*byte) <= 9 {
                    value = value * 10 + digit(*byte);
                } else if *byte == b'\r' && index + 1 < more.len() {
                    return Some((value, at + index + 4));
                } else {
                    return None;
                }
            }
            None
        }
        _ => None,
    }
}

/// A line whose end is further away than the limit.
struct TooLong;

/// What stands where a length is expected.
enum Length {
    Incomplete,
    TooLong,
    /// A whole line, with a number or without, and where what follows it begins.
    Is {
        value: Option<i64>,
        end: usize,
    },
}

#[cfg(test)]
mod tests;
