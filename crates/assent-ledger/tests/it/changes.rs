//! What a commit changes for those who keep people in memory: told with it, and to every other process that asks.
#![expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]

use std::future::poll_fn;
use std::sync::mpsc;

use assent_ledger::{
    Band, Basis, ChangeKind, Changed, ChangesSince, Committed, Database, EventKind, GrantId, LeaseName, NewSighting,
    PhotoId, Scope, SubjectId, Tx, TxError,
};

use crate::support::{Backend, MODEL, T0, World, at, face, on_every_database, patient, put_photo, renew};

type Deed<'a> = &'a dyn for<'tx> Fn(&Tx<'tx>) -> Result<(), TxError>;

/// Runs its deeds in transactions of their own.
type Deeds = dyn Fn(&Scene, &mut dyn FnMut(Deed<'_>));

/// What there is for the deeds: two people who can be found, one of them restricted, and a photo with two faces.
struct Scene {
    w: World,
    ada: SubjectId,
    grant: GrantId,
    bob: SubjectId,
    of_bob: GrantId,
    photo: PhotoId,
}

impl Scene {
    fn new(backend: Backend) -> Self {
        let w = World::new(backend);
        let (ada, bob) = (w.subject("ada"), w.subject("bob"));
        let (grant, of_bob) = (w.grant(ada, 9), w.grant(bob, 9));
        w.enrol(grant, b"ada");
        w.enrol(of_bob, b"bob");
        w.tx(T0, |tx| tx.restrict(bob, true)).unwrap();
        let photo = w.photo("a.jpg", &[face(10.0), face(200.0)]).id;
        Self { w, ada, grant, bob, of_bob, photo }
    }
}

#[test]
fn every_commit_that_changes_who_can_be_found_says_so_here_and_in_other_processes() {
    on_every_database(|backend| {
        let check = |name: &str, deed: &Deeds, expected: &[(ChangeKind, What)]| {
            let scene = Scene::new(backend);
            let other = patient(|| scene.w.home.try_open()).unwrap();
            let before = other.read_tx(T0, |tx| tx.newest_change()).unwrap();
            let mut told = Vec::new();
            deed(&scene, &mut |deed| {
                let done: Committed<()> = scene.w.ledger.run_tx("deed", T0, deed).unwrap();
                told.extend(done.changes().iter().copied());
            });
            let ChangesSince { newest, changes } = other.read_tx(T0, |tx| tx.changes_since(before)).unwrap();
            let changes = changes.unwrap();
            assert_eq!(changes, told, "{backend:?}, {name}: another process");
            let what = |what| match what {
                Changed::Vault => What::Vault,
                Changed::Collection(id) if id == scene.w.collection => What::Here,
                Changed::Grant(_, grant) if grant == scene.grant => What::Ada,
                Changed::Grant(_, grant) if grant == scene.of_bob => What::Bob,
                Changed::Collection(_) | Changed::Grant(..) => What::New,
            };
            let mut changes: Vec<_> = changes.into_iter().map(|change| (change.kind, what(change.what))).collect();
            changes.sort_unstable();
            let mut expected = expected.to_vec();
            expected.sort_unstable();
            assert_eq!(changes, expected, "{backend:?}, {name}");
            let again = other.read_tx(T0, |tx| tx.changes_since(newest)).unwrap();
            assert_eq!(again, ChangesSince { newest, changes: Some(Vec::new()) }, "{backend:?}, {name}: told once");
        };
        let enrolled = |s: &Scene, run: &mut dyn FnMut(Deed<'_>)| {
            run(&|tx| tx.enrol(&tx.active_grant(s.grant)?, MODEL, &[b"another"]).map(drop));
        };
        check("enrolment", &enrolled, &[(ChangeKind::Enrolled, What::Ada)]);
        let exchanged = |s: &Scene, run: &mut dyn FnMut(Deed<'_>)| {
            run(&|tx| tx.exchange_templates(&tx.active_grant(s.grant)?, [7; 32], &[b"another"]).map(drop));
        };
        check("templates of another model", &exchanged, &[(ChangeKind::Enrolled, What::Ada)]);
        let renewed = |s: &Scene, run: &mut dyn FnMut(Deed<'_>)| {
            run(&|tx| renew(tx, s.grant, &s.w.witnesses, 90).map(drop));
        };
        check("renewal", &renewed, &[(ChangeKind::Ended, What::Ada), (ChangeKind::Renewed, What::New)]);
        let withdrawn = |s: &Scene, run: &mut dyn FnMut(Deed<'_>)| {
            run(&|tx| tx.withdraw(tx.active_grant(s.grant)?));
        };
        check("withdrawal", &withdrawn, &[(ChangeKind::Ended, What::Ada)]);
        let unread = |s: &Scene, run: &mut dyn FnMut(Deed<'_>)| run(&|tx| tx.withdraw_consent(s.grant));
        check("withdrawal without the key", &unread, &[(ChangeKind::Ended, What::Ada)]);
        let restricted = |s: &Scene, run: &mut dyn FnMut(Deed<'_>)| run(&|tx| tx.restrict(s.ada, true));
        check("restriction", &restricted, &[(ChangeKind::Restricted, What::Ada)]);
        let released = |s: &Scene, run: &mut dyn FnMut(Deed<'_>)| run(&|tx| tx.restrict(s.bob, false));
        check("a restriction that is lifted", &released, &[(ChangeKind::Released, What::Bob)]);
        let objected = |s: &Scene, run: &mut dyn FnMut(Deed<'_>)| {
            let id = s.w.tx(T0, |tx| tx.faces_of(s.photo)).unwrap()[0].0;
            run(&|tx| tx.object(s.photo, id));
        };
        check("objection", &objected, &[(ChangeKind::Objected, What::Here)]);
        let frozen = |s: &Scene, run: &mut dyn FnMut(Deed<'_>)| run(&|tx| tx.freeze_collection(s.w.collection));
        check("freeze", &frozen, &[(ChangeKind::Rules, What::Here)]);
        let based = |s: &Scene, run: &mut dyn FnMut(Deed<'_>)| {
            run(&|tx| tx.set_basis(s.w.collection, &Basis::default()));
        };
        check("what is written down about the others", &based, &[(ChangeKind::Rules, What::Here)]);
        let stopped = |_: &Scene, run: &mut dyn FnMut(Deed<'_>)| {
            run(&|tx| {
                let order = tx.order_stop(&Scope::Vault, "a court", None)?;
                tx.lift_order(order)
            });
        };
        check("orders", &stopped, &[(ChangeKind::Stopped, What::Vault), (ChangeKind::Lifted, What::Vault)]);
        let removed =
            |s: &Scene, run: &mut dyn FnMut(Deed<'_>)| run(&|tx| tx.remove_collection(s.w.collection).map(drop));
        let ended = [(ChangeKind::Ended, What::Ada), (ChangeKind::Ended, What::Bob), (ChangeKind::Removed, What::Here)];
        check("the end of a collection", &removed, &ended);
        let scanned = |s: &Scene, run: &mut dyn FnMut(Deed<'_>)| {
            let lease = s.w.ledger.lease(LeaseName::Scan(s.w.collection), T0).unwrap();
            run(&|tx| {
                tx.renew_lease(&lease)?;
                let photo = put_photo(tx, s.w.collection, "b.jpg", &[face(50.0)])?;
                let proof = tx.active_grant(s.grant)?;
                let seen = NewSighting { grant: &proof, face: photo.faces[0], band: Band::Match };
                tx.replace_sightings(&tx.matching(s.w.collection)?, photo.id, &[seen])?;
                tx.append_leaf(EventKind::Scan, b"", &[]).map(drop)
            });
        };
        check("a scan's results", &scanned, &[]);
    });
}

/// What a change is about, in these tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Vault,
    Here,
    Ada,
    Bob,
    New,
}

#[test]
fn erasure_and_expiry_say_whose_consents_they_ended() {
    on_every_database(|backend| {
        let s = Scene::new(backend);
        let before = s.w.ledger.read_tx(T0, |tx| tx.newest_change()).unwrap();
        let here = |grant| Changed::Grant(s.w.collection, grant);
        let since = |seq| {
            let since = s.w.ledger.read_tx(at(9), |tx| tx.changes_since(seq)).unwrap();
            let changes = since.changes.unwrap().into_iter().map(|change| (change.kind, change.what));
            (changes.collect::<Vec<_>>(), since.newest)
        };
        s.w.ledger.erase(s.ada, T0, |_| {}).unwrap();
        let (erased, seq) = since(before);
        assert_eq!(erased, [(ChangeKind::Erased, here(s.grant))], "{backend:?}");
        s.w.ledger.expire_due(at(9)).unwrap();
        assert_eq!(since(seq).0, [(ChangeKind::Ended, here(s.of_bob))], "{backend:?}");
    });
}

#[test]
fn what_was_taken_back_is_told_to_nobody() {
    on_every_database(|backend| {
        let s = Scene::new(backend);
        let before = s.w.ledger.read_tx(T0, |tx| tx.newest_change()).unwrap();
        let refused = s.w.ledger.run_tx("withdraw", T0, |tx| {
            tx.withdraw(tx.active_grant(s.grant)?)?;
            Err::<(), _>(TxError::NoReason)
        });
        assert!(refused.is_err());
        assert_eq!(s.w.ledger.read_tx(T0, |tx| tx.newest_change()).unwrap(), before, "{backend:?}");
    });
}

#[test]
fn old_changes_are_cleared_and_whoever_missed_them_is_told_that() {
    on_every_database(|backend| {
        let s = Scene::new(backend);
        let newest = s.w.ledger.read_tx(T0, |tx| tx.newest_change()).unwrap();
        assert!(newest > 1);
        s.w.ledger.expire_due(at(2)).unwrap();
        let since = |seq| s.w.ledger.read_tx(at(2), |tx| tx.changes_since(seq)).unwrap();
        assert_eq!(since(newest).changes, Some(Vec::new()), "{backend:?}: nothing was missed");
        for missed in [0, newest - 1] {
            assert_eq!(since(missed), ChangesSince { newest, changes: None }, "{backend:?}: since {missed}");
        }
        // From a database that was restored.
        assert_eq!(since(newest + 7).changes, None, "{backend:?}");
        s.w.tx(at(2), |tx| tx.restrict(s.bob, false)).unwrap();
        assert_eq!(since(newest).newest, newest + 1, "{backend:?}: numbers go on");
    });
}

#[test]
fn who_listens_to_postgresql_is_woken_by_a_change() {
    on_every_database(|backend| {
        let s = Scene::new(backend);
        let Database::Postgres(database) = &s.w.home.place.database else { return };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connect = tokio_postgres::connect(database.address.as_str(), tokio_postgres::NoTls);
        let (client, mut connection) = runtime.block_on(connect).unwrap();
        let (told, heard) = mpsc::channel();
        runtime.spawn(async move {
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                if let tokio_postgres::AsyncMessage::Notification(note) = message {
                    told.send((note.channel().to_owned(), note.payload().to_owned())).unwrap();
                }
            }
        });
        runtime.block_on(client.batch_execute("LISTEN assent_changes")).unwrap();
        s.w.tx(T0, |tx| tx.restrict(s.bob, false)).unwrap();
        let here = ("assent_changes".to_owned(), s.w.ledger.id().to_string());
        // Other tests have vaults in the same database.
        let woken = (0..10_000).any(|_| {
            runtime.block_on(client.batch_execute("SELECT 1")).unwrap();
            heard.try_iter().any(|note| note == here)
        });
        assert!(woken);
    });
}
