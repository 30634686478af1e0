//! Sealing: every record that must be forgettable is encrypted to the place where it stands.
//!
//! ```text
//! sealed = version 1 (1 byte) | nonce (24 bytes) | XChaCha20-Poly1305(key, nonce, plain, aad = context)
//! ```
//!
//! The key is `HMAC-SHA256(owner's key, "assent seal v1")`. The nonce is random: 192 bits make a repetition under one
//! key negligible. The context (table, subject, purpose, row and so on) is the associated data (AAD): it is authenticated
//! and not stored, so that a record moved to another row, subject, collection, purpose, grant, model or epoch does not open.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::cipher::{self, NONCE_BYTES};
use crate::fields::Writer;
use crate::id::{CollectionId, GrantId, SubjectId};
use crate::secret::Key;
use crate::vocabulary::Purpose;

const VERSION: u8 = 1;

/// The associated data (AAD) of a sealed record: where it stands. Fields that do not apply are absent, which differs from empty.
#[derive(Clone, Default)]
pub(crate) struct SealContext<'a> {
    pub(crate) table: &'static str,
    pub(crate) subject: Option<SubjectId>,
    pub(crate) collection: Option<CollectionId>,
    pub(crate) purpose: Option<&'a Purpose>,
    pub(crate) grant: Option<GrantId>,
    pub(crate) model: Option<[u8; 32]>,
    pub(crate) epoch: Option<i64>,
    /// The row's own key within the table, where the fields above leave more than one row.
    pub(crate) row: Option<&'a [u8]>,
}

impl SealContext<'_> {
    fn encode(&self) -> Vec<u8> {
        let epoch = self.epoch.map(i64::to_be_bytes);
        Writer::new()
            .bytes(&[VERSION])
            .text(self.table)
            .opt(self.subject.as_ref().map(|id| id.as_bytes().as_slice()))
            .opt(self.collection.as_ref().map(|id| id.as_bytes().as_slice()))
            .opt(self.purpose.map(|p| p.as_str().as_bytes()))
            .opt(self.grant.as_ref().map(|id| id.as_bytes().as_slice()))
            .opt(self.model.as_ref().map(<[u8; 32]>::as_slice))
            .opt(epoch.as_ref().map(<[u8; 8]>::as_slice))
            .opt(self.row)
            .finish_public()
    }
}

/// A sealed record did not open.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SealError {
    /// The record was written by a later version.
    #[error("a record of {table} has the sealed form {version}, which this version cannot read; use a newer assent")]
    Newer {
        /// The name of the database table.
        table: &'static str,
        /// The form's number.
        version: u8,
    },
    /// Changed, cut, moved to another row, or sealed under a key that is gone.
    #[error(
        "a record of {table} does not open: it was changed or moved, or its key is not this one; restore it from a backup"
    )]
    DoesNotOpen {
        /// The name of the database table.
        table: &'static str,
    },
}

/// The key of the cipher, from an owner's key. Whoever opens many records of one owner derives it once.
pub(crate) struct SealKey(Key);

impl SealKey {
    pub(crate) fn of(owner: &Key) -> Self {
        Self(owner.derive("assent seal v1", &[]))
    }
}

/// `seal[key](plain)` to its place.
///
/// # Errors
///
/// [`SealError::DoesNotOpen`] if the cipher refuses the length (256 GiB and more).
pub(crate) fn seal(
    key: &Key,
    context: &SealContext<'_>,
    plain: &[u8],
    rng: &mut dyn CryptoRng,
) -> Result<Vec<u8>, SealError> {
    let mut nonce = [0; NONCE_BYTES];
    rng.fill_bytes(&mut nonce);
    let mut out = Vec::with_capacity(1 + NONCE_BYTES + plain.len() + cipher::TAG_BYTES);
    out.push(VERSION);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(plain);
    let body = &mut out[1 + NONCE_BYTES..];
    let tag = cipher::encrypt(SealKey::of(key).0.expose(), &nonce, &context.encode(), body)
        .ok_or(SealError::DoesNotOpen { table: context.table })?;
    out.extend_from_slice(&tag);
    Ok(out)
}

/// Opens what [`seal`] made for the same place.
///
/// # Errors
///
/// - [`SealError::Newer`] if the first byte is a later form's.
/// - [`SealError::DoesNotOpen`] in every other case; which one cannot be told.
pub(crate) fn open(key: &Key, context: &SealContext<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let mut plain = Zeroizing::new(Vec::with_capacity(sealed.len()));
    open_into(&SealKey::of(key), context, sealed, &mut plain)?;
    Ok(plain)
}

/// The same into `plain`, whose memory is used again: it is wiped when it is dropped. After an error it holds nothing of
/// use.
///
/// # Errors
///
/// As [`open`].
pub(crate) fn open_into(
    key: &SealKey,
    context: &SealContext<'_>,
    sealed: &[u8],
    plain: &mut Zeroizing<Vec<u8>>,
) -> Result<(), SealError> {
    let table = context.table;
    let (&version, rest) = sealed.split_first().ok_or(SealError::DoesNotOpen { table })?;
    if version > VERSION {
        return Err(SealError::Newer { table, version });
    }
    let (nonce, body) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::DoesNotOpen { table })?;
    let aad = context.encode();
    // Grown at once, so that no copy stays behind in memory that was given back.
    if plain.capacity() < body.len() {
        *plain = Zeroizing::new(Vec::with_capacity(body.len()));
    }
    plain.clear();
    plain.extend_from_slice(body);
    let length = cipher::decrypt(key.0.expose(), nonce, &aad, plain).ok_or(SealError::DoesNotOpen { table })?;
    plain.truncate(length);
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Counts up: enough where only the place or the form is in question.
    pub(crate) struct Counter(pub(crate) u8);

    impl rand_core::TryRng for Counter {
        type Error = rand_core::Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            Ok(7)
        }

        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            Ok(7)
        }

        fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
            self.0 += 1;
            out.fill(self.0);
            Ok(())
        }
    }

    impl rand_core::TryCryptoRng for Counter {}

    #[test]
    fn i5_a_record_opens_at_its_place_and_nowhere_else() {
        let (find, print) = (Purpose::find_my_photos(), Purpose::publish_print());
        let here = SealContext {
            table: "templates",
            subject: Some(SubjectId::from_bytes([1; 16])),
            collection: Some(CollectionId::from_bytes([2; 16])),
            purpose: Some(&find),
            grant: Some(GrantId::from_bytes([3; 16])),
            model: Some([4; 32]),
            epoch: Some(5),
            row: Some(b"6"),
        };
        let key = Key::from_bytes(&[7; 32]);
        let sealed = seal(&key, &here, b"plain", &mut Counter(0)).unwrap();
        assert_eq!(open(&key, &here, &sealed).unwrap().as_slice(), b"plain");
        let others = [
            ("table", SealContext { table: "grants", ..here.clone() }),
            ("subject", SealContext { subject: Some(SubjectId::from_bytes([9; 16])), ..here.clone() }),
            ("no subject", SealContext { subject: None, ..here.clone() }),
            ("collection", SealContext { collection: Some(CollectionId::from_bytes([9; 16])), ..here.clone() }),
            ("purpose", SealContext { purpose: Some(&print), ..here.clone() }),
            ("grant", SealContext { grant: Some(GrantId::from_bytes([9; 16])), ..here.clone() }),
            ("model", SealContext { model: Some([9; 32]), ..here.clone() }),
            ("epoch", SealContext { epoch: Some(9), ..here.clone() }),
            ("row", SealContext { row: Some(b"9"), ..here.clone() }),
            ("empty row", SealContext { row: Some(b""), ..here.clone() }),
        ];
        for (name, context) in others {
            assert!(open(&key, &context, &sealed).is_err(), "{name}");
        }
    }

    #[test]
    fn i5_a_changed_record_does_not_open_and_a_later_form_says_so() {
        let here = SealContext { table: "templates", ..SealContext::default() };
        let key = Key::from_bytes(&[7; 32]);
        let sealed = seal(&key, &here, b"plain", &mut Counter(0)).unwrap();
        let refused = SealError::DoesNotOpen { table: "templates" };
        assert_eq!(open(&Key::from_bytes(&[8; 32]), &here, &sealed).err(), Some(refused));
        for at in 1..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(&key, &here, &changed).is_err(), "byte {at}");
            assert!(open(&key, &here, &sealed[..at]).is_err(), "cut at {at}");
        }
        let mut newer = sealed.clone();
        newer[0] = 2;
        assert_eq!(open(&key, &here, &newer).err(), Some(SealError::Newer { table: "templates", version: 2 }));
    }
}
