//! The binary as its users meet it: real processes, real sockets, real signals.
//!
//! Every process has a home directory of its own test and free ports, and every wait is for a
//! condition, with a deadline.
#![cfg(feature = "cli")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const WAIT_MAX: Duration = Duration::from_secs(30);

/// A directory that goes with the test.
struct Home(PathBuf);

impl Home {
    fn new(test: &str) -> Home {
        let name = format!("chickadee-test-{test}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Home(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn key_file(&self, name: &str) -> String {
        let made = self.run(&["key", "new", "--name", "test"]);
        assert!(made.status.success());
        self.file(name, &stdout(&made))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chickadee"));
        command.args(args).env_clear().env("HOME", &self.0);
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs what must fail, and answers what it says.
    fn refused(&self, code: i32, args: &[&str]) -> String {
        let output = self.run(args);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
        assert!(stdout(&output).is_empty(), "{args:?}");
        assert!(!text.contains("panicked"), "{text}");
        if code == 1 {
            let errors = text.lines().filter(|line| line.starts_with("error: "));
            assert_eq!(errors.count(), 1, "one line says what is wrong: {text}");
        }
        text
    }

    fn serve(&self, args: &[&str]) -> Process {
        let mut all = vec!["serve"];
        all.extend(args);
        for port in ["--listen", "--resp"] {
            if !args.contains(&port) {
                all.extend([port, ":0"]);
            }
        }
        Process::start(self.command(&all))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A running process and what it said so far.
struct Process {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Process {
    fn start(mut command: Command) -> Process {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (into, from) = (said.clone(), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                let mut said = into.lock().unwrap();
                said.push_str(&line);
                said.push('\n');
            }
        });
        Process { child, said }
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits for a line with these words, and answers it.
    fn until_said(&self, words: &str) -> String {
        let end = Instant::now() + WAIT_MAX;
        loop {
            let said = self.said();
            if let Some(line) = said.lines().find(|line| line.contains(words)) {
                return line.to_owned();
            }
            assert!(Instant::now() < end, "`{words}` was not said, but:\n{said}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until it serves; answers where, to Redis clients and to peers.
    fn until_serving(&self) -> (String, String) {
        let line = self.until_said("serving Redis clients on ");
        let (_, rest) = line.split_once("serving Redis clients on ").unwrap();
        let (resp, rest) = rest.split_once(", peers on ").unwrap();
        let (peers, _) = rest.split_once(" as ").unwrap();
        (resp.to_owned(), peers.to_owned())
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    fn until_ended(&mut self) -> ExitStatus {
        let end = Instant::now() + WAIT_MAX;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "it does not end:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn alive(home: &Home, node: &str) -> usize {
    let members = home.run(&["members", "--connect", node]);
    stdout(&members).lines().filter(|line| line.split_whitespace().nth(1) == Some("alive")).count()
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + WAIT_MAX;
    while !condition() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn wrong_usage_is_told_by_flag() {
    let home = Home::new("usage");
    assert!(home.refused(2, &["serve", "--sead", "x"]).contains("--sead"));
    assert!(home.refused(2, &["serve", "--max-memory", "lots"]).contains("256MiB"));
    assert!(home.refused(2, &["serve", "--replicas", "9"]).contains("1 to 8"));
    assert!(home.refused(2, &["serve", "--listen", "7379"]).contains("host:port"));
    assert!(home.refused(2, &["set", "k", "v", "--ttl", "10"]).contains("10s"));
    assert!(home.refused(2, &["serve", "--cluster-key", "chk1-x"]).contains("--cluster-key"));
    assert!(home.refused(1, &["key", "new", "--name", "No Good"]).contains("--name"));
    assert!(home.refused(1, &["del", "k", "--connect", "127.0.0.1:1"]).contains("127.0.0.1:1"));
    // 1 is for what is not there.
    assert!(home.refused(2, &["get", "k", "--connect", "127.0.0.1:1"]).contains("127.0.0.1:1"));
    let long = "x".repeat(65);
    assert!(home.refused(1, &["serve", "--resp", ":0", "--name", &long]).contains("--name: "));
}

#[test]
fn a_wrong_configuration_is_told_by_file_and_line() {
    let home = Home::new("config");
    let serve = |text: &str| {
        let path = home.file("node.toml", text);
        home.refused(1, &["serve", "--config", &path])
    };
    let error = serve("name = \"a\"\n\nmax_memroy = \"1gb\"\n");
    assert!(error.contains("node.toml:3: unknown key `max_memroy`"), "{error}");
    assert!(error.contains("did you mean `max_memory`?"), "{error}");
    let error = serve("# size\nmax_memory = \"1 gigabyte\"\n");
    assert!(error.contains("node.toml:2: `max_memory`: ") && error.contains("2gb"), "{error}");
    let error = serve("zone = \"a zone with a long name\"\n");
    assert!(error.contains("node.toml:1: `zone`"), "{error}");
    assert!(serve("name = \n").contains("node.toml:1: "));
    assert!(home.refused(1, &["serve", "--config", "/nowhere.toml"]).contains("/nowhere.toml"));
    let output = home.command(&["serve"]).env("CHICKADEE_WEIGHT", "heavy").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with("error: CHICKADEE_WEIGHT: "), "{}", stderr(&output));
    for (verb, code) in [("serve", 1), ("members", 1), ("status", 1)] {
        let output = home.command(&[verb]).env("CHICKADEE_CONECT", ":6380").output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{verb}");
        assert!(stderr(&output).contains("did you mean CHICKADEE_CONNECT?"), "{}", stderr(&output));
    }
    let error = home.refused(1, &["serve", "--config", "/dev/zero"]);
    assert!(error.contains("/dev/zero: longer than"), "{error}");
    let error = serve("seed = [1, 2]\n");
    assert!(error.contains("node.toml:1: `seed` is a number"), "{error}");
}

#[test]
fn a_key_that_cannot_be_used_is_told_and_not_shown() {
    let home = Home::new("keys");
    let serve =
        |path: &str| home.refused(1, &["serve", "--resp", ":0", "--cluster-key-file", path]);
    assert!(serve("/nowhere.key").contains("/nowhere.key"));
    assert!(serve(&home.file("empty.key", "\n")).contains("empty.key: there is no cluster key"));
    let key = stdout(&home.run(&["key", "new", "--name", "test"]));
    let key = key.strip_suffix('\n').unwrap();
    assert!(key.starts_with("chk1-test-") && !key.contains('\n'));
    let broken = home.file("broken.key", &key.replace("chk1-test", "chk1-toast"));
    let error = serve(&broken);
    assert!(error.contains("broken.key: ") && error.contains("checksum"), "{error}");
    assert!(!error.contains(&key[12..24]));

    let open = home.file("open.key", key);
    std::fs::set_permissions(&open, PermissionsExt::from_mode(0o644)).unwrap();
    let node = home.serve(&["--cluster-key-file", &open]);
    assert!(node.until_said("can be read by others").contains("open.key"));
}

#[test]
fn nothing_is_open_to_other_hosts_without_a_secret() {
    let home = Home::new("closed");
    let args = ["serve", "--listen", "0.0.0.0:0", "--advertise", "127.0.0.1", "--resp", ":0"];
    let error = home.refused(1, &args);
    assert!(error.contains("0.0.0.0:0") && error.contains("key new --name"), "{error}");
    let key = home.key_file("cluster.key");
    let args = ["serve", "--listen", ":0", "--resp", "0.0.0.0:0", "--cluster-key-file", &key];
    let error = home.refused(1, &args);
    assert!(error.contains("--resp-password-file"), "{error}");
    let args = ["--listen", "0.0.0.0:0", "--advertise", "127.0.0.1", "--cluster-key-file", &key];
    let line = home.serve(&args).until_said("listens to peers on ");
    assert!(line.contains("on 0.0.0.0:") && line.contains("(reached at 127.0.0.1:"), "{line}");
    let args = ["serve", "--listen", "0.0.0.0:0", "--resp", ":0", "--cluster-key-file", &key];
    assert!(home.refused(1, &args).contains("--advertise 10.0.0.1:7379"));
}

#[test]
fn clients_give_the_password_or_are_refused() {
    let home = Home::new("password");
    let password = home.file("password", "open sesame\n");
    let node = home.serve(&["--resp-password-file", &password]);
    let (resp, _) = node.until_serving();
    let error = home.refused(1, &["set", "k", "v", "--connect", &resp]);
    assert!(error.contains("CHICKADEE_RESP_PASSWORD"), "{error}");
    let args = ["set", "k", "v", "--connect", &resp, "--resp-password-file", &password];
    assert!(home.run(&args).status.success());
    let mut get = home.command(&["get", "k", "--connect", &resp]);
    let got = get.env("CHICKADEE_RESP_PASSWORD", "open sesame").output().unwrap();
    assert_eq!(stdout(&got), "v\n");
    let wrong = get.env("CHICKADEE_RESP_PASSWORD", "close sesame").output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn an_address_in_use_is_told_at_once() {
    let home = Home::new("in-use");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let start = Instant::now();
    let args = ["serve", "--listen", ":0", "--resp", &addr, "--seed", "127.0.0.1:1"];
    let error = home.refused(1, &args);
    assert!(error.contains(&addr) && error.contains("--resp"), "{error}");
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let error = home.refused(1, &["serve", "--resp", ":0", "--listen", &addr]);
    assert!(error.contains(&addr) && error.contains("--listen"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(3), "not at once: {:?}", start.elapsed());
}

#[test]
fn the_verbs_talk_to_a_node() {
    let home = Home::new("verbs");
    let node = home.serve(&["--name", "solo"]);
    let (resp, _) = node.until_serving();
    let run = |args: &[&str]| home.run(&[args, &["--connect", &resp]].concat());
    assert_eq!(stdout(&run(&["set", "k", "-7"])), "OK\n");
    assert_eq!(stdout(&run(&["get", "k"])), "-7\n");
    assert_eq!(stdout(&run(&["set", "brief", "v", "--ttl", "150ms"])), "OK\n");
    until("expiry", || run(&["get", "brief"]).status.code() == Some(1));
    let missing = run(&["get", "never written"]);
    assert_eq!((missing.status.code(), stdout(&missing).as_str()), (Some(1), ""));
    assert_eq!(stdout(&run(&["del", "k", "never written"])), "1\n");
    assert!(stdout(&run(&["members"])).contains("solo"));
    assert!(stdout(&run(&["status"])).contains("memory_bytes_max"));
    assert!(stdout(&run(&["explain", "k"])).contains("partition"));
}

#[test]
fn a_node_that_leaves_hands_over_and_ends() {
    let home = Home::new("leaving");
    let stays = home.serve(&["--name", "stays", "--replicas", "1"]);
    let (stays_at, seed) = stays.until_serving();
    let mut goes = home.serve(&["--name", "goes", "--replicas", "1", "--seed", &seed]);
    let (goes_at, _) = goes.until_serving();
    until("two members", || alive(&home, &stays_at) == 2);
    let keys: Vec<String> = (0..40).map(|n| format!("key-{n}")).collect();
    for key in &keys {
        assert_eq!(stdout(&home.run(&["set", key, "v", "--connect", &goes_at])), "OK\n");
    }
    let left = home.run(&["leave", "--within", "18446744073709551s", "--connect", &goes_at]);
    assert_eq!(left.status.code(), Some(0), "{}", goes.said());
    assert_eq!(goes.until_ended().code(), Some(0), "{}", goes.said());
    for key in &keys {
        assert_eq!(stdout(&home.run(&["get", key, "--connect", &stays_at])), "v\n", "{key}");
    }
    let nobody = home.run(&["leave", "--connect", &goes_at]);
    assert_eq!(nobody.status.code(), Some(1));
}

#[test]
fn two_that_start_together_make_one_development_key() {
    let home = Home::new("race");
    let (one, two) = (home.serve(&["--name", "one"]), home.serve(&["--name", "two"]));
    let seeds = [one.until_serving().1, two.until_serving().1];
    let three = home.serve(&["--name", "three", "--seed", &seeds[0], "--seed", &seeds[1]]);
    let (resp, _) = three.until_serving();
    until("three nodes with one key", || alive(&home, &resp) == 3);
    let key = home.0.join(".config/chickadee/dev.key");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&key), mode(key.parent().unwrap())), (0o600, 0o700));
}

#[test]
fn a_node_with_another_key_stays_outside() {
    let home = Home::new("foreign");
    let (ours, theirs) = (home.key_file("ours.key"), home.key_file("theirs.key"));
    let node = home.serve(&["--name", "ours", "--cluster-key-file", &ours]);
    let (resp, peers) = node.until_serving();
    let args = ["--name", "theirs", "--cluster-key-file", &theirs, "--seed", &peers];
    let foreign = home.serve(&args);
    foreign.until_said("another cluster key");
    node.until_said("another cluster key");
    let (foreign_resp, _) = foreign.until_serving();
    assert_eq!((alive(&home, &resp), alive(&home, &foreign_resp)), (1, 1));
}

#[test]
fn a_signal_ends_in_order_and_a_second_one_at_once() {
    let home = Home::new("signals");
    for signal in ["-TERM", "-INT", "-HUP"] {
        let mut node = home.serve(&[]);
        node.until_serving();
        let start = Instant::now();
        node.signal(signal);
        assert_eq!(node.until_ended().code(), Some(0), "{}", node.said());
        assert!(start.elapsed() < Duration::from_secs(10));
    }
    // A peer that does not answer holds up the goodbye for a moment, in which to hurry. On a busy
    // machine the moment may pass unused: so several tries.
    let peer = home.serve(&["--name", "peer"]);
    let (resp, peers) = peer.until_serving();
    let hurried = (0..10).any(|_| {
        let mut node = home.serve(&["--name", "hurried", "--seed", &peers]);
        node.until_serving();
        until("two members", || alive(&home, &resp) == 2);
        peer.signal("-STOP");
        node.signal("-TERM");
        node.until_said("stopping");
        node.signal("-INT");
        let status = node.until_ended();
        peer.signal("-CONT");
        assert!(status.code().is_some(), "ended by signal {:?}", status.signal());
        status.code() == Some(130)
    });
    assert!(hurried, "a second signal does not end it at once");
}

#[test]
fn a_node_that_shall_outlive_its_terminal_does() {
    let home = Home::new("nohup");
    let script = format!(
        "trap '' HUP; exec {} serve --listen :0 --resp :0",
        env!("CARGO_BIN_EXE_chickadee")
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]).env_clear().env("HOME", &home.0).stdin(Stdio::null());
    let mut node = Process::start(command);
    let (resp, _) = node.until_serving();
    node.signal("-HUP");
    assert!(home.run(&["set", "k", "v", "--connect", &resp]).status.success());
    assert!(!node.said().contains("stopping"));
    node.signal("-TERM");
    assert_eq!(node.until_ended().code(), Some(0));
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let home = Home::new("full");
    let node = home.serve(&[]);
    let (resp, _) = node.until_serving();
    assert!(home.run(&["set", "k", "v", "--connect", &resp]).status.success());
    let run = |args: &[&str], out: Stdio| {
        let child = home.command(args).stdout(out).stderr(Stdio::piped()).spawn().unwrap();
        child.wait_with_output().unwrap()
    };
    let connect = ["--connect", &resp];
    for (args, code) in [
        (vec!["key", "new", "--name", "prod"], 1),
        (vec!["--help"], 1),
        (vec!["serve", "--help"], 1),
        (vec!["--version"], 1),
        ([&["set", "k", "v"][..], &connect].concat(), 1),
        ([&["members"][..], &connect].concat(), 1),
        ([&["get", "k"][..], &connect].concat(), 2),
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = run(&args, full.into());
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        let told = stderr(&output);
        assert!(told.starts_with("error: cannot write to standard output: "), "{args:?}: {told}");
        // Whoever reads no more has had enough.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = run(&args, writer.into());
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{args:?}");
    }
}

/// One that was stopped for long while another was started in its place, and goes on after it.
#[test]
fn a_process_that_was_replaced_ends_and_says_by_whom() {
    let home = Home::new("replaced");
    let first = home.serve(&["--name", "a"]);
    let (resp, seed) = first.until_serving();
    let mut older = home.serve(&["--name", "b", "--seed", &seed]);
    older.until_serving();
    until("two members", || alive(&home, &resp) == 2);
    older.signal("-STOP");
    let newer = home.serve(&["--name", "b", "--seed", &seed]);
    let (newer_resp, newer_peers) = newer.until_serving();
    until("the newer is a member", || alive(&home, &resp) == 2 && alive(&home, &newer_resp) == 2);
    older.signal("-CONT");
    assert_eq!(older.until_ended().code(), Some(1), "{}", older.said());
    let line = older.until_said("ERROR");
    assert!(line.contains(&format!("another process runs as \"b\" at {newer_peers}")), "{line}");
    assert!(older.said().lines().filter(|line| line.starts_with("error: ")).count() == 1);
    // The newer one does not notice, and neither does anybody else.
    assert_eq!((alive(&home, &resp), alive(&home, &newer_resp)), (2, 2));
    assert!(!newer.said().contains("another process") && !first.said().contains("b is down"));
}

#[test]
fn a_node_that_fits_no_seed_is_told_with_both_values() {
    let home = Home::new("unfit");
    let node = home.serve(&["--name", "a"]);
    let (resp, seed) = node.until_serving();
    let start = Instant::now();
    let args = ["serve", "--name", "b", "--replicas", "2", "--listen", ":0", "--resp", ":0"];
    let unfit = [&args[..], &["--seed", &seed]].concat();
    let error = home.refused(1, &unfit);
    let told = format!("error: --replicas: this node keeps 2 replicas, the node at {seed} keeps 3");
    assert!(error.contains(&told), "{error}");
    assert!(start.elapsed() < Duration::from_secs(3), "not at once: {:?}", start.elapsed());
    node.until_said("this node keeps 3 replicas, that node keeps 2");
    // Another seed may be of its kind, and not be up yet.
    let waiting = home.serve(&["--name", "c", "--replicas", "2", "--seed", &seed, "--seed", ":1"]);
    waiting.until_serving();
    let line = waiting.until_said("serving alone");
    assert!(line.contains("this node keeps 2 replicas, that node keeps 3"), "{line}");
    assert_eq!(alive(&home, &resp), 1);
}

#[test]
fn a_killed_node_takes_its_place_again() {
    let home = Home::new("kill");
    let first = home.serve(&["--name", "a"]);
    let (resp, seed) = first.until_serving();
    let mut second = home.serve(&["--name", "b", "--seed", &seed]);
    let (resp_b, peers_b) = second.until_serving();
    until("two members", || alive(&home, &resp) == 2 && alive(&home, &resp_b) == 2);
    let get = |node: &str, key: &str| stdout(&home.run(&["get", key, "--connect", node]));
    for i in 0..20 {
        let key = format!("key-{i}");
        assert!(home.run(&["set", &key, "kept", "--connect", &resp]).status.success());
    }
    second.signal("-KILL");
    second.until_ended();
    for i in 0..20 {
        assert_eq!(get(&resp, &format!("key-{i}")), "kept\n", "key-{i} after the kill");
    }
    // The same command; without a seed it would be called by the others just as well.
    let args = ["--name", "b", "--listen", &peers_b, "--resp", &resp_b, "--seed", &seed];
    let second = home.serve(&args);
    second.until_said("ready: ");
    second.until_serving();
    until("a member again", || alive(&home, &resp) == 2);
    for i in 0..20 {
        assert_eq!(get(&resp_b, &format!("key-{i}")), "kept\n", "key-{i} on the node that is back");
    }
}

/// The most memory that a process had, in MiB.
#[cfg(target_os = "linux")]
fn most_memory(process: &Process) -> u64 {
    let path = format!("/proc/{}/status", process.child.id());
    let status = std::fs::read_to_string(path).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

#[cfg(target_os = "linux")]
#[test]
fn what_clients_pipeline_is_bounded_in_bytes() {
    const VALUES: usize = 150;
    let home = Home::new("pipeline");
    let first = home.serve(&["--name", "a", "--max-memory", "16MiB"]);
    let (resp, seed) = first.until_serving();
    let second = home.serve(&["--name", "b", "--max-memory", "16MiB", "--seed", &seed]);
    second.until_said("ready: ");
    until("two members", || alive(&home, &resp) == 2);
    let mut client = connect(&resp);
    let mut sender = client.try_clone().unwrap();
    // A client that announces much and sends little takes its place, too.
    let mut slow = TcpStream::connect(&resp).unwrap();
    slow.write_all(b"*3\r\n$3\r\nSET\r\n$4\r\nslow\r\n$1048576\r\nxx").unwrap();
    let sending = std::thread::spawn(move || {
        let value = vec![b'x'; 1 << 20];
        for n in 0..VALUES {
            let key = format!("key:{n:04}");
            let head = format!("*3\r\n$3\r\nSET\r\n$8\r\n{key}\r\n$1048576\r\n");
            sender.write_all(&[head.as_bytes(), &value, b"\r\n"].concat()).unwrap();
        }
    });
    let mut small = 0;
    let (mut replies, mut buffer) = (Vec::new(), [0; 1024]);
    while replies.len() < 5 * VALUES {
        let count = client.read(&mut buffer).unwrap();
        assert!(count > 0, "closed: {}", first.said());
        replies.extend_from_slice(&buffer[..count]);
        let begun = Instant::now();
        assert!(home.run(&["set", "small", "v", "--connect", &resp]).status.success());
        assert!(begun.elapsed() < WAIT_MAX / 6, "a small one waits: {:?}", begun.elapsed());
        small += 1;
    }
    sending.join().unwrap();
    assert_eq!(replies, b"+OK\r\n".repeat(VALUES), "nothing is refused");
    // 16 MiB of entries, 4 that have a place at the door, 4 that arrive, and the process itself;
    // without a bound at the door it was 116.
    let most = most_memory(&first);
    assert!(most < 90, "{most} MiB, beside {small} small ones");
}

/// An array of bulk strings, as clients send them.
fn command(arguments: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        bytes.extend_from_slice(argument);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// A connection that waits for each reply up to [`WAIT_MAX`].
fn connect(resp: &str) -> TcpStream {
    let client = TcpStream::connect(resp).unwrap();
    client.set_read_timeout(Some(WAIT_MAX)).unwrap();
    client
}

fn expect(client: &mut TcpStream, reply: &[u8]) {
    let mut bytes = vec![0; reply.len()];
    client.read_exact(&mut bytes).unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(reply));
}

#[test]
fn who_does_not_read_replies_keeps_no_place() {
    let home = Home::new("unread");
    let node = home.serve(&["--max-memory", "16MiB"]);
    let (resp, _) = node.until_serving();
    let mut other = connect(&resp);
    let set = command(&[b"SET", b"key", &vec![b'x'; 1 << 20]]);
    other.write_all(&set).unwrap();
    expect(&mut other, b"+OK\r\n");
    // Keys so long that four commands have all places; and the replies are more than sockets take.
    let keys = [&[&b"MGET"[..]], &[&b"key"[..]; 100][..], &[&[b'k'; 60_000][..]; 17][..]].concat();
    let mget = command(&keys);
    let unread = [(); 4].map(|()| {
        let mut unread = connect(&resp);
        unread.write_all(&mget).unwrap();
        expect(&mut unread, b"*117\r\n$1048576\r\nx");
        unread
    });
    let begun = Instant::now();
    other.write_all(&set).unwrap();
    expect(&mut other, b"+OK\r\n");
    assert!(begun.elapsed() > Duration::from_secs(2), "it has not waited: {:?}", begun.elapsed());
    let lost = |mut unread: TcpStream| {
        let mut rest = Vec::new();
        let _ = unread.read_to_end(&mut rest);
        rest.len() < 100 << 20
    };
    assert!(unread.into_iter().any(lost), "all of them got all of their replies");
}

#[test]
fn nothing_long_is_read_before_the_password() {
    let home = Home::new("before-password");
    let file = home.file("password", "open sesame\n");
    let node = home.serve(&["--resp-password-file", &file]);
    let (resp, _) = node.until_serving();
    let mut client = connect(&resp);
    // As much as Redis lets pass before it: ten arguments of 16 KiB.
    let _ = client.write_all(&command(&[&[b'x'; 16 << 10][..]; 10]));
    expect(&mut client, b"-ERR Protocol error: unauthenticated command of more than 65536 bytes");
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest);
    assert!(rest.len() < 200, "{}", String::from_utf8_lossy(&rest));
    let mut client = connect(&resp);
    client.write_all(&command(&[b"AUTH", b"open sesame"])).unwrap();
    expect(&mut client, b"+OK\r\n");
    client.write_all(&command(&[b"SET", b"key", &vec![b'x'; 160 << 10]])).unwrap();
    expect(&mut client, b"+OK\r\n");
}

#[test]
fn the_demonstration_ends_by_itself() {
    let home = Home::new("demo");
    let output = home.run(&["demo", "--base-port", "0", "--for", "1"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let guide = stdout(&output);
    assert!(guide.contains("demo-3") && guide.contains("redis-cli -p "), "{guide}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let error = home.refused(1, &["demo", "--base-port", &port]);
    assert!(error.contains(&port) && error.contains("--base-port"), "{error}");
}
