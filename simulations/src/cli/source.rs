//! Where a plan comes from: drawn by a scenario from a seed, or read from a file.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use simulations::limits::check_rule;
use simulations::plan::Plan;
use simulations::scenarios::file::ScenarioFile;
use simulations::scenarios::{self, NODES_MAX, Scenario};

use super::level::Level;

/// A scenario and a seed, or a file.
#[derive(clap::Args)]
pub(super) struct Source {
    /// The scenario that draws the plan; `list` names them. Or `--plan FILE`.
    #[arg(required_unless_present = "plan", conflicts_with = "plan", requires = "seed")]
    name: Option<String>,
    /// The seed that it is drawn from.
    #[arg(long, conflicts_with = "plan")]
    seed: Option<u64>,
    /// Nodes, if the run was given a number.
    #[arg(long, conflicts_with = "plan")]
    nodes: Option<usize>,
    /// A saved plan, instead of scenario and seed.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// What runs the nodes: `core` is the state machine, `quic` the real driver, QUIC and TLS.
    #[arg(long, value_enum, default_value_t)]
    level: Level,
    #[command(flatten)]
    without: Without,
}

/// Rules that are not kept.
#[derive(clap::Args)]
pub(super) struct Without {
    /// A rule that no node keeps, to see what it is good for; `mutants --list` names them.
    #[arg(long = "without", value_name = "RULE", value_parser = rule)]
    pub rules: Vec<String>,
}

pub(super) fn rule(name: &str) -> Result<String, String> {
    check_rule(name).map(|()| name.to_owned())
}

/// A plan, and what to say to get it again.
pub(super) struct Named {
    /// The plan.
    pub plan: Plan,
    /// What it is run on.
    pub level: Level,
    /// The arguments of `replay` for it.
    pub again: String,
}

impl Named {
    /// The same, these rules not kept.
    pub(super) fn without(mut self, without: &Without) -> Named {
        for rule in &without.rules {
            self.again.push_str(&format!(" --without {rule}"));
            self.plan.without.push(rule.clone());
        }
        self
    }
}

impl Source {
    /// Draws or reads the plan.
    pub(super) fn plan(&self) -> Result<Named, String> {
        if let Some(path) = &self.plan {
            let plan = read(path)?;
            let wrong = |why| format!("{}: {why}", path.display());
            self.level.takes(plan.options.nodes).map_err(wrong)?;
            let again = again_file(path, self.level);
            return Ok(Named { plan, level: self.level, again }.without(&self.without));
        }
        let (Some(name), Some(seed)) = (&self.name, self.seed) else {
            return Err("a scenario and --seed N are needed, or --plan FILE".to_owned());
        };
        let scenario = scenario(name, self.nodes, self.level)?;
        Ok(draw(&scenario, seed, self.nodes).without(&self.without))
    }
}

/// A scenario, and what it was called on the command line.
pub(super) struct Drawer {
    called: String,
    level: Level,
    kind: Kind,
}

enum Kind {
    Known(&'static Scenario),
    File(ScenarioFile),
}

/// The scenario of that name or in that file, if it can be run with so many nodes on that level.
pub(super) fn scenario(name: &str, nodes: Option<usize>, level: Level) -> Result<Drawer, String> {
    if nodes.is_some_and(|n| !(1..=NODES_MAX - 10).contains(&n)) {
        return Err(format!("--nodes must be from 1 to {}", NODES_MAX - 10));
    }
    if let Some(known) = scenarios::find(name) {
        let most = nodes.unwrap_or(known.nodes.1);
        level.takes(most).map_err(|why| format!("{name}: {why}"))?;
        return Ok(Drawer { called: name.to_owned(), level, kind: Kind::Known(known) });
    }
    if Path::new(name).extension().is_none_or(|extension| extension != "toml") {
        let names: Vec<_> = scenarios::ALL.iter().map(|s| s.name).collect();
        let names = names.join(", ");
        return Err(format!("there is no scenario {name:?}; there are {names}, and files.toml"));
    }
    let text = text(Path::new(name), SCENARIO_BYTES_MAX)?;
    let file = ScenarioFile::parse(&text).map_err(|error| format!("{name}:{error}"))?;
    if let Some(count) = nodes {
        file.check(nodes).map_err(|why| format!("{name} with --nodes {count}: {why}"))?;
    }
    level.takes(nodes.unwrap_or(file.nodes_max())).map_err(|why| format!("{name}: {why}"))?;
    Ok(Drawer { called: quoted(Path::new(name)), level, kind: Kind::File(file) })
}

impl Drawer {
    /// Its name in lines about it.
    pub(super) fn name(&self) -> &str {
        match &self.kind {
            Kind::Known(scenario) => scenario.name,
            Kind::File(file) => &file.name,
        }
    }
}

/// Draws a plan from a seed.
pub(super) fn draw(scenario: &Drawer, seed: u64, nodes: Option<usize>) -> Named {
    let with = nodes.map_or(String::new(), |n| format!(" --nodes {n}"));
    let Drawer { called, level, .. } = scenario;
    let again = format!("{called} --seed {seed}{with}{}", level.argument());
    let plan = match &scenario.kind {
        Kind::Known(known) => known.plan(seed, nodes),
        Kind::File(file) => file.plan(seed, nodes),
    };
    Named { plan, level: *level, again }
}

/// The arguments of `replay` for a saved plan.
pub(super) fn again_file(path: &Path, level: Level) -> String {
    format!("--plan {}{}", quoted(path), level.argument())
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+=,:".contains(c);
    if path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

/// Longest scenario that is read from a file, in bytes.
const SCENARIO_BYTES_MAX: u64 = 1 << 20;
/// Longest plan that is read from a file, in bytes.
const PLAN_BYTES_MAX: u64 = 64 << 20;

/// Reads a saved plan.
pub(super) fn read(path: &Path) -> Result<Plan, String> {
    let wrong = |why: String| format!("{}: {why}", path.display());
    let plan = Plan::parse(&text(path, PLAN_BYTES_MAX)?);
    let plan = plan.map_err(|why| wrong(format!("this is no plan: {why}")))?;
    plan.check().map_err(|why| wrong(format!("this plan cannot be run: {why}")))?;
    Ok(plan)
}

/// What stands in a file, if it is no longer than that: a device has no end.
fn text(path: &Path, bytes_max: u64) -> Result<String, String> {
    let wrong = |why: String| format!("{}: {why}", path.display());
    let mut text = String::new();
    let file = fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
    let read = file.take(bytes_max + 1).read_to_string(&mut text);
    if read.map_err(|error| wrong(error.to_string()))? as u64 > bytes_max {
        return Err(wrong(format!("longer than {bytes_max} bytes")));
    }
    Ok(text)
}
