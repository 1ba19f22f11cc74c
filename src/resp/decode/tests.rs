//! What Redis 7.0.15 did with the same bytes was recorded and is expected here, except where the
//! module's documentation names a departure.

use proptest::prelude::*;

use super::super::args::OwnedArgs;
use super::*;
use crate::resp::{Encoder, Protocol};

/// What a stream came to.
#[derive(Clone, PartialEq, Debug)]
enum Event {
    Command(Vec<Vec<u8>>),
    TooLarge,
    Error(ProtocolError),
}

/// A connection's buffer and decoder, fed piece by piece.
struct Connection {
    decoder: Decoder,
    buf: Vec<u8>,
    events: Vec<Event>,
    wanted: usize,
    /// The most bytes that ever had to stay in the buffer.
    held_max: usize,
}

impl Connection {
    fn new(limits: Limits) -> Self {
        let decoder = Decoder::new(limits);
        Self { decoder, buf: Vec::new(), events: Vec::new(), wanted: 1, held_max: 0 }
    }

    fn is_closed(&self) -> bool {
        matches!(self.events.last(), Some(Event::Error(_)))
    }

    fn feed(&mut self, piece: &[u8]) {
        if self.is_closed() {
            return;
        }
        self.buf.extend_from_slice(piece);
        loop {
            let (event, consumed) = match self.decoder.next(&self.buf) {
                Ok(Decoded::Command { args, consumed }) => {
                    (Event::Command(args.iter().map(<[u8]>::to_vec).collect()), consumed)
                }
                Ok(Decoded::TooLarge { consumed }) => (Event::TooLarge, consumed),
                Ok(Decoded::Incomplete { consumed, wanted }) => {
                    assert!(wanted > 0);
                    self.wanted = wanted;
                    self.buf.drain(..consumed);
                    self.held_max = self.held_max.max(self.buf.len());
                    return;
                }
                Err(error) => {
                    self.events.push(Event::Error(error));
                    return;
                }
            };
            self.events.push(event);
            self.buf.drain(..consumed);
        }
    }
}

fn events(limits: Limits, pieces: &[&[u8]]) -> Vec<Event> {
    let mut connection = Connection::new(limits);
    pieces.iter().for_each(|piece| connection.feed(piece));
    connection.events
}

fn decode(stream: &[u8]) -> Vec<Event> {
    events(Limits::default(), &[stream])
}

fn command(args: &[&[u8]]) -> Event {
    Event::Command(args.iter().map(|arg| arg.to_vec()).collect())
}

/// A request as client libraries send it.
fn request(args: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Encoder::new(Protocol::Resp2);
    out.array(args.len());
    args.iter().for_each(|arg| out.bulk(arg));
    out.as_bytes().to_vec()
}

#[test]
fn a_request_is_found_wherever_it_ends() {
    let stream = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n*1\r\n$4\r\nPING\r\n";
    assert_eq!(decode(stream), [command(&[b"SET", b"k", b""]), command(&[b"PING"])]);
}

#[test]
fn commands_without_arguments_are_passed_over() {
    let stream = b"*-1\r\n*0\r\n\r\n\n*-5\r\n  \r\n*1\r\n$4\r\nPING\r\n\r\n";
    assert_eq!(decode(stream), [command(&[b"PING"])]);
    let mut connection = Connection::new(Limits::default());
    connection.feed(&b"\r\n".repeat(1000));
    assert_eq!(connection.buf.len(), 0, "nor do they stay in the buffer");
}

#[test]
fn line_ends_that_redis_does_not_look_at_may_be_anything() {
    assert_eq!(decode(b"*1\r\r$4\rxPINGxx"), [command(&[b"PING"])]);
}

#[test]
fn malformed_requests_get_the_errors_of_redis() {
    use ProtocolError::*;
    let cases: [(&[u8], ProtocolError); 18] = [
        (b"*x\r\n", InvalidMultibulkLength),
        (b"*\r\n", InvalidMultibulkLength),
        (b"*01\r\n", InvalidMultibulkLength),
        (b"*+1\r\n", InvalidMultibulkLength),
        (b"*1048577\r\n", InvalidMultibulkLength),
        (b"*3000000000\r\n", InvalidMultibulkLength),
        (b"*99999999999999999999\r\n", InvalidMultibulkLength),
        (b"*1\r\n$-1\r\n", InvalidBulkLength),
        (b"*1\r\n$04\r\nPING\r\n", InvalidBulkLength),
        (b"*1\r\n$blabla\r\n", InvalidBulkLength),
        (b"*1\r\n$536870913\r\n", InvalidBulkLength),
        (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$2000000000\r\n", InvalidBulkLength),
        (b"*1\r\nfoo\r\n", ExpectedBulk(b'f')),
        (b"*1\r\n\r\n\r\n", ExpectedBulk(b'\r')),
        (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", ExpectedBulk(b'f')),
        (b"ECHO \"\r\n", UnbalancedQuotes),
        (b"ECHO \"a\"b\r\n", UnbalancedQuotes),
        (b"ECHO 'a\\'\r\n", UnbalancedQuotes),
    ];
    for (stream, error) in cases {
        assert_eq!(decode(stream), [Event::Error(error)], "{}", stream.escape_ascii());
    }
}

#[test]
fn a_line_that_never_ends_is_refused_at_64_kib_and_not_before() {
    let line = [b'A'; 64 << 10];
    for (start, error) in [
        (&b""[..], ProtocolError::TooBigInline),
        (b"\0", ProtocolError::TooBigInline),
        (b"*", ProtocolError::TooBigMultibulkCount),
        (b"*1\r\n$", ProtocolError::TooBigBulkCount),
    ] {
        let within = line.len() - start.len().min(1);
        assert_eq!(events(Limits::default(), &[start, &line[..within]]), []);
        let beyond = events(Limits::default(), &[start, &line[..within], b"A\r\n"]);
        assert_eq!(beyond, [Event::Error(error)], "{}", start.escape_ascii());
    }
}

#[test]
fn protocol_errors_are_worded_as_in_redis() {
    for (stream, expected) in [
        (&b"*x\r\n"[..], &b"-ERR Protocol error: invalid multibulk length\r\n"[..]),
        (b"*1\r\n$-1\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\nfoo\r\n", b"-ERR Protocol error: expected '$', got 'f'\r\n"),
        (b"*1\r\n\r\n\r\n", b"-ERR Protocol error: expected '$', got ' '\r\n"),
        (b"*1\r\n\xff\r\n", b"-ERR Protocol error: expected '$', got '\xff'\r\n"),
        (b"'\r\n", b"-ERR Protocol error: unbalanced quotes in request\r\n"),
    ] {
        let [Event::Error(error)] = decode(stream)[..] else { panic!("no error") };
        let mut out = Encoder::default();
        error.encode(&mut out);
        assert_eq!(out.as_bytes().escape_ascii().to_string(), expected.escape_ascii().to_string());
    }
}

#[test]
fn inline_commands_are_split_as_a_shell_would() {
    for (line, words) in [
        (&b"PING\r\n"[..], &[&b"PING"[..]][..]),
        (b"PING\n", &[b"PING"]),
        (b"PING\r\r\n", &[b"PING"]),
        (b" \t echo  a \r\n", &[b"echo", b"a"]),
        (b"\x0becho a\x0bb\r\n", &[b"echo", b"a\x0bb"]),
        (b"ECHO \"\"\n", &[b"ECHO", b""]),
        (b"ECHO \"a\\x41\\n\\q\\\"\" \r\n", &[b"ECHO", b"aA\nq\""]),
        (b"ECHO \"\\xZ1\"\r\n", &[b"ECHO", b"xZ1"]),
        (b"ECHO 'a\\'b\\n'\r\n", &[b"ECHO", b"a'b\\n"]),
        (b"ECHO foo\"bar baz\"\r\n", &[b"ECHO", b"foobar baz"]),
        (b"ECHO 'x' \"y\"\r\n", &[b"ECHO", b"x", b"y"]),
    ] {
        assert_eq!(decode(line), [command(words)], "{}", line.escape_ascii());
    }
}

#[test]
fn a_client_that_has_not_authenticated_may_only_send_small_commands() {
    for (stream, expected) in [
        (&b"*10\r\n$16384\r\n"[..], None),
        (b"*11\r\n", Some(ProtocolError::UnauthenticatedMultibulkLength)),
        (b"*1\r\n$16385\r\n", Some(ProtocolError::UnauthenticatedBulkLength)),
    ] {
        let mut connection = Connection::new(Limits::default());
        connection.decoder.restrict(true);
        connection.feed(stream);
        assert_eq!(connection.events, expected.map(Event::Error).into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_large_value_in_small_pieces_is_looked_at_once() {
    let value = vec![7; 8 << 20];
    let stream = request(&[b"SET".to_vec(), b"k".to_vec(), value.clone()]);
    let mut connection = Connection::new(Limits::default());
    let (head, tail) = stream.split_at(100);
    connection.feed(head);
    assert_eq!(connection.wanted, tail.len(), "it says exactly what is missing");
    // What has been understood is spoilt: who looked at it again would notice.
    connection.buf[..8].fill(b'?');
    for piece in tail.chunks(4096) {
        connection.feed(piece);
    }
    let [Event::Command(args)] = &connection.events[..] else { panic!("one command") };
    assert_eq!(args[2], value);
}

#[test]
fn a_value_too_large_to_keep_goes_by_without_being_kept() {
    let limits = || Limits { bulk_bytes_kept: 1000, ..Limits::default() };
    let set = |length| request(&[b"SET".to_vec(), b"k".to_vec(), vec![b'*'; length]]);
    let stream = [set(1000), set(1001), set(100_000), request(&[b"PING".to_vec()])].concat();
    let mut connection = Connection::new(limits());
    stream.chunks(100).for_each(|piece| connection.feed(piece));
    let [Event::Command(first), rest @ ..] = &connection.events[..] else { panic!("a command") };
    assert_eq!(first[2].len(), 1000);
    assert_eq!(rest, [Event::TooLarge, Event::TooLarge, command(&[b"PING"])]);
    assert!(connection.held_max < 1100, "{}", connection.held_max);
}

#[test]
fn a_command_of_many_arguments_is_bounded_as_a_whole() {
    let limits = Limits { command_bytes_kept: 10_000, ..Limits::default() };
    let stream = request(&vec![b"key".to_vec(); 5000]);
    let mut connection = Connection::new(limits);
    stream.chunks(1000).for_each(|piece| connection.feed(piece));
    assert_eq!(connection.events, [Event::TooLarge]);
    assert!(connection.held_max <= 10_000);
}

#[test]
fn memory_follows_what_was_sent_and_not_what_was_announced() {
    let mut connection = Connection::new(Limits::default());
    connection.feed(b"*1048576\r\n$3\r\nDEL\r\n$8388608\r\nabc");
    assert!(connection.decoder.spans.capacity() < 100);
    let many = request(&vec![b"k".to_vec(); 100_000]);
    let mut connection = Connection::new(Limits::default());
    connection.feed(&many);
    connection.feed(b"PING\r\n");
    assert!(connection.decoder.spans.capacity() <= RETAINED_MAX, "a large command leaves no trace");
}

#[test]
fn a_command_that_waits_keeps_its_own_copy() {
    let mut decoder = Decoder::new(Limits::default());
    let buf = b"*3\r\n$4\r\nMGET\r\n$0\r\n\r\n$1\r\nb\r\n".to_vec();
    let Ok(Decoded::Command { args, .. }) = decoder.next(&buf) else { panic!("a command") };
    let kept = OwnedArgs::new(args.iter());
    drop(buf);
    assert_eq!(kept.as_args().iter().collect::<Vec<_>>(), [&b"MGET"[..], b"", b"b"]);
}

/// Small limits, so that random streams reach them.
fn small() -> Limits {
    Limits {
        bulk_bytes_max: 200,
        bulk_bytes_kept: 50,
        command_bytes_kept: 120,
        arguments_max: 8,
        line_bytes_max: 40,
    }
}

/// Streams of which a good part means something.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let args = proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..70), 0..9);
    let fragment = prop_oneof![
        6 => args.prop_map(|args| request(&args)),
        2 => "[a-z \"'\\\\x0-9]{0,45}\r?\n".prop_map(String::into_bytes),
        1 => "[*$][-0-9]{0,4}\r\n".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ];
    proptest::collection::vec(fragment, 0..8).prop_map(|fragments| fragments.concat())
}

proptest! {
    #[test]
    fn the_pieces_in_which_a_stream_arrives_do_not_show(
        stream in streams(),
        cuts in proptest::collection::vec(1usize..40, 1..20),
    ) {
        let whole = events(small(), &[&stream]);
        let mut pieces = Connection::new(small());
        let mut rest = &stream[..];
        for cut in cuts.iter().cycle() {
            let (piece, behind) = rest.split_at(rest.len().min(*cut));
            pieces.feed(piece);
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(&pieces.events, &whole);
        // Kept is at most a command up to its limit, a line, and the last piece.
        prop_assert!(pieces.held_max <= 120 + 41 + 40);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(&events(small(), &bytes), &whole);
    }

    #[test]
    fn whatever_is_sent_as_arguments_arrives_as_arguments(
        commands in proptest::collection::vec(
            proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 1..12),
            0..10,
        ),
    ) {
        let stream: Vec<u8> = commands.iter().flat_map(|args| request(args)).collect();
        let expected: Vec<Event> = commands.into_iter().map(Event::Command).collect();
        prop_assert_eq!(decode(&stream), expected);
    }

    #[test]
    fn no_bytes_make_it_panic_or_keep_more_than_they_are(
        stream in proptest::collection::vec(any::<u8>(), 0..400),
        star: bool,
    ) {
        let mut connection = Connection::new(Limits::default());
        connection.feed(if star { b"*5\r\n$" } else { b"" });
        connection.feed(&stream);
        prop_assert!(connection.decoder.spans.capacity() <= 4 + 2 * stream.len());
        prop_assert!(connection.decoder.unquoted.capacity() <= 8 + 2 * stream.len());
        if let Some(Event::Error(error)) = connection.events.last() {
            prop_assert_eq!(connection.decoder.next(&connection.buf).unwrap_err(), *error);
        }
    }
}

/// `cargo test --release --lib resp::decode -- --ignored --nocapture` prints ns per command.
#[test]
#[ignore = "a measurement, not a check"]
fn nanoseconds_per_command() {
    use std::hint::black_box;

    use crate::resp::Command;

    let key = |n: usize| format!("key:{n:012}").into_bytes();
    let get = |n| request(&[b"GET".to_vec(), key(n)]);
    let set = |size: usize| move |n| request(&[b"SET".to_vec(), key(n), vec![b'x'; size]]);
    let mget = |n| request(&[&[b"MGET".to_vec()][..], &vec![key(n); 10]].concat());
    let batches: [(&str, Vec<u8>); 4] = [
        ("GET", (0..64).flat_map(get).collect()),
        ("SET 100", (0..64).flat_map(set(100)).collect()),
        ("SET 4096", (0..64).flat_map(set(4096)).collect()),
        ("MGET of 10", (0..64).flat_map(mget).collect()),
    ];
    let mut decoder = Decoder::new(Limits::default());
    for (name, batch) in batches {
        let mut run = |parse: bool| {
            let mut best = f64::MAX;
            for _ in 0..200 {
                let start = std::time::Instant::now();
                for _ in 0..20 {
                    let mut buf = &batch[..];
                    while let Ok(Decoded::Command { args, consumed }) = decoder.next(buf) {
                        if parse {
                            black_box(Command::parse(args).is_ok());
                        } else {
                            black_box(args);
                        }
                        buf = &buf[consumed..];
                    }
                }
                best = best.min(start.elapsed().as_nanos() as f64 / (20.0 * 64.0));
            }
            best
        };
        println!("{name}: decode {:.1} ns, with parse {:.1} ns", run(false), run(true));
    }
    let mut out = Encoder::default();
    for size in [10, 100, 4096] {
        let value = vec![b'x'; size];
        let mut best = f64::MAX;
        for _ in 0..200 {
            let start = std::time::Instant::now();
            for _ in 0..1000 {
                out.bulk(black_box(&value));
                if out.len() > 64 << 10 {
                    out.clear(1 << 20);
                }
            }
            best = best.min(start.elapsed().as_nanos() as f64 / 1000.0);
        }
        println!("bulk of {size}: {best:.1} ns");
    }
}
