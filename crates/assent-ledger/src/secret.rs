//! Keys: 32 bytes that are wiped when dropped, never printed, and used only through derivation.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use rand_core::CryptoRng;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::id::CollectionId;

/// A secret of 32 bytes. Its `Debug` shows nothing of it.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Key([u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(*bytes)
    }

    pub(crate) fn random(rng: &mut dyn CryptoRng) -> Self {
        let mut key = Self([0; 32]);
        rng.fill_bytes(&mut key.0);
        key
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// HMAC-SHA256 with this key, ready for what is to be authenticated.
    pub(crate) fn hmac(&self) -> Hmac<Sha256> {
        // HMAC fills a short key up to the block with zeros; done here, the constructor cannot fail.
        let mut block = Zeroizing::new([0; 64]);
        block[..32].copy_from_slice(&self.0);
        Hmac::new((&*block).into())
    }

    /// `HMAC-SHA256(key, label | data)`. `label` ends in `v1` and no label is a prefix of another.
    pub(crate) fn mac(&self, label: &'static str, data: &[u8]) -> [u8; 32] {
        let mut mac = self.hmac();
        mac.update(label.as_bytes());
        mac.update(data);
        mac.finalize().into_bytes().into()
    }

    /// A key for one use, of this one.
    pub(crate) fn derive(&self, label: &'static str, data: &[u8]) -> Self {
        Self(self.mac(label, data))
    }

    /// The key of what hangs on a grant, of its person's key and the grant's secret: without either of them there is none.
    pub(crate) fn of_grant(&self, secret: &Self) -> Self {
        self.derive("assent grant key v1", &secret.0)
    }

    /// Under which name what hangs on a grant stands in a collection.
    pub(crate) fn pseudonym(&self, collection: CollectionId) -> [u8; 16] {
        first_half(self.mac("assent pseudonym v1", collection.as_bytes()))
    }

    /// Under which name a subject's openings stand in the log.
    pub(crate) fn log_pseudonym(&self) -> [u8; 16] {
        first_half(self.mac("assent log pseudonym v1", &[]))
    }
}

fn first_half(full: [u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&full[..16]);
    half
}
