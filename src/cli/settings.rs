//! What a node is set up with, from four layers: flags, then the environment, then the
//! configuration file, then defaults. Each setting has one name in three spellings: `--max-memory`,
//! `CHICKADEE_MAX_MEMORY`, and `max_memory` in the file.
//!
//! Whatever is wrong with a value is told together with where the value came from. Secrets have no
//! flag and no place in the file; only the names of the files that hold them do.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::num::NonZeroU8;
use std::path::PathBuf;

use tracing::level_filters::LevelFilter;

use super::file::{File, FileError};
use super::{logging, memory, quantity};
use crate::config::PEER_PORT;
use crate::{ClusterKey, Config, EndError, StartError};

/// The port that Redis clients talk to, unless another is given.
pub(super) const REDIS_PORT: u16 = 6379;

/// The settings that a file may hold.
pub(super) const KEYS: &[&str] = &[
    "name",
    "listen",
    "advertise",
    "resp",
    "resp_password_file",
    "seed",
    "cluster_key_file",
    "max_memory",
    "bulk_rate",
    "replicas",
    "weight",
    "zone",
    "log",
];

/// The flags of a node.
#[derive(clap::Args, Clone, Debug, Default)]
pub(super) struct Flags {
    /// The node's name, which gives it its place on the ring; no two nodes may share one [default:
    /// the address that peers reach it at]
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Where to listen to peers (UDP); port 0 takes a free one [default: 127.0.0.1:7379]
    #[arg(long, value_name = "[HOST]:PORT", value_parser = address)]
    pub(super) listen: Option<Address>,
    /// Where peers reach this node, if not where it listens
    #[arg(long, value_name = "HOST[:PORT]", value_parser = advertised)]
    pub(super) advertise: Option<Address>,
    /// Where to listen to Redis clients (TCP); port 0 takes a free one [default: 127.0.0.1:6379]
    #[arg(long, value_name = "[HOST]:PORT", value_parser = address)]
    pub(super) resp: Option<Address>,
    /// A file with the password that Redis clients must give; needed unless they are all local
    #[arg(long, value_name = "FILE")]
    pub(super) resp_password_file: Option<PathBuf>,
    /// A node to join; repeat for more [default port: 7379]
    #[arg(long, value_name = "HOST[:PORT]", value_parser = seed)]
    pub(super) seed: Vec<String>,
    /// A file with the cluster key [default: on loopback, this user's development key]
    #[arg(long, value_name = "FILE")]
    pub(super) cluster_key_file: Option<PathBuf>,
    /// Memory for entries, such as 256MiB or 2gb [default: a quarter of what this process may have]
    #[arg(long, value_name = "SIZE", value_parser = quantity::size)]
    pub(super) max_memory: Option<usize>,
    /// Bytes a second that bring other nodes up to date, such as 8MiB [default: 64MiB]
    #[arg(long, value_name = "SIZE", value_parser = quantity::size)]
    pub(super) bulk_rate: Option<usize>,
    /// Copies of each entry, 1 to 8; the same on every node [default: 3]
    #[arg(long, value_name = "N", value_parser = replicas)]
    pub(super) replicas: Option<NonZeroU8>,
    /// This node's share of the data, relative to the others'; 0 owns nothing [default: 128]
    #[arg(long, value_name = "N", value_parser = weight)]
    pub(super) weight: Option<u16>,
    /// The failure domain: copies go to different zones
    #[arg(long, value_name = "ZONE")]
    pub(super) zone: Option<String>,
    /// A TOML file with any of these settings
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// How much to log: off, error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL", value_parser = logging::level)]
    pub(super) log: Option<LevelFilter>,
}

/// What a node is set up with.
#[derive(Debug)]
pub(super) struct Settings {
    name: Option<String>,
    pub(super) listen: SocketAddr,
    advertise: Option<SocketAddr>,
    pub(super) resp: SocketAddr,
    pub(super) resp_password_file: Option<PathBuf>,
    seeds: Vec<String>,
    pub(super) cluster_key_file: Option<PathBuf>,
    max_memory: usize,
    bulk_rate: Option<usize>,
    replicas: Option<NonZeroU8>,
    weight: Option<u16>,
    zone: Option<String>,
    pub(super) log: LevelFilter,
    origins: BTreeMap<&'static str, Origin>,
}

/// Where a value came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    Flag(&'static str),
    Environment(&'static str),
    File { path: PathBuf, line: usize, key: &'static str },
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum SettingsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{origin}: {problem}")]
    Value { origin: Origin, problem: String },
}

/// Reads a variable of the environment.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The environment of this process.
pub(super) fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

impl Settings {
    /// Puts the layers on top of one another.
    pub(super) fn load(
        flags: Flags,
        environment: Environment<'_>,
    ) -> Result<Settings, SettingsError> {
        let mut layers = Layers { environment, file: None, origins: BTreeMap::new() };
        if let Some(path) = layers.one("config", flags.config, path)? {
            layers.file = Some(File::read(&path, KEYS, &["seed"])?);
        }
        let loopback = |port| Address::new(Ipv4Addr::LOCALHOST.to_string(), port);
        let listen = layers.one("listen", flags.listen, address)?;
        let listen = listen.unwrap_or_else(|| loopback(PEER_PORT));
        let listen = layers.resolve("listen", &listen)?;
        let advertise = match layers.one("advertise", flags.advertise, advertised)? {
            None => None,
            Some(mut advertise) => {
                // Without a port: the one listened to, which may be chosen by the system.
                if advertise.port == 0 {
                    advertise.port = listen.port();
                }
                Some(layers.resolve("advertise", &advertise)?)
            }
        };
        let resp = layers.one("resp", flags.resp, address)?;
        let resp = resp.unwrap_or_else(|| loopback(REDIS_PORT));
        let settings = Settings {
            name: layers.one("name", flags.name, text)?,
            listen,
            advertise,
            resp: layers.resolve("resp", &resp)?,
            resp_password_file: layers.one("resp_password_file", flags.resp_password_file, path)?,
            seeds: layers.many("seed", flags.seed, seed)?,
            cluster_key_file: layers.one("cluster_key_file", flags.cluster_key_file, path)?,
            max_memory: layers
                .one("max_memory", flags.max_memory, quantity::size)?
                .unwrap_or_else(memory::default_bytes),
            bulk_rate: layers.one("bulk_rate", flags.bulk_rate, quantity::size)?,
            replicas: layers.one("replicas", flags.replicas, replicas)?,
            weight: layers.one("weight", flags.weight, weight)?,
            zone: layers.one("zone", flags.zone, text)?,
            log: layers.one("log", flags.log, logging::level)?.unwrap_or(LevelFilter::INFO),
            origins: layers.origins,
        };
        Ok(settings)
    }

    /// What the library takes.
    pub(super) fn config(&self, key: ClusterKey) -> Config {
        let mut config = Config::new(key);
        config.name = self.name.clone();
        config.listen = self.listen;
        config.advertise = self.advertise;
        config.seeds = self.seeds.clone();
        config.max_memory = self.max_memory;
        config.bulk_rate = self.bulk_rate.map_or(config.bulk_rate, |bytes| bytes as u64);
        config.replicas = self.replicas.unwrap_or(config.replicas);
        config.weight = self.weight.unwrap_or(config.weight);
        config.zone = self.zone.clone().unwrap_or_default();
        config
    }

    /// The first address, if any, that other hosts can reach.
    pub(super) fn beyond_loopback(&self) -> Option<SocketAddr> {
        let addrs = [Some(self.listen), self.advertise, Some(self.resp)];
        addrs.into_iter().flatten().find(|addr| !addr.ip().is_loopback())
    }

    /// Where to change a setting: where it came from, or else its flag.
    pub(super) fn origin(&self, name: &'static str) -> Origin {
        self.origins.get(name).cloned().unwrap_or(Origin::Flag(name))
    }

    /// Says of a setting that the library refused where it came from.
    pub(super) fn explain(&self, error: StartError) -> Box<dyn std::error::Error> {
        match error {
            StartError::Setting { name, problem } => Box::new(SettingsError::Value {
                origin: self.origin(name),
                problem: format!("`{name}` {problem}"),
            }),
            StartError::Listen { .. } => {
                format!("{error}; {} says where", self.origin("listen")).into()
            }
            other => Box::new(other),
        }
    }

    /// The same for a node that ended by itself.
    pub(super) fn explain_end(&self, error: EndError) -> Box<dyn std::error::Error> {
        match error {
            EndError::Unfit { setting: Some(name), problem } if KEYS.contains(&name) => {
                Box::new(SettingsError::Value { origin: self.origin(name), problem })
            }
            other => Box::new(other),
        }
    }
}

/// The layers below the flags.
struct Layers<'a> {
    environment: Environment<'a>,
    file: Option<File>,
    origins: BTreeMap<&'static str, Origin>,
}

impl Layers<'_> {
    /// The topmost value of a setting.
    fn one<T>(
        &mut self,
        name: &'static str,
        flag: Option<T>,
        parse: fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, SettingsError> {
        Ok(self.many(name, flag.into_iter().collect(), parse)?.pop())
    }

    /// The values of the topmost layer that has any.
    fn many<T>(
        &mut self,
        name: &'static str,
        flags: Vec<T>,
        parse: fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, SettingsError> {
        if !flags.is_empty() {
            self.origins.insert(name, Origin::Flag(name));
            return Ok(flags);
        }
        let (origin, texts) = match (self.variable(name)?, &self.file) {
            (Some(text), _) if name == "seed" => {
                let texts = text.split(',').map(|part| part.trim().to_owned());
                let texts = texts.filter(|part| !part.is_empty()).collect();
                (Origin::Environment(name), texts)
            }
            (Some(text), _) => (Origin::Environment(name), vec![text]),
            (None, Some(file)) => match file.values(name) {
                Some((line, texts)) => {
                    let path = file.path.clone();
                    (Origin::File { path, line, key: name }, texts.to_vec())
                }
                None => return Ok(Vec::new()),
            },
            (None, None) => return Ok(Vec::new()),
        };
        self.origins.insert(name, origin.clone());
        let parsed = texts.iter().map(|text| parse(text)).collect::<Result<_, _>>();
        parsed.map_err(|problem| SettingsError::Value { origin, problem })
    }

    /// A variable of the environment; an empty one is none, as unset ones come out of templates.
    fn variable(&self, name: &'static str) -> Result<Option<String>, SettingsError> {
        let origin = Origin::Environment(name);
        let value = (self.environment)(&origin.to_string()).filter(|value| !value.is_empty());
        let Some(value) = value else { return Ok(None) };
        value
            .into_string()
            .map(Some)
            .map_err(|_| SettingsError::Value { origin, problem: "is not UTF-8".to_owned() })
    }

    fn resolve(&self, name: &'static str, address: &Address) -> Result<SocketAddr, SettingsError> {
        address.resolve().map_err(|problem| SettingsError::Value {
            origin: self.origins.get(name).cloned().unwrap_or(Origin::Flag(name)),
            problem,
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(name) => write!(f, "--{}", name.replace('_', "-")),
            Origin::Environment(name) => write!(f, "CHICKADEE_{}", name.to_ascii_uppercase()),
            Origin::File { path, line, key } => write!(f, "{}:{line}: `{key}`", path.display()),
        }
    }
}

/// Host and port, the host by name or number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Address {
    host: String,
    port: u16,
}

impl Address {
    fn new(host: String, port: u16) -> Address {
        Address { host, port }
    }

    /// The address in numbers, of the fourth version if there is a choice.
    pub(super) fn resolve(&self) -> Result<SocketAddr, String> {
        if let Ok(ip) = self.host.parse::<IpAddr>() {
            return Ok(SocketAddr::new(ip, self.port));
        }
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        let found = found.map_err(|error| format!("cannot resolve `{}`: {error}", self.host))?;
        found
            .min_by_key(SocketAddr::is_ipv6)
            .ok_or_else(|| format!("`{}` has no address", self.host))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Reads host:port. Without a host it is 127.0.0.1: a port alone should open nothing to others.
pub(super) fn address(text: &str) -> Result<Address, String> {
    let (host, port) = split(text).ok_or_else(|| wrong(text))?;
    let port = port.ok_or_else(|| wrong(text))?;
    Ok(match host {
        "" => Address::new(Ipv4Addr::LOCALHOST.to_string(), port),
        host => Address::new(host.to_owned(), port),
    })
}

fn wrong(text: &str) -> String {
    format!("`{text}` is no address; allowed are host:port, [ipv6]:port and :port (on 127.0.0.1)")
}

/// Reads host or host:port; without a port it is 0.
fn advertised(text: &str) -> Result<Address, String> {
    match split(text) {
        Some((host, port)) if !host.is_empty() => {
            Ok(Address::new(host.to_owned(), port.unwrap_or(0)))
        }
        _ => Err(format!("`{text}` is no address; allowed are host, host:port and [ipv6]:port")),
    }
}

/// Reads the address of a node to join; the library resolves it, again and again.
fn seed(text: &str) -> Result<String, String> {
    match split(text) {
        Some((host, port)) if port != Some(0) => {
            let host = if host.is_empty() { "127.0.0.1" } else { host };
            Ok(Address::new(host.to_owned(), port.unwrap_or(PEER_PORT)).to_string())
        }
        _ => Err(format!(
            "`{text}` is no address of a node; allowed are host, host:port and [ipv6]:port"
        )),
    }
}

/// Takes an address apart. An IPv6 address needs its brackets if a port follows.
fn split(text: &str) -> Option<(&str, Option<u16>)> {
    let text = text.trim();
    if text.is_empty() || text.contains(char::is_whitespace) {
        return None;
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        return match rest {
            "" => Some((host, None)),
            rest => Some((host, Some(rest.strip_prefix(':')?.parse().ok()?))),
        };
    }
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Some((text, None));
    }
    match text.split_once(':') {
        None => Some((text, None)),
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
    }
}

fn replicas(text: &str) -> Result<NonZeroU8, String> {
    let number = text.parse().ok().filter(|n: &NonZeroU8| n.get() <= 8);
    number.ok_or_else(|| format!("`{text}` is no number of copies; 1 to 8 are allowed"))
}

fn weight(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("`{text}` is no weight; 0 to 65535 are allowed"))
}

fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

fn path(text: &str) -> Result<PathBuf, String> {
    Ok(PathBuf::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(flags: Flags, variables: &[(&str, &str)]) -> Result<Settings, String> {
        let environment = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        Settings::load(flags, &environment).map_err(|error| error.to_string())
    }

    struct Temporary(PathBuf);

    impl Temporary {
        fn new(name: &str, text: &str) -> Temporary {
            let path =
                std::env::temp_dir().join(format!("chickadee-{name}-{}.toml", std::process::id()));
            std::fs::write(&path, text).unwrap();
            Temporary(path)
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn defaults_stay_on_loopback() {
        let settings = load(Flags::default(), &[]).unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:7379");
        assert_eq!(settings.resp.to_string(), "127.0.0.1:6379");
        assert_eq!(settings.beyond_loopback(), None);
        assert!(settings.max_memory > 0);
    }

    #[test]
    fn flags_beat_the_environment_which_beats_the_file() {
        let file =
            Temporary::new("layers", "weight = 1\nzone = \"file\"\nreplicas = 1\nseed = [\"f\"]\n");
        let flags = Flags { weight: Some(3), config: Some(file.0.clone()), ..Flags::default() };
        let variables = [
            ("CHICKADEE_WEIGHT", "2"),
            ("CHICKADEE_REPLICAS", "2"),
            ("CHICKADEE_SEED", "a:1, :2,[::1]:3,"),
            ("CHICKADEE_ZONE", ""),
        ];
        let settings = load(flags, &variables).unwrap();
        assert_eq!(settings.weight, Some(3));
        assert_eq!(settings.replicas.unwrap().get(), 2);
        assert_eq!(settings.zone.as_deref(), Some("file"));
        assert_eq!(settings.seeds, ["a:1", "127.0.0.1:2", "[::1]:3"]);
        assert_eq!(settings.origin("weight").to_string(), "--weight");
        assert_eq!(settings.origin("replicas").to_string(), "CHICKADEE_REPLICAS");
        let origin = settings.origin("zone").to_string();
        assert!(origin.ends_with(".toml:2: `zone`"), "{origin}");
    }

    #[test]
    fn a_wrong_value_is_told_with_its_origin() {
        let error = load(Flags::default(), &[("CHICKADEE_MAX_MEMORY", "lots")]).unwrap_err();
        assert!(error.starts_with("CHICKADEE_MAX_MEMORY: `lots` is no size"), "{error}");
        let file = Temporary::new("wrong", "\nlisten = \"here\"\n");
        let flags = Flags { config: Some(file.0.clone()), ..Flags::default() };
        let error = load(flags, &[]).unwrap_err();
        assert!(error.contains(".toml:2: `listen`: `here` is no address"), "{error}");
    }

    #[test]
    fn addresses() {
        let shown = |text| address(text).map(|address| address.to_string());
        assert_eq!(shown(":7379").unwrap(), "127.0.0.1:7379");
        assert_eq!(shown("0.0.0.0:0").unwrap(), "0.0.0.0:0");
        assert_eq!(shown("[::1]:7379").unwrap(), "[::1]:7379");
        assert_eq!(shown("localhost:1").unwrap(), "localhost:1");
        for text in ["", "7379", "host", "host:", "host:99999", "::1", "[::1]", "[x]:1", "a b:1"] {
            assert!(address(text).is_err(), "{text}");
        }
        assert_eq!(seed("cache.internal").unwrap(), "cache.internal:7379");
        assert_eq!(seed("fe80::1").unwrap(), "[fe80::1]:7379");
        assert!(seed("host:0").is_err());
        assert_eq!(advertised("10.0.0.1").unwrap().to_string(), "10.0.0.1:0");
        assert!(advertised(":7379").is_err());
    }
}
