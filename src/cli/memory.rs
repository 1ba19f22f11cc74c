//! How much memory a node takes unless told: a quarter of what this process may have.
//!
//! That is the smallest memory limit of the process's control group and of its parents, or else the
//! machine's memory. A container's limit is seen from inside it, and a service's from its unit.

use std::fs;
use std::path::{Path, PathBuf};

/// Taken where no limit can be learnt.
const FALLBACK_BYTES: u64 = 1 << 30;

/// The default of `--max-memory`, in bytes.
pub(super) fn default_bytes() -> usize {
    let limit = limit_bytes(Path::new("/")).unwrap_or(FALLBACK_BYTES);
    usize::try_from(limit / 4).unwrap_or(usize::MAX)
}

/// The memory this process may have, given the root of the file system.
fn limit_bytes(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let limits = groups.lines().flat_map(|line| group_limits(root, line));
    limits.chain(machine_bytes(root)).min()
}

/// The limits on the way from a group, a line of `/proc/self/cgroup`, up to the root.
fn group_limits(root: &Path, line: &str) -> Vec<u64> {
    let mut parts = line.splitn(3, ':');
    let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
    else {
        return Vec::new();
    };
    let (mount, file) = match controllers {
        "" => ("sys/fs/cgroup", "memory.max"),
        _ if controllers.split(',').any(|name| name == "memory") => {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
        }
        _ => return Vec::new(),
    };
    // A container sees its own group at the mount itself, whatever the path says: hence all the
    // parents, and no stop at a directory that is not there.
    let group = PathBuf::from(path.trim_start_matches('/'));
    let mount = root.join(mount);
    group
        .ancestors()
        .filter_map(|part| fs::read_to_string(mount.join(part).join(file)).ok())
        // `max` in the second version; the first says "none" by a number beyond any machine.
        .filter_map(|text| text.trim().parse().ok())
        .collect()
}

fn machine_bytes(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Root(PathBuf);

    impl Root {
        fn new(name: &str, files: &[(&str, &str)]) -> Root {
            let root =
                std::env::temp_dir().join(format!("chickadee-{name}-{}", std::process::id()));
            for (path, text) in files {
                let path = root.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Root(root)
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:       16384 kB\nMemFree: 1 kB\n");

    #[test]
    fn the_smallest_limit_on_the_way_up_counts() {
        let root = Root::new(
            "cgroup2",
            &[
                MEMINFO,
                ("proc/self/cgroup", "0::/system.slice/chickadee.service\n"),
                ("sys/fs/cgroup/system.slice/chickadee.service/memory.max", "max\n"),
                ("sys/fs/cgroup/system.slice/memory.max", "4194304\n"),
            ],
        );
        assert_eq!(limit_bytes(&root.0), Some(4 << 20));
    }

    #[test]
    fn a_container_of_the_first_version_sees_its_limit_at_the_mount() {
        let root = Root::new(
            "cgroup1",
            &[
                MEMINFO,
                ("proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/docker/0123\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "2097152\n"),
            ],
        );
        assert_eq!(limit_bytes(&root.0), Some(2 << 20));
    }

    #[test]
    fn without_a_limit_it_is_the_machine() {
        let unlimited = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        let root =
            Root::new("machine", &[MEMINFO, ("proc/self/cgroup", "4:memory:/\n"), unlimited]);
        assert_eq!(limit_bytes(&root.0), Some(16 << 20));
        assert_eq!(limit_bytes(&root.0.join("nowhere")), None);
    }
}
