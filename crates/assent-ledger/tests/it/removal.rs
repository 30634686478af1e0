//! The end of a collection, and a new place for one.

use assent_ledger::*;

use crate::support::*;

/// What may hold a row of a collection that was removed, because it says what was once done and on whose word.
const KEPT: [&str; 6] = ["collections", "grants", "refusals", "requests", "orders", "changes"];

fn kinds(w: &World, kind: EventKind) -> usize {
    let events = w.tx(T0, |tx| {
        let subject = tx.find_subject("ada")?.id;
        Ok(tx.subject_access(subject)?.events)
    });
    events.unwrap().iter().filter(|event| event.leaf.kind == kind).count()
}

#[test]
fn a_removed_collection_leaves_nothing_that_could_find_or_show_anybody() {
    on_every_database(|backend| {
        let (w, ada, _) = full(backend, "ada");
        w.tx(T0, |tx| {
            tx.keep_crops(w.collection)?;
            let photo = put_photo(tx, w.collection, "b.jpg", &[face(0.0), face(200.0)])?;
            tx.keep_crops_of(photo.id, MODEL, &[(photo.faces[0], b"pixels".as_slice())])?;
            tx.object(photo.id, photo.faces[1])?;
            tx.refuse(ada, w.collection, &Purpose::publish_website(), notice()).map(drop)
        })
        .unwrap();
        give_keys(&w);
        wait(&w, ada, &Purpose::publish_print(), "/p.jpg");
        let size = w.ledger.audit_verify(None, T0).unwrap().size;

        let held = w.tx(at(1), |tx| tx.remove_collection(w.collection)).unwrap();
        assert_eq!((held.photos, held.faces, held.sightings, held.decisions), (2, 4, 2, 1));
        assert_eq!((held.active_grants, held.crops, held.objections), (2, 1, 1));
        let left = w.tx(at(1), |tx| tx.counts(w.collection)).unwrap();
        assert_eq!(left, CollectionCounts::default());
        // Every table that names a collection, also one that a later format brings.
        let of = match backend {
            Backend::Sqlite => {
                "SELECT CAST(m.name AS BLOB) FROM sqlite_master m JOIN pragma_table_info(m.name) c \
                 WHERE m.type = 'table' AND c.name = 'collection_id'"
            }
            Backend::Postgres => {
                "SELECT CAST(CAST(table_name AS TEXT) AS BYTEA) FROM information_schema.columns \
                 WHERE column_name = 'collection_id' AND table_schema = current_schema()"
            }
        };
        let tables: Vec<String> = w.home.raw().blobs(of).into_iter().map(|t| String::from_utf8(t).unwrap()).collect();
        assert!(tables.len() > KEPT.len(), "{tables:?}");
        for table in tables.iter().filter(|table| !KEPT.contains(&table.as_str())) {
            let rows = w.home.raw().blobs(format!("SELECT collection_id FROM {table}")).len();
            assert_eq!(rows, 0, "{table}");
        }
        for table in ["faces", "crops", "templates", "pending_enrolments", "blobs"] {
            assert_eq!(w.home.raw().blobs(format!("SELECT CAST('x' AS TEXT) FROM {table}")).len(), 0, "{table}");
        }

        // Both consents ended by it, and the enrolment that waited; each is said once.
        let audit = w.ledger.audit_verify(None, T0).unwrap();
        assert_eq!((audit.size, audit.fault), (size + 4, None));
        assert_eq!((kinds(&w, EventKind::GrantEnded), kinds(&w, EventKind::Discarded)), (1, 1));
        let grants = w.tx(at(1), |tx| tx.grants_of(ada)).unwrap();
        assert_eq!(grants.iter().map(|g| g.state).collect::<Vec<_>>(), [GrantState::Expired]);

        let (now, ever) = w.tx(at(1), |tx| Ok((tx.collections()?, tx.collections_ever()?))).unwrap();
        assert_eq!((now.len(), ever.len(), ever[0].name.as_str(), ever[0].removed), (0, 1, "Regatta", Some(at(1))));
        assert_eq!(ever[0].directory, "", "where it lay is nobody's business any more");
        let again = w.tx(at(1), |tx| tx.remove_collection(w.collection));
        assert!(matches!(again, Err(TxError::NoCollection { .. })));
        let new = NewCollection { name: "Regatta", directory: "/again", others: BystanderBasis::ClosedGroup };
        w.tx(at(1), |tx| tx.add_collection(&new)).unwrap();
    });
}

#[test]
fn a_collection_that_is_asked_about_is_answered_for_before_it_is_removed() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let ada = w.subject("ada");
        let new = NewRequest { collection: Some(w.collection), ..asks(ada, "") };
        let request = w.tx(T0, |tx| tx.open_request(&new)).unwrap().id;
        let refused = w.tx(T0, |tx| tx.remove_collection(w.collection));
        assert!(matches!(refused, Err(TxError::RequestsOpen { count: 1 })));
        w.tx(T0, |tx| tx.answer_request(request, RequestOutcome::Granted)).unwrap();
        w.tx(T0, |tx| tx.remove_collection(w.collection)).unwrap();
        assert!(w.tx(T0, |tx| tx.request(request)).unwrap().answered.is_some(), "that somebody asked stays");
    });
}

#[test]
fn consents_that_ended_with_their_collection_do_not_come_back_with_an_old_backup() {
    let (w, _, _) = full(Backend::Sqlite, "ada");
    let (data, ring) = (w.home.dir.path().join("data"), w.home.dir.path().join("ring copy"));
    w.ledger.backup(&data, &ring, T0).unwrap();
    w.tx(T0, |tx| tx.remove_collection(w.collection)).unwrap();
    let w = w.restored(&data, &ring, T0);
    assert_eq!(w.tx(T0, |tx| tx.counts(w.collection)).unwrap().active_grants, 0);
}

#[test]
fn a_collection_that_lies_elsewhere_keeps_everything() {
    on_every_database(|backend| {
        let (w, _, _) = full(backend, "ada");
        let about = || w.tx(T0, |tx| Ok((tx.collection(w.collection)?, tx.counts(w.collection)?))).unwrap();
        let (before, counts) = about();
        w.tx(T0, |tx| tx.move_collection(w.collection, "/elsewhere")).unwrap();
        let moved = Collection { directory: "/elsewhere".into(), ..before };
        assert_eq!(about(), (moved, counts));
        assert_eq!(w.ledger.audit_verify(None, T0).unwrap().fault, None);
    });
}
