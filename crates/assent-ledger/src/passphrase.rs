//! Derives a key from a passphrase with Argon2id, so slowly that guessing is expensive.

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use crate::secret::Key;

/// Memory in KiB, passes and lanes. RFC 9106, section 4, the second recommended option: 64 MiB, 3 passes, 4 lanes, a salt
/// of 16 bytes.
pub(crate) const ARGON2_PARAMS: [u32; 3] = [1 << 16, 3, 4];
/// What stored settings may ask for at most: 4 GiB, 64 passes, 64 lanes.
const ARGON2_PARAMS_MAX: [u32; 3] = [1 << 22, 64, 64];

/// Bytes of a salt.
pub(crate) const SALT_BYTES: usize = 16;

/// Whether stored Argon2 parameters are within the limits that this version accepts.
pub(crate) fn params_within_limits(settings: [u32; 3]) -> bool {
    settings.iter().zip(ARGON2_PARAMS_MAX).all(|(asked, most)| *asked <= most)
}

/// Derives a key: `Argon2id(passphrase, salt)`, 32 bytes; `None` if the settings are none, or there is no memory.
pub(crate) fn derive_key(passphrase: &[u8], salt: &[u8], [memory, passes, lanes]: [u32; 3]) -> Option<Key> {
    let settings = Params::new(memory, passes, lanes, Some(32)).ok()?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, settings)
        .hash_password_into(passphrase, salt, key.as_mut_slice())
        .ok()?;
    Some(Key::from_bytes(&key))
}
