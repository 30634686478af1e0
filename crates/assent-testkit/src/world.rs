//! A vault of its own for every test.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use assent::DeclaredRates;
use assent::budget::MEMORY_MB_PER_THREAD;
use assent::enrol::{Consent, EnrolError, Enrolment, enrol};
use assent::find::{Disclosure, FoundPhoto, find};
use assent::ledger::{
    Act, Actor, Album, BystanderBasis, CollectionId, Committed, Evidence, Gallery, GrantId, KnownPhoto, Ledger,
    NewCollection, NewRequest, NewSubject, Purpose, RequestId, RequestKind, Role, RulePack, Rulebook, Settings, Signer,
    Span, SubjectId, Timestamp, Tools, Tx, TxError, VaultKind, VaultPlace, Via, WitnessId, WriteHook, no_hook,
};
use assent::models::{Models, Worker};
use assent::packs::sha256;
use assent::scan::{Progress, ScanError, ScanOptions, ScanSummary, ScanWatch, scan};
use assent::source::Folder;
use tempfile::TempDir;

use crate::database::fresh_database;
use crate::{SEARCH, SeededRng, crew, models, release, with_worker};

/// Now, in every test.
pub const T0: Timestamp = Timestamp(1_800_000_000_000);

/// Milliseconds of a day.
pub const DAY: i64 = 86_400_000;

/// So many days after [`T0`].
pub fn at(day: i64) -> Timestamp {
    Timestamp(T0.0 + day * DAY)
}

/// Whoever does something in these tests: an operator at a terminal.
pub const OPERATOR: Actor = Actor { role: Role::Operator, via: Via::Terminal };

/// What the operator does then.
pub fn act(at: Timestamp) -> Act {
    Act { by: OPERATOR, at }
}

/// What people are told in these tests.
pub const NOTICE: &str = "You will be looked for in the photos of the regatta.";

/// A rulebook of one law, which asks nothing.
pub fn lenient() -> Rulebook {
    let pack = RulePack {
        name: "generic".into(),
        version: "1".into(),
        covers: BTreeSet::new(),
        alone_from_years: 0,
        parent_may_sign: true,
        witnesses_sign: false,
        longest_months: 1200,
        after_interaction_months: None,
        after_purpose_months: 0,
        answer: Span::Months(1),
        extension: None,
        complaint: None,
        pauses: true,
        required_documents: BTreeSet::new(),
        representative: false,
    };
    Rulebook::new(vec![pack]).unwrap()
}

fn fresh() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A folder with room for a vault, its key ring and photos, gone when dropped.
#[derive(Debug)]
pub struct Home {
    /// The temporary folder in which everything lies; it goes when this is dropped.
    pub dir: TempDir,
    /// Where the vault is.
    pub place: VaultPlace,
    /// Where the photos are.
    pub photos: PathBuf,
}

impl Default for Home {
    fn default() -> Home {
        let dir = tempfile::tempdir().unwrap();
        let (folder, ring) = (dir.path().join("vault"), dir.path().join("keys/ring"));
        let photos = dir.path().join("photos");
        fs::create_dir(&photos).unwrap();
        Home { place: VaultPlace { folder, ring, database: fresh_database() }, photos, dir }
    }
}

impl Home {
    /// A folder with these sample photos.
    pub fn with(photos: &[&str]) -> Home {
        let home = Home::default();
        for name in photos {
            home.add_photo(name);
        }
        home
    }

    /// Randomness that no other vault has, and a hook.
    pub fn tools(&self, hook: WriteHook) -> Tools {
        let rng = Box::new(SeededRng::new(&format!("{} {}", self.dir.path().display(), fresh())));
        Tools { rng, hook, secrets: Vec::new(), rules: lenient() }
    }

    /// Puts a sample photo into the folder of photos, under its own name.
    pub fn add_photo(&self, name: &str) {
        self.put(name, &fs::read(crew().join("photos").join(name)).unwrap());
    }

    /// Writes a file into the folder of photos.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.photos.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// A vault with a collection over the folder of photos and two witnesses.
#[derive(Debug)]
pub struct World {
    /// The vault of this world, open.
    pub ledger: Ledger,
    /// Where it is.
    pub home: Home,
    /// The collection whose folder holds the photos of this world.
    pub collection: CollectionId,
    /// The witnesses who sign the releases of this world.
    pub witnesses: Vec<WitnessId>,
    rules: Rulebook,
}

impl World {
    /// An organisation's vault over these sample photos.
    pub fn new(photos: &[&str]) -> World {
        World::of(VaultKind::Organisation, &BystanderBasis::ClosedGroup, photos)
    }

    /// An organisation's vault over these sample photos, under a law that asks for the witnesses' signatures.
    pub fn signing(photos: &[&str]) -> World {
        World::under(photos, &|pack| RulePack { witnesses_sign: true, ..pack })
    }

    /// An organisation's vault over these sample photos, under this law.
    pub fn under(photos: &[&str], law: &dyn Fn(RulePack) -> RulePack) -> World {
        let home = Home::with(photos);
        let packs = lenient().packs().cloned().map(law).collect();
        let tools = Tools { rules: Rulebook::new(packs).unwrap(), ..home.tools(no_hook()) };
        World::made(home, tools, VaultKind::Organisation, &BystanderBasis::ClosedGroup)
    }

    /// The vault, opened once more, as another process does.
    pub fn open_again(&self) -> Ledger {
        let tools = Tools { rules: self.rules.clone(), ..self.home.tools(no_hook()) };
        Ledger::open(&self.home.place, tools, T0).unwrap()
    }

    /// A vault of this kind over these sample photos.
    pub fn of(kind: VaultKind, others: &BystanderBasis, photos: &[&str]) -> World {
        let home = Home::with(photos);
        let tools = home.tools(no_hook());
        World::made(home, tools, kind, others)
    }

    fn made(home: Home, tools: Tools, kind: VaultKind, others: &BystanderBasis) -> World {
        let settings =
            Settings { controller: "The Rowing Club".into(), jurisdiction: "FR".into(), ..Settings::default() };
        let rules = tools.rules.clone();
        let ledger = Ledger::create(&home.place, kind, &settings, tools, T0).unwrap();
        let folder = Folder::open(home.photos.to_str().unwrap()).unwrap();
        let made = ledger.run_tx("furnish", T0, |tx| {
            let new = NewCollection { name: "Regatta", directory: folder.text(), others: others.clone() };
            tx.add_notice("members", "en", NOTICE)?;
            Ok((tx.add_collection(&new)?, vec![tx.add_witness("Wanda Witness")?, tx.add_witness("Wim Witness")?]))
        });
        let (collection, witnesses) = made.unwrap().into_inner();
        World { ledger, home, collection, witnesses, rules }
    }

    /// A transaction at [`T0`].
    ///
    /// # Errors
    ///
    /// Those of `body`.
    pub fn tx<T>(&self, body: impl for<'tx> Fn(&Tx<'tx>) -> Result<T, TxError>) -> Result<T, TxError> {
        self.ledger.run_tx("test", T0, body).map(Committed::into_inner)
    }

    /// Gives each witness a key under this passphrase.
    pub fn give_keys(&self, passphrase: &[u8]) {
        let key = self.ledger.new_witness_key(passphrase).unwrap();
        self.tx(|tx| self.witnesses.iter().try_for_each(|id| tx.set_witness_key(*id, &key))).unwrap();
    }

    /// Somebody on the roster.
    pub fn subject(&self, handle: &str) -> SubjectId {
        let (name, contact) = (format!("Name of {handle}"), format!("{handle}@example.org"));
        let jurisdiction = "FR".parse().unwrap();
        let new = NewSubject { handle, name: &name, contact: &contact, jurisdiction, ..NewSubject::default() };
        self.tx(|tx| tx.add_subject(&new)).unwrap()
    }

    /// A signed form that was not used before, seen by both witnesses.
    pub fn paper(&self) -> Evidence {
        Evidence::Paper {
            release_sha256: sha256(&release(fresh())),
            witnesses: self.witnesses.clone(),
            signed_by: Signer::Subject,
            statement: "signed in the boat house".into(),
            signed: None,
        }
    }

    /// The consent to be found in the collection.
    pub fn to_be_found(&self) -> Consent {
        Consent { collection: self.collection, purpose: Purpose::find_my_photos() }
    }

    /// What somebody asks for in the collection.
    pub fn request(&self, kind: RequestKind, subject: SubjectId) -> NewRequest<'static> {
        let (collection, album) = (Some(self.collection), Album::default());
        NewRequest { kind, subject: Some(subject), collection, words: "", received: T0, due: None, album }
    }

    /// Enrols somebody for 30 days from pictures.
    ///
    /// # Errors
    ///
    /// As [`enrol`].
    pub fn try_enrol(
        &self,
        subject: SubjectId,
        evidence: &Evidence,
        pictures: &[(&str, Vec<u8>)],
    ) -> Result<GrantId, EnrolError> {
        self.enrol_watched(subject, evidence, pictures, &mut |_, _| {})
    }

    /// As [`try_enrol`](Self::try_enrol); `progress` is told how many photos were compared with a picture.
    ///
    /// # Errors
    ///
    /// As [`enrol`].
    pub fn enrol_watched(
        &self,
        subject: SubjectId,
        evidence: &Evidence,
        pictures: &[(&str, Vec<u8>)],
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<GrantId, EnrolError> {
        with_worker(|worker| self.enrol_by((models(), worker), subject, evidence, pictures, progress))
    }

    /// Puts somebody on the roster and enrols them from a sample portrait, with other models.
    pub fn enrol_with(&self, models: &Models, handle: &str, portrait: &str) -> SubjectId {
        let subject = self.subject(handle);
        let picture = fs::read(crew().join("portraits").join(format!("{portrait}.jpg"))).unwrap();
        let by = (models, &mut models.worker(SEARCH).unwrap());
        self.enrol_by(by, subject, &self.paper(), &[("portrait", picture)], &mut |_, _| {}).unwrap();
        subject
    }

    fn enrol_by(
        &self,
        (models, worker): (&Models, &mut Worker),
        subject: SubjectId,
        evidence: &Evidence,
        pictures: &[(&str, Vec<u8>)],
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<GrantId, EnrolError> {
        let pictures: Vec<(String, Vec<u8>)> = pictures.iter().map(|(n, b)| ((*n).to_owned(), b.clone())).collect();
        let enrolment = Enrolment {
            subject,
            consents: &[self.to_be_found()],
            evidence,
            notice_sha256: sha256(NOTICE.as_bytes()),
            valid_until: at(30),
            pictures: &pictures,
        };
        Ok(enrol(&self.ledger, models, worker, &enrolment, progress, act(T0))?.grants[0])
    }

    /// Puts somebody on the roster and enrols them from a sample portrait.
    pub fn enrol(&self, handle: &str, portrait: &str) -> (SubjectId, GrantId) {
        let subject = self.subject(handle);
        (subject, self.enrol_again(subject, portrait))
    }

    /// Enrols somebody who is on the roster.
    pub fn enrol_again(&self, subject: SubjectId, portrait: &str) -> GrantId {
        let mut picture = fs::read(crew().join("portraits").join(format!("{portrait}.jpg"))).unwrap();
        // A file of their own for everybody, also where two are enrolled from one sample.
        picture.extend(subject.as_bytes());
        self.try_enrol(subject, &self.paper(), &[("portrait", picture)]).unwrap()
    }

    /// Ends a grant on its subject's word.
    pub fn withdraw(&self, grant: GrantId) {
        self.tx(|tx| tx.withdraw(tx.active_grant(grant)?)).unwrap();
    }

    /// Scans the collection on one thread.
    pub fn scan(&self) -> ScanSummary {
        self.scan_on(1)
    }

    /// Scans the collection.
    pub fn scan_on(&self, threads: usize) -> ScanSummary {
        scan_with(&self.ledger, models(), self.collection, threads, &|| T0, &mut |_, _| {}).unwrap()
    }

    /// Looks for somebody everywhere.
    pub fn find(&self, subject: SubjectId) -> Vec<FoundPhoto> {
        find(&self.ledger, subject, None, Disclosure::Search, act(T0)).unwrap().photos
    }

    /// What may be searched.
    pub fn gallery(&self) -> Gallery {
        let model = models().pack().model_sha256;
        self.tx(|tx| tx.searchable_templates(self.collection, &Purpose::find_my_photos(), model)).unwrap()
    }

    /// What the vault knows of the photos.
    pub fn known(&self) -> Vec<KnownPhoto> {
        self.tx(|tx| tx.known_photos(self.collection)).unwrap()
    }

    /// How many leaves the log has.
    pub fn log_size(&self) -> u64 {
        self.tx(|tx| tx.log_head()).unwrap().0
    }

    /// All bytes of the vault's folder and of the folder with the key ring.
    pub fn bytes(&self) -> Vec<u8> {
        let mut all = crate::bytes_below(&self.home.place.folder);
        all.extend(crate::bytes_below(self.home.place.ring.parent().unwrap()));
        all
    }
}

/// Scans with the search and the rates of all tests.
///
/// # Errors
///
/// As [`scan`].
pub fn scan_with(
    ledger: &Ledger,
    models: &Models,
    collection: CollectionId,
    threads: usize,
    now: &dyn Fn() -> Timestamp,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<ScanSummary, ScanError> {
    let progress = &mut |p: Progress| progress(p.done, p.of);
    let watch = &mut ScanWatch { now, stop: &Arc::default(), progress };
    scan(ledger, models, collection, options(threads, None), watch)
}

/// Answers a person's own request, on one thread.
///
/// # Errors
///
/// As [`scan`].
pub fn scan_for(
    ledger: &Ledger,
    models: &Models,
    collection: CollectionId,
    request: RequestId,
) -> Result<ScanSummary, ScanError> {
    let watch = &mut ScanWatch { now: &|| T0, stop: &Arc::default(), progress: &mut |_| {} };
    scan(ledger, models, collection, options(1, Some(request)), watch)
}

fn options(threads: usize, request: Option<RequestId>) -> ScanOptions {
    let (rates, memory_mb) = (DeclaredRates::default(), MEMORY_MB_PER_THREAD);
    ScanOptions { search: SEARCH, threads, rates, memory_mb, free_bytes: None, request, by: OPERATOR }
}
