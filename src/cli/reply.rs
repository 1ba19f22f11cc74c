//! What a server answers, read from its bytes: the second version of the Redis protocol, as a
//! client needs it.
//!
//! What is announced is checked before memory is set aside for it, so that something else that
//! listens on the port costs an error and nothing more.

use std::io::{self, BufRead, Read};

/// Longest string, in bytes: the longest value a node takes, and some room.
const BULK_BYTES_MAX: u64 = 16 << 20;
/// Most elements of a reply, in all its lists together.
const ELEMENTS_MAX: usize = 1 << 20;
/// Longest line, in bytes.
const LINE_BYTES_MAX: u64 = 64 << 10;
/// Deepest list in a list.
const DEPTH_MAX: usize = 8;

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Reply {
    Text(Vec<u8>),
    Number(i64),
    List(Vec<Reply>),
    Nothing,
    Error(String),
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReplyError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("what answers there does not speak the Redis protocol")]
    Malformed,
    #[error("the answer is longer than any that a node gives")]
    TooLong,
}

/// Reads one answer.
pub(super) fn read(from: &mut impl BufRead) -> Result<Reply, ReplyError> {
    let mut elements = ELEMENTS_MAX;
    element(from, DEPTH_MAX, &mut elements)
}

fn element(from: &mut impl BufRead, depth: usize, left: &mut usize) -> Result<Reply, ReplyError> {
    *left = left.checked_sub(1).ok_or(ReplyError::TooLong)?;
    let line = line(from)?;
    let (kind, text) = line.split_first().ok_or(ReplyError::Malformed)?;
    Ok(match kind {
        b'+' => Reply::Text(text.to_vec()),
        b'-' => Reply::Error(String::from_utf8_lossy(text).into_owned()),
        b':' => Reply::Number(number(text)?),
        b'$' => match u64::try_from(number(text)?) {
            Err(_) => Reply::Nothing,
            Ok(length) if length > BULK_BYTES_MAX => return Err(ReplyError::TooLong),
            Ok(length) => Reply::Text(bulk(from, length)?),
        },
        b'*' => match usize::try_from(number(text)?) {
            Err(_) => Reply::Nothing,
            Ok(length) if length > *left || depth == 0 => return Err(ReplyError::TooLong),
            // Grows as elements come, not as they are announced.
            Ok(length) => Reply::List(
                (0..length).map(|_| element(from, depth - 1, left)).collect::<Result<_, _>>()?,
            ),
        },
        _ => return Err(ReplyError::Malformed),
    })
}

fn line(from: &mut impl BufRead) -> Result<Vec<u8>, ReplyError> {
    let mut line = Vec::new();
    from.take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(ReplyError::Io(io::ErrorKind::UnexpectedEof.into()));
    }
    match line.strip_suffix(b"\r\n") {
        Some(text) => Ok(text.to_vec()),
        None => Err(ReplyError::Malformed),
    }
}

fn bulk(from: &mut impl BufRead, length: u64) -> Result<Vec<u8>, ReplyError> {
    let mut bytes = Vec::new();
    from.take(length + 2).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length + 2 {
        return Err(ReplyError::Io(io::ErrorKind::UnexpectedEof.into()));
    }
    if !bytes.ends_with(b"\r\n") {
        return Err(ReplyError::Malformed);
    }
    bytes.truncate(bytes.len() - 2);
    Ok(bytes)
}

fn number(text: &[u8]) -> Result<i64, ReplyError> {
    let text = std::str::from_utf8(text).map_err(|_| ReplyError::Malformed)?;
    text.parse().map_err(|_| ReplyError::Malformed)
}

impl Reply {
    /// The answer as text to be read: lists on one line.
    pub(super) fn text(&self) -> String {
        match self {
            Reply::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Reply::Number(number) => number.to_string(),
            Reply::List(items) => {
                let items: Vec<String> = items.iter().map(Reply::text).collect();
                items.join(", ")
            }
            Reply::Nothing => "-".to_owned(),
            Reply::Error(error) => error.clone(),
        }
    }

    /// A list of names and values, as pairs.
    pub(super) fn pairs(self) -> Result<Vec<(String, Reply)>, ReplyError> {
        let Reply::List(items) = self else {
            return Err(ReplyError::Malformed);
        };
        let mut pairs = Vec::new();
        let mut items = items.into_iter();
        while let Some(name) = items.next() {
            pairs.push((name.text(), items.next().ok_or(ReplyError::Malformed)?));
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Reply, ReplyError> {
        read(&mut io::BufReader::new(bytes))
    }

    #[test]
    fn answers() {
        assert_eq!(parse(b"+OK\r\n").unwrap(), Reply::Text(b"OK".to_vec()));
        assert_eq!(parse(b":-7\r\n").unwrap(), Reply::Number(-7));
        assert_eq!(parse(b"$-1\r\n").unwrap(), Reply::Nothing);
        assert_eq!(parse(b"$4\r\na\r\nb\r\n").unwrap(), Reply::Text(b"a\r\nb".to_vec()));
        assert_eq!(parse(b"-ERR no\r\n").unwrap(), Reply::Error("ERR no".to_owned()));
        let pairs = parse(b"*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n*2\r\n+x\r\n+y\r\n").unwrap();
        let pairs = pairs.pairs().unwrap();
        assert_eq!(pairs[1].1.text(), "x, y");
    }

    #[test]
    fn what_is_announced_is_checked_before_it_is_believed() {
        for bytes in [
            &b"$99999999999\r\n"[..],
            b"*99999999\r\n",
            b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
        ] {
            assert!(matches!(parse(bytes), Err(ReplyError::TooLong)), "{bytes:?}");
        }
        for bytes in
            [&b"HTTP/1.1 400 Bad Request\r\n"[..], b":x\r\n", b"$1\r\nabc", b"+no line end"]
        {
            assert!(matches!(parse(bytes), Err(ReplyError::Malformed)), "{bytes:?}");
        }
        for bytes in [&b""[..], b"$5\r\nab", b"*2\r\n:1\r\n"] {
            assert!(matches!(parse(bytes), Err(ReplyError::Io(_))), "{bytes:?}");
        }
    }
}
