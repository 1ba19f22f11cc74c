//! Files that are read at the start: with a limit to their length, and to the patience with what is
//! no plain file. A device has no end, and a pipe that nobody writes to not even a beginning.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

/// How long a pipe may take to bring everything.
const PIPE_MAX: Duration = Duration::from_secs(5);

/// What a file holds, and who may read it.
pub(super) struct Content {
    /// At most one byte more than was allowed, by which to see that it is too long.
    pub(super) bytes: Vec<u8>,
    pub(super) mode: u32,
}

/// Reads a file, and no more of it than one byte above the limit.
pub(super) fn read(path: &Path, bytes_max: u64) -> io::Result<Content> {
    read_within(path, bytes_max, PIPE_MAX)
}

fn read_within(path: &Path, bytes_max: u64, patience: Duration) -> io::Result<Content> {
    if std::fs::metadata(path)?.is_file() {
        return read_to_end(path, bytes_max);
    }
    // Opening a pipe waits for its writer, and nothing ends that but the end of the process.
    let (done, result) = mpsc::channel();
    let owned = path.to_owned();
    let body = move || drop(done.send(read_to_end(&owned, bytes_max)));
    std::thread::Builder::new().spawn(body)?;
    result.recv_timeout(patience).unwrap_or_else(|_| {
        let reason =
            format!("this is no plain file, and did not end within {} s", patience.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, reason))
    })
}

fn read_to_end(path: &Path, bytes_max: u64) -> io::Result<Content> {
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    Ok(Content { bytes, mode })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_is_cut_and_what_has_no_beginning_is_given_up() {
        assert_eq!(read(Path::new("/dev/zero"), 100).unwrap().bytes.len(), 101);
        assert_eq!(read(Path::new("/dev/null"), 100).unwrap().bytes, b"");
        let path = std::env::temp_dir().join(format!("chickadee-pipe-{}", std::process::id()));
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let silent = read_within(&path, 100, Duration::from_millis(50)).err().unwrap();
        assert_eq!(silent.kind(), io::ErrorKind::TimedOut, "{silent}");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_pipe_with_a_writer_is_read_to_its_end() {
        let path = std::env::temp_dir().join(format!("chickadee-piped-{}", std::process::id()));
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let writing = path.clone();
        let writer = std::thread::spawn(move || std::fs::write(writing, "all of it").unwrap());
        assert_eq!(read(&path, 100).unwrap().bytes, b"all of it");
        writer.join().unwrap();
        std::fs::remove_file(&path).unwrap();
    }
}
