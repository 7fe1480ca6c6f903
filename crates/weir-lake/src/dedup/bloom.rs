//! A blocked Bloom filter: one cache line per key.

/// Bits per key: about one false answer in sixty.
const BITS_PER_KEY: usize = 10;
const PROBES: usize = 6;
/// 512 bits.
const BLOCK_WORDS: usize = 8;

pub(super) struct Bloom {
    words: Vec<u64>,
}

impl Bloom {
    pub(super) fn new(keys: usize) -> Self {
        let blocks = (keys * BITS_PER_KEY).div_ceil(BLOCK_WORDS * 64).max(1);
        Self {
            words: vec![0; blocks * BLOCK_WORDS],
        }
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let words = bytes.chunks_exact(8);
        Self {
            words: words
                .map(|w| u64::from_le_bytes(w.try_into().expect("8 bytes")))
                .collect(),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|w| w.to_le_bytes()).collect()
    }

    pub(super) fn insert(&mut self, key: u128) {
        let (block, probes) = self.place(key);
        for bit in probes {
            self.words[block + bit / 64] |= 1 << (bit % 64);
        }
    }

    pub(super) fn may_hold(&self, key: u128) -> bool {
        let (block, mut probes) = self.place(key);
        probes.all(|bit| self.words[block + bit / 64] & (1 << (bit % 64)) != 0)
    }

    /// Keys are uniform hashes: the low half picks the block, the high half the bits.
    fn place(&self, key: u128) -> (usize, impl Iterator<Item = usize> + use<>) {
        let blocks = (self.words.len() / BLOCK_WORDS) as u128;
        let block = ((u128::from(key as u64) * blocks) >> 64) as usize * BLOCK_WORDS;
        let bits = (key >> 64) as u64;
        (
            block,
            (0..PROBES).map(move |i| ((bits >> (9 * i)) & 511) as usize),
        )
    }
}
