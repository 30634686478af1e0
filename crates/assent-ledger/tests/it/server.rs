//! PostgreSQL's server: how it proves who it is and is told who asks, and what is said when it does not do what it should.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use assent_ledger::*;

use crate::support::*;

/// A vault on PostgreSQL; `None` where no server is there for the tests.
fn vault() -> Option<Home> {
    postgres().map(|_| Home::new(Backend::Postgres))
}

fn database(home: &Home) -> Postgres {
    match &home.place.database {
        Database::Postgres(database) => (**database).clone(),
        Database::Sqlite => panic!("the vault is on PostgreSQL"),
    }
}

/// The same tables by another address: some text in it replaced, and more options at its end.
fn otherwise(home: &Home, (from, to): (&str, &str), more: &str) -> Postgres {
    let before = database(home);
    let address = format!("{}{more}", before.address.as_str().replacen(from, to, 1)).parse().unwrap();
    Postgres { address, ..before }
}

fn open(home: &Home, database: Postgres) -> Result<Ledger, OpenError> {
    home.open_at(&VaultPlace { database: Database::Postgres(Box::new(database)), ..home.place.clone() })
}

/// Why the vault does not open.
fn problem(home: &Home, database: Postgres) -> DbProblem {
    match open(home, database).map(drop) {
        Err(OpenError::Database { source, .. }) => source.problem(),
        other => panic!("{other:?}"),
    }
}

fn certificates(name: &str) -> PathBuf {
    let folder = variable("ASSENT_TEST_CERTIFICATES").unwrap();
    Path::new(&folder).join(name)
}

const HERE: &str = "@127.0.0.1:";

#[test]
fn a_server_on_another_machine_proves_its_name_or_is_not_spoken_to() {
    let Some(home) = vault() else { return };
    drop(home.create(VaultKind::Organisation));
    // By the name of another machine, at the address of this one.
    let named = |name: &str| otherwise(&home, (HERE, &format!("@{name}:")), "&hostaddr=127.0.0.1");
    let check = |flaw: &str, name: &str, authority: Option<PathBuf>, wanted: DbProblem| {
        let found = problem(&home, Postgres { certificates: authority, ..named(name) });
        assert_eq!(found, wanted, "{flaw}");
    };
    let ours = || Some(certificates("ca.pem"));
    check("another authority", "db.assent.test", Some(certificates("other.pem")), DbProblem::Unproven);
    check("an authority that nobody knows", "db.assent.test", None, DbProblem::Unproven);
    check("another name", "other.assent.test", ours(), DbProblem::Unproven);
    check("no file", "db.assent.test", Some(certificates("nowhere.pem")), DbProblem::Certificates);
    check("a file that holds none", "db.assent.test", Some("/dev/null".into()), DbProblem::Certificates);
    let proven = Postgres { certificates: ours(), ..named("db.assent.test") };
    let ledger = open(&home, proven).unwrap();
    let about = ledger.database(T0).unwrap().unwrap();
    assert!(about.tls.is_some_and(|version| version.starts_with("TLS")), "the right one");
    drop(ledger);
    // On this machine it may be asked for, too.
    let asked = otherwise(&home, ("@127.0.0.1:", "@localhost:"), "&sslmode=verify-full");
    assert_eq!(problem(&home, Postgres { certificates: ours(), ..asked }), DbProblem::Unproven, "not its name");
}

#[test]
fn a_server_without_tls_on_another_machine_is_not_spoken_to() {
    let home = Home::new(Backend::Sqlite);
    drop(home.create(VaultKind::Organisation));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = [0; 8];
        stream.read_exact(&mut asked).unwrap();
        // What a server answers that has no TLS.
        stream.write_all(b"N").unwrap();
        let mut more = Vec::new();
        stream.read_to_end(&mut more).unwrap();
        (asked, more)
    });
    let address = format!("postgres://ann@db.assent.test:{port}/club?hostaddr=127.0.0.1").parse().unwrap();
    let database = Postgres { address, password: None, certificates: None, clock: ClockSource::Caller };
    assert_eq!(problem(&home, database), DbProblem::NoTls);
    let (asked, more) = served.join().unwrap();
    assert_eq!(asked, [0, 0, 0, 8, 4, 210, 22, 47], "TLS was asked for");
    assert!(more.is_empty(), "and nothing else was sent: {more:?}");
}

#[test]
fn who_has_the_wrong_password_or_none_is_told_so() {
    let Some(home) = vault() else { return };
    drop(home.create(VaultKind::Organisation));
    let mut raw = home.raw();
    // In a second run on the same server the user is there already.
    drop(raw.try_exec("CREATE ROLE asked LOGIN SUPERUSER"));
    raw.exec("ALTER ROLE asked PASSWORD 'three herons'");
    let before = database(&home);
    let user = before.address.as_str().split_once('@').unwrap().0.to_owned();
    let named = otherwise(&home, (&user, "postgres://asked"), "");
    let with = |password: &[u8]| Postgres { password: Some(password.to_vec().into()), ..named.clone() };
    assert_eq!(problem(&home, named.clone()), DbProblem::NotLetIn, "none");
    assert_eq!(problem(&home, with(b"three swans")), DbProblem::NotLetIn, "the wrong one");
    open(&home, with(b"three herons")).unwrap();
    assert!(!format!("{:?}", with(b"three herons")).contains("herons"));
}

#[test]
fn what_is_wrong_with_a_database_is_told_by_one_sentence_and_the_next_call_goes_on() {
    let Some(home) = vault() else { return };
    drop(home.create(VaultKind::Organisation));
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let before = database(&home).address.as_str().to_owned();
    let port = before.split_once(HERE).unwrap().1.split_once('/').unwrap().0.to_owned();
    let cases = [
        ("no server", (port.as_str(), nobody.to_string()), DbProblem::Unreachable),
        ("no such database", ("/postgres?", "/nothing?".to_owned()), DbProblem::NoDatabase),
        ("no such schema", ("search_path%3Dt_", "search_path%3Dx_".to_owned()), DbProblem::NoSchema),
    ];
    for (flaw, (from, to), wanted) in cases {
        assert_eq!(problem(&home, otherwise(&home, (from, &to), "")), wanted, "{flaw}");
    }
    let mut raw = home.raw();
    raw.exec("ALTER TABLE log_tiles RENAME TO log_tiles_away");
    let other = home.try_open().unwrap_err();
    assert!(matches!(other, OpenError::Tampered { .. }), "{other:?}");
    raw.exec("ALTER TABLE log_tiles_away RENAME TO log_tiles");
    home.open();
    raw.exec("UPDATE schema_version SET version = 99");
    let newer = home.try_open().unwrap_err();
    assert!(matches!(newer, OpenError::Newer { format: 99, .. }), "{newer:?}");
    raw.exec(format!("UPDATE schema_version SET version = {FORMAT_VERSION}"));
    home.open();
}

#[test]
fn tables_of_something_else_are_left_alone() {
    let Some(home) = vault() else { return };
    home.raw().exec("CREATE TABLE subjects (id BIGINT PRIMARY KEY, name TEXT)");
    let settings = Settings::default();
    let refused = Ledger::create(&home.place, VaultKind::Organisation, &settings, home.tools(no_hook()), T0);
    let Err(OpenError::Database { source, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(source.problem(), DbProblem::Occupied);
    assert_eq!(
        home.raw().count("SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass('vault')"),
        0,
        "nothing is left"
    );
    home.raw().exec("DROP TABLE subjects");
    home.create(VaultKind::Organisation);
}

#[test]
fn a_second_vault_in_one_schema_is_refused_also_when_both_are_made_at_once() {
    let Some(home) = vault() else { return };
    let settings = Settings { controller: "The Club".into(), jurisdiction: "FR".into(), ..Settings::default() };
    let places: Vec<VaultPlace> = (0..4)
        .map(|n| {
            let below = |name: &str| home.dir.path().join(format!("{n}")).join(name);
            std::fs::create_dir(home.dir.path().join(format!("{n}"))).unwrap();
            VaultPlace { folder: below("vault"), ring: below("keys/ring"), database: home.place.database.clone() }
        })
        .collect();
    let create = |place: &VaultPlace| {
        Ledger::create(place, VaultKind::Organisation, &settings, home.tools(no_hook()), T0).map(drop)
    };
    let made: Vec<_> = thread::scope(|scope| {
        let all: Vec<_> = places.iter().map(|place| scope.spawn(|| create(place))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1, "{made:?}");
    for refused in made.into_iter().chain([create(&places[0])]).filter_map(Result::err) {
        assert!(matches!(refused, OpenError::DatabaseTaken { .. }), "{refused:?}");
    }
    assert_eq!(home.raw().count("SELECT COUNT(*) FROM vault"), 1);
    assert_eq!(home.raw().count("SELECT size FROM log_head"), 1);
}

#[test]
fn a_database_that_can_only_be_read_is_read_and_refuses_whatever_writes() {
    let Some(home) = vault() else { return };
    let ledger = home.create(VaultKind::Organisation);
    furnish(&ledger);
    drop(ledger);
    let standby = otherwise(&home, ("search_path", "default_transaction_read_only%3Don%20-csearch_path"), "");
    let ledger = open(&home, standby).unwrap();
    assert_eq!(ledger.read_tx(T0, |tx| Ok(tx.collections()?.len())).unwrap(), 1);
    let refused = ledger.run_tx("add", T0, |tx| add_subject(tx, "ada").map(drop)).unwrap_err();
    let TxError::Database(cause) = &refused else { panic!("{refused:?}") };
    assert_eq!(cause.problem(), DbProblem::ReadOnly);
    assert!(refused.to_string().contains("it is a standby"), "{refused}");
    assert!(ledger.database(T0).unwrap().unwrap().read_only);
    assert_eq!(ledger.read_tx(T0, |tx| Ok(tx.subjects()?.len())).unwrap(), 0, "and it goes on");
}

/// Ends the connection that writes in this vault just now.
fn cut(home: &Home) {
    home.raw().exec(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE relation = 'log_head'::regclass AND mode = 'RowShareLock'",
    );
}

#[test]
fn a_connection_that_is_lost_in_the_middle_leaves_nothing_half_done_and_the_next_call_goes_on() {
    let Some(home) = vault() else { return };
    let ledger = home.create(VaultKind::Organisation);
    let count = |ledger: &Ledger| ledger.read_tx(T0, |tx| Ok(tx.subjects()?.len())).unwrap();
    // Once: the transaction is run again, on another connection.
    let runs = AtomicUsize::new(0);
    ledger
        .run_tx("add", T0, |tx| {
            add_subject(tx, "ada")?;
            if runs.fetch_add(1, Ordering::Relaxed) == 0 {
                cut(&home);
            }
            tx.append_leaf(EventKind::Search, b"", &[]).map(drop)
        })
        .unwrap();
    assert_eq!((runs.load(Ordering::Relaxed), count(&ledger)), (2, 1));
    // Every time.
    let lost = ledger.run_tx("add", T0, |tx| {
        add_subject(tx, "bob")?;
        cut(&home);
        tx.append_leaf(EventKind::Search, b"", &[]).map(drop)
    });
    let Err(TxError::Database(cause)) = lost else { panic!("{lost:?}") };
    assert_eq!(cause.problem(), DbProblem::Interrupted);
    assert_eq!(count(&ledger), 1, "nothing of it was kept");
    // Those that lie idle, too.
    let named = format!("cut {}", home.dir.path().display());
    let named = named.replace('/', ".");
    let idle = open(&home, otherwise(&home, ("options=", &format!("application_name={named}&options=")), "")).unwrap();
    assert_eq!(count(&idle), 1);
    let ended =
        format!("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = '{named}'");
    home.raw().exec(ended);
    assert_eq!(count(&idle), 1);
    idle.run_tx("add", T0, |tx| add_subject(tx, "eve").map(drop)).unwrap();
    ledger.run_tx("add", T0, |tx| add_subject(tx, "bob").map(drop)).unwrap();
    assert_eq!(ledger.audit_verify(None, T0).unwrap().fault, None);
}

#[test]
fn a_connection_that_is_lost_at_the_commit_is_told_so_and_the_next_call_goes_on() {
    let Some(home) = vault() else { return };
    let (database, armed) = (home.place.clone(), Arc::new(AtomicBool::new(false)));
    let (fires, place) = (armed.clone(), Arc::new(home));
    let at_commit = place.clone();
    let hook: WriteHook = Arc::new(move |point| {
        let commits = point.kind == WriteKind::Commit("add") && point.moment == Moment::Before;
        if commits && fires.swap(false, Ordering::Relaxed) {
            cut(&at_commit);
        }
    });
    drop(place.create(VaultKind::Organisation));
    let ledger = Ledger::open(&database, place.tools(hook), T0).unwrap();
    let add = || ledger.run_tx("add", T0, |tx| add_subject(tx, "ada").map(drop)).map(drop);
    armed.store(true, Ordering::Relaxed);
    let lost = add();
    let Err(TxError::CommitUnknown { transaction: "add", .. }) = &lost else { panic!("{lost:?}") };
    assert_eq!(ledger.read_tx(T0, |tx| Ok(tx.subjects()?.len())).unwrap(), 0, "whether it was done can be looked up");
    add().unwrap();
    assert_eq!(ledger.audit_verify(None, T0).unwrap().fault, None);
}

#[test]
fn a_server_whose_default_is_another_isolation_changes_nothing() {
    let Some(home) = vault() else { return };
    drop(home.create(VaultKind::Organisation));
    let strict =
        || otherwise(&home, ("search_path", "default_transaction_isolation%3Dserializable%20-csearch_path"), "");
    thread::scope(|scope| {
        for thread in 0..4_u8 {
            let ledger = open(&home, strict()).unwrap();
            scope.spawn(move || {
                for _ in 0..10 {
                    ledger.run_tx("append", T0, |tx| tx.append_leaf(EventKind::Search, &[thread], &[])).unwrap();
                }
            });
        }
    });
    let ledger = home.open();
    let leaves = ledger.read_tx(T0, |tx| tx.leaves(0, 1000)).unwrap();
    assert_eq!(leaves.iter().filter(|leaf| leaf.kind == EventKind::Search).count(), 40);
    assert_eq!(ledger.audit_verify(None, T0).unwrap().fault, None);
}

/// What the database's clock says.
fn server_time(home: &Home) -> i64 {
    home.raw().count("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::BIGINT")
}

#[test]
fn i1_the_clock_of_the_database_decides_whether_a_consent_is_in_force() {
    let Some(home) = vault() else { return };
    let today = server_time(&home);
    // Made 25 days ago, by a clock that tests move: one consent for 20 days, one for 30.
    let made = Timestamp(today - 25 * DAY);
    let settings = Settings { controller: "The Club".into(), jurisdiction: "FR".into(), ..Settings::default() };
    let ledger = Ledger::create(&home.place, VaultKind::Organisation, &settings, home.tools(no_hook()), made).unwrap();
    let given = ledger.run_tx("furnish", made, |tx| {
        tx.add_notice("members", "en", NOTICE)?;
        let new = NewCollection { name: "Regatta", directory: "/p", others: BystanderBasis::ClosedGroup };
        let collection = tx.add_collection(&new)?;
        Ok((collection, vec![tx.add_witness("Wanda")?, tx.add_witness("Wim")?]))
    });
    let (collection, witnesses) = given.unwrap().into_inner();
    let consent = |handle: &str, days| {
        let purpose = Purpose::find_my_photos();
        let given = ledger
            .run_tx("agree", made, |tx| give(tx, add_subject(tx, handle)?, collection, &purpose, &witnesses, days));
        given.unwrap().into_inner()
    };
    let (over, valid) = (consent("ada", 20), consent("bob", 30));
    drop(ledger);
    let counts = Postgres { clock: ClockSource::Database, ..database(&home) };
    let ledger = open(&home, counts).unwrap();
    // Machines whose clocks are wrong: a month slow, a year ahead.
    for wrong in [made, Timestamp(today + 365 * DAY)] {
        let in_force = |grant| ledger.run_tx("find", wrong, |tx| tx.active_grant(grant).map(drop));
        assert!(matches!(in_force(over), Err(TxError::NotActive { .. })), "{wrong:?}");
        in_force(valid).unwrap();
        let now = ledger.read_tx(wrong, |tx| Ok(tx.now())).unwrap();
        assert!((today..today + DAY).contains(&now.0), "{now:?}");
        assert!(ledger.clock(wrong).unwrap().is_none(), "this machine's clock is not what is doubted");
    }
    assert_eq!(ledger.expire_due(made).unwrap().ended, [over]);
}

#[test]
fn a_wrong_clock_of_the_database_ends_nothing_either() {
    let Some(home) = vault() else { return };
    let today = server_time(&home);
    let made = Timestamp(today - 100 * DAY);
    drop(
        Ledger::create(&home.place, VaultKind::Organisation, &Settings::default(), home.tools(no_hook()), made)
            .unwrap(),
    );
    let counts = Postgres { clock: ClockSource::Database, ..database(&home) };
    let ledger = open(&home, counts).unwrap();
    let doubt = ledger.expire_due(made).unwrap_err();
    assert!(matches!(doubt, TxError::ClockAhead { clock: ClockSource::Database, .. }), "{doubt:?}");
    assert!(doubt.to_string().starts_with("the clock of the database's server says"), "{doubt}");
    assert!(ledger.confirm_clock(made).unwrap());
    ledger.expire_due(made).unwrap();
}
