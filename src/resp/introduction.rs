//! What a client says about itself, and what it is told about us: HELLO, AUTH, SELECT, CLIENT, INFO
//! and their like. Answered at once, in their turn.

use std::sync::atomic::Ordering;

use super::command::{Client, ClientFilter, ClientInfo, Credentials, Hello, ReplyMode};
use super::encode::{Encoder, Protocol};
use super::session::{DATABASES, Session, Verdict};
use super::window::Window;
use super::{Command, CommandError, info};

impl Session {
    /// Commands about the connection and the server: answered at once, in their turn.
    pub(super) fn connection_command(
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

    /// Keeps this connection's line for CLIENT LIST up to date.
    pub(super) fn register(&self) {
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

/// Compares without telling by its duration where the first difference is.
fn same_secret(secret: &[u8], given: &[u8]) -> bool {
    let differences = secret.iter().zip(given).fold(0, |all, (a, b)| all | (a ^ b));
    secret.len() == given.len() && differences == 0
}
