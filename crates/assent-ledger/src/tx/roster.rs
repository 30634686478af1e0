//! Collections and subjects.

use std::collections::BTreeMap;

use super::basis::Basis;
use super::{ReadTx, RingNote, Tx};
use crate::db::{Columns, Row, args};
use crate::error::TxError;
use crate::fields::{Reader, Writer};
use crate::id::{CollectionId, SubjectId, Timestamp};
use crate::jurisdiction::{Age, Jurisdiction};
use crate::log::EventKind;
use crate::names::{check_file_name, is_unprintable};
use crate::seal::{self, SealContext};
use crate::secret::Key;
use crate::vocabulary::{BystanderBasis, ChangeKind, VaultKind};

/// A household holds this many subjects at most.
pub(crate) const HOUSEHOLD_SUBJECTS: i64 = 25;

const COLLECTIONS: &str = "collections";
pub(super) const SUBJECTS: &str = "subjects";

macro_rules! select_collections {
    ($rest:literal) => {
        concat!(
            "SELECT id, state, others, template_epoch, face_epoch, sealed, keep_crops, created_ms, removed_ms \
             FROM collections ",
            $rest
        )
    };
}

/// The columns of a person, in the order in which they are read.
macro_rules! select_subjects {
    ($rest:literal) => {
        concat!("SELECT id, owner, sealed, created_ms, restricted_ms FROM subjects ", $rest)
    };
}
pub(super) use select_subjects;

/// What [`NewCollection::directory`] says of a collection whose photos are handed in. It is no path.
pub const UPLOADS: &str = "uploads:";

/// The folder of the vault's folder that holds a folder for each of those collections.
const UPLOADS_FOLDER: &str = "uploads";

/// It is called by so many digits of the collection's id: people read the path.
const UPLOADS_DIGITS: usize = 16;

/// A collection to be added.
#[derive(Clone, Debug)]
pub struct NewCollection<'a> {
    /// Its name, unique in the vault.
    pub name: &'a str,
    /// Where its photos are: the full path of a folder, or [`UPLOADS`].
    pub directory: &'a str,
    /// Why the other people in it may be looked at.
    pub others: BystanderBasis,
}

/// A collection: photos that are held together for one reason, in one folder.
#[derive(Clone, PartialEq, Eq)]
pub struct Collection {
    /// The collection's id, 16 random bytes.
    pub id: CollectionId,
    /// The collection's name, which is unique in the vault.
    pub name: String,
    /// The folder where its photos are.
    pub directory: String,
    /// Whether they are handed in, and the folder is one of the vault's own.
    pub uploads: bool,
    /// Why the other people in it may be looked at.
    pub others: BystanderBasis,
    /// Whether it was frozen.
    pub frozen: bool,
    /// Whether crops of its faces are kept.
    pub keep_crops: bool,
    /// Counts enrolments: a photo whose `matched_epoch` is smaller has not met the newest templates.
    pub template_epoch: i64,
    /// Counts changes of its faces.
    pub face_epoch: i64,
    /// What the operator states about it.
    pub basis: Basis,
    /// When it was added.
    pub created: Timestamp,
    /// When it was removed, if it was.
    pub removed: Option<Timestamp>,
}

/// A person to be added to the roster.
#[derive(Clone, Default)]
pub struct NewSubject<'a> {
    /// A short name that the operator uses, unique in the vault.
    pub handle: &'a str,
    /// The person's name.
    pub name: &'a str,
    /// How to reach them; may be empty.
    pub contact: &'a str,
    /// The class or group that they belong to; may be empty.
    pub group: &'a str,
    /// Whether this is the owner of the household vault.
    pub owner: bool,
    /// How old they are, by their own word.
    pub age: Age,
    /// Whose law protects them.
    pub jurisdiction: Jurisdiction,
}

/// A person on the roster.
#[derive(Clone, PartialEq, Eq)]
pub struct Subject {
    /// The subject's id, 16 random bytes.
    pub id: SubjectId,
    /// The operator's short name for them.
    pub handle: String,
    /// The person's name, as people call them.
    pub name: String,
    /// How to reach them.
    pub contact: String,
    /// The class or group that they belong to, if one was named.
    pub group: String,
    /// Whether this is the owner of the household vault.
    pub owner: bool,
    /// How old they are, by their own word.
    pub age: Age,
    /// Whose law protects them.
    pub jurisdiction: Jurisdiction,
    /// Since when what is held of them is kept and not used, if it is so.
    pub restricted: Option<Timestamp>,
    /// When they were added.
    pub created: Timestamp,
}

/// What may be put right about a person on the roster.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Correction {
    /// The person's new name; `None` leaves it as it is.
    pub name: Option<String>,
    /// How to reach them.
    pub contact: Option<String>,
    /// The class or group that they belong to.
    pub group: Option<String>,
    /// How old they are.
    pub age: Option<Age>,
    /// Whose law protects them.
    pub jurisdiction: Option<Jurisdiction>,
}

impl std::fmt::Debug for Correction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Correction { .. }")
    }
}

macro_rules! debug_by_id {
    ($($type:ident)+) => { $(impl std::fmt::Debug for $type {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_struct(stringify!($type)).field("id", &self.id).finish_non_exhaustive()
        }
    })+ };
}
debug_by_id! { Collection Subject }

impl std::fmt::Debug for NewSubject<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewSubject { .. }")
    }
}

impl Collection {
    /// Where its photos are, as it is recorded.
    pub(super) fn place(&self) -> &str {
        if self.uploads { UPLOADS } else { &self.directory }
    }
}

impl ReadTx<'_> {
    /// All collections, by name, but for those that were removed.
    ///
    /// # Errors
    ///
    /// - [`TxError::Seal`] if a record does not open.
    /// - [`TxError::Damaged`] if a record is not of this format.
    /// - [`TxError::Database`] if the database refuses.
    pub fn collections(&self) -> Result<Vec<Collection>, TxError> {
        let mut all = self.collections_ever()?;
        all.retain(|c| c.removed.is_none());
        Ok(all)
    }

    /// The same with those that were removed: what was consented to there once has a name still.
    ///
    /// # Errors
    ///
    /// As [`Self::collections`].
    pub fn collections_ever(&self) -> Result<Vec<Collection>, TxError> {
        let rows = self.rows(select_collections!(""), args![])?;
        let mut all = rows.iter().map(|row| self.read_collection(row)).collect::<Result<Vec<_>, _>>()?;
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// Reads one collection by its id.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoCollection`] if there is none with this id, or it was removed.
    /// - As [`Self::collections`].
    pub fn collection(&self, id: CollectionId) -> Result<Collection, TxError> {
        self.check_row(COLLECTIONS, id)?;
        match self.row(select_collections!("WHERE id = $1 AND removed_ms IS NULL"), args![id])? {
            Some(row) => self.read_collection(&row),
            None => Err(TxError::NoCollection { collection: id }),
        }
    }

    /// The folder of a collection's uploads, in this vault's folder.
    fn uploads_of(&self, id: CollectionId) -> String {
        let of = &id.to_string()[..UPLOADS_DIGITS];
        self.folder().join(UPLOADS_FOLDER).join(of).to_string_lossy().into_owned()
    }

    fn read_collection(&self, row: &Row) -> Result<Collection, TxError> {
        let damaged = || TxError::Damaged { table: COLLECTIONS };
        let id = CollectionId::from_bytes(row.array(0)?);
        let context = SealContext { table: COLLECTIONS, collection: Some(id), ..SealContext::default() };
        let plain = self.open_master(&context, &row.bytes(5)?)?;
        let mut fields = Reader::new(&plain);
        let name = fields.text().ok_or_else(damaged)?.to_owned();
        let (directory, uploads) = match fields.text().ok_or_else(damaged)? {
            // The vault may lie elsewhere by now.
            UPLOADS => (self.uploads_of(id), true),
            directory => (directory.to_owned(), false),
        };
        Ok(Collection {
            id,
            name,
            directory,
            uploads,
            others: row.text(2)?.parse().map_err(|_| damaged())?,
            frozen: row.text(1)? == "frozen",
            keep_crops: row.int(6)? == 1,
            template_epoch: row.int(3)?,
            face_epoch: row.int(4)?,
            basis: Basis::read(&mut fields).ok_or_else(damaged)?,
            created: Timestamp(row.int(7)?),
            removed: row.opt_int(8)?.map(Timestamp),
        })
    }

    /// A collection in which something new may be stored: nothing was ordered to stop, nothing is past due, and the clock
    /// was not set back.
    pub(super) fn open_collection(&self, id: CollectionId) -> Result<Collection, TxError> {
        let collection = self.collection(id)?;
        self.check_orders(id)?;
        self.check_clock()?;
        self.check_requests(id)?;
        if collection.frozen { Err(TxError::Frozen { collection: id }) } else { Ok(collection) }
    }

    /// Whether this may be the handle of somebody; it may be taken.
    ///
    /// # Errors
    ///
    /// [`TxError::HandleForm`] if it is empty, longer than 100 characters, or could be taken for an id, or if it holds
    /// control characters.
    pub fn check_handle(&self, handle: &str) -> Result<(), TxError> {
        let length = handle.chars().count();
        let like_an_id = length >= 8 && handle.chars().all(|c| c.is_ascii_hexdigit());
        let fits = (1..=100).contains(&length) && !like_an_id && !handle.contains(is_unprintable);
        if fits { Ok(()) } else { Err(TxError::HandleForm) }
    }

    /// How many people on the roster are under which jurisdiction, those of whom nobody said it under `unknown`. The
    /// numbers add up to the roster.
    ///
    /// # Errors
    ///
    /// As [`Self::subjects`].
    pub fn count_by_jurisdiction(&self) -> Result<BTreeMap<Jurisdiction, usize>, TxError> {
        let mut counts = BTreeMap::new();
        let (people, unreadable) = self.everybody()?;
        for subject in people {
            *counts.entry(subject.jurisdiction).or_insert(0) += 1;
        }
        if !unreadable.is_empty() {
            *counts.entry(Jurisdiction::default()).or_insert(0) += unreadable.len();
        }
        Ok(counts)
    }

    /// Everybody on the roster, by handle. Whose key is damaged or missing is not among them, but in [`Self::unreadable`].
    ///
    /// # Errors
    ///
    /// - [`TxError::Seal`] if a profile does not open, although no slot of the key ring is damaged.
    /// - [`TxError::Damaged`] if one is not of this format, [`TxError::KeyRing`] if the key ring cannot be read.
    /// - [`TxError::Database`] if the database refuses.
    pub fn subjects(&self) -> Result<Vec<Subject>, TxError> {
        Ok(self.everybody()?.0)
    }

    /// Everybody on the roster, by handle, and those whose key is damaged or missing.
    pub(crate) fn everybody(&self) -> Result<(Vec<Subject>, Vec<SubjectId>), TxError> {
        self.read_people(&self.rows(select_subjects!(""), args![])?)
    }

    /// The people in these rows, by handle, and those whose key is damaged or missing.
    pub(super) fn read_people(&self, rows: &[Row]) -> Result<(Vec<Subject>, Vec<SubjectId>), TxError> {
        let ids: Vec<SubjectId> =
            rows.iter().map(|row| Ok(SubjectId::from_bytes(row.array(0)?))).collect::<Result<_, TxError>>()?;
        let mut read = Vec::with_capacity(rows.len());
        let mut unreadable = self.each_key(&ids, &mut |i, key| read.push((ids[i], read_subject(&rows[i], key))))?;
        let whole = self.ring().is_whole();
        let mut all = Vec::with_capacity(read.len());
        for (id, subject) in read {
            match subject {
                Ok(subject) => all.push(subject),
                // The key from before a rotation; the new one is damaged.
                Err(TxError::Seal(_)) if !whole => unreadable.push(id),
                Err(e) => return Err(e),
            }
        }
        all.sort_by(|a, b| a.handle.cmp(&b.handle));
        Ok((all, unreadable))
    }

    /// Reads one person of the roster by their id.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoSubject`] if nobody has this id.
    /// - As [`Self::subjects`].
    pub fn subject(&self, id: SubjectId) -> Result<Subject, TxError> {
        match self.row(select_subjects!("WHERE id = $1"), args![id])? {
            Some(row) => read_subject(&row, &self.key(id)?),
            None => Err(TxError::NoSubject),
        }
    }
}

impl Tx<'_> {
    /// Adds a collection.
    ///
    /// # Errors
    ///
    /// - [`TxError::CollectionName`] if the name could not be a folder's ([`check_file_name`]).
    /// - [`TxError::CollectionExists`] if one has this name.
    /// - [`TxError::OthersOfKind`] if the basis is a household's and the vault is not.
    /// - [`TxError::Database`], [`TxError::Seal`] as everywhere.
    pub fn add_collection(&self, new: &NewCollection<'_>) -> Result<CollectionId, TxError> {
        check_file_name(new.name).map_err(TxError::CollectionName)?;
        if self.collections()?.iter().any(|c| c.name == new.name) {
            return Err(TxError::CollectionExists);
        }
        if new.others == BystanderBasis::Household && self.kind() != VaultKind::Household {
            return Err(TxError::OthersOfKind);
        }
        let id = CollectionId::random(&mut **self.rng());
        let sealed = self.seal_collection(id, new.name, new.directory, &Basis::default())?;
        self.exec(
            "INSERT INTO collections (id, state, others, template_epoch, face_epoch, sealed, created_ms) \
             VALUES ($1, 'open', $2, 0, 0, $3, $4)",
            args![id, new.others.to_string().as_str(), sealed, self.now],
        )?;
        self.append_leaf(EventKind::Collection, id.as_bytes(), &[])?;
        Ok(id)
    }

    pub(super) fn seal_collection(
        &self,
        id: CollectionId,
        name: &str,
        directory: &str,
        basis: &Basis,
    ) -> Result<Vec<u8>, TxError> {
        let context = SealContext { table: COLLECTIONS, collection: Some(id), ..SealContext::default() };
        self.seal_master(&context, &basis.write(Writer::new().text(name).text(directory)).finish())
    }

    /// Freezes a collection: nothing new is stored or looked for in it.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoCollection`] if there is none, [`TxError::Frozen`] if it is frozen already.
    /// - As [`crate::ReadTx::collections`].
    pub fn freeze_collection(&self, id: CollectionId) -> Result<(), TxError> {
        self.open_collection(id)?;
        self.exec("UPDATE collections SET state = 'frozen' WHERE id = $1", args![id])?;
        self.append_leaf(EventKind::Frozen, id.as_bytes(), &[])?;
        Ok(())
    }

    /// Adds a person to the roster and gives them a key, which is in the key ring before this returns.
    ///
    /// # Errors
    ///
    /// - [`TxError::HandleForm`], [`TxError::HandleTaken`] for the handle.
    /// - [`TxError::NotOneLine`] if the name or the contact contains a control character.
    /// - [`TxError::HouseholdFull`] in a household with 25 subjects.
    /// - [`TxError::Owner`] if `owner` is set in an organisation's vault, or a household has an owner.
    /// - [`TxError::KeyRing`] if the key cannot be written.
    /// - As [`crate::ReadTx::collections`].
    pub fn add_subject(&self, new: &NewSubject<'_>) -> Result<SubjectId, TxError> {
        self.check_handle(new.handle)?;
        one_line(&[new.name, new.contact, new.group])?;
        if self.kind() == VaultKind::Household
            && self.count("SELECT COUNT(*) FROM subjects", args![])? >= HOUSEHOLD_SUBJECTS
        {
            return Err(TxError::HouseholdFull);
        }
        let second = self.count("SELECT COUNT(*) FROM subjects WHERE owner = 1", args![])? > 0;
        if new.owner && (second || self.kind() != VaultKind::Household) {
            return Err(TxError::Owner);
        }
        if self.has_handle(new.handle)? {
            return Err(TxError::HandleTaken);
        }
        let id = SubjectId::random(&mut **self.rng());
        let key = Key::random(&mut **self.rng());
        self.ring().add(id, &key)?;
        let profile = profile([new.handle, new.name, new.contact, new.group], new.age, &new.jurisdiction);
        let sealed = self.seal_with(&key, &subject_context(id), &profile)?;
        let tags = self.name_tags(new.handle, new.name);
        self.exec(
            "INSERT INTO subjects (id, owner, sealed, created_ms, handle_tag, name_tag) VALUES ($1, $2, $3, $4, $5, $6)",
            args![id, new.owner, sealed, self.now, tags.handle, tags.name],
        )?;
        Ok(id)
    }

    /// Puts right what is held about a person (R34). What they agreed to stays as it is.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoSubject`] if nobody has this id.
    /// - [`TxError::NotOneLine`] if a name or a contact contains a control character.
    /// - As [`crate::ReadTx::subjects`].
    pub fn rectify(&self, id: SubjectId, right: &Correction) -> Result<(), TxError> {
        let now = self.subject(id)?;
        let name = right.name.as_deref().unwrap_or(&now.name);
        let contact = right.contact.as_deref().unwrap_or(&now.contact);
        let group = right.group.as_deref().unwrap_or(&now.group);
        one_line(&[&right.name, &right.contact, &right.group].map(|text| text.as_deref().unwrap_or_default()))?;
        let jurisdiction = right.jurisdiction.as_ref().unwrap_or(&now.jurisdiction);
        let profile = profile([&now.handle, name, contact, group], right.age.unwrap_or(now.age), jurisdiction);
        let sealed = self.seal_with(&self.key(id)?, &subject_context(id), &profile)?;
        let tags = self.name_tags(&now.handle, name);
        let sql = "UPDATE subjects SET sealed = $1, handle_tag = $2, name_tag = $3 WHERE id = $4";
        self.exec(sql, args![sealed, tags.handle, tags.name, id])?;
        self.person_changed(ChangeKind::Rectified, id)?;
        self.append_leaf(EventKind::Rectified, &[], &[(id, id.as_bytes())]).map(drop)
    }

    /// Restricts a person, or ends that: while it holds, what is held of them is kept, and nobody is compared with it or
    /// told of it but themselves (R34).
    ///
    /// # Errors
    ///
    /// - [`TxError::NoSubject`] if nobody has this id.
    /// - As [`crate::ReadTx::subjects`].
    pub fn restrict(&self, id: SubjectId, restricted: bool) -> Result<(), TxError> {
        if !self.on_roster(id)? {
            return Err(TxError::NoSubject);
        }
        self.set_restriction(id, restricted.then_some(self.now.0))
    }

    /// Since when what is held of a person may only be kept.
    pub(super) fn set_restriction(&self, id: SubjectId, since: Option<i64>) -> Result<(), TxError> {
        self.exec("UPDATE subjects SET restricted_ms = $1 WHERE id = $2", args![since, id])?;
        self.touch(RingNote::Restriction(id));
        self.person_changed(if since.is_some() { ChangeKind::Restricted } else { ChangeKind::Released }, id)?;
        if since.is_none() {
            // Photos that were scanned meanwhile have not met them.
            let sql = "UPDATE collections SET template_epoch = template_epoch + 1 \
                       WHERE id IN (SELECT collection_id FROM grants WHERE subject_id = $1 AND state = 'active')";
            self.exec(sql, args![id])?;
        }
        let detail = Writer::new().bytes(id.as_bytes()).int(since.is_some().into()).finish();
        self.append_leaf(EventKind::Restricted, &[], &[(id, &detail)]).map(drop)
    }
}

/// Refuses what would be more than one line, or do something to a terminal.
pub(super) fn one_line(texts: &[&str]) -> Result<(), TxError> {
    if texts.iter().any(|text| text.contains(is_unprintable)) { Err(TxError::NotOneLine) } else { Ok(()) }
}

fn subject_context(id: SubjectId) -> SealContext<'static> {
    SealContext { table: SUBJECTS, subject: Some(id), ..SealContext::default() }
}

fn profile(
    [handle, name, contact, group]: [&str; 4],
    age: Age,
    jurisdiction: &Jurisdiction,
) -> zeroize::Zeroizing<Vec<u8>> {
    let start = Writer::new().text(handle).text(name).text(contact);
    start.text(&age.to_string()).text(jurisdiction.as_str()).text(group).finish()
}

pub(super) fn read_subject(row: &Row, key: &Key) -> Result<Subject, TxError> {
    let damaged = || TxError::Damaged { table: SUBJECTS };
    let id = SubjectId::from_bytes(row.array(0)?);
    let plain = seal::open(key, &subject_context(id), &row.bytes(2)?)?;
    let mut fields = Reader::new(&plain);
    Ok(Subject {
        id,
        handle: fields.text().ok_or_else(damaged)?.to_owned(),
        name: fields.text().ok_or_else(damaged)?.to_owned(),
        contact: fields.text().ok_or_else(damaged)?.to_owned(),
        owner: row.int(1)? == 1,
        // A profile of a format before 5 ends here.
        age: fields.text().map_or(Ok(Age::Unknown), str::parse).map_err(|_| damaged())?,
        jurisdiction: fields.text().map_or(Ok(Jurisdiction::default()), str::parse).map_err(|_| damaged())?,
        // A profile of format 5 ends here.
        group: fields.text().unwrap_or_default().to_owned(),
        restricted: row.opt_int(4)?.map(Timestamp),
        created: Timestamp(row.int(3)?),
    })
}
