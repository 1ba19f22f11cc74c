//! The commands as data: what COMMAND, HELP and key extraction know about each.
//!
//! Clients act on this. A cluster client routes by the positions of the keys, a command line
//! shows the summaries. So only what is served is listed, and a test holds the parser and this
//! table to the same names and the same numbers of arguments.
//!
//! Of Redis' flags only those are used that say something here: nothing is about scripts, about
//! loading from disk or about memory, of which a cache never runs out. There are no command tips:
//! without a policy a client asks one node, and one node answers for the cluster.

use super::args::Args;
use super::command::Keys;

/// A command, or a member of a command of commands.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// In small letters; a member with its command, as in `client|id`.
    pub name: &'static str,
    /// How many arguments it takes, the name (and the member's name) included; if negative, at
    /// least so many.
    pub arity: i32,
    /// What kind of command it is.
    pub flags: &'static [&'static str],
    /// ACL categories which do not follow from flags and group.
    pub categories: &'static [&'static str],
    /// Where its keys are, if it has any.
    pub keys: Option<KeyPositions>,
    /// Under which heading it is listed.
    pub group: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Its arguments, for people.
    pub syntax: &'static str,
    /// Its members, if it is a command of commands.
    pub members: &'static [Entry],
}

/// Where the keys of a command are among its arguments.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyPositions {
    /// The first key, counted from the name, which is 0.
    pub first: i32,
    /// The last key; if negative, counted from the end: -1 is the last argument.
    pub last: i32,
    /// The distance from one key to the next.
    pub step: i32,
    /// What is done with the keys, in the words of Redis' key specifications.
    pub access: &'static [&'static str],
}

/// Since when our commands exist.
pub const SINCE: &str = "0.1.0";

const READ: &[&str] = &["readonly"];
const READ_FAST: &[&str] = &["readonly", "fast"];
const WRITE: &[&str] = &["write"];
const WRITE_FAST: &[&str] = &["write", "fast"];
const FAST: &[&str] = &["fast"];
const FAST_NO_AUTH: &[&str] = &["fast", "no_auth"];
const ADMIN: &[&str] = &["admin"];

impl Entry {
    const fn new(
        group: &'static str,
        (name, arity): (&'static str, i32),
        flags: &'static [&'static str],
        syntax: &'static str,
        summary: &'static str,
    ) -> Self {
        let (categories, keys, members) = (&[], None, &[]);
        Self { name, arity, flags, categories, keys, group, summary, syntax, members }
    }

    const fn keys(
        mut self,
        (first, last, step): (i32, i32, i32),
        access: &'static [&'static str],
    ) -> Self {
        self.keys = Some(KeyPositions { first, last, step, access });
        self
    }

    const fn also(mut self, categories: &'static [&'static str]) -> Self {
        self.categories = categories;
        self
    }

    const fn of(mut self, members: &'static [Entry]) -> Self {
        self.members = members;
        self
    }

    /// The name of a member without its command.
    pub fn short_name(&self) -> &'static str {
        self.name.rsplit('|').next().unwrap_or(self.name)
    }

    /// Whether it can be called with so many arguments.
    pub fn takes(&self, arguments: usize) -> bool {
        let least = self.arity.unsigned_abs() as usize;
        if self.arity < 0 { arguments >= least } else { arguments == least }
    }

    /// The keys of a call, as far as it has them.
    pub fn keys_of<'a>(&self, args: Args<'a>) -> Keys<'a> {
        let Some(KeyPositions { first, last, step, .. }) = self.keys else {
            return Keys::every(1, Args::default());
        };
        let end = match usize::try_from(last) {
            Ok(last) => last + 1,
            Err(_) => (args.len() + 1).saturating_sub(last.unsigned_abs() as usize),
        };
        Keys::every(step as usize, args.take(end).skip(first as usize))
    }
}

/// Finds a command by its name, in any case, or a member as `client|id`.
pub fn find(name: &[u8]) -> Option<&'static Entry> {
    let mut parts = name.splitn(2, |byte| *byte == b'|');
    let (command, member) = (parts.next(), parts.next());
    let entry = COMMANDS.iter().find(|entry| is_named(entry, command))?;
    match member {
        None => Some(entry),
        member => entry.members.iter().find(|entry| is_named(entry, member)),
    }
}

/// Finds what a call is a call of: the member, for a command of commands.
pub fn find_call(args: Args<'_>) -> Option<&'static Entry> {
    let entry = COMMANDS.iter().find(|entry| is_named(entry, args.get(0)))?;
    match args.get(1) {
        Some(member) if !entry.members.is_empty() => {
            entry.members.iter().find(|entry| is_named(entry, Some(member)))
        }
        _ => Some(entry),
    }
}

fn is_named(entry: &Entry, name: Option<&[u8]>) -> bool {
    name.is_some_and(|name| name.eq_ignore_ascii_case(entry.short_name().as_bytes()))
}

const CONNECTION: &str = "connection";
const SERVER: &str = "server";
const GENERIC: &str = "generic";
const STRING: &str = "string";
const OWN: &str = "chickadee";

const ONE: (i32, i32, i32) = (1, 1, 1);
const ALL: (i32, i32, i32) = (1, -1, 1);
const HELP_SUMMARY: &str = "Prints this help";

/// CLIENT and its members.
pub static CLIENT: Entry = CLIENT_ENTRY;
/// COMMAND and its members.
pub static COMMAND: Entry = COMMAND_ENTRY;
/// CONFIG and its members.
pub static CONFIG: Entry = CONFIG_ENTRY;
/// CHICKADEE and its members.
pub static CHICKADEE: Entry = CHICKADEE_ENTRY;

#[rustfmt::skip]
const CLIENT_ENTRY: Entry =
    Entry::new(CONNECTION, ("client", -2), &[], "", "Looks after this connection").of(&[
        Entry::new(CONNECTION, ("client|getname", 2), &[], "", "Returns the connection's name"),
        Entry::new(CONNECTION, ("client|help", 2), &[], "", HELP_SUMMARY),
        Entry::new(CONNECTION, ("client|id", 2), &[], "", "Returns the connection's number"),
        Entry::new(CONNECTION, ("client|info", 2), &[], "", "Describes the connection"),
        Entry::new(CONNECTION, ("client|list", -2), ADMIN, "[TYPE type | ID id [id ...]]", "Describes the connections of this node"),
        Entry::new(CONNECTION, ("client|no-evict", 3), ADMIN, "(ON|OFF)", "Accepted without effect: clients are never evicted"),
        Entry::new(CONNECTION, ("client|no-touch", 3), &[], "(ON|OFF)", "Says whether reads count for eviction"),
        Entry::new(CONNECTION, ("client|reply", 3), &[], "(ON|OFF|SKIP)", "Says whether commands are answered"),
        Entry::new(CONNECTION, ("client|setinfo", 4), &[], "(LIB-NAME|LIB-VER) value", "Tells which client library this is"),
        Entry::new(CONNECTION, ("client|setname", 3), &[], "name", "Names the connection"),
    ]);

#[rustfmt::skip]
const COMMAND_ENTRY: Entry =
    Entry::new(SERVER, ("command", -1), &[], "", "Describes all commands").also(&["@connection"]).of(&[
        Entry::new(SERVER, ("command|count", 2), &[], "", "Counts the commands").also(&["@connection"]),
        Entry::new(SERVER, ("command|docs", -2), &[], "[name ...]", "Explains commands to people").also(&["@connection"]),
        Entry::new(SERVER, ("command|getkeys", -4), &[], "command [argument ...]", "Extracts the keys from a command").also(&["@connection"]),
        Entry::new(SERVER, ("command|help", 2), &[], "", HELP_SUMMARY).also(&["@connection"]),
        Entry::new(SERVER, ("command|info", -2), &[], "[name ...]", "Describes commands to programs").also(&["@connection"]),
        Entry::new(SERVER, ("command|list", -2), &[], "[FILTERBY (MODULE|ACLCAT|PATTERN) what]", "Lists the names of commands").also(&["@connection"]),
    ]);

#[rustfmt::skip]
const CONFIG_ENTRY: Entry =
    Entry::new(SERVER, ("config", -2), &[], "", "Looks at the configuration").of(&[
        Entry::new(SERVER, ("config|get", -3), ADMIN, "pattern [pattern ...]", "Returns settings and their values"),
        Entry::new(SERVER, ("config|help", 2), &[], "", HELP_SUMMARY),
        Entry::new(SERVER, ("config|set", -4), ADMIN, "name value [name value ...]", "Always refused: settings are fixed at start"),
    ]);

#[rustfmt::skip]
const CHICKADEE_ENTRY: Entry =
    Entry::new(OWN, ("chickadee", -2), &[], "", "Looks at the cluster").of(&[
        Entry::new(OWN, ("chickadee|explain", 3), READ, "key", "Tells where a key belongs and what is known of it").keys((2, 2, 1), &["RO"]),
        Entry::new(OWN, ("chickadee|help", 2), &[], "", HELP_SUMMARY),
        Entry::new(OWN, ("chickadee|leave", -2), ADMIN, "[seconds]", "Hands over what this node holds, and ends it"),
        Entry::new(OWN, ("chickadee|members", 2), &[], "", "Lists the members of the cluster"),
        Entry::new(OWN, ("chickadee|ready", 2), &[], "", "Tells whether this node is in sync"),
        Entry::new(OWN, ("chickadee|status", 2), &[], "", "Describes this node in short"),
    ]);

/// Every command, by name.
#[rustfmt::skip]
pub static COMMANDS: &[Entry] = &[
    Entry::new(STRING, ("append", 3), WRITE_FAST, "key value", "Appends to a value").keys(ONE, &["RW", "insert"]),
    Entry::new(CONNECTION, ("auth", -2), FAST_NO_AUTH, "[username] password", "Authenticates the connection"),
    CHICKADEE_ENTRY,
    CLIENT_ENTRY,
    COMMAND_ENTRY,
    CONFIG_ENTRY,
    Entry::new(SERVER, ("dbsize", 1), READ_FAST, "", "Counts the keys of the selected database").also(&["@keyspace"]),
    Entry::new(STRING, ("decr", 2), WRITE_FAST, "key", "Takes one off a number").keys(ONE, &["RW", "access", "update"]),
    Entry::new(STRING, ("decrby", 3), WRITE_FAST, "key decrement", "Subtracts from a number").keys(ONE, &["RW", "access", "update"]),
    Entry::new(GENERIC, ("del", -2), WRITE, "key [key ...]", "Deletes keys").keys(ALL, &["RM", "delete"]),
    Entry::new(CONNECTION, ("echo", 2), FAST, "message", "Returns the message"),
    Entry::new(GENERIC, ("exists", -2), READ_FAST, "key [key ...]", "Counts which of the keys exist").keys(ALL, &["RO"]),
    Entry::new(GENERIC, ("expire", -3), WRITE_FAST, "key seconds [NX|XX|GT|LT]", "Sets a key's time to live in seconds").keys(ONE, &["RW", "update"]),
    Entry::new(SERVER, ("flushall", -1), WRITE, "[ASYNC|SYNC]", "Deletes every key of every database").also(&["@keyspace", "@dangerous"]),
    Entry::new(SERVER, ("flushdb", -1), WRITE, "[ASYNC|SYNC]", "Deletes every key of the selected database").also(&["@keyspace", "@dangerous"]),
    Entry::new(STRING, ("get", 2), READ_FAST, "key", "Returns a value").keys(ONE, &["RO", "access"]),
    Entry::new(CONNECTION, ("hello", -1), FAST_NO_AUTH, "[version [AUTH username password] [SETNAME name]]", "Greets the server and agrees on the protocol"),
    Entry::new(STRING, ("incr", 2), WRITE_FAST, "key", "Adds one to a number").keys(ONE, &["RW", "access", "update"]),
    Entry::new(STRING, ("incrby", 3), WRITE_FAST, "key increment", "Adds to a number").keys(ONE, &["RW", "access", "update"]),
    Entry::new(SERVER, ("info", -1), &[], "[section ...]", "Reports on this node").also(&["@dangerous"]),
    Entry::new(STRING, ("mget", -2), READ_FAST, "key [key ...]", "Returns several values").keys(ALL, &["RO", "access"]),
    Entry::new(STRING, ("mset", -3), WRITE, "key value [key value ...]", "Sets several values, one after another").keys((1, -1, 2), &["OW", "update"]),
    Entry::new(GENERIC, ("persist", 2), WRITE_FAST, "key", "Takes a key's time to live away").keys(ONE, &["RW", "update"]),
    Entry::new(GENERIC, ("pexpire", -3), WRITE_FAST, "key milliseconds [NX|XX|GT|LT]", "Sets a key's time to live in milliseconds").keys(ONE, &["RW", "update"]),
    Entry::new(CONNECTION, ("ping", -1), FAST, "[message]", "Returns PONG or the message"),
    Entry::new(GENERIC, ("pttl", 2), READ_FAST, "key", "Returns a key's time to live in milliseconds").keys(ONE, &["RO", "access"]),
    Entry::new(CONNECTION, ("quit", -1), FAST_NO_AUTH, "", "Closes the connection"),
    Entry::new(CONNECTION, ("reset", 1), FAST_NO_AUTH, "", "Makes the connection as if new"),
    Entry::new(CONNECTION, ("select", 2), FAST, "index", "Selects a database"),
    Entry::new(STRING, ("set", -3), WRITE, "key value [NX|XX] [GET] [EX s|PX ms|EXAT time|PXAT time|KEEPTTL]", "Sets a value").keys(ONE, &["RW", "access", "update", "variable_flags"]),
    Entry::new(STRING, ("strlen", 2), READ_FAST, "key", "Returns the length of a value").keys(ONE, &["RO"]),
    Entry::new(SERVER, ("time", 1), FAST, "", "Returns this node's time"),
    Entry::new(GENERIC, ("ttl", 2), READ_FAST, "key", "Returns a key's time to live in seconds").keys(ONE, &["RO", "access"]),
    Entry::new(GENERIC, ("type", 2), READ_FAST, "key", "Returns the type of a value").keys(ONE, &["RO"]),
    Entry::new(GENERIC, ("unlink", -2), WRITE_FAST, "key [key ...]", "Deletes keys").keys(ALL, &["RM", "delete"]),
];
