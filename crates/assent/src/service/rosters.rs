//! A table of people who said yes: checked as a whole before anything is recorded, and recorded so that it can be run again.
//!
//! ```text
//! check    every row against the roster and the rules; nothing is written, and every problem of every row is told
//! record   the rows that are new: those whose witnesses sign, many in one transaction; each of the others in one of its
//!          own. A table that was cut short is checked and recorded again, and what is done is passed over
//! ```

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use assent_ledger::{
    Act, Age, Collection, CollectionId, Correction, Evidence, Grant, GrantState, Jurisdiction, Ledger, NewFile,
    NewFiles, NewPending, NewSubject, Purpose, ReadTx, Subject, SubjectId, Timestamp, Tx, TxError, Witness,
};
use thiserror::Error;

use super::consents::{Renewal, renew_now};
use crate::enrol::{
    Consent, EnrolError, Enrolment, Form, collections, consent_end, enrol_as, fit_to_wait, open, pairs,
    release_is_no_portrait, to_keep,
};
use crate::models::{Models, Worker};

/// People in one transaction at most: a table that is cut short loses no more.
const BATCH_PEOPLE: usize = 500;

/// Bytes of their pictures and forms that are in memory at once, but for a single person who has more.
const BATCH_BYTES: u64 = 64 << 20;

/// What a table is read against: one snapshot.
#[derive(Debug)]
pub struct Known {
    /// Who is on the roster, by short name.
    pub people: BTreeMap<String, SubjectId>,
    /// What each of them agreed to and is in force; empty unless it was asked for.
    pub in_force: BTreeMap<SubjectId, Vec<Consent>>,
    /// When the last of their consents ended that are not in force any more; empty unless it was asked for.
    pub ended: BTreeMap<SubjectId, Timestamp>,
    /// All collections.
    pub collections: Vec<Collection>,
    /// All witnesses.
    pub witnesses: Vec<Witness>,
}

/// What a table is read against; `with_consents` also what people agreed to.
///
/// # Errors
///
/// As [`ReadTx::subjects`] and [`ReadTx::grants_of`].
pub fn known(ledger: &Ledger, with_consents: bool, now: Timestamp) -> Result<Known, TxError> {
    ledger.read_tx(now, |tx| {
        let people: BTreeMap<String, SubjectId> = tx.subjects()?.into_iter().map(|s| (s.handle, s.id)).collect();
        let (mut in_force, mut ended) = (BTreeMap::new(), BTreeMap::new());
        for subject in people.values().filter(|_| with_consents) {
            let (active, over): (Vec<Grant>, Vec<Grant>) =
                tx.grants_of(*subject)?.into_iter().partition(|g| g.state == GrantState::Active);
            ended.extend(over.iter().map(|g| g.valid_until).max().map(|at| (*subject, at)));
            let of = |g: Grant| Consent { collection: g.collection, purpose: g.purpose };
            in_force.insert(*subject, active.into_iter().map(of).collect());
        }
        Ok(Known { people, in_force, ended, collections: tx.collections()?, witnesses: tx.witnesses()? })
    })
}

/// A file that a table names, as it was when the table was read.
#[derive(Clone)]
pub struct NamedFile {
    /// What it is called in messages.
    pub name: String,
    /// Its length, bytes.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
}

impl std::fmt::Debug for NamedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NamedFile").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// One person of a table, with the files of the row read and hashed.
#[derive(Clone)]
pub struct Entry {
    /// The operator's short name for them.
    pub handle: String,
    /// Their name; empty where the table does not say it, for somebody who is on the roster.
    pub name: String,
    /// How to reach them, where the table says so.
    pub contact: Option<String>,
    /// Their class or group, where the table says so.
    pub group: Option<String>,
    /// How old they are, where the table says so.
    pub age: Option<Age>,
    /// Whose law protects them, where the table says so.
    pub jurisdiction: Option<Jurisdiction>,
    /// Every collection and purpose that they agreed to.
    pub consents: Vec<Consent>,
    /// The signed form: [`Evidence::Paper`].
    pub evidence: Evidence,
    /// The file with the signed form.
    pub release: NamedFile,
    /// SHA-256 of the notice that they were given.
    pub notice_sha256: [u8; 32],
    /// Until when the consents are asked for: what somebody else signed for a minor ends on the day on which they come of
    /// age, if that is earlier.
    pub valid_until: Timestamp,
    /// Pictures of them.
    pub pictures: Vec<NamedFile>,
    /// Whether the consents renew those in force.
    pub renewal: bool,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("consents", &self.consents).finish_non_exhaustive()
    }
}

/// What is to be done with an entry that has no problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is recorded already, on this form.
    Done,
    /// It is to be recorded.
    New {
        /// Who it is, if they are on the roster.
        subject: Option<SubjectId>,
        /// Whether the consents begin when their witnesses have signed, and not at once.
        witnesses_sign: bool,
    },
}

/// Why an entry is not recorded.
#[derive(Debug, Error)]
pub enum Refused {
    /// The short name stands in an earlier row.
    #[error("an earlier row has the same id; every person has one of their own")]
    SameHandle {
        /// The number of that entry, from 0.
        earlier: usize,
    },
    /// The short name is on the roster for somebody else.
    #[error("this id belongs to somebody with another name on the roster; use a new id, or correct the name")]
    OtherName,
    /// The picture stands in an earlier row, for somebody else.
    #[error("an earlier row has the same picture; every person needs a picture of their own")]
    SamePicture {
        /// The number of that entry, from 0.
        earlier: usize,
    },
    /// The form stands in an earlier row.
    #[error("an earlier row has the same signed form; every person signs one of their own")]
    SameForm {
        /// The number of that entry, from 0.
        earlier: usize,
    },
    /// They agreed before, on another form.
    #[error("this person has given this permission already, on another form; renew it, or end it first")]
    AgreedBefore,
    /// The form or the picture will not do.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
    /// The ledger or the rules refuse.
    #[error(transparent)]
    Ledger(#[from] TxError),
}

/// What the check says of each entry, in their order.
pub type Checked = Vec<Result<Standing, Refused>>;

/// Checks every entry of a table against the others, the roster and the rules. Nothing is changed.
///
/// # Errors
///
/// As [`assent_ledger::ReadTx::subjects`], if the roster cannot be read. What is wrong with an entry is in the answer.
pub fn check(ledger: &Ledger, entries: &[Entry], now: Timestamp) -> Result<Checked, TxError> {
    let checked = ledger.run_tx("check a table of people", now, |tx| {
        let known: BTreeMap<String, Subject> = tx.subjects()?.into_iter().map(|s| (s.handle.clone(), s)).collect();
        let mut earlier = Earlier::default();
        let mut checked = Vec::with_capacity(entries.len());
        for (i, entry) in entries.iter().enumerate() {
            let known = known.get(&entry.handle);
            let repeated = earlier.take(i, entry);
            checked.push(repeated.and_then(|()| check_one(tx, known, entry)));
        }
        Ok(checked)
    })?;
    Ok(checked.into_inner())
}

/// The row in which a short name, a picture or a form stood first.
#[derive(Default)]
struct Earlier<'e> {
    handles: BTreeMap<&'e str, usize>,
    pictures: BTreeMap<[u8; 32], usize>,
    forms: BTreeMap<[u8; 32], usize>,
}

impl<'e> Earlier<'e> {
    fn take(&mut self, i: usize, entry: &'e Entry) -> Result<(), Refused> {
        let earlier = *self.handles.entry(&entry.handle).or_insert(i);
        if earlier != i {
            return Err(Refused::SameHandle { earlier });
        }
        for picture in &entry.pictures {
            let earlier = *self.pictures.entry(picture.sha256).or_insert(i);
            if earlier != i {
                return Err(Refused::SamePicture { earlier });
            }
        }
        if let Evidence::Paper { release_sha256, .. } = &entry.evidence {
            let earlier = *self.forms.entry(*release_sha256).or_insert(i);
            if earlier != i {
                return Err(Refused::SameForm { earlier });
            }
        }
        Ok(())
    }
}

fn check_one(tx: &Tx<'_>, known: Option<&Subject>, entry: &Entry) -> Result<Standing, Refused> {
    let subject = match known {
        Some(subject) if !entry.name.is_empty() && !same_name(&subject.name, &entry.name) => {
            return Err(Refused::OtherName);
        }
        Some(subject) => Subject {
            age: entry.age.unwrap_or(subject.age),
            jurisdiction: entry.jurisdiction.clone().unwrap_or_else(|| subject.jurisdiction.clone()),
            ..subject.clone()
        },
        None => {
            tx.check_handle(&entry.handle)?;
            // Of somebody whose key is damaged.
            if tx.has_handle(&entry.handle)? {
                return Err(TxError::HandleTaken.into());
            }
            not_on_roster(tx.now(), entry)
        }
    };
    release_is_no_portrait(&entry.evidence, entry.pictures.iter().map(|p| (p.name.as_str(), &p.sha256)))?;
    if known.is_some() && is_done(tx, subject.id, entry)? {
        return Ok(Standing::Done);
    }
    let collections = collections(&entry.consents);
    let until = tx.consent_end(&subject, &collections, entry.valid_until)?;
    let (consents, hashes) = (pairs(&entry.consents), hashes(entry));
    let pending = pending((subject.id, until), entry, &consents, &hashes);
    tx.check_pending(&subject, &pending).map_err(|e| match e {
        TxError::GrantExists | TxError::PendingExists { .. } => Refused::AgreedBefore,
        e => e.into(),
    })?;
    let witnesses_sign = tx.witnesses_sign(&subject, &collections)?;
    if witnesses_sign {
        fit_to_wait(entry.pictures.iter().chain([&entry.release]).map(|file| (file.name.as_str(), file.bytes)))?;
    }
    Ok(Standing::New { subject: known.map(|s| s.id), witnesses_sign })
}

/// Somebody who is not on the roster yet, as the rules see them.
fn not_on_roster(now: Timestamp, entry: &Entry) -> Subject {
    Subject {
        id: SubjectId::from_bytes([0; 16]),
        handle: entry.handle.clone(),
        name: entry.name.clone(),
        contact: String::new(),
        group: String::new(),
        owner: false,
        age: entry.age.unwrap_or_default(),
        jurisdiction: entry.jurisdiction.clone().unwrap_or_default(),
        restricted: None,
        created: now,
    }
}

/// Whether everything that an entry asks for is recorded already, on the same form.
fn is_done(tx: &ReadTx<'_>, subject: SubjectId, entry: &Entry) -> Result<bool, TxError> {
    let Evidence::Paper { release_sha256: form, .. } = &entry.evidence else { return Ok(false) };
    let waiting = tx.pending_of(subject)?;
    let grants = tx.grants_of(subject)?;
    let recorded = |c: &Consent| {
        let waits = waiting.iter().any(|p| p.release_sha256 == *form && p.covers(c.collection, &c.purpose));
        let given =
            |evidence: &Evidence| matches!(evidence, Evidence::Paper { release_sha256, .. } if release_sha256 == form);
        let holds = grants.iter().any(|g| {
            g.state == GrantState::Active
                && (g.collection, &g.purpose) == (c.collection, &c.purpose)
                && given(&g.evidence)
        });
        waits || holds
    };
    Ok(entry.consents.iter().all(recorded))
}

/// Whether two ways of writing a name are the same but for case and spaces.
fn same_name(a: &str, b: &str) -> bool {
    let plain = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    plain(a) == plain(b)
}

fn hashes(entry: &Entry) -> Vec<[u8; 32]> {
    entry.pictures.iter().map(|file| file.sha256).collect()
}

fn pending<'a>(
    (subject, valid_until): (SubjectId, Timestamp),
    entry: &'a Entry,
    consents: &'a [(CollectionId, Purpose)],
    pictures: &'a [[u8; 32]],
) -> NewPending<'a> {
    NewPending {
        subject,
        consents,
        evidence: &entry.evidence,
        notice_sha256: entry.notice_sha256,
        valid_until,
        pictures,
        renewal: entry.renewal,
    }
}

/// The files of an entry, read: of each its name and its bytes.
#[derive(Clone)]
pub struct EntryFiles {
    /// The pictures, in their order.
    pub pictures: Vec<(String, Vec<u8>)>,
    /// The signed form.
    pub release: (String, Vec<u8>),
}

impl std::fmt::Debug for EntryFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EntryFiles").field("pictures", &self.pictures.len()).finish_non_exhaustive()
    }
}

/// Records entries as they were checked, those whose witnesses sign: many in one transaction. `read` reads the files of the
/// entry with this number, which wait with it; `progress` is told how many are done after each transaction, and says whether to go
/// on. Returns how many were recorded.
///
/// # Errors
///
/// Those of `read`; [`TxError`] for the first that is refused after all, [`TxError::OtherFile`] if a file is not the one that
/// was checked, or if the ledger cannot be written. The transactions before it stay, and the table can be run again.
pub fn record<E: From<TxError>>(
    ledger: &Ledger,
    entries: &[(&Entry, &Standing)],
    read: &mut dyn FnMut(usize) -> Result<EntryFiles, E>,
    act: Act,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<usize, E> {
    let mut done = 0;
    while done < entries.len() {
        let (mut bytes, mut batch) = (0, Vec::new());
        for (number, (entry, standing)) in entries.iter().enumerate().skip(done).take(BATCH_PEOPLE) {
            bytes += entry.pictures.iter().chain([&entry.release]).map(|file| file.bytes).sum::<u64>();
            if bytes > BATCH_BYTES && !batch.is_empty() {
                break;
            }
            batch.push((*entry, *standing, read(number)?));
        }
        ledger.run_tx("record a table of people", act, |tx| {
            batch.iter().try_for_each(|(entry, standing, files)| record_one(tx, entry, standing, files))
        })?;
        done += batch.len();
        if progress(done).is_break() {
            break;
        }
    }
    Ok(done)
}

fn record_one(tx: &Tx<'_>, entry: &Entry, standing: &Standing, files: &EntryFiles) -> Result<(), TxError> {
    let Standing::New { subject, .. } = standing else { return Ok(()) };
    let subject = put_on_roster(tx, *subject, entry)?;
    let until = consent_end(tx, subject, &entry.consents, entry.valid_until)?;
    let pictures: Vec<NewFile<'_>> = files.pictures.iter().map(|(name, bytes)| to_keep(name, bytes)).collect();
    let files = NewFiles { pictures: &pictures, release: to_keep(&files.release.0, &files.release.1) };
    tx.add_pending(&pending((subject, until), entry, &pairs(&entry.consents), &hashes(entry)), &files).map(drop)
}

/// Records an entry as it was checked, whose witnesses do not sign: the person is put on the roster and enrolled from their
/// pictures (a name for messages and the file's bytes), or agrees again; all of it in one transaction. The models are needed
/// where somebody is to be found.
///
/// # Errors
///
/// [`EnrolError`], each variant as it says; then nothing of the entry is recorded. [`TxError::NotSigned`] inside if the law that
/// counts for this person was changed meanwhile, and asks for signatures now.
pub fn enrol_at_once(
    ledger: &Ledger,
    engine: Option<(&Models, &mut Worker)>,
    (entry, standing): (&Entry, &Standing),
    pictures: &[(String, Vec<u8>)],
    act: Act,
) -> Result<(), EnrolError> {
    let Standing::New { subject: known, .. } = standing else { return Ok(()) };
    if entry.renewal {
        ledger.run_tx("renew", act, |tx| renew(tx, put_on_roster(tx, *known, entry)?, entry))?;
        return Ok(());
    }
    let form = Form { consents: &entry.consents, evidence: &entry.evidence, pictures };
    enrol_as(ledger, engine, form, &mut |_, _| {}, act, &|tx| {
        let enrolment = Enrolment {
            subject: put_on_roster(tx, *known, entry)?,
            consents: &entry.consents,
            evidence: &entry.evidence,
            notice_sha256: entry.notice_sha256,
            valid_until: entry.valid_until,
            pictures,
        };
        open(tx, &enrolment)
    })?;
    Ok(())
}

/// Adds the person of an entry to the roster, or corrects what the table says anew of somebody who is on it.
fn put_on_roster(tx: &Tx<'_>, known: Option<SubjectId>, entry: &Entry) -> Result<SubjectId, TxError> {
    let Some(id) = known else {
        return tx.add_subject(&NewSubject {
            handle: &entry.handle,
            name: &entry.name,
            contact: entry.contact.as_deref().unwrap_or_default(),
            group: entry.group.as_deref().unwrap_or_default(),
            owner: false,
            age: entry.age.unwrap_or_default(),
            jurisdiction: entry.jurisdiction.clone().unwrap_or_default(),
        });
    };
    let now = tx.subject(id)?;
    let right = Correction {
        name: None,
        contact: entry.contact.clone().filter(|contact| *contact != now.contact),
        group: entry.group.clone().filter(|group| *group != now.group),
        age: entry.age.filter(|age| *age != now.age),
        jurisdiction: entry.jurisdiction.clone().filter(|code| *code != now.jurisdiction),
    };
    if right != Correction::default() {
        tx.rectify(id, &right)?;
    }
    Ok(id)
}

/// Renews the consents of an entry, where witnesses do not sign with keys.
fn renew(tx: &Tx<'_>, subject: SubjectId, entry: &Entry) -> Result<(), TxError> {
    let Entry { consents, evidence, notice_sha256, valid_until: asked, .. } = entry;
    let end = consent_end(tx, subject, consents, *asked)?;
    for Consent { collection, purpose } in consents {
        let (collection, notice_sha256) = (*collection, *notice_sha256);
        let (release, valid_until) = (None, *asked);
        let renewal = Renewal { subject, collection, purpose, evidence, release, notice_sha256, valid_until };
        renew_now(tx, &renewal, end)?;
    }
    Ok(())
}
