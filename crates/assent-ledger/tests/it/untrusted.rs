//! The database is not trusted: what somebody does who can write it, and has no key, is refused or found with its place.

use assent_ledger::*;

use crate::support::*;

/// What must come of an edit.
#[derive(Clone, Copy, Debug)]
enum Want {
    /// The vault does not open, and the error begins with this (table, or what it says).
    Refused(&'static str),
    /// The vault opens; an audit names the table.
    Found(&'static str),
    /// It opens and an audit is content: what it does is said in docs/threat-model.md.
    Harmless,
}
use Want::{Found, Harmless, Refused};

/// Who and what is in the vault that is edited.
struct Scene {
    w: World,
    ada: SubjectId,
    grant: GrantId,
    order: OrderId,
    pending: PendingId,
    photo: PhotoId,
}

/// A vault with something of everything.
fn scene(backend: Backend) -> Scene {
    let w = World::new(backend);
    let (ada, bob, carl, dora) = (w.subject("ada"), w.subject("bob"), w.subject("carl"), w.subject("dora"));
    let (grant, gb) = (w.grant(ada, 90), w.grant(bob, 90));
    w.enrol(grant, TEMPLATE);
    w.enrol(gb, b"0123456789 the embedding of bob 0123456789");
    let photo = w.photo("a.jpg", &[face(0.0), face(200.0), face(400.0)]);
    w.photo("b.jpg", &[face(100.0)]);
    give_keys(&w);
    let order = w
        .tx(T0, |tx| {
            tx.add_notice("visitors", "en", "Another text.")?;
            let (a, b) = (tx.active_grant(grant)?, tx.active_grant(gb)?);
            let new = |grant, n: usize| NewSighting { grant, face: photo.faces[n], band: Band::Review };
            tx.replace_sightings(&tx.matching(w.collection)?, photo.id, &[new(&a, 0), new(&b, 1)])?;
            tx.record_decision(&a, photo.faces[0], Verdict::Refused)?;
            tx.note_portraits(ada, [[7; 32]].iter())?;
            tx.object(photo.id, photo.faces[2])?;
            tx.restrict(carl, true)?;
            tx.refuse(ada, w.collection, &Purpose::publish_website(), notice())?;
            tx.open_request(&asks(ada, "what do you hold"))?;
            tx.append_leaf(EventKind::Search, b"1 person", &[(ada, b"looked for herself")])?;
            let scope = Scope::Jurisdiction("DE".parse().unwrap());
            tx.order_stop(&scope, "court, file 7", None)
        })
        .unwrap();
    let w = w.reopened();
    let pending = wait(&w, bob, &Purpose::publish_print(), "/portraits/bob.jpg");
    w.ledger.erase(dora, T0, |_| {}).unwrap();
    Scene { w, ada, grant, order, pending, photo: photo.id }
}

impl Home {
    /// Runs statements with no rule in their way, and leaves the rules as they were: as somebody does who has the database in
    /// their hands.
    pub(crate) fn edit(&self, sql: &str) {
        match self.raw() {
            mut raw @ Raw::Postgres { .. } => raw.exec(format!("SET session_replication_role = replica; {sql}")),
            Raw::Sqlite(connection) => {
                let mut all = connection.prepare("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").unwrap();
                let rules = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
                let rules: Vec<(String, String)> = rules.map(Result::unwrap).collect();
                let dropped: Vec<_> = rules.iter().map(|(name, _)| format!("DROP TRIGGER {name};")).collect();
                let again: Vec<_> = rules.iter().map(|(_, sql)| format!("{sql};")).collect();
                let all = format!("BEGIN; {} {sql}; {} COMMIT", dropped.concat(), again.concat());
                connection.execute_batch(&all).unwrap();
            }
        }
    }
}

/// What an audit of a vault finds that is opened whatever was done to it.
fn audited(home: &Home) -> Vec<Tampering> {
    let ledger = patient(|| Ledger::inspect(&home.place, home.tools(no_hook()), T0)).unwrap();
    ledger.audit_verify(None, T0).unwrap().tampered
}

fn names(found: &Tampering, wanted: &str) -> bool {
    match found {
        Tampering::Row { table, .. } | Tampering::Rows { table, .. } => *table == wanted,
        other => other.to_string().contains(wanted),
    }
}

/// Nothing, before the edit.
fn idle(_: &Scene) {}

fn withdraw(s: &Scene) {
    s.w.tx(T0, |tx| tx.withdraw(tx.active_grant(s.grant)?)).unwrap();
}

/// A vault where these tables were kept aside before the step.
fn after(backend: Backend, save: &[&str], step: fn(&Scene)) -> Home {
    let scene = scene(backend);
    for table in save {
        scene.w.home.raw().exec(format!("CREATE TABLE old_{table} AS SELECT * FROM {table}"));
    }
    step(&scene);
    let World { ledger, home, .. } = scene.w;
    drop(ledger);
    home
}

/// Files are copied faster than a vault is made.
fn copy_of(whole: &Home) -> Home {
    Home::of_files(&whole.place.folder.join("assent.db"), &whole.place.ring)
}

fn check(home: &Home, name: &str, save: &[&str], sql: &str, want: Want) {
    let backend = home.backend;
    // The rows of the old copy in place of those that are there now.
    let back =
        save.iter().map(|t| format!("DELETE FROM {t}; INSERT INTO {t} SELECT * FROM old_{t}; DROP TABLE old_{t};"));
    let back = back.collect::<Vec<_>>().concat();
    home.edit(&format!("{back} {sql}"));
    let opened = patient(|| home.try_open());
    let at = || format!("{backend:?}: {name}: {want:?}");
    match (want, opened) {
        (Refused(wanted), Err(OpenError::Tampered { first, .. })) => {
            assert!(names(&first, wanted), "{}: {first:?}", at());
            let found = audited(home);
            assert!(found.iter().any(|found| names(found, wanted)), "{}: {found:?}", at());
        }
        (Refused(wanted), Err(other)) => assert!(format!("{other:?}").contains(wanted), "{}: {other:?}", at()),
        (Found(wanted), Ok(ledger)) => {
            let found = ledger.audit_verify(None, T0).unwrap().tampered;
            assert!(found.iter().any(|found| names(found, wanted)), "{}: {found:?}", at());
        }
        (Harmless, Ok(ledger)) => assert_eq!(ledger.audit_verify(None, T0).unwrap().tampered, [], "{}", at()),
        (_, opened) => panic!("{}: {:?}", at(), opened.map(drop)),
    }
}

type Case = (&'static str, &'static [&'static str], fn(&Scene), &'static str, Want);

const YEARS: &str = "UPDATE grants SET valid_until_ms = valid_until_ms + 1576800000000";

/// Edits of the people and what they agreed to.
const PEOPLE: &[Case] = &[
    ("nothing was done", &[], idle, "", Harmless),
    ("a withdrawn consent, from an old copy", &["templates", "sightings", "grants"], withdraw, "", Refused("grants")),
    ("an ended consent is active again", &[], withdraw, "UPDATE grants SET state = 'active'", Refused("grants")),
    ("a consent never ends", &[], idle, YEARS, Refused("grants")),
    ("a consent ended", &[], idle, "UPDATE grants SET state = 'expired'", Refused("grants")),
    (
        "a consent that ends tomorrow",
        &[],
        idle,
        "UPDATE grants SET valid_until_ms = valid_from_ms + 1",
        Refused("grants"),
    ),
    ("a consent is gone", &[], idle, "DELETE FROM templates; DELETE FROM grants", Refused("grants")),
    (
        "a consent to a text that nobody saw",
        &[],
        idle,
        "UPDATE grants SET notice_sha256 = (SELECT n.sha256 FROM notices n WHERE n.sha256 <> grants.notice_sha256)",
        Refused("grants"),
    ),
    ("a consent from before", &[], idle, "UPDATE grants SET valid_from_ms = 0, created_ms = 0", Refused("grants")),
    ("a consent that renews another", &[], idle, "UPDATE grants SET renews = id", Refused("grants")),
    ("a consent for another purpose", &[], idle, "UPDATE grants SET purpose = 'publish-print'", Refused("grants")),
    (
        "a forged consent",
        &[],
        idle,
        "CREATE TABLE f AS SELECT * FROM grants; UPDATE f SET id = notice_sha256, purpose = 'publish-print'; \
         DELETE FROM f WHERE subject_id <> (SELECT subject_id FROM f ORDER BY subject_id LIMIT 1); INSERT INTO grants SELECT * FROM f; DROP TABLE f",
        Refused("grants"),
    ),
    ("no MAC", &[], idle, "UPDATE grants SET mac = NULL", Refused("grants")),
    ("another row's MAC", &[], idle, "UPDATE grants SET mac = (SELECT mac FROM subjects LIMIT 1)", Refused("grants")),
    ("a template is gone", &[], idle, "DELETE FROM templates WHERE epoch = 1", Found("templates")),
    ("a template of another model", &[], idle, "UPDATE templates SET model_sha256 = sealed", Found("templates")),
    ("a restriction is gone", &[], idle, "UPDATE subjects SET restricted_ms = NULL", Refused("subjects")),
    (
        "a restriction is gone, by the row of an old copy",
        &["subjects"],
        |s| s.w.tx(T0, |tx| tx.restrict(s.ada, true)).unwrap(),
        "",
        Refused("subjects"),
    ),
    (
        "somebody as they were recorded before",
        &["subjects"],
        |s| s.w.tx(T0, |tx| tx.rectify(s.ada, &Correction { age: Some(Age::Adult), ..Correction::default() })).unwrap(),
        "",
        Refused("subjects"),
    ),
    ("somebody is gone", &[], idle, "DELETE FROM subjects WHERE restricted_ms IS NOT NULL", Refused("subjects")),
    ("a name leads to nobody", &[], idle, "UPDATE subjects SET name_tag = NULL", Refused("subjects")),
    ("a name leads to somebody else", &[], idle, "UPDATE subjects SET handle_tag = name_tag", Refused("subjects")),
    ("the roster, falsified", &[], idle, "UPDATE subjects SET created_ms = 0", Refused("subjects")),
    (
        "another owner",
        &[],
        idle,
        "UPDATE subjects SET owner = 1 WHERE id = (SELECT id FROM subjects ORDER BY id LIMIT 1)",
        Refused("subjects"),
    ),
    ("a no is forgotten", &[], idle, "DELETE FROM refusals", Refused("refusals")),
    ("a no for another purpose", &[], idle, "UPDATE refusals SET purpose = 'publish-print'", Refused("refusals")),
    ("a form may be used twice", &[], idle, "DELETE FROM used_releases", Refused("used_releases")),
    ("a picture may be used twice", &[], idle, "DELETE FROM used_portraits", Refused("used_portraits")),
    (
        "an enrolment that was given up",
        &["pending_enrolments"],
        |s| s.w.tx(T0, |tx| tx.discard_pending(s.pending)).unwrap(),
        "",
        Refused("pending_enrolments"),
    ),
    ("an erasure is forgotten", &[], idle, "DELETE FROM tombstones", Refused("tombstones")),
    ("an erasure at another time", &[], idle, "UPDATE tombstones SET erased_ms = 0", Refused("tombstones")),
    (
        "an erasure with another salt",
        &[],
        idle,
        "UPDATE tombstones SET intent_salt = subject_id",
        Refused("tombstones"),
    ),
    ("an erasure with another leaf", &[], idle, "UPDATE tombstones SET done_leaf = 0", Refused("tombstones")),
];

/// Edits of what the organisation stated and was told.
const VAULT: &[Case] = &[
    ("a household", &[], idle, "UPDATE vault SET kind = 'household'", Refused("vault")),
    (
        "who answered for it before",
        &["vault"],
        |s| s.w.ledger.change_settings(Settings { controller: "Another".into(), ..Settings::default() }, T0).unwrap(),
        "",
        Refused("vault"),
    ),
    ("an older vault", &[], idle, "UPDATE vault SET created_ms = 0", Refused("vault")),
    ("the key ring was noted less", &[], idle, "UPDATE vault SET ring_slots = 0", Refused("vault")),
    ("an older format", &[], idle, "UPDATE vault SET format_version = 8", Refused("older version")),
    (
        "an older format without a MAC anywhere",
        &[],
        idle,
        "UPDATE vault SET format_version = 8, mac = NULL; UPDATE grants SET mac = NULL; UPDATE log_head SET sums = NULL",
        Refused("older version"),
    ),
    ("another vault", &[], idle, "UPDATE vault SET id = ring_check", Refused("another length")),
    ("another key ring", &[], idle, "UPDATE vault SET ring_check = id", Refused("another length")),
    ("the file is to be rewritten", &[], idle, "UPDATE vault SET scrub_due = 1", Harmless),
    ("faces may be compared", &[], idle, "UPDATE collections SET others = 'research:x'", Refused("collections")),
    ("a freeze", &[], idle, "UPDATE collections SET state = 'frozen'", Refused("collections")),
    (
        "what was stated of a collection before",
        &["collections"],
        |s| {
            let basis = Basis { necessity: Some("too many photos".into()), ..Basis::default() };
            s.w.tx(T0, |tx| tx.set_basis(s.w.collection, &basis)).unwrap();
        },
        "",
        Refused("collections"),
    ),
    (
        "a freeze is undone",
        &["collections"],
        |s| s.w.tx(T0, |tx| tx.freeze_collection(s.w.collection)).unwrap(),
        "",
        Refused("collections"),
    ),
    ("a collection is gone", &[], idle, "DELETE FROM collections", Refused("collections")),
    ("newcomers are not compared", &[], idle, "UPDATE collections SET template_epoch = 99", Refused("collections")),
    ("photos were compared already", &[], idle, "UPDATE photos SET matched_epoch = 99", Harmless),
    ("crops are kept", &[], idle, "UPDATE collections SET keep_crops = 1", Refused("collections")),
    ("an order is lifted", &[], idle, "UPDATE orders SET lifted_ms = from_ms", Refused("orders")),
    ("an order is gone", &[], idle, "DELETE FROM orders", Refused("orders")),
    ("an order ended", &[], idle, "UPDATE orders SET until_ms = from_ms + 1", Refused("orders")),
    ("an order for another place", &[], idle, "UPDATE orders SET jurisdiction = 'FR'", Refused("orders")),
    (
        "an order comes back that was lifted",
        &["orders"],
        |s| s.w.tx(T0, |tx| tx.lift_order(s.order)).unwrap(),
        "",
        Refused("orders"),
    ),
    (
        "a forged order",
        &[],
        idle,
        "INSERT INTO orders (id, sealed, from_ms, mac) SELECT id, sealed, 1, mac FROM witnesses LIMIT 1",
        Refused("orders"),
    ),
    ("a request is gone", &[], idle, "DELETE FROM requests", Refused("requests")),
    (
        "a request was answered",
        &[],
        idle,
        "UPDATE requests SET answered_ms = 1, outcome = 'granted'",
        Refused("requests"),
    ),
    ("a request is due in a lifetime", &[], idle, "UPDATE requests SET due_ms = 4102444800000", Refused("requests")),
    ("a request of another kind", &[], idle, "UPDATE requests SET kind = 'complaint'", Refused("requests")),
    ("a request without its words", &[], idle, "UPDATE requests SET sealed = NULL", Refused("requests")),
    ("a face is not set apart any more", &[], idle, "DELETE FROM objections", Refused("objections")),
    ("another place is set apart", &[], idle, "UPDATE objections SET x = x + 500", Refused("objections")),
    ("another text", &[], idle, "UPDATE notices SET text = 'x'", Refused("notices")),
    ("a text is gone", &[], idle, "DELETE FROM notices", Refused("notices")),
    ("a text under another name", &[], idle, "UPDATE notices SET name = name || 'x'", Refused("notices")),
    ("another version of a text", &[], idle, "UPDATE notices SET version = version + 1", Refused("notices")),
    ("a text in another language", &[], idle, "UPDATE notices SET language = 'de'", Refused("notices")),
    ("a witness is gone", &[], idle, "DELETE FROM witnesses", Refused("witnesses")),
    (
        "two witnesses change places",
        &[],
        idle,
        "CREATE TABLE o AS SELECT * FROM witnesses; \
         UPDATE witnesses SET sealed = (SELECT o.sealed FROM o WHERE o.id <> witnesses.id); DROP TABLE o",
        Refused("witnesses"),
    ),
];

/// Edits of photos, of the log and of the rules themselves.
const REST: &[Case] = &[
    (
        "two photos change places",
        &[],
        idle,
        "CREATE TABLE o AS SELECT * FROM photos; UPDATE photos SET path_tag = sealed; \
         UPDATE photos SET path_tag = (SELECT o.path_tag FROM o WHERE o.id <> photos.id), \
         sealed = (SELECT o.sealed FROM o WHERE o.id <> photos.id); DROP TABLE o",
        Found("photos"),
    ),
    (
        "a photo is gone",
        &[],
        idle,
        "DELETE FROM photos WHERE id NOT IN (SELECT photo_id FROM sightings)",
        Found("photos"),
    ),
    ("a photo without a face", &[], idle, "UPDATE photos SET outcome = 'no_face'", Found("photos")),
    ("a photo of another size", &[], idle, "UPDATE photos SET bytes = 1", Found("photos")),
    ("strangers' boxes are gone", &[], idle, "DELETE FROM faces WHERE x > 300", Found("photos")),
    ("strangers' boxes lie in a corner", &[], idle, "UPDATE faces SET x = 0, y = 0, w = 1, h = 1", Found("photos")),
    (
        "a face of another photo",
        &[],
        idle,
        "UPDATE faces SET photo_id = (SELECT MAX(id) FROM photos) WHERE x > 300",
        Found("photos"),
    ),
    ("a sighting in another photo", &[], idle, "UPDATE sightings SET photo_id = photo_id + 1", Harmless),
    ("sightings are gone", &[], idle, "DELETE FROM sightings", Harmless),
    ("a sighting of another face", &[], idle, "UPDATE sightings SET face_id = face_id + 1", Harmless),
    ("a decision is gone", &[], idle, "DELETE FROM decisions", Found("decisions")),
    ("openings of the log are gone", &[], idle, "DELETE FROM log_openings WHERE seq > 5", Found("log_openings")),
    ("the log's head has other sums", &[], idle, "UPDATE log_head SET sums = peaks", Refused("head of the log")),
    ("the log's head has no sums", &[], idle, "UPDATE log_head SET sums = NULL", Refused("head of the log")),
    ("the log's head has another time", &[], idle, "UPDATE log_head SET newest_ms = 1", Refused("head of the log")),
    ("the log's head has another length", &[], idle, "UPDATE log_head SET size = size - 1", Refused("head of the log")),
    (
        "the sums of an old copy",
        &["orders"],
        |s| {
            s.w.home.raw().exec("CREATE TABLE old_sums AS SELECT sums FROM log_head");
            s.w.tx(T0, |tx| tx.lift_order(s.order)).unwrap();
        },
        "UPDATE log_head SET sums = (SELECT sums FROM old_sums); DROP TABLE old_sums",
        Refused("head of the log"),
    ),
    ("a table of somebody else's", &[], idle, "CREATE TABLE kept (x BIGINT)", Refused("the table kept is not one of")),
    (
        "a view of somebody else's",
        &[],
        idle,
        "CREATE VIEW spy AS SELECT * FROM grants",
        Refused("the view spy is not one of"),
    ),
    ("how far the tables are is gone", &[], idle, "DELETE FROM schema_version", Refused("schema_version was changed")),
    ("an index is gone", &[], idle, "DROP INDEX grants_one_active", Refused("grants_one_active")),
    ("a column more", &[], idle, "ALTER TABLE grants ADD COLUMN extra TEXT", Refused("grants")),
];

fn check_all(cases: &[Case]) {
    on_every_database(|backend| {
        let whole = after(backend, &[], idle);
        for (name, save, step, sql, want) in cases {
            let plain = save.is_empty() && std::ptr::fn_addr_eq(*step, idle as fn(&Scene));
            let home = if plain && backend == Backend::Sqlite { copy_of(&whole) } else { after(backend, save, *step) };
            check(&home, name, save, sql, *want);
        }
    });
}

#[test]
fn i1_no_edit_of_people_and_consents_in_the_database_goes_unnoticed() {
    check_all(PEOPLE);
}

#[test]
fn no_edit_of_what_an_organisation_stated_or_was_told_goes_unnoticed() {
    check_all(VAULT);
}

#[test]
fn no_edit_of_photos_the_log_or_the_tables_themselves_goes_unnoticed() {
    check_all(REST);
}

/// A trigger that makes a statement of this kind do nothing, or more than it says.
fn plant(home: &Home, name: &str, when: &str, table: &str, ignores: bool) {
    let keeps = "INSERT INTO leases (name, holder, token, until_ms) VALUES ('x', OLD.sealed, 1, 1)";
    home.raw().exec(match (home.backend, ignores) {
        (Backend::Sqlite, true) => {
            format!("CREATE TRIGGER {name} BEFORE {when} ON {table} BEGIN SELECT RAISE(IGNORE); END")
        }
        (Backend::Sqlite, false) => format!("CREATE TRIGGER {name} BEFORE {when} ON {table} BEGIN {keeps}; END"),
        (Backend::Postgres, true) => format!(
            "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; \
             CREATE TRIGGER {name} BEFORE {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"
        ),
        (Backend::Postgres, false) => format!(
            "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {keeps}; RETURN OLD; END $$; \
             CREATE TRIGGER {name} BEFORE {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"
        ),
    });
}

#[test]
fn i1_a_planted_trigger_is_refused_by_name_before_anything_is_written() {
    on_every_database(|backend| {
        for (when, table, ignores) in [
            ("UPDATE", "grants", true),
            ("DELETE", "templates", true),
            ("DELETE", "templates", false),
            ("DELETE", "sightings", true),
            ("INSERT", "orders", true),
            ("DELETE", "subjects", true),
            ("INSERT", "log_leaves", true),
            ("UPDATE", "schema_version", true),
        ] {
            let s = scene(backend);
            let (home, ledger) = (s.w.home, s.w.ledger);
            drop(ledger);
            let before = home.raw().count("SELECT size FROM log_head");
            plant(&home, "quiet", when, table, ignores);
            let refused = home.try_open().map(drop).unwrap_err().to_string();
            assert!(refused.contains("quiet"), "{backend:?} {when} {table}: {refused}");
            let found = audited(&home);
            assert!(found.iter().any(|found| names(found, "quiet")), "{backend:?} {when} {table}: {found:?}");
            assert_eq!(home.raw().count("SELECT size FROM log_head"), before, "{backend:?} {when} {table}");
        }
    });
}

#[test]
fn i1_a_change_that_the_database_passes_over_is_an_error_and_nothing_of_it_counts() {
    type Act = fn(&Tx<'_>, &Scene) -> Result<(), TxError>;
    let acts: [(&str, &str, Act); 6] = [
        ("UPDATE", "grants", |tx, s| tx.withdraw(tx.active_grant(s.grant)?)),
        ("DELETE", "templates", |tx, s| tx.withdraw(tx.active_grant(s.grant)?)),
        ("INSERT", "orders", |tx, _| tx.order_stop(&Scope::Vault, "court", None).map(drop)),
        ("UPDATE", "orders", |tx, s| tx.lift_order(s.order)),
        ("UPDATE", "subjects", |tx, s| tx.restrict(s.ada, true)),
        ("DELETE", "pending_enrolments", |tx, s| tx.discard_pending(s.pending)),
    ];
    on_every_database(|backend| {
        for (when, table, act) in acts {
            let s = scene(backend);
            // Planted while the vault is open.
            plant(&s.w.home, "quiet", when, table, true);
            let size = s.w.ledger.audit_verify(None, T0).unwrap().size;
            let refused = s.w.tx(T0, |tx| act(tx, &s)).unwrap_err();
            assert!(matches!(refused, TxError::NotKept { .. }), "{backend:?} {when} {table}: {refused:?}");
            assert_eq!(s.w.ledger.audit_verify(None, T0).unwrap().size, size, "{backend:?} {when} {table}");
        }
        let s = scene(backend);
        plant(&s.w.home, "quiet", "DELETE", "subjects", true);
        let refused = s.w.ledger.erase(s.ada, T0, |_| {}).unwrap_err();
        assert!(matches!(refused, TxError::NotKept { .. }), "{backend:?}: {refused:?}");
    });
}

/// What an edit while the vault is open does to the next step.
#[test]
fn a_row_that_was_changed_while_the_vault_is_open_is_not_used() {
    type Act = fn(&Tx<'_>, &Scene) -> Result<(), TxError>;
    let acts: [(&str, &str, Act); 8] = [
        ("grants", YEARS, |tx, s| tx.active_grant(s.grant).map(drop)),
        ("orders", "UPDATE orders SET lifted_ms = 1", |tx, s| tx.check_orders(s.w.collection)),
        ("orders", "DELETE FROM orders", |tx, s| tx.check_orders(s.w.collection)),
        ("collections", "UPDATE collections SET others = 'law:x'", |tx, s| tx.collection(s.w.collection).map(drop)),
        ("subjects", "UPDATE subjects SET restricted_ms = NULL, owner = 0, created_ms = 0", |tx, s| {
            tx.sightings_of(&tx.active_grant(s.grant)?).map(drop)
        }),
        ("photos", "DELETE FROM faces WHERE x > 300", |tx, s| tx.known_photo(s.w.collection, s.photo).map(drop)),
        ("photos", "UPDATE photos SET bytes = 1", |tx, s| {
            tx.remove_photos(s.w.collection, &[s.photo].into()).map(drop)
        }),
        ("requests", "UPDATE requests SET due_ms = due_ms + 1", |tx, s| {
            let open = tx.requests()?.into_iter().find(|r| r.subject == Some(s.ada)).unwrap();
            tx.answer_request(open.id, RequestOutcome::Granted).map(drop)
        }),
    ];
    on_every_database(|backend| {
        for (table, sql, act) in acts {
            let s = scene(backend);
            s.w.home.edit(sql);
            let refused = s.w.tx(T0, |tx| act(tx, &s)).unwrap_err();
            let TxError::Tampered(found) = &refused else { panic!("{backend:?} {sql}: {refused:?}") };
            assert!(names(found, table), "{backend:?} {sql}: {found:?}");
        }
    });
}

/// A row that is whole, and from before: each row alone is believed, all of them together are not.
#[test]
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]
fn an_old_row_that_was_put_back_while_the_vault_is_open_is_found_when_rows_are_counted() {
    on_every_database(|backend| {
        let s = scene(backend);
        let check = || s.w.ledger.read_tx(T0, |tx| tx.check_tables());
        s.w.home.raw().exec("CREATE TABLE old AS SELECT * FROM subjects");
        s.w.tx(T0, |tx| tx.restrict(s.ada, true)).unwrap();
        check().unwrap();
        let back = "restricted_ms = (SELECT o.restricted_ms FROM old o WHERE o.id = subjects.id), \
                    mac = (SELECT o.mac FROM old o WHERE o.id = subjects.id)";
        s.w.home.edit(&format!("UPDATE subjects SET {back}; DROP TABLE old"));
        let found = check();
        let Err(TxError::Tampered(found)) = &found else { panic!("{backend:?}: {found:?}") };
        assert!(names(found, "subjects"), "{backend:?}: {found:?}");
    });
}

#[test]
fn a_vault_that_was_changed_is_looked_at_and_not_written() {
    on_every_database(|backend| {
        let s = scene(backend);
        let home = s.w.home;
        drop(s.w.ledger);
        home.edit(YEARS);
        let ledger = patient(|| Ledger::inspect(&home.place, home.tools(no_hook()), T0)).unwrap();
        let refused = ledger.run_tx("withdraw", T0, |tx| tx.add_notice("a", "en", "b").map(drop)).unwrap_err();
        assert!(matches!(refused, TxError::Tampered(_)), "{backend:?}: {refused:?}");
        assert_eq!(ledger.audit_verify(None, T0).unwrap().fault, None, "{backend:?}");
    });
}

/// What PostgreSQL has besides triggers to make a statement do something else.
#[test]
fn i1_rules_and_policies_of_a_server_are_refused_by_name() {
    on_every_database(|backend| {
        if backend == Backend::Sqlite {
            return;
        }
        for (name, sql) in [
            ("skip", "CREATE RULE skip AS ON UPDATE TO grants DO INSTEAD NOTHING"),
            ("hide", "CREATE POLICY hide ON templates USING (false)"),
            ("grants", "ALTER TABLE grants ENABLE ROW LEVEL SECURITY"),
        ] {
            let home = after(backend, &[], idle);
            home.edit(sql);
            let refused = home.try_open().map(drop);
            let Err(OpenError::Tampered { first, .. }) = &refused else { panic!("{sql}: {refused:?}") };
            assert!(first.to_string().contains(name), "{sql}: {first}");
        }
    });
}
