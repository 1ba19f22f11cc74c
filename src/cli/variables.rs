//! The variables of the environment that are meant for this program. One that it does not know is
//! an error, for the reason that an unknown key of the file is one: a mistyped setting that is
//! silently left at its default is found out too late.

use super::nearest::nearest;
use super::settings::KEYS;

const PREFIX: &str = "CHICKADEE_";

/// What is known besides the settings.
const OTHERS: &[&str] = &["CONFIG", "CLUSTER_KEY", "RESP_PASSWORD", "CONNECT"];

/// A variable that begins as ours do, and is none.
#[derive(PartialEq, Eq, Debug, thiserror::Error)]
#[error("{name}: there is no such variable; {hint}")]
pub(super) struct UnknownVariable {
    name: String,
    hint: String,
}

/// Checks the environment of this process.
pub(super) fn check() -> Result<(), UnknownVariable> {
    // A name that is not UTF-8 is none of ours.
    check_names(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))
}

fn check_names(names: impl Iterator<Item = String>) -> Result<(), UnknownVariable> {
    let settings = KEYS.iter().map(|key| key.to_ascii_uppercase());
    let known: Vec<String> = settings.chain(OTHERS.iter().map(|&name| name.to_owned())).collect();
    let mut unknown: Vec<String> = names
        .filter(|name| {
            let rest = name.strip_prefix(PREFIX);
            rest.is_some_and(|rest| !known.iter().any(|known| known == rest) && !is_link(rest))
        })
        .collect();
    // The environment has no order; the message shall have one.
    unknown.sort();
    let Some(name) = unknown.into_iter().next() else { return Ok(()) };
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let hint = match nearest(&name[PREFIX.len()..].to_ascii_uppercase(), &known) {
        Some(known) => format!("did you mean {PREFIX}{known}?"),
        None => {
            let known: Vec<_> = known.iter().map(|known| format!("{PREFIX}{known}")).collect();
            format!("known are {}", known.join(", "))
        }
    };
    Err(UnknownVariable { name, hint })
}

/// Whether it is one of the variables that Kubernetes and Docker set in every container beside a
/// service whose name is `chickadee` or begins with `chickadee-`: `..._SERVICE_HOST`,
/// `..._SERVICE_PORT_RESP`, `..._PORT_6379_TCP_ADDR` and the like.
fn is_link(rest: &str) -> bool {
    let service = format!("_{rest}");
    let numbered = |(_, rest): (&str, &str)| rest.starts_with(|c: char| c.is_ascii_digit());
    service.ends_with("_SERVICE_HOST")
        || service.ends_with("_SERVICE_PORT")
        || service.contains("_SERVICE_PORT_")
        || service.ends_with("_PORT")
        || service.split_once("_PORT_").is_some_and(numbered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[&str]) -> Result<(), String> {
        let names = names.iter().map(|&name| name.to_owned());
        check_names(names).map_err(|error| error.to_string())
    }

    #[test]
    fn a_mistyped_variable_is_named() {
        let error = check(&["HOME", "CHICKADEE_WEIGTH", "CHICKADEE_LISTEN"]).unwrap_err();
        let meant = "CHICKADEE_WEIGTH: there is no such variable; did you mean CHICKADEE_WEIGHT?";
        assert_eq!(error, meant);
        let error = check(&["CHICKADEE_COLOUR"]).unwrap_err();
        assert!(error.contains("known are CHICKADEE_NAME, CHICKADEE_LISTEN"), "{error}");
        let error = check(&["CHICKADEE_max_memory"]).unwrap_err();
        assert!(error.contains("did you mean CHICKADEE_MAX_MEMORY?"), "{error}");
    }

    #[test]
    fn what_is_known_and_what_others_set_passes() {
        for name in [
            "CHICKADEE",
            "CHICKADEES_HOME",
            "CHICKADEE_CONFIG",
            "CHICKADEE_CLUSTER_KEY",
            "CHICKADEE_CLUSTER_KEY_FILE",
            "CHICKADEE_RESP_PASSWORD",
            "CHICKADEE_CONNECT",
            "CHICKADEE_PORT",
            "CHICKADEE_PORT_6379_TCP",
            "CHICKADEE_PORT_6379_TCP_ADDR",
            "CHICKADEE_SERVICE_HOST",
            "CHICKADEE_SERVICE_PORT",
            "CHICKADEE_SERVICE_PORT_RESP",
            "CHICKADEE_PEERS_SERVICE_HOST",
            "CHICKADEE_PEERS_PORT_7379_UDP_PROTO",
        ] {
            assert_eq!(check(&[name]), Ok(()), "{name}");
        }
    }
}
