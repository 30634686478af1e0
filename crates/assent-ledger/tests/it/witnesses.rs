//! R4: an enrolment on paper waits until both witnesses have signed it, each with a key of their own.

use std::panic::{AssertUnwindSafe, catch_unwind};

use assent_ledger::*;

use crate::support::*;

/// Tools under a law that asks for signatures.
fn tools(home: &Home, hook: WriteHook) -> Tools {
    let pack = RulePack { witnesses_sign: true, ..lenient_pack() };
    Tools { rules: Rulebook::new(vec![pack]).unwrap(), ..home.tools(hook) }
}

/// A vault under a law that asks for signatures; its two witnesses have keys.
fn world(backend: Backend) -> World {
    let home = Home::new(backend);
    let settings = Settings { controller: "The Rowing Club".into(), jurisdiction: "FR".into(), ..Settings::default() };
    let ledger = Ledger::create(&home.place, VaultKind::Organisation, &settings, tools(&home, no_hook()), T0).unwrap();
    let (collection, witnesses) = furnish(&ledger);
    let w = World { ledger, home, collection, witnesses };
    give_keys(&w);
    w
}

/// The same vault, opened by another program.
fn again(w: World, hook: &WriteHook) -> World {
    let World { ledger, home, collection, witnesses } = w;
    drop(ledger);
    let ledger = patient(|| Ledger::open(&home.place, tools(&home, hook.clone()), T0)).unwrap();
    World { ledger, home, collection, witnesses }
}

fn sign(w: &World, witness: usize, these: &[PendingId]) -> Result<Roster, TxError> {
    let unlocked = w.ledger.unlock_witness(w.witnesses[witness], PASSPHRASE, T0)?;
    w.tx(T0, |tx| tx.sign_roster(&unlocked, these))
}

fn both_sign(w: &World, these: &[PendingId]) {
    sign(w, 0, these).unwrap();
    sign(w, 1, these).unwrap();
}

fn grants(w: &World, subject: SubjectId) -> Vec<Grant> {
    w.tx(T0, |tx| tx.grants_of(subject)).unwrap()
}

fn signed(grant: &Grant) -> &Signed {
    match &grant.evidence {
        Evidence::Paper { signed: Some(signed), .. } => signed,
        other => panic!("{other:?}"),
    }
}

#[test]
fn r4_nobody_is_enrolled_before_both_witnesses_have_signed() {
    on_every_database(|backend| {
        let w = world(backend);
        let people = ["ada", "bob", "carl"].map(|handle| w.subject(handle));
        let unsigned = w.tx(T0, |tx| give(tx, people[0], w.collection, &Purpose::find_my_photos(), &w.witnesses, 9));
        assert!(matches!(unsigned, Err(TxError::NotSigned { .. })), "{unsigned:?}");
        assert!(unsigned.unwrap_err().requirement() == Some("R4"));
        let waiting = people.map(|subject| wait(&w, subject, &Purpose::find_my_photos(), "/portraits/a.jpg"));
        let open = |id| w.tx(T0, |tx| tx.open_pending(id));
        assert!(matches!(open(waiting[0]), Err(TxError::NotSigned { .. })), "nobody has signed");
        let first = sign(&w, 0, &waiting).unwrap();
        assert_eq!((first.statements.len(), first.complete.as_slice()), (3, [].as_slice()));
        assert!(matches!(open(waiting[0]), Err(TxError::NotSigned { witness }) if witness == w.witnesses[1]));
        assert!(people.iter().all(|subject| grants(&w, *subject).is_empty()));
        assert_eq!(w.home.raw().count("SELECT COUNT(*) FROM templates"), 0);

        let w = again(w, &no_hook());
        let second = sign(&w, 1, &waiting).unwrap();
        assert_eq!(second.complete, waiting);
        for (subject, id) in people.iter().zip(waiting) {
            let opened = w.tx(T0, |tx| {
                let grant = tx.open_pending(id)?[0];
                tx.enrol(&tx.active_grant(grant)?, MODEL, &[b"an embedding"])?;
                Ok(grant)
            });
            let all = grants(&w, *subject);
            assert_eq!((all.len(), all[0].id), (1, opened.unwrap()));
            let signatures = &signed(&all[0]).signatures;
            let by: Vec<_> = signatures.iter().map(|one| (one.witness, one.of, one.root, one.signature)).collect();
            assert_eq!(by[0], (w.witnesses[0], 3, first.root, first.signature), "one signature for all");
            assert_eq!(by[1], (w.witnesses[1], 3, second.root, second.signature));
        }
        assert_eq!(w.tx(T0, |tx| tx.all_pending()).unwrap(), []);
        assert!(matches!(w.tx(T0, |tx| tx.open_pending(waiting[0])), Err(TxError::NoPending { .. })));
        assert_eq!(w.gallery(T0).templates.len(), 3);
        assert_eq!(w.ledger.audit_verify(None, T0).unwrap().fault, None);
    });
}

#[test]
fn r4_a_witness_signs_once_with_their_own_key_what_names_them() {
    on_every_database(|backend| {
        let w = world(backend);
        let (ada, bob) = (w.subject("ada"), w.subject("bob"));
        let (third, keyless) = w.tx(T0, |tx| Ok((tx.add_witness("Tom")?, tx.add_witness("Ulla")?))).unwrap();
        let [key, other_key] =
            [PASSPHRASE, b"another passphrase"].map(|words| w.ledger.new_witness_key(words).unwrap());
        w.tx(T0, |tx| tx.set_witness_key(third, &key)).unwrap();
        let again = w.tx(T0, |tx| tx.set_witness_key(third, &other_key));
        assert!(matches!(again, Err(TxError::WitnessHasKey { .. })), "{again:?}");
        let [one, two] = [w.witnesses[0], w.witnesses[1]];
        let find = [(w.collection, Purpose::find_my_photos())];
        let add = |subject, witnesses: &[WitnessId]| {
            let form = fresh().to_be_bytes();
            let release = NewFile { name: "form.pdf", bytes: &form };
            let evidence = paper_of(release.bytes, witnesses);
            let (notice_sha256, valid_until) = (notice(), at(9));
            let (consents, pictures) = (find.as_slice(), [].as_slice());
            let new = NewPending {
                subject,
                consents,
                evidence: &evidence,
                notice_sha256,
                valid_until,
                pictures,
                renewal: false,
            };
            w.tx(T0, |tx| tx.add_pending(&new, &NewFiles { pictures: &[], release }))
        };
        let twice = add(ada, &[one, one]).unwrap_err();
        assert!(matches!(twice, TxError::Witnesses { needed: 2, given: 1 }));
        assert_eq!((twice.requirement(), twice.code()), (Some("R4"), "witnesses-missing"), "{twice}");
        assert!(matches!(add(ada, &[one, keyless]), Err(TxError::NoWitnessKey { .. })));
        assert!(matches!(add(ada, &[one, WitnessId::from_bytes([9; 16])]), Err(TxError::NoWitness { .. })));
        let hers = add(ada, &[one, two]).unwrap();
        assert!(matches!(add(ada, &[one, two]), Err(TxError::PendingExists { pending }) if pending == hers));
        let his = add(bob, &[two, third]).unwrap();

        let sign = |witness, these: &[PendingId], word: &[u8]| {
            let unlocked = w.ledger.unlock_witness(witness, word, T0)?;
            w.tx(T0, |tx| tx.sign_roster(&unlocked, these))
        };
        assert!(
            matches!(sign(one, &[hers, his], PASSPHRASE), Err(TxError::OtherWitness { pending, .. }) if pending == his)
        );
        assert!(matches!(sign(one, &[hers], b"another"), Err(TxError::WitnessPassphrase { .. })));
        assert!(matches!(sign(one, &[], PASSPHRASE), Err(TxError::NothingToSign { .. })));
        assert!(matches!(sign(one, &[hers, hers], PASSPHRASE), Err(TxError::SignedTwice { .. })));
        sign(one, &[hers], PASSPHRASE).unwrap();
        let twice = sign(one, &[hers], PASSPHRASE).unwrap_err();
        assert!(matches!(twice, TxError::SignedTwice { witness } if witness == one));
        assert!(twice.requirement() == Some("R4") && twice.to_string().contains("witness"), "{twice}");
        assert_eq!(sign(two, &[hers, his], PASSPHRASE).unwrap().complete, [hers]);
        assert_eq!(w.tx(T0, |tx| tx.pending(his)).unwrap().missing(), [third]);
        let leaves = w.tx(T0, |tx| tx.leaves(0, 100)).unwrap();
        let of = |kind| leaves.iter().filter(|leaf| leaf.kind == kind).count();
        let counted = [EventKind::WitnessKey, EventKind::Pending, EventKind::Signed].map(of);
        assert_eq!(counted, [3, 2, 2], "each is an entry of the log");
    });
}

type Alter = fn(&mut Pending, &Pending, WitnessId);

#[test]
fn r4_what_was_altered_after_the_witnesses_signed_is_refused() {
    on_every_database(|backend| {
        let w = world(backend);
        let (ada, bob) = (w.subject("ada"), w.subject("bob"));
        let other = w.tx(T0, |tx| tx.add_witness("Tom")).unwrap();
        let key = w.ledger.new_witness_key(PASSPHRASE).unwrap();
        w.tx(T0, |tx| tx.set_witness_key(other, &key)).unwrap();
        let ids = [
            wait(&w, ada, &Purpose::find_my_photos(), "/portraits/a.jpg"),
            wait(&w, bob, &Purpose::find_my_photos(), "/portraits/b.jpg"),
        ];
        both_sign(&w, &ids);
        let [hers, his] = ids.map(|id| w.tx(T0, |tx| tx.pending(id)).unwrap());
        let (find, print) = (Purpose::find_my_photos(), Purpose::publish_print());
        let whole = |evidence| NewGrant {
            subject: ada,
            collection: w.collection,
            purpose: &find,
            evidence,
            valid_from: T0,
            valid_until: at(9),
            notice_sha256: notice(),
        };
        let real = hers.evidence();
        let open = |new: &NewGrant<'_>| w.tx(T0, |tx| tx.open_grant(new)).unwrap_err();
        let text = "You will be looked for everywhere.";
        let told = w.tx(T0, |tx| tx.add_notice("other", "en", text)).unwrap().sha256;
        let altered: [(&str, NewGrant<'_>); 3] = [
            ("another person", NewGrant { subject: bob, ..whole(&real) }),
            ("a longer time", NewGrant { valid_until: at(99), ..whole(&real) }),
            ("another notice", NewGrant { notice_sha256: told, ..whole(&real) }),
        ];
        for (name, new) in altered {
            assert!(matches!(open(&new), TxError::WrongSignature { .. }), "{name}");
        }
        let uncovered = open(&NewGrant { purpose: &print, ..whole(&real) });
        assert!(matches!(uncovered, TxError::OtherStatement), "{uncovered}");

        let alterations: [(&str, Alter, &str); 12] = [
            ("another form", |p, _, _| p.release_sha256[0] ^= 1, "fit"),
            ("signed by a parent", |p, _, _| p.signed_by = Signer::Both, "fit"),
            ("another note", |p, _, _| p.statement += ".", "fit"),
            ("another picture", |p, _, _| p.signed.pictures[0][0] ^= 1, "fit"),
            ("a picture more", |p, _, _| p.signed.pictures.push([0; 32]), "fit"),
            (
                "a purpose more",
                |p, _, _| {
                    let more = PendingConsent { purpose: Purpose::publish_print(), ..p.signed.consents[0].clone() };
                    p.signed.consents.push(more);
                },
                "fit",
            ),
            ("somebody else's signature", |p, o, _| p.signed.signatures[0] = o.signed.signatures[0].clone(), "fit"),
            ("another time", |p, _, _| p.signed.signatures[1].signed.0 += 1, "fit"),
            (
                "in another's name",
                |p, _, other| {
                    p.witnesses[1] = other;
                    p.signed.signatures[1].witness = other;
                },
                "fit",
            ),
            ("another witness", |p, _, other| p.witnesses[1] = other, "fit"),
            ("one missing", |p, _, _| p.signed.signatures.truncate(1), "has not signed"),
            (
                "one twice",
                |p, _, _| {
                    let first = p.signed.signatures[0].clone();
                    p.signed.signatures.push(first);
                },
                "signed this already",
            ),
        ];
        for (name, alter, expected) in alterations {
            let mut changed = hers.clone();
            alter(&mut changed, &his, other);
            let evidence = changed.evidence();
            let error = open(&NewGrant { evidence: &evidence, ..whole(&real) });
            let told = error.to_string();
            assert!(error.requirement() == Some("R4") && told.contains(expected), "{name}: {told}");
        }
        // As it is, it holds; and it is used once, by the enrolment that waits.
        assert!(matches!(open(&whole(&real)), TxError::ReleaseUsed));
        w.tx(T0, |tx| tx.open_pending(hers.id)).unwrap();
    });
}

#[test]
fn r4_what_waits_goes_with_its_person_and_moves_with_their_key() {
    on_every_database(|backend| {
        let w = world(backend);
        let (ada, bob) = (w.subject("ada"), w.subject("bob"));
        let ids = [
            wait(&w, ada, &Purpose::find_my_photos(), "/portraits/ada.jpg"),
            wait(&w, bob, &Purpose::find_my_photos(), "/portraits/bob.jpg"),
        ];
        sign(&w, 0, &ids).unwrap();
        w.ledger.rotate(ada, T0).unwrap();
        let held = w.tx(T0, |tx| tx.subject_access(ada)).unwrap();
        assert_eq!((held.pending.len(), held.files[0].about.name.as_str()), (1, "/portraits/ada.jpg"));
        w.ledger.erase(bob, T0, |_| {}).unwrap();
        let second = sign(&w, 1, &ids);
        assert!(matches!(second, Err(TxError::NoPending { pending }) if pending == ids[1]), "{second:?}");
        // The path to the root still holds without the one who left.
        sign(&w, 1, &ids[..1]).unwrap();
        w.tx(T0, |tx| tx.open_pending(ids[0])).unwrap();
        assert_eq!(grants(&w, ada).len(), 1);
        let all = bytes_below(&w.home.place.folder);
        assert!(!contains(&all, b"/portraits/"), "what pictures are called is sealed");
    });
}

#[test]
fn r4_whoever_changes_their_mind_is_not_enrolled_by_a_late_signature_or_an_old_backup() {
    let w = world(Backend::Sqlite);
    let people = ["ada", "bob", "carl"].map(|handle| w.subject(handle));
    let ids = people.map(|subject| wait(&w, subject, &Purpose::find_my_photos(), "/portraits/a.jpg"));
    both_sign(&w, &ids);
    let (data, ring) = (w.home.dir.path().join("backup"), w.home.dir.path().join("elsewhere/ring"));
    w.ledger.backup(&data, &ring, T0).unwrap();
    w.tx(T0, |tx| tx.discard_pending(ids[0])).unwrap();
    assert!(matches!(w.tx(T0, |tx| tx.open_pending(ids[0])), Err(TxError::NoPending { .. })));
    let grant = w.tx(T0, |tx| tx.open_pending(ids[1])).unwrap()[0];
    w.tx(T0, |tx| tx.withdraw(tx.active_grant(grant)?)).unwrap();
    let w = w.restored(&data, &ring, T0);
    let left: Vec<PendingId> = w.tx(T0, |tx| tx.all_pending()).unwrap().iter().map(|p| p.id).collect();
    assert_eq!(left, ids[2..], "who went on waiting waits still");
    w.ledger.expire_due(at(9)).unwrap();
    assert_eq!(w.tx(at(9), |tx| tx.all_pending()).unwrap(), [], "and nobody beyond the end");
    assert_eq!(w.ledger.audit_verify(None, at(9)).unwrap().fault, None);
}

#[test]
fn r4_a_renewal_waits_for_its_witnesses_too() {
    on_every_database(|backend| {
        let w = world(backend);
        let ada = w.subject("ada");
        let first = wait(&w, ada, &Purpose::find_my_photos(), "/portraits/ada.jpg");
        both_sign(&w, &[first]);
        let old = w
            .tx(T0, |tx| {
                let grant = tx.open_pending(first)?[0];
                tx.enrol(&tx.active_grant(grant)?, MODEL, &[b"embedding of ada"])?;
                Ok(grant)
            })
            .unwrap();
        let renew = |purpose: Purpose| {
            let release = NewFile { name: "form.pdf", bytes: b"the form once more" };
            let new = NewPending {
                subject: ada,
                consents: &[(w.collection, purpose)],
                evidence: &paper_of(release.bytes, &w.witnesses),
                notice_sha256: notice(),
                valid_until: at(30),
                pictures: &[],
                renewal: true,
            };
            w.tx(T0, |tx| tx.add_pending(&new, &NewFiles { pictures: &[], release }))
        };
        assert!(matches!(renew(Purpose::publish_print()), Err(TxError::NothingToRenew)));
        let second = renew(Purpose::find_my_photos()).unwrap();
        assert_eq!(grants(&w, ada)[0].state, GrantState::Active, "meanwhile the old one holds");
        both_sign(&w, &[second]);
        w.tx(T0, |tx| tx.open_pending(second)).unwrap();
        let all = grants(&w, ada);
        let renewed = all.iter().find(|grant| grant.renews == Some(old)).unwrap();
        assert_eq!((all.len(), renewed.valid_until, signed(renewed).signatures.len()), (2, at(30), 2));
        assert_eq!(w.gallery(at(20)).templates[0].plain.as_slice(), b"embedding of ada");
    });
}

#[test]
fn r4_a_signature_interrupted_at_any_write_is_there_or_not() {
    on_every_database(|backend| {
        for n in 1.. {
            let w = world(backend);
            let ada = w.subject("ada");
            let id = wait(&w, ada, &Purpose::find_my_photos(), "/portraits/ada.jpg");
            sign(&w, 0, &[id]).unwrap();
            let World { ledger, home, collection, witnesses } = w;
            drop(ledger);
            let done = catch_unwind(AssertUnwindSafe(|| {
                let ledger = patient(|| Ledger::open(&home.place, tools(&home, unwind_at(n)), T0)).unwrap();
                let unlocked = ledger.unlock_witness(witnesses[1], PASSPHRASE, T0).unwrap();
                let open = |tx: &Tx<'_>| {
                    tx.sign_roster(&unlocked, &[id])?;
                    tx.open_pending(id)
                };
                ledger.run_tx("sign", T0, open).unwrap();
            }));
            let ledger = patient(|| Ledger::open(&home.place, tools(&home, no_hook()), T0)).unwrap();
            let w = World { ledger, home, collection, witnesses };
            let waits = w.tx(T0, |tx| tx.all_pending()).unwrap();
            let granted = grants(&w, ada).len();
            assert_eq!(waits.len() + granted, 1, "{backend:?}, write {n}");
            assert!(waits.iter().all(|p| p.missing() == w.witnesses[1..]), "{backend:?}, write {n}");
            if done.is_ok() {
                assert_eq!(granted, 1);
                break;
            }
        }
    });
}

#[test]
fn r4_a_household_has_one_witness_who_needs_no_key() {
    on_every_database(|backend| {
        let home = Home::new(backend);
        let ledger =
            Ledger::create(&home.place, VaultKind::Household, &Settings::default(), tools(&home, no_hook()), T0);
        let ledger = ledger.unwrap();
        let (collection, witnesses) = furnish(&ledger);
        let w = World { ledger, home, collection, witnesses };
        let ada = w.subject("ada");
        assert!(!w.tx(T0, |tx| tx.witnesses_sign(&tx.subject(ada)?, &[w.collection])).unwrap());
        let find = Purpose::find_my_photos();
        w.tx(T0, |tx| give(tx, ada, w.collection, &find, &w.witnesses[..1], 9)).unwrap();
    });
}

#[test]
fn a_passphrase_is_stretched_while_others_write() {
    on_every_database(|backend| {
        let w = world(backend);
        let [one, two] = [w.witnesses[0], w.witnesses[1]];
        let other = patient(|| w.home.try_open()).unwrap();
        // Inside a transaction that writes: what waited for it would wait for ever.
        w.tx(T0, |tx| {
            tx.add_witness("Tom")?;
            other.new_witness_key(PASSPHRASE)?;
            other.unlock_witness(one, PASSPHRASE, T0)?;
            let refused = other.unlock_witness(two, b"another passphrase", T0);
            assert!(matches!(refused, Err(TxError::WitnessPassphrase { witness }) if witness == two), "{backend:?}");
            Ok(())
        })
        .unwrap();
        // Whom another vault knows signs nothing here.
        let stranger = world(backend);
        let id = wait(&w, w.subject("ada"), &Purpose::find_my_photos(), "/portraits/ada.jpg");
        let theirs = stranger.ledger.unlock_witness(stranger.witnesses[0], PASSPHRASE, T0).unwrap();
        let refused = w.tx(T0, |tx| tx.sign_roster(&theirs, &[id]));
        assert!(matches!(refused, Err(TxError::OtherWitness { .. })), "{backend:?}: {refused:?}");
    });
}
