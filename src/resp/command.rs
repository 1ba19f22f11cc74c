//! What a client can ask for.
//!
//! A [`Command`] has passed every check that needs neither the store nor a clock: the number of
//! its arguments, its options and how they exclude each other, its numbers. It borrows from the
//! connection's buffer and allocates nothing; commands with many keys keep an iterator.
//!
//! It deliberately does not say whether a database exists, a password is right, or a key is ours.

use super::args::Args;
use super::encode::Protocol;
use super::introspect::Introspect;
use super::table::Entry;

/// A command, as [`Command::parse`] understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// PING: answer `PONG`, or the message.
    Ping(Option<&'a [u8]>),
    /// ECHO: answer the message.
    Echo(&'a [u8]),
    /// HELLO: change the protocol, authenticate, name the connection; answer who we are.
    Hello(Hello<'a>),
    /// AUTH.
    Auth(Credentials<'a>),
    /// SELECT: of the databases, the one with this number.
    Select(u32),
    /// CLIENT.
    Client(Client<'a>),
    /// COMMAND: answered by [`Introspect::encode`].
    Introspect(Introspect<'a>),
    /// HELP of a command of commands: answered by [`Entry::encode_help`].
    Help(&'static Entry),
    /// INFO: of these sections, or the usual ones.
    Info(Args<'a>),
    /// CONFIG GET: of the settings that match one of these patterns.
    ConfigGet(Args<'a>),
    /// QUIT: answer OK and close.
    Quit,
    /// RESET: make the connection as it was when new.
    Reset,
    /// GET.
    Get(&'a [u8]),
    /// SET.
    Set(Set<'a>),
    /// MGET.
    Mget(Keys<'a>),
    /// MSET.
    Mset(Pairs<'a>),
    /// DEL: answer how many there were.
    Del(Keys<'a>),
    /// UNLINK: the same.
    Unlink(Keys<'a>),
    /// EXISTS: a key named twice counts twice.
    Exists(Keys<'a>),
    /// EXPIRE and PEXPIRE.
    Expire(Expire<'a>),
    /// TTL: in seconds, rounded.
    Ttl(&'a [u8]),
    /// PTTL: in milliseconds.
    Pttl(&'a [u8]),
    /// PERSIST.
    Persist(&'a [u8]),
    /// INCR, DECR, INCRBY, DECRBY.
    Add {
        /// The counter.
        key: &'a [u8],
        /// What to add.
        delta: i64,
    },
    /// APPEND.
    Append {
        /// The key.
        key: &'a [u8],
        /// What to put behind its value.
        tail: &'a [u8],
    },
    /// STRLEN.
    Strlen(&'a [u8]),
    /// TYPE.
    Type(&'a [u8]),
    /// DBSIZE.
    DbSize,
    /// FLUSHDB, of the selected database.
    FlushDb(Flush),
    /// FLUSHALL, of every database.
    FlushAll(Flush),
    /// TIME.
    Time,
    /// CHICKADEE STATUS: this node in short.
    Status,
    /// CHICKADEE MEMBERS: who is in the cluster.
    Members,
    /// CHICKADEE READY: whether this node is in sync.
    Ready,
    /// CHICKADEE LEAVE: this node hands over what it holds, and ends.
    Leave {
        /// How long handing over may take, in milliseconds.
        within_ms: u64,
    },
    /// CHICKADEE EXPLAIN: where a key belongs and what is known of it.
    Explain(&'a [u8]),
}

impl<'a> Command<'a> {
    /// The keys it touches, in the order given; none for a command without keys.
    pub fn keys(&self) -> Keys<'a> {
        match *self {
            Self::Get(key)
            | Self::Set(Set { key, .. })
            | Self::Expire(Expire { key, .. })
            | Self::Ttl(key)
            | Self::Pttl(key)
            | Self::Persist(key)
            | Self::Add { key, .. }
            | Self::Append { key, .. }
            | Self::Strlen(key)
            | Self::Type(key)
            | Self::Explain(key) => Keys::one(key),
            Self::Mget(keys) | Self::Del(keys) | Self::Unlink(keys) | Self::Exists(keys) => keys,
            Self::Mset(pairs) => pairs.keys(),
            _ => Keys::none(),
        }
    }

    /// Whether it may change what is stored.
    pub fn is_write(&self) -> bool {
        matches!(
            self,
            Self::Set(_)
                | Self::Mset(_)
                | Self::Del(_)
                | Self::Unlink(_)
                | Self::Expire(_)
                | Self::Persist(_)
                | Self::Add { .. }
                | Self::Append { .. }
                | Self::FlushDb(_)
                | Self::FlushAll(_)
        )
    }

    /// Whether a client may send it that has not authenticated yet. Unknown and malformed commands
    /// are refused as such even then, as in Redis.
    pub fn is_allowed_before_auth(&self) -> bool {
        matches!(self, Self::Hello(_) | Self::Auth(_) | Self::Quit | Self::Reset)
    }
}

/// HELLO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello<'a> {
    /// The protocol to speak from the reply on; none leaves it.
    pub protocol: Option<Protocol>,
    /// Who the client is; to be checked before anything is changed.
    pub auth: Option<Credentials<'a>>,
    /// How to call the connection.
    pub name: Option<&'a [u8]>,
}

/// Who a client says it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// The user; none means the default user.
    pub user: Option<&'a [u8]>,
    /// The password.
    pub password: &'a [u8],
}

impl std::fmt::Debug for Credentials<'_> {
    /// Without the password: this is logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let user = self.user.map(|user| user.escape_ascii().to_string());
        f.debug_struct("Credentials").field("user", &user).finish_non_exhaustive()
    }
}

/// CLIENT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client<'a> {
    /// The connection's number.
    Id,
    /// The connection's name, or null.
    GetName,
    /// How to call the connection; empty takes the name away.
    SetName(&'a [u8]),
    /// What library the client uses.
    SetInfo(ClientInfo, &'a [u8]),
    /// One line about this connection.
    Info,
    /// A line per connection.
    List(ClientFilter<'a>),
    /// Accepted, and without meaning: we evict entries, not clients.
    NoEvict(bool),
    /// Whether reads of this connection leave the eviction order alone.
    NoTouch(bool),
    /// Whether replies are sent.
    Reply(ReplyMode),
}

/// What CLIENT SETINFO sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientInfo {
    /// The library's name.
    LibName,
    /// The library's version.
    LibVer,
}

/// Which connections CLIENT LIST lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFilter<'a> {
    /// All.
    All,
    /// Ordinary clients, which here are all.
    Normal,
    /// Kinds which Redis has and we do not, such as replicas: none.
    Nobody,
    /// Those with these numbers, in this order.
    Ids(ClientIds<'a>),
}

/// The numbers behind CLIENT LIST ID, each known to be a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientIds<'a>(pub(super) Args<'a>);

impl<'a> ClientIds<'a> {
    /// One after another.
    pub fn iter(&self) -> impl Iterator<Item = i64> + use<'a> {
        self.0.iter().filter_map(super::parse_i64)
    }
}

/// CLIENT REPLY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyMode {
    /// Every command is answered, this one first, with OK.
    On,
    /// No command is answered, this one included.
    Off,
    /// Neither this command nor the next is answered.
    Skip,
}

/// SET.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The new value.
    pub value: &'a [u8],
    /// When it goes.
    pub expiry: SetExpiry,
    /// On what condition it is written.
    pub condition: SetCondition,
    /// GET: answer the old value instead of OK.
    pub answer_old: bool,
}

/// What SET does to the time to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetExpiry {
    /// The entry has none afterwards.
    Never,
    /// KEEPTTL: the entry has afterwards what it had before.
    Keep,
    /// It goes then. Known to be positive.
    Then(Expiry),
}

/// On what condition SET writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetCondition {
    /// Always.
    Always,
    /// NX: if the key has no value.
    IfAbsent,
    /// XX: if it has one.
    IfPresent,
}

/// A point in time as the client gave it, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// From now on; EXPIRE allows less than none.
    In(i64),
    /// Since 1970.
    At(i64),
}

impl Expiry {
    /// When that is, in milliseconds since 1970, if it can be told: otherwise the answer is
    /// [`super::CommandError::InvalidExpire`]. A deadline that has passed means: delete at once.
    pub fn deadline(self, now: i64) -> Option<i64> {
        match self {
            Self::In(span) => now.checked_add(span),
            Self::At(deadline) => Some(deadline),
        }
    }
}

/// EXPIRE and PEXPIRE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expire<'a> {
    /// The key.
    pub key: &'a [u8],
    /// When it goes.
    pub expiry: Expiry,
    /// On what condition.
    pub condition: ExpireCondition,
    /// What the command was called, for [`super::CommandError::InvalidExpire`].
    pub name: &'static str,
}

/// On what conditions EXPIRE changes a deadline; all that are set must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpireCondition {
    /// NX: only if there is none.
    pub absent: bool,
    /// XX: only if there is one.
    pub present: bool,
    /// GT: only if it becomes later. No deadline is later than any.
    pub later: bool,
    /// LT: only if it becomes earlier.
    pub earlier: bool,
}

impl ExpireCondition {
    /// Whether an entry with this deadline may get that one.
    pub fn allows(self, current: Option<i64>, deadline: i64) -> bool {
        !(self.absent && current.is_some()
            || self.present && current.is_none()
            || self.later && current.is_none_or(|current| deadline <= current)
            || self.earlier && current.is_some_and(|current| deadline >= current))
    }
}

/// How FLUSHDB and FLUSHALL were asked for; both are the same to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// Nothing said.
    Unsaid,
    /// SYNC: answer when it is done.
    Sync,
    /// ASYNC: answer when it is certain.
    Async,
}

/// The keys of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys<'a> {
    one: Option<&'a [u8]>,
    rest: Args<'a>,
    step: usize,
}

impl<'a> Keys<'a> {
    fn none() -> Self {
        Self { one: None, rest: Args::default(), step: 1 }
    }

    fn one(key: &'a [u8]) -> Self {
        Self { one: Some(key), ..Self::none() }
    }

    /// The first of `args`, and every one `step` behind.
    pub(super) fn every(step: usize, args: Args<'a>) -> Self {
        Self { one: None, rest: args, step }
    }
}

impl<'a> Iterator for Keys<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        if let Some(key) = self.one.take() {
            return Some(key);
        }
        let key = self.rest.get(0)?;
        self.rest = self.rest.skip(self.step);
        Some(key)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = usize::from(self.one.is_some()) + self.rest.len().div_ceil(self.step);
        (len, Some(len))
    }
}

impl ExactSizeIterator for Keys<'_> {}

/// The keys and values of MSET; a key may come twice, and then the last value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pairs<'a>(pub(super) Args<'a>);

impl<'a> Pairs<'a> {
    /// Keys and values in turn, as they were given.
    pub fn args(&self) -> Args<'a> {
        self.0
    }

    /// Only the keys.
    pub fn keys(&self) -> Keys<'a> {
        Keys::every(2, self.0)
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let pair = (self.0.get(0)?, self.0.get(1)?);
        self.0 = self.0.skip(2);
        Some(pair)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.len() / 2, Some(self.0.len() / 2))
    }
}

impl ExactSizeIterator for Pairs<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_refused_only_if_it_cannot_be_written_down() {
        assert_eq!(Expiry::In(10).deadline(1000), Some(1010));
        assert_eq!(Expiry::In(i64::MIN).deadline(1000), Some(i64::MIN + 1000));
        assert_eq!(Expiry::In(i64::MAX).deadline(1000), None);
        assert_eq!(Expiry::At(i64::MAX).deadline(1000), Some(i64::MAX));
    }

    #[test]
    fn no_deadline_counts_as_the_latest() {
        let later = ExpireCondition { later: true, ..Default::default() };
        let earlier = ExpireCondition { earlier: true, ..Default::default() };
        let present = ExpireCondition { present: true, ..Default::default() };
        let absent = ExpireCondition { absent: true, ..Default::default() };
        let always = ExpireCondition::default();
        for (condition, current, expected) in [
            (always, None, true),
            (always, Some(5), true),
            (later, None, false),
            (later, Some(4), true),
            (later, Some(5), false),
            (earlier, None, true),
            (earlier, Some(6), true),
            (earlier, Some(5), false),
            (present, None, false),
            (present, Some(5), true),
            (absent, None, true),
            (absent, Some(5), false),
            (ExpireCondition { present: true, ..earlier }, None, false),
        ] {
            assert_eq!(condition.allows(current, 5), expected, "{condition:?} {current:?}");
        }
    }

    #[test]
    fn a_password_does_not_get_into_a_log() {
        let command =
            Command::Auth(Credentials { user: Some(b"default"), password: b"open sesame" });
        assert!(!format!("{command:?}").contains("sesame"));
    }
}
