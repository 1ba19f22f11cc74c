//! The shape of the sources, checked by reading them: who may name whom, which crate lives where,
//! what a deterministic part may not do. Each failure prints the reason, not only the rule.
//!
//! It reads lines, not Rust: comments are left out, and a name in a text would count. That is crude
//! and has been enough.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest file, in lines. Beyond it a file is several things.
const LINES_MAX: usize = 700;
/// Files that are longer, and how long they may be until they are split. Never add to this.
const LONG_FILES: &[(&str, usize)] = &[("src/node/membership.rs", 700)];
/// Longest line, in characters. Code ends at 100, and rustfmt sees to it; a comment that it does not
/// wrap may stand over by a full stop.
const COLUMNS_MAX: usize = 102;
/// Files with tables, which are read by column, or long texts that cannot be broken.
const WIDE_FILES: &[&str] = &[
    "simulations/src/main.rs",
    "src/resp/introspect/tests.rs",
    "src/resp/parse/tests.rs",
    "src/resp/table.rs",
    "src/store/record.rs",
];

struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Line numbers and lines, without comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate();
        lines.filter_map(|(i, line)| {
            let line = line.split("//").next().unwrap_or_default();
            (!line.trim().is_empty()).then_some((i + 1, line))
        })
    }

    /// The code in front of the unit tests.
    fn shipped(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = self.path.ends_with("/tests.rs");
        self.code()
            .take_while(move |(_, line)| !tests && !line.trim_start().starts_with("mod tests"))
    }
}

fn sources(roots: &[&str]) -> Vec<Source> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut open: Vec<PathBuf> = roots.iter().map(|root| top.join(root)).collect();
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(top).unwrap().to_str().unwrap().replace('\\', "/");
            let text = fs::read_to_string(&path).unwrap();
            found.push(Source { path: name, text });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty());
    found
}

/// Whether the word stands in the line, not as a part of a longer one.
fn names(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

fn fail(rule: &str, reason: &str, places: &[String]) {
    assert!(places.is_empty(), "{rule}\n  because {reason}\n  but: {}", places.join("\n       "));
}

#[test]
fn what_decides_is_deterministic() {
    let inner = sources(&["src/placement", "src/store", "src/node"]);
    for (word, reason) in [
        ("tokio", "they wait for nothing but a store lock: what waits cannot be replayed"),
        ("Instant::now", "time is an argument: a simulation has its own"),
        ("SystemTime::now", "time is an argument: a simulation has its own"),
        ("std::thread", "a run must not depend on how threads are scheduled"),
        ("std::net::UdpSocket", "the boundary of a node is bytes; `net` moves them"),
        ("rand::rng", "randomness comes from the seed that the node is given"),
        ("thread_rng", "randomness comes from the seed that the node is given"),
        ("make_rng", "randomness comes from the seed that the node is given"),
        ("RandomState", "its seed comes from the operating system"),
    ] {
        let uses = inner.iter().flat_map(|source| {
            let lines = source.shipped().filter(move |(_, line)| names(line, word));
            lines.map(|(line, _)| format!("{}:{line}", source.path))
        });
        let rule = format!("placement, store and node do not name `{word}`");
        fail(&rule, reason, &uses.collect::<Vec<_>>());
    }
    // The maps of `std` iterate in another order in every process.
    let uses = inner.iter().flat_map(|source| {
        let wrong = |line: &str| {
            line.contains("std::collections")
                && ["HashMap", "HashSet"].iter().any(|map| names(line, map))
        };
        let lines = source.shipped().filter(move |(_, line)| wrong(line));
        lines.map(|(line, _)| format!("{}:{line}", source.path))
    });
    fail(
        "placement, store and node use no HashMap or HashSet of std",
        "no order may depend on a hash seed: use BTreeMap, or hashbrown with a fixed hasher",
        &uses.collect::<Vec<_>>(),
    );
}

#[test]
fn a_simulation_has_no_other_time_and_chance_than_its_own() {
    let all = sources(&["simulations/src"]);
    let outside = ["simulations/src/cli/", "simulations/src/main.rs"];
    let inside = || all.iter().filter(|s| !outside.iter().any(|path| s.path.starts_with(path)));
    let quic = |source: &Source| source.path.starts_with("simulations/src/quic/");
    for (word, everywhere, reason) in [
        (
            "tokio",
            false,
            "the level of the state machine is a queue of events, and waits for nothing",
        ),
        (
            "async",
            false,
            "the level of the state machine is a queue of events, and waits for nothing",
        ),
        ("SystemTime", true, "wall clocks are the plan's"),
        ("std::thread", true, "a run must not depend on how threads are scheduled"),
        ("make_rng", true, "randomness comes from the seed"),
        ("rand::rng", true, "randomness comes from the seed"),
        ("HashMap", true, "no order may depend on a hash seed"),
        ("quinn", true, "the transport names it, and shows what a simulated socket needs of it"),
    ] {
        let uses = inside().filter(|source| everywhere || !quic(source)).flat_map(|source| {
            let lines = source.shipped().filter(move |(_, line)| names(line, word));
            lines.map(|(line, _)| format!("{}:{line}", source.path))
        });
        let below = if everywhere { "" } else { ", but for quic/" };
        let rule = format!("simulations, but for its command line{below}, does not name `{word}`");
        fail(&rule, reason, &uses.collect::<Vec<_>>());
    }
    // That of tokio stands still unless the simulation moves it.
    let uses = inside().filter(|source| !quic(source)).flat_map(|source| {
        let lines = source.shipped().filter(|(_, line)| names(line, "Instant::now"));
        lines.map(|(line, _)| format!("{}:{line}", source.path))
    });
    let rule = "simulations reads no clock";
    fail(rule, "time is that of the queue of events", &uses.collect::<Vec<_>>());
}

#[test]
fn each_named_crate_lives_in_one_place() {
    let all = sources(&["src"]);
    for (name, homes, reason) in [
        ("foca", &["src/node/membership"][..], "SWIM's vocabulary is translated once into ours"),
        ("bincode", &["src/node/codec.rs"], "it is unmaintained: one file to replace"),
        ("crdts", &["src/store/entry.rs"], "we use one register, and guard its sharp edge once"),
        ("quinn", &["src/net/", "src/tls.rs"], "the node never learns what carries its bytes"),
        ("quinn_proto", &["src/net/endpoint.rs"], "the node never learns what carries its bytes"),
        ("rustls", &["src/tls.rs"], "security is reviewed in one file"),
        ("rcgen", &["src/tls.rs"], "security is reviewed in one file"),
        ("clap", &["src/cli/"], "an embedding program has flags of its own"),
        ("toml", &["src/cli/file.rs"], "an embedding program has files of its own"),
        ("tracing_subscriber", &["src/cli/logging.rs"], "where the log goes is the host's choice"),
    ] {
        let path = format!("{name}::");
        let uses = all.iter().filter(|source| {
            let home = homes.iter().any(|home| source.path.starts_with(home));
            let tests = source.path.ends_with("/tests.rs");
            !home && !tests
        });
        let uses = uses.flat_map(|source| {
            // `node::codec` and the like are ours: only a path that begins with the crate counts.
            let begins = |line: &str| {
                line.match_indices(&path).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
                })
            };
            let lines = source.code().filter(move |(_, line)| begins(line));
            lines.map(|(line, _)| format!("{}:{line}", source.path)).collect::<Vec<_>>()
        });
        let rule = format!("`{name}` is named only in {}", homes.join(" and "));
        fail(&rule, reason, &uses.collect::<Vec<_>>());
    }
}

/// What each module may name of this crate. Nothing points up.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("placement", &[]),
    ("store", &["placement"]),
    ("node", &["placement", "store"]),
    ("tls", &[]),
    ("net", &["placement", "tls"]),
    // Errors and settings are words for the caller: of what is inside they name plain data.
    ("error", &["node", "config", "Config"]),
    ("config", &["error", "placement", "tls", "StartError"]),
    ("handle", &["config", "node", "store"]),
    ("driver", &["config", "error", "handle", "net", "node", "placement", "store", "tls"]),
    ("api", &["config", "driver", "error", "handle", "node", "placement", "store", "tls"]),
    ("resp", &["handle", "node", "store"]),
];

#[test]
fn nothing_points_up() {
    let all = sources(&["src"]);
    let mut wrong = Vec::new();
    for source in &all {
        let own = source.path.trim_start_matches("src/").trim_end_matches(".rs");
        let own = own.split('/').next().unwrap_or_default();
        let Some((_, allowed)) = MAY_NAME.iter().find(|(module, _)| *module == own) else {
            // What stands on top: lib, main and cli.
            assert!(
                matches!(own, "lib" | "main" | "cli"),
                "{own} has no place in the layering yet"
            );
            continue;
        };
        for (line, text) in source.shipped() {
            for (at, _) in text.match_indices("crate::") {
                let rest = &text[at + "crate::".len()..];
                let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
                let named = &rest[..end.unwrap_or(rest.len())];
                if named != own && !named.is_empty() && !allowed.contains(&named) {
                    wrong.push(format!("{}:{line} names `{named}`", source.path));
                }
            }
        }
    }
    fail(
        "each module names only those below it",
        "what is below can then be understood, tested and simulated without what is above",
        &wrong,
    );
    let wrong =
        all.iter().filter(|source| source.path.starts_with("src/net/")).flat_map(|source| {
            let lines = source.shipped().filter(|(_, line)| {
                line.contains("crate::placement") && !line.contains("crate::placement::peer")
            });
            lines.map(|(line, _)| format!("{}:{line}", source.path)).collect::<Vec<_>>()
        });
    fail(
        "net names of placement only who a peer is",
        "the transport must not grow opinions about who owns what",
        &wrong.collect::<Vec<_>>(),
    );
}

/// The roles of a node, each with the files that are parts of it. Everything else under `node/` is
/// vocabulary that they share.
const ROLES: &[&[&str]] = &[
    &["membership"],
    &["responsiveness"],
    &["lateness"],
    &["coordinator", "decision", "own_writes", "reading", "scatter", "writing"],
    &["replica"],
    &["sessions"],
];

#[test]
fn roles_do_not_know_each_other() {
    let mut wrong = Vec::new();
    for source in &sources(&["src/node"]) {
        let file = source.path.trim_start_matches("src/node/");
        let own = file.split(['/', '.']).next().unwrap_or_default();
        let Some(parts) = ROLES.iter().find(|parts| parts.contains(&own)) else {
            continue;
        };
        let others = ROLES.iter().filter(|other| *other != parts);
        let others: BTreeSet<&str> = others.flat_map(|other| other.iter().copied()).collect();
        for (line, text) in source.shipped() {
            for other in &others {
                for path in [format!("super::{other}"), format!("node::{other}")] {
                    if names(text, &path) {
                        wrong.push(format!(
                            "{}:{line} names `{other}`: {}",
                            source.path,
                            text.trim()
                        ));
                    }
                }
            }
        }
    }
    wrong.retain(|place| !SHARED_BY_ROLES.iter().any(|shared| place.ends_with(shared)));
    fail(
        "roles under node/ are siblings that never name each other",
        "they meet only in node/mod.rs, so that each can be read, tested and replaced alone",
        &wrong,
    );
}

/// What stands in a role's file, knows nothing of its state, and is used by others. It may not grow;
/// it would stand better among the vocabulary.
const SHARED_BY_ROLES: &[&str] = &["super::replica::count(turn, namespace);"];

#[test]
fn files_can_be_read_in_one_sitting() {
    let mut wrong = Vec::new();
    for source in &sources(&["src", "tests", "examples", "simulations"]) {
        let lines = source.text.lines().count();
        let longer = LONG_FILES.iter().find(|(path, _)| *path == source.path);
        let max = longer.map_or(LINES_MAX, |(_, max)| *max);
        if lines > max {
            wrong.push(format!("{} has {lines} lines; {max} are allowed", source.path));
        }
        for (i, line) in source.text.lines().enumerate() {
            let wide = line.chars().count() > COLUMNS_MAX;
            if wide && !WIDE_FILES.contains(&source.path.as_str()) {
                wrong.push(format!("{}:{} is wider than {COLUMNS_MAX}", source.path, i + 1));
            }
        }
    }
    fail(
        "files are short and lines too",
        "the centre is where such projects lose their beauty",
        &wrong,
    );
}

#[test]
fn nothing_is_left_over() {
    // Put together, so that this file does not find itself.
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("db", "g!"),
        concat!("to", "do!"),
        concat!("unimple", "mented!"),
        concat!("/wo", "rk/"),
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("index.", "crates.io"),
    ];
    let mut wrong = Vec::new();
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = sources(&["src", "tests", "examples", "simulations"]);
    for path in ["README.md", "Cargo.toml", "simulations/Cargo.toml", ".cargo/config.toml"] {
        let text = fs::read_to_string(top.join(path)).unwrap_or_default();
        all.push(Source { path: path.to_owned(), text });
    }
    for source in &all {
        for (i, line) in source.text.lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(**word)) {
                wrong.push(format!("{}:{}: {word}", source.path, i + 1));
            }
        }
    }
    fail(
        "nothing is left over, and nothing names the machine it was written on",
        "what is open belongs in the tracker, and the sources are built elsewhere",
        &wrong,
    );
}

#[test]
fn unsafe_code_is_forbidden() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    assert!(text.contains("#![forbid(unsafe_code)]"), "memory safety needs no review here");
}
