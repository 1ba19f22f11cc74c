//! Transcripts: what Redis 7.0.15 answered to the same line, recorded.

use super::*;
use crate::resp::{Decoded, Decoder, Encoder, Limits};

/// Parses one inline command and gives it to `check`.
fn parsed<T>(line: &str, check: impl FnOnce(Parsed<'_>) -> T) -> T {
    let mut decoder = Decoder::new(Limits::default());
    let line = format!("{line}\r\n");
    match decoder.next(line.as_bytes()) {
        Ok(Decoded::Command { args, .. }) => check(Command::parse(args)),
        other => panic!("{line:?} is {other:?}"),
    }
}

fn error(line: &str) -> String {
    parsed(line, |parsed| {
        let Err(error) = parsed else { panic!("{line} is {parsed:?}") };
        let mut out = Encoder::default();
        error.encode(&mut out);
        let text = std::str::from_utf8(out.as_bytes()).unwrap();
        text.strip_prefix('-').unwrap().strip_suffix("\r\n").unwrap().to_owned()
    })
}

#[test]
fn refusals_are_worded_as_in_redis() {
    let syntax = "ERR syntax error";
    let integer = "ERR value is not an integer or out of range";
    let set_expire = "ERR invalid expire time in 'set' command";
    let arity = |name: &str| format!("ERR wrong number of arguments for '{name}' command");
    let nx = "ERR NX and XX, GT or LT options at the same time are not compatible";
    for (line, expected) in [
        ("foo a b", "ERR unknown command 'foo', with args beginning with: 'a' 'b' "),
        ("FoO", "ERR unknown command 'FoO', with args beginning with: "),
        ("\"\" a", "ERR unknown command '', with args beginning with: 'a' "),
        ("foo \"a\\r\\nbc\"", "ERR unknown command 'foo', with args beginning with: 'a  bc' "),
        ("\"f\\x00o\" a", "ERR unknown command 'f', with args beginning with: 'a' "),
        ("\"get\\x00\" a", "ERR unknown command 'get', with args beginning with: 'a' "),
        ("CLIENT foo", "ERR unknown subcommand 'foo'. Try CLIENT HELP."),
        ("client FOO a", "ERR unknown subcommand 'FOO'. Try CLIENT HELP."),
        (
            "CLIENT MAINT_NOTIFICATIONS ON",
            "ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.",
        ),
        ("CONFIG foo", "ERR unknown subcommand 'foo'. Try CONFIG HELP."),
        ("COMMAND foo", "ERR unknown subcommand 'foo'. Try COMMAND HELP."),
        ("CHICKADEE foo", "ERR unknown subcommand 'foo'. Try CHICKADEE HELP."),
        ("CLIENT ID x", &arity("client|id")),
        ("CLIENT", &arity("client")),
        ("GeT", &arity("get")),
        ("MSET a b c", &arity("mset")),
        ("COMMAND GETKEYS ping", &arity("command|getkeys")),
        (
            "CLIENT SETNAME \"a b\"",
            "ERR Client names cannot contain spaces, newlines or special characters.",
        ),
        (
            "CLIENT SETINFO LIB-NAME \"a b\"",
            "ERR lib-name cannot contain spaces, newlines or special characters.",
        ),
        ("CLIENT SETINFO foo a", "ERR Unrecognized option 'foo'"),
        ("CLIENT NO-EVICT foo", syntax),
        ("CLIENT REPLY foo", syntax),
        ("CLIENT LIST foo", syntax),
        ("CLIENT LIST ID", syntax),
        ("CLIENT LIST TYPE foo", "ERR Unknown client type 'foo'"),
        ("CLIENT LIST ID 1 a", "ERR Invalid client ID"),
        ("CONFIG SET port 5 a", syntax),
        (
            "CONFIG SET port 5",
            "ERR CONFIG SET failed (possibly related to argument 'port') - can't set immutable config",
        ),
        ("HELLO 4", "NOPROTO unsupported protocol version"),
        ("HELLO a", "ERR Protocol version is not an integer or out of range"),
        ("HELLO 3 foo", "ERR Syntax error in HELLO option 'foo'"),
        ("HELLO 3 AUTH a", "ERR Syntax error in HELLO option 'AUTH'"),
        ("HELLO 3 SETNAME", "ERR Syntax error in HELLO option 'SETNAME'"),
        ("AUTH a b c", syntax),
        ("SELECT a", integer),
        ("SELECT 01", integer),
        ("SELECT -1", "ERR DB index is out of range"),
        (
            "SELECT 99999999999",
            "ERR value is out of range, value must between -2147483648 and 2147483647",
        ),
        ("SET a b foo", syntax),
        ("SET a b EX", syntax),
        ("SET a b NX XX", syntax),
        ("SET a b EX 10 PX 10", syntax),
        ("SET a b KEEPTTL EX 10", syntax),
        ("SET a b EX 10 KEEPTTL", syntax),
        ("SET a b EX 0 FOO", syntax),
        ("SET a b EX a NX XX", syntax),
        ("SET a b EX a", integer),
        ("SET a b EX 0", set_expire),
        ("SET a b PXAT -1", set_expire),
        ("SET a b EX 9223372036854775807", set_expire),
        ("EXPIRE a x", integer),
        ("EXPIRE a x foo", "ERR Unsupported option foo"),
        ("EXPIRE a 10 nx xx", nx),
        ("EXPIRE a 10 nx gt lt", nx),
        ("EXPIRE a 10 gt lt", "ERR GT and LT options at the same time are not compatible"),
        ("EXPIRE a -9223372036854776", "ERR invalid expire time in 'expire' command"),
        ("INCRBY a 01", integer),
        ("INCRBY a 9223372036854775808", integer),
        ("DECRBY a -9223372036854775808", "ERR decrement would overflow"),
        ("FLUSHDB sync async", syntax),
        ("COMMAND LIST FILTERBY FOO x", syntax),
    ] {
        assert_eq!(error(line), expected, "{line}");
    }
}

#[test]
fn only_the_first_128_bytes_of_nonsense_are_repeated() {
    let long = "a".repeat(200);
    let start = "ERR unknown command 'foo', with args beginning with: '";
    assert_eq!(error(&format!("foo {long} b")), format!("{start}{}' ", &long[..128]));
    assert_eq!(
        error(&format!("foo {} bb c", &long[..120])),
        format!("{start}{}' 'bb' ", &long[..120])
    );
    assert_eq!(
        error(&long),
        format!("ERR unknown command '{}', with args beginning with: ", &long[..128])
    );
}

#[test]
fn options_of_set_are_understood_in_any_order_and_case() {
    let set = |line: &str| {
        parsed(line, |parsed| match parsed {
            Ok(Command::Set(Set { key: b"k", value: b"v", expiry, condition, answer_old })) => {
                (expiry, condition, answer_old)
            }
            other => panic!("{line} is {other:?}"),
        })
    };
    use SetCondition::*;
    use SetExpiry::*;
    for (line, expected) in [
        ("set k v", (Never, Always, false)),
        ("SET k v nx GET Px 5", (Then(Expiry::In(5)), IfAbsent, true)),
        ("SET k v EX 5 XX", (Then(Expiry::In(5000)), IfPresent, false)),
        ("SET k v EX 5 EX 6", (Then(Expiry::In(6000)), Always, false)),
        ("SET k v EXAT 7", (Then(Expiry::At(7000)), Always, false)),
        ("SET k v PXAT 9223372036854775807", (Then(Expiry::At(i64::MAX)), Always, false)),
        ("SET k v KEEPTTL KEEPTTL", (Keep, Always, false)),
    ] {
        assert_eq!(set(line), expected, "{line}");
    }
}

#[test]
fn commands_mean_what_they_say() {
    let check =
        |line, expected: Command<'_>| parsed(line, |parsed| assert_eq!(parsed, Ok(expected)));
    check("get k", Command::Get(b"k"));
    check("INCR k", Command::Add { key: b"k", delta: 1 });
    check("DECRBY k 5", Command::Add { key: b"k", delta: -5 });
    check("INCRBY k -9223372036854775808", Command::Add { key: b"k", delta: i64::MIN });
    check("APPEND k v", Command::Append { key: b"k", tail: b"v" });
    check("FLUSHALL async", Command::FlushAll(Flush::Async));
    check("SELECT 9", Command::Select(9));
    check("AUTH p", Command::Auth(Credentials { user: None, password: b"p" }));
    check("QUIT now", Command::Quit);
    check("CHICKADEE EXPLAIN k", Command::Explain(b"k"));
    check("CLIENT REPLY skip", Command::Client(Client::Reply(ReplyMode::Skip)));
    check("CLIENT SETNAME \"\"", Command::Client(Client::SetName(b"")));
    check(
        "HELLO 3 SETNAME n AUTH u p",
        Command::Hello(Hello {
            protocol: Some(Protocol::Resp3),
            auth: Some(Credentials { user: Some(b"u"), password: b"p" }),
            name: Some(b"n"),
        }),
    );
    check(
        "EXPIRE k -5 xx GT",
        Command::Expire(Expire {
            key: b"k",
            expiry: Expiry::In(-5000),
            condition: ExpireCondition { present: true, later: true, ..Default::default() },
            name: "expire",
        }),
    );
}

#[test]
fn keys_are_found_without_their_values() {
    let keys = |line| {
        parsed(line, |parsed| parsed.unwrap().keys().map(<[u8]>::to_vec).collect::<Vec<_>>())
    };
    assert_eq!(keys("MGET a b a"), [b"a", b"b", b"a"]);
    assert_eq!(keys("MSET a 1 b 2"), [b"a", b"b"]);
    assert_eq!(keys("TTL a"), [b"a"]);
    assert!(keys("PING a").is_empty());
    parsed("MSET a 1 b 2", |parsed| {
        let Ok(Command::Mset(pairs)) = parsed else { panic!("an MSET") };
        assert_eq!(pairs.len(), 2);
        assert!(pairs.eq([(&b"a"[..], &b"1"[..]), (b"b", b"2")]));
    });
}

#[test]
fn the_parser_and_the_table_know_the_same_commands() {
    let entries =
        table::COMMANDS.iter().flat_map(|entry| std::iter::once(entry).chain(entry.members));
    for entry in entries {
        let name = entry.name.replace('|', " ");
        let given = name.split(' ').count();
        for more in 0..4 {
            let line = format!("{name}{}", " 1".repeat(more));
            // INFO and its like answer for any number, MSET and CONFIG SET for odd or even ones.
            let refused = parsed(&line, |parsed| match parsed {
                Err(CommandError::UnknownCommand(_)) => panic!("{name} is unknown"),
                Err(CommandError::WrongArity(of)) => of == entry.name,
                _ => false,
            });
            let excused = (entry.name == "mset" && more == 3)
                // Redis says -1, and refuses more than one argument by hand.
                || (entry.name == "ping" && more > 1);
            assert_eq!(refused, excused || !entry.takes(given + more), "{line}");
        }
    }
}
