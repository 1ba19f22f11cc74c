//! The binary, as somebody at a terminal uses it.

mod common;

use std::fs;

use simulations::plan::Plan;

use common::{Folder, failing_plan, simulations};

#[test]
fn seeds_that_hold_end_with_a_summary() {
    let folder = Folder::new("holds");
    let run = simulations(&["run", "kill", "--seeds", "1..3", "--out", folder.path()]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.last().starts_with("kill: 2 seeds, 0 failed; "), "{run:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing to save");
}

#[test]
fn a_saved_plan_is_run_again_with_the_same_trace() {
    let folder = Folder::new("replayed");
    let from_seed = ["replay", "kill", "--seed", "3", "--nodes", "4"];
    let json = simulations(&[&from_seed[..], &["--print-plan"]].concat());
    let path = folder.file("plan.json", &json.out);
    let trace = |run: common::Ran| {
        assert_eq!(run.code, 0, "{run:?}");
        run.out.lines().find(|line| line.starts_with("trace ")).unwrap().to_owned()
    };
    let drawn = trace(simulations(&from_seed));
    assert_eq!(drawn, trace(simulations(&["replay", "--plan", &path])));
}

#[test]
fn a_broken_invariant_ends_with_what_is_needed_to_see_it_again() {
    let folder = Folder::new("broken");
    let path = folder.file("it's a plan.json", &failing_plan());
    let run = simulations(&["replay", "--plan", &path]);
    assert_eq!(run.code, 1, "{run:?}");
    let last = run.last();
    let begin = "FAILED unreasonable: invariant=membership seed=1 commit=";
    assert!(last.starts_with(begin), "{last}");
    let quoted = path.replace('\'', r"'\''");
    assert!(last.ends_with(&format!(" replay: cargo simulate replay --plan '{quoted}'")), "{last}");
}

#[test]
fn a_rule_that_is_left_out_is_left_out_again() {
    let folder = Folder::new("without");
    let run = ["run", "hot-key", "--seeds", "1..2", "--without", "tie_break"];
    let run = simulations(&[&run[..], &["--out", folder.path()]].concat());
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.last().ends_with(" replay hot-key --seed 1 --without tie_break"), "{run:?}");
    let saved = format!("{}/hot-key-1.json", folder.path());
    let again = simulations(&["replay", "--plan", &saved]);
    assert_eq!(again.code, 1, "the plan knows what was left out: {again:?}");
}

#[test]
fn a_mutant_that_nobody_notices_fails() {
    let tried = simulations(&["mutants", "--only", "tie_break", "--seeds", "2"]);
    assert_eq!(tried.code, 0, "{tried:?}");
    assert!(tried.out.contains("| tie_break | hot-key | "), "{tried:?}");
    let tried = simulations(&["mutants", "--only", "own_writes", "--seeds", "1"]);
    assert_eq!(tried.code, 1, "{tried:?}");
    assert_eq!(tried.last(), "FAILED nobody noticed that these are missing: own_writes");
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_before_anything_runs() {
    let folder = Folder::new("unwritable");
    let file = folder.file("file", "");
    let run = simulations(&["run", "kill", "--seeds", "1..1000000", "--out", &file]);
    assert_eq!((run.code, run.out.as_str()), (2, ""), "{run:?}");
    assert!(run.error.contains(&format!("--out {file}: plans cannot be saved there")), "{run:?}");
}

#[test]
fn a_file_that_is_no_plan_is_named() {
    let folder = Folder::new("no-plan");
    let replay = |path: &str| {
        let run = simulations(&["replay", "--plan", path]);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{run:?}");
        assert!(run.error.starts_with(&format!("simulations: {path}: ")), "{run:?}");
        run.error
    };
    assert!(replay(&folder.file("a", "{\"scenario\": 3}")).contains("at line 1 column 14"));
    let many = failing_plan().replace("\"replicas\": 3", "\"replicas\": 0");
    assert!(replay(&folder.file("b", &many)).contains("replicas is 0, and must be from 1"));
    assert!(replay(&format!("{}/none", folder.path())).contains("No such file"));
}

#[test]
fn a_file_without_end_is_read_no_further_than_its_limit() {
    let folder = Folder::new("endless");
    let path = format!("{}/endless.toml", folder.path());
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    let run = simulations(&["run", &path, "--seeds", "1..2", "--out", folder.path()]);
    assert_eq!((run.code, run.out.as_str()), (2, ""), "{run:?}");
    assert_eq!(run.error, format!("simulations: {path}: longer than 1048576 bytes\n"));
}

#[test]
fn two_processes_see_the_same() {
    let run = simulations(&["check-determinism", "kill", "--seeds", "1..3"]);
    assert_eq!(run.code, 0, "{run:?}");
    let last = run.last();
    assert!(last.starts_with("kill: 2 seeds, in two threads and another process, "), "{last}");
    assert!(last.ends_with(", traces equal"), "{last}");
}

#[test]
fn converging_late_in_too_many_seeds_fails() {
    let folder = Folder::new("late");
    let run = |agree_ms: u64| {
        let path = folder.file(
            "cuts.toml",
            &format!(
                "name = \"cuts\"\nnodes = [3, 3]\n[options]\nclients = 1\nformed_ms = 4_000\n\
             healed_ms = 6_000\nagree_ms = {agree_ms}\n[[faults]]\nfault = \"partition\"\n\
             after_ms = [0, 500]\nfor_ms = [1_000, 1_500]\n"
            ),
        );
        simulations(&["run", &path, "--seeds", "1..202", "--out", folder.path()])
    };
    assert_eq!(run(5_000).code, 0);
    let late = run(0);
    assert_eq!(late.code, 1, "{late:?}");
    assert!(late.last().starts_with("FAILED cuts: invariant=convergence-p99 seed="), "{late:?}");
}

#[test]
fn a_failing_plan_shrinks_to_what_it_needs() {
    let folder = Folder::new("shrunk");
    let path = folder.file("plan.json", &failing_plan());
    let run = simulations(&["shrink", "--plan", &path, "--runs", "150", "--out", folder.path()]);
    assert_eq!(run.code, 1, "{run:?}");
    for what in ["cut faults", "cut clients", "nothing more can be cut"] {
        assert!(run.out.contains(what), "{what}: {run:?}");
    }
    let smaller = format!("{}/unreasonable-1-shrunk.json", folder.path());
    assert!(run.last().ends_with(&format!("replay --plan {smaller}")), "{run:?}");
    let plan: Plan = serde_json::from_str(&fs::read_to_string(&smaller).unwrap()).unwrap();
    assert_eq!(plan.operations, [], "it needs no clients");
    assert!(plan.faults.len() < 6, "{:?}", plan.faults);
    let again = simulations(&["replay", "--plan", &smaller]);
    assert!(again.last().contains("invariant=membership"), "{again:?}");
}

#[test]
fn what_holds_is_not_shrunk() {
    let folder = Folder::new("not-shrunk");
    let run = simulations(&["shrink", "kill", "--seed", "1", "--out", folder.path()]);
    assert_eq!(
        (run.code, run.last()),
        (0, "kill seed=1 breaks nothing: there is nothing to shrink")
    );
}

#[test]
fn a_report_is_one_page_with_pictures() {
    let folder = Folder::new("report");
    let page = format!("{}/kill.html", folder.path());
    let run = simulations(&["report", "kill", "--seeds", "1..4", "--out", &page]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.last(), format!("kill: 3 seeds, 0 failed; the page is {page}"));
    let html = fs::read_to_string(&page).unwrap();
    for word in ["All invariants held", "Divergent keys", "virtual time [s]", "class=band", "p99"] {
        assert!(html.contains(word), "{word}");
    }
    assert_eq!(html.matches("<svg").count(), 5);
    for outside in ["http", "src=", "<script", "@import"] {
        assert!(!html.contains(outside), "{outside}: it loads nothing");
    }
}

#[test]
fn a_report_of_a_broken_plan_says_so() {
    let folder = Folder::new("broken-report");
    let (plan, page) = (folder.file("plan.json", &failing_plan()), format!("{}/x", folder.path()));
    let run = simulations(&["report", "--plan", &plan, "--out", &page]);
    assert_eq!(run.code, 1, "{run:?}");
    let html = fs::read_to_string(&page).unwrap();
    assert!(html.contains("1 of 1 seed broke an invariant") && html.contains("class=fails"));
    let run = simulations(&["report", "--plan", &plan, "--out", &format!("{page}/y.html")]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.error.contains("/x/y.html: the page cannot be written"), "{run:?}");
}

#[test]
fn a_time_budget_begins_no_more_seeds() {
    let folder = Folder::new("budget");
    let seeds = ["run", "kill", "--seeds", "1..1000000", "--jobs", "2", "--out", folder.path()];
    let run = simulations(&[&seeds[..], &["--time-budget", "1s"]].concat());
    assert_eq!((run.code, run.error.as_str()), (0, ""), "no progress where nobody looks: {run:?}");
    let last = run.last();
    let count = last.strip_prefix("kill: ").and_then(|rest| rest.split_once(" of 999999 seeds, "));
    let (count, rest) = count.unwrap_or_else(|| panic!("{last}"));
    assert!((1..999_999).contains(&count.parse::<u64>().unwrap()), "{last}");
    assert!(rest.starts_with("the time budget is used up, 0 failed; "), "{last}");
}

#[test]
fn what_is_wrong_is_named() {
    let list = simulations(&["list"]);
    assert_eq!((list.code, list.out.lines().count()), (0, simulations::scenarios::ALL.len()));
    assert!(list.out.contains("kill                  nodes are killed one after the other"));
    for (arguments, named) in [
        (&["run", "kil", "--seeds", "1..2"][..], "there is no scenario \"kil\"; there are kill, "),
        (&["run", "kill", "--seeds", "5..5"], "\"5..5\" is no range of seeds"),
        (&["run", "kill", "--seeds", "9..1"], "\"9..1\" is no range of seeds"),
        (&["run", "kill", "--seeds", "1..99999999999999999999"], "is no range of seeds"),
        (&["run", "kill"], "--seeds"),
        (&["run", "kill", "--seeds", "1..2", "--jobs", "0"], "--jobs"),
        (&["run", "kill", "--seeds", "1..2", "--nodes", "0"], "--nodes must be from 1 to 1000"),
        (&["run", "kill", "--seeds", "1..2", "--time-budget", "10"], "\"10\" is no time"),
        (&["run", "kill", "--seeds", "1..2", "--time-budget", "0s"], "\"0s\" is no time"),
        (&["replay", "kill"], "--seed"),
        (&["replay", "kill", "--seed", "1", "--plan", "x"], "--plan"),
        (&["shrink", "kil", "--seed", "1"], "there is no scenario \"kil\""),
        (&["report", "kill", "--out", "x.html"], "--seeds"),
        (
            &["replay", "kill", "--seed", "1", "--without", "gravity"],
            "there is no rule \"gravity\"",
        ),
        (&["mutants", "--only", "gravity"], "there is no rule \"gravity\"; there are reannounce, "),
        (&["mutants", "--seeds", "0"], "--seeds"),
        (&["jump"], "jump"),
    ] {
        let run = simulations(arguments);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{arguments:?}: {run:?}");
        assert!(run.error.contains(named), "{arguments:?}: {run:?}");
    }
}
