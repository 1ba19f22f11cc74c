//! A command on many keys, carried out piece by piece.
//!
//! A piece is begun when the one before is answered and what it brought has been sent, so a million
//! keys cost no more memory than a few, and each piece has a deadline of its own. The command has
//! the connection for itself meanwhile. Its parts are not atomic, as in any cluster.
//!
//! MGET's reply is begun before all of it is known: a value that cannot be had is an error in its
//! place. The others say how far they came.

use bytes::Bytes;

use super::Command;
use super::args::OwnedArgs;
use super::encode::Encoder;
use super::reply::{self, Finish};
use crate::node::event::{Failure, Reply};
use crate::store::{Answer, Operation};

/// A command with more keys than this is carried out in pieces.
pub(super) const WHOLE_MAX: usize = 32;
/// Most bytes of values that a piece of MSET carries, unless one value alone has more.
const PIECE_BYTES: usize = 1 << 20;

/// What is done with each key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Each {
    Get,
    Exists,
    Delete,
    Set,
}

/// One such command under way.
#[derive(Debug)]
pub(super) struct Many {
    each: Each,
    args: OwnedArgs,
    /// Arguments begun.
    begun: usize,
    /// Keys answered, and of these, how many count.
    answered: usize,
    counted: usize,
    failure: Option<Failure>,
    /// The client asked for silence.
    silent: bool,
}

impl Many {
    /// Takes a command over, if it has so many keys; writes the beginning of its reply. `whole` is
    /// the command as it came, if that was kept.
    pub(super) fn new(
        command: &Command<'_>,
        whole: &Bytes,
        silent: bool,
        out: &mut Encoder,
    ) -> Option<Many> {
        let (each, args) = match command {
            Command::Mget(keys) => (Each::Get, OwnedArgs::within(whole, *keys)),
            Command::Exists(keys) => (Each::Exists, OwnedArgs::within(whole, *keys)),
            Command::Del(keys) | Command::Unlink(keys) => {
                (Each::Delete, OwnedArgs::within(whole, *keys))
            }
            Command::Mset(pairs) => (Each::Set, OwnedArgs::within(whole, pairs.args().iter())),
            _ => return None,
        };
        let many = Many { each, args, begun: 0, answered: 0, counted: 0, failure: None, silent };
        if each == Each::Get && !silent {
            out.array(many.keys());
        }
        Some(many)
    }

    /// What its values lie in.
    pub(super) fn whole(&self) -> &Bytes {
        self.args.bytes()
    }

    /// How its pieces are finished.
    pub(super) fn finish(&self) -> Finish {
        match self.each {
            Each::Get => Finish::Mget,
            Each::Exists | Each::Delete => Finish::Count,
            Each::Set => Finish::Ok,
        }
    }

    /// The next operations, at most `span`; none if nothing is left to begin.
    pub(super) fn piece(
        &self,
        span: usize,
    ) -> impl Iterator<Item = (&[u8], Operation<&[u8]>)> + use<'_> {
        let (args, each) = (self.args.as_args(), self.each);
        let span = if self.is_done() { 0 } else { span };
        let mut bytes = 0;
        let operations = (self.begun..args.len()).step_by(self.step()).take(span).map(move |at| {
            let operation = match each {
                Each::Get | Each::Exists => Operation::Get,
                Each::Delete => Operation::Delete,
                Each::Set => Operation::Set { value: args.at(at + 1), deadline_ms: None },
            };
            (args.at(at), operation)
        });
        operations.take_while(move |(_, operation)| {
            let first = bytes == 0;
            if let Operation::Set { value, .. } = operation {
                bytes += value.len() + 1;
            }
            first || bytes <= PIECE_BYTES
        })
    }

    /// So many of the operations were begun.
    pub(super) fn begin(&mut self, operations: usize) {
        self.begun += operations * self.step();
    }

    /// A piece is answered.
    pub(super) fn take(&mut self, parts: Vec<Option<Reply>>, now_ms: u64, out: &mut Encoder) {
        for part in parts.into_iter().flatten() {
            match &part {
                Reply::Failed(failure) if self.each == Each::Get && !self.silent => {
                    out.error(format!("ERR {failure}").as_bytes());
                }
                Reply::Failed(failure) => self.failure = self.failure.or(Some(*failure)),
                Reply::Answer { answer, .. } => {
                    let there = matches!(answer, Answer::Found { .. } | Answer::Existed(true));
                    self.answered += 1;
                    self.counted += usize::from(there);
                    if self.each == Each::Get && !self.silent {
                        reply::encode(Finish::Get, Some(answer.as_ref()), now_ms, out);
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether nothing is left to begin.
    pub(super) fn is_done(&self) -> bool {
        let all = self.begun >= self.args.as_args().len();
        all || (self.failure.is_some() && self.each != Each::Get)
    }

    /// Writes the end of the reply.
    pub(super) fn end(self, out: &mut Encoder) {
        if self.silent {
            return;
        }
        match (self.each, self.failure) {
            (Each::Get, _) => {}
            (_, Some(failure)) => {
                let (answered, keys) = (self.answered, self.keys());
                let text = format!("ERR {failure} (after {answered} of {keys} keys)");
                out.error(text.as_bytes());
            }
            (Each::Set, None) => out.ok(),
            (Each::Exists | Each::Delete, None) => out.integer(self.counted as i64),
        }
    }

    fn keys(&self) -> usize {
        self.args.as_args().len() / self.step()
    }

    fn step(&self) -> usize {
        if self.each == Each::Set { 2 } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::{Decoded, Decoder, Limits};

    fn command(words: &[&[u8]], silent: bool, out: &mut Encoder) -> Many {
        let mut request = Encoder::default();
        request.array(words.len());
        words.iter().for_each(|word| request.bulk(word));
        let mut decoder = Decoder::new(Limits::default());
        let Ok(Decoded::Command { args, .. }) = decoder.next(request.as_bytes()) else {
            panic!("a command");
        };
        let command = Command::parse(args).expect("a good command");
        Many::new(&command, &Bytes::new(), silent, out).expect("a command on many keys")
    }

    fn found(value: &'static [u8]) -> Option<Reply> {
        let value = Bytes::from_static(value);
        let answer = Answer::Found { value, deadline_ms: None };
        Some(Reply::Answer { answer, written: None })
    }

    #[test]
    fn a_value_that_cannot_be_had_is_an_error_in_its_place() {
        let mut out = Encoder::default();
        let mut many = command(&[b"MGET", b"a", b"b", b"c"], false, &mut out);
        many.begin(many.piece(2).count());
        many.take(vec![found(b"1"), Some(Reply::Failed(Failure::Busy))], 0, &mut out);
        assert!(!many.is_done());
        many.begin(many.piece(2).count());
        many.take(vec![found(b"3")], 0, &mut out);
        assert!(many.is_done());
        many.end(&mut out);
        let reply = String::from_utf8_lossy(out.as_bytes()).into_owned();
        let busy = format!("-ERR {}\r\n", Failure::Busy);
        assert_eq!(reply, format!("*3\r\n$1\r\n1\r\n{busy}$1\r\n3\r\n"));
    }

    #[test]
    fn a_removal_that_fails_says_how_far_it_came_and_goes_no_further() {
        let mut out = Encoder::default();
        let mut many = command(&[b"DEL", b"a", b"b", b"c"], false, &mut out);
        many.begin(many.piece(2).count());
        many.take(vec![found(b"1"), Some(Reply::Failed(Failure::Busy))], 0, &mut out);
        assert!(many.is_done());
        assert_eq!(many.piece(2).count(), 0);
        many.end(&mut out);
        let reply = String::from_utf8_lossy(out.as_bytes()).into_owned();
        assert_eq!(reply, format!("-ERR {} (after 1 of 3 keys)\r\n", Failure::Busy));
    }

    #[test]
    fn a_piece_of_large_values_has_few_of_them_but_at_least_one() {
        let large = vec![b'x'; PIECE_BYTES];
        let words: [&[u8]; 7] = [b"MSET", b"a", &large, b"b", b"1", b"c", b"2"];
        let mut many = command(&words, true, &mut Encoder::default());
        assert_eq!(many.piece(10).count(), 1);
        many.begin(1);
        assert_eq!(many.piece(10).count(), 2);
    }

    #[test]
    fn a_client_that_wants_no_reply_gets_none() {
        let mut out = Encoder::default();
        let mut many = command(&[b"MGET", b"a"], true, &mut out);
        many.begin(1);
        many.take(vec![found(b"1")], 0, &mut out);
        many.end(&mut out);
        assert!(out.is_empty());
    }
}
