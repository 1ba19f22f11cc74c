//! From arguments to a [`Command`]: names, numbers of arguments, options, in the order in which
//! Redis 7.0 checks them, because the order decides which of two errors a client sees.

use super::args::Args;
use super::command::{
    Client, ClientFilter, ClientIds, ClientInfo, Command, Credentials, Expire, ExpireCondition,
    Expiry, Flush, Hello, Keys, Pairs, ReplyMode, Set, SetCondition, SetExpiry,
};
use super::encode::Protocol;
use super::error::CommandError;
use super::introspect::{Introspect, ListFilter};
use super::number::parse_i64;
use super::table;

/// A name of up to fifteen letters in one number, capitals and small letters alike, so that
/// finding a command is comparing numbers. The length is part of it, so no two names collide;
/// longer names are all zero, which is no name.
pub(super) const fn word(name: &[u8]) -> u128 {
    if name.len() > 15 {
        return 0;
    }
    let mut bytes = [0; 16];
    let mut index = 0;
    while index < name.len() {
        bytes[index] = name[index].to_ascii_lowercase();
        index += 1;
    }
    bytes[15] = name.len() as u8;
    u128::from_le_bytes(bytes)
}

/// Constants for names that are identifiers.
macro_rules! words {
    ($($name:ident)*) => { $(const $name: u128 = word(stringify!($name).as_bytes());)* };
}

words! {
    PING ECHO HELLO AUTH SELECT CLIENT COMMAND INFO CONFIG QUIT RESET GET SET MGET MSET DEL UNLINK
    EXISTS EXPIRE PEXPIRE TTL PTTL PERSIST INCR DECR INCRBY DECRBY APPEND STRLEN TYPE DBSIZE
    FLUSHDB FLUSHALL TIME CHICKADEE
    EX PX EXAT PXAT NX XX GT LT KEEPTTL ASYNC SYNC ON OFF SKIP
    SETNAME GETNAME SETINFO ID LIST REPLY HELP NORMAL MASTER SLAVE REPLICA PUBSUB
    COUNT DOCS GETKEYS FILTERBY MODULE ACLCAT PATTERN STATUS MEMBERS READY EXPLAIN LEAVE
}
/// How long handing over may take, unless it is said, in milliseconds.
const LEAVE_MS: u64 = 60_000;
const NO_EVICT: u128 = word(b"no-evict");
const NO_TOUCH: u128 = word(b"no-touch");
const LIB_NAME: u128 = word(b"lib-name");
const LIB_VER: u128 = word(b"lib-ver");

type Parsed<'a> = Result<Command<'a>, CommandError<'a>>;

impl<'a> Command<'a> {
    /// Understands a command.
    #[inline]
    pub fn parse(args: Args<'a>) -> Parsed<'a> {
        // What a cache is asked all day comes first.
        match (args.get(0), args.len()) {
            (Some(&[g, e, t]), 2) if [g | 0x20, e | 0x20, t | 0x20] == *b"get" => {
                Ok(Self::Get(args.at(1)))
            }
            (Some(&[s, e, t]), 3) if [s | 0x20, e | 0x20, t | 0x20] == *b"set" => {
                Ok(Self::Set(Set {
                    key: args.at(1),
                    value: args.at(2),
                    expiry: SetExpiry::Never,
                    condition: SetCondition::Always,
                    answer_old: false,
                }))
            }
            (name, _) => parse_named(word(name.unwrap_or_default()), args),
        }
    }
}

fn parse_named(name: u128, args: Args<'_>) -> Parsed<'_> {
    let keys = || Keys::every(1, args.skip(1));
    // A command of one key.
    let key = |name| exactly(2, args, name).map(|()| args.at(1));
    Ok(match name {
        GET => Command::Get(key("get")?),
        SET => return set(args),
        MGET => at_least(2, args, "mget").map(|()| Command::Mget(keys()))?,
        MSET => return mset(args),
        DEL => at_least(2, args, "del").map(|()| Command::Del(keys()))?,
        UNLINK => at_least(2, args, "unlink").map(|()| Command::Unlink(keys()))?,
        EXISTS => at_least(2, args, "exists").map(|()| Command::Exists(keys()))?,
        EXPIRE => return expire(args, "expire", 1000),
        PEXPIRE => return expire(args, "pexpire", 1),
        TTL => Command::Ttl(key("ttl")?),
        PTTL => Command::Pttl(key("pttl")?),
        PERSIST => Command::Persist(key("persist")?),
        INCR => Command::Add { key: key("incr")?, delta: 1 },
        DECR => Command::Add { key: key("decr")?, delta: -1 },
        INCRBY => {
            exactly(3, args, "incrby")?;
            Command::Add { key: args.at(1), delta: integer(args.at(2))? }
        }
        DECRBY => {
            exactly(3, args, "decrby")?;
            let by = integer(args.at(2))?;
            let delta = by.checked_neg().ok_or(CommandError::DecrementOverflow)?;
            Command::Add { key: args.at(1), delta }
        }
        APPEND => {
            exactly(3, args, "append")?;
            Command::Append { key: args.at(1), tail: args.at(2) }
        }
        STRLEN => Command::Strlen(key("strlen")?),
        TYPE => Command::Type(key("type")?),
        DBSIZE => exactly(1, args, "dbsize").map(|()| Command::DbSize)?,
        FLUSHDB => Command::FlushDb(flush(args)?),
        FLUSHALL => Command::FlushAll(flush(args)?),
        TIME => exactly(1, args, "time").map(|()| Command::Time)?,
        PING if args.len() > 2 => return Err(CommandError::WrongArity("ping")),
        PING => Command::Ping(args.get(1)),
        ECHO => Command::Echo(key("echo")?),
        HELLO => return hello(args),
        AUTH => return auth(args),
        SELECT => return select(args),
        CLIENT => return client(args),
        COMMAND => return command(args),
        INFO => Command::Info(args.skip(1)),
        CONFIG => return config(args),
        QUIT => Command::Quit,
        RESET => exactly(1, args, "reset").map(|()| Command::Reset)?,
        CHICKADEE => return chickadee(args),
        _ => return Err(CommandError::UnknownCommand(args)),
    })
}

/// Whether there are `count` arguments, the name included.
#[inline]
fn exactly<'a>(count: usize, args: Args<'a>, name: &'static str) -> Result<(), CommandError<'a>> {
    if args.len() == count { Ok(()) } else { Err(CommandError::WrongArity(name)) }
}

/// Whether there are at least `count` arguments, the name included.
#[inline]
fn at_least<'a>(count: usize, args: Args<'a>, name: &'static str) -> Result<(), CommandError<'a>> {
    if args.len() >= count { Ok(()) } else { Err(CommandError::WrongArity(name)) }
}

fn integer<'a>(text: &[u8]) -> Result<i64, CommandError<'a>> {
    parse_i64(text).ok_or(CommandError::NotAnInteger)
}

fn set(args: Args<'_>) -> Parsed<'_> {
    at_least(3, args, "set")?;
    let mut condition = SetCondition::Always;
    let mut answer_old = false;
    let mut keep = false;
    let mut expiry: Option<(u128, &[u8])> = None;
    let mut index = 3;
    while let Some(option) = args.get(index) {
        match word(option) {
            NX if condition != SetCondition::IfPresent => condition = SetCondition::IfAbsent,
            XX if condition != SetCondition::IfAbsent => condition = SetCondition::IfPresent,
            GET => answer_old = true,
            KEEPTTL if expiry.is_none() => keep = true,
            // The same unit twice is allowed, and the last one counts, as in Redis.
            unit @ (EX | PX | EXAT | PXAT)
                if !keep && expiry.is_none_or(|(other, _)| other == unit) =>
            {
                index += 1;
                expiry = Some((unit, args.get(index).ok_or(CommandError::Syntax)?));
            }
            _ => return Err(CommandError::Syntax),
        }
        index += 1;
    }
    // Numbers are looked at only after all options were understood.
    let expiry = match expiry {
        None if keep => SetExpiry::Keep,
        None => SetExpiry::Never,
        Some((unit, text)) => {
            let number = integer(text)?;
            let scale = if matches!(unit, EX | EXAT) { 1000 } else { 1 };
            let time = Some(number).filter(|number| *number > 0);
            let time = time
                .and_then(|number| number.checked_mul(scale))
                .ok_or(CommandError::InvalidExpire("set"))?;
            SetExpiry::Then(match unit {
                EX | PX => Expiry::In(time),
                _ => Expiry::At(time),
            })
        }
    };
    let (key, value) = (args.at(1), args.at(2));
    Ok(Command::Set(Set { key, value, expiry, condition, answer_old }))
}

fn mset(args: Args<'_>) -> Parsed<'_> {
    at_least(3, args, "mset")?;
    if args.len().is_multiple_of(2) {
        return Err(CommandError::WrongArity("mset"));
    }
    Ok(Command::Mset(Pairs(args.skip(1))))
}

fn expire<'a>(args: Args<'a>, name: &'static str, scale: i64) -> Parsed<'a> {
    at_least(3, args, name)?;
    let mut condition = ExpireCondition::default();
    for option in args.skip(3).iter() {
        match word(option) {
            NX => condition.absent = true,
            XX => condition.present = true,
            GT => condition.later = true,
            LT => condition.earlier = true,
            _ => return Err(CommandError::UnsupportedOption(option)),
        }
    }
    if condition.absent && (condition.present || condition.later || condition.earlier) {
        return Err(CommandError::ExpireNx);
    }
    if condition.later && condition.earlier {
        return Err(CommandError::ExpireGtLt);
    }
    let time = integer(args.at(2))?;
    let time = time.checked_mul(scale).ok_or(CommandError::InvalidExpire(name))?;
    Ok(Command::Expire(Expire { key: args.at(1), expiry: Expiry::In(time), condition, name }))
}

fn flush(args: Args<'_>) -> Result<Flush, CommandError<'_>> {
    match (args.len(), args.get(1).map(word)) {
        (1, _) => Ok(Flush::Unsaid),
        (2, Some(SYNC)) => Ok(Flush::Sync),
        (2, Some(ASYNC)) => Ok(Flush::Async),
        _ => Err(CommandError::Syntax),
    }
}

fn hello(args: Args<'_>) -> Parsed<'_> {
    let protocol = match args.get(1).map(parse_i64) {
        None => None,
        Some(None) => return Err(CommandError::ProtocolNotAnInteger),
        Some(Some(2)) => Some(Protocol::Resp2),
        Some(Some(3)) => Some(Protocol::Resp3),
        Some(Some(_)) => return Err(CommandError::NoProtocol),
    };
    let mut hello = Hello { protocol, auth: None, name: None };
    let mut rest = args.skip(2);
    while let Some(option) = rest.get(0) {
        match (word(option), rest.get(1), rest.get(2)) {
            (AUTH, Some(user), Some(password)) => {
                hello.auth = Some(Credentials { user: Some(user), password });
                rest = rest.skip(3);
            }
            (SETNAME, Some(name), _) => {
                hello.name = Some(client_name(name)?);
                rest = rest.skip(2);
            }
            _ => return Err(CommandError::HelloOption(option)),
        }
    }
    Ok(Command::Hello(hello))
}

fn auth(args: Args<'_>) -> Parsed<'_> {
    at_least(2, args, "auth")?;
    match (args.len(), args.at(1)) {
        (2, password) => Ok(Command::Auth(Credentials { user: None, password })),
        (3, user) => Ok(Command::Auth(Credentials { user: Some(user), password: args.at(2) })),
        _ => Err(CommandError::Syntax),
    }
}

fn select(args: Args<'_>) -> Parsed<'_> {
    exactly(2, args, "select")?;
    let number = i32::try_from(integer(args.at(1))?).map_err(|_| CommandError::NotAnInt32)?;
    Ok(Command::Select(u32::try_from(number).map_err(|_| CommandError::DbIndex)?))
}

/// A name without anything that would break the lines of CLIENT LIST.
fn client_name(name: &[u8]) -> Result<&[u8], CommandError<'_>> {
    if is_printable(name) { Ok(name) } else { Err(CommandError::ClientName) }
}

fn is_printable(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_graphic)
}

fn client(args: Args<'_>) -> Parsed<'_> {
    at_least(2, args, "client")?;
    Ok(Command::Client(match word(args.at(1)) {
        ID => exactly(2, args, "client|id").map(|()| Client::Id)?,
        GETNAME => exactly(2, args, "client|getname").map(|()| Client::GetName)?,
        SETNAME => {
            exactly(3, args, "client|setname")?;
            Client::SetName(client_name(args.at(2))?)
        }
        SETINFO => {
            exactly(4, args, "client|setinfo")?;
            let (field, name) = match word(args.at(2)) {
                LIB_NAME => (ClientInfo::LibName, "lib-name"),
                LIB_VER => (ClientInfo::LibVer, "lib-ver"),
                _ => return Err(CommandError::ClientInfoOption(args.at(2))),
            };
            if !is_printable(args.at(3)) {
                return Err(CommandError::ClientInfo(name));
            }
            Client::SetInfo(field, args.at(3))
        }
        INFO => exactly(2, args, "client|info").map(|()| Client::Info)?,
        LIST => Client::List(client_filter(args.skip(2))?),
        NO_EVICT => {
            exactly(3, args, "client|no-evict")?;
            Client::NoEvict(on_or_off(args.at(2))?)
        }
        NO_TOUCH => {
            exactly(3, args, "client|no-touch")?;
            Client::NoTouch(on_or_off(args.at(2))?)
        }
        REPLY => {
            exactly(3, args, "client|reply")?;
            Client::Reply(match word(args.at(2)) {
                ON => ReplyMode::On,
                OFF => ReplyMode::Off,
                SKIP => ReplyMode::Skip,
                _ => return Err(CommandError::Syntax),
            })
        }
        HELP => {
            exactly(2, args, "client|help")?;
            return Ok(Command::Help(&table::CLIENT));
        }
        _ => return unknown_subcommand("CLIENT", args),
    }))
}

fn client_filter(args: Args<'_>) -> Result<ClientFilter<'_>, CommandError<'_>> {
    match (args.len(), args.get(0).map(word)) {
        (0, _) => Ok(ClientFilter::All),
        (2, Some(TYPE)) => match word(args.at(1)) {
            NORMAL => Ok(ClientFilter::Normal),
            MASTER | SLAVE | REPLICA | PUBSUB => Ok(ClientFilter::Nobody),
            _ => Err(CommandError::ClientType(args.at(1))),
        },
        (2.., Some(ID)) => {
            let ids = args.skip(1);
            match ids.iter().all(|id| parse_i64(id).is_some()) {
                true => Ok(ClientFilter::Ids(ClientIds(ids))),
                false => Err(CommandError::ClientId),
            }
        }
        _ => Err(CommandError::Syntax),
    }
}

fn on_or_off<'a>(text: &[u8]) -> Result<bool, CommandError<'a>> {
    match word(text) {
        ON => Ok(true),
        OFF => Ok(false),
        _ => Err(CommandError::Syntax),
    }
}

fn command(args: Args<'_>) -> Parsed<'_> {
    let Some(subcommand) = args.get(1) else {
        return Ok(Command::Introspect(Introspect::Info(Args::default())));
    };
    Ok(Command::Introspect(match word(subcommand) {
        COUNT => exactly(2, args, "command|count").map(|()| Introspect::Count)?,
        DOCS => Introspect::Docs(args.skip(2)),
        INFO => Introspect::Info(args.skip(2)),
        LIST => Introspect::List(list_filter(args.skip(2))?),
        GETKEYS => {
            at_least(4, args, "command|getkeys")?;
            Introspect::GetKeys(args.skip(2))
        }
        HELP => {
            exactly(2, args, "command|help")?;
            return Ok(Command::Help(&table::COMMAND));
        }
        _ => return unknown_subcommand("COMMAND", args),
    }))
}

fn list_filter(args: Args<'_>) -> Result<ListFilter<'_>, CommandError<'_>> {
    match (args.len(), args.get(0).map(word), args.get(1).map(word)) {
        (0, ..) => Ok(ListFilter::All),
        (3, Some(FILTERBY), Some(MODULE)) => Ok(ListFilter::Module),
        (3, Some(FILTERBY), Some(ACLCAT)) => Ok(ListFilter::Category(args.at(2))),
        (3, Some(FILTERBY), Some(PATTERN)) => Ok(ListFilter::Pattern(args.at(2))),
        _ => Err(CommandError::Syntax),
    }
}

fn config(args: Args<'_>) -> Parsed<'_> {
    at_least(2, args, "config")?;
    match word(args.at(1)) {
        GET => at_least(3, args, "config|get").map(|()| Command::ConfigGet(args.skip(2))),
        SET => {
            at_least(4, args, "config|set")?;
            if !args.len().is_multiple_of(2) {
                return Err(CommandError::Syntax);
            }
            Err(CommandError::ConfigSet(args.at(2)))
        }
        HELP => exactly(2, args, "config|help").map(|()| Command::Help(&table::CONFIG)),
        _ => unknown_subcommand("CONFIG", args),
    }
}

fn chickadee(args: Args<'_>) -> Parsed<'_> {
    at_least(2, args, "chickadee")?;
    match word(args.at(1)) {
        STATUS => exactly(2, args, "chickadee|status").map(|()| Command::Status),
        MEMBERS => exactly(2, args, "chickadee|members").map(|()| Command::Members),
        READY => exactly(2, args, "chickadee|ready").map(|()| Command::Ready),
        LEAVE => {
            if args.len() == 2 {
                return Ok(Command::Leave { within_ms: LEAVE_MS });
            }
            if args.len() > 3 {
                return Err(CommandError::Syntax);
            }
            let seconds = u64::try_from(integer(args.at(2))?).ok();
            let within_ms = seconds.and_then(|seconds| seconds.checked_mul(1_000));
            within_ms
                .map(|within_ms| Command::Leave { within_ms })
                .ok_or(CommandError::NotAnInteger)
        }
        EXPLAIN => exactly(3, args, "chickadee|explain").map(|()| Command::Explain(args.at(2))),
        HELP => exactly(2, args, "chickadee|help").map(|()| Command::Help(&table::CHICKADEE)),
        _ => unknown_subcommand("CHICKADEE", args),
    }
}

fn unknown_subcommand<'a>(container: &'static str, args: Args<'a>) -> Parsed<'a> {
    Err(CommandError::UnknownSubcommand { container, name: args.at(1) })
}

#[cfg(test)]
mod tests;
