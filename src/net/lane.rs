//! A lane's bytes, without input or output: frames to stream bytes and back.
//!
//! On the wire a lane is a stream: one byte with the lane's number, then frames, each a `u32`
//! length (little-endian) and that many bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Bytes of the length in front of a frame.
pub(super) const LENGTH_BYTES: usize = 4;

/// Frames up to this size are copied together, larger ones are passed on as they are. The sender
/// walks its unacknowledged chunks for every packet, so many small chunks cost far more than the
/// copying does.
const COPY_BYTES_MAX: usize = 4 << 10;

/// A chunk of copied frames is closed at this size.
const CHUNK_BYTES: usize = 64 << 10;

/// Frames that wait to be written, already in wire form.
#[derive(Default)]
pub(super) struct Queue {
    chunks: Vec<Bytes>,
    tail: BytesMut,
    bytes: usize,
}

impl Queue {
    pub(super) fn push(&mut self, frame: Bytes) {
        self.bytes += LENGTH_BYTES + frame.len();
        let length = u32::try_from(frame.len()).expect("the endpoint checked the frame's length");
        self.tail.put_u32_le(length);
        if frame.len() <= COPY_BYTES_MAX {
            self.tail.put_slice(&frame);
            if self.tail.len() >= CHUNK_BYTES {
                self.close_chunk();
            }
        } else {
            self.close_chunk();
            self.chunks.push(frame);
        }
    }

    fn close_chunk(&mut self) {
        if !self.tail.is_empty() {
            self.chunks.push(self.tail.split().freeze());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Everything that waits, whole frames, and its size.
    pub(super) fn take(&mut self) -> (Vec<Bytes>, usize) {
        self.close_chunk();
        (std::mem::take(&mut self.chunks), std::mem::take(&mut self.bytes))
    }
}

/// A frame was announced that is larger than the limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong {
    pub(super) announced: usize,
    pub(super) limit: usize,
}

/// Cuts a stream's chunks into frames: a frame within one chunk is a slice of it, one that spans
/// chunks is put together once.
pub(super) struct Cutter {
    /// The limit of the frame that is next; `limit` from the second on.
    limit_now: usize,
    limit: usize,
    header: [u8; LENGTH_BYTES],
    header_len: usize,
    /// What is still to come of the frame in `partial`; meaningful once the header is complete.
    missing: usize,
    partial: BytesMut,
}

impl Cutter {
    /// A cutter whose first frame may have `first` bytes, and every later one `limit`.
    pub(super) fn new(first: usize, limit: usize) -> Cutter {
        Cutter {
            limit_now: first,
            limit,
            header: [0; LENGTH_BYTES],
            header_len: 0,
            missing: 0,
            partial: BytesMut::new(),
        }
    }

    /// The length of a frame that has begun and is not complete.
    pub(super) fn begun(&self) -> Option<usize> {
        let begun = self.header_len == LENGTH_BYTES;
        begun.then(|| self.partial.len() + self.missing)
    }

    /// How much of it is there.
    pub(super) fn arrived(&self) -> usize {
        self.partial.len()
    }

    /// Makes room for all of that frame, for which there is a place by now.
    pub(super) fn make_room(&mut self) {
        self.partial.reserve(self.missing);
    }

    /// Takes the next chunk of the stream and puts the frames that it completes into `frames`.
    /// After an error the stream is useless.
    pub(super) fn feed(
        &mut self,
        mut chunk: Bytes,
        frames: &mut Vec<Bytes>,
    ) -> Result<(), TooLong> {
        loop {
            if self.header_len < LENGTH_BYTES {
                let take = chunk.len().min(LENGTH_BYTES - self.header_len);
                self.header[self.header_len..][..take].copy_from_slice(&chunk[..take]);
                chunk.advance(take);
                self.header_len += take;
                if self.header_len < LENGTH_BYTES {
                    return Ok(());
                }
                self.missing = u32::from_le_bytes(self.header) as usize;
                if self.missing > self.limit_now {
                    return Err(TooLong { announced: self.missing, limit: self.limit_now });
                }
            }
            if chunk.len() < self.missing {
                // Grows with what arrives, never to what was only announced.
                self.partial.extend_from_slice(&chunk);
                self.missing -= chunk.len();
                return Ok(());
            }
            let rest = chunk.split_to(self.missing);
            if self.partial.is_empty() {
                frames.push(rest);
            } else {
                self.partial.extend_from_slice(&rest);
                frames.push(self.partial.split().freeze());
            }
            self.header_len = 0;
            self.limit_now = self.limit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn wire(frames: &[Vec<u8>]) -> Vec<u8> {
        let mut queue = Queue::default();
        for frame in frames {
            queue.push(Bytes::from(frame.clone()));
        }
        let (chunks, bytes) = queue.take();
        let wire = chunks.concat();
        assert_eq!(bytes, wire.len());
        assert!(queue.is_empty());
        wire
    }

    /// Around the sizes where the treatment changes.
    fn frame() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![vec(any::<u8>(), 0..20), vec(any::<u8>(), 4000..5000)]
    }

    proptest! {
        /// Whatever the network makes of the stream, the frames come out as they went in.
        #[test]
        fn frames_survive_any_cutting(
            frames in vec(frame(), 0..20),
            cuts in vec(1usize..3000, 1..40),
        ) {
            let mut wire = Bytes::from(wire(&frames));
            let mut cutter = Cutter::new(5000, 5000);
            let mut out = Vec::new();
            for cut in cuts.into_iter().cycle().take(100_000) {
                if wire.is_empty() { break; }
                let chunk = wire.split_to(cut.min(wire.len()));
                cutter.feed(chunk, &mut out).unwrap();
            }
            prop_assert!(wire.is_empty());
            prop_assert_eq!(out, frames);
        }
    }

    #[test]
    fn the_length_is_judged_before_the_content_comes() {
        let mut cutter = Cutter::new(10, 100);
        let mut out = Vec::new();
        let announce = |n: u32| Bytes::copy_from_slice(&n.to_le_bytes());
        assert_eq!(cutter.feed(announce(11), &mut out), Err(TooLong { announced: 11, limit: 10 }));
        let mut cutter = Cutter::new(10, 100);
        cutter.feed(announce(0), &mut out).unwrap();
        cutter.feed(announce(100), &mut out).unwrap();
        assert_eq!(out, [Bytes::new()]);
        assert!(cutter.partial.capacity() < 100, "nothing has arrived of it yet");
        let mut cutter = Cutter::new(10, 100);
        cutter.feed(announce(0), &mut out).unwrap();
        assert!(cutter.feed(announce(u32::MAX), &mut out).is_err());
    }

    /// Many small frames become few chunks; a large one is not copied.
    #[test]
    fn small_frames_travel_together() {
        let mut queue = Queue::default();
        for _ in 0..100 {
            queue.push(Bytes::from_static(&[7; 64]));
        }
        let large = Bytes::from(vec![1; 1 << 20]);
        queue.push(large.clone());
        queue.push(Bytes::new());
        let (chunks, bytes) = queue.take();
        assert_eq!(chunks.len(), 3);
        assert_eq!(chunks[1].as_ptr(), large.as_ptr());
        assert_eq!(bytes, 100 * 68 + 4 + (1 << 20) + 4);
    }
}
