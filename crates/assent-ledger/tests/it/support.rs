//! A vault of its own for every test, a raw client that knows no rules, and small shorthands.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

pub(crate) use crate::waiting_files::wait;
use assent_ledger::*;
use rand_core::{Infallible, TryCryptoRng, TryRng};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

pub(crate) const MODEL: [u8; 32] = [0x4d; 32];
pub(crate) const T0: Timestamp = Timestamp(1_800_000_000_000);
pub(crate) const DAY: i64 = 86_400_000;

pub(crate) fn at(day: i64) -> Timestamp {
    Timestamp(T0.0 + day * DAY)
}

/// SHA-256 in counter mode: repeatable, and different for every seed.
pub(crate) struct TestRng {
    seed: Vec<u8>,
    counter: u64,
}

impl TestRng {
    pub(crate) fn new(seed: &str) -> Self {
        Self { seed: seed.as_bytes().to_vec(), counter: 0 }
    }
}

impl TryRng for TestRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|n| n as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for chunk in out.chunks_mut(32) {
            let block = Sha256::new().chain_update(&self.seed).chain_update(self.counter.to_be_bytes()).finalize();
            self.counter += 1;
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for TestRng {}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// A database of PostgreSQL's, on which tests say what time it is.
pub(crate) fn postgres_at(address: &str) -> Database {
    let address = address.parse().unwrap();
    Database::Postgres(Box::new(Postgres { address, password: None, certificates: None, clock: ClockSource::Caller }))
}

/// The address of the server that tests use, if there is one.
pub(crate) fn postgres() -> Option<String> {
    variable("ASSENT_TEST_POSTGRES")
}

/// A variable of the environment, which says how a test is run.
pub(crate) fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "a test may read its environment")]
    std::env::var(name).ok()
}

/// Runs a check on every database that is there.
pub(crate) fn on_every_database(check: impl Fn(Backend)) {
    check(Backend::Sqlite);
    if postgres().is_some() {
        check(Backend::Postgres);
    }
}

/// What people are told in these tests.
pub(crate) const NOTICE: &str = "You will be looked for in the photos of the regatta.";

/// The hash of [`NOTICE`].
pub(crate) fn notice() -> [u8; 32] {
    Sha256::digest(NOTICE).into()
}

/// Where everybody is, unless a test says otherwise.
pub(crate) fn seat() -> Jurisdiction {
    "FR".parse().unwrap()
}

/// A law that asks nothing.
pub(crate) fn lenient_pack() -> RulePack {
    RulePack {
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
        extension: Some(Span::Months(2)),
        complaint: None,
        pauses: true,
        required_documents: BTreeSet::new(),
        representative: false,
    }
}

/// A rulebook of that law alone.
pub(crate) fn lenient() -> Rulebook {
    Rulebook::new(vec![lenient_pack()]).unwrap()
}

/// A place for a vault, gone when dropped.
pub(crate) struct Home {
    pub(crate) dir: TempDir,
    pub(crate) place: VaultPlace,
    pub(crate) backend: Backend,
}

impl Home {
    pub(crate) fn new(backend: Backend) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = match backend {
            Backend::Sqlite => Database::Sqlite,
            Backend::Postgres => {
                let name = dir.path().file_name().unwrap().as_encoded_bytes();
                let schema: String = name.iter().flat_map(|b| [b >> 4, b & 15]).map(|n| char::from(b'a' + n)).collect();
                let base = postgres().unwrap();
                Raw::connect(&base).exec(format!("CREATE SCHEMA t_{schema}"));
                let joint = if base.contains('?') { '&' } else { '?' };
                let address = format!("{base}{joint}options=-csearch_path%3Dt_{schema}");
                postgres_at(&address)
            }
        };
        let place = VaultPlace { folder: dir.path().join("my vault"), ring: dir.path().join("keys/ring"), database };
        Self { dir, place, backend }
    }

    pub(crate) fn tools(&self, hook: WriteHook) -> Tools {
        // Seeded by the folder's random name, so that two vaults differ.
        let rng = Box::new(TestRng::new(&format!("{} {}", self.dir.path().display(), fresh())));
        Tools { rng, hook, secrets: Vec::new(), rules: lenient() }
    }

    pub(crate) fn create(&self, kind: VaultKind) -> Ledger {
        self.create_hooked(kind, no_hook())
    }

    pub(crate) fn create_hooked(&self, kind: VaultKind, hook: WriteHook) -> Ledger {
        let settings =
            Settings { controller: "The Rowing Club".into(), jurisdiction: "FR".into(), ..Settings::default() };
        Ledger::create(&self.place, kind, &settings, self.tools(hook), T0).unwrap()
    }

    pub(crate) fn try_open(&self) -> Result<Ledger, OpenError> {
        self.open_at(&self.place)
    }

    pub(crate) fn open_hooked(&self, hook: &WriteHook) -> Result<Ledger, OpenError> {
        patient(|| Ledger::open(&self.place, self.tools(hook.clone()), T0))
    }

    pub(crate) fn open_hooked_at(&self, hook: &WriteHook, now: Timestamp) -> Ledger {
        patient(|| Ledger::open(&self.place, self.tools(hook.clone()), now)).unwrap()
    }

    pub(crate) fn open(&self) -> Ledger {
        self.open_hooked(&no_hook()).unwrap()
    }

    pub(crate) fn open_at(&self, place: &VaultPlace) -> Result<Ledger, OpenError> {
        Ledger::open(place, self.tools(no_hook()), T0)
    }

    /// Copies SQLite's file, as it is now, into another folder.
    pub(crate) fn copy_database(&self, to: &Path) {
        let to = to.join("assent.db").to_str().unwrap().to_owned();
        self.raw().exec(format!("VACUUM INTO '{to}'"));
    }

    /// Writes PostgreSQL's own backup of the tables.
    pub(crate) fn dump(&self, to: &Path) {
        let schema = format!("--schema={}", self.schema());
        postgres_tool("pg_dump", &[&schema, "--file", to.to_str().unwrap(), "--dbname", &postgres().unwrap()]);
    }

    /// The vault's folder is gone, and what is in its database; the key ring stays.
    pub(crate) fn lose(&self) {
        std::fs::remove_dir_all(&self.place.folder).unwrap();
        if self.backend == Backend::Postgres {
            let schema = self.schema();
            Raw::connect(&postgres().unwrap()).exec(format!("DROP SCHEMA {schema} CASCADE; CREATE SCHEMA {schema}"));
        }
    }

    /// Puts PostgreSQL's own backup in the place of the tables.
    pub(crate) fn load(&self, from: &Path) {
        let base = postgres().unwrap();
        Raw::connect(&base).exec(format!("DROP SCHEMA {} CASCADE", self.schema()));
        postgres_tool("psql", &["-q", "-v", "ON_ERROR_STOP=1", "--file", from.to_str().unwrap(), "--dbname", &base]);
    }

    fn schema(&self) -> &str {
        match &self.place.database {
            Database::Postgres(database) => database.address.as_str().split_once("search_path%3D").unwrap().1,
            Database::Sqlite => panic!("SQLite has no schema"),
        }
    }

    /// A client that has left foreign keys off.
    pub(crate) fn raw(&self) -> Raw {
        match &self.place.database {
            Database::Postgres(database) => Raw::connect(database.address.as_str()),
            Database::Sqlite => raw_sqlite(&self.place.folder),
        }
    }

    /// Takes the append-only rule away, as somebody with the database in their hands can.
    pub(crate) fn raw_without_log_rules(&self) -> Raw {
        let mut raw = self.raw();
        match self.backend {
            Backend::Sqlite => {
                raw.exec("DROP TRIGGER log_leaves_stay");
                raw.exec("DROP TRIGGER log_leaves_are_fixed");
                raw.exec("DROP TRIGGER log_accounts_stay");
                raw.exec("DROP TRIGGER log_accounts_are_fixed");
            }
            Backend::Postgres => {
                raw.exec("DROP TRIGGER log_leaves_stay ON log_leaves");
                raw.exec("DROP TRIGGER log_accounts_stay ON log_accounts");
            }
        }
        raw
    }
}

/// Runs a program that Debian keeps beside the server and not on the path.
fn postgres_tool(name: &str, args: &[&str]) {
    let mut versions: Vec<_> = std::fs::read_dir("/usr/lib/postgresql").unwrap().map(|v| v.unwrap().path()).collect();
    versions.sort();
    let program = versions.last().unwrap().join("bin").join(name);
    let output = std::process::Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An error that may say that somebody else has the vault.
pub(crate) trait Busy {
    fn is_busy(&self) -> bool;
}

impl Busy for OpenError {
    fn is_busy(&self) -> bool {
        matches!(self, OpenError::Busy { .. })
    }
}

impl Busy for RestoreError {
    fn is_busy(&self) -> bool {
        matches!(self, RestoreError::Open(error) if error.is_busy())
    }
}

/// Another test's child process holds our lock between its fork and its exec; that passes.
pub(crate) fn patient<T, E: Busy>(mut open: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    for _ in 0..100_000 {
        match open() {
            Err(error) if error.is_busy() => std::thread::yield_now(),
            other => return other,
        }
    }
    open()
}

pub(crate) fn fresh() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

pub(crate) fn raw_sqlite(folder: &Path) -> Raw {
    Raw::sqlite(&folder.join("assent.db"))
}

/// A database client with no rules of its own.
pub(crate) enum Raw {
    Sqlite(rusqlite::Connection),
    Postgres { runtime: tokio::runtime::Runtime, client: tokio_postgres::Client },
}

impl Raw {
    fn sqlite(file: &Path) -> Self {
        let connection = rusqlite::Connection::open(file).unwrap();
        connection.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA busy_timeout = 10000;").unwrap();
        Self::Sqlite(connection)
    }

    pub(crate) fn connect(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (client, connection) = runtime.block_on(tokio_postgres::connect(url, tokio_postgres::NoTls)).unwrap();
        runtime.spawn(connection);
        Self::Postgres { runtime, client }
    }

    pub(crate) fn try_exec(&mut self, sql: impl Into<String>) -> Result<(), String> {
        match self {
            Self::Sqlite(connection) => connection.execute_batch(&sql.into()).map_err(|e| e.to_string()),
            Self::Postgres { runtime, client } => runtime
                .block_on(client.batch_execute(&sql.into()))
                .map_err(|e| e.as_db_error().map_or_else(|| e.to_string(), |e| e.message().to_owned())),
        }
    }

    pub(crate) fn exec(&mut self, sql: impl Into<String>) {
        self.try_exec(sql).unwrap();
    }

    /// Runs a statement with byte strings as `$1`, `$2`, ...
    pub(crate) fn exec_with(&mut self, sql: &'static str, blobs: &[&[u8]]) {
        match self {
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare(sql).unwrap();
                for (number, blob) in (1..).zip(blobs) {
                    let index = statement.parameter_index(&format!("${number}")).unwrap().unwrap();
                    statement.raw_bind_parameter(index, blob).unwrap();
                }
                statement.raw_execute().unwrap();
            }
            Self::Postgres { runtime, client } => {
                runtime.block_on(client.execute_raw(sql, blobs.iter().copied())).unwrap();
            }
        }
    }

    pub(crate) fn count(&mut self, sql: &'static str) -> i64 {
        match self {
            Self::Sqlite(connection) => connection.query_row(sql, [], |row| row.get(0)).unwrap(),
            Self::Postgres { runtime, client } => runtime.block_on(client.query_one(sql, &[])).unwrap().get(0),
        }
    }

    pub(crate) fn blobs(&mut self, sql: impl Into<String>) -> Vec<Vec<u8>> {
        let sql = sql.into();
        match self {
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare(&sql).unwrap();
                statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
            }
            Self::Postgres { runtime, client } => {
                let rows = runtime.block_on(client.query(&sql, &[])).unwrap();
                rows.iter().map(|row| row.get(0)).collect()
            }
        }
    }
}

/// An organisation's vault with a collection and two witnesses.
pub(crate) struct World {
    pub(crate) ledger: Ledger,
    pub(crate) home: Home,
    pub(crate) collection: CollectionId,
    pub(crate) witnesses: Vec<WitnessId>,
}

impl World {
    pub(crate) fn new(backend: Backend) -> Self {
        Self::hooked(backend, no_hook())
    }

    /// The same world, opened once more: that notes the vault's format in the key ring.
    pub(crate) fn reopened(self) -> Self {
        let Self { ledger, home, collection, witnesses } = self;
        drop(ledger);
        Self { ledger: home.open(), home, collection, witnesses }
    }

    pub(crate) fn hooked(backend: Backend, hook: WriteHook) -> Self {
        let home = Home::new(backend);
        let ledger = home.create_hooked(VaultKind::Organisation, hook);
        let (collection, witnesses) = furnish(&ledger);
        Self { ledger, home, collection, witnesses }
    }

    pub(crate) fn tx<T>(
        &self,
        now: Timestamp,
        body: impl for<'tx> Fn(&Tx<'tx>) -> Result<T, TxError>,
    ) -> Result<T, TxError> {
        self.ledger.run_tx("test", now, body).map(Committed::into_inner)
    }

    pub(crate) fn subject(&self, handle: &str) -> SubjectId {
        self.tx(T0, |tx| add_subject(tx, handle)).unwrap()
    }

    /// A grant for `find-my-photos` from T0, for this many days.
    pub(crate) fn grant(&self, subject: SubjectId, days: i64) -> GrantId {
        self.tx(T0, |tx| give(tx, subject, self.collection, &Purpose::find_my_photos(), &self.witnesses, days)).unwrap()
    }

    pub(crate) fn enrol(&self, grant: GrantId, bytes: &[u8]) -> Vec<TemplateId> {
        self.tx(T0, |tx| tx.enrol(&tx.active_grant(grant)?, MODEL, &[bytes])).unwrap()
    }

    pub(crate) fn gallery(&self, now: Timestamp) -> Gallery {
        self.tx(now, |tx| tx.searchable_templates(self.collection, &Purpose::find_my_photos(), MODEL)).unwrap()
    }

    pub(crate) fn photo(&self, path: &str, boxes: &[FaceBox]) -> StoredPhoto {
        self.tx(T0, |tx| put_photo(tx, self.collection, path, boxes)).unwrap()
    }
}

pub(crate) fn furnish(ledger: &Ledger) -> (CollectionId, Vec<WitnessId>) {
    let new = NewCollection { name: "Regatta", directory: "/photos/regatta", others: BystanderBasis::ClosedGroup };
    let made = ledger.run_tx("furnish", T0, |tx| {
        tx.add_notice("members", "en", NOTICE)?;
        Ok((tx.add_collection(&new)?, vec![tx.add_witness("Wanda Witness")?, tx.add_witness("Wim Witness")?]))
    });
    made.unwrap().into_inner()
}

pub(crate) fn add_subject(tx: &Tx<'_>, handle: &str) -> Result<SubjectId, TxError> {
    let name = format!("Name of {handle}");
    let contact = format!("{handle}@example.org");
    tx.add_subject(&NewSubject {
        handle,
        name: &name,
        contact: &contact,
        jurisdiction: seat(),
        ..NewSubject::default()
    })
}

pub(crate) fn paper(witnesses: &[WitnessId]) -> Evidence {
    paper_of(&fresh().to_be_bytes(), witnesses)
}

/// A signed form that was scanned to these bytes.
pub(crate) fn paper_of(release: &[u8], witnesses: &[WitnessId]) -> Evidence {
    Evidence::Paper {
        release_sha256: Sha256::digest(release).into(),
        witnesses: witnesses.to_vec(),
        signed_by: Signer::Subject,
        statement: "signed in the boat house".into(),
        signed: None,
    }
}

/// What every witness types in these tests.
pub(crate) const PASSPHRASE: &[u8] = b"three herons by the old lock";

/// Gives each witness a key.
pub(crate) fn give_keys(w: &World) {
    let key = w.ledger.new_witness_key(PASSPHRASE).unwrap();
    w.tx(T0, |tx| w.witnesses.iter().try_for_each(|id| tx.set_witness_key(*id, &key))).unwrap();
}

pub(crate) fn give(
    tx: &Tx<'_>,
    subject: SubjectId,
    collection: CollectionId,
    purpose: &Purpose,
    witnesses: &[WitnessId],
    days: i64,
) -> Result<GrantId, TxError> {
    tx.open_grant(&NewGrant {
        subject,
        collection,
        purpose,
        evidence: &paper(witnesses),
        valid_from: tx.now(),
        valid_until: Timestamp(tx.now().0 + days * DAY),
        notice_sha256: notice(),
    })
}

/// The same consent once more, from now on for this many days.
pub(crate) fn renew(tx: &Tx<'_>, grant: GrantId, witnesses: &[WitnessId], days: i64) -> Result<GrantId, TxError> {
    let old = tx.active_grant(grant)?;
    let new = NewGrant {
        subject: old.subject(),
        collection: old.collection(),
        purpose: &old.purpose().clone(),
        evidence: &paper(witnesses),
        valid_from: tx.now(),
        valid_until: Timestamp(tx.now().0 + days * DAY),
        notice_sha256: notice(),
    };
    tx.renew(old, &new)
}

/// Somebody asks what is held of them.
pub(crate) fn asks(subject: SubjectId, words: &str) -> NewRequest<'_> {
    let (kind, album) = (RequestKind::Access, Album::default());
    NewRequest { kind, subject: Some(subject), collection: None, words, received: T0, due: None, album }
}

pub(crate) fn face(x: f32) -> FaceBox {
    FaceBox { x, y: 10.0, w: 40.0, h: 50.0, quarter_turn: 0, score: 0.9, size_px: 40.0, sharpness: 0.5, luminance: 0.4 }
}

pub(crate) fn put_photo(
    tx: &Tx<'_>,
    collection: CollectionId,
    path: &str,
    boxes: &[FaceBox],
) -> Result<StoredPhoto, TxError> {
    tx.put_photo(&NewPhoto {
        collection,
        path: &path.into(),
        sha256: Sha256::digest(path).into(),
        bytes: 1234,
        mtime: T0,
        changed: None,
        picture: None,
        width: 640,
        height: 480,
        outcome: &Outcome::Faces(boxes.to_vec()),
        scanned_with: MODEL,
        matched_epoch: None,
    })
}

/// A hook that unwinds at the n-th call, from 1, without a word on stderr.
pub(crate) fn unwind_at(n: usize) -> WriteHook {
    let calls = std::sync::atomic::AtomicUsize::new(0);
    Arc::new(move |_| {
        if calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1 == n {
            std::panic::resume_unwind(Box::new("killed"));
        }
    })
}

/// All bytes below a folder.
pub(crate) fn bytes_below(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(bytes_below(&path));
        } else {
            all.extend(std::fs::read(path).unwrap());
        }
    }
    all
}

pub(crate) fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|w| w == needle)
}

/// What Ada is looked for by.
pub(crate) const TEMPLATE: &[u8] = b"0123456789 the embedding of ada 0123456789";

/// Ada under this handle, with everything that can hang on a person; Bob beside her.
pub(crate) fn full(backend: Backend, handle: &str) -> (World, SubjectId, Vec<TemplateId>) {
    let w = World::new(backend);
    let (ada, bob) = (w.subject(handle), w.subject("bob"));
    let (ga, gb) = (w.grant(ada, 9), w.grant(bob, 9));
    let templates = w.enrol(ga, TEMPLATE);
    w.enrol(gb, b"embedding of bob");
    let photo = w.photo("a.jpg", &[face(0.0), face(200.0)]);
    w.tx(T0, |tx| {
        let (a, b) = (tx.active_grant(ga)?, tx.active_grant(gb)?);
        let new = |grant, n: usize| NewSighting { grant, face: photo.faces[n], band: Band::Review };
        tx.replace_sightings(&tx.matching(w.collection)?, photo.id, &[new(&a, 0), new(&b, 1)])?;
        tx.record_decision(&a, photo.faces[0], Verdict::Confirmed)?;
        tx.append_leaf(EventKind::Search, b"1 person", &[(ada, b"looked for herself")])?;
        Ok(())
    })
    .unwrap();
    (w, ada, templates)
}
