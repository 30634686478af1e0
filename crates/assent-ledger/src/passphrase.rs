//! A key that is made of a passphrase, so slowly that guessing it is dear.

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use crate::secret::Key;

/// Memory in KiB, passes and lanes. RFC 9106, section 4, the second recommended option: 64 MiB, 3 passes, 4 lanes, a salt
/// of 16 bytes.
pub(crate) const ARGON2: [u32; 3] = [1 << 16, 3, 4];
/// What stored settings may ask for at most: 4 GiB, 64 passes, 64 lanes.
const ARGON2_AT_MOST: [u32; 3] = [1 << 22, 64, 64];

/// Bytes of a salt.
pub(crate) const SALT: usize = 16;

/// Whether stored settings ask for no more than a machine can be asked for.
pub(crate) fn bearable(settings: [u32; 3]) -> bool {
    settings.iter().zip(ARGON2_AT_MOST).all(|(asked, most)| *asked <= most)
}

/// `Argon2id(passphrase, salt)`; `None` if the settings are none, or there is no memory.
pub(crate) fn stretch(passphrase: &[u8], salt: &[u8], [memory, passes, lanes]: [u32; 3]) -> Option<Key> {
    let settings = Params::new(memory, passes, lanes, Some(32)).ok()?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, settings)
        .hash_password_into(passphrase, salt, key.as_mut_slice())
        .ok()?;
    Some(Key::from_bytes(&key))
}
