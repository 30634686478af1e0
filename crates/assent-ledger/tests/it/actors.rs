//! I6: an entry of the log says in which role somebody asked, and names nobody.

use assent_ledger::*;

use crate::support::*;

const STAFF: AccountId = AccountId::from_bytes(*b"account of staff");
const MEMBERS: AccountId = AccountId::from_bytes(*b"account of a mem");

fn act(role: Role, via: Via, at: Timestamp) -> Act {
    Act { by: Actor { role, via }, at }
}

/// An entry for a person, by somebody; the entry as it was written.
fn said(w: &World, origin: impl Into<Origin>, who: SubjectId) -> Leaf {
    let position = w.ledger.run_tx("say", origin, |tx| tx.append_leaf(EventKind::Search, b"", &[(who, b"x")])).unwrap();
    leaf(w, *position)
}

fn leaf(w: &World, position: u64) -> Leaf {
    w.tx(T0, |tx| tx.leaves(position, 1)).unwrap().remove(0)
}

#[test]
fn i6_an_entry_says_in_which_role_somebody_asked_and_names_nobody() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let ada = w.subject("ada");
        let by = |role, via| said(&w, act(role, via, T0), ada);
        let account = |leaf: &Leaf| w.tx(T0, |tx| tx.account_of(leaf.position)).unwrap();

        let at_terminal = by(Role::Operator, Via::Terminal);
        assert_eq!(at_terminal.asked, Some(AskedBy { role: Role::Operator, via: AskedVia::Terminal }), "{backend:?}");
        let program = said(&w, T0, ada);
        assert_eq!((program.asked, program.to_bytes()[0]), (None, 1), "{backend:?}: the form of before");
        let staff = [by(Role::Reviewer, Via::Account(STAFF)), by(Role::Reviewer, Via::Account(STAFF))];
        let own = by(Role::Member, Via::Account(MEMBERS));
        assert_eq!(own.asked, Some(AskedBy { role: Role::Member, via: AskedVia::OwnAccount }), "{backend:?}");
        assert_ne!(staff[0].asked, staff[1].asked, "{backend:?}: what one account did does not show");

        let known = [&at_terminal, &program, &staff[0], &staff[1], &own].map(account);
        assert_eq!(known, [None, None, Some(STAFF), Some(STAFF), None], "{backend:?}");
        let audit = w.ledger.audit_verify(None, T0).unwrap();
        assert_eq!((audit.openings, audit.fault), (5, None), "{backend:?}");
        let mut raw = w.home.raw();
        let plain = raw.blobs("SELECT bytes FROM log_leaves UNION ALL SELECT sealed FROM log_accounts");
        for id in [STAFF, MEMBERS] {
            assert!(!plain.iter().any(|bytes| contains(bytes, id.as_bytes())), "{backend:?}");
        }
        // Her erasure leaves nothing of her own account, and takes nobody else's.
        w.ledger.erase(ada, act(Role::Member, Via::Account(MEMBERS), T0), |_| {}).unwrap();
        assert_eq!(raw.count("SELECT COUNT(*) FROM log_accounts"), 2, "{backend:?}");
        assert_eq!(w.ledger.audit_verify(None, T0).unwrap().fault, None, "{backend:?}");
        Certificate::verify(&w.ledger.certificate(ada, T0).unwrap(), &w.ledger.log_keys()).unwrap();
    });
}

#[test]
fn i6_nobody_asked_for_a_date_that_came() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let ada = w.subject("ada");
        let over = w.grant(ada, 1);
        w.enrol(over, b"embedding");
        // The consent that is over is ended by whoever records the next one.
        let (purpose, evidence) = (Purpose::find_my_photos(), paper(&w.witnesses));
        let new = NewGrant {
            subject: ada,
            collection: w.collection,
            purpose: &purpose,
            evidence: &evidence,
            valid_from: at(2),
            valid_until: at(9),
            notice_sha256: notice(),
        };
        let operator = act(Role::Operator, Via::Terminal, at(2));
        w.ledger.run_tx("enrol again", operator, |tx| tx.open_grant(&new)).unwrap();
        let all = w.tx(at(2), |tx| tx.leaves(0, 100)).unwrap();
        let asked = |kind| all.iter().rev().find(|leaf| leaf.kind == kind).unwrap().asked.map(|by| by.role);
        assert_eq!((asked(EventKind::Expiry), asked(EventKind::Grant)), (None, Some(Role::Operator)), "{backend:?}");
    });
}

#[test]
fn i6_whoever_changes_through_which_account_somebody_asked_is_found() {
    type Tamper = fn(&mut Raw);
    let cases: [(&str, Tamper); 4] = [
        ("deleted", |r| r.exec("DELETE FROM log_accounts WHERE seq = (SELECT MIN(seq) FROM log_accounts)")),
        ("of another entry", |r| {
            r.exec(
                "UPDATE log_accounts SET sealed = (SELECT sealed FROM log_accounts ORDER BY seq DESC LIMIT 1) \
                 WHERE seq = (SELECT MIN(seq) FROM log_accounts)",
            );
        }),
        ("not sealed", |r| r.exec("UPDATE log_accounts SET sealed = substr(sealed, 2)")),
        ("of an entry that has none", |r| {
            r.exec("INSERT INTO log_accounts SELECT 0, sealed FROM log_accounts ORDER BY seq LIMIT 1");
        }),
    ];
    on_every_database(|backend| {
        for (what, tamper) in cases {
            let w = World::new(backend);
            let ada = w.subject("ada");
            let first = said(&w, act(Role::Operator, Via::Account(STAFF), T0), ada).position;
            said(&w, act(Role::Auditor, Via::Account(MEMBERS), T0), ada);
            assert!(w.home.raw().try_exec("DELETE FROM log_accounts").is_err(), "{backend:?}: {what}");
            tamper(&mut w.home.raw_without_log_rules());
            let place = if what == "of an entry that has none" { 0 } else { first };
            let fault = w.ledger.audit_verify(None, T0).unwrap().fault;
            assert_eq!(fault, Some((place, Fault::Opening)), "{backend:?}: {what}");
        }
    });
}
