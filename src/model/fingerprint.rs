//! A short number that stands for a list of parts.

/// FNV-1a of 64 bits. It is on disk: of std's hashes none stays the same from
/// one release to the next.
#[derive(Debug)]
pub struct Fingerprint(u64);

impl Default for Fingerprint {
    /// Of no parts yet.
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fingerprint {
    /// Takes in one more part.
    // The length goes first, so that no two lists of parts read the same.
    pub fn take(&mut self, part: &[u8]) {
        let length = (part.len() as u64).to_le_bytes();
        for byte in length.iter().chain(part) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// The number.
    pub fn finish(self) -> u64 {
        self.0
    }
}
