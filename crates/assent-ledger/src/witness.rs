//! What witnesses sign, and with what: a key of their own under a passphrase of their own, and one signature over all the
//! enrolments that wait for them (R4).
//!
//! ```text
//! statement (one enrolment) --RFC 6962--> leaf --+
//! statement                 -----------> leaf --+--> root --Ed25519--> one signature by each witness
//! ```
//!
//! An enrolment keeps its own path to the root with the signature, so that it is checked without the others. The bytes are
//! described in `docs/formats/vault.md`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::error::TxError;
use crate::fields::{Reader, Writer};
use crate::id::{CollectionId, GrantId, PendingId, SubjectId, Timestamp, WitnessId};
use crate::ledger::Ledger;
use crate::merkle::{Hash, leaf_hash, node_hash};
use crate::passphrase::{ARGON2_PARAMS, SALT_BYTES, derive_key, params_within_limits};
use crate::proof::{includes, inclusion, root};
use crate::seal::{self, SealContext, SealError};
use crate::secret::Key;
use crate::vocabulary::{Purpose, Signer as FormSigner};

/// A witness's pair of keys, the private one sealed under their passphrase.
pub(crate) struct WitnessKey {
    public: [u8; 32],
    argon2: [u32; 3],
    salt: [u8; SALT_BYTES],
    sealed: Vec<u8>,
}

/// A passphrase that a witness chose, stretched: what their private key will be sealed with. Made by
/// [`crate::Ledger::new_witness_key`].
pub struct NewWitnessKey {
    key: Key,
    argon2: [u32; 3],
    salt: [u8; SALT_BYTES],
}

impl fmt::Debug for NewWitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewWitnessKey { .. }")
    }
}

/// A witness whose passphrase opened their private key. Made by [`crate::Ledger::unlock_witness`].
pub struct UnlockedWitness {
    pub(crate) witness: WitnessId,
    pub(crate) key: SigningKey,
}

impl fmt::Debug for UnlockedWitness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnlockedWitness").field("witness", &self.witness).finish_non_exhaustive()
    }
}

// To stretch a passphrase takes a tenth of a second and 64 MiB. No transaction waits for it.
impl Ledger {
    /// Stretches a passphrase that a witness chose.
    ///
    /// # Errors
    ///
    /// [`TxError::NoMemoryForKey`] if the machine has not the memory that it takes.
    pub fn new_witness_key(&self, passphrase: &[u8]) -> Result<NewWitnessKey, TxError> {
        let mut salt = [0; SALT_BYTES];
        self.rng().fill_bytes(&mut salt);
        let key = derive_key(passphrase, &salt, ARGON2_PARAMS).ok_or(TxError::NoMemoryForKey)?;
        Ok(NewWitnessKey { key, argon2: ARGON2_PARAMS, salt })
    }

    /// Opens the private key of a witness.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoWitness`], [`TxError::NoWitnessKey`] if there is nobody or nothing to sign with.
    /// - [`TxError::WitnessPassphrase`] if the passphrase does not open it.
    /// - As [`crate::ReadTx::witnesses`].
    pub fn unlock_witness(
        &self,
        witness: WitnessId,
        passphrase: &[u8],
        now: Timestamp,
    ) -> Result<UnlockedWitness, TxError> {
        let locked = self.read_tx(now, |tx| tx.witness_key(witness))?;
        let key = locked.unlock(witness, passphrase).ok_or(TxError::WitnessPassphrase { witness })?;
        Ok(UnlockedWitness { witness, key })
    }
}

impl WitnessKey {
    /// A new pair.
    pub(crate) fn new(witness: WitnessId, with: &NewWitnessKey, rng: &mut dyn CryptoRng) -> Result<Self, SealError> {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut_slice());
        let public = SigningKey::from_bytes(&seed).verifying_key().to_bytes();
        let sealed = seal::seal(&with.key, &seal_context(&witness), seed.as_slice(), rng)?;
        Ok(Self { public, argon2: with.argon2, salt: with.salt, sealed })
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        self.public
    }

    /// The private key; `None` if this is not the passphrase.
    pub(crate) fn unlock(&self, witness: WitnessId, passphrase: &[u8]) -> Option<SigningKey> {
        let seed = seal::open(&derive_key(passphrase, &self.salt, self.argon2)?, &seal_context(&witness), &self.sealed)
            .ok()?;
        let key = SigningKey::from_bytes(seed.first_chunk()?);
        (key.verifying_key().to_bytes() == self.public).then_some(key)
    }

    pub(crate) fn write(&self, to: Writer) -> Writer {
        let argon2 = self.argon2.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<u8>>();
        to.bytes(&self.public).bytes(&argon2).bytes(&self.salt).bytes(&self.sealed)
    }

    /// The rest of a witness's record. A record of a format before 5, or of a witness without a key, ends here.
    #[expect(clippy::option_option, reason = "no key, and none that can be read, are two things")]
    pub(crate) fn read(fields: &mut Reader<'_>) -> Option<Option<Self>> {
        if fields.at_end() {
            return Some(None);
        }
        let (public, argon2, salt) = (fields.array()?, fields.array::<12>()?, fields.array()?);
        let mut settings = [0; 3];
        argon2.as_chunks::<4>().0.iter().zip(&mut settings).for_each(|(n, to)| *to = u32::from_be_bytes(*n));
        let key = Self { public, argon2: settings, salt, sealed: fields.bytes()?.to_vec() };
        params_within_limits(settings).then_some(Some(key))
    }
}

fn seal_context(witness: &WitnessId) -> SealContext<'_> {
    SealContext { table: "witness keys", row: Some(witness.as_bytes()), ..SealContext::default() }
}

/// A consent that waits for its witnesses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingConsent {
    /// The id that it will have.
    pub grant: GrantId,
    /// The collection that the consent is for.
    pub collection: CollectionId,
    /// The purpose that the consent is for.
    pub purpose: Purpose,
    /// Which consent it renews, if it does.
    pub renews: Option<GrantId>,
}

/// What a witness put under a roster, and the way from one of its statements to it.
#[derive(Clone, PartialEq, Eq)]
pub struct WitnessSignature {
    /// The id of the witness who signed.
    pub witness: WitnessId,
    /// The time at which the witness signed.
    pub signed: Timestamp,
    /// The place of the statement among those that were signed together, from 0.
    pub place: u64,
    /// How many those were.
    pub of: u64,
    /// The root of their tree.
    pub root: Hash,
    /// The hashes from the statement to the root.
    pub path: Vec<Hash>,
    /// The Ed25519 signature.
    pub signature: [u8; 64],
}

impl std::fmt::Debug for WitnessSignature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WitnessSignature").field("witness", &self.witness).finish_non_exhaustive()
    }
}

impl WitnessSignature {
    /// Whether the owner of `public` signed a roster with this statement in it.
    pub(crate) fn holds(&self, public: &[u8; 32], statement: Hash) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(public) else { return false };
        let said = message(self.witness, self.signed, self.of, &self.root);
        includes(statement, self.place, self.of, &self.path, &self.root)
            && key.verify_strict(&said, &Signature::from_bytes(&self.signature)).is_ok()
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let start = Writer::new().bytes(self.witness.as_bytes()).int(self.signed.0).int(self.place as i64);
        start.int(self.of as i64).bytes(&self.root).bytes(self.path.as_flattened()).bytes(&self.signature).finish()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(bytes);
        Some(Self {
            witness: WitnessId::from_bytes(fields.array()?),
            signed: Timestamp(fields.int()?),
            place: u64::from_be_bytes(fields.array()?),
            of: u64::from_be_bytes(fields.array()?),
            root: fields.array()?,
            path: chunks(fields.bytes()?)?,
            signature: fields.array()?,
        })
    }
}

/// What of an enrolment the witnesses sign, beyond what stands on the form and in the consent, and their signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The id of the enrolment that waits.
    pub pending: PendingId,
    /// All consents that the form covers.
    pub consents: Vec<PendingConsent>,
    /// SHA-256 of each picture.
    pub pictures: Vec<[u8; 32]>,
    /// Who signed, in the order in which they did.
    pub signatures: Vec<WitnessSignature>,
}

impl Signed {
    pub(crate) fn write(&self, to: Writer) -> Writer {
        let to = to.bytes(self.pending.as_bytes()).bytes(&consents(&self.consents));
        self.signatures.iter().fold(to.bytes(self.pictures.as_flattened()), |w, one| w.bytes(&one.encode()))
    }

    pub(crate) fn read(fields: &mut Reader<'_>) -> Option<Self> {
        let pending = PendingId::from_bytes(fields.array()?);
        let mut list = Reader::new(fields.bytes()?);
        let mut consents = Vec::new();
        while !list.at_end() {
            consents.push(PendingConsent {
                grant: GrantId::from_bytes(list.array()?),
                collection: CollectionId::from_bytes(list.array()?),
                purpose: Purpose::new(list.text()?).ok()?,
                renews: list.opt()?.map(<[u8; 16]>::try_from).transpose().ok()?.map(GrantId::from_bytes),
            });
        }
        let pictures = chunks(fields.bytes()?)?;
        let mut signatures = Vec::new();
        while !fields.at_end() {
            signatures.push(WitnessSignature::decode(fields.bytes()?)?);
        }
        Some(Self { pending, consents, pictures, signatures })
    }
}

/// Everything that a witness vouches for in one enrolment.
pub(crate) struct Statement<'a> {
    pub(crate) subject: SubjectId,
    pub(crate) release_sha256: [u8; 32],
    pub(crate) signed_by: FormSigner,
    pub(crate) note: &'a str,
    pub(crate) witnesses: &'a [WitnessId],
    pub(crate) notice_sha256: [u8; 32],
    pub(crate) valid_until: Timestamp,
    pub(crate) signed: &'a Signed,
}

impl Statement<'_> {
    /// The leaf of the roster's tree.
    pub(crate) fn hash(&self) -> Hash {
        let witnesses: Vec<u8> = self.witnesses.iter().flat_map(|id| *id.as_bytes()).collect();
        let start = Writer::new().text("assent enrolment statement v1").bytes(self.signed.pending.as_bytes());
        let start = start.bytes(self.subject.as_bytes()).bytes(&self.release_sha256).text(self.signed_by.as_str());
        let start = start.text(self.note).bytes(&witnesses).bytes(&self.notice_sha256).int(self.valid_until.0);
        let all = start.bytes(&consents(&self.signed.consents)).bytes(self.signed.pictures.as_flattened());
        leaf_hash(&all.finish())
    }
}

/// One signature over all these statements, and for each of them the way to it; nothing for none.
pub(crate) fn sign_roster(
    witness: WitnessId,
    key: &SigningKey,
    now: Timestamp,
    statements: &[Hash],
) -> Vec<WitnessSignature> {
    if statements.is_empty() {
        return Vec::new();
    }
    let of = statements.len() as u64;
    let mut known = BTreeMap::new();
    let mut subtree = |level, number| Ok::<_, Infallible>(subtree(statements, &mut known, level, number));
    let Ok(root) = root(of, &mut subtree);
    let signature = key.sign(&message(witness, now, of, &root)).to_bytes();
    let one = |place| {
        let Ok(path) = inclusion(place, of, &mut subtree);
        WitnessSignature { witness, signed: now, place, of, root, path, signature }
    };
    (0..of).map(one).collect()
}

/// The hash of the complete subtree of `2^level` leaves; each is made once.
fn subtree(leaves: &[Hash], known: &mut BTreeMap<(u32, u64), Hash>, level: u32, number: u64) -> Hash {
    if level == 0 {
        return leaves[number as usize];
    }
    if let Some(hash) = known.get(&(level, number)) {
        return *hash;
    }
    let [left, right] = [2 * number, 2 * number + 1].map(|below| subtree(leaves, known, level - 1, below));
    *known.entry((level, number)).or_insert(node_hash(&left, &right))
}

fn message(witness: WitnessId, signed: Timestamp, of: u64, root: &Hash) -> Zeroizing<Vec<u8>> {
    let start = Writer::new().text("assent witness roster v1").bytes(witness.as_bytes());
    start.int(signed.0).int(of as i64).bytes(root).finish()
}

fn consents(all: &[PendingConsent]) -> Zeroizing<Vec<u8>> {
    let one = |w: Writer, c: &PendingConsent| {
        let renews = c.renews.as_ref().map(|id| id.as_bytes().as_slice());
        w.bytes(c.grant.as_bytes()).bytes(c.collection.as_bytes()).text(c.purpose.as_str()).opt(renews)
    };
    all.iter().fold(Writer::new(), one).finish()
}

/// Hashes that stand one after the other.
fn chunks(bytes: &[u8]) -> Option<Vec<[u8; 32]>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    rest.is_empty().then(|| hashes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn signed(statements: u8) -> (SigningKey, Vec<Hash>, Vec<WitnessSignature>) {
        let key = SigningKey::from_bytes(&[7; 32]);
        let leaves: Vec<Hash> = (0..statements).map(|n| leaf_hash(&[n])).collect();
        let all = sign_roster(WitnessId::from_bytes([1; 16]), &key, Timestamp(5), &leaves);
        (key, leaves, all)
    }

    #[test]
    fn r4_one_signature_holds_for_each_statement_of_the_roster_and_for_no_other() {
        for statements in 0..12 {
            let (key, leaves, all) = signed(statements);
            let public = key.verifying_key().to_bytes();
            for (i, one) in all.iter().enumerate() {
                assert_eq!(one.signature, all[0].signature, "one for all");
                assert_eq!(WitnessSignature::decode(&one.encode()).as_ref(), Some(one));
                for (j, leaf) in leaves.iter().enumerate() {
                    assert_eq!(one.holds(&public, *leaf), i == j, "{i} and {j} of {statements}");
                }
                assert!(!one.holds(&SigningKey::from_bytes(&[8; 32]).verifying_key().to_bytes(), leaves[i]));
            }
        }
    }

    proptest! {
        #[test]
        fn r4_a_signature_with_a_changed_byte_holds_for_nothing(
            of in 1u8..20, at in any::<prop::sample::Index>(), byte in any::<prop::sample::Index>(), bit in 0u8..8
        ) {
            let (key, leaves, all) = signed(of);
            let place = at.index(all.len());
            let mut bytes = all[place].encode().to_vec();
            let flipped = byte.index(bytes.len());
            bytes[flipped] ^= 1 << bit;
            let public = key.verifying_key().to_bytes();
            if let Some(changed) = WitnessSignature::decode(&bytes) {
                prop_assert!(!changed.holds(&public, leaves[place]));
            }
        }
    }
}
