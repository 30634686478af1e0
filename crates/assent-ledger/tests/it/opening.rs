//! Many templates, opened by several threads.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Mutex;

use assent_ledger::{OpenTemplate, Purpose, WithoutModel};

use crate::support::{MODEL, T0, World, on_every_database};

/// More than one thread would do alone.
const TEMPLATES: u64 = 5_000;

#[test]
fn several_threads_open_what_one_opens() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let find = Purpose::find_my_photos();
        let plain: Vec<[u8; 8]> = (0..TEMPLATES).map(u64::to_le_bytes).collect();
        let half = plain.len() / 2;
        for (handle, plain) in [("ada", &plain[..half]), ("bob", &plain[half..])] {
            let grant = w.grant(w.subject(handle), 9);
            let plain: Vec<&[u8]> = plain.iter().map(<[u8; 8]>::as_slice).collect();
            w.tx(T0, |tx| tx.enrol(&tx.active_grant(grant)?, MODEL, &plain)).unwrap();
        }
        let ended = w.grant(w.subject("cleo"), 9);
        w.enrol(ended, b"not here");
        w.tx(T0, |tx| tx.withdraw(tx.active_grant(ended)?)).unwrap();
        let open = |threads: usize| {
            let found = Mutex::new(BTreeMap::new());
            let read = Cell::new(0);
            let unopened = w.tx(T0, |tx| {
                let what = tx.searchable(w.collection, &find, MODEL)?;
                assert_eq!((what.grants.len(), tx.searchable_count(&what)?), (2, TEMPLATES));
                assert!(what.templates_at_most >= TEMPLATES);
                let take = |open: &[OpenTemplate<'_>]| {
                    let one = |open: &OpenTemplate<'_>| (open.template, (what.grants[open.grant], open.plain.to_vec()));
                    found.lock().unwrap().extend(open.iter().map(one));
                    open.iter().map(|open| open.plain != 7_u64.to_le_bytes()).collect()
                };
                tx.open_templates(&what, threads, &take, &mut |records| read.set(read.get() + records))
            });
            assert_eq!(read.get(), TEMPLATES);
            (found.into_inner().unwrap(), unopened.unwrap())
        };
        let (alone, unused) = open(1);
        assert_eq!(alone.len(), plain.len());
        assert_eq!(unused.len(), 1, "what cannot be used is said");
        assert_eq!(open(3), (alone, unused.clone()));

        // A record that does not open is left out by whoever opens it.
        let broken = unused[0];
        w.home.raw().exec(format!("UPDATE templates SET epoch = epoch + 1 WHERE id = {broken}"));
        let (rest, unopened) = open(3);
        assert_eq!((rest.len(), unopened), (plain.len() - 1, vec![broken]));
    });
}

#[test]
fn a_template_takes_the_place_of_those_of_other_models_under_its_own_grant() {
    const OTHER: [u8; 32] = [9; 32];
    on_every_database(|backend| {
        let w = World::new(backend);
        let (ada, bob) = (w.subject("ada"), w.subject("bob"));
        let (of_ada, of_bob) = (w.grant(ada, 9), w.grant(bob, 9));
        for grant in [of_ada, of_bob] {
            w.enrol(grant, b"first");
            w.enrol(grant, b"second");
        }
        let without = || w.tx(T0, |tx| tx.people_without_model(OTHER)).unwrap();
        assert_eq!(without().people, BTreeMap::from([(ada, vec![of_ada]), (bob, vec![of_bob])]));
        w.tx(T0, |tx| tx.exchange_templates(&tx.active_grant(of_ada)?, OTHER, &[b"new"])).unwrap();
        let own = |grant| {
            let own = w.tx(T0, |tx| tx.own_templates(&tx.active_grant(grant)?)).unwrap();
            own.iter().map(|t| (t.model_sha256, t.plain.to_vec())).collect::<BTreeMap<_, _>>()
        };
        assert_eq!(own(of_ada), BTreeMap::from([(OTHER, b"new".to_vec())]));
        assert_eq!((own(of_bob).len(), without().people.len()), (1, 1));
        // Whoever is restricted is left as they are, and so is whoever withdrew.
        w.tx(T0, |tx| tx.restrict(bob, true)).unwrap();
        assert_eq!(without(), WithoutModel::default());
        w.tx(T0, |tx| tx.restrict(bob, false)).unwrap();
        assert_eq!(without().people.len(), 1);
        w.tx(T0, |tx| tx.withdraw(tx.active_grant(of_bob)?)).unwrap();
        assert_eq!(without(), WithoutModel::default());
    });
}

#[test]
fn what_a_transaction_wrote_is_opened_in_it() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let grant = w.grant(w.subject("ada"), 9);
        let plain = vec![b"new".as_slice(); TEMPLATES as usize];
        let opened = w.tx(T0, |tx| {
            tx.enrol(&tx.active_grant(grant)?, MODEL, &plain)?;
            let what = tx.searchable(w.collection, &Purpose::find_my_photos(), MODEL)?;
            let opened = Mutex::new(0);
            tx.open_templates(
                &what,
                3,
                &|open| {
                    *opened.lock().unwrap() += open.len() as u64;
                    vec![true; open.len()]
                },
                &mut |_| {},
            )?;
            Ok(opened.into_inner().unwrap())
        });
        assert_eq!(opened.unwrap(), TEMPLATES);
    });
}
