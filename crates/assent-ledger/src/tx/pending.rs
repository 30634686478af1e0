//! Enrolments that wait until both witnesses have signed (R4). Nothing biometric is stored for them: no template without a
//! grant in force, and no grant without the signatures.

use std::collections::BTreeSet;

use super::blobs::{BlobKind, NewFile, SealedFile};
use super::{Evidence, NewGrant, ReadTx, RingNote, Subject, Tx};
use crate::db::{Columns, Row, args};
use crate::error::TxError;
use crate::fields::{Reader, Writer};
use crate::id::{BlobId, CollectionId, GrantId, PendingId, SubjectId, Timestamp, WitnessId};
use crate::log::EventKind;
use crate::merkle::Hash;
use crate::seal::{self, SealContext};
use crate::secret::Key;
use crate::vocabulary::{Purpose, Signer};
use crate::witness::{PendingConsent, Signed, Statement, UnlockedWitness, WitnessSignature, sign_roster};

pub(super) const PENDING: &str = "pending_enrolments";

/// How the record of an enrolment begins whose files are in the vault, from format 10 on.
const SEALED_FILES: &[u8] = b"pending-2";

/// How many people one entry of the log names: far fewer than it has room for.
const PEOPLE_PER_LEAF: usize = 1000;

/// An enrolment, or a renewal, to be recorded until its witnesses have signed.
#[derive(Clone, Debug)]
pub struct NewPending<'a> {
    /// The subject who consents.
    pub subject: SubjectId,
    /// Everything that the form covers.
    pub consents: &'a [(CollectionId, Purpose)],
    /// The form: [`Evidence::Paper`], with nothing signed by witnesses yet.
    pub evidence: &'a Evidence,
    /// SHA-256 of the notice that the person was given.
    pub notice_sha256: [u8; 32],
    /// When the consents end.
    pub valid_until: Timestamp,
    /// SHA-256 of each picture that the person will be found by; none for a renewal.
    pub pictures: &'a [[u8; 32]],
    /// Whether the consents renew those in force.
    pub renewal: bool,
}

/// The files of an enrolment that is to wait.
#[derive(Clone, Copy, Debug)]
pub struct NewFiles<'a> {
    /// The pictures, in the order of [`NewPending::pictures`].
    pub pictures: &'a [NewFile<'a>],
    /// The signed form.
    pub release: NewFile<'a>,
}

/// The files of an enrolment that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitingFiles {
    /// They are in the vault.
    Sealed {
        /// What the person will be found by.
        pictures: Vec<SealedFile>,
        /// The signed form.
        release: SealedFile,
    },
    /// It was recorded before format 10: these are the paths of the pictures, and of the form the SHA-256 alone is known.
    Paths(Vec<String>),
}

impl WaitingFiles {
    /// The files that are in the vault: the pictures, then the form.
    pub fn sealed(&self) -> impl Iterator<Item = &SealedFile> {
        let (pictures, release) = match self {
            WaitingFiles::Sealed { pictures, release } => (pictures.as_slice(), Some(release)),
            WaitingFiles::Paths(_) => (&[][..], None),
        };
        pictures.iter().chain(release)
    }
}

/// An enrolment that waits for its witnesses, or was signed by both and is not complete.
#[derive(Clone, PartialEq, Eq)]
pub struct Pending {
    /// The pending enrolment's id, 16 random bytes.
    pub id: PendingId,
    /// The subject who consents.
    pub subject: SubjectId,
    /// SHA-256 of the file with the signed form.
    pub release_sha256: [u8; 32],
    /// Who signed it.
    pub signed_by: Signer,
    /// What the operator noted.
    pub statement: String,
    /// Who saw it signed.
    pub witnesses: Vec<WitnessId>,
    /// What the witnesses sign beyond that, and their signatures.
    pub signed: Signed,
    /// SHA-256 of the notice.
    pub notice_sha256: [u8; 32],
    /// When the consents end.
    pub valid_until: Timestamp,
    /// Its pictures and its form.
    pub files: WaitingFiles,
    /// When it was recorded.
    pub created: Timestamp,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Pending {
    /// Who has not signed yet.
    pub fn missing(&self) -> Vec<WitnessId> {
        let signed: BTreeSet<WitnessId> = self.signed.signatures.iter().map(|one| one.witness).collect();
        let named: BTreeSet<WitnessId> = self.witnesses.iter().copied().collect();
        named.difference(&signed).copied().collect()
    }

    /// The evidence that its consents will carry, with the signatures that there are.
    pub fn evidence(&self) -> Evidence {
        Evidence::Paper {
            release_sha256: self.release_sha256,
            witnesses: self.witnesses.clone(),
            signed_by: self.signed_by,
            statement: self.statement.clone(),
            signed: Some(self.signed.clone()),
        }
    }

    /// The hash of all that a witness vouches for.
    pub fn statement_hash(&self) -> Hash {
        let statement = Statement {
            subject: self.subject,
            release_sha256: self.release_sha256,
            signed_by: self.signed_by,
            note: &self.statement,
            witnesses: &self.witnesses,
            notice_sha256: self.notice_sha256,
            valid_until: self.valid_until,
            signed: &self.signed,
        };
        statement.hash()
    }
}

/// What a witness signed at once.
#[derive(Clone, Debug)]
pub struct Roster {
    /// The root of the statements' tree.
    pub root: Hash,
    /// The Ed25519 signature over the root, their number, the witness and the time.
    pub signature: [u8; 64],
    /// Each enrolment, with the hash of its statement, in the order of the tree.
    pub statements: Vec<(PendingId, Hash)>,
    /// Those of them that nobody's signature is missing from any more.
    pub complete: Vec<PendingId>,
}

impl ReadTx<'_> {
    /// One enrolment that waits.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoPending`] if there is none with this id.
    /// - [`TxError::KeyRing`], [`TxError::Seal`], [`TxError::Damaged`], [`TxError::Database`] as everywhere.
    pub fn pending(&self, id: PendingId) -> Result<Pending, TxError> {
        let sql = "SELECT id, subject_id, valid_until_ms, sealed, created_ms FROM pending_enrolments WHERE id = $1";
        let row = self.row(sql, args![id])?;
        self.read_pending(&row.ok_or(TxError::NoPending { pending: id })?)
    }

    /// Every enrolment that waits, oldest first, but those of people whose key is damaged or missing.
    ///
    /// # Errors
    ///
    /// As [`Self::pending`].
    pub fn all_pending(&self) -> Result<Vec<Pending>, TxError> {
        let sql =
            "SELECT id, subject_id, valid_until_ms, sealed, created_ms FROM pending_enrolments ORDER BY created_ms, id";
        let mut all = Vec::new();
        for row in self.rows(sql, args![])? {
            if self.whole_key(SubjectId::from_bytes(row.array(1)?))?.is_some() {
                all.push(self.read_pending(&row)?);
            }
        }
        Ok(all)
    }

    /// What of one person waits, oldest first.
    ///
    /// # Errors
    ///
    /// As [`Self::pending`].
    pub fn pending_of(&self, subject: SubjectId) -> Result<Vec<Pending>, TxError> {
        let sql = "SELECT id, subject_id, valid_until_ms, sealed, created_ms FROM pending_enrolments \
                   WHERE subject_id = $1 ORDER BY created_ms, id";
        self.rows(sql, args![subject])?.iter().map(|row| self.read_pending(row)).collect()
    }

    /// Refuses evidence that its witnesses did not sign as it is, where they have to, or somebody says that they did.
    pub(super) fn check_signatures(&self, new: &NewGrant<'_>, asked: bool) -> Result<(), TxError> {
        let Evidence::Paper { release_sha256, witnesses, signed_by, statement, signed } = new.evidence else {
            return Ok(());
        };
        let Some(signed) = signed else {
            let first = witnesses.first().filter(|_| asked);
            return first.map_or(Ok(()), |witness| Err(TxError::NotSigned { witness: *witness }));
        };
        if !signed.consents.iter().any(|c| c.collection == new.collection && c.purpose == *new.purpose) {
            return Err(TxError::OtherStatement);
        }
        let hash = Statement {
            subject: new.subject,
            release_sha256: *release_sha256,
            signed_by: *signed_by,
            note: statement,
            witnesses,
            notice_sha256: new.notice_sha256,
            valid_until: new.valid_until,
            signed,
        }
        .hash();
        for witness in witnesses.iter().copied() {
            let mut by_them = signed.signatures.iter().filter(|one| one.witness == witness);
            let signature = by_them.next().ok_or(TxError::NotSigned { witness })?;
            if by_them.next().is_some() {
                return Err(TxError::SignedTwice { witness });
            }
            if !signature.holds(&self.witness_key(witness)?.public(), hash) {
                return Err(TxError::WrongSignature { witness });
            }
        }
        Ok(())
    }

    fn read_pending(&self, row: &Row) -> Result<Pending, TxError> {
        let damaged = || TxError::Damaged { table: PENDING };
        let (id, subject) = (PendingId::from_bytes(row.array(0)?), SubjectId::from_bytes(row.array(1)?));
        let until = row.int(2)?;
        let plain = seal::open(&self.key(subject)?, &seal_context(subject, &id, until), &row.bytes(3)?)?;
        let mut fields = Reader::new(&plain);
        let first = fields.bytes().ok_or_else(damaged)?;
        let sealed = first == SEALED_FILES;
        let evidence = if sealed { fields.bytes() } else { Some(first) };
        let evidence = evidence.and_then(Evidence::decode).ok_or_else(damaged)?;
        let Evidence::Paper { release_sha256, witnesses, signed_by, statement, signed: Some(signed) } = evidence else {
            return Err(damaged());
        };
        let notice_sha256 = fields.array().ok_or_else(damaged)?;
        let files = if sealed {
            let mut file = |kind, sha256| read_file(&mut fields, kind, sha256).ok_or_else(damaged);
            let portraits = signed.pictures.iter().map(|sha256| file(BlobKind::Portrait, *sha256));
            let pictures = portraits.collect::<Result<_, _>>()?;
            WaitingFiles::Sealed { pictures, release: file(BlobKind::Release, release_sha256)? }
        } else {
            let path = |_: &[u8; 32]| Some(fields.text()?.to_owned());
            WaitingFiles::Paths(signed.pictures.iter().map(path).collect::<Option<_>>().ok_or_else(damaged)?)
        };
        Ok(Pending {
            id,
            subject,
            release_sha256,
            signed_by,
            statement,
            witnesses,
            signed,
            notice_sha256,
            valid_until: Timestamp(until),
            files,
            created: Timestamp(row.int(4)?),
        })
    }
}

impl Tx<'_> {
    /// Records an enrolment that waits for its witnesses, and keeps its files until it is complete or given up. Its form is
    /// used up by it.
    ///
    /// # Errors
    ///
    /// - As [`Tx::open_grant`] for each consent, but for the witnesses' signatures; [`TxError::NotActive`] if one is to be
    ///   renewed and not in force.
    /// - As [`Tx::enrol`] for a collection in which nobody may be looked for.
    /// - [`TxError::SelfStatement`] if the evidence is no form.
    /// - [`TxError::NoWitnessKey`] if a witness has nothing to sign with.
    /// - [`TxError::PendingExists`] if one of the consents waits already.
    /// - [`TxError::WaitingFileTooLarge`] if a file is longer than [`WAITING_FILE_BYTES_MAX`](super::WAITING_FILE_BYTES_MAX).
    /// - [`TxError::OtherFile`] if the form is not that of the evidence, or the pictures are not those of `new`.
    /// - As [`Self::note_portraits`].
    pub fn add_pending(&self, new: &NewPending<'_>, files: &NewFiles<'_>) -> Result<PendingId, TxError> {
        let Evidence::Paper { release_sha256, witnesses, signed_by, statement, .. } = new.evidence else {
            return Err(TxError::SelfStatement);
        };
        self.check_pending(&self.subject(new.subject)?, new)?;
        for witness in witnesses {
            self.witness_key(*witness)?;
        }
        let mut consents = Vec::with_capacity(new.consents.len());
        for (collection, purpose) in new.consents {
            let renews = if new.renewal {
                self.active_grant_for(new.subject, *collection, purpose)?.map(|proof| proof.grant)
            } else {
                None
            };
            let grant = GrantId::random(&mut **self.rng());
            consents.push(PendingConsent { grant, collection: *collection, purpose: purpose.clone(), renews });
        }
        let release = self.place_file(BlobKind::Release, &files.release)?;
        let portraits = files.pictures.iter().map(|file| self.place_file(BlobKind::Portrait, file));
        let pictures = portraits.collect::<Result<Vec<_>, _>>()?;
        if release.sha256 != *release_sha256 || !pictures.iter().map(|file| &file.sha256).eq(new.pictures) {
            return Err(TxError::OtherFile);
        }
        self.note_portraits(new.subject, new.pictures.iter())?;
        self.use_release(release_sha256, new.subject)?;
        let id = PendingId::random(&mut **self.rng());
        let pending = Pending {
            id,
            subject: new.subject,
            release_sha256: *release_sha256,
            signed_by: *signed_by,
            statement: statement.clone(),
            witnesses: witnesses.clone(),
            signed: Signed { pending: id, consents, pictures: new.pictures.to_vec(), signatures: Vec::new() },
            notice_sha256: new.notice_sha256,
            valid_until: new.valid_until,
            files: WaitingFiles::Sealed { pictures, release },
            created: self.now,
        };
        let key = self.key(new.subject)?;
        let sealed = self.seal_pending(&key, &pending)?;
        self.exec(
            "INSERT INTO pending_enrolments (id, subject_id, valid_until_ms, sealed, created_ms) VALUES ($1, $2, $3, $4, $5)",
            args![id, new.subject, new.valid_until, sealed, self.now],
        )?;
        let bytes = files.pictures.iter().chain([&files.release]);
        for (file, new) in pending.files.sealed().zip(bytes) {
            self.add_blob(&key, (pending.subject, id), file, new.bytes)?;
        }
        self.pending_leaf(EventKind::Pending, &pending)?;
        Ok(id)
    }

    /// Whether [`Self::add_pending`] would record this for a person as `subject` describes them, who may not be on the
    /// roster yet. Nothing is changed.
    ///
    /// # Errors
    ///
    /// As [`Self::add_pending`].
    pub fn check_pending(&self, subject: &Subject, new: &NewPending<'_>) -> Result<(), TxError> {
        let Evidence::Paper { release_sha256, witnesses, .. } = new.evidence else {
            return Err(TxError::SelfStatement);
        };
        let waiting = self.pending_of(new.subject)?;
        for (collection, purpose) in new.consents {
            if let Some(twin) = waiting.iter().find(|p| p.covers(*collection, purpose)) {
                return Err(TxError::PendingExists { pending: twin.id });
            }
            let grant = new.grant(*collection, purpose, self.now);
            self.admit(subject, &grant)?;
            if purpose.is_find() && !new.renewal {
                // Templates could not be stored when it is complete: it is better to know now.
                self.matched_collection(*collection)?;
            }
            match (new.renewal, self.has_active(&grant)?) {
                (false, true) => return Err(TxError::GrantExists),
                (true, _) if self.active_grant_for(new.subject, *collection, purpose)?.is_none() => {
                    return Err(TxError::NothingToRenew);
                }
                _ => {}
            }
        }
        let collections: Vec<CollectionId> = new.consents.iter().map(|(collection, _)| *collection).collect();
        if self.witnesses_sign(subject, &collections)? {
            for witness in witnesses {
                self.witness_key(*witness)?;
            }
        }
        self.check_portraits(new.subject, new.pictures.iter())?;
        self.check_release_unused(release_sha256)
    }

    /// Makes one signature of a witness over these enrolments, all at once.
    ///
    /// # Errors
    ///
    /// - [`TxError::NothingToSign`] if there are none.
    /// - [`TxError::NoPending`] if one does not wait, [`TxError::OtherWitness`] if it names others.
    /// - [`TxError::SignedTwice`] if the witness signed one of them before, or it is named twice.
    /// - [`TxError::NoWitness`], [`TxError::NoWitnessKey`] if the witness, or their key, is not there any more, and
    ///   [`TxError::WrongSignature`] if it is another.
    /// - As [`crate::ReadTx::pending`].
    pub fn sign_roster(&self, by: &UnlockedWitness, these: &[PendingId]) -> Result<Roster, TxError> {
        let UnlockedWitness { witness, ref key } = *by;
        let mut all: Vec<Pending> = these.iter().map(|id| self.pending(*id)).collect::<Result<_, _>>()?;
        let mut seen = BTreeSet::new();
        for pending in &all {
            if !pending.witnesses.contains(&witness) {
                return Err(TxError::OtherWitness { pending: pending.id, witness });
            }
            if !pending.missing().contains(&witness) || !seen.insert(pending.id) {
                return Err(TxError::SignedTwice { witness });
            }
        }
        if self.witness_key(witness)?.public() != key.verifying_key().to_bytes() {
            return Err(TxError::WrongSignature { witness });
        }
        let hashes: Vec<Hash> = all.iter().map(Pending::statement_hash).collect();
        let signatures = sign_roster(witness, key, self.now, &hashes);
        let Some(WitnessSignature { root, signature, .. }) = signatures.first().cloned() else {
            return Err(TxError::NothingToSign { witness });
        };
        for (pending, one) in all.iter_mut().zip(signatures) {
            pending.signed.signatures.push(one);
            let sealed = self.seal_pending(&self.key(pending.subject)?, pending)?;
            self.exec("UPDATE pending_enrolments SET sealed = $1 WHERE id = $2", args![sealed, pending.id])?;
        }
        let public = Writer::new().bytes(witness.as_bytes()).bytes(&root).int(all.len() as i64).finish();
        for part in all.chunks(PEOPLE_PER_LEAF) {
            let details: Vec<_> = part.iter().map(|pending| (pending.subject, pending.detail())).collect();
            let concerned: Vec<(SubjectId, &[u8])> =
                details.iter().map(|(who, said)| (*who, said.as_slice())).collect();
            self.append_leaf(EventKind::Signed, &public, &concerned)?;
        }
        let complete = all.iter().filter(|pending| pending.missing().is_empty()).map(|pending| pending.id).collect();
        let statements = all.iter().map(|pending| pending.id).zip(hashes).collect();
        Ok(Roster { root, signature, statements, complete })
    }

    /// Records the consents of an enrolment that all its witnesses signed, on evidence that carries their signatures. It
    /// waits no more.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoPending`] if it does not wait.
    /// - As [`Tx::open_grant`] and [`Tx::renew`]; [`TxError::NotSigned`] if a signature is missing.
    pub fn open_pending(&self, id: PendingId) -> Result<Vec<GrantId>, TxError> {
        let pending = self.pending(id)?;
        // Its form was used up when it was recorded, by itself.
        self.releases.borrow_mut().insert(self.release_tag(&pending.release_sha256), pending.subject);
        self.delete_blobs(id)?;
        self.exec("DELETE FROM pending_enrolments WHERE id = $1", args![id])?;
        let evidence = pending.evidence();
        let open = |consent: &PendingConsent| {
            let new = NewGrant {
                subject: pending.subject,
                collection: consent.collection,
                purpose: &consent.purpose,
                evidence: &evidence,
                valid_from: self.now,
                valid_until: pending.valid_until,
                notice_sha256: pending.notice_sha256,
            };
            match consent.renews {
                Some(old) => self.renew_as(consent.grant, self.active_grant(old)?, &new),
                None => self.record_grant(&new, consent.grant, None),
            }
        };
        pending.signed.consents.iter().map(open).collect()
    }

    /// Gives up an enrolment that waits, because the person changed their mind or it is past its end. An old backup does not
    /// bring it back.
    ///
    /// # Errors
    ///
    /// [`TxError::NoPending`] if it does not wait; as [`crate::ReadTx::pending`].
    pub fn discard_pending(&self, id: PendingId) -> Result<(), TxError> {
        let row = self.row("SELECT subject_id FROM pending_enrolments WHERE id = $1", args![id])?;
        let subject = SubjectId::from_bytes(row.ok_or(TxError::NoPending { pending: id })?.array(0)?);
        // With a damaged key nobody can read what would have become of it; no old copy of it opens either.
        let pending = self.salvaged_key(subject)?.map(|_| self.pending(id)).transpose()?;
        self.delete_blobs(id)?;
        self.exec("DELETE FROM pending_enrolments WHERE id = $1", args![id])?;
        self.leave_traces()?;
        let plain = || Writer::new().bytes(subject.as_bytes()).bytes(id.as_bytes()).finish().to_vec();
        let detail = pending.as_ref().map_or_else(plain, Pending::detail);
        self.append_leaf(EventKind::Discarded, &[], &[(subject, &detail)])?;
        let consents = pending.iter().flat_map(|pending| &pending.signed.consents);
        consents.for_each(|consent| self.touch(RingNote::Withdrawal(consent.grant)));
        Ok(())
    }

    /// Gives up what would be past its end before it began.
    pub(super) fn discard_overdue(&self) -> Result<(), TxError> {
        let sql = "SELECT id FROM pending_enrolments WHERE valid_until_ms <= $1 ORDER BY valid_until_ms, id";
        for row in self.rows(sql, args![self.now])? {
            self.discard_pending(PendingId::from_bytes(row.array(0)?))?;
        }
        Ok(())
    }

    fn seal_pending(&self, key: &Key, pending: &Pending) -> Result<Vec<u8>, TxError> {
        let evidence = pending.evidence().encode();
        let said = |w: Writer| w.bytes(&evidence).bytes(&pending.notice_sha256);
        let plain = match &pending.files {
            WaitingFiles::Paths(paths) => paths.iter().fold(said(Writer::new()), |w, path| w.text(path)),
            files @ WaitingFiles::Sealed { .. } => {
                files.sealed().fold(said(Writer::new().bytes(SEALED_FILES)), |w, file| {
                    w.text(&file.name).bytes(file.id.as_bytes()).int(file.bytes as i64)
                })
            }
        };
        let plain = plain.finish();
        self.seal_with(key, &seal_context(pending.subject, &pending.id, pending.valid_until.0), &plain)
    }

    fn pending_leaf(&self, kind: EventKind, pending: &Pending) -> Result<super::LeafPosition, TxError> {
        self.append_leaf(kind, &[], &[(pending.subject, &pending.detail())])
    }
}

impl Pending {
    /// Whether one of its consents is for this collection and purpose.
    pub fn covers(&self, collection: CollectionId, purpose: &Purpose) -> bool {
        self.signed.consents.iter().any(|c| c.collection == collection && c.purpose == *purpose)
    }

    /// What an entry of the log says to the person alone.
    fn detail(&self) -> Vec<u8> {
        let start = Writer::new().bytes(self.subject.as_bytes()).bytes(self.id.as_bytes());
        start.bytes(&self.statement_hash()).finish().to_vec()
    }
}

impl<'a> NewPending<'a> {
    /// One of its consents.
    fn grant(&self, collection: CollectionId, purpose: &'a Purpose, valid_from: Timestamp) -> NewGrant<'a> {
        let NewPending { subject, evidence, notice_sha256, valid_until, .. } = *self;
        NewGrant { subject, collection, purpose, evidence, valid_from, valid_until, notice_sha256 }
    }
}

/// A file of the record, whose hash stands in what the witnesses sign.
fn read_file(fields: &mut Reader<'_>, kind: BlobKind, sha256: [u8; 32]) -> Option<SealedFile> {
    let name = fields.text()?.to_owned();
    let id = BlobId::from_bytes(fields.array()?);
    Some(SealedFile { id, kind, name, bytes: u64::try_from(fields.int()?).ok()?, sha256 })
}

/// A record belongs to the end that stands beside it, in the place of an epoch: that is not changed without the key.
pub(super) fn seal_context(subject: SubjectId, id: &PendingId, until: i64) -> SealContext<'_> {
    SealContext {
        table: PENDING,
        subject: Some(subject),
        epoch: Some(until),
        row: Some(id.as_bytes()),
        ..SealContext::default()
    }
}
