//! A connection to a node's Redis port, for the verbs that ask one.

use std::io::{self, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use super::credentials;
use super::reply::{self, Reply, ReplyError};
use super::settings::{Address, address, environment};
use super::variables;

/// How long a connection may take to come about.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// How long an answer may take: an operation has a second, and a node may be about to stop.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Which node to ask.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct Connect {
    /// The Redis port of the node to ask
    #[arg(
        long,
        value_name = "[HOST]:PORT",
        env = "CHICKADEE_CONNECT",
        default_value = "127.0.0.1:6379",
        value_parser = address
    )]
    connect: Address,
    /// A file with the node's password, if it has one; or set CHICKADEE_RESP_PASSWORD
    #[arg(long, value_name = "FILE", env = "CHICKADEE_RESP_PASSWORD_FILE")]
    resp_password_file: Option<PathBuf>,
}

/// A node that can be asked.
pub(super) struct Client {
    address: Address,
    stream: BufReader<TcpStream>,
}

/// Why a node could not be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("--connect: {0}")]
    Address(String),
    #[error("no node answers on {0}: {1}; --connect says where to look")]
    Connect(Address, io::Error),
    #[error("{0}: {1}")]
    Reply(Address, ReplyError),
    #[error("{0} did not answer within {seconds} s", seconds = .1.as_secs())]
    Silent(Address, Duration),
    #[error(
        "{0} wants a password; give it as CHICKADEE_RESP_PASSWORD or with --resp-password-file"
    )]
    Password(Address),
    #[error("{0} says: {1}")]
    Refused(Address, String),
}

impl Connect {
    /// Connects, and gives the password if there is one.
    pub(super) fn client(self) -> Result<Client, Box<dyn std::error::Error>> {
        variables::check()?;
        let file = self.resp_password_file.as_deref();
        let password = credentials::client_password(file, "--resp-password-file", &environment)?;
        let address = self.connect;
        let numbers = address.resolve().map_err(ClientError::Address)?;
        let connected = TcpStream::connect_timeout(&numbers, CONNECT_MAX).and_then(|stream| {
            stream.set_read_timeout(Some(ANSWER_MAX))?;
            stream.set_write_timeout(Some(ANSWER_MAX))?;
            stream.set_nodelay(true)?;
            Ok(stream)
        });
        let stream = match connected {
            Ok(stream) => BufReader::new(stream),
            Err(error) => return Err(ClientError::Connect(address, error).into()),
        };
        let mut client = Client { address, stream };
        if let Some(password) = password {
            client.ask(&[b"AUTH", password.as_bytes()])?;
        }
        Ok(client)
    }
}

impl Client {
    /// Sends a command, and waits for the answer; one that says no is an error.
    pub(super) fn ask(&mut self, words: &[&[u8]]) -> Result<Reply, ClientError> {
        self.ask_within(ANSWER_MAX, words)
    }

    /// The same, and waits for so long.
    pub(super) fn ask_within(
        &mut self,
        patience: Duration,
        words: &[&[u8]],
    ) -> Result<Reply, ClientError> {
        let patient = self.stream.get_ref().set_read_timeout(Some(patience));
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
        let sent = patient.and_then(|()| self.stream.get_mut().write_all(&request));
        let reply = sent.map_err(ReplyError::Io).and_then(|()| reply::read(&mut self.stream));
        let address = || self.address.clone();
        match reply {
            Ok(Reply::Error(text)) if text.starts_with("NOAUTH") => {
                Err(ClientError::Password(address()))
            }
            Ok(Reply::Error(text)) => Err(ClientError::Refused(address(), text)),
            Ok(reply) => Ok(reply),
            Err(ReplyError::Io(error))
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
            {
                Err(ClientError::Silent(address(), patience))
            }
            Err(error) => Err(ClientError::Reply(address(), error)),
        }
    }
}
