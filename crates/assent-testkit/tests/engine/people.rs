//! Consents, witnesses, tables of people: what one process decides while another one writes, through `assent::service`.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;

use assent::enrol::{Consent, EnrolError};
use assent::ledger::{
    Age, AskedBy, AskedVia, Basis, Correction, EventKind, Evidence, GrantState, Ledger, NewFile, NewFiles, NewGrant,
    NewPending, Purpose, RequestKind, RequestOutcome, Role, RulePack, Scope, Signer, SubjectId, Tx, TxError, Verdict,
};
use assent::packs::sha256;
use assent::service::consents::{self, Meant, Renewal};
use assent::service::enrolment::Enrolled;
use assent::service::review::{Decision, decide};
use assent::service::rosters::{self, Entry, EntryFiles, NamedFile, Refused, Standing, check, enrol_at_once};
use assent::service::{collections, orders, requests, rights, subjects, witnesses};
use assent_testkit::{NOTICE, T0, World, act, at, darkened, jpeg, models, open, with_worker};

use crate::enrolling::paper_of;
use crate::{WALZ, portrait};

const PASSPHRASE: &[u8] = b"three herons by the old lock";

/// A snapshot that somebody takes while another one writes is taken within so many of theirs.
const SNAPSHOTS: usize = 200;

/// Does `then` in another opening of the vault while `first` is done and is not committed: whatever `then` only reads, it
/// reads before the commit, and whatever it writes, it writes after it.
fn beside<T: Send>(
    w: &World,
    first: impl Fn(&Tx<'_>) -> Result<(), TxError>,
    then: impl FnOnce(&Ledger) -> T + Send,
) -> T {
    let other = w.open_again();
    let (written, start) = mpsc::channel();
    let start = Mutex::new(start);
    thread::scope(|scope| {
        let then = scope.spawn(|| {
            start.lock().unwrap().recv().unwrap();
            then(&other)
        });
        w.tx(|tx| {
            first(tx)?;
            written.send(()).unwrap();
            // Work, so that the other one has read what it reads before the commit.
            (0..SNAPSHOTS).try_for_each(|_| w.ledger.read_tx(T0, |tx| tx.log_head().map(drop)))
        })
        .unwrap();
        then.join().unwrap()
    })
}

fn publish() -> Purpose {
    "publish-website".parse().unwrap()
}

fn give(w: &World, tx: &Tx<'_>, subject: SubjectId, purpose: &Purpose) -> Result<(), TxError> {
    let evidence = &w.paper();
    let (valid_until, notice_sha256) = (at(30), sha256(NOTICE.as_bytes()));
    let new = NewGrant {
        subject,
        collection: w.collection,
        purpose,
        evidence,
        valid_from: tx.now(),
        valid_until,
        notice_sha256,
    };
    tx.open_grant(&new).map(drop)
}

/// A form that waits for its witnesses.
fn wait(w: &World, tx: &Tx<'_>, subject: SubjectId, purpose: Purpose) -> Result<(), TxError> {
    let form = format!("the form of {subject} for {purpose}");
    let release = NewFile { name: "form.pdf", bytes: form.as_bytes() };
    let new = NewPending {
        subject,
        consents: &[(w.collection, purpose)],
        evidence: &paper_of(w, release.bytes),
        notice_sha256: sha256(NOTICE.as_bytes()),
        valid_until: at(30),
        pictures: &[],
        renewal: false,
    };
    tx.add_pending(&new, &NewFiles { pictures: &[], release }).map(drop)
}

#[test]
fn i1_a_withdrawal_ends_what_others_recorded_until_it_commits() {
    let w = World::new(&[]);
    w.give_keys(PASSPHRASE);
    let all = |subject| Meant { subject, collection: None, purpose: None };
    let check = |what: &str, n: usize, given: &dyn Fn(&Tx<'_>, SubjectId) -> Result<(), TxError>| {
        let subject = w.subject(&format!("person-{n}"));
        w.tx(|tx| give(&w, tx, subject, &Purpose::find_my_photos())).unwrap();
        let ended =
            beside(&w, |tx| given(tx, subject), |other| consents::withdraw(other, &all(subject), act(T0))).unwrap();
        assert_eq!(ended.consents.len() + ended.given_up.len(), 2, "{what}");
        let left = w.tx(|tx| Ok((tx.consents_of(subject)?, tx.pending_of(subject)?))).unwrap();
        assert!(left.0.is_empty() && left.1.is_empty(), "{what}: {left:?}");
        let nothing = consents::withdraw(&w.ledger, &all(subject), act(T0));
        assert!(matches!(nothing, Err(consents::ConsentError::NothingToWithdraw)), "{what}");
    };
    check("a consent", 1, &|tx, subject| give(&w, tx, subject, &publish()));
    check("a form that waits", 2, &|tx, subject| wait(&w, tx, subject, publish()));
}

#[test]
fn a_withdrawal_ends_what_is_meant_and_says_before_what_it_would_end() {
    let w = World::new(&[]);
    let subject = w.subject("walz");
    w.tx(|tx| {
        give(&w, tx, subject, &Purpose::find_my_photos())?;
        give(&w, tx, subject, &publish())
    })
    .unwrap();
    let meant = Meant { subject, collection: Some(w.collection), purpose: Some(publish()) };
    let would = consents::would_withdraw(&w.ledger, &meant, T0).unwrap();
    let active = || w.tx(|tx| tx.consents_of(subject)).unwrap();
    assert_eq!((would.consents.len(), active().len()), (1, 2), "nothing ended yet");
    assert_eq!(consents::withdraw(&w.ledger, &meant, act(T0)).unwrap(), would);
    let left: Vec<Purpose> = active().into_iter().map(|c| c.purpose).collect();
    assert_eq!(left, [Purpose::find_my_photos()]);
}

/// A law under which a parent signs until somebody is 18.
fn parents(photos: &[&str]) -> World {
    World::under(photos, &|pack| RulePack { alone_from_years: 18, ..pack })
}

/// Of age between [`T0`] and 30 days later.
const ALMOST_GROWN_UP: Age = Age::Born { year: 2009, month: 1 };

fn born(tx: &Tx<'_>, subject: SubjectId, age: Age) -> Result<(), TxError> {
    tx.rectify(subject, &Correction { age: Some(age), ..Correction::default() })
}

fn signed_by_parent(w: &World) -> Evidence {
    let Evidence::Paper { release_sha256, witnesses, statement, signed, .. } = paper_of(w, FORM) else {
        unreachable!("it is on paper")
    };
    Evidence::Paper { release_sha256, witnesses, signed_by: Signer::Parent, statement, signed }
}

#[test]
fn a_renewal_ends_as_the_roster_says_when_it_is_recorded() {
    let w = parents(&[]);
    let subject = w.subject("anna");
    w.tx(|tx| {
        born(tx, subject, Age::Adult)?;
        give(&w, tx, subject, &publish())
    })
    .unwrap();
    let evidence = signed_by_parent(&w);
    let renewal = Renewal {
        subject,
        collection: w.collection,
        purpose: &publish(),
        evidence: &evidence,
        release: None,
        notice_sha256: sha256(NOTICE.as_bytes()),
        valid_until: at(30),
    };
    let renewed =
        beside(&w, |tx| born(tx, subject, ALMOST_GROWN_UP), |other| consents::renew(other, &renewal, act(T0))).unwrap();
    let Enrolled::InForce(renewed) = renewed else { panic!("nobody signs here") };
    assert!(renewed.until < at(30), "on the birthday: {:?}", renewed.until);
    let grants = w.tx(|tx| tx.grants_of(subject)).unwrap();
    let active = grants.iter().find(|g| g.state == GrantState::Active).unwrap();
    assert_eq!((active.id, active.valid_until), (renewed.grants[0], renewed.until));
}

#[test]
fn two_who_register_one_witness_at_once_register_one() {
    let w = World::new(&[]);
    let key = w.ledger.new_witness_key(PASSPHRASE).unwrap();
    let other = beside(
        &w,
        |tx| tx.set_witness_key(tx.add_witness("Wilma")?, &key),
        |other| witnesses::add(other, "Wilma", Some(b"seven boats and a tin whistle"), act(T0)),
    );
    assert!(matches!(other, Err(TxError::WitnessHasKey { .. })), "{other:?}");
    let all = witnesses::all(&w.ledger, T0).unwrap();
    assert_eq!(all.iter().filter(|witness| witness.name == "Wilma").count(), 1);
}

#[test]
fn a_witness_signs_what_was_shown_and_nothing_that_came_since() {
    let w = World::signing(&[]);
    w.give_keys(PASSPHRASE);
    let (ada, bob) = (w.subject("ada"), w.subject("bob"));
    w.tx(|tx| wait(&w, tx, ada, publish())).unwrap();
    let wanda = w.witnesses[0];
    let shown = witnesses::waiting_for(&w.ledger, wanda, T0).unwrap().forms;
    w.open_again().run_tx("another form", T0, |tx| wait(&w, tx, bob, publish())).unwrap();
    let signed = witnesses::sign(&w.ledger, wanda, &shown, PASSPHRASE, act(T0)).unwrap();
    assert_eq!(signed.roster.statements, [(shown[0].pending.id, shown[0].pending.statement_hash())]);
    assert!(signed.complete.is_empty(), "the other witness has not signed");
    let left = witnesses::waiting_for(&w.ledger, wanda, T0).unwrap().forms;
    assert_eq!(left.iter().map(|form| form.who.id).collect::<Vec<_>>(), [bob]);
    // One who was shown what another process gives up meanwhile signs nothing of it.
    let meant = Meant { subject: bob, collection: None, purpose: None };
    consents::withdraw(&w.open_again(), &meant, act(T0)).unwrap();
    let gone = witnesses::sign(&w.ledger, wanda, &left, PASSPHRASE, act(T0));
    assert!(matches!(gone, Err(TxError::NoPending { .. })), "{gone:?}");
}

fn entry(w: &World, handle: &str, purpose: Purpose, evidence: Evidence) -> Entry {
    Entry {
        handle: handle.to_owned(),
        name: format!("Name of {handle}"),
        contact: None,
        group: None,
        age: Some(Age::Adult),
        jurisdiction: Some("FR".parse().unwrap()),
        consents: vec![Consent { collection: w.collection, purpose }],
        release: NamedFile { name: "form.pdf".to_owned(), bytes: FORM.len() as u64, sha256: sha256(FORM) },
        evidence,
        notice_sha256: sha256(NOTICE.as_bytes()),
        valid_until: at(30),
        pictures: Vec::new(),
        renewal: false,
    }
}

/// The files of somebody who handed in a form, and no picture.
fn form_alone(form: &[u8]) -> EntryFiles {
    EntryFiles { pictures: Vec::new(), release: ("form.pdf".to_owned(), form.to_vec()) }
}

/// What a parent signed.
const FORM: &[u8] = b"the form that a parent signed";

fn checked(w: &World, entry: &Entry) -> Standing {
    check(&w.ledger, std::slice::from_ref(entry), T0).unwrap().remove(0).unwrap()
}

#[test]
fn a_row_of_a_table_is_recorded_whole_or_not_at_all() {
    let w = World::new(&[]);
    let roster = || w.tx(|tx| tx.subjects()).unwrap().into_iter().map(|s| s.handle).collect::<Vec<_>>();
    // The picture turns out to be unfit.
    let ada = entry(&w, "ada", Purpose::find_my_photos(), w.paper());
    let dark = [("dark.jpg".to_owned(), jpeg(&darkened(&open(&portrait("carl-walz")), 0.15)))];
    let standing = checked(&w, &ada);
    let refused =
        with_worker(|worker| enrol_at_once(&w.ledger, Some((models(), worker)), (&ada, &standing), &dark, act(T0)));
    assert!(matches!(refused, Err(EnrolError::Portrait { .. })), "{refused:?}");
    assert_eq!(roster(), [""; 0]);
    // The form was used for somebody else since the check.
    let bob = entry(&w, "bob", publish(), w.paper());
    let standing = checked(&w, &bob);
    let cyd = entry(&w, "cyd", publish(), bob.evidence.clone());
    enrol_at_once(&w.open_again(), None, (&cyd, &checked(&w, &cyd)), &[], act(T0)).unwrap();
    let refused = enrol_at_once(&w.ledger, None, (&bob, &standing), &[], act(T0));
    assert!(matches!(refused, Err(EnrolError::Ledger(TxError::ReleaseUsed))), "{refused:?}");
    assert_eq!(roster(), ["cyd"]);
}

#[test]
fn a_row_ends_as_the_roster_says_when_it_is_recorded() {
    for signing in [false, true] {
        let w = World::under(&[], &|pack| RulePack { alone_from_years: 18, witnesses_sign: signing, ..pack });
        w.give_keys(PASSPHRASE);
        let anna = w.subject("anna");
        subjects::rectify(&w.ledger, anna, &Correction { age: Some(Age::Adult), ..Correction::default() }, act(T0))
            .unwrap();
        let row = Entry { age: None, ..entry(&w, "anna", publish(), signed_by_parent(&w)) };
        let standing = checked(&w, &row);
        assert_eq!(standing, Standing::New { subject: Some(anna), witnesses_sign: signing });
        w.open_again().run_tx("correct", T0, |tx| born(tx, anna, ALMOST_GROWN_UP)).unwrap();
        let end = if signing {
            let (form, goes_on) = (&mut |_| Ok::<_, TxError>(form_alone(FORM)), &mut |_| ControlFlow::Continue(()));
            rosters::record(&w.ledger, &[(&row, &standing)], form, act(T0), goes_on).unwrap();
            w.tx(|tx| tx.pending_of(anna)).unwrap()[0].valid_until
        } else {
            enrol_at_once(&w.ledger, None, (&row, &standing), &[], act(T0)).unwrap();
            w.tx(|tx| tx.grants_of(anna)).unwrap()[0].valid_until
        };
        assert!(end < at(30), "on the birthday, signing {signing}: {end:?}");
    }
}

#[test]
fn a_table_that_is_stopped_keeps_what_it_recorded_and_goes_on() {
    let w = World::signing(&[]);
    w.give_keys(PASSPHRASE);
    // More than are recorded in one transaction.
    let form = |handle: &str| format!("the form of {handle}").into_bytes();
    let row = |handle: String| entry(&w, &handle, publish(), paper_of(&w, &form(&handle)));
    let rows: Vec<Entry> = (0..520).map(|i| row(format!("m-{i}"))).collect();
    let to_do = |standings: &[Result<Standing, Refused>]| {
        standings.iter().filter(|standing| *standing.as_ref().unwrap() != Standing::Done).count()
    };
    let record = |goes_on: ControlFlow<()>| {
        let standings = check(&w.ledger, &rows, T0).unwrap();
        let new: Vec<(&Entry, &Standing)> = rows.iter().zip(standings.iter().flatten()).collect();
        let left: Vec<_> = new.into_iter().filter(|(_, standing)| **standing != Standing::Done).collect();
        let mut files = |n: usize| Ok::<_, TxError>(form_alone(&form(&left[n].0.handle)));
        rosters::record(&w.ledger, &left, &mut files, act(T0), &mut |_| goes_on).unwrap()
    };
    let recorded = record(ControlFlow::Break(()));
    assert!(recorded > 0 && recorded < rows.len(), "{recorded}");
    let people = w.tx(|tx| tx.subjects()).unwrap().len();
    assert_eq!((people, to_do(&check(&w.ledger, &rows, T0).unwrap())), (recorded, rows.len() - recorded));
    assert_eq!(record(ControlFlow::Continue(())), rows.len() - recorded, "the same call does the rest");
    assert_eq!(to_do(&check(&w.ledger, &rows, T0).unwrap()), 0);
}

#[test]
fn i6_whatever_is_done_through_the_domain_says_who_asked() {
    let w = World::new(&[WALZ]);
    let furnished = w.log_size();
    let act = act(T0);
    let (walz, _) = w.enrol("walz", "carl-walz");
    w.scan();
    let face = w.find(walz)[0].face;
    decide(&w.ledger, &[Decision { subject: walz, face, verdict: Verdict::Confirmed }], act).unwrap();
    rights::access(&w.ledger, walz, act).unwrap();
    subjects::rectify(&w.ledger, walz, &Correction { age: Some(Age::Adult), ..Correction::default() }, act).unwrap();
    subjects::restrict(&w.ledger, walz, true, act).unwrap();
    subjects::restrict(&w.ledger, walz, false, act).unwrap();
    let request = requests::open(&w.ledger, &w.request(RequestKind::Access, walz), None, act).unwrap();
    requests::answer(&w.ledger, request.id, RequestOutcome::Granted, act).unwrap();
    let order = orders::stop(&w.ledger, &Scope::Collection(w.collection), "a complaint", None, act).unwrap();
    orders::lift(&w.ledger, order, act).unwrap();
    collections::state_basis(&w.ledger, w.collection, &Basis::default(), act).unwrap();
    witnesses::add(&w.ledger, "Wilma", Some(PASSPHRASE), act).unwrap();
    consents::refuse(&w.ledger, walz, (w.collection, &publish()), sha256(NOTICE.as_bytes()), act).unwrap();
    w.ledger.rotate(walz, act).unwrap();
    consents::withdraw(&w.ledger, &Meant { subject: walz, collection: None, purpose: None }, act).unwrap();
    w.ledger.erase(walz, act, |_| {}).unwrap();
    let leaves = w.tx(|tx| tx.leaves(furnished, 100)).unwrap();
    let asked = Some(AskedBy { role: Role::Operator, via: AskedVia::Terminal });
    let unsaid: Vec<_> = leaves.iter().filter(|leaf| leaf.asked != asked).map(|leaf| leaf.kind).collect();
    assert_eq!(unsaid, [], "of {} entries", leaves.len());
    let kinds: BTreeSet<EventKind> = leaves.iter().map(|leaf| leaf.kind).collect();
    assert_eq!(kinds.len(), 19, "{kinds:?}");
    assert_eq!(w.ledger.audit_verify(None, T0).unwrap().fault, None);
}
