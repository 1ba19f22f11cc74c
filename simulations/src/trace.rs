//! What happened, as a hash, and in fixed columns for a reader.
//!
//! The hash covers the bytes of every frame and datagram delivered, every answer given to a client
//! and every fault, each with its time: two runs with equal hashes were the same run. At the level of
//! [`quic`](crate::quic), where packets are encrypted, their length stands for their bytes.

use std::fmt::Display;
use std::io::Write;

use crate::time::Time;

/// The record of a run.
#[derive(Debug, Default)]
pub struct Trace {
    hash: u64,
    printing: bool,
    frames: bool,
}

impl Trace {
    /// A record that is written to standard output, too; with every frame, or without.
    pub fn printing(frames: bool) -> Trace {
        Trace { printing: true, frames, ..Trace::default() }
    }

    /// The hash of everything so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Takes note of something by its bytes.
    pub fn note(&mut self, time: Time, host: usize, bytes: &[u8]) {
        self.mix(time.0);
        self.mix(host as u64);
        self.mix(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    /// Prints a line, if anybody reads.
    pub fn line(&mut self, time: Time, host: usize, kind: &str, text: impl FnOnce() -> String) {
        if self.printing {
            print(time, &format_args!("n{host}"), kind, &text());
        }
    }

    /// Prints a line about a frame, if anybody reads those.
    pub fn frame(&mut self, time: Time, host: usize, kind: &str, text: impl FnOnce() -> String) {
        if self.printing && self.frames {
            print(time, &format_args!("n{host}"), kind, &text());
        }
    }

    /// Prints a line about no node in particular, if anybody reads.
    pub fn world(&mut self, time: Time, kind: &str, text: impl FnOnce() -> String) {
        if self.printing {
            print(time, &"-", kind, &text());
        }
    }

    fn mix(&mut self, word: u64) {
        // Multiply and rotate: not for adversaries, only to tell two runs apart.
        self.hash = (self.hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

fn print(time: Time, host: &dyn Display, kind: &str, text: &str) {
    // A reader that went away (`| head`) is no reason to stop with an error.
    let line = format!("{time}  {:<4} {kind:<8} {text}\n", host.to_string());
    let _ = std::io::stdout().write_all(line.as_bytes());
}
