//! The rules that the law sets, and what people ask for. Each test carries the number of its requirement.

use std::collections::BTreeSet;

use assent_ledger::*;

use crate::support::*;

/// A vault under laws of its own: `EU` (covers FR), `UK`, and a strict generic one.
fn strict(change: impl Fn(&mut Settings)) -> World {
    let eu = RulePack {
        name: "EU".into(),
        covers: BTreeSet::from(["EU".parse().unwrap(), "FR".parse().unwrap()]),
        alone_from_years: 16,
        longest_months: 24,
        required_documents: RequiredDocument::ALL.into_iter().collect(),
        representative: true,
        pauses: false,
        ..lenient_pack()
    };
    let uk = RulePack {
        name: "UK".into(),
        covers: BTreeSet::from(["UK".parse().unwrap()]),
        alone_from_years: 13,
        longest_months: 36,
        complaint: Some(Span::Days(30)),
        ..lenient_pack()
    };
    let generic = RulePack {
        alone_from_years: 18,
        parent_may_sign: false,
        longest_months: 12,
        extension: None,
        pauses: false,
        ..lenient_pack()
    };
    let home = Home::new(Backend::Sqlite);
    let mut settings =
        Settings { controller: "The Rowing Club".into(), jurisdiction: "FR".into(), ..Settings::default() };
    change(&mut settings);
    let rules = Rulebook::new(vec![eu, uk, generic]).unwrap();
    let tools = Tools { rules, ..home.tools(no_hook()) };
    let ledger = Ledger::create(&home.place, VaultKind::Organisation, &settings, tools, T0).unwrap();
    let (collection, witnesses) = furnish(&ledger);
    World { ledger, home, collection, witnesses }
}

fn add(w: &World, handle: &str, age: &str, code: &str) -> SubjectId {
    let (age, jurisdiction): (Age, Jurisdiction) = (age.parse().unwrap(), code.parse().unwrap());
    w.tx(T0, |tx| {
        tx.add_subject(&NewSubject {
            handle,
            name: "N",
            age,
            jurisdiction: jurisdiction.clone(),
            ..NewSubject::default()
        })
    })
    .unwrap()
}

fn signed(w: &World, signer: Signer) -> Evidence {
    let mut evidence = paper(&w.witnesses);
    if let Evidence::Paper { signed_by, .. } = &mut evidence {
        *signed_by = signer;
    }
    evidence
}

fn consent(
    w: &World,
    subject: SubjectId,
    signer: Signer,
    until: Timestamp,
    now: Timestamp,
) -> Result<GrantId, TxError> {
    let find = Purpose::find_my_photos();
    let evidence = signed(w, signer);
    w.tx(now, |tx| {
        tx.open_grant(&NewGrant {
            subject,
            collection: w.collection,
            purpose: &find,
            evidence: &evidence,
            valid_from: now,
            valid_until: until,
            notice_sha256: notice(),
        })
    })
}

fn rule(outcome: Result<GrantId, TxError>) -> RuleError {
    match outcome {
        Err(TxError::Rule(rule)) => rule,
        other => panic!("{other:?}"),
    }
}

#[test]
fn r9_who_is_too_young_needs_a_parent_and_says_it_again_when_grown_up() {
    // T0 lies in January 2027.
    let w = strict(|_| {});
    let (day, month) = (at(1), Span::Months(1).after(T0));
    let check = |name: &str, age: &str, code: &str, signer: Signer, until: Timestamp, expected: Option<&str>| {
        let outcome = consent(&w, add(&w, name, age, code), signer, until, T0);
        match expected {
            None => assert!(outcome.is_ok(), "{name}: {outcome:?}"),
            Some(text) => {
                let told = rule(outcome);
                assert!(["R9", "R7"].contains(&told.requirement()), "{name}: {told}");
                let told = told.to_string();
                assert!(told.contains(text), "{name}: {told}");
            }
        }
    };
    check("nobody said", "unknown", "FR", Signer::Subject, day, Some("how old"));
    check("adult", "adult", "FR", Signer::Subject, day, None);
    check("sixteen", "2010-12", "FR", Signer::Subject, day, None);
    check("not yet sixteen", "2011-01", "FR", Signer::Subject, day, Some("below 16"));
    check("with a parent", "2011-06", "FR", Signer::Parent, day, None);
    check("both sign", "2011-06", "FR", Signer::Both, day, None);
    check("beyond the birthday", "2011-01", "FR", Signer::Both, month, Some("2027-02-01"));
    check("fourteen in Britain, photos in France", "2012-06", "UK", Signer::Subject, day, Some("below 16"));
    check("elsewhere", "2012-06", "BR", Signer::Both, day, Some("generic 1, nobody below 18"));
    check("nobody said where", "2010-01", "unknown", Signer::Both, day, Some("generic 1, nobody below 18"));
}

#[test]
fn r7_a_consent_ends_when_the_law_says_at_the_latest() {
    let w = strict(|_| {});
    let long = |months: u16| Span::Months(months).after(T0);
    let later = |months| Timestamp(long(months).0 + 1);
    let check = |name: &str, code: &str, until: Timestamp, good: bool| {
        let outcome = consent(&w, add(&w, name, "adult", code), Signer::Subject, until, T0);
        assert_eq!(outcome.is_ok(), good, "{name}: {outcome:?}");
        if !good {
            assert_eq!(rule(outcome).requirement(), "R7", "{name}");
        }
    };
    check("as long as may be", "FR", long(24), true);
    check("a moment longer", "FR", later(24), false);
    check("the stricter of two", "UK", later(24), false);
    check("unknown gets the shortest", "unknown", later(12), false);
    check("unknown, in time", "BR", long(12), true);
    let basis = Basis { purpose_ends: Some(at(30)), ..Basis::default() };
    w.tx(T0, |tx| tx.set_basis(w.collection, &basis)).unwrap();
    check("after the purpose", "FR", at(31), false);
    check("with the purpose", "FR", at(30), true);
    let grants = w.tx(T0, |tx| tx.grants_in(w.collection)).unwrap();
    assert!(grants.iter().all(|g| g.rules.contains("EU 1")), "each record names the rules that it was made under");
}

#[test]
fn r19_a_controller_elsewhere_needs_a_representative() {
    let w = strict(|settings| settings.jurisdiction = "US-NY".into());
    let check = |w: &World, name: &str, code: &str| consent(w, add(w, name, "adult", code), Signer::Subject, at(9), T0);
    let told = rule(check(&w, "a guest from France", "FR"));
    assert!(told.requirement() == "R19" && told.to_string().contains("EU"), "{told}");
    assert!(check(&w, "a neighbour", "US-NY").is_ok());
    assert_eq!(rule(check(&w, "from nobody knows where", "unknown")).requirement(), "R19");
    let named = strict(|settings| {
        settings.jurisdiction = "US-NY".into();
        settings.representatives.insert("EU".into(), "Someone in Lyon".into());
    });
    assert!(check(&named, "a guest from France", "FR").is_ok());
    assert!(check(&strict(|_| {}), "at home", "FR").is_ok());
}

#[test]
fn r20_r21_people_are_counted_by_jurisdiction_and_the_counts_add_up() {
    let w = strict(|_| {});
    for (handle, code) in [("one", "FR"), ("two", "FR"), ("three", "UK"), ("four", "unknown")] {
        add(&w, handle, "adult", code);
    }
    let counts = w.tx(T0, |tx| tx.count_by_jurisdiction()).unwrap();
    let told: Vec<_> = counts.iter().map(|(code, n)| (code.as_str(), *n)).collect();
    assert_eq!(told, [("FR", 2), ("UK", 1), ("unknown", 1)]);
    assert_eq!(counts.values().sum::<usize>(), w.tx(T0, |tx| tx.subjects()).unwrap().len());
}

#[test]
fn r10_r16_r17_what_is_missing_or_overdue_keeps_faces_from_being_compared() {
    let w = strict(|_| {});
    let subject = add(&w, "somebody", "adult", "FR");
    let grant = consent(&w, subject, Signer::Subject, at(700), T0).unwrap();
    let find = Purpose::find_my_photos();
    let compare = |now| w.tx(now, |tx| tx.searchable(w.collection, &find, MODEL).map(drop));
    let dpia = Dpia { reference: "file 7".into(), made: T0, review: at(30) };
    let whole = Basis {
        dpia: Some(dpia),
        necessity: Some("the club's photos are too many to look through".into()),
        alternative: Some("the press officer looks by hand".into()),
        notice_public: Some(T0),
        ..Basis::default()
    };
    // The retention policy is the controller's, and is given last.
    let check = |name: &str, missing: RequiredDocument, basis: Basis| {
        w.tx(T0, |tx| tx.set_basis(w.collection, &basis)).unwrap();
        match compare(T0) {
            Err(TxError::Rule(RuleError::Missing { document, .. })) => assert_eq!(document, missing, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    };
    check("no assessment", RequiredDocument::Dpia, Basis { dpia: None, ..whole.clone() });
    check("no necessity", RequiredDocument::Necessity, Basis { necessity: None, ..whole.clone() });
    check("no alternative", RequiredDocument::Alternative, Basis { alternative: None, ..whole.clone() });
    check("no public notice", RequiredDocument::PublicNotice, Basis { notice_public: None, ..whole.clone() });
    check("not public yet", RequiredDocument::PublicNotice, Basis { notice_public: Some(at(1)), ..whole.clone() });
    w.tx(T0, |tx| tx.set_basis(w.collection, &whole)).unwrap();
    assert!(matches!(
        compare(T0),
        Err(TxError::Rule(RuleError::Missing { document: RequiredDocument::RetentionPolicy, .. }))
    ));
    let World { ledger, home, collection, witnesses } = w;
    let settings = Settings { retention_policy_public: Some(T0), ..Settings::clone(&ledger.settings()) };
    ledger.change_settings(settings, T0).unwrap();
    let w = World { ledger, home, collection, witnesses };
    let compare = |now| w.tx(now, |tx| tx.searchable(w.collection, &find, MODEL).map(drop));
    compare(T0).unwrap();
    w.tx(T0, |tx| tx.enrol(&tx.active_grant(grant)?, MODEL, &[b"e"])).unwrap();
    compare(at(29)).unwrap();
    assert!(matches!(compare(at(30)), Err(TxError::Rule(RuleError::ReviewOverdue { .. }))), "overdue from that day on");
    w.photo("covered all the same.jpg", &[face(0.0)]);

    for (others, locked) in [
        (BystanderBasis::None, true),
        (BystanderBasis::OnRequest("DPIA 7".into()), true),
        (BystanderBasis::ClosedGroup, false),
    ] {
        let name = others.to_string().replace(':', " ");
        let id = w
            .tx(T0, |tx| tx.add_collection(&NewCollection { name: &name, directory: "/s", others: others.clone() }))
            .unwrap();
        w.tx(T0, |tx| tx.set_basis(id, &whole)).unwrap();
        assert_eq!(!w.tx(T0, |tx| tx.missing_prerequisites(id)).unwrap().is_empty(), locked, "{name}");
    }
    let household = NewCollection { name: "home", directory: "/s", others: BystanderBasis::Household };
    assert!(matches!(w.tx(T0, |tx| tx.add_collection(&household)), Err(TxError::OthersOfKind)));
}

#[test]
fn r3_a_changed_notice_or_a_new_purpose_is_not_covered_by_an_old_yes() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let ada = w.subject("ada");
        let given = w.grant(ada, 9);
        let again = w.tx(T0, |tx| tx.add_notice("members", "en", NOTICE)).unwrap();
        assert_eq!((again.version, again.sha256), (1, notice()), "the same text is the same notice");
        let changed = w.tx(T0, |tx| tx.add_notice("members", "en", "You will be looked for everywhere.")).unwrap();
        assert_eq!(changed.version, 2);
        assert_eq!(w.tx(T0, |tx| tx.add_notice("members", "fr", "Vous serez cherché.")).unwrap().version, 1);
        let held = w.tx(T0, |tx| tx.grants_of(ada)).unwrap();
        assert_eq!((held[0].id, held[0].notice_sha256), (given, notice()), "the yes stays with what was read");
        let print = Purpose::publish_print();
        assert!(w.tx(T0, |tx| tx.active_grant_for(ada, w.collection, &print).map(|g| g.is_none())).unwrap());
        let mut raw = w.home.raw();
        for sql in ["UPDATE notices SET text = 'other'", "DELETE FROM notices"] {
            assert!(raw.try_exec(sql).is_err(), "{backend:?}: {sql}");
        }
        for (name, language, text) in [("", "en", "x"), ("n", "e", "x"), ("n", "en us", "x"), ("n", "en", " ")] {
            assert!(matches!(w.tx(T0, |tx| tx.add_notice(name, language, text)), Err(TxError::NoticeForm)));
        }
        assert!(matches!(w.tx(T0, |tx| tx.add_notice("others", "en", NOTICE)), Err(TxError::NoticeTaken)));
        let given = |now, notice_sha256| {
            let (subject, collection, evidence) = (ada, w.collection, &paper(&w.witnesses));
            let (purpose, valid_from, valid_until) = (&print, T0, at(9));
            let new = NewGrant { subject, collection, purpose, evidence, valid_from, valid_until, notice_sha256 };
            w.tx(now, |tx| tx.open_grant(&new))
        };
        assert!(matches!(given(T0, [7; 32]), Err(TxError::NoNotice)));
        assert!(matches!(given(at(1), notice()), Err(TxError::Backdated)));
    });
}

#[test]
fn r3_a_consent_is_renewed_by_a_new_yes_and_everything_goes_over() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let (ada, find) = (w.subject("ada"), Purpose::find_my_photos());
        let old = w.grant(ada, 10);
        let template = w.enrol(old, b"embedding of ada");
        let photo = w.photo("a.jpg", &[face(0.0)]);
        w.tx(T0, |tx| {
            let proof = tx.active_grant(old)?;
            tx.replace_sightings(
                &tx.matching(w.collection)?,
                photo.id,
                &[NewSighting { grant: &proof, face: photo.faces[0], band: Band::Match }],
            )?;
            tx.record_decision(&proof, photo.faces[0], Verdict::Confirmed)
        })
        .unwrap();
        let renewal = |evidence: &Evidence, purpose: &Purpose, now: Timestamp, until: i64| {
            let (subject, collection, valid_until) = (ada, w.collection, at(until));
            let new = NewGrant {
                subject,
                collection,
                purpose,
                evidence,
                valid_from: now,
                valid_until,
                notice_sha256: notice(),
            };
            w.tx(now, |tx| tx.renew(tx.active_grant(old)?, &new))
        };
        let used = paper(&w.witnesses);
        assert!(matches!(renewal(&used, &Purpose::publish_print(), at(8), 20), Err(TxError::OtherRenewal)));
        assert!(matches!(renewal(&paper(&w.witnesses[..1]), &find, at(8), 20), Err(TxError::Witnesses { .. })));
        let new = renewal(&used, &find, at(8), 20).unwrap();
        assert!(matches!(renewal(&paper(&w.witnesses), &find, at(8), 20), Err(TxError::NotActive { .. })), "once");

        let gallery = w.gallery(at(15));
        assert_eq!((gallery.templates[0].grant, gallery.templates[0].template), (new, template[0]), "{backend:?}");
        assert_eq!(gallery.templates[0].plain.as_slice(), b"embedding of ada");
        let seen = w.tx(at(15), |tx| tx.sightings_of(&tx.active_grant(new)?)).unwrap();
        assert_eq!((seen.len(), seen[0].verdict), (1, Some(Verdict::Confirmed)));
        let grants = w.tx(at(15), |tx| tx.grants_of(ada)).unwrap();
        let told: Vec<_> = grants.iter().map(|g| (g.id, g.state, g.renews)).collect();
        assert_eq!(told, [(old, GrantState::Expired, None), (new, GrantState::Active, Some(old))]);
        assert!(w.ledger.expire_due(at(15)).unwrap().ended.is_empty());
        assert_eq!(w.ledger.expire_due(at(20)).unwrap().ended, [new]);
        assert_eq!(w.home.raw().count("SELECT COUNT(*) FROM templates"), 0);
        assert_eq!(w.ledger.audit_verify(None, at(20)).unwrap().fault, None);
    });
}

#[test]
fn r3_a_refusal_is_recorded_and_opens_nothing() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let ada = w.subject("ada");
        let find = Purpose::find_my_photos();
        w.tx(T0, |tx| tx.refuse(ada, w.collection, &find, notice())).unwrap();
        assert!(w.tx(T0, |tx| tx.active_grant_for(ada, w.collection, &find).map(|g| g.is_none())).unwrap());
        let told = w.tx(T0, |tx| tx.subject_access(ada)).unwrap();
        assert_eq!((told.refusals.len(), told.grants.len()), (1, 0));
        let unknown = w.tx(T0, |tx| tx.refuse(ada, w.collection, &find, [7; 32]));
        assert!(matches!(unknown, Err(TxError::NoNotice)));
        w.ledger.erase(ada, T0, |_| {}).unwrap();
        assert_eq!(w.home.raw().count("SELECT COUNT(*) FROM refusals"), 0);
    });
}

#[test]
fn r5_a_yes_holds_for_one_purpose_in_one_collection() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let other = NewCollection { name: "Other", directory: "/o", others: BystanderBasis::ClosedGroup };
        let other = w.tx(T0, |tx| tx.add_collection(&other)).unwrap();
        let ada = w.subject("ada");
        let purposes = [Purpose::find_my_photos(), Purpose::publish_print()];
        let covered = |collection, purpose: &Purpose| {
            let proof = w.tx(T0, |tx| tx.active_grant_for(ada, collection, purpose).map(|g| g.is_some())).unwrap();
            let found = w.tx(T0, |tx| tx.searchable_templates(collection, purpose, MODEL)).unwrap();
            (proof, found.templates.len())
        };
        for purpose in &purposes {
            assert_eq!(covered(w.collection, purpose), (false, 0), "nothing is on by default");
        }
        let grant = w.tx(T0, |tx| give(tx, ada, w.collection, &purposes[1], &w.witnesses, 9)).unwrap();
        w.enrol(grant, b"embedding of ada");
        assert_eq!(covered(w.collection, &purposes[1]), (true, 1));
        assert_eq!(covered(w.collection, &purposes[0]), (false, 0), "{backend:?}: another purpose");
        assert_eq!(covered(other, &purposes[1]), (false, 0), "{backend:?}: another collection");
    });
}

#[test]
fn r31_a_person_is_told_as_often_as_they_ask_and_of_any_time() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let ada = w.subject("ada");
        w.tx(T0, |tx| tx.append_leaf(EventKind::Search, b"", &[(ada, b"looked for")]).map(drop)).unwrap();
        for (i, day) in [800, 801, 801, 802].into_iter().enumerate() {
            let events = w.tx(at(day), |tx| tx.subject_access(ada)).unwrap().events;
            assert_eq!(events[0].leaf.time, T0, "{backend:?}: what is older than a year is told too");
            assert_eq!(events.len(), 1 + i, "and each time that they were told");
        }
    });
}

#[test]
fn r34_what_is_wrong_is_put_right_and_what_is_restricted_is_kept_and_not_used() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let ada = w.subject("ada");
        let grant = w.grant(ada, 9);
        w.enrol(grant, b"embedding of ada");
        let right = Correction { name: Some("Ada L.".into()), age: Some(Age::Adult), ..Correction::default() };
        w.tx(T0, |tx| tx.rectify(ada, &right)).unwrap();
        let now = w.tx(T0, |tx| tx.subject(ada)).unwrap();
        assert_eq!((now.name.as_str(), now.contact.as_str(), now.age), ("Ada L.", "ada@example.org", Age::Adult));

        let seen = |tx: &Tx<'_>| tx.sightings_of(&tx.active_grant(grant)?).map(drop);
        w.tx(T0, |tx| tx.restrict(ada, true)).unwrap();
        assert!(w.gallery(T0).templates.is_empty(), "{backend:?}");
        assert!(matches!(w.tx(T0, seen), Err(TxError::Restricted { .. })));
        assert_eq!(w.home.raw().count("SELECT COUNT(*) FROM templates"), 1, "it is kept");
        assert_eq!(w.tx(T0, |tx| tx.subject_access(ada)).unwrap().templates.len(), 1, "and she is told");
        w.tx(T0, |tx| tx.restrict(ada, false)).unwrap();
        assert_eq!(w.gallery(T0).templates.len(), 1);
        w.tx(T0, seen).unwrap();
    });
}

#[test]
fn r33_a_face_that_was_objected_to_is_nobodys_for_good() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let grant = w.grant(w.subject("ada"), 9);
        let boxes = [face(0.0), face(200.0)];
        let photo = w.photo("a.jpg", &boxes);
        let look = |photo: &StoredPhoto| {
            w.tx(T0, |tx| {
                let proof = tx.active_grant(grant)?;
                let new = NewSighting { grant: &proof, face: photo.faces[1], band: Band::Match };
                tx.replace_sightings(&tx.matching(w.collection)?, photo.id, &[new])
            })
            .unwrap()
        };
        assert_eq!(look(&photo), 1);
        let other = FaceId(photo.faces[1].0 + 1000);
        assert!(matches!(w.tx(T0, |tx| tx.object(photo.id, other)), Err(TxError::NoFace { .. })));
        w.tx(T0, |tx| tx.object(photo.id, photo.faces[1])).unwrap();
        assert_eq!(w.home.raw().count("SELECT COUNT(*) FROM sightings"), 0);
        assert_eq!(look(&photo), 0, "{backend:?}");
        assert_eq!(w.tx(T0, |tx| tx.objected_faces(photo.id)).unwrap(), [photo.faces[1]]);
        // Said twice, it is said once.
        w.tx(T0, |tx| tx.object(photo.id, photo.faces[1])).unwrap();
        assert_eq!(w.home.raw().count("SELECT COUNT(*) FROM objections"), 1);
        // Scanned again: other ids, nearly the same boxes.
        let moved = [FaceBox { x: 3.0, ..boxes[0] }, FaceBox { x: 203.0, ..boxes[1] }];
        let again = w.photo("a.jpg", &moved);
        assert_eq!(look(&again), 0);
        assert_eq!(w.tx(T0, |tx| tx.objected_faces(again.id)).unwrap(), [again.faces[1]]);
    });
}

fn ask(w: &World, kind: RequestKind, subject: Option<SubjectId>, received: Timestamp, now: Timestamp) -> Request {
    let new =
        NewRequest { kind, subject, collection: None, words: "please", received, due: None, album: Album::default() };
    w.tx(now, |tx| tx.open_request(&new)).unwrap()
}

#[test]
fn r30_r36_r37_requests_are_due_when_the_law_says_and_hold_everything_up_when_overdue() {
    let day = |text: &str| Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
    let w = strict(|settings| settings.retention_policy_public = Some(T0));
    let whole = Basis {
        dpia: Some(Dpia { reference: "file 7".into(), made: T0, review: at(4000) }),
        necessity: Some("too many photos".into()),
        alternative: Some("ask the office".into()),
        notice_public: Some(T0),
        ..Basis::default()
    };
    w.tx(T0, |tx| tx.set_basis(w.collection, &whole)).unwrap();
    let find = Purpose::find_my_photos();
    let compare = |now| {
        w.ledger.confirm_clock(now).unwrap();
        w.tx(now, |tx| tx.searchable(w.collection, &find, MODEL).map(drop))
    };

    let received = day("2027-01-31T22:00:00Z");
    let access = ask(&w, RequestKind::Access, None, received, received);
    assert_eq!(access.due, day("2027-02-28T22:00:00Z"), "a month from the 31st");
    let later = w.tx(day("2027-02-10T00:00:00Z"), |tx| tx.extend_request(access.id, "many photos")).unwrap();
    assert_eq!(later.due, day("2027-04-28T22:00:00Z"), "two months more, with reasons");
    let twice = w.tx(day("2027-03-01T00:00:00Z"), |tx| tx.extend_request(access.id, "still"));
    assert!(matches!(twice, Err(TxError::RequestStep { .. })), "once");
    assert!(matches!(w.tx(day("2027-03-01T00:00:00Z"), |tx| tx.pause_request(access.id)), Err(TxError::NoPause)));

    compare(day("2027-04-28T21:00:00Z")).unwrap();
    let overdue = compare(day("2027-04-30T21:00:00Z"));
    assert!(matches!(overdue, Err(TxError::Overdue { days: 2, .. })), "{overdue:?}");
    let refused = w.tx(day("2027-04-30T21:00:00Z"), |tx| tx.extend_request(access.id, "late"));
    assert!(refused.is_err(), "not when it is due");
    let now = day("2027-05-01T00:00:00Z");
    w.tx(now, |tx| tx.answer_request(access.id, RequestOutcome::NothingHeld)).unwrap();
    compare(now).unwrap();
    assert!(matches!(
        w.tx(now, |tx| tx.answer_request(access.id, RequestOutcome::Granted)),
        Err(TxError::RequestStep { .. })
    ));

    let new = |kind, received, due| NewRequest {
        kind,
        subject: None,
        collection: None,
        words: "",
        received,
        due,
        album: Album::default(),
    };
    let enter = |new: &NewRequest<'_>| w.tx(now, |tx| tx.open_request(new));
    let letter = enter(&new(RequestKind::Authority, now, Some(Timestamp(now.0 + 90 * DAY)))).unwrap();
    assert_eq!(letter.due, Timestamp(now.0 + 90 * DAY), "an authority says itself until when");
    let far = Some(Timestamp(now.0 + 90 * DAY));
    assert!(matches!(enter(&new(RequestKind::Access, now, far)), Err(TxError::RequestDates)), "nobody puts it off");
    assert!(matches!(enter(&new(RequestKind::Access, Timestamp(now.0 + 1), None)), Err(TxError::RequestDates)));
    let deadlines = w.tx(now, |tx| tx.deadlines()).unwrap();
    assert!(deadlines.iter().any(|d| d.what == Due::Request(letter.id)));
    assert!(matches!(compare(Timestamp(now.0 + 91 * DAY)), Err(TxError::Overdue { .. })), "a letter left unanswered");
}

#[test]
fn r36_where_the_law_allows_it_the_time_stands_still_while_somebody_is_asked() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let ada = w.subject("ada");
        let request = ask(&w, RequestKind::Erase, Some(ada), T0, T0);
        w.tx(at(10), |tx| tx.pause_request(request.id)).unwrap();
        let find = Purpose::find_my_photos();
        w.ledger.confirm_clock(at(60)).unwrap();
        w.tx(at(60), |tx| tx.searchable(w.collection, &find, MODEL)).unwrap();
        let on = w.tx(at(60), |tx| tx.resume_request(request.id)).unwrap();
        assert_eq!(on.due.0 - request.due.0, 50 * DAY, "{backend:?}");
        assert_eq!(w.tx(at(60), |tx| tx.subject_access(ada)).unwrap().requests[0].words.as_deref(), Some("please"));
        w.ledger.erase(ada, at(61), |_| {}).unwrap();
        // The erasure answered it.
        let left = w.tx(at(62), |tx| tx.request(request.id)).unwrap();
        assert_eq!(left.answered, Some((at(61), RequestOutcome::Granted)));
        assert_eq!(
            (left.subject, left.words, left.kind),
            (None, None, RequestKind::Erase),
            "that somebody asked stays"
        );
        let complaint = strict(|settings| settings.jurisdiction = "UK".into());
        let due = ask(&complaint, RequestKind::Complaint, None, T0, T0).due;
        assert_eq!(due, at(30), "acknowledged within 30 days");
    });
}

#[test]
fn r36_a_clock_that_was_set_back_dodges_no_deadline() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let grant = w.grant(w.subject("ada"), 10);
        w.enrol(grant, b"embedding of ada");
        w.tx(at(11), |tx| tx.append_leaf(EventKind::Search, b"", &[]).map(drop)).unwrap();
        let find = Purpose::find_my_photos();
        let back = w.tx(at(9), |tx| tx.searchable(w.collection, &find, MODEL).map(drop));
        assert!(matches!(back, Err(TxError::ClockSetBack { .. })), "{backend:?}: {back:?}");
        let corrected = Timestamp(at(11).0 - 60_000);
        assert!(w.tx(corrected, |tx| tx.searchable(w.collection, &find, MODEL)).unwrap().grants.is_empty());
    });
}

#[test]
fn r3_an_altered_receipt_is_refused() {
    let w = World::new(Backend::Sqlite);
    w.grant(w.subject("ada"), 9);
    let record = r#"{"record":{"record_id":"7"},"purpose":"find-my-photos"}"#;
    let (receipt, key) = (w.ledger.receipt(record, T0).unwrap(), w.ledger.log_keys());
    assert_eq!(verify_receipt(&receipt, &key), Ok(record));
    assert!(receipt.starts_with("assent consent receipt v1\nlog-size 3\n"), "{receipt}");

    let altered = |name: &str, text: &str| {
        assert!(matches!(verify_receipt(text, &key), Err(ReceiptError::Note(_))), "{name}");
    };
    // Every byte of the text, and of the signature.
    for at in 0..receipt.len() {
        let mut bytes = receipt.clone().into_bytes();
        bytes[at] ^= 1;
        if let Ok(text) = String::from_utf8(bytes) {
            altered(&format!("byte {at}"), &text);
        }
    }
    altered("cut", &receipt[..receipt.len() - 2]);
    altered("nothing", "");
    altered("a record alone", record);
    let other = World::new(Backend::Sqlite).ledger.receipt(record, T0).unwrap();
    altered("of another vault", &other);
    let list = w.ledger.erasure_list(&BTreeSet::new()).unwrap();
    let unsigned = NoteError::Unsigned;
    assert_eq!(verify_receipt(&list, &key), Err(unsigned.into()), "signed with another key, and no receipt");
    assert_eq!(verify_erasure_list(&receipt, &key), Err(unsigned.into()), "signed with another key, and no list");
}

#[test]
fn r35_a_list_of_erasures_is_checked_with_the_key_alone() {
    let w = World::new(Backend::Sqlite);
    let key = w.ledger.log_keys();
    let both = BTreeSet::from([w.subject("ada"), w.subject("bob")]);
    for whom in [BTreeSet::new(), both.clone()] {
        let list = w.ledger.erasure_list(&whom).unwrap();
        assert_eq!(verify_erasure_list(&list, &key), Ok(whom));
    }
    let list = w.ledger.erasure_list(&both).unwrap();
    for id in both.iter().map(ToString::to_string) {
        let shorter = list.replace(&format!("subject {id}\n"), "");
        assert_eq!(verify_erasure_list(&shorter, &key), Err(ErasureListError::Note(NoteError::Changed)));
    }
}
