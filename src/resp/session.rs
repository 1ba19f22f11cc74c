//! What a connection is to us, and what its commands do: the way from a typed command to operations
//! on the cache, and from their answers to a reply.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::command::{
    Client, ClientFilter, ClientInfo, Credentials, Expiry, Hello, ReplyMode, Set, SetCondition,
    SetExpiry,
};
use super::connection::{Slot, Window};
use super::encode::{Encoder, Protocol};
use super::listener::Clients;
use super::{Command, CommandError, info, view};
use crate::handle::{Batch, Mailbox, ReplyTo, Submission};
use crate::node::event::{Command as NodeCommand, Level, Reply};
use crate::store::entry::KEY_BYTES_MAX;
use crate::store::{
    Answer, Key, KeyRef, Namespace, Only, OnlyDeadline, Operation, Ttl, Update, Version,
};

/// Number of databases a client can select.
pub(super) const DATABASES: u32 = 16;

/// What became of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Answered, or under way.
    Done,
    /// It has to wait for earlier commands; nothing was done.
    Wait,
    /// Answered, and the connection ends.
    Close,
}

/// How the answers to the parts of a command become its reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Finish {
    Get,
    /// SET without conditions, MSET.
    Ok,
    /// SET with a condition; whether the old value is the answer.
    SetIf {
        answer_old: bool,
    },
    /// DEL, UNLINK, EXISTS: how many.
    Count,
    Mget,
    Ttl,
    Pttl,
    Strlen,
    Type,
    /// Whatever number or flag comes.
    Number,
    /// INCR and its like.
    Sum,
    DbSize,
    View,
}

/// One connection's state, as its client sees it.
pub(super) struct Session {
    id: u64,
    peer: SocketAddr,
    database: u32,
    authenticated: bool,
    name: String,
    library: (String, String),
    replies: ReplyMode,
    scratch: Encoder,
    mailbox: Arc<Mailbox>,
    clients: Arc<Clients>,
}

impl Session {
    pub(super) fn new(
        id: u64,
        peer: SocketAddr,
        clients: Arc<Clients>,
        mailbox: Arc<Mailbox>,
    ) -> Session {
        let session = Session {
            id,
            peer,
            database: 0,
            authenticated: clients.options.password.is_none(),
            name: String::new(),
            library: Default::default(),
            replies: ReplyMode::On,
            scratch: Encoder::default(),
            mailbox,
            clients,
        };
        session.register();
        session
    }

    pub(super) fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// Answers a command that cannot be carried out.
    pub(super) fn refuse(
        &mut self,
        error: &CommandError<'_>,
        window: &mut Window,
        out: &mut Encoder,
    ) -> Verdict {
        self.answer(window, out, |out| error.encode(out));
        Verdict::Done
    }

    /// Carries out a command, as far as it goes without waiting.
    pub(super) fn execute(
        &mut self,
        command: Command<'_>,
        batch: Batch,
        window: &mut Window,
        out: &mut Encoder,
        submissions: &mut Vec<Submission>,
    ) -> Verdict {
        if !self.authenticated && !command.is_allowed_before_auth() {
            return self.refuse(&CommandError::NoAuth, window, out);
        }
        // What is asked all day comes first, and pays for nothing else.
        if let Command::Get(key) = command
            && window.is_empty()
            && self.replies == ReplyMode::On
        {
            let key_ref = self.key_ref(key);
            let answered =
                self.clients.handle.local(batch, key_ref, &Operation::Get, |answer| match answer {
                    Answer::Found { value, .. } => out.bulk(value),
                    _ => out.null(),
                });
            if answered.is_ok() {
                return Verdict::Done;
            }
        }
        if !window.is_empty()
            && (window.is_barred()
                || self.replies == ReplyMode::Skip
                || command.keys().next().is_none()
                || self.conflicts(&command, window))
        {
            return Verdict::Wait;
        }
        if let Some(longest) = command.keys().map(<[u8]>::len).max()
            && longest > KEY_BYTES_MAX
        {
            let text = format!("ERR the key is {longest} bytes long, {KEY_BYTES_MAX} are allowed");
            self.answer(window, out, |out| out.error(text.as_bytes()));
            return Verdict::Done;
        }
        let now_ms = self.clients.handle.expiry_ms(batch);
        let mut call = Call { batch, window, out, submissions };
        match command {
            Command::Get(key) => self.one(&mut call, Finish::Get, key, Operation::Get),
            Command::Mget(keys) => self.each(&mut call, Finish::Mget, keys.map(read)),
            Command::Exists(keys) => self.each(&mut call, Finish::Count, keys.map(read)),
            Command::Ttl(key) => self.one(&mut call, Finish::Ttl, key, Operation::Get),
            Command::Pttl(key) => self.one(&mut call, Finish::Pttl, key, Operation::Get),
            Command::Strlen(key) => self.one(&mut call, Finish::Strlen, key, Operation::Get),
            Command::Type(key) => self.one(&mut call, Finish::Type, key, Operation::Get),
            Command::Set(set) => return self.set(&mut call, set, now_ms),
            Command::Mset(pairs) => {
                let longest = pairs.map(|(_, value)| value.len()).max().unwrap_or(0);
                if longest > self.clients.handle.value_bytes_max() {
                    return self.refuse(&CommandError::TooLong, call.window, call.out);
                }
                let sets =
                    pairs.map(|(key, value)| (key, Operation::Set { value, deadline_ms: None }));
                self.each(&mut call, Finish::Ok, sets);
            }
            Command::Del(keys) | Command::Unlink(keys) => {
                self.each(&mut call, Finish::Count, keys.map(|key| (key, Operation::Delete)));
            }
            Command::Expire(expire) => {
                let Some(at) = expire.expiry.deadline(now_ms as i64) else {
                    let error = CommandError::InvalidExpire(expire.name);
                    return self.refuse(&error, call.window, call.out);
                };
                let only = OnlyDeadline {
                    absent: expire.condition.absent,
                    present: expire.condition.present,
                    later: expire.condition.later,
                    earlier: expire.condition.earlier,
                };
                let update = Update::Expire { at_ms: at.max(0) as u64, only };
                self.one(&mut call, Finish::Number, expire.key, Operation::Update(update));
            }
            Command::Persist(key) => {
                self.one(&mut call, Finish::Number, key, Operation::Update(Update::Persist));
            }
            Command::Add { key, delta } => {
                self.one(&mut call, Finish::Sum, key, Operation::Update(Update::Add(delta)));
            }
            Command::Append { key, tail } => {
                if tail.len() > self.clients.handle.value_bytes_max() {
                    return self.refuse(&CommandError::TooLong, call.window, call.out);
                }
                self.one(&mut call, Finish::Sum, key, Operation::Update(Update::Append(tail)));
            }
            Command::DbSize => {
                let namespace = self.namespace();
                self.ask(&mut call, Finish::DbSize, NodeCommand::Count { namespace });
            }
            Command::FlushDb(_) => {
                let namespace = Some(self.namespace());
                self.ask(&mut call, Finish::Ok, NodeCommand::Flush { namespace });
            }
            Command::FlushAll(_) => {
                self.ask(&mut call, Finish::Ok, NodeCommand::Flush { namespace: None });
            }
            Command::Status => self.ask(&mut call, Finish::View, NodeCommand::Status),
            Command::Members => self.ask(&mut call, Finish::View, NodeCommand::Members),
            Command::Ready => self.ask(&mut call, Finish::View, NodeCommand::Ready),
            Command::Explain(key) => {
                let key = self.key(key);
                self.ask(&mut call, Finish::View, NodeCommand::Explain { key });
            }
            other => return self.connection_command(other, window, out),
        }
        Verdict::Done
    }

    /// Commands about the connection and the server: answered at once, in their turn.
    fn connection_command(
        &mut self,
        command: Command<'_>,
        window: &mut Window,
        out: &mut Encoder,
    ) -> Verdict {
        match command {
            Command::Ping(None) => self.answer(window, out, |out| out.simple("PONG")),
            Command::Ping(Some(message)) | Command::Echo(message) => {
                self.answer(window, out, |out| out.bulk(message));
            }
            Command::Hello(hello) => return self.hello(hello, window, out),
            Command::Auth(credentials) => match self.authenticate(credentials) {
                Ok(()) => self.answer(window, out, Encoder::ok),
                Err(error) => return self.refuse(&error, window, out),
            },
            Command::Select(database) if database < DATABASES => {
                self.database = database;
                self.register();
                self.answer(window, out, Encoder::ok);
            }
            Command::Select(_) => return self.refuse(&CommandError::DbIndex, window, out),
            Command::Client(client) => self.client(client, window, out),
            Command::Introspect(introspect) => {
                self.answer(window, out, |out| introspect.encode(out));
            }
            Command::Help(entry) => self.answer(window, out, |out| entry.encode_help(out)),
            Command::Info(sections) => {
                let text = info::info(&self.clients, sections);
                self.answer(window, out, |out| out.verbatim(text.as_bytes()));
            }
            Command::ConfigGet(patterns) => {
                let found = info::config(&self.clients, patterns);
                self.answer(window, out, |out| {
                    out.map(found.len());
                    for (name, value) in &found {
                        out.bulk(name.as_bytes());
                        out.bulk(value.as_bytes());
                    }
                });
            }
            Command::Time => {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                let now = now.unwrap_or_default();
                self.answer(window, out, |out| {
                    out.array(2);
                    out.bulk(now.as_secs().to_string().as_bytes());
                    out.bulk(now.subsec_micros().to_string().as_bytes());
                });
            }
            Command::Quit => {
                self.answer(window, out, Encoder::ok);
                return Verdict::Close;
            }
            Command::Reset => {
                self.database = 0;
                self.name.clear();
                self.replies = ReplyMode::On;
                self.authenticated = self.clients.options.password.is_none();
                out.set_protocol(Protocol::Resp2);
                self.register();
                self.answer(window, out, |out| out.simple("RESET"));
            }
            _ => unreachable!("commands on keys are carried out by their caller"),
        }
        Verdict::Done
    }

    fn hello(&mut self, hello: Hello<'_>, window: &mut Window, out: &mut Encoder) -> Verdict {
        if let Some(credentials) = hello.auth {
            if let Err(error) = self.authenticate(credentials) {
                return self.refuse(&error, window, out);
            }
        } else if !self.authenticated {
            return self.refuse(&CommandError::HelloNoAuth, window, out);
        }
        if let Some(name) = hello.name {
            self.name = String::from_utf8_lossy(name).into_owned();
        }
        if let Some(protocol) = hello.protocol {
            out.set_protocol(protocol);
        }
        self.register();
        let id = self.id as i64;
        self.answer(window, out, |out| {
            let version = if out.protocol() == Protocol::Resp3 { 3 } else { 2 };
            out.map(7);
            for (name, value) in [("server", "redis"), ("version", info::REDIS_VERSION)] {
                out.bulk(name.as_bytes());
                out.bulk(value.as_bytes());
            }
            out.bulk(b"proto");
            out.integer(version);
            out.bulk(b"id");
            out.integer(id);
            for (name, value) in [("mode", "standalone"), ("role", "master")] {
                out.bulk(name.as_bytes());
                out.bulk(value.as_bytes());
            }
            out.bulk(b"modules");
            out.array(0);
        });
        Verdict::Done
    }

    fn authenticate(&mut self, credentials: Credentials<'_>) -> Result<(), CommandError<'static>> {
        let Some(password) = &self.clients.options.password else {
            // Redis takes any password for the default user, who has none, if he is named.
            return match credentials.user {
                Some(b"default") => Ok(()),
                Some(_) => Err(CommandError::WrongPass),
                None => Err(CommandError::AuthWithoutPassword),
            };
        };
        let user = credentials.user.is_none_or(|user| user == b"default");
        if user & same_secret(password.as_bytes(), credentials.password) {
            self.authenticated = true;
            return Ok(());
        }
        Err(CommandError::WrongPass)
    }

    fn client(&mut self, client: Client<'_>, window: &mut Window, out: &mut Encoder) {
        match client {
            Client::Id => {
                let id = self.id as i64;
                self.answer(window, out, |out| out.integer(id));
            }
            Client::GetName => {
                let name = self.name.clone();
                self.answer(window, out, |out| match name.as_str() {
                    "" => out.null(),
                    name => out.bulk(name.as_bytes()),
                });
            }
            Client::SetName(name) => {
                self.name = String::from_utf8_lossy(name).into_owned();
                self.register();
                self.answer(window, out, Encoder::ok);
            }
            Client::SetInfo(what, value) => {
                let value = String::from_utf8_lossy(&value[..value.len().min(64)]).into_owned();
                match what {
                    ClientInfo::LibName => self.library.0 = value,
                    ClientInfo::LibVer => self.library.1 = value,
                }
                self.register();
                self.answer(window, out, Encoder::ok);
            }
            Client::Info => {
                let line = self.line() + "\n";
                self.answer(window, out, |out| out.verbatim(line.as_bytes()));
            }
            Client::List(filter) => {
                let lines = self.clients.lines.lock();
                let wanted: Vec<&String> = match filter {
                    ClientFilter::All | ClientFilter::Normal => lines.values().collect(),
                    ClientFilter::Nobody => Vec::new(),
                    ClientFilter::Ids(ids) => {
                        ids.iter().filter_map(|id| lines.get(&(id as u64))).collect()
                    }
                };
                let text: String = wanted.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
                drop(lines);
                self.answer(window, out, |out| out.verbatim(text.as_bytes()));
            }
            Client::NoEvict(_) | Client::NoTouch(_) => self.answer(window, out, Encoder::ok),
            Client::Reply(mode) => {
                self.replies = mode;
                if mode == ReplyMode::On {
                    self.answer(window, out, Encoder::ok);
                }
            }
        }
    }

    fn set(&mut self, call: &mut Call<'_>, set: Set<'_>, now_ms: u64) -> Verdict {
        let Set { key, value, expiry, condition, answer_old } = set;
        if value.len() > self.clients.handle.value_bytes_max() {
            return self.refuse(&CommandError::TooLong, call.window, call.out);
        }
        let deadline = |expiry: Expiry| {
            let at = expiry.deadline(now_ms as i64);
            at.map(|at| at.max(0) as u64).ok_or(CommandError::InvalidExpire("set"))
        };
        let ttl = match expiry {
            SetExpiry::Never => Ttl::Never,
            SetExpiry::Keep => Ttl::Keep,
            SetExpiry::Then(expiry) => match deadline(expiry) {
                Ok(at) => Ttl::At(at),
                Err(error) => return self.refuse(&error, call.window, call.out),
            },
        };
        let plain = condition == SetCondition::Always && !answer_old;
        let operation = match ttl {
            Ttl::Never if plain => Operation::Set { value, deadline_ms: None },
            Ttl::At(at) if plain => Operation::Set { value, deadline_ms: Some(at) },
            ttl => {
                let only = match condition {
                    SetCondition::Always => Only::Always,
                    SetCondition::IfAbsent => Only::IfAbsent,
                    SetCondition::IfPresent => Only::IfPresent,
                };
                Operation::Update(Update::Write { value, ttl, only, previous: answer_old })
            }
        };
        let finish = if plain { Finish::Ok } else { Finish::SetIf { answer_old } };
        self.one(call, finish, key, operation);
        Verdict::Done
    }

    /// One operation on one key.
    fn one(
        &mut self,
        call: &mut Call<'_>,
        finish: Finish,
        key: &[u8],
        operation: Operation<&[u8]>,
    ) {
        let handle = &self.clients.handle;
        let key_ref = self.key_ref(key);
        let now_ms = handle.expiry_ms(call.batch);
        if call.window.is_empty() && self.replies == ReplyMode::On {
            let out = &mut *call.out;
            let answered = handle.local(call.batch, key_ref, &operation, |answer| {
                encode(finish, Some(answer), now_ms, out);
            });
            if answered.is_ok() {
                return;
            }
        } else {
            self.scratch.set_protocol(call.out.protocol());
            let scratch = &mut self.scratch;
            let answered = handle.local(call.batch, key_ref, &operation, |answer| {
                encode(finish, Some(answer), now_ms, scratch);
            });
            if answered.is_ok() {
                let reply = self.scratch.as_bytes().to_vec();
                self.scratch.clear(1024);
                return self.answer(call.window, call.out, |out| out.raw(&reply));
            }
        }
        let command = self.node_command(key, operation);
        let token = call.window.token(0);
        let reply_to = ReplyTo::Mailbox(self.mailbox.clone(), token);
        call.submissions.push(Submission { command, reply_to });
        let keys = vec![self.key_hash(key)];
        call.window.push(Slot::Waiting { finish, parts: vec![None], missing: 1, keys });
    }

    /// The same on several keys; the parts are not atomic.
    fn each<'k>(
        &mut self,
        call: &mut Call<'_>,
        finish: Finish,
        operations: impl Iterator<Item = (&'k [u8], Operation<&'k [u8]>)>,
    ) {
        let mut parts = Vec::new();
        let mut missing = 0;
        let mut keys = Vec::new();
        let mut named = HashSet::new();
        for (part, (key, operation)) in operations.enumerate() {
            let key_ref = self.key_ref(key);
            // One key named twice in one command: the later part waits for no earlier one, so it
            // goes the same way, in order.
            let hash = self.key_hash(key);
            let queued = missing > 0 && named.contains(&hash);
            let local = |answer: Answer<&[u8]>| Reply::Answer {
                answer: answer.map(Bytes::copy_from_slice),
                written: None,
            };
            let answered = match queued {
                true => None,
                false => {
                    let handle = &self.clients.handle;
                    handle.local(call.batch, key_ref, &operation, local).ok()
                }
            };
            if answered.is_none() {
                let command = self.node_command(key, operation);
                let token = call.window.token(part);
                let reply_to = ReplyTo::Mailbox(self.mailbox.clone(), token);
                call.submissions.push(Submission { command, reply_to });
                keys.push(hash);
                named.insert(hash);
                missing += 1;
            }
            parts.push(answered);
        }
        let slot = Slot::Waiting { finish, parts, missing, keys };
        if missing == 0 && call.window.is_empty() {
            return self.finish(slot, call.out);
        }
        call.window.push(slot);
    }

    /// Something the node answers itself.
    fn ask(&mut self, call: &mut Call<'_>, finish: Finish, command: NodeCommand) {
        let reply_to = ReplyTo::Mailbox(self.mailbox.clone(), call.window.token(0));
        call.submissions.push(Submission { command, reply_to });
        let (parts, keys) = (vec![None], Vec::new());
        call.window.push(Slot::Waiting { finish, parts, missing: 1, keys });
    }

    /// Writes the reply of a command that is complete.
    pub(super) fn finish(&mut self, slot: Slot, out: &mut Encoder) {
        match slot {
            Slot::Done(reply) => out.raw(&reply),
            Slot::Waiting { finish, parts, .. } => {
                let now_ms = self.clients.handle.expiry_ms(self.clients.handle.batch());
                self.say(out, |out| combine(finish, parts, now_ms, out));
            }
        }
    }

    /// Writes a reply in its turn: now, or behind what is under way.
    fn answer(&mut self, window: &mut Window, out: &mut Encoder, write: impl FnOnce(&mut Encoder)) {
        if window.is_empty() {
            return self.say(out, write);
        }
        let mut later = Encoder::new(out.protocol());
        self.say(&mut later, write);
        window.push(Slot::Done(later.as_bytes().to_vec()));
    }

    /// Writes a reply, unless the client asked for silence.
    fn say(&mut self, out: &mut Encoder, write: impl FnOnce(&mut Encoder)) {
        let before = out.len();
        write(out);
        match self.replies {
            ReplyMode::On => {}
            ReplyMode::Off => out.truncate(before),
            ReplyMode::Skip => {
                out.truncate(before);
                self.replies = ReplyMode::On;
            }
        }
    }

    fn conflicts(&self, command: &Command<'_>, window: &Window) -> bool {
        command.keys().any(|key| window.touches(self.key_hash(key)))
    }

    fn key_hash(&self, key: &[u8]) -> u64 {
        xxhash_rust::xxh3::xxh3_64(key)
    }

    fn namespace(&self) -> Namespace {
        Namespace(self.database as u16)
    }

    fn key_ref<'k>(&self, bytes: &'k [u8]) -> KeyRef<'k> {
        KeyRef { namespace: self.namespace(), bytes }
    }

    fn key(&self, bytes: &[u8]) -> Key {
        Key { namespace: self.namespace(), bytes: Bytes::copy_from_slice(bytes) }
    }

    fn node_command(&self, key: &[u8], operation: Operation<&[u8]>) -> NodeCommand {
        let operation = operation.map(Bytes::copy_from_slice);
        // One owner's answer is the default for reads, a majority's acknowledgement for writes.
        let level = match operation {
            Operation::Get => Level::One,
            _ => Level::Quorum,
        };
        NodeCommand::Key { key: self.key(key), operation, level, min: Version::ZERO }
    }

    /// Keeps this connection's line for CLIENT LIST up to date.
    fn register(&self) {
        self.clients.lines.lock().insert(self.id, self.line());
        self.clients.commands.fetch_add(1, Ordering::Relaxed);
    }

    fn line(&self) -> String {
        format!(
            "id={} addr={} laddr={} name={} db={} lib-name={} lib-ver={}",
            self.id,
            self.peer,
            self.clients.local,
            self.name,
            self.database,
            self.library.0,
            self.library.1
        )
    }
}

/// What a command needs besides the session.
struct Call<'a> {
    batch: Batch,
    window: &'a mut Window,
    out: &'a mut Encoder,
    submissions: &'a mut Vec<Submission>,
}

fn read(key: &[u8]) -> (&[u8], Operation<&[u8]>) {
    (key, Operation::Get)
}

/// Compares without telling by its duration where the first difference is.
fn same_secret(secret: &[u8], given: &[u8]) -> bool {
    let differences = secret.iter().zip(given).fold(0, |all, (a, b)| all | (a ^ b));
    secret.len() == given.len() && differences == 0
}

/// Makes a reply of the answers to a command's parts.
fn combine(finish: Finish, parts: Vec<Option<Reply>>, now_ms: u64, out: &mut Encoder) {
    let failed = parts.iter().find_map(|part| match part {
        Some(Reply::Failed(failure)) => Some(*failure),
        _ => None,
    });
    if let Some(failure) = failed {
        return out.error(format!("ERR {failure}").as_bytes());
    }
    let answers = parts.iter().map(|part| match part {
        Some(Reply::Answer { answer, .. }) => Some(answer.as_ref()),
        _ => None,
    });
    match finish {
        Finish::Count => {
            let there = |answer: &Option<Answer<&[u8]>>| {
                matches!(answer, Some(Answer::Found { .. } | Answer::Existed(true)))
            };
            out.integer(answers.filter(there).count() as i64);
        }
        Finish::Mget => {
            out.array(parts.len());
            for answer in answers {
                encode(Finish::Get, answer, now_ms, out);
            }
        }
        Finish::Ok => out.ok(),
        Finish::DbSize | Finish::View => match parts.into_iter().next().flatten() {
            Some(Reply::Count(count)) => out.integer(count as i64),
            Some(reply) => view::encode(&reply, out),
            None => out.null(),
        },
        finish => encode(finish, answers.into_iter().next().flatten(), now_ms, out),
    }
}

/// Makes a reply of one answer.
fn encode(finish: Finish, answer: Option<Answer<&[u8]>>, now_ms: u64, out: &mut Encoder) {
    let Some(answer) = answer else {
        return out.null();
    };
    match (finish, answer) {
        (_, Answer::NotANumber) => CommandError::NotAnInteger.encode(out),
        (_, Answer::Overflow) => CommandError::IncrementOverflow.encode(out),
        (_, Answer::TooLarge) => CommandError::TooLong.encode(out),
        (Finish::Ok, _) => out.ok(),
        (Finish::SetIf { answer_old: true }, Answer::Written { previous, .. }) => match previous {
            Some(value) => out.bulk(value),
            None => out.null(),
        },
        (Finish::SetIf { .. }, Answer::Written { applied: true, .. }) => out.ok(),
        (Finish::Ttl | Finish::Pttl, Answer::Found { deadline_ms: None, .. }) => out.integer(-1),
        (Finish::Ttl, Answer::Found { deadline_ms: Some(at), .. }) => {
            out.integer((at.saturating_sub(now_ms) as i64 + 500) / 1000);
        }
        (Finish::Pttl, Answer::Found { deadline_ms: Some(at), .. }) => {
            out.integer(at.saturating_sub(now_ms) as i64);
        }
        (Finish::Ttl | Finish::Pttl, _) => out.integer(-2),
        (Finish::Strlen, Answer::Found { value, .. }) => out.integer(value.len() as i64),
        (Finish::Strlen, _) => out.integer(0),
        (Finish::Type, Answer::Found { .. }) => out.simple("string"),
        (Finish::Type, _) => out.simple("none"),
        (_, Answer::Found { value, .. }) => out.bulk(value),
        (_, Answer::Existed(yes) | Answer::Changed(yes)) => out.integer(i64::from(yes)),
        (_, Answer::Number(number)) => out.integer(number),
        (_, Answer::Missing | Answer::Done | Answer::Written { .. }) => out.null(),
    }
}
