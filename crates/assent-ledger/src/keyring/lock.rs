//! What a key ring is locked with: nothing (format 1), a passphrase, or a data key that somebody else keeps (format 2).
//!
//! ```text
//! secret (Argon2id of the passphrase, or the data key) --opens--> the ring's own key --opens--> master key, every slot's key
//! ```
//!
//! The ring's own key is random, and another one each time that the lock is changed. The bytes are described in
//! `docs/formats/keyring.md`.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::KeyRingError;
use super::slot::SLOT_BYTES;
use crate::cipher::{self, NONCE_BYTES};
use crate::id::VaultId;
use crate::passphrase::{ARGON2_PARAMS, derive_key, params_within_limits};
use crate::secret::Key;

const MAGIC: &[u8; 16] = b"assent key ring\n";
/// A ring whose keys stand in it as they are.
const IN_THE_CLEAR: u32 = 1;
/// A ring whose keys stand in it sealed.
const LOCKED: u32 = 2;
const PASSPHRASE: u32 = 1;
const DATA_KEY: u32 = 2;

/// A sealed key: nonce, key, tag.
pub(super) const BOX_BYTES: usize = NONCE_BYTES + 32 + cipher::TAG_BYTES;
/// Up to here a locked header says how it is locked; what follows is sealed.
const ABOUT: usize = 80;
const FIXED: usize = ABOUT + 2 * BOX_BYTES;
/// The longest wrapped data key.
const WRAPPED_AT_MOST: usize = 4096;

/// What a key ring asks for before its keys can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RingLock {
    /// Nothing: whoever may read the file has the keys.
    None,
    /// A passphrase, from which Argon2id derives the key.
    Passphrase,
    /// A data key that is kept elsewhere, by a key management service or a security module.
    DataKey {
        /// What is given to whoever keeps it, to get the data key.
        wrapped: Vec<u8>,
    },
}

impl RingLock {
    /// Reads what the ring at `path` asks for.
    ///
    /// # Errors
    ///
    /// - [`KeyRingError::Missing`], [`KeyRingError::NotARing`], [`KeyRingError::Newer`] as their texts say.
    /// - [`KeyRingError::Io`] if the file cannot be read.
    pub fn of(path: &Path) -> Result<Self, KeyRingError> {
        refuse_irregular(path)?;
        let file = File::open(path).map_err(|source| cannot_open(path, source))?;
        Ok(Header::read(&file, path)?.lock())
    }
}

/// What opens a locked key ring. Wiped when dropped; its `Debug` shows nothing of it.
#[derive(Clone)]
pub enum RingSecret {
    /// The passphrase's bytes, zeroed on drop.
    Passphrase(Zeroizing<Vec<u8>>),
    /// A data key.
    DataKey {
        /// The data key, 32 bytes, zeroed on drop.
        key: Zeroizing<[u8; 32]>,
        /// The same as whoever keeps it knows it; at most 4,096 bytes.
        wrapped: Vec<u8>,
    },
}

impl fmt::Debug for RingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passphrase(_) => "Passphrase(..)",
            Self::DataKey { .. } => "DataKey { .. }",
        })
    }
}

/// What seals the keys of a locked ring: one key for the cipher, one for the nonces.
pub(super) struct RingKey {
    cipher: Key,
    nonces: Key,
}

impl RingKey {
    fn of(key: &Key) -> Self {
        Self { cipher: key.derive("assent ring cipher v1", &[]), nonces: key.derive("assent ring nonces v1", &[]) }
    }

    /// Seals a key to its place. The nonce follows from both, so that the ring needs no randomness: the same key at the
    /// same place is sealed to the same bytes, and two others never share a nonce.
    pub(super) fn seal(&self, context: &[u8], key: &Key) -> Option<[u8; BOX_BYTES]> {
        let said = Zeroizing::new([key.expose(), context].concat());
        let mut out = [0; BOX_BYTES];
        let (nonce, rest) = out.split_first_chunk_mut::<NONCE_BYTES>()?;
        nonce.copy_from_slice(&self.nonces.mac("assent nonce v1", &said)[..NONCE_BYTES]);
        let (body, tag) = rest.split_at_mut(32);
        body.copy_from_slice(key.expose());
        tag.copy_from_slice(&cipher::encrypt(self.cipher.expose(), nonce, context, body)?);
        Some(out)
    }

    pub(super) fn open(&self, context: &[u8], sealed: &[u8; BOX_BYTES]) -> Option<Key> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let mut body = Zeroizing::new([0; BOX_BYTES - NONCE_BYTES]);
        body.copy_from_slice(rest);
        cipher::decrypt(self.cipher.expose(), nonce, context, body.as_mut_slice())?;
        Some(Key::from_bytes(body.first_chunk()?))
    }
}

/// The beginning of a ring, as it stands in the file.
pub(super) struct Header(Zeroizing<Vec<u8>>);

impl Header {
    /// Of a ring whose keys stand in it as they are.
    pub(super) fn in_the_clear(vault: VaultId, master: &Key) -> Self {
        let mut bytes = start(IN_THE_CLEAR, vault, SLOT_BYTES);
        bytes[40..72].copy_from_slice(master.expose());
        write_checksum(&mut bytes);
        Self(bytes)
    }

    /// Of a ring that `secret` opens, with a ring's key of its own; `None` if the wrapped data key is too long, or Argon2
    /// has no memory.
    pub(super) fn locked(
        vault: VaultId,
        master: &Key,
        secret: &RingSecret,
        rng: &mut dyn CryptoRng,
    ) -> Option<(Self, RingKey)> {
        let wrapped = match secret {
            RingSecret::Passphrase(_) => &[],
            RingSecret::DataKey { wrapped, .. } => wrapped.as_slice(),
        };
        if wrapped.len() > WRAPPED_AT_MOST {
            return None;
        }
        let mut bytes = start(LOCKED, vault, (FIXED + wrapped.len() + 32).next_multiple_of(SLOT_BYTES));
        let kind = if let RingSecret::Passphrase(_) = secret { PASSPHRASE } else { DATA_KEY };
        put_number(&mut bytes, 44, kind);
        if kind == PASSPHRASE {
            ARGON2_PARAMS.iter().zip([48, 52, 56]).for_each(|(n, at)| put_number(&mut bytes, at, *n));
            rng.fill_bytes(&mut bytes[64..ABOUT]);
        }
        put_number(&mut bytes, 60, wrapped.len() as u32);
        bytes[FIXED..FIXED + wrapped.len()].copy_from_slice(wrapped);
        let mut header = Self(bytes);
        let own = Key::random(rng);
        let key = RingKey::of(&own);
        let boxes = [header.outer(secret)?.seal(&header.about(), &own)?, key.seal(&master_context(vault), master)?];
        header.0[ABOUT..FIXED].copy_from_slice(boxes.as_flattened());
        write_checksum(&mut header.0);
        Some((header, key))
    }

    /// Reads and checks the beginning of a file.
    pub(super) fn read(file: &File, path: &Path) -> Result<Self, KeyRingError> {
        let io = |source| KeyRingError::Io { op: "read", path: path.to_owned(), source };
        let not_a_ring = || KeyRingError::NotARing { path: path.to_owned() };
        let in_file = file.metadata().map_err(io)?.len();
        if in_file < SLOT_BYTES as u64 {
            return Err(not_a_ring());
        }
        let mut bytes = Zeroizing::new(vec![0; SLOT_BYTES]);
        file.read_exact_at(&mut bytes, 0).map_err(io)?;
        if &bytes[..16] != MAGIC {
            return Err(not_a_ring());
        }
        let version = number(&bytes, 16);
        if version > LOCKED {
            return Err(KeyRingError::Newer { path: path.to_owned(), version });
        }
        if version == LOCKED {
            let (length, wrapped) = (number(&bytes, 40) as usize, number(&bytes, 60) as usize);
            let fits = wrapped <= WRAPPED_AT_MOST && length == (FIXED + wrapped + 32).next_multiple_of(SLOT_BYTES);
            if !fits || in_file < length as u64 {
                return Err(not_a_ring());
            }
            bytes = Zeroizing::new(vec![0; length]);
            file.read_exact_at(&mut bytes, 0).map_err(io)?;
        }
        let header = Self(bytes);
        if header.checksum_ok() && header.lock_is_known() { Ok(header) } else { Err(not_a_ring()) }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn vault(&self) -> VaultId {
        VaultId::from_bytes(array(&self.0, 24))
    }

    pub(super) fn lock(&self) -> RingLock {
        match (number(&self.0, 16), number(&self.0, 44)) {
            (LOCKED, PASSPHRASE) => RingLock::Passphrase,
            (LOCKED, _) => RingLock::DataKey { wrapped: self.wrapped().to_vec() },
            _ => RingLock::None,
        }
    }

    /// The master key, and what opens the slots, if the ring is locked: by the first secret that fits.
    pub(super) fn unlock(&self, secrets: &[RingSecret], path: &Path) -> Result<(Key, Option<RingKey>), KeyRingError> {
        let path = || path.to_owned();
        let lock = self.lock();
        if lock == RingLock::None {
            return Ok((Key::from_bytes(&array(&self.0, 40)), None));
        }
        let fits = |secret: &&RingSecret| match secret {
            RingSecret::Passphrase(_) => lock == RingLock::Passphrase,
            RingSecret::DataKey { wrapped, .. } => matches!(&lock, RingLock::DataKey { wrapped: w } if w == wrapped),
        };
        let fitting: Vec<_> = secrets.iter().filter(fits).collect();
        if fitting.is_empty() {
            return Err(KeyRingError::Locked { path: path(), lock });
        }
        for secret in fitting {
            let own = self.outer(secret).and_then(|outer| outer.open(&self.about(), &array(&self.0, ABOUT)));
            if let Some(key) = own.as_ref().map(RingKey::of)
                && let Some(master) = key.open(&master_context(self.vault()), &array(&self.0, ABOUT + BOX_BYTES))
            {
                return Ok((master, Some(key)));
            }
        }
        Err(KeyRingError::WrongSecret { path: path(), lock })
    }

    fn wrapped(&self) -> &[u8] {
        &self.0[FIXED..FIXED + number(&self.0, 60) as usize]
    }

    /// What the ring's own key is sealed to: everything that says how it is locked.
    fn about(&self) -> Vec<u8> {
        [b"assent ring lock v1", &self.0[..ABOUT], self.wrapped()].concat()
    }

    /// What the secret makes of itself.
    fn outer(&self, secret: &RingSecret) -> Option<RingKey> {
        match secret {
            RingSecret::DataKey { key, .. } => Some(RingKey::of(&Key::from_bytes(key))),
            RingSecret::Passphrase(passphrase) => {
                let settings = [48, 52, 56].map(|at| number(&self.0, at));
                derive_key(passphrase, &self.0[64..ABOUT], settings).map(|key| RingKey::of(&key))
            }
        }
    }

    fn checksum_ok(&self) -> bool {
        let (body, sum) = self.0.split_at(self.0.len() - 32);
        Sha256::digest(body).as_slice() == sum
    }

    fn lock_is_known(&self) -> bool {
        let argon2 = [48, 52, 56].map(|at| number(&self.0, at));
        match (number(&self.0, 16), number(&self.0, 44)) {
            (LOCKED, PASSPHRASE) => params_within_limits(argon2),
            (LOCKED, kind) => kind == DATA_KEY,
            (version, _) => version == IN_THE_CLEAR,
        }
    }
}

/// A pipe would keep whoever opens it waiting for ever.
///
/// # Errors
///
/// [`KeyRingError::NotARing`] if something is there that is no file.
pub(super) fn refuse_irregular(path: &Path) -> Result<(), KeyRingError> {
    match std::fs::metadata(path) {
        Ok(about) if !about.is_file() => Err(KeyRingError::NotARing { path: path.to_owned() }),
        _ => Ok(()),
    }
}

/// A file that cannot be opened, because it is not there or for another reason.
pub(super) fn cannot_open(path: &Path, source: io::Error) -> KeyRingError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => KeyRingError::Missing { path },
        _ => KeyRingError::Io { op: "open", path, source },
    }
}

fn start(version: u32, vault: VaultId, length: usize) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(vec![0; length]);
    bytes[..16].copy_from_slice(MAGIC);
    put_number(&mut bytes, 16, version);
    put_number(&mut bytes, 20, SLOT_BYTES as u32);
    bytes[24..40].copy_from_slice(vault.as_bytes());
    if version == LOCKED {
        put_number(&mut bytes, 40, length as u32);
    }
    bytes
}

fn master_context(vault: VaultId) -> Vec<u8> {
    [b"assent ring master v1".as_slice(), vault.as_bytes()].concat()
}

fn write_checksum(bytes: &mut [u8]) {
    let (body, sum) = bytes.split_at_mut(bytes.len() - 32);
    sum.copy_from_slice(&Sha256::digest(body));
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array(bytes, at))
}

fn put_number(bytes: &mut [u8], at: usize, n: u32) {
    bytes[at..at + 4].copy_from_slice(&n.to_be_bytes());
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::KeyRing;
    use super::*;
    use crate::durable::no_hook;
    use crate::id::SubjectId;
    use crate::seal::tests::Counter;

    const ADA: SubjectId = SubjectId::from_bytes([1; 16]);

    fn data_key(byte: u8) -> RingSecret {
        RingSecret::DataKey { key: Zeroizing::new([byte; 32]), wrapped: b"what the service knows it as".to_vec() }
    }

    /// A ring with Ada's key that is locked with a data key.
    fn locked(path: &Path) -> KeyRing {
        let master = Key::from_bytes(&[5; 32]);
        let mut ring = KeyRing::create(path, VaultId::from_bytes([9; 16]), &master, &[], &no_hook()).unwrap();
        ring.add(ADA, &Key::from_bytes(&[0xa1; 32])).unwrap();
        ring.rewrap(Some(&data_key(0xd1)), &mut Counter(0)).unwrap();
        ring
    }

    #[test]
    fn r41_a_locked_ring_works_as_one_in_the_clear() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring");
        let bob = SubjectId::from_bytes([2; 16]);
        let mut ring = locked(&path);
        assert_eq!(ring.get(ADA).unwrap().expose(), &[0xa1; 32], "without opening it again");
        ring.add(bob, &Key::from_bytes(&[0xb0; 32])).unwrap();
        ring.add_rotated(ADA, &Key::from_bytes(&[0xa2; 32])).unwrap();
        let open = |secrets: &[RingSecret]| KeyRing::open(&path, secrets, &no_hook());
        let mut ring = open(&[data_key(0xd2), data_key(0xd1)]).unwrap();
        assert_eq!((ring.keys_of(ADA).unwrap().len(), ring.master().expose()), (2, &[5; 32]));
        let mut read = Vec::new();
        ring.reader().unwrap().each([bob, ADA].into_iter(), &mut |i, key| read.push((i, key.expose()[0])));
        assert_eq!(read, [(1, 0xa1), (0, 0xb0)]);
        ring.complete_rotation(ADA, 2, 7).unwrap();
        ring.destroy(bob).unwrap();
        let bytes = fs::read(&path).unwrap();
        for key in [5, 0xa1, 0xa2, 0xb0, 0xd1] {
            assert!(bytes.windows(32).all(|w| w != [key; 32]), "{key:x} stands in the file");
        }
        let slots = &bytes[bytes.len() - 3 * SLOT_BYTES..];
        assert!(
            [0, 1]
                .map(|slot| &slots[slot * SLOT_BYTES + 32..slot * SLOT_BYTES + 96])
                .iter()
                .all(|left| left == &[0; 64])
        );
        let mut ring = open(&[data_key(0xd1)]).unwrap();
        assert_eq!(ring.get(ADA).unwrap().expose(), &[0xa2; 32]);
        assert!(matches!(ring.get(bob), Err(KeyRingError::Destroyed { .. })));
        ring.rewrap(None, &mut Counter(9)).unwrap();
        assert_eq!(open(&[]).unwrap().get(ADA).unwrap().expose(), &[0xa2; 32]);
        assert_eq!(RingLock::of(&path).unwrap(), RingLock::None);
    }

    /// The bytes for a given secret, randomness and keys: whoever changes them has to make another format.
    #[test]
    fn the_bytes_of_a_locked_ring_stay() {
        let passphrase = RingSecret::Passphrase(Zeroizing::new(b"a passphrase".to_vec()));
        for (secret, digest) in
            [(data_key(0xd1), "dfd7a0c300538ad3210af457c3d8e683"), (passphrase, "b503f70fa315ee8591a682a7cf0b32f2")]
        {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("ring");
            locked(&path).rewrap(Some(&secret), &mut Counter(0)).unwrap();
            let sum = Sha256::digest(fs::read(&path).unwrap());
            let first = u128::from_be_bytes(*sum.first_chunk().unwrap());
            assert_eq!(format!("{first:032x}"), digest, "{secret:?}");
            assert!(KeyRing::open(&path, &[secret], &no_hook()).unwrap().get(ADA).is_ok());
        }
    }

    #[test]
    fn r41_without_the_right_secret_a_ring_says_what_it_is_locked_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring");
        drop(locked(&path));
        let lock = RingLock::DataKey { wrapped: b"what the service knows it as".to_vec() };
        assert_eq!(RingLock::of(&path).unwrap(), lock);
        let refused = |secrets: &[RingSecret]| KeyRing::open(&path, secrets, &no_hook()).err().unwrap();
        let passphrase = RingSecret::Passphrase(Zeroizing::new(b"passphrase".to_vec()));
        let another = RingSecret::DataKey { key: Zeroizing::new([0xd1; 32]), wrapped: b"another".to_vec() };
        for secrets in [[].as_slice(), &[passphrase], &[another]] {
            assert!(matches!(refused(secrets), KeyRingError::Locked { lock: l, .. } if l == lock));
        }
        assert!(matches!(refused(&[data_key(0xd2)]), KeyRingError::WrongSecret { .. }));
    }

    #[test]
    fn r41_a_changed_lock_opens_with_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring");
        drop(locked(&path));
        let whole = fs::read(&path).unwrap();
        let length = whole.len() - SLOT_BYTES;
        for at in 0..length - 32 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
            assert!(KeyRing::open(&path, &[data_key(0xd1)], &no_hook()).is_err(), "byte {at}");
            // Somebody who changes it can make the checksum fit.
            write_checksum(&mut bytes[..length]);
            fs::write(&path, &bytes).unwrap();
            let opened = KeyRing::open(&path, &[data_key(0xd1)], &no_hook());
            assert!(opened.is_err() || at >= FIXED + 28, "byte {at}: the rest is not read");
        }
    }

    #[test]
    fn r41_a_sealed_key_does_not_open_at_another_subject() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring");
        let mut ring = locked(&path);
        let bob = SubjectId::from_bytes([2; 16]);
        ring.add(bob, &Key::from_bytes(&[0xb0; 32])).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let (ada, theirs) = (bytes.len() - 2 * SLOT_BYTES, bytes.len() - SLOT_BYTES);
        bytes.copy_within(ada + 24..ada + 96, theirs + 24);
        write_checksum(&mut bytes[theirs..]);
        fs::write(&path, &bytes).unwrap();
        let mut ring = KeyRing::open(&path, &[data_key(0xd1)], &no_hook()).unwrap();
        assert!(ring.get(ADA).is_ok());
        assert!(matches!(ring.get(bob), Err(KeyRingError::Damaged { slot: 1, .. })));
    }
}
