//! The shapes are those of Redis 7.0.15, recorded.

use super::*;
use crate::resp::reader::{Reply, read_all};
use crate::resp::{Command, Decoded, Decoder, Limits, Protocol};

fn answers(protocol: Protocol, line: &str) -> Vec<u8> {
    let mut decoder = Decoder::new(Limits::default());
    let line = format!("{line}\r\n");
    let mut out = Encoder::new(protocol);
    let Ok(Decoded::Command { args, .. }) = decoder.next(line.as_bytes()) else { panic!("{line}") };
    match Command::parse(args) {
        Ok(Command::Introspect(question)) => question.encode(&mut out),
        Ok(Command::Help(entry)) => entry.encode_help(&mut out),
        other => panic!("{line} is {other:?}"),
    }
    out.as_bytes().to_vec()
}

fn answer(line: &str) -> Reply {
    let mut replies = read_all(&answers(Protocol::Resp3, line));
    assert_eq!(replies.len(), 1, "{line} has one reply");
    replies.remove(0)
}

#[test]
fn a_command_is_described_to_the_byte_as_redis_describes_it() {
    let expected = "*2\r\n$-1\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n\
        *3\r\n+@read\r\n+@string\r\n+@fast\r\n*0\r\n*1\r\n*6\r\n$5\r\nflags\r\n*2\r\n+RO\r\n+access\r\n\
        $12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n*2\r\n$5\r\nindex\r\n:1\r\n\
        $9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n*6\r\n$7\r\nlastkey\r\n:0\r\n\
        $7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n*0\r\n";
    let answer = answers(Protocol::Resp2, "COMMAND INFO foo GET");
    assert_eq!(String::from_utf8(answer).unwrap(), expected);
}

#[test]
fn every_command_is_counted_listed_and_described_once() {
    let count = COMMANDS.len();
    assert_eq!(answer("COMMAND COUNT"), Reply::Integer(count as i64));
    let described = answer("COMMAND");
    assert_eq!(described.items().len(), count);
    assert_eq!(described, answer("COMMAND INFO"));
    let names: Vec<&str> = described.items().iter().map(|entry| entry.items()[0].text()).collect();
    assert!(names.is_sorted() && names.contains(&"get"));
    let members: usize = COMMANDS.iter().map(|entry| entry.members.len()).sum();
    assert_eq!(answer("COMMAND LIST").items().len(), count + members);
}

#[test]
fn a_cluster_client_learns_where_the_keys_are() {
    for (name, positions) in
        [("get", [1, 1, 1]), ("mset", [1, -1, 2]), ("del", [1, -1, 1]), ("ping", [0, 0, 0])]
    {
        let info = answer(&format!("COMMAND INFO {name}"));
        assert_eq!(info.items()[0].items()[3..6], positions.map(Reply::Integer), "{name}");
    }
}

#[test]
fn the_keys_of_a_call_are_extracted() {
    for (call, keys) in [
        ("get a", &["a"][..]),
        ("mset a b c d", &["a", "c"]),
        ("mset a b c", &["a", "c"]),
        ("del a b c", &["a", "b", "c"]),
        ("set a b nx get", &["a"]),
        ("chickadee explain a", &["a"]),
    ] {
        let keys: Vec<Reply> = keys.iter().map(|key| Reply::bulk(key)).collect();
        assert_eq!(answer(&format!("COMMAND GETKEYS {call}")), Reply::Array(keys), "{call}");
    }
    for (call, error) in [
        ("foo a", "ERR Invalid command specified"),
        ("client foo", "ERR Invalid command specified"),
        ("client id", "ERR The command has no key arguments"),
        ("get a b", "ERR Invalid number of arguments specified for command"),
    ] {
        assert_eq!(answer(&format!("COMMAND GETKEYS {call}")), Reply::Error(error.to_owned()));
    }
}

#[test]
fn docs_have_what_redis_cli_asserts() {
    let Reply::Map(docs) = answer("COMMAND DOCS") else { panic!("a map") };
    assert_eq!(docs.len(), COMMANDS.len());
    fn check(name: &Reply, fields: &Reply, member: bool) {
        assert_eq!(name.text().contains('|'), member);
        let Reply::Map(fields) = fields else { panic!("a map") };
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.text()).collect();
        assert_eq!(names[..3], ["summary", "since", "group"]);
        assert!(fields[..3].iter().all(|(_, text)| matches!(text, Reply::Bulk(_))));
        if let Some((_, Reply::Map(members))) = fields.get(3) {
            members.iter().for_each(|(name, fields)| check(name, fields, true));
        }
    }
    docs.iter().for_each(|(name, fields)| check(name, fields, false));
    let Reply::Map(some) = answer("COMMAND DOCS dbsize foo client|id") else { panic!("a map") };
    assert_eq!(some.len(), 2, "unknown names are left out");
}

#[test]
fn lists_can_be_filtered() {
    assert_eq!(answer("COMMAND LIST FILTERBY PATTERN GE?"), Reply::Array(vec![Reply::bulk("get")]));
    assert_eq!(answer("COMMAND LIST FILTERBY MODULE x"), Reply::Array(vec![]));
    assert_eq!(answer("COMMAND LIST FILTERBY ACLCAT nocat"), Reply::Array(vec![]));
    let string = answer("COMMAND LIST FILTERBY ACLCAT string");
    assert!(string.items().contains(&Reply::bulk("mget")));
    assert!(!string.items().contains(&Reply::bulk("ttl")));
}

#[test]
fn help_lists_every_member() {
    let help = answer("CLIENT HELP");
    let lines: Vec<&str> = help.items().iter().map(Reply::text).collect();
    assert_eq!(lines[0], "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    assert!(lines.contains(&"REPLY (ON|OFF|SKIP)") && lines.contains(&"ID"));
    assert_eq!(lines.len(), 1 + 2 * table::CLIENT.members.len());
}
