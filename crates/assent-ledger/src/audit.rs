//! Checking the log against itself: every leaf, their order, the head, and the openings that still open.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::ControlFlow;

use zeroize::Zeroizing;

use crate::bound::{Scope, Tampering};
use crate::db::Columns;
use crate::error::TxError;
use crate::id::{SubjectId, Timestamp};
use crate::ledger::Ledger;
use crate::log::{AskedBy, AskedVia, EventKind, Leaf, commitment};
use crate::merkle::{Hash, Peaks, leaf_hash};
use crate::note::Checkpoint;
use crate::origins::{LogOrigin, lost};
use crate::reconcile::Told;
use crate::seal::{self, SealContext, SealKey};
use crate::tx::{OPENINGS, ReadTx, opening_row};

/// What is wrong with a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A position has no leaf.
    Missing,
    /// The bytes do not have the hash that is stored beside them, or are no leaf.
    Changed,
    /// The leaf says that it stands elsewhere.
    Moved,
    /// Each leaf is whole, and together they do not make the head; the first difference is at or after the position.
    Head,
    /// An opening does not match the commitment in its leaf.
    Opening,
    /// The log is shorter than it was when the checkpoint was signed.
    Cut,
    /// The leaves up to this one are not those that the checkpoint was signed for.
    Forked,
    /// From where the log went on after a restore is not what the leaf says, or no leaf says it.
    Origin,
}

/// What a checkpoint was signed for and a restore lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The first entry that is another one now.
    pub from: u64,
    /// Whether the entry of the restore names this checkpoint, as the newest that was known.
    pub named: bool,
}

/// What an audit found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// How many leaves the head counts.
    pub size: u64,
    /// The root that the head's peaks make.
    pub root: Hash,
    /// How many openings were checked.
    pub openings: u64,
    /// How many people's openings could not be checked, because their key is damaged or missing.
    pub unreadable: usize,
    /// What in the database is not as it was written.
    pub tampered: Vec<Tampering>,
    /// The first bad position and what is wrong there; `None` if the log is whole.
    pub fault: Option<(u64, Fault)>,
    /// Why the log is not compared with the checkpoint beyond some entry: what came after that is lost, by a restore.
    pub lost: Option<Lost>,
}

impl Ledger {
    /// Recomputes the log from its leaves, and compares it with a checkpoint that was signed earlier, if one is given. Looks
    /// through the whole database for what was changed by something other than this program.
    ///
    /// # Errors
    ///
    /// - [`TxError::Damaged`] if the head is none.
    /// - [`TxError::KeyRing`] if the key ring cannot be read.
    /// - As [`Self::read_tx`]. A fault in the log is no error: it is in the [`Audit`].
    pub fn audit_verify(&self, against: Option<&Checkpoint>, now: Timestamp) -> Result<Audit, TxError> {
        let lost = against.and_then(|then| lost(&self.origins, then));
        self.read_tx(now, |tx| {
            let mut audit = tx.audit(against.filter(|_| lost.is_none()), &self.origins)?;
            let schema = tx.db.schema_faults()?.into_iter().map(Tampering::Schema);
            let downgraded = tx.is_downgraded().then_some(Tampering::Downgraded);
            audit.tampered.splice(0..0, schema.chain(downgraded));
            Ok(Audit { lost, ..audit })
        })
    }
}

impl ReadTx<'_> {
    fn audit(&self, against: Option<&Checkpoint>, origins: &[LogOrigin]) -> Result<Audit, TxError> {
        let head = self.peaks()?;
        let (people, unreadable) = self.people()?;
        let mut leaves = Leaves {
            tree: Peaks::default(),
            head: &head,
            against,
            said: Commitments::default(),
            accounts: BTreeMap::new(),
            origins: origins.iter().map(|origin| origin.note.as_bytes()).collect(),
            told: Told::default(),
            fault: None,
        };
        let all = "SELECT seq, bytes, hash FROM log_leaves ORDER BY seq";
        self.db.each(all, &[], &mut |row| Ok(leaves.take(row.int(0)?, row.blob(1)?, row.blob(2)?).is_continue()))?;
        let mut openings = Openings {
            people: &people,
            last: None,
            opened: Vec::new(),
            plain: Zeroizing::default(),
            told: std::mem::take(&mut leaves.told),
            fault: None,
        };
        let all = "SELECT pseudonym, seq, slot, sealed FROM log_openings ORDER BY pseudonym, seq, slot";
        self.db.each(all, &[], &mut |row| {
            openings.take(row.blob(0)?, (row.int(1)? as u64, row.int(2)? as u64), row.blob(3)?);
            Ok(true)
        })?;
        let mut accounts = std::mem::take(&mut leaves.accounts);
        let mut wrong_account = None;
        self.db.each("SELECT seq, sealed FROM log_accounts ORDER BY seq", &[], &mut |row| {
            let position = row.int(0)? as u64;
            let opening = self.account_opening(position, row.blob(1)?).ok();
            let opened = opening.as_ref().and_then(|plain| plain.split_first_chunk());
            let is = opened.map(|(salt, account)| commitment(salt, account));
            if is.is_none() || accounts.remove(&position) != is {
                wrong_account.get_or_insert(position);
            }
            Ok(true)
        })?;
        // Nothing ever deletes one.
        let wrong_account = accounts.keys().next().copied().into_iter().chain(wrong_account).min();
        let (said, fault) = leaves.end();
        let wrong = || openings.first_wrong(&said).into_iter().chain(wrong_account).min();
        let fault = fault.or_else(|| Some((wrong()?, Fault::Opening)));
        let mut tampered = self.tampered(Scope::Everything)?;
        if fault.is_none() {
            let readable = people.values().map(|(subject, _)| *subject).collect();
            match self.disagreements(&openings.told, &readable) {
                Ok(found) => tampered.extend(found),
                // What is known to be changed may be of another form, too.
                Err(_) if !tampered.is_empty() => {}
                Err(refused) => return Err(refused),
            }
        }
        let (size, root, openings) = (head.size(), head.root(), openings.opened.len() as u64);
        Ok(Audit { size, root, openings, unreadable, tampered, lost: None, fault })
    }

    /// Who can be checked, and how many cannot.
    fn people(&self) -> Result<(People, usize), TxError> {
        let ids = self.subject_ids()?;
        let mut people = HashMap::with_capacity(ids.len());
        let without = self.each_key(&ids, &mut |i, key| {
            people.insert(key.log_pseudonym(), (ids[i], SealKey::of(key)));
        })?;
        Ok((people, without.len()))
    }
}

/// Whose openings stand under which pseudonym, and what opens them.
type People = HashMap<[u8; 16], (SubjectId, SealKey)>;

/// What the leaves commit to, 32 bytes each: leaves and openings come in different orders, and looking up one for each of
/// the other in the database takes longer than all the rest.
#[derive(Default)]
struct Commitments {
    /// Where those of each leaf end in `all`.
    ends: Vec<u64>,
    all: Vec<Hash>,
}

impl Commitments {
    fn push(&mut self, of_leaf: &[Hash]) {
        self.all.extend_from_slice(of_leaf);
        self.ends.push(self.all.len() as u64);
    }

    fn get(&self, position: u64, slot: u64) -> Option<&Hash> {
        let end = *self.ends.get(usize::try_from(position).ok()?)?;
        let start = if position == 0 { 0 } else { self.ends[position as usize - 1] };
        self.all.get(start.checked_add(slot).filter(|at| *at < end)? as usize)
    }
}

/// Goes through the leaves in their order, up to the first that is not as it should be.
struct Leaves<'a> {
    tree: Peaks,
    head: &'a Peaks,
    against: Option<&'a Checkpoint>,
    said: Commitments,
    /// What they commit to of accounts, by position.
    accounts: BTreeMap<u64, Hash>,
    /// What entries of restores have to say, in their order.
    origins: VecDeque<&'a [u8]>,
    /// What they say of what the tables say, too.
    told: Told,
    fault: Option<(u64, Fault)>,
}

impl Leaves<'_> {
    fn take(&mut self, position: i64, bytes: &[u8], stored: &[u8]) -> ControlFlow<()> {
        let at = self.tree.size();
        let hash = leaf_hash(bytes);
        let whole = Leaf::from_bytes(bytes).filter(|_| hash == stored);
        self.fault = match whole {
            _ if position as u64 != at => Some((at, Fault::Missing)),
            None => Some((at, Fault::Changed)),
            Some(leaf) if leaf.position != at => Some((at, Fault::Moved)),
            Some(leaf) => {
                self.tree.push(hash);
                self.said.push(&leaf.commitments);
                self.told.entry(&leaf);
                if let Some(AskedBy { via: AskedVia::Account(account), .. }) = leaf.asked {
                    self.accounts.insert(at, account);
                }
                let goes_on = leaf.kind == EventKind::Restored && !leaf.public.is_empty();
                match () {
                    () if goes_on && self.origins.pop_front() != Some(&leaf.public) => Some((at, Fault::Origin)),
                    () => self.differs().then_some((at, Fault::Forked)),
                }
            }
        };
        if self.fault.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Whether the log is as long as it was at the checkpoint, and another.
    fn differs(&self) -> bool {
        self.against.is_some_and(|then| then.size == self.tree.size() && then.root != self.tree.root())
    }

    /// What the leaves commit to, and the first fault, when all were read.
    fn end(self) -> (Commitments, Option<(u64, Fault)>) {
        let (read, head) = (self.tree.size(), self.head.size());
        let signed = self.against.map_or(0, |then| then.size);
        let fault = self.fault.or_else(|| match () {
            () if read < head => Some((read, Fault::Missing)),
            () if read > head => Some((head, Fault::Head)),
            () if read < signed => Some((read, Fault::Cut)),
            () if !self.origins.is_empty() => Some((read, Fault::Origin)),
            () => self.tree.first_difference(self.head).map(|at| (at, Fault::Head)),
        });
        (self.said, fault)
    }
}

/// Opens the openings of everybody whose key is there.
struct Openings<'a> {
    people: &'a People,
    /// Openings come person by person.
    last: Option<([u8; 16], &'a (SubjectId, SealKey))>,
    /// Of each: which leaf, which of its commitments, and what that has to be.
    opened: Vec<(u64, u64, Hash)>,
    /// The one that was opened last.
    plain: Zeroizing<Vec<u8>>,
    /// What the leaves say of what the tables say, too.
    told: Told,
    /// The first leaf whose opening did not open.
    fault: Option<u64>,
}

impl Openings<'_> {
    fn take(&mut self, pseudonym: &[u8], (position, slot): (u64, u64), sealed: &[u8]) {
        let Ok(pseudonym) = pseudonym.try_into() else { return };
        if self.last.is_none_or(|(last, _)| last != pseudonym) {
            self.last = self.people.get(&pseudonym).map(|person| (pseudonym, person));
        }
        let Some((_, (subject, key))) = self.last else { return };
        let row_key = opening_row(position, slot as usize);
        let context =
            SealContext { table: OPENINGS, subject: Some(*subject), row: Some(&row_key), ..SealContext::default() };
        let opened = seal::open_into(key, &context, sealed, &mut self.plain).is_ok();
        match self.plain.split_first_chunk().filter(|_| opened) {
            Some((salt, detail)) => {
                self.opened.push((position, slot, commitment(salt, detail)));
                self.told.opening(position, *subject, detail);
            }
            None => self.fault = Some(self.fault.map_or(position, |first| first.min(position))),
        }
    }

    /// The first leaf that has another commitment than its opening, or whose opening does not open.
    fn first_wrong(&self, said: &Commitments) -> Option<u64> {
        let wrong = self.opened.iter().filter(|(at, slot, due)| said.get(*at, *slot) != Some(due)).map(|(at, ..)| *at);
        wrong.chain(self.fault).min()
    }
}
