//! Who is on the roster, and on what evidence they are.

use assent_ledger::*;

use crate::support::*;

#[test]
fn a_person_is_found_by_id_prefix_handle_and_unique_name() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let ada = w.subject("ada");
        let twin = |handle| NewSubject { handle, name: "Twin", contact: "", ..NewSubject::default() };
        w.tx(T0, |tx| tx.add_subject(&twin("t1")).and(tx.add_subject(&twin("t2")))).unwrap();
        let find = |reference: &str| w.tx(T0, |tx| tx.find_subject(reference));
        let id = ada.to_string();
        for reference in [id.as_str(), &id[..8], &id[..20].to_uppercase(), "ada", "Name of ada", "ADA", "name  OF ada"]
        {
            assert_eq!(find(reference).unwrap().id, ada, "{reference}");
        }
        for reference in ["", &id[..7], "Adam", "Name of"] {
            assert!(matches!(find(reference), Err(TxError::NoSubject)), "{reference}");
        }
        assert!(matches!(find("Twin"), Err(TxError::AmbiguousSubject { count: 2 })));
        let handles = [("ada", "taken"), ("", "empty"), ("0123abcd", "like an id"), ("a\nb", "control")];
        for (handle, why) in handles {
            assert!(w.tx(T0, |tx| tx.add_subject(&twin(handle))).is_err(), "{why}");
        }
    });
}

#[test]
fn a_grant_needs_its_evidence() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let (ada, bob) = (w.subject("ada"), w.subject("bob"));
        let [one, two] = [w.witnesses[0], w.witnesses[1]];
        let used = paper(&[one, two]);
        let find = Purpose::find_my_photos();
        let open = |subject, evidence: &Evidence, from: i64, until: i64| {
            w.tx(T0, |tx| {
                tx.open_grant(&NewGrant {
                    subject,
                    collection: w.collection,
                    purpose: &find,
                    evidence,
                    valid_from: at(from),
                    valid_until: at(until),
                    notice_sha256: notice(),
                })
            })
        };
        let stranger = WitnessId::from_bytes([9; 16]);
        let own = Evidence::SelfStatement { statement: "it is me".into() };
        assert!(matches!(open(ada, &own, 0, 9), Err(TxError::SelfStatement)));
        assert!(matches!(open(ada, &paper(&[one, one]), 0, 9), Err(TxError::Witnesses { needed: 2, given: 1 })));
        assert!(matches!(open(ada, &paper(&[one, stranger]), 0, 9), Err(TxError::NoWitness { .. })));
        assert!(matches!(open(ada, &paper(&[one, two]), 9, 9), Err(TxError::Validity)));
        assert!(matches!(open(ada, &paper(&[one, two]), -9, 0), Err(TxError::Validity)));
        let grant = open(ada, &used, 0, 9).unwrap();
        assert!(matches!(open(ada, &paper(&[one, two]), 0, 9), Err(TxError::GrantExists)));
        assert!(matches!(open(bob, &used, 0, 9), Err(TxError::ReleaseUsed)));
        w.ledger.erase(ada, T0, |_| {}).unwrap();
        assert!(matches!(open(bob, &used, 0, 9), Err(TxError::ReleaseUsed)), "once, ever");
        assert!(matches!(w.tx(T0, |tx| tx.active_grant(grant).map(drop)), Err(TxError::NoGrant { .. })));
        let later = open(bob, &paper(&[one, two]), 5, 9).unwrap();
        assert!(matches!(w.tx(at(4), |tx| tx.active_grant(later).map(drop)), Err(TxError::NotActive { .. })));
        assert_eq!(w.tx(at(5), |tx| tx.grants_of(bob)).unwrap()[0].id, later);
    });
}

#[test]
fn one_form_covers_several_purposes_of_one_person() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let (ada, bob) = (w.subject("ada"), w.subject("bob"));
        let form = paper(&w.witnesses);
        let give = |tx: &Tx<'_>, subject, purpose: &Purpose| {
            let (collection, evidence) = (w.collection, &form);
            let (valid_from, valid_until, notice_sha256) = (T0, at(9), notice());
            tx.open_grant(&NewGrant { subject, collection, purpose, evidence, valid_from, valid_until, notice_sha256 })
        };
        let both = |tx: &Tx<'_>, second| {
            give(tx, ada, &Purpose::find_my_photos())?;
            give(tx, second, &Purpose::publish_print())
        };
        assert!(matches!(w.tx(T0, |tx| both(tx, bob)), Err(TxError::ReleaseUsed)), "not of two people");
        w.tx(T0, |tx| both(tx, ada)).unwrap();
        assert!(matches!(w.tx(T0, |tx| give(tx, ada, &Purpose::publish_website())), Err(TxError::ReleaseUsed)));
    });
}

#[test]
fn a_household_is_small_and_has_one_purpose_and_one_owner() {
    on_every_database(|backend| {
        let home = Home::new(backend);
        let ledger = home.create(VaultKind::Household);
        let (collection, witnesses) = furnish(&ledger);
        let run = |body: &dyn Fn(&Tx<'_>) -> Result<SubjectId, TxError>| {
            ledger.run_tx("test", T0, |tx| body(tx)).map(Committed::into_inner)
        };
        let new = |handle, owner| NewSubject { handle, name: "N", contact: "", owner, ..NewSubject::default() };
        let me = run(&|tx| tx.add_subject(&new("me", true))).unwrap();
        assert!(matches!(run(&|tx| tx.add_subject(&new("me2", true))), Err(TxError::Owner)));
        let son = run(&|tx| tx.add_subject(&new("son", false))).unwrap();
        let find = Purpose::find_my_photos();
        let own = Evidence::SelfStatement { statement: "it is me".into() };
        let one = paper(&witnesses[..1]);
        let open = |subject, purpose: &Purpose, evidence: &Evidence| {
            let (valid_from, valid_until, notice_sha256) = (T0, at(9), notice());
            let new = NewGrant { subject, collection, purpose, evidence, valid_from, valid_until, notice_sha256 };
            ledger.run_tx("test", T0, |tx| tx.open_grant(&new)).map(Committed::into_inner)
        };
        assert!(matches!(open(me, &Purpose::publish_print(), &own), Err(TxError::HouseholdPurpose)));
        assert!(matches!(open(son, &find, &own), Err(TxError::SelfStatement)));
        open(me, &find, &own).unwrap();
        open(son, &find, &one).unwrap();
        for n in 2..25 {
            run(&|tx| add_subject(tx, &format!("p{n}"))).unwrap();
        }
        assert!(matches!(run(&|tx| tx.add_subject(&new("p25", false))), Err(TxError::HouseholdFull)));
    });
}

#[test]
fn a_frozen_collection_and_one_without_a_basis_take_no_template() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let none = NewCollection { name: "Street", directory: "/s", others: BystanderBasis::None };
        let street = w.tx(T0, |tx| tx.add_collection(&none)).unwrap();
        assert!(matches!(w.tx(T0, |tx| tx.add_collection(&none)), Err(TxError::CollectionExists)));
        let find = Purpose::find_my_photos();
        let look = |c| w.tx(T0, |tx| tx.searchable_templates(c, &find, MODEL).map(drop));
        assert!(matches!(look(street), Err(TxError::NoBasis { .. })));
        let ada = w.subject("ada");
        let grant = w.tx(T0, |tx| give(tx, ada, street, &find, &w.witnesses, 9)).unwrap();
        let enrolled = w.tx(T0, |tx| tx.enrol(&tx.active_grant(grant)?, MODEL, &[b"e"]));
        assert!(matches!(enrolled, Err(TxError::NoBasis { .. })));
        let grant = w.grant(ada, 9);
        w.enrol(grant, b"e");
        w.tx(T0, |tx| tx.freeze_collection(w.collection)).unwrap();
        assert!(matches!(look(w.collection), Err(TxError::Frozen { .. })));
        let enrolled = w.tx(T0, |tx| tx.enrol(&tx.active_grant(grant)?, MODEL, &[b"e"]));
        assert!(matches!(enrolled, Err(TxError::Frozen { .. })));
        w.tx(T0, |tx| tx.withdraw(tx.active_grant(grant)?)).unwrap();
    });
}
