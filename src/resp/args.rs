//! The arguments of a command: slices of the buffer in which they were received.

use bytes::Bytes;

/// Where an argument lies, relative to the start of its command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

/// The arguments of a command, the name first. Cheap to copy, costs no allocation.
#[derive(Clone, Copy, Default)]
pub struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// Arguments that lie there in these bytes.
    #[inline]
    pub(super) fn new(bytes: &'a [u8], spans: &'a [Span]) -> Self {
        Self { bytes, spans }
    }

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// One of them, counted from zero.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        let span = self.spans.get(index)?;
        Some(&self.bytes[span.start as usize..span.end as usize])
    }

    /// One of them, where the number of arguments has been checked before.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[inline]
    pub(crate) fn at(&self, index: usize) -> &'a [u8] {
        let span = self.spans[index];
        &self.bytes[span.start as usize..span.end as usize]
    }

    /// The first `count` of them, or all if there are not so many.
    pub fn take(&self, count: usize) -> Self {
        Self { bytes: self.bytes, spans: &self.spans[..count.min(self.spans.len())] }
    }

    /// Those from `index` on; none if there are not so many.
    #[inline]
    pub fn skip(&self, index: usize) -> Self {
        Self { bytes: self.bytes, spans: self.spans.get(index..).unwrap_or_default() }
    }

    /// One after another.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        let bytes = self.bytes;
        self.spans.iter().map(move |span| &bytes[span.start as usize..span.end as usize])
    }
}

impl std::fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().map(<[u8]>::escape_ascii)).finish()
    }
}

impl PartialEq for Args<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Args<'_> {}

/// The arguments of a command that outlive the buffer in which they were received: two allocations,
/// however many they are, or one where the command was kept as it came.
#[derive(Clone, Debug)]
pub struct OwnedArgs {
    bytes: Bytes,
    spans: Vec<Span>,
}

/// A part of a command without copying it, if the command was kept (`whole`) and this lies in it.
pub(super) fn part_of(whole: &Bytes, part: &[u8]) -> Option<Bytes> {
    let (all, part_range) = (whole.as_ptr_range(), part.as_ptr_range());
    let inside = all.start <= part_range.start && part_range.end <= all.end;
    (inside && !part.is_empty()).then(|| whole.slice_ref(part))
}

impl OwnedArgs {
    /// Packs arguments together.
    ///
    /// # Panics
    ///
    /// If they have more than 4 GiB, which no decoder lets through.
    pub fn new<'a>(args: impl Iterator<Item = &'a [u8]> + Clone) -> Self {
        let mut bytes = Vec::with_capacity(args.clone().map(<[u8]>::len).sum());
        let mut spans = Vec::with_capacity(args.clone().count());
        for arg in args {
            bytes.extend_from_slice(arg);
            let end = u32::try_from(bytes.len()).expect("a command has less than 4 GiB");
            spans.push(Span { start: end - arg.len() as u32, end });
        }
        Self { bytes: bytes.into(), spans }
    }

    /// The same of a command that was kept, without copying it; if it was not, it is empty.
    pub(super) fn within<'a>(whole: &Bytes, args: impl Iterator<Item = &'a [u8]> + Clone) -> Self {
        if whole.is_empty() {
            return Self::new(args);
        }
        let place = |arg: &[u8]| {
            // They are slices of it, so this is where they begin.
            let start = (arg.as_ptr() as usize - whole.as_ptr() as usize) as u32;
            Span { start, end: start + arg.len() as u32 }
        };
        Self { bytes: whole.clone(), spans: args.map(place).collect() }
    }

    /// What they lie in.
    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The arguments.
    pub fn as_args(&self) -> Args<'_> {
        Args { bytes: &self.bytes, spans: &self.spans }
    }
}
