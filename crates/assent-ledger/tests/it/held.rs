//! Everything that is held about a person is told, and nothing is forgotten when a table is added.

use assent_ledger::EventKind::{Access, Decision, Enrolment, Grant, Pending, Refusal, Request, Search, Withdrawal};
use assent_ledger::*;

use crate::support::*;

/// Columns that lead to a person: whoever adds a table with one of them has to tell of it.
const LEAD_TO_A_PERSON: [&str; 3] = ["subject_id", "pseudonym", "grant_id"];

/// What a person leaves when everything about them is gone: it is told with the certificate.
/// What was changed for others in memory is cleared within a day.
pub(crate) const AFTER_THEM: [&str; 3] = ["tombstones", "erasure_orders", "changes"];

/// The tables of SQLite that have such a column.
pub(crate) fn tables(raw: &mut Raw) -> Vec<String> {
    let columns = LEAD_TO_A_PERSON.map(|column| format!("'{column}'")).join(", ");
    let sql = format!(
        "SELECT DISTINCT CAST(m.name AS BLOB) FROM sqlite_master m JOIN pragma_table_info(m.name) c \
         WHERE m.type = 'table' AND (c.name IN ({columns}) OR m.name = 'subjects') ORDER BY 1"
    );
    raw.blobs(sql).into_iter().map(|name| String::from_utf8(name).unwrap()).collect()
}

/// Ada alone, with a row in every table that leads to a person.
pub(crate) fn world(backend: Backend) -> (World, SubjectId) {
    let w = World::new(backend);
    let ada = w.subject("ada");
    let ended = w.grant(ada, 9);
    w.tx(T0, |tx| tx.withdraw(tx.active_grant(ended)?)).unwrap();
    let grant = w.grant(ada, 9);
    w.enrol(grant, b"embedding of ada");
    w.tx(T0, |tx| tx.keep_crops(w.collection)).unwrap();
    let photo = w.photo("boats/a.jpg", &[face(0.0), face(200.0)]);
    w.tx(T0, |tx| tx.keep_crops_of(photo.id, MODEL, &[(photo.faces[0], b"another"), (photo.faces[1], b"hers")]))
        .unwrap();
    w.tx(T0, |tx| {
        let proof = tx.active_grant(grant)?;
        tx.replace_sightings(
            &tx.matching(w.collection)?,
            photo.id,
            &[NewSighting { grant: &proof, face: photo.faces[1], band: Band::Review }],
        )?;
        tx.record_decision(&proof, photo.faces[1], Verdict::Confirmed)?;
        tx.note_portraits(ada, [[7; 32], [8; 32]].iter())?;
        tx.keep_portrait(&proof, b"ada's face")?;
        tx.append_leaf(EventKind::Search, b"", &[(ada, b"looked for herself")])?;
        tx.refuse(ada, w.collection, &Purpose::publish_print(), notice())?;
        tx.open_request(&asks(ada, "what do you hold?")).map(drop)
    })
    .unwrap();
    give_keys(&w);
    wait(&w, ada, &Purpose::publish_website(), "/portraits/ada.jpg");
    (w, ada)
}

#[test]
fn every_row_that_leads_to_a_person_is_told_of() {
    let (w, ada) = world(Backend::Sqlite);
    let held = w.tx(T0, |tx| tx.subject_access(ada)).unwrap();
    let mut told = held.rows();
    // That she was told is an event, too, and the next answer tells of it.
    *told.get_mut("log_openings").unwrap() += 1;
    let mut raw = w.home.raw();
    for table in tables(&mut raw) {
        if AFTER_THEM.contains(&table.as_str()) {
            continue;
        }
        let rows = raw.blobs(format!("SELECT CAST('' AS BLOB) FROM {table}")).len();
        assert!(rows > 0, "this test has no row in {table}");
        assert_eq!(told.remove(table.as_str()), Some(rows), "{table}");
    }
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn i4_a_person_is_told_all_also_without_a_grant() {
    on_every_database(|backend| {
        let (w, ada) = world(backend);
        let bob = w.subject("bob");
        w.enrol(w.grant(bob, 9), b"embedding of bob");
        // Past its end, and nobody has ended it yet: nobody finds her any more, and she is told all the same.
        let held = w.tx(at(30), |tx| tx.subject_access(ada)).unwrap();
        assert_eq!((held.subject.handle.as_str(), held.grants.len()), ("ada", 2));
        assert_eq!(held.templates[0].plain.as_slice(), b"embedding of ada");
        let seen = &held.sightings[0];
        assert_eq!((seen.path.to_string().as_str(), seen.at, seen.band), ("boats/a.jpg", face(200.0), Band::Review));
        assert_eq!(seen.crop.as_deref(), Some(b"hers".as_slice()), "and no crop of anybody else");
        assert_eq!(seen.verdict, Some((Verdict::Confirmed, T0)));
        let kinds: Vec<_> = held.events.iter().map(|event| event.leaf.kind).collect();
        assert_eq!(kinds, [Grant, Withdrawal, Grant, Enrolment, Decision, Search, Refusal, Request, Pending]);
        for AccessEvent { leaf, opening } in &held.events {
            let (salt, detail) = opening.split_first_chunk().unwrap();
            assert_eq!(leaf.commitments, [commitment(salt, detail)]);
        }
        let again = w.tx(at(30), |tx| tx.subject_access(ada)).unwrap();
        assert_eq!(again.events.last().unwrap().leaf.kind, Access);
        w.ledger.erase(ada, at(31), |_| {}).unwrap();
        assert!(matches!(w.tx(at(31), |tx| tx.subject_access(ada)), Err(TxError::KeyRing(_))));
    });
}

#[test]
fn i5_a_portrait_goes_with_the_last_consent_to_be_found() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let (ada, bob) = (w.subject("ada"), w.subject("bob"));
        let grant = w.grant(ada, 9);
        let kept = |grant| w.tx(T0, |tx| tx.portrait(&tx.active_grant(grant)?)).unwrap();
        w.tx(T0, |tx| tx.keep_portrait(&tx.active_grant(grant)?, b"first")).unwrap();
        w.tx(T0, |tx| tx.keep_portrait(&tx.active_grant(grant)?, b"second")).unwrap();
        assert_eq!(kept(grant).as_deref(), Some(b"second".as_slice()));
        w.tx(T0, |tx| tx.withdraw(tx.active_grant(grant)?)).unwrap();
        assert_eq!(w.tx(T0, |tx| tx.subject_access(ada)).unwrap().portrait, None);

        // A picture is of one person until that person is erased.
        w.tx(T0, |tx| tx.note_portraits(ada, [[7; 32]].iter())).unwrap();
        w.tx(T0, |tx| tx.note_portraits(ada, [[7; 32]].iter())).unwrap();
        let of_bob = || w.tx(T0, |tx| tx.note_portraits(bob, [[7; 32]].iter()));
        assert!(matches!(of_bob(), Err(TxError::PortraitOfAnother)));
        w.ledger.erase(ada, T0, |_| {}).unwrap();
        of_bob().unwrap();
    });
}
