//! Randomness that is the same every time.

use std::convert::Infallible;

use assent::packs::sha256;
use rand_core::{TryCryptoRng, TryRng};

/// SHA-256 in counter mode: repeatable, and different for every seed.
#[derive(Debug)]
pub struct SeededRng {
    seed: Vec<u8>,
    counter: u64,
}

impl SeededRng {
    /// A source for this seed.
    pub fn new(seed: &str) -> SeededRng {
        SeededRng { seed: seed.as_bytes().to_vec(), counter: 0 }
    }
}

impl TryRng for SeededRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|n| n as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for chunk in out.chunks_mut(32) {
            let block = sha256(&[self.seed.as_slice(), &self.counter.to_be_bytes()].concat());
            self.counter += 1;
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for SeededRng {}
