//! Scenarios in files, as somebody who writes one sees them.

mod common;

use common::{Folder, simulations};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/slow-uplink.toml");

#[test]
fn the_example_holds_and_is_run_the_same_again() {
    let folder = Folder::new("example");
    let run = simulations(&["run", EXAMPLE, "--seeds", "1..6", "--out", folder.path()]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.last().starts_with("slow-uplink: 5 seeds, 0 failed; "), "{run:?}");
    let run = simulations(&["check-determinism", EXAMPLE, "--seeds", "1..3"]);
    assert!((run.code, run.last().ends_with("traces equal")) == (0, true), "{run:?}");
    let plan = simulations(&["replay", EXAMPLE, "--seed", "2", "--print-plan"]);
    assert!(plan.out.contains("\"fault\": \"throttle\"") && plan.out.contains("\"crash\""));
}

#[test]
fn every_mistake_has_its_line() {
    let folder = Folder::new("mistakes");
    let good = std::fs::read_to_string(EXAMPLE).unwrap();
    for (instead, of, line, why) in [
        ("nodse = [3, 5]", "nodes = [3, 5]", 9, "unknown field `nodse`"),
        ("nodes = \"3\"", "nodes = [3, 5]", 9, "invalid type: string \"3\""),
        ("nodes = [5, 3]", "nodes = [3, 5]", 9, "nodes is [5, 3], and must go up"),
        ("nodes = [3, 5000]", "nodes = [3, 5]", 9, "at most 1000"),
        ("los_ppm = 2_000", "loss_ppm = 2_000", 14, "options.los_ppm is unknown; there are "),
        ("loss_ppm = true", "loss_ppm = 2_000", 14, "options.loss_ppm: invalid type: boolean"),
        ("loss_ppm = 2_000_000", "loss_ppm = 2_000", 14, "options.loss_ppm is 2000000, and must"),
        ("fault = \"crush\"", "fault = \"crash\"", 28, "unknown variant `crush`"),
        ("for_ms = [9, 1]", "for_ms = [100, 9_000]", 30, "the range [9, 1] is empty"),
        ("node = 9\nfor_ms = 5", "for_ms = [100, 9_000]", 30, "node is 9, and must be from 0 to 2"),
        ("for_s = 1", "for_ms = [100, 9_000]", 30, "unknown field `for_s`"),
        ("by_us = 1", "for_ms = [100, 9_000]", 28, "crash needs the field for_ms"),
        ("from = 1", "after_ms = [500, 3_000]", 27, "missing field `after_ms`"),
        ("name = ", "name = \"slow-uplink\"", 6, ""),
    ] {
        assert!(good.contains(of), "{of}");
        let path = folder.file("mistake.toml", &good.replacen(of, instead, 1));
        let run = simulations(&["run", &path, "--seeds", "1..2", "--out", folder.path()]);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{instead}: {run:?}");
        let begin = format!("simulations: {path}:{line}: ");
        assert!(run.error.starts_with(&begin), "{instead}, line {line}: {}", run.error);
        assert!(run.error.contains(why), "{instead}: {}", run.error);
    }
    let run = simulations(&["run", EXAMPLE, "--seeds", "1..2", "--nodes", "1001"]);
    assert_eq!(run.code, 2, "{run:?}");
    let few = folder.file("few.toml", &good.replacen("from = 0", "from = 2", 1));
    let run = simulations(&["run", &few, "--seeds", "1..2", "--nodes", "2"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.error.contains("--nodes 2: "), "{run:?}");
    let run = simulations(&["run", "none.toml", "--seeds", "1..2"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.error.starts_with("simulations: none.toml: No such file"), "{run:?}");
}
