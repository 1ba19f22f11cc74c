//! A scenario in a TOML file: the same fields as those in Rust, and faults as a list of steps that is
//! gone through again and again while there is time.
//!
//! ```toml
//! name = "my-cuts"
//! about = "one node after the other is cut off"
//! nodes = [3, 5]
//!
//! [options]          # what is drawn for every scenario, changed: see `plan::Options`
//! loss_ppm = 1_000
//!
//! [[faults]]
//! fault = "partition"
//! after_ms = [0, 3_000]
//! for_ms = [500, 5_000]
//! ```

use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use toml::Spanned;

use super::timeline::Timeline;
use super::{NODES_MAX, draw};
use crate::limits::check_faults;
use crate::plan::{Fault, Options, Plan};

/// A scenario as it stands in a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioFile {
    /// Its name, for lines about it and for saved plans.
    pub name: String,
    /// What happens in it, in one line.
    #[serde(default)]
    pub about: String,
    nodes: Spanned<(usize, usize)>,
    options: Option<Spanned<toml::Table>>,
    #[serde(default)]
    faults: Vec<Spanned<Step>>,
}

/// A fault that happens some time after the one before, and what ends it. All fields of all kinds
/// stand in one place, so that an error knows the line; which of them a kind takes is said by
/// [`Kind::fields`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    fault: Kind,
    after_ms: Draw,
    for_ms: Option<Draw>,
    node: Option<usize>,
    nodes: Option<Vec<usize>>,
    from: Option<usize>,
    to: Option<usize>,
    loss_ppm: Option<u32>,
    duplicate_ppm: Option<u32>,
    jitter_us_max: Option<u64>,
    by_us: Option<Draw>,
    bytes_per_second: Option<u64>,
    by_ms: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// A node is killed, and started again.
    Crash,
    /// A node is asked to stop, and started again.
    Restart,
    /// A node joins: the next one of `options.joiners`.
    Join,
    /// A node leaves for good.
    Leave,
    /// A process is stopped with its memory, and goes on.
    Stall,
    /// The given nodes, or a drawn half, are apart from the rest.
    Partition,
    /// Nothing passes in one direction.
    Cut,
    /// Packets are lost, doubled and delayed.
    Weather,
    /// A node is slow.
    Slow,
    /// Few bytes pass in one direction.
    Throttle,
    /// A wall clock is set, and set back.
    Clock,
}

impl Kind {
    /// The fields that it needs, and those that it takes.
    fn fields(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Kind::Crash | Kind::Restart | Kind::Stall => (&["for_ms"], &["node"]),
            Kind::Join => (&[], &[]),
            Kind::Leave => (&[], &["node"]),
            Kind::Partition => (&["for_ms"], &["nodes"]),
            Kind::Cut => (&["for_ms"], &["from", "to"]),
            Kind::Weather => (&["for_ms", "loss_ppm", "duplicate_ppm", "jitter_us_max"], &[]),
            Kind::Slow => (&["for_ms", "by_us"], &["node"]),
            Kind::Throttle => (&["for_ms", "bytes_per_second"], &["from", "to"]),
            Kind::Clock => (&["for_ms", "by_ms"], &["node"]),
        }
    }
}

/// A number that is drawn: `[from, to]`, the latter not included, or one number.
#[derive(Clone, Debug)]
struct Draw(Range<u64>);

impl<'de> Deserialize<'de> for Draw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Draw, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a number or a range like [100, 2000] is wanted")]
        enum Written {
            One(u64),
            Range([u64; 2]),
        }
        let range = match Written::deserialize(deserializer)? {
            Written::One(number) => number..number.saturating_add(1),
            Written::Range([from, to]) => from..to,
        };
        let Range { start, end } = range;
        if range.is_empty() {
            return Err(D::Error::custom(format!("the range [{start}, {end}] is empty")));
        }
        if end - 1 > MS_MAX {
            return Err(D::Error::custom(format!("{} is more than {MS_MAX}", end - 1)));
        }
        Ok(Draw(range))
    }
}

/// All steps together take no less, in milliseconds.
const ROUND_MS_MIN: u64 = 100;

/// Longest time of a step, in milliseconds, and largest other number that is drawn.
const MS_MAX: u64 = 86_400_000;

impl ScenarioFile {
    /// Reads a scenario. An error says which line is wrong, and why.
    pub fn parse(text: &str) -> Result<ScenarioFile, String> {
        let file: ScenarioFile = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line(text, span.start));
            format!("{line}: {}", error.message().trim_end())
        })?;
        let (from, to) = *file.nodes.get_ref();
        let at = |spanned: Range<usize>, why: String| {
            Err(format!("{}: {why}", line(text, spanned.start)))
        };
        let most = NODES_MAX - 10;
        if from < 1 || to < from || to > most {
            let why = format!(
                "nodes is [{from}, {to}], and must go up from at least 1 to at most {most}"
            );
            return at(file.nodes.span(), why);
        }
        // Each field by itself: so that the line is that of the field.
        for count in [from, to] {
            let plan = file.with_options(0, Some(count), &[]).map_err(|(key, why)| {
                let options = file.options.as_ref().map_or(0..0, Spanned::span);
                format!("{}: {why}", line_of(text, options, &key))
            })?;
            let round_ms = file.round_ms(&plan.options);
            let rounds = plan.options.healed_ms.saturating_sub(plan.options.formed_ms) / round_ms;
            // Most steps happen and are mended.
            check_faults((rounds + 1) * 2 * file.faults.len() as u64)
                .map_err(|why| format!("{}: {why}", line_of(text, 0..0, "nodes")))?;
            for step in &file.faults {
                step.get_ref()
                    .check(&plan.options)
                    .map_err(|(key, why)| format!("{}: {why}", line_of(text, step.span(), key)))?;
            }
        }
        Ok(file)
    }

    /// The shortest time in which all steps happen once, in milliseconds.
    fn round_ms(&self, options: &Options) -> u64 {
        let steps = self.faults.iter().map(Spanned::get_ref);
        let shortest = |draw: &Draw| draw.0.start;
        let ms = |step: &Step| shortest(&step.after_ms) + step.for_ms.as_ref().map_or(0, shortest);
        (steps.map(ms).sum::<u64>() + options.stable_ms).max(ROUND_MS_MIN)
    }

    /// Most nodes that a plan begins with, unless told otherwise.
    pub fn nodes_max(&self) -> usize {
        self.nodes.get_ref().1
    }

    /// Whether it can be run with so many nodes; if not, why.
    pub fn check(&self, nodes: Option<usize>) -> Result<(), String> {
        self.with_options(0, nodes, &self.faults).map_err(|(_, why)| why)?.check()
    }

    /// Draws a plan.
    pub fn plan(&self, seed: u64, nodes: Option<usize>) -> Plan {
        self.with_options(seed, nodes, &self.faults).expect("it was checked when it was read")
    }

    /// Draws a plan with these faults; or says which option is wrong, and why.
    fn with_options(
        &self,
        seed: u64,
        nodes: Option<usize>,
        steps: &[Spanned<Step>],
    ) -> Result<Plan, (String, String)> {
        let mut wrong = None;
        let plan = draw(
            (&self.name, *self.nodes.get_ref()),
            (seed, nodes),
            |options, _| match changed(options, self.options.as_ref().map(Spanned::get_ref)) {
                Ok(changed) => *options = changed,
                Err(error) => wrong = Some(error),
            },
            |line| go_through(line, steps),
        );
        wrong.map_or(Ok(plan), Err)
    }
}

/// The line of a field of a table that stands there in the text; if it is not found, of the table.
fn line_of(text: &str, table: Range<usize>, key: &str) -> usize {
    let first = line(text, table.start);
    let names = |line: &&str| {
        line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    let mut lines = text.lines().skip(first - 1);
    // The next header ends the table.
    let header = |(at, line): &(usize, &str)| *at > 0 && line.trim_start().starts_with('[');
    let lines: Vec<&str> =
        lines.by_ref().enumerate().take_while(|line| !header(line)).map(|(_, line)| line).collect();
    lines.iter().position(names).map_or(first, |at| first + at)
}

fn line(text: &str, offset: usize) -> usize {
    text[..offset.min(text.len())].matches('\n').count() + 1
}

/// The options with those of the file; or which one is wrong, and why.
fn changed(options: &Options, table: Option<&toml::Table>) -> Result<Options, (String, String)> {
    let mut changed = options.clone();
    for (key, value) in table.into_iter().flatten() {
        let wrong = |why: String| (key.clone(), format!("options.{why}"));
        if key == "nodes" {
            return Err(wrong("nodes: their number is drawn; say nodes = [from, to]".to_owned()));
        }
        let serde_json::Value::Object(mut fields) =
            serde_json::to_value(&changed).expect("options are data")
        else {
            unreachable!("options are a struct");
        };
        if !fields.contains_key(key) {
            let known: Vec<_> = fields.keys().map(String::as_str).collect();
            return Err(wrong(format!("{key} is unknown; there are {}", known.join(", "))));
        }
        let value =
            serde_json::to_value(value).map_err(|error| wrong(format!("{key}: {error}")))?;
        fields.insert(key.clone(), value);
        changed = serde_json::from_value(fields.into())
            .map_err(|error| wrong(format!("{key}: {error}")))?;
    }
    changed.check().map_err(|why| {
        let key = why.split(' ').next().unwrap_or_default().to_owned();
        (key, format!("options.{why}"))
    })?;
    Ok(changed)
}

/// Lets the steps happen in their order, again and again.
fn go_through(line: &mut Timeline<'_>, steps: &[Spanned<Step>]) {
    let mut joined = 0;
    while line.goes_on() && !steps.is_empty() {
        let begun = line.now_ms;
        for step in steps.iter().map(Spanned::get_ref) {
            step.happen(line, &mut joined);
        }
        // It has to be quiet for a while, and the list may not take no time at all.
        line.now_ms = (line.now_ms + line.options.stable_ms).max(begun + ROUND_MS_MIN);
    }
}

impl Step {
    /// The fields that it has, besides those that every kind has.
    fn given(&self) -> impl Iterator<Item = &'static str> {
        let all = [
            ("for_ms", self.for_ms.is_some()),
            ("node", self.node.is_some()),
            ("nodes", self.nodes.is_some()),
            ("from", self.from.is_some()),
            ("to", self.to.is_some()),
            ("loss_ppm", self.loss_ppm.is_some()),
            ("duplicate_ppm", self.duplicate_ppm.is_some()),
            ("jitter_us_max", self.jitter_us_max.is_some()),
            ("by_us", self.by_us.is_some()),
            ("bytes_per_second", self.bytes_per_second.is_some()),
            ("by_ms", self.by_ms.is_some()),
        ];
        all.into_iter().filter(|(_, given)| *given).map(|(name, _)| name)
    }

    /// Whether it can happen; if not, which field is wrong, and why.
    fn check(&self, options: &Options) -> Result<(), (&'static str, String)> {
        let (needed, taken) = self.fault.fields();
        let kind = format!("{:?}", self.fault).to_lowercase();
        if let Some(missing) = needed.iter().find(|name| !self.given().any(|n| n == **name)) {
            return Err(("fault", format!("{kind} needs the field {missing}")));
        }
        let other = self.given().find(|name| !needed.contains(name) && !taken.contains(name));
        if let Some(other) = other {
            return Err((other, format!("{other} is no field of {kind}")));
        }
        let last = options.nodes - 1;
        let nodes = self.nodes.iter().flatten().map(|node| ("nodes", *node));
        let named = [("node", self.node), ("from", self.from), ("to", self.to)];
        let named = named.into_iter().filter_map(|(name, node)| Some((name, node?)));
        for (name, node) in named.chain(nodes) {
            if node > last {
                return Err((name, format!("{name} is {node}, and must be from 0 to {last}")));
            }
        }
        let ppm = [("loss_ppm", self.loss_ppm), ("duplicate_ppm", self.duplicate_ppm)];
        let ppm = ppm.map(|(name, value)| (name, u64::from(value.unwrap_or_default()), 1_000_000));
        let by_us = self.by_us.as_ref().map_or(0, |draw| draw.0.end);
        let by_ms = self.by_ms.unwrap_or_default().unsigned_abs();
        let rest = [
            ("jitter_us_max", self.jitter_us_max.unwrap_or_default(), 60_000_000),
            ("by_us", by_us, 60_000_000),
            ("by_ms", by_ms, 365 * MS_MAX),
        ];
        for (name, value, most) in ppm.into_iter().chain(rest) {
            if value > most {
                return Err((name, format!("{name} is {value}, and must be at most {most}")));
            }
        }
        if self.fault == Kind::Join && options.joiners == 0 {
            return Err(("fault", "a node joins, and options.joiners is 0".to_owned()));
        }
        match (self.from, self.to) {
            (Some(from), Some(to)) if from == to => {
                Err(("to", format!("from and to are both node {from}")))
            }
            _ => Ok(()),
        }
    }

    fn happen(&self, line: &mut Timeline<'_>, joined: &mut usize) {
        line.pass(self.after_ms.0.clone());
        let ms = self.for_ms.as_ref().map_or(0, |draw| line.draw(draw.0.clone()));
        let drawn = line.node();
        let node = self.node.unwrap_or(drawn);
        match self.fault {
            Kind::Crash => line.crash(node, ms),
            Kind::Restart => line.restart(node, ms),
            Kind::Join if *joined < line.options.joiners => {
                let node = line.options.nodes + *joined;
                *joined += 1;
                line.happens(Fault::Start { node, seeded: true });
            }
            Kind::Join => {}
            Kind::Leave => line.happens(Fault::Leave { node }),
            Kind::Stall => line.stall(node, ms),
            Kind::Partition => {
                let nodes = self.nodes.clone().unwrap_or_else(|| line.half());
                line.split(nodes, ms);
            }
            Kind::Cut => {
                let pair = self.pair(line);
                line.cut(pair, ms);
            }
            Kind::Weather => {
                line.happens(Fault::Weather {
                    loss_ppm: self.loss_ppm.unwrap_or_default(),
                    duplicate_ppm: self.duplicate_ppm.unwrap_or_default(),
                    jitter_us_max: self.jitter_us_max.unwrap_or_default(),
                });
                line.calms_in(ms);
            }
            Kind::Slow => {
                let by_us = self.by_us.as_ref().map_or(0, |draw| line.draw(draw.0.clone()));
                line.slow(node, by_us, ms);
            }
            Kind::Throttle => {
                let pair = self.pair(line);
                line.throttle(pair, self.bytes_per_second.unwrap_or_default(), ms);
            }
            Kind::Clock => {
                let by_ms = self.by_ms.unwrap_or_default();
                line.happens(Fault::Clock { node, by_ms });
                line.happens_in(ms, Fault::Clock { node, by_ms: -by_ms });
            }
        }
        line.now_ms += ms;
    }

    /// Two nodes, those that are not named drawn: never one and the same, if there are two.
    fn pair(&self, line: &mut Timeline<'_>) -> (usize, usize) {
        let nodes = line.options.nodes;
        let (from, to) = line.pair();
        match (self.from, self.to) {
            (Some(from), Some(to)) => (from, to),
            (Some(from), None) if from == to => (from, (to + 1) % nodes),
            (Some(from), None) => (from, to),
            (None, Some(to)) if from == to => ((from + 1) % nodes, to),
            (None, Some(to)) => (from, to),
            (None, None) => (from, to),
        }
    }
}
