//! What a connection is to us, and what its commands do: the way from a typed command to operations
//! on the cache, and from their answers to a reply.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::args::part_of;
use super::command::{Expiry, ReplyMode, Set, SetCondition, SetExpiry};
use super::connection::OUT_BYTES;
use super::encode::Encoder;
use super::listener::Clients;
use super::many::{Many, WHOLE_MAX};
use super::reply::{Finish, combine, encode};
use super::window::{Slot, Window};
use super::{Command, CommandError};
use crate::handle::{Batch, Mailbox, ReplyTo, SHORT_BYTES, Submission};
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

/// How far a command on many keys is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Progress {
    /// There is none.
    Done,
    /// It waits for answers.
    Waiting,
    /// It goes on when its reply so far is sent.
    Sending,
}

/// One connection's state, as its client sees it.
pub(super) struct Session {
    pub(super) id: u64,
    pub(super) peer: SocketAddr,
    pub(super) database: u32,
    pub(super) authenticated: bool,
    pub(super) name: String,
    pub(super) library: (String, String),
    pub(super) replies: ReplyMode,
    scratch: Encoder,
    many: Option<Many>,
    /// A long command as it came, while it is carried out: its long values are parts of it.
    whole: Bytes,
    mailbox: Arc<Mailbox>,
    pub(super) clients: Arc<Clients>,
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
            many: None,
            whole: Bytes::new(),
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

    /// Whether it is in the middle of a long command.
    pub(super) fn has_place(&self) -> bool {
        self.many.as_ref().is_some_and(|many| !many.whole().is_empty())
    }

    /// Takes note of how the command came that is carried out next, if that was kept.
    pub(super) fn keep(&mut self, whole: Bytes) {
        self.whole = whole;
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
        if let Command::Mset(pairs) = command
            && let Some(longest) = pairs.map(|(_, value)| value.len()).max()
            && longest > self.clients.handle.value_bytes_max()
        {
            return self.refuse(&CommandError::TooLong, window, out);
        }
        if command.keys().len() > WHOLE_MAX {
            if !window.is_empty() {
                return Verdict::Wait;
            }
            self.many = Many::new(&command, &self.whole, self.replies != ReplyMode::On, out);
            if self.replies == ReplyMode::Skip {
                self.replies = ReplyMode::On;
            }
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
            Command::Leave { within_ms } => {
                self.ask(&mut call, Finish::View, NodeCommand::Leave { within_ms });
            }
            Command::Explain(key) => {
                let key = self.key(key);
                self.ask(&mut call, Finish::View, NodeCommand::Explain { key });
            }
            other => return self.connection_command(other, window, out),
        }
        Verdict::Done
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
        let parts = self.parts(call, finish, operations, usize::MAX);
        if parts.missing == 0 && call.window.is_empty() {
            return self.finish(parts.into_slot(finish), call.out);
        }
        call.window.push(parts.into_slot(finish));
    }

    /// Begins operations one after another, until local answers have grown to `bytes_max`.
    fn parts<'k>(
        &mut self,
        call: &mut Call<'_>,
        finish: Finish,
        operations: impl Iterator<Item = (&'k [u8], Operation<&'k [u8]>)>,
        bytes_max: usize,
    ) -> Parts {
        let mut parts = Parts::default();
        let mut bytes = 0;
        let mut named = HashSet::new();
        for (key, operation) in operations {
            // One key named twice in one command: the later part waits for no earlier one, so it
            // goes the same way, in order.
            let hash = self.key_hash(key);
            let queued = parts.missing > 0 && named.contains(&hash);
            let local = |answer: Answer<&[u8]>| {
                let answer = match answer {
                    // Only that it is there counts.
                    Answer::Found { .. } if finish == Finish::Count => Answer::Existed(true),
                    answer => answer.map(Bytes::copy_from_slice),
                };
                if let Answer::Found { value, .. } = &answer {
                    bytes += value.len();
                }
                Reply::Answer { answer, written: None }
            };
            let answered = match queued {
                true => None,
                false => {
                    let (handle, key_ref) = (&self.clients.handle, self.key_ref(key));
                    handle.local(call.batch, key_ref, &operation, local).ok()
                }
            };
            if answered.is_none() {
                let command = self.node_command(key, operation);
                let token = call.window.token(parts.answers.len());
                let reply_to = ReplyTo::Mailbox(self.mailbox.clone(), token);
                call.submissions.push(Submission { command, reply_to });
                parts.keys.push(hash);
                named.insert(hash);
                parts.missing += 1;
            }
            parts.answers.push(answered);
            if bytes >= bytes_max {
                break;
            }
        }
        parts
    }

    /// Goes on with a command on many keys, if one is under way.
    pub(super) fn go_on(
        &mut self,
        batch: Batch,
        window: &mut Window,
        out: &mut Encoder,
        submissions: &mut Vec<Submission>,
    ) -> Progress {
        let Some(mut many) = self.many.take() else {
            return Progress::Done;
        };
        let progress = loop {
            if !window.is_empty() {
                break Progress::Waiting;
            }
            if out.len() >= OUT_BYTES {
                break Progress::Sending;
            }
            if many.is_done() {
                many.end(out);
                return Progress::Done;
            }
            let span = window.span();
            self.whole = many.whole().clone();
            let mut call = Call { batch, window, out, submissions };
            let parts = self.parts(&mut call, many.finish(), many.piece(span), OUT_BYTES);
            self.whole = Bytes::new();
            many.begin(parts.answers.len());
            if parts.missing == 0 {
                let now_ms = self.clients.handle.expiry_ms(batch);
                many.take(parts.answers, now_ms, out);
            } else {
                window.push(parts.into_slot(many.finish()));
            }
        };
        self.many = Some(many);
        progress
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
                if let Some(many) = &mut self.many {
                    return many.take(parts, now_ms, out);
                }
                self.say(out, |out| combine(finish, parts, now_ms, out));
            }
        }
    }

    /// Writes a reply in its turn: now, or behind what is under way.
    pub(super) fn answer(
        &mut self,
        window: &mut Window,
        out: &mut Encoder,
        write: impl FnOnce(&mut Encoder),
    ) {
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
        let operation = operation.map(|value| {
            match value.len() > SHORT_BYTES {
                true => part_of(&self.whole, value),
                false => None,
            }
            .unwrap_or_else(|| Bytes::copy_from_slice(value))
        });
        // One owner's answer is the default for reads, a majority's acknowledgement for writes.
        let level = match operation {
            Operation::Get => Level::One,
            _ => Level::Quorum,
        };
        NodeCommand::Key { key: self.key(key), operation, level, min: Version::ZERO }
    }
}

/// The parts of a command, as far as they were begun.
#[derive(Debug, Default)]
struct Parts {
    answers: Vec<Option<Reply>>,
    missing: usize,
    /// Keys of the parts that are missing, as hashes.
    keys: Vec<u64>,
}

impl Parts {
    fn into_slot(self, finish: Finish) -> Slot {
        let Parts { answers, missing, keys } = self;
        Slot::Waiting { finish, parts: answers, missing, keys }
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
