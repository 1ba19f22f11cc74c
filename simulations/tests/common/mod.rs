//! The binary as a process, and folders for it. Not everything is used by every test.
#![allow(dead_code)]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// What came of a run of the binary.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub error: String,
}

impl Ran {
    /// The last line of standard output.
    pub fn last(&self) -> &str {
        self.out.lines().last().unwrap_or_default()
    }
}

/// Runs the binary.
pub fn simulations(arguments: &[&str]) -> Ran {
    let ran = Command::new(env!("CARGO_BIN_EXE_simulations")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: ran.status.code().unwrap(), out: text(ran.stdout), error: text(ran.stderr) }
}

/// A folder that is gone afterwards.
pub struct Folder(PathBuf);

impl Folder {
    /// An empty one; the word tells those of one process apart.
    pub fn new(word: &str) -> Folder {
        let name = format!("simulations-{}-{word}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// Where it is.
    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// Writes a file. Returns where it is.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A plan that breaks `membership` whatever the nodes do: one of them is cut off shortly before the
/// end, and the others are to know it at once.
pub fn failing_plan() -> String {
    let scenario = simulations::scenarios::find("kill").unwrap();
    let mut plan = scenario.plan(1, Some(4));
    plan.scenario = "unreasonable".to_owned();
    let options = &mut plan.options;
    (options.core, options.members_ms, options.healed_ms) = (vec![0, 1, 2], 1, 25_000);
    let cut = simulations::plan::Fault::Partition { nodes: vec![3] };
    plan.faults.retain(|fault| fault.at_ms < 9_000);
    for at_ms in [12_000, 14_000, 16_000] {
        let slow = |by_us| simulations::plan::Fault::Slow { node: 1, by_us };
        plan.faults.push(simulations::plan::Timed { at_ms, what: slow(2_000) });
        plan.faults.push(simulations::plan::Timed { at_ms: at_ms + 1_000, what: slow(0) });
    }
    plan.faults.push(simulations::plan::Timed { at_ms: 24_900, what: cut });
    plan.operations.retain(|operation| operation.at_ms < 25_000);
    serde_json::to_string_pretty(&plan).unwrap()
}
