//! Numbers of a few bits each, one behind the other, lowest bit first.

/// What one [`BitWriter::put`] or [`BitReader::get`] moves at most: what is sure
/// to be left of a word of 64 bits behind the bits of a byte begun.
pub(super) const MAX_BITS: u32 = 56;

/// Writes into a buffer of its own, which it keeps from one body to the next.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// Whole bytes written.
    length: usize,
    /// Bits that don't fill a byte yet.
    pending: u64,
    pending_bits: u32,
}

impl BitWriter {
    pub(super) fn clear(&mut self) {
        self.length = 0;
        self.pending = 0;
        self.pending_bits = 0;
    }

    /// Appends the lowest `bits` bits of `number`, which has no higher ones.
    #[inline]
    pub(super) fn put(&mut self, number: u64, bits: u32) {
        debug_assert!(bits <= MAX_BITS && number >> bits == 0);
        self.pending |= number << self.pending_bits;
        self.pending_bits += bits;
        if self.bytes.len() < self.length + 8 {
            self.bytes.resize(2 * self.length + 64, 0);
        }
        self.bytes[self.length..self.length + 8].copy_from_slice(&self.pending.to_le_bytes());
        let whole = self.pending_bits / 8;
        self.length += whole as usize;
        self.pending >>= 8 * whole;
        self.pending_bits %= 8;
    }

    /// All that was put, the last byte filled up with zeros.
    pub(super) fn finish(&mut self) -> &[u8] {
        let begun = usize::from(self.pending_bits > 0);
        &self.bytes[..self.length + begun]
    }
}

/// Reads what a [`BitWriter`] wrote. Behind the end there are zeros;
/// [`is_at_end`](Self::is_at_end) tells whether any of them was taken.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// In bits.
    position: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// The next bits, of which [`MAX_BITS`] are sure to be there.
    #[inline]
    pub(super) fn peek(&self) -> u64 {
        let begin = self.position / 8;
        let word = match self.bytes.get(begin..begin + 8) {
            Some(word) => u64::from_le_bytes(word.try_into().expect("a slice of eight")),
            None => self.last_word(begin),
        };
        word >> (self.position % 8)
    }

    #[cold]
    fn last_word(&self, begin: usize) -> u64 {
        let rest = self.bytes.get(begin..).unwrap_or_default();
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        u64::from_le_bytes(word)
    }

    #[inline]
    pub(super) fn skip(&mut self, bits: u32) {
        self.position += bits as usize;
    }

    #[inline]
    pub(super) fn get(&mut self, bits: u32) -> u64 {
        debug_assert!(bits <= MAX_BITS);
        let number = self.peek() & low_bits(bits);
        self.skip(bits);
        number
    }

    /// Has each byte been begun, and no more been taken than there is?
    pub(super) fn is_at_end(&self) -> bool {
        self.position.div_ceil(8) == self.bytes.len()
    }
}

/// A mask of the lowest `bits` bits, fewer than 64.
#[inline]
pub(super) fn low_bits(bits: u32) -> u64 {
    (1 << bits) - 1
}
