//! The errors a client gets to read, in the words of Redis 7.0.
//!
//! Clients compare these texts: some decide by them whether a feature exists. So they are kept to
//! the letter, and are all in one place.

use super::args::Args;
use super::decode::ProtocolError;
use super::encode::Encoder;

/// Why a command was refused. Nothing was changed, and the connection goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommandError<'a> {
    /// There is no such command; these are all its arguments, the name first.
    UnknownCommand(Args<'a>),
    /// A command of commands has no such member.
    UnknownSubcommand {
        /// The command, in capitals.
        container: &'static str,
        /// What was asked for.
        name: &'a [u8],
    },
    /// Too many or too few arguments for this command.
    WrongArity(&'static str),
    /// An option that does not exist, lacks its value, or excludes another.
    Syntax,
    /// A number was expected, or the stored value should have been one.
    NotAnInteger,
    /// A number that must fit 32 bits does not.
    NotAnInt32,
    /// SELECT of a database that does not exist.
    DbIndex,
    /// A time to live that is not positive where it must be, or beyond what can be stored, for
    /// this command.
    InvalidExpire(&'static str),
    /// DECRBY of the one number that cannot be negated.
    DecrementOverflow,
    /// The result of INCR and its like does not fit 64 bits.
    IncrementOverflow,
    /// A value is longer than this node stores.
    TooLong,
    /// EXPIRE with an option that does not exist.
    UnsupportedOption(&'a [u8]),
    /// EXPIRE with NX and one of XX, GT, LT.
    ExpireNx,
    /// EXPIRE with GT and LT.
    ExpireGtLt,
    /// HELLO with a version that is not a number.
    ProtocolNotAnInteger,
    /// HELLO with a version other than 2 and 3.
    NoProtocol,
    /// HELLO with an option that does not exist or lacks its value.
    HelloOption(&'a [u8]),
    /// A connection's name that would break the lines of CLIENT LIST.
    ClientName,
    /// The same for what CLIENT SETINFO is told; this is which.
    ClientInfo(&'static str),
    /// CLIENT SETINFO of something else.
    ClientInfoOption(&'a [u8]),
    /// CLIENT LIST TYPE of something that is no type.
    ClientType(&'a [u8]),
    /// CLIENT LIST ID of something that is no id.
    ClientId,
    /// CONFIG SET, which is not offered.
    ConfigSet(&'a [u8]),
    /// COMMAND GETKEYS of a command that does not exist.
    KeysOfUnknown,
    /// COMMAND GETKEYS of a command that never has keys.
    KeysOfKeyless,
    /// COMMAND GETKEYS of a command with too many or too few arguments.
    KeysOfWrongArity,
    /// A client that has not authenticated and must.
    NoAuth,
    /// HELLO from a client that has not authenticated and must, without AUTH.
    HelloNoAuth,
    /// AUTH failed.
    WrongPass,
    /// AUTH with only a password, and none is asked for.
    AuthWithoutPassword,
}

/// How much of what the client sent is repeated to it.
const ECHOED_MAX: usize = 128;

impl CommandError<'_> {
    /// Whether this is no client at all, but a browser that was led here: Redis, too, closes such a
    /// connection without a word, or a page could post commands as its body.
    #[cold]
    pub fn is_http(&self) -> bool {
        let Self::UnknownCommand(args) = self else { return false };
        let is = |name: &[u8]| args.get(0).is_some_and(|given| given.eq_ignore_ascii_case(name));
        is(b"post") || is(b"host:")
    }

    /// Writes the error as a reply.
    #[cold]
    pub fn encode(&self, out: &mut Encoder) {
        out.error(&self.message());
    }

    /// The error with its code, as it stands in the reply (line ends not yet replaced).
    pub fn message(&self) -> Vec<u8> {
        let quoted = |before: &str, text: &[u8], after: &str| {
            [before.as_bytes(), echoed(text, ECHOED_MAX), after.as_bytes()].concat()
        };
        let plain = match *self {
            Self::UnknownCommand(args) => return unknown_command(args),
            Self::UnknownSubcommand { container, name } => {
                let hint = format!("'. Try {container} HELP.");
                return quoted("ERR unknown subcommand '", name, &hint);
            }
            Self::WrongArity(name) => {
                return format!("ERR wrong number of arguments for '{name}' command").into_bytes();
            }
            Self::InvalidExpire(name) => {
                return format!("ERR invalid expire time in '{name}' command").into_bytes();
            }
            Self::ClientInfo(field) => {
                return format!(
                    "ERR {field} cannot contain spaces, newlines or special characters."
                )
                .into_bytes();
            }
            Self::UnsupportedOption(name) => return quoted("ERR Unsupported option ", name, ""),
            Self::HelloOption(name) => {
                return quoted("ERR Syntax error in HELLO option '", name, "'");
            }
            Self::ClientInfoOption(name) => {
                return quoted("ERR Unrecognized option '", name, "'");
            }
            Self::ClientType(name) => return quoted("ERR Unknown client type '", name, "'"),
            Self::ConfigSet(name) => {
                return quoted(
                    "ERR CONFIG SET failed (possibly related to argument '",
                    name,
                    "') - can't set immutable config",
                );
            }
            Self::Syntax => "ERR syntax error",
            Self::NotAnInteger => "ERR value is not an integer or out of range",
            Self::NotAnInt32 => {
                "ERR value is out of range, value must between -2147483648 and 2147483647"
            }
            Self::DbIndex => "ERR DB index is out of range",
            Self::DecrementOverflow => "ERR decrement would overflow",
            Self::IncrementOverflow => "ERR increment or decrement would overflow",
            Self::TooLong => "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
            Self::ExpireNx => "ERR NX and XX, GT or LT options at the same time are not compatible",
            Self::ExpireGtLt => "ERR GT and LT options at the same time are not compatible",
            Self::ProtocolNotAnInteger => "ERR Protocol version is not an integer or out of range",
            Self::NoProtocol => "NOPROTO unsupported protocol version",
            Self::ClientName => {
                "ERR Client names cannot contain spaces, newlines or special characters."
            }
            Self::ClientId => "ERR Invalid client ID",
            Self::KeysOfUnknown => "ERR Invalid command specified",
            Self::KeysOfKeyless => "ERR The command has no key arguments",
            Self::KeysOfWrongArity => "ERR Invalid number of arguments specified for command",
            Self::NoAuth => "NOAUTH Authentication required.",
            Self::HelloNoAuth => {
                "NOAUTH HELLO must be called with the client already authenticated, otherwise the \
                 HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client \
                 and select the RESP protocol version at the same time"
            }
            Self::WrongPass => "WRONGPASS invalid username-password pair or user is disabled.",
            Self::AuthWithoutPassword => {
                "ERR AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?"
            }
        };
        plain.as_bytes().to_vec()
    }
}

impl ProtocolError {
    /// Writes the error as a reply, the last one of the connection.
    #[cold]
    pub fn encode(&self, out: &mut Encoder) {
        match self {
            // Not through text: the byte is repeated as it came.
            Self::ExpectedBulk(byte) => {
                out.error(
                    &[b"ERR Protocol error: expected '$', got '", &[*byte][..], b"'"].concat(),
                );
            }
            other => out.error(format!("ERR {other}").as_bytes()),
        }
    }
}

/// Repeats the name and as many arguments as start within the first 128 bytes, cut there.
fn unknown_command(args: Args<'_>) -> Vec<u8> {
    let mut given = Vec::new();
    for arg in args.iter().skip(1) {
        if given.len() >= ECHOED_MAX {
            break;
        }
        let room = ECHOED_MAX - given.len();
        given.push(b'\'');
        given.extend_from_slice(echoed(arg, room));
        given.extend_from_slice(b"' ");
    }
    let name = echoed(args.get(0).unwrap_or_default(), ECHOED_MAX);
    [b"ERR unknown command '", name, b"', with args beginning with: ", &given].concat()
}

/// What C's `%.128s` would print: it stops at a NUL.
fn echoed(text: &[u8], room: usize) -> &[u8] {
    let text = &text[..text.len().min(room)];
    &text[..text.iter().position(|byte| *byte == 0).unwrap_or(text.len())]
}
