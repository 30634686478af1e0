//! Everything that the vault holds about one person, for their own eyes.
//!
//! This is the one place that reads a person's records without a grant in force: what is held about somebody is theirs to
//! know whatever they agreed to (I4's exception).

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::blobs::BLOBS;
use super::decisions::DECISIONS;
use super::pending::PENDING;
use super::photos::{path_context, read_box};
use super::portraits::{PORTRAITS, USED_PORTRAITS};
use super::sightings::{HeldUnder, SIGHTINGS, face_row};
use super::templates::{TEMPLATES, sealed_to};
use super::tiles::read_leaf;
use super::{
    FaceBox, Grant, LeafPosition, OPENINGS, Pending, ReadTx, Refusal, Request, SealedFile, Subject, Tx, opening_row,
};
use crate::db::{Columns, Row, args};
use crate::error::TxError;
use crate::fields::Reader;
use crate::id::{CollectionId, FaceId, GrantId, PhotoId, SubjectId, TemplateId, Timestamp};
use crate::log::{EventKind, Leaf};
use crate::photo_path::PhotoPath;
use crate::seal::{self, SealContext};
use crate::secret::Key;
use crate::vocabulary::{Band, Purpose, Verdict};

/// What is held about a person.
#[derive(Debug)]
pub struct SubjectAccessData {
    /// Who they are on the roster.
    pub subject: Subject,
    /// Every consent, ended ones too, oldest first.
    pub grants: Vec<Grant>,
    /// What they said no to.
    pub refusals: Vec<Refusal>,
    /// What they asked for.
    pub requests: Vec<Request>,
    /// What waits for its witnesses.
    pub pending: Vec<Pending>,
    /// The pictures and the forms of what waits, as far as they are in the vault.
    pub files: Vec<AccessFile>,
    /// What they are looked for by.
    pub templates: Vec<AccessTemplate>,
    /// Their face as it was cut out of a picture of the enrolment: what the engine stored.
    pub portrait: Option<Vec<u8>>,
    /// How many keyed tags of pictures of the enrolment are kept.
    pub portrait_tags: usize,
    /// Where they were seen.
    pub sightings: Vec<AccessSighting>,
    /// What they said of faces that might be theirs, also of photos that are not there now.
    pub decisions: Vec<AccessDecision>,
    /// What was done that concerned them.
    pub events: Vec<AccessEvent>,
}

/// A template of the person.
pub struct AccessTemplate {
    /// The template's id: its row number in the vault.
    pub id: TemplateId,
    /// Under which consent.
    pub grant: GrantId,
    /// Of which network.
    pub model_sha256: [u8; 32],
    /// When it was made.
    pub created: Timestamp,
    /// What the engine stored.
    pub plain: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for AccessTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessTemplate").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A picture or a form that waits.
pub struct AccessFile {
    /// What it is.
    pub about: SealedFile,
    /// What the person handed in.
    pub bytes: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for AccessFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessFile").field("about", &self.about).finish_non_exhaustive()
    }
}

/// A face that is, or may be, the person.
#[derive(Debug)]
pub struct AccessSighting {
    /// In which collection.
    pub collection: CollectionId,
    /// The photo's path there.
    pub path: PhotoPath,
    /// Where in the photo.
    pub at: FaceBox,
    /// How sure the engine was.
    pub band: Band,
    /// What a person said of it, and when.
    pub verdict: Option<(Verdict, Timestamp)>,
    /// The crop of the face, if the collection keeps them: what the engine stored.
    pub crop: Option<Vec<u8>>,
}

/// What a person said of a face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessDecision {
    /// In which collection.
    pub collection: CollectionId,
    /// That it is them, or that it is not.
    pub verdict: Verdict,
    /// The time at which it happened.
    pub time: Timestamp,
}

/// An entry of the log that concerns the person.
#[derive(Debug)]
pub struct AccessEvent {
    /// The leaf of the log that records the event.
    pub leaf: Leaf,
    /// What it commits to: with the salt before it, its SHA-256 stands in the entry.
    pub opening: Vec<u8>,
}

/// Something that happened to a consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentEvent {
    /// The grant that it happened to.
    pub grant: GrantId,
    /// What: a grant, a renewal, a withdrawal, or that it expired.
    pub kind: EventKind,
    /// The time at which it happened.
    pub time: Timestamp,
    /// Which entry of the log says so.
    pub position: LeafPosition,
}

impl SubjectAccessData {
    /// How many rows of each table this is.
    pub fn rows(&self) -> BTreeMap<&'static str, usize> {
        BTreeMap::from([
            ("subjects", 1),
            ("grants", self.grants.len()),
            ("refusals", self.refusals.len()),
            ("requests", self.requests.len()),
            (PENDING, self.pending.len()),
            (BLOBS, self.files.iter().map(|file| file.about.pieces() as usize).sum()),
            (TEMPLATES, self.templates.len()),
            (PORTRAITS, usize::from(self.portrait.is_some())),
            (USED_PORTRAITS, self.portrait_tags),
            (SIGHTINGS, self.sightings.len()),
            (DECISIONS, self.decisions.len()),
            (OPENINGS, self.events.len()),
        ])
    }
}

impl ReadTx<'_> {
    /// What happened to a person's consents, in the order of the log.
    ///
    /// # Errors
    ///
    /// As [`crate::Tx::subject_access`].
    pub fn consent_events(&self, subject: SubjectId) -> Result<Vec<ConsentEvent>, TxError> {
        use EventKind::{Expiry, Grant, GrantEnded, Renewal, Withdrawal};
        let key = self.key(subject)?;
        let of_consent =
            |event: &AccessEvent| matches!(event.leaf.kind, Grant | Renewal | Withdrawal | Expiry | GrantEnded);
        let read = |event: AccessEvent| {
            let damaged = || TxError::Damaged { table: OPENINGS };
            let mut fields = Reader::new(event.opening.get(32..).ok_or_else(damaged)?);
            let grant = fields.bytes().and_then(|_| fields.array()).map(GrantId::from_bytes).ok_or_else(damaged)?;
            let Leaf { kind, time, position, .. } = event.leaf;
            Ok(ConsentEvent { grant, kind, time, position })
        };
        self.access_events(subject, &key)?.into_iter().filter(of_consent).map(read).collect()
    }

    fn access_templates(&self, subject: SubjectId) -> Result<Vec<AccessTemplate>, TxError> {
        let sql = "SELECT t.id, t.grant_id, t.model_sha256, t.epoch, t.sealed, t.created_ms, g.collection_id, g.purpose \
                   FROM templates t JOIN grants g ON g.id = t.grant_id WHERE g.subject_id = $1 ORDER BY t.id";
        let rows = self.rows(sql, args![subject])?;
        let read = |row: &Row| -> Result<AccessTemplate, TxError> {
            let (id, grant) = (TemplateId(row.int(0)?), GrantId::from_bytes(row.array(1)?));
            let purpose = Purpose::new(&row.text(7)?).map_err(|_| TxError::Damaged { table: "grants" })?;
            let row_key = id.0.to_be_bytes();
            let of = (subject, CollectionId::from_bytes(row.array(6)?), grant);
            let context = sealed_to(of, &purpose, &row_key, (row.array(2)?, row.int(3)?));
            let key = self.grant_key(grant, subject)?.ok_or(TxError::NotActive { grant })?;
            let plain = seal::open(&key, &context, &row.bytes(4)?)?;
            Ok(AccessTemplate { id, grant, model_sha256: row.array(2)?, created: Timestamp(row.int(5)?), plain })
        };
        rows.iter().map(read).collect()
    }

    fn access_sightings(&self, held: &HeldUnder<'_>) -> Result<Vec<AccessSighting>, TxError> {
        let sql = "SELECT s.face_id, s.sealed, p.path_tag, p.sealed, \
                   f.x, f.y, f.w, f.h, f.quarter_turn, f.score, f.size_px, f.sharpness, f.luminance, \
                   f.photo_id, c.model_sha256, c.sealed \
                   FROM sightings s JOIN faces f ON f.id = s.face_id JOIN photos p ON p.id = f.photo_id \
                   LEFT JOIN crops c ON c.face_id = s.face_id \
                   WHERE s.collection_id = $1 AND s.pseudonym = $2 ORDER BY f.photo_id, s.face_id";
        let collection = held.collection;
        let photos = self.collection_key(collection);
        let verdicts = self.verdicts_of(held)?;
        let mut all = Vec::new();
        for row in self.rows(sql, args![collection, held.pseudonym()])? {
            let face = (PhotoId(row.int(13)?), FaceId(row.int(0)?));
            let row_key = face_row(face.0, face.1);
            let sighting = seal::open(held.key, &held.context(SIGHTINGS, &row_key), &row.bytes(1)?)?;
            let mut fields = Reader::new(&sighting);
            let band = fields.bytes().and(fields.text()).and_then(|word| word.parse::<Band>().ok());
            let verdict = verdicts.get(&face.1).map(|(_, verdict, time)| (*verdict, *time));
            let path = seal::open(&photos, &path_context(collection, &row.array(2)?), &row.bytes(3)?)?;
            let crop = match row.opt_bytes(15)? {
                Some(sealed) => self.crop_of(collection, face, (row.array(14)?, &sealed))?,
                None => None,
            };
            all.push(AccessSighting {
                collection,
                path: PhotoPath::from_bytes(path.as_slice()),
                at: read_box(&row, 4)?,
                band: band.ok_or(TxError::Damaged { table: SIGHTINGS })?,
                verdict,
                crop,
            });
        }
        Ok(all)
    }

    fn access_events(&self, subject: SubjectId, key: &Key) -> Result<Vec<AccessEvent>, TxError> {
        let sql = "SELECT o.seq, o.slot, o.sealed, l.bytes FROM log_openings o JOIN log_leaves l ON l.seq = o.seq \
                   WHERE o.pseudonym = $1 ORDER BY o.seq, o.slot";
        let rows = self.rows(sql, args![key.log_pseudonym()])?;
        let read = |row: &Row| -> Result<AccessEvent, TxError> {
            let row_key = opening_row(row.int(0)? as LeafPosition, row.int(1)? as usize);
            let context =
                SealContext { table: OPENINGS, subject: Some(subject), row: Some(&row_key), ..SealContext::default() };
            let opening = seal::open(key, &context, &row.bytes(2)?)?.to_vec();
            Ok(AccessEvent { leaf: read_leaf(&row.bytes(3)?)?, opening })
        };
        rows.iter().map(read).collect()
    }
}

impl Tx<'_> {
    /// Everything that the vault holds about a person. That they were told is an event of the log itself, after those that
    /// are listed.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoSubject`] if nobody has this id.
    /// - [`TxError::Seal`] if a record does not open, [`TxError::Damaged`] if one is not of this format.
    /// - [`TxError::KeyRing`] if the key is missing, [`TxError::Database`] if the database refuses.
    pub fn subject_access(&self, subject: SubjectId) -> Result<SubjectAccessData, TxError> {
        let key = self.key(subject)?;
        let (mut decisions, mut sightings) = (Vec::new(), Vec::new());
        for grant in self.finding_of(subject)?.0 {
            let (held, collection) = (HeldUnder::of_key(&grant), grant.collection);
            let said = self.all_verdicts_of(&held)?.into_iter();
            decisions.extend(said.map(|(verdict, time)| AccessDecision { collection, verdict, time }));
            sightings.extend(self.access_sightings(&held)?);
        }
        let pending = self.pending_of(subject)?;
        let mut files = Vec::new();
        for pending in &pending {
            for file in pending.files.sealed() {
                files.push(AccessFile { about: file.clone(), bytes: self.waiting_file(pending, file)? });
            }
        }
        let held = SubjectAccessData {
            decisions,
            subject: self.subject(subject)?,
            grants: self.grants_of(subject)?,
            refusals: self.refusals_of(subject)?,
            requests: self.requests_of(subject)?,
            pending,
            files,
            templates: self.access_templates(subject)?,
            portrait: self.portrait_of(subject)?,
            portrait_tags: self.noted_portraits(subject)?,
            sightings,
            events: self.access_events(subject, &key)?,
        };
        self.append_leaf(EventKind::Access, &[], &[(subject, subject.as_bytes())])?;
        Ok(held)
    }
}
