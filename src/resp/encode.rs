//! Writes replies, in the protocol the client asked for.
//!
//! One encoder lives as long as its connection; its buffer is filled by the replies to all
//! commands of one read, sent with one write, and cleared.
//!
//! RESP3 has types which RESP2 lacks. What RESP2 gets instead is what Redis sends: a map is a flat
//! array, a set an array, a boolean an integer, a double and a verbatim text a bulk string.
//! It deliberately does not check that an array gets as many elements as its header announces.

use super::number::Decimal;

/// Which version of the protocol a connection speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Protocol {
    /// What every connection starts with.
    #[default]
    Resp2,
    /// After `HELLO 3`.
    Resp3,
}

/// The replies of one connection that have not been sent yet.
#[derive(Debug, Default)]
pub struct Encoder {
    bytes: Vec<u8>,
    protocol: Protocol,
}

impl Encoder {
    /// An empty encoder.
    pub fn new(protocol: Protocol) -> Self {
        Self { bytes: Vec::new(), protocol }
    }

    /// What the next reply will be written in.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Changes the protocol from the next reply on.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// What has been written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How much has been written.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes back everything behind the first `len` bytes: a reply nobody wants to hear.
    pub fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// Starts again after the bytes were sent, keeping at most `retained` bytes of memory.
    pub fn clear(&mut self, retained: usize) {
        self.bytes.clear();
        self.bytes.shrink_to(retained);
    }

    /// Removes the bytes at the front which a partial write has sent.
    pub fn consume(&mut self, sent: usize) {
        self.bytes.drain(..sent);
    }

    /// Appends replies that were encoded elsewhere, for the same protocol.
    pub fn raw(&mut self, replies: &[u8]) {
        self.bytes.extend_from_slice(replies);
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.raw(b"+OK\r\n");
    }

    /// A short text without line ends.
    pub fn simple(&mut self, text: &str) {
        debug_assert!(!text.contains(['\r', '\n']), "a simple string is one line");
        self.bytes.reserve(text.len() + 3);
        self.bytes.push(b'+');
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// An error: a code in capitals, a blank, a text. Line ends in it, which may come from what
    /// the client sent, become blanks.
    pub fn error(&mut self, message: &[u8]) {
        self.bytes.reserve(message.len() + 3);
        self.bytes.push(b'-');
        let one_line = |byte: &u8| {
            if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }
        };
        self.bytes.extend(message.iter().map(one_line));
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// A number.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        self.line(b':', &Decimal::signed(value));
    }

    /// A string of any bytes.
    #[inline]
    pub fn bulk(&mut self, payload: &[u8]) {
        // With one reserve the pieces cannot make the buffer grow twice.
        self.bytes.reserve(payload.len() + 25);
        self.line(b'$', &Decimal::unsigned(payload.len() as u64));
        self.bytes.extend_from_slice(payload);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Nothing, where a string could be.
    #[inline]
    pub fn null(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.raw(b"$-1\r\n"),
            Protocol::Resp3 => self.raw(b"_\r\n"),
        }
    }

    /// Nothing, where an array could be.
    pub fn null_array(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.raw(b"*-1\r\n"),
            Protocol::Resp3 => self.raw(b"_\r\n"),
        }
    }

    /// Announces an array of `len` replies.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.line(b'*', &Decimal::unsigned(len as u64));
    }

    /// Announces a map of `len` pairs of replies.
    pub fn map(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp2 => self.array(2 * len),
            Protocol::Resp3 => self.line(b'%', &Decimal::unsigned(len as u64)),
        }
    }

    /// Announces a set of `len` replies.
    pub fn set(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp2 => self.array(len),
            Protocol::Resp3 => self.line(b'~', &Decimal::unsigned(len as u64)),
        }
    }

    /// Announces a message of `len` replies that answers no command.
    pub fn push(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp2 => self.array(len),
            Protocol::Resp3 => self.line(b'>', &Decimal::unsigned(len as u64)),
        }
    }

    /// Yes or no.
    pub fn boolean(&mut self, value: bool) {
        match (self.protocol, value) {
            (Protocol::Resp2, value) => self.integer(i64::from(value)),
            (Protocol::Resp3, true) => self.raw(b"#t\r\n"),
            (Protocol::Resp3, false) => self.raw(b"#f\r\n"),
        }
    }

    /// A number with a fraction, in the shortest decimal that reads back as the same number.
    pub fn double(&mut self, value: f64) {
        // Formatting may allocate; nothing sends doubles often. Rust writes `NaN`, RESP3 `nan`.
        let text = if value.is_nan() { "nan".to_owned() } else { value.to_string() };
        match self.protocol {
            Protocol::Resp2 => self.bulk(text.as_bytes()),
            Protocol::Resp3 => {
                self.raw(b",");
                self.raw(text.as_bytes());
                self.raw(b"\r\n");
            }
        }
    }

    /// A text for people, which clients show as it is.
    pub fn verbatim(&mut self, text: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                self.bytes.reserve(text.len() + 29);
                self.line(b'=', &Decimal::unsigned(text.len() as u64 + 4));
                self.raw(b"txt:");
                self.raw(text);
                self.raw(b"\r\n");
            }
        }
    }

    /// A marker, a number, a line end, in one copy.
    #[inline]
    fn line(&mut self, marker: u8, number: &Decimal) {
        let digits = number.as_bytes();
        let mut line = [0; 23];
        line[0] = marker;
        line[1..=digits.len()].copy_from_slice(digits);
        line[digits.len() + 1] = b'\r';
        line[digits.len() + 2] = b'\n';
        self.bytes.extend_from_slice(&line[..digits.len() + 3]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::resp::reader::{Reply, read_all};

    fn written(protocol: Protocol, write: impl FnOnce(&mut Encoder)) -> String {
        let mut out = Encoder::new(protocol);
        write(&mut out);
        String::from_utf8(out.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn each_type_is_written_as_redis_writes_it() {
        type Write = fn(&mut Encoder);
        let cases: [(Write, &str, &str); 20] = [
            (|out| out.ok(), "+OK\r\n", "+OK\r\n"),
            (|out| out.simple("PONG"), "+PONG\r\n", "+PONG\r\n"),
            (|out| out.error(b"ERR a\r\nb"), "-ERR a  b\r\n", "-ERR a  b\r\n"),
            (|out| out.integer(0), ":0\r\n", ":0\r\n"),
            (|out| out.integer(i64::MIN), ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"),
            (|out| out.bulk(b""), "$0\r\n\r\n", "$0\r\n\r\n"),
            (|out| out.bulk(b"hello worlds"), "$12\r\nhello worlds\r\n", "$12\r\nhello worlds\r\n"),
            (|out| out.null(), "$-1\r\n", "_\r\n"),
            (|out| out.null_array(), "*-1\r\n", "_\r\n"),
            (|out| out.array(3), "*3\r\n", "*3\r\n"),
            (|out| out.map(7), "*14\r\n", "%7\r\n"),
            (|out| out.set(2), "*2\r\n", "~2\r\n"),
            (|out| out.push(2), "*2\r\n", ">2\r\n"),
            (|out| out.boolean(true), ":1\r\n", "#t\r\n"),
            (|out| out.boolean(false), ":0\r\n", "#f\r\n"),
            (|out| out.double(1.5), "$3\r\n1.5\r\n", ",1.5\r\n"),
            (|out| out.double(f64::NEG_INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n"),
            (|out| out.double(f64::NAN), "$3\r\nnan\r\n", ",nan\r\n"),
            (|out| out.verbatim(b"# CPU"), "$5\r\n# CPU\r\n", "=9\r\ntxt:# CPU\r\n"),
            (|out| out.raw(b":1\r\n"), ":1\r\n", ":1\r\n"),
        ];
        for (write, resp2, resp3) in cases {
            assert_eq!(written(Protocol::Resp2, write), resp2);
            assert_eq!(written(Protocol::Resp3, write), resp3);
        }
    }

    #[test]
    fn a_connection_does_not_keep_the_memory_of_its_largest_reply() {
        let mut out = Encoder::default();
        out.bulk(&vec![0; 1 << 20]);
        out.clear(4096);
        assert!(out.is_empty() && out.bytes.capacity() <= 4096);
    }

    #[test]
    fn an_unwanted_reply_can_be_taken_back_and_a_sent_one_removed() {
        let mut out = Encoder::default();
        out.ok();
        let before = out.len();
        out.integer(5);
        out.truncate(before);
        out.null();
        out.consume(before);
        assert_eq!(out.as_bytes(), b"$-1\r\n");
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(
            number: i64,
            payload in proptest::collection::vec(any::<u8>(), 0..300),
            double in proptest::num::f64::NORMAL,
            resp3: bool,
        ) {
            let mut out = Encoder::new(if resp3 { Protocol::Resp3 } else { Protocol::Resp2 });
            out.array(5);
            out.integer(number);
            out.bulk(&payload);
            out.verbatim(&payload);
            out.null();
            out.double(double);
            let (number, bulk) = (Reply::Integer(number), Reply::Bulk(payload));
            let double = match resp3 {
                true => Reply::Double(double),
                false => Reply::bulk(&double.to_string()),
            };
            let expected = Reply::Array(vec![number, bulk.clone(), bulk, Reply::Null, double]);
            prop_assert_eq!(read_all(out.as_bytes()), [expected]);
        }
    }
}
