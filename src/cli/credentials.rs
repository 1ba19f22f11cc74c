//! Where secrets come from: the cluster key and the password of Redis clients.
//!
//! The cluster key is taken from the first of: the file that a flag, the environment or the
//! configuration names or the text in `CHICKADEE_CLUSTER_KEY`; systemd's credential
//! `chickadee-cluster-key`; and, if nothing is reachable from other hosts, this user's development
//! key, which is made where there is none. Never from the command line, and no message holds any
//! part of a secret.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use tracing::warn;

use super::input::{self, Content};
use super::settings::{Environment, Origin, Settings};
use crate::ClusterKey;
use crate::tls::KeyError;

/// Longest file with a secret, in bytes.
const SECRET_FILE_BYTES_MAX: u64 = 64 << 10;
/// Holds the text of the cluster key.
const KEY_VARIABLE: &str = "CHICKADEE_CLUSTER_KEY";
/// Holds the password of Redis clients.
const PASSWORD_VARIABLE: &str = "CHICKADEE_RESP_PASSWORD";

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum CredentialError {
    #[error("{origin}: cannot read {}: {source}", path.display())]
    Read { origin: String, path: PathBuf, source: io::Error },
    #[error("{origin}: {}: {problem}", path.display())]
    File { origin: String, path: PathBuf, problem: String },
    #[error("{variable}: {problem}")]
    Variable { variable: &'static str, problem: String },
    #[error(
        "there is no cluster key, and {0} can be reached from other hosts; make a key with \
         `(umask 077; chickadee key new --name prod > cluster.key)` and give it to every node with \
         `--cluster-key-file cluster.key`"
    )]
    NoKey(SocketAddr),
    #[error(
        "{0} can be reached from other hosts and has no password; give a file that holds one with \
         `--resp-password-file FILE`, or stay on this host with `--resp 127.0.0.1:{port}`",
        port = .0.port()
    )]
    NoPassword(SocketAddr),
    #[error(
        "there is no cluster key, and no home directory for a development key; make a key with \
         `(umask 077; chickadee key new --name dev > cluster.key)` and give it with \
         `--cluster-key-file cluster.key`"
    )]
    NoHome,
    #[error("cannot keep a development key in {}: {source}", path.display())]
    Development { path: PathBuf, source: io::Error },
    #[error("--name: {0}")]
    Name(KeyError),
    #[error("the system gives no random bytes")]
    Random,
}

/// Makes a cluster key.
pub(super) fn generate(name: &str) -> Result<ClusterKey, CredentialError> {
    let mut bytes = [0; 32];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| CredentialError::Random)?;
    ClusterKey::generate(name, bytes).map_err(CredentialError::Name)
}

/// The cluster key of a node.
pub(super) fn cluster_key(
    settings: &Settings,
    environment: Environment<'_>,
) -> Result<ClusterKey, CredentialError> {
    let origin = settings.origin("cluster_key_file");
    match &settings.cluster_key_file {
        // A flag is nearer than the environment; that one's two variables are a contradiction.
        Some(path) if matches!(origin, Origin::Flag(_)) => {
            return key_file(path, &origin.to_string());
        }
        Some(_)
            if environment(KEY_VARIABLE).is_some() && matches!(origin, Origin::Environment(_)) =>
        {
            return Err(CredentialError::Variable {
                variable: KEY_VARIABLE,
                problem: format!("is given, and {origin} too; which one is meant?"),
            });
        }
        _ => {}
    }
    if let Some(text) = environment(KEY_VARIABLE) {
        let problem = |problem| CredentialError::Variable { variable: KEY_VARIABLE, problem };
        let text = text.into_string().map_err(|_| problem("is not UTF-8".to_owned()))?;
        // An empty one is an error: that a secret was lost on its way must not go unnoticed.
        return ClusterKey::parse(&text).map_err(|error| problem(error.to_string()));
    }
    if let Some(path) = &settings.cluster_key_file {
        return key_file(path, &origin.to_string());
    }
    if let Some(path) = system_credential("chickadee-cluster-key", environment) {
        return key_file(&path, "CREDENTIALS_DIRECTORY");
    }
    match settings.beyond_loopback() {
        Some(addr) => Err(CredentialError::NoKey(addr)),
        None => development_key(environment),
    }
}

/// The password that Redis clients must give to a node.
pub(super) fn password(
    settings: &Settings,
    environment: Environment<'_>,
) -> Result<Option<String>, CredentialError> {
    let origin = settings.origin("resp_password_file").to_string();
    let file = settings.resp_password_file.as_deref();
    let password = client_password(file, &origin, environment)?;
    match settings.resp.ip().is_loopback() || password.is_some() {
        true => Ok(password),
        false => Err(CredentialError::NoPassword(settings.resp)),
    }
}

/// The password that was given, if any.
pub(super) fn client_password(
    file: Option<&Path>,
    origin: &str,
    environment: Environment<'_>,
) -> Result<Option<String>, CredentialError> {
    let (path, origin) = match (file, environment(PASSWORD_VARIABLE)) {
        (Some(path), _) => (path.to_owned(), origin),
        (None, Some(text)) => {
            let problem = |problem: &str| CredentialError::Variable {
                variable: PASSWORD_VARIABLE,
                problem: problem.to_owned(),
            };
            let text = text.into_string().map_err(|_| problem("is not UTF-8"))?;
            if text.is_empty() {
                return Err(problem("is empty"));
            }
            return Ok(Some(text));
        }
        (None, None) => match system_credential("chickadee-resp-password", environment) {
            Some(path) => (path, "CREDENTIALS_DIRECTORY"),
            None => return Ok(None),
        },
    };
    let text = secret_file(&path, origin)?;
    // Editors end a file with a line end, which is no part of the password.
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    let problem = match password {
        "" => "there is no password in it",
        _ if password.contains('\n') => "a password is one line, and there are more",
        _ => return Ok(Some(password.to_owned())),
    };
    Err(CredentialError::File { origin: origin.to_owned(), path, problem: problem.to_owned() })
}

/// This user's development key, made if there is none yet.
pub(super) fn development_key(environment: Environment<'_>) -> Result<ClusterKey, CredentialError> {
    let directory = configuration_directory(environment).ok_or(CredentialError::NoHome)?;
    let path = directory.join("dev.key");
    let failed = |source| CredentialError::Development { path: path.clone(), source };
    if !path.try_exists().map_err(failed)? {
        make_development_key(&directory, &path)?.map_err(failed)?;
    }
    key_file(&path, "development key")
}

/// Two processes that start together must agree on one key: each writes its own under a name of its
/// own and links it to the common name, which fails for all but the first.
fn make_development_key(directory: &Path, path: &Path) -> Result<io::Result<()>, CredentialError> {
    let key = generate("dev")?;
    let make = || {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let mut unique = [0; 8];
        let _ = SystemRandom::new().fill(&mut unique);
        let own = directory.join(format!(".dev.key.{:016x}", u64::from_le_bytes(unique)));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&own)?;
        let written = writeln!(file, "{}", key.to_text()).and_then(|()| file.sync_all());
        let linked = written.and_then(|()| fs::hard_link(&own, path));
        let removed = fs::remove_file(&own);
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => removed,
            linked => linked.and(removed),
        }
    };
    Ok(make())
}

fn configuration_directory(environment: Environment<'_>) -> Option<PathBuf> {
    let absolute =
        |name: &str| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(base.join("chickadee"))
}

fn system_credential(name: &str, environment: Environment<'_>) -> Option<PathBuf> {
    let path = PathBuf::from(environment("CREDENTIALS_DIRECTORY")?).join(name);
    path.exists().then_some(path)
}

fn key_file(path: &Path, origin: &str) -> Result<ClusterKey, CredentialError> {
    let text = secret_file(path, origin)?;
    ClusterKey::parse_file_text(&text).map_err(|error| CredentialError::File {
        origin: origin.to_owned(),
        path: path.to_owned(),
        problem: error.to_string(),
    })
}

fn secret_file(path: &Path, origin: &str) -> Result<String, CredentialError> {
    let read = input::read(path, SECRET_FILE_BYTES_MAX);
    let Content { bytes: text, mode } = read.map_err(|source| CredentialError::Read {
        origin: origin.to_owned(),
        path: path.to_owned(),
        source,
    })?;
    let problem = |problem: &str| CredentialError::File {
        origin: origin.to_owned(),
        path: path.to_owned(),
        problem: problem.to_owned(),
    };
    if text.len() as u64 > SECRET_FILE_BYTES_MAX {
        return Err(problem("this is too long for a secret"));
    }
    if mode & 0o077 != 0 {
        warn!("{} can be read by others than its owner; `chmod 600` it", path.display());
    }
    let text = String::from_utf8(text).map_err(|_| problem("this is not text"))?;
    // A byte order mark, which some editors write and none shows, is no part of the secret.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::cli::settings::Flags;

    struct Home(PathBuf);

    impl Home {
        fn new(name: &str) -> Home {
            let path =
                std::env::temp_dir().join(format!("chickadee-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Home(path)
        }
    }

    impl Drop for Home {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn key(flags: Flags, variables: &[(&str, &str)]) -> Result<ClusterKey, String> {
        let environment = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let settings = Settings::load(flags, &environment).unwrap();
        cluster_key(&settings, &environment).map_err(|error| error.to_string())
    }

    #[test]
    fn the_development_key_is_made_once_and_is_private() {
        let home = Home::new("home");
        let variables = [("HOME", home.0.to_str().unwrap())];
        let keys: Vec<ClusterKey> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| key(Flags::default(), &variables).unwrap()))
                .collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
        let directory = home.0.join(".config/chickadee");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&directory), 0o700);
        assert_eq!(mode(&directory.join("dev.key")), 0o600);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "nothing left over");
    }

    #[test]
    fn no_key_and_an_open_address_is_an_error_that_says_how_to_make_one() {
        let open = |flags| key(flags, &[("HOME", "/nowhere")]).unwrap_err();
        let address = |text| super::super::settings::address(text).ok();
        let listen = Flags { listen: address("0.0.0.0:7379"), ..Flags::default() };
        let resp = Flags { resp: address("10.1.2.3:6379"), ..Flags::default() };
        for (flags, addr) in [(listen, "0.0.0.0:7379"), (resp, "10.1.2.3:6379")] {
            let error = open(flags);
            assert!(error.contains(addr) && error.contains("chickadee key new --name"), "{error}");
        }
    }

    #[test]
    fn errors_hold_no_part_of_the_secret() {
        let home = Home::new("secrets");
        let text = generate("prod").unwrap().to_text();
        let path = home.0.join("cluster.key");
        let broken = &text[..text.len() - 1];
        fs::write(&path, broken).unwrap();
        let flags = Flags { cluster_key_file: Some(path.clone()), ..Flags::default() };
        let error = key(flags, &[]).unwrap_err();
        assert!(
            error.starts_with("--cluster-key-file: ") && error.contains("cluster.key: "),
            "{error}"
        );
        assert!(!error.contains(&text[12..20]), "{error}");
        let error = key(Flags::default(), &[("CHICKADEE_CLUSTER_KEY", broken)]).unwrap_err();
        assert!(
            error.starts_with("CHICKADEE_CLUSTER_KEY: ") && !error.contains(&text[12..20]),
            "{error}"
        );
        let error = key(Flags::default(), &[("CHICKADEE_CLUSTER_KEY", "")]).unwrap_err();
        assert!(error.contains("no cluster key"), "{error}");
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_secret() {
        let home = Home::new("mark");
        let made = generate("prod").unwrap();
        let path = home.0.join("cluster.key");
        fs::write(&path, format!("\u{feff}{}\r\n", made.to_text())).unwrap();
        let flags = Flags { cluster_key_file: Some(path), ..Flags::default() };
        assert_eq!(key(flags, &[]), Ok(made));
        let path = home.0.join("password");
        fs::write(&path, "\u{feff}open sesame\n").unwrap();
        let password = client_password(Some(&path), "", &|_| None);
        assert_eq!(password.unwrap().as_deref(), Some("open sesame"));
    }

    #[test]
    fn the_nearest_source_wins() {
        let home = Home::new("sources");
        let keys: Vec<ClusterKey> = (0..3).map(|_| generate("prod").unwrap()).collect();
        let path = home.0.join("flag.key");
        fs::write(&path, keys[0].to_text()).unwrap();
        fs::write(home.0.join("chickadee-cluster-key"), keys[2].to_text()).unwrap();
        let text = keys[1].to_text();
        let variables = [
            ("CHICKADEE_CLUSTER_KEY", text.as_str()),
            ("CREDENTIALS_DIRECTORY", home.0.to_str().unwrap()),
        ];
        let flags = Flags { cluster_key_file: Some(path.clone()), ..Flags::default() };
        assert_eq!(key(flags, &variables), Ok(keys[0].clone()));
        assert_eq!(key(Flags::default(), &variables), Ok(keys[1].clone()));
        assert_eq!(key(Flags::default(), &variables[1..]), Ok(keys[2].clone()));
        let both = [variables[0], ("CHICKADEE_CLUSTER_KEY_FILE", path.to_str().unwrap())];
        assert!(key(Flags::default(), &both).unwrap_err().contains("which one"));
    }
}
