//! COMMAND and HELP: answers about the commands, from [`super::table`], in the shape in which
//! Redis 7.0 gives them, which is what clients take apart.

use super::args::Args;
use super::encode::Encoder;
use super::error::CommandError;
use super::glob;
use super::table::{self, COMMANDS, Entry, KeyPositions, SINCE};

/// COMMAND and its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Introspect<'a> {
    /// How many commands there are.
    Count,
    /// What these commands do, or all if none are named.
    Docs(Args<'a>),
    /// What kind these commands are, or all if none are named.
    Info(Args<'a>),
    /// The names of commands.
    List(ListFilter<'a>),
    /// The keys of this call.
    GetKeys(Args<'a>),
}

/// Which names COMMAND LIST lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListFilter<'a> {
    /// All.
    All,
    /// Those of a module, of which there are none.
    Module,
    /// Those of an ACL category, given without `@`.
    Category(&'a [u8]),
    /// Those that match a glob pattern.
    Pattern(&'a [u8]),
}

impl Introspect<'_> {
    /// Writes the reply.
    pub fn encode(&self, out: &mut Encoder) {
        match *self {
            Self::Count => out.integer(COMMANDS.len() as i64),
            Self::Docs(names) => docs(names, out),
            Self::Info(names) => info(names, out),
            Self::List(filter) => list(filter, out),
            Self::GetKeys(call) => {
                if let Err(error) = get_keys(call, out) {
                    error.encode(out);
                }
            }
        }
    }
}

impl Entry {
    /// Writes the reply to HELP of a command of commands.
    pub fn encode_help(&self, out: &mut Encoder) {
        let name = self.name.to_ascii_uppercase();
        out.array(1 + 2 * self.members.len());
        out.simple(&format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
        for member in self.members {
            let call = format!("{} {}", member.short_name().to_ascii_uppercase(), member.syntax);
            out.simple(call.trim_end());
            out.simple(&format!("    {}.", member.summary));
        }
    }

    /// The ACL categories, in Redis' order. There are no ACLs here, but tools group by them.
    fn categories(&self) -> impl Iterator<Item = &'static str> + Clone + use<> {
        let flag = |flag: &str| self.flags.contains(&flag);
        let own = |category: &str| self.categories.contains(&category);
        [
            ("@keyspace", self.group == "generic" || own("@keyspace")),
            ("@read", flag("readonly")),
            ("@write", flag("write")),
            ("@string", self.group == "string"),
            ("@admin", flag("admin")),
            ("@fast", flag("fast")),
            ("@slow", !flag("fast")),
            ("@dangerous", flag("admin") || own("@dangerous")),
            ("@connection", self.group == "connection" || own("@connection")),
        ]
        .into_iter()
        .filter_map(|(category, member)| member.then_some(category))
    }

    fn encode_info(&self, out: &mut Encoder) {
        out.array(10);
        out.bulk(self.name.as_bytes());
        out.integer(i64::from(self.arity));
        simple_set(self.flags.iter().copied(), out);
        let (first, last, step) =
            self.keys.as_ref().map_or((0, 0, 0), |keys| (keys.first, keys.last, keys.step));
        for position in [first, last, step] {
            out.integer(i64::from(position));
        }
        simple_set(self.categories(), out);
        // No command tips; see the table.
        out.set(0);
        match &self.keys {
            None => out.set(0),
            Some(keys) => {
                out.set(1);
                keys.encode(out);
            }
        }
        if self.members.is_empty() {
            out.set(0);
        } else {
            out.array(self.members.len());
            self.members.iter().for_each(|member| member.encode_info(out));
        }
    }

    /// redis-cli builds its help from this and breaks off (literally, with an assertion) if a
    /// summary, `since` or group is no string or a member's name lacks its command.
    fn encode_docs(&self, out: &mut Encoder) {
        out.bulk(self.name.as_bytes());
        out.map(if self.members.is_empty() { 3 } else { 4 });
        for (name, text) in [("summary", self.summary), ("since", SINCE), ("group", self.group)] {
            out.bulk(name.as_bytes());
            out.bulk(text.as_bytes());
        }
        if !self.members.is_empty() {
            out.bulk(b"subcommands");
            out.map(self.members.len());
            self.members.iter().for_each(|member| member.encode_docs(out));
        }
    }
}

impl KeyPositions {
    /// Writes the positions as a key specification, which says the same in more words.
    fn encode(&self, out: &mut Encoder) {
        // From the first key, unless counted from the end.
        let last = if self.last < 0 { self.last } else { self.last - self.first };
        out.map(3);
        out.bulk(b"flags");
        simple_set(self.access.iter().copied(), out);
        out.bulk(b"begin_search");
        out.map(2);
        out.bulk(b"type");
        out.bulk(b"index");
        out.bulk(b"spec");
        out.map(1);
        out.bulk(b"index");
        out.integer(i64::from(self.first));
        out.bulk(b"find_keys");
        out.map(2);
        out.bulk(b"type");
        out.bulk(b"range");
        out.bulk(b"spec");
        out.map(3);
        for (name, number) in [("lastkey", last), ("keystep", self.step), ("limit", 0)] {
            out.bulk(name.as_bytes());
            out.integer(i64::from(number));
        }
    }
}

fn simple_set<'a>(texts: impl Iterator<Item = &'a str> + Clone, out: &mut Encoder) {
    out.set(texts.clone().count());
    texts.for_each(|text| out.simple(text));
}

fn info(names: Args<'_>, out: &mut Encoder) {
    if names.is_empty() {
        out.array(COMMANDS.len());
        return COMMANDS.iter().for_each(|entry| entry.encode_info(out));
    }
    out.array(names.len());
    for name in names.iter() {
        match table::find(name) {
            Some(entry) => entry.encode_info(out),
            None => out.null(),
        }
    }
}

fn docs(names: Args<'_>, out: &mut Encoder) {
    if names.is_empty() {
        out.map(COMMANDS.len());
        return COMMANDS.iter().for_each(|entry| entry.encode_docs(out));
    }
    // Unknown names are left out.
    out.map(names.iter().filter_map(table::find).count());
    names.iter().filter_map(table::find).for_each(|entry| entry.encode_docs(out));
}

fn list(filter: ListFilter<'_>, out: &mut Encoder) {
    let listed = |entry: &&Entry| match filter {
        ListFilter::All => true,
        ListFilter::Module => false,
        ListFilter::Category(wanted) => {
            entry.categories().any(|category| category.as_bytes()[1..].eq_ignore_ascii_case(wanted))
        }
        ListFilter::Pattern(pattern) => {
            glob::matches(&pattern.to_ascii_lowercase(), entry.name.as_bytes())
        }
    };
    let names = COMMANDS.iter().flat_map(|entry| std::iter::once(entry).chain(entry.members));
    let names = names.filter(listed);
    out.array(names.clone().count());
    names.for_each(|entry| out.bulk(entry.name.as_bytes()));
}

fn get_keys<'a>(call: Args<'a>, out: &mut Encoder) -> Result<(), CommandError<'a>> {
    let entry = table::find_call(call).ok_or(CommandError::KeysOfUnknown)?;
    if entry.keys.is_none() {
        return Err(CommandError::KeysOfKeyless);
    }
    if !entry.takes(call.len()) {
        return Err(CommandError::KeysOfWrongArity);
    }
    let keys = entry.keys_of(call);
    out.array(keys.len());
    keys.for_each(|key| out.bulk(key));
    Ok(())
}

#[cfg(test)]
mod tests;
