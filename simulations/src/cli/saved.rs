//! Saved plans: a folder of JSON files, one for each failure.

use std::fs;
use std::path::{Path, PathBuf};

use simulations::plan::Plan;

/// A folder that plans can be written into.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes sure of the folder: better now than when the first failure is lost.
    pub(super) fn open(path: &Path) -> Result<Folder, String> {
        let wrong =
            |error| format!("--out {}: plans cannot be saved there: {error}", path.display());
        fs::create_dir_all(path).map_err(wrong)?;
        // Permissions are not the only reason why nothing can be written.
        let probe = path.join(format!(".probe-{}", std::process::id()));
        fs::write(&probe, "").and_then(|()| fs::remove_file(&probe)).map_err(wrong)?;
        Ok(Folder(path.to_owned()))
    }

    /// Saves a plan under the name of its scenario, its seed and a word of the caller's.
    pub(super) fn save(&self, plan: &Plan, word: &str) -> Result<PathBuf, String> {
        let letters = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' };
        let scenario: String = plan.scenario.chars().map(letters).collect();
        let path = self.0.join(format!("{scenario}-{}{word}.json", plan.seed));
        let json = serde_json::to_string_pretty(plan).map_err(|error| error.to_string())?;
        fs::write(&path, json + "\n")
            .map_err(|error| format!("{}: {error}", path.display()))
            .map(|()| path)
    }
}
