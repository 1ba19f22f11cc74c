//! A reader of replies, for the tests only: the other end of [`super::Encoder`].

/// A reply, taken apart.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Reply {
    Simple(String),
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    Null,
    Array(Vec<Reply>),
    Set(Vec<Reply>),
    Map(Vec<(Reply, Reply)>),
    Boolean(bool),
    Double(f64),
}

impl Reply {
    pub(crate) fn bulk(text: &str) -> Self {
        Self::Bulk(text.as_bytes().to_vec())
    }

    /// The elements of an array or a set.
    pub(crate) fn items(&self) -> &[Reply] {
        match self {
            Self::Array(items) | Self::Set(items) => items,
            other => panic!("{other:?} has no elements"),
        }
    }

    /// The text of a string of either kind.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Simple(text) | Self::Error(text) => text,
            Self::Bulk(text) => std::str::from_utf8(text).unwrap(),
            other => panic!("{other:?} is no text"),
        }
    }
}

/// Reads one reply and the rest.
pub(crate) fn read(bytes: &[u8]) -> (Reply, &[u8]) {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n").expect("a whole line");
    let head = std::str::from_utf8(&bytes[1..end]).unwrap();
    let mut rest = &bytes[end + 2..];
    let mut many = |count: usize| -> Vec<Reply> {
        (0..count)
            .map(|_| {
                let (item, behind) = read(rest);
                rest = behind;
                item
            })
            .collect()
    };
    let reply = match (bytes[0], head) {
        (b'+', text) => Reply::Simple(text.to_owned()),
        (b'-', text) => Reply::Error(text.to_owned()),
        (b':', number) => Reply::Integer(number.parse().unwrap()),
        (b'_', "") | (b'$' | b'*', "-1") => Reply::Null,
        (b'#', flag) => Reply::Boolean(flag == "t"),
        (b',', number) => Reply::Double(number.parse().unwrap()),
        (b'*' | b'>', count) => Reply::Array(many(count.parse().unwrap())),
        (b'~', count) => Reply::Set(many(count.parse().unwrap())),
        (b'%', count) => {
            let flat = many(2 * count.parse::<usize>().unwrap());
            Reply::Map(flat.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
        }
        (kind @ (b'$' | b'='), length) => {
            let length: usize = length.parse().unwrap();
            let skip = if kind == b'=' { 4 } else { 0 };
            let payload = rest[skip..length].to_vec();
            assert_eq!(&rest[length..length + 2], b"\r\n");
            rest = &rest[length + 2..];
            Reply::Bulk(payload)
        }
        (kind, _) => panic!("no reply starts with {:?}", char::from(kind)),
    };
    (reply, rest)
}

/// Reads all replies.
pub(crate) fn read_all(mut bytes: &[u8]) -> Vec<Reply> {
    let mut replies = Vec::new();
    while !bytes.is_empty() {
        let (reply, rest) = read(bytes);
        replies.push(reply);
        bytes = rest;
    }
    replies
}
