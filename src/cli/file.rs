//! The configuration file: TOML, one key per setting, and nothing else. A key that is not known is
//! an error, since a mistyped setting that is silently left at its default is found out too late.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::input;
use super::nearest::nearest;

/// Longest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A file, as far as it was understood: texts by key, to be read as flags are.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    entries: BTreeMap<&'static str, (usize, Vec<String>)>,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: longer than {FILE_BYTES_MAX} bytes: is it a configuration file?", .0.display())]
    TooLong(PathBuf),
    #[error("{}: this is not UTF-8", .0.display())]
    NoText(PathBuf),
    #[error("{}:{line}: {problem}", path.display())]
    Syntax { path: PathBuf, line: usize, problem: String },
    #[error("{}:{line}: unknown key `{key}`; {hint}", path.display())]
    UnknownKey { path: PathBuf, line: usize, key: String, hint: String },
    #[error("{}:{line}: `{key}` is {found}; allowed is {allowed}", path.display())]
    Kind {
        path: PathBuf,
        line: usize,
        key: &'static str,
        found: &'static str,
        allowed: &'static str,
    },
}

impl File {
    /// Reads a file of which these keys are known; of those in `lists` there may be several values.
    pub(super) fn read(
        path: &Path,
        known: &[&'static str],
        lists: &[&str],
    ) -> Result<File, FileError> {
        let failed = |source| FileError::Read { path: path.to_owned(), source };
        let bytes = input::read(path, FILE_BYTES_MAX).map_err(failed)?.bytes;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(FileError::TooLong(path.to_owned()));
        }
        let text = String::from_utf8(bytes).map_err(|_| FileError::NoText(path.to_owned()))?;
        File::parse(path, &text, known, lists)
    }

    fn parse(
        path: &Path,
        text: &str,
        known: &[&'static str],
        lists: &[&str],
    ) -> Result<File, FileError> {
        let path = path.to_owned();
        let line_of =
            |span: Range<usize>| 1 + text[..span.start.min(text.len())].matches('\n').count();
        let table = match DeTable::parse(text) {
            Ok(table) => table.into_inner(),
            Err(error) => {
                let line = error.span().map_or(1, line_of);
                // The library's messages may have several lines.
                let problem = error.message().lines().collect::<Vec<_>>().join("; ");
                return Err(FileError::Syntax { path, line, problem });
            }
        };
        // In the order of the file, so that the first mistake is told first.
        let mut items: Vec<_> = table.into_iter().collect();
        items.sort_by_key(|(key, _)| key.span().start);
        let mut entries = BTreeMap::new();
        for (key, value) in items {
            let line = line_of(key.span());
            let Some(&name) = known.iter().find(|name| *name == key.get_ref()) else {
                let key = key.get_ref().to_string();
                let hint = hint(&key, known);
                return Err(FileError::UnknownKey { path, line, key, hint });
            };
            let list = lists.contains(&name);
            let kind = |found| FileError::Kind {
                path: path.clone(),
                line,
                key: name,
                found,
                allowed: if list {
                    "a string or a list of strings"
                } else {
                    "a string or a number"
                },
            };
            let texts = match value.into_inner() {
                DeValue::Array(array) if list => {
                    array.into_iter().map(|item| string(&item.into_inner())).collect()
                }
                other if list => string(&other).map(|text| vec![text]),
                other => scalar(&other).map(|text| vec![text]),
            };
            entries.insert(name, (line, texts.map_err(kind)?));
        }
        Ok(File { path, entries })
    }

    /// The values of a key, and the line it stands in.
    pub(super) fn values(&self, key: &str) -> Option<(usize, &[String])> {
        self.entries.get(key).map(|(line, values)| (*line, &values[..]))
    }
}

fn scalar(value: &DeValue<'_>) -> Result<String, &'static str> {
    Ok(match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
        DeValue::Integer(_) => return Err("no decimal number"),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(_) => return Err("a boolean"),
        DeValue::Datetime(_) => return Err("a date"),
        DeValue::Array(_) => return Err("a list"),
        DeValue::Table(_) => return Err("a table"),
    })
}

/// Of what is an address, say, a number is more likely half of one than meant as text.
fn string(value: &DeValue<'_>) -> Result<String, &'static str> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        other => scalar(other).and(Err("a number")),
    }
}

/// What to try instead.
fn hint(key: &str, known: &[&'static str]) -> String {
    let plain = key.replace('-', "_").to_ascii_lowercase();
    match nearest(&plain, known) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("known are {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["name", "seed", "max_memory"];

    fn parse(text: &str) -> Result<File, String> {
        File::parse(Path::new("node.toml"), text, KNOWN, &["seed"])
            .map_err(|error| error.to_string())
    }

    #[test]
    fn values_come_as_text_with_their_line() {
        let file =
            parse("# a node\nname = \"a\"\nmax_memory = 1_048_576\nseed = [\"x:1\", \"y:2\"]\n")
                .unwrap();
        assert_eq!(file.values("name"), Some((2, &["a".to_owned()][..])));
        assert_eq!(file.values("max_memory"), Some((3, &["1048576".to_owned()][..])));
        assert_eq!(file.values("seed"), Some((4, &["x:1".to_owned(), "y:2".to_owned()][..])));
        assert_eq!(parse("seed = \"x:1\"").unwrap().values("seed").unwrap().1.len(), 1);
        assert_eq!(parse("").unwrap().values("name"), None);
    }

    #[test]
    fn errors_name_file_line_and_key() {
        for (text, message) in [
            ("\nnmae = 1", "node.toml:2: unknown key `nmae`; did you mean `name`?"),
            ("max-memory = 1", "node.toml:1: unknown key `max-memory`; did you mean `max_memory`?"),
            ("colour = 1", "node.toml:1: unknown key `colour`; known are name, seed, max_memory"),
            (
                "name = \"a\"\n[node]\nx = 1",
                "node.toml:2: unknown key `node`; known are name, seed, max_memory",
            ),
            ("name = true", "node.toml:1: `name` is a boolean; allowed is a string or a number"),
            (
                "seed = \"x\"\nname = [\"a\"]",
                "node.toml:2: `name` is a list; allowed is a string or a number",
            ),
            (
                "seed = 1",
                "node.toml:1: `seed` is a number; allowed is a string or a list of strings",
            ),
            (
                "seed = [\"x:1\", 2.5]",
                "node.toml:1: `seed` is a number; allowed is a string or a list of strings",
            ),
            (
                "seed = [[\"x:1\"]]",
                "node.toml:1: `seed` is a list; allowed is a string or a list of strings",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), message);
        }
        let error = parse("name = \"a\"\nname = \"b\"").unwrap_err();
        assert!(error.starts_with("node.toml:2: ") && !error.contains('\n'), "{error}");
        let error = parse("name = ").unwrap_err();
        assert!(error.starts_with("node.toml:1: "), "{error}");
    }
}
