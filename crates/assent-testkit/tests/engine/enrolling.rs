//! Enrolment, and every reason to refuse it. What is refused leaves nothing.

use assent::Frame;
use assent::enrol::{Consent, EnrolError, Enrolment, enrol};
use assent::ledger::{
    Evidence, GrantState, NewFile, Pending, Signer, SubjectId, TxError, WAITING_FILE_BYTES_MAX, WaitingFiles,
};
use assent::packs::sha256;
use assent::portrait::PortraitError;
use assent::release::{ReleaseError, open_release};
use assent::service::enrolment::{self, CompleteError, complete, pictures, record};
use assent_testkit::{
    NOTICE, T0, World, act, at, blurred, darkened, jpeg, mirrored, models, open, pdf, release, shrunk, side_by_side,
    with_worker,
};

use crate::{DESERT, TRIO, WALZ, photo, portrait};

fn walz() -> Frame {
    open(&portrait("carl-walz"))
}

/// A signed form that was scanned to these bytes, seen by both witnesses.
pub(crate) fn paper_of(w: &World, release: &[u8]) -> Evidence {
    let Evidence::Paper { witnesses, signed_by, statement, signed, .. } = w.paper() else {
        unreachable!("it is on paper")
    };
    Evidence::Paper { release_sha256: sha256(release), witnesses, signed_by, statement, signed }
}

/// A refused enrolment leaves neither grant, nor template, nor leaf.
pub(crate) fn refused(w: &World, subject: SubjectId, attempt: impl FnOnce() -> Result<(), EnrolError>) -> EnrolError {
    let before = (w.log_size(), w.gallery().templates.len(), w.tx(|tx| tx.grants_of(subject)).unwrap());
    let error = attempt().unwrap_err();
    let after = (w.log_size(), w.gallery().templates.len(), w.tx(|tx| tx.grants_of(subject)).unwrap());
    assert_eq!(before, after, "{error}");
    error
}

fn unfit(error: &PortraitError, expected: &str) -> bool {
    error.reasons().iter().any(|(code, _, _)| *code == expected)
}

#[test]
fn an_unfit_picture_is_refused_for_its_reason() {
    let w = World::new(&[]);
    let subject = w.subject("walz");
    let check = |name: &str, picture: Vec<u8>, right: fn(&PortraitError) -> bool| {
        // A good picture before it does not help.
        let pictures = [("good.jpg", portrait("carl-walz")), ("bad.jpg", picture)];
        let error = refused(&w, subject, || w.try_enrol(subject, &w.paper(), &pictures).map(drop));
        let EnrolError::Portrait { picture, source } = &error else { panic!("{name}: {error}") };
        assert!(right(source) && picture == "bad.jpg", "{name}: {source}");
    };
    let two = side_by_side(&walz(), &open(&portrait("julie-payette")));
    let glare = Frame::new(walz().width(), walz().height(), walz().rgb().iter().map(|v| v / 6 + 212).collect());
    let grey = Frame::new(walz().width(), walz().height(), walz().rgb().iter().map(|v| v / 16 * 2 + 110).collect());
    check("nobody", jpeg(&shrunk(&open(&photo(DESERT)), 640)), |e| matches!(e, PortraitError::NoFace));
    check("two people", jpeg(&two), |e| matches!(e, PortraitError::SeveralFaces { faces: 2 }));
    check("a group", photo(TRIO), |e| matches!(e, PortraitError::SeveralFaces { faces: 3 }));
    check("far away", jpeg(&shrunk(&walz(), 60)), |e| unfit(e, "too-small"));
    check("in the dark", jpeg(&darkened(&walz(), 0.15)), |e| unfit(e, "too-dark"));
    check("in glare", jpeg(&glare.unwrap()), |e| unfit(e, "too-bright"));
    check("in fog", jpeg(&grey.unwrap()), |e| unfit(e, "too-flat"));
    check("out of focus", jpeg(&blurred(&walz(), 8)), |e| unfit(e, "blurred"));
    check("no picture at all", b"hello".to_vec(), |e| matches!(e, PortraitError::Detect(_)));
    check("cut off", portrait("carl-walz")[..9_000].to_vec(), |e| matches!(e, PortraitError::Detect(_)));
}

#[test]
fn evidence_that_is_not_enough_is_refused() {
    let w = World::new(&[]);
    let (walz, krikalev) = (w.subject("walz"), w.subject("krikalev"));
    let good = [("good.jpg", portrait("carl-walz"))];
    let check = |name: &str, subject, evidence: &Evidence, right: fn(&TxError) -> bool| {
        let error = refused(&w, walz, || w.try_enrol(subject, evidence, &good).map(drop));
        assert!(matches!(&error, EnrolError::Ledger(e) if right(e)), "{name}: {error}");
    };
    let paper = |witnesses: &[usize]| Evidence::Paper {
        release_sha256: [witnesses.len() as u8; 32],
        witnesses: witnesses.iter().map(|i| w.witnesses[*i]).collect(),
        signed_by: Signer::Subject,
        statement: String::new(),
        signed: None,
    };
    let spoken = Evidence::SelfStatement { statement: "It is me".into() };
    check("no witness", walz, &paper(&[]), |e| matches!(e, TxError::Witnesses { needed: 2, given: 0 }));
    check("one witness", walz, &paper(&[0]), |e| matches!(e, TxError::Witnesses { needed: 2, given: 1 }));
    check("the same one twice", walz, &paper(&[1, 1]), |e| matches!(e, TxError::Witnesses { given: 1, .. }));
    check("a word alone", walz, &spoken, |e| matches!(e, TxError::SelfStatement));
    check("nobody", SubjectId::from_bytes([7; 16]), &w.paper(), |e| matches!(e, TxError::NoSubject));

    let once = w.paper();
    w.try_enrol(krikalev, &once, &[("k.jpg", portrait("sergei-krikalev"))]).unwrap();
    check("a form that served before", walz, &once, |e| matches!(e, TxError::ReleaseUsed));
    w.try_enrol(walz, &w.paper(), &good).unwrap();
    check("twice", walz, &w.paper(), |e| matches!(e, TxError::GrantExists));
    assert_eq!(w.gallery().templates.len(), 2);
}

#[test]
fn an_enrolment_without_picture_consent_or_time_is_refused() {
    let w = World::new(&[]);
    let subject = w.subject("walz");
    let (paper, both) = (w.paper(), [w.to_be_found()]);
    let pictures = [("good.jpg".to_owned(), portrait("carl-walz"))];
    let whole = || Enrolment {
        subject,
        consents: &both,
        evidence: &paper,
        notice_sha256: [0; 32],
        valid_until: at(1),
        pictures: &pictures,
    };
    let attempt = |e: Enrolment<'_>| {
        refused(&w, subject, || {
            with_worker(|worker| enrol(&w.ledger, models(), worker, &e, &mut |_, _| {}, act(T0))).map(drop)
        })
    };
    assert!(matches!(attempt(Enrolment { pictures: &[], ..whole() }), EnrolError::NoPicture));
    assert!(matches!(attempt(Enrolment { consents: &[], ..whole() }), EnrolError::NoConsent));
    let over = attempt(Enrolment { valid_until: T0, ..whole() });
    assert!(matches!(over, EnrolError::Ledger(TxError::Validity)), "{over}");
}

#[test]
fn several_pictures_make_several_templates_of_one_person() {
    let w = World::new(&[WALZ]);
    let subject = w.subject("walz");
    let pictures = [("a.jpg", portrait("carl-walz")), ("b.jpg", jpeg(&mirrored(&walz())))];
    let grant = w.try_enrol(subject, &w.paper(), &pictures).unwrap();
    assert_eq!(w.gallery().templates.len(), 2);
    let summary = w.scan();
    assert_eq!((summary.templates, summary.matches), (2, 1));
    w.withdraw(grant);
    assert_eq!(w.gallery().templates.len(), 0);
    assert_eq!(w.tx(|tx| tx.grants_of(subject)).unwrap()[0].state, GrantState::Withdrawn);
}

#[test]
fn r4_the_second_signature_completes_an_enrolment_with_the_pictures_that_were_signed() {
    let w = World::signing(&[WALZ]);
    let pass = b"three herons by the old lock";
    w.give_keys(pass);
    let subject = w.subject("walz");
    let path = w.home.dir.path().join("walz.jpg");
    std::fs::write(&path, portrait("carl-walz")).unwrap();
    let file = path.to_str().unwrap().to_owned();
    let form = release(1);
    let (paper, both) = (paper_of(&w, &form), [w.to_be_found()]);
    let release = NewFile { name: "/forms/walz.jpg", bytes: &form };
    let record = |name: &str, picture: Vec<u8>| {
        let enrolment = Enrolment {
            subject,
            consents: &both,
            evidence: &paper,
            notice_sha256: sha256(NOTICE.as_bytes()),
            valid_until: at(30),
            pictures: &[(name.to_owned(), picture)],
        };
        with_worker(|worker| {
            record(&w.ledger, Some((models(), worker)), (&enrolment, release), &mut |_, _| {}, act(T0))
        })
    };
    let unfit = refused(&w, subject, || record("bad.jpg", jpeg(&darkened(&walz(), 0.15))).map(drop));
    assert!(matches!(unfit, EnrolError::Portrait { .. }), "{unfit}");
    let id = record(&file, portrait("carl-walz")).unwrap().form.pending.id;
    let pending = || w.tx(|tx| tx.pending(id)).unwrap();
    let complete = |pending: &Pending| {
        with_worker(|worker| complete(&w.ledger, Some((models(), worker)), pending, &mut |_, _| {}, act(T0)))
    };
    let unlock = |n: usize| w.ledger.unlock_witness(w.witnesses[n], pass, T0).unwrap();
    let sign = |n: usize| w.tx(|tx| tx.sign_roster(&unlock(n), &[id])).unwrap();
    sign(0);
    let early = complete(&pending()).unwrap_err();
    assert!(matches!(&early, CompleteError::Enrol(EnrolError::Ledger(TxError::NotSigned { .. }))), "{early}");
    sign(1);
    // As it was recorded before format 10, when the picture stayed where it was.
    let by_path = Pending { files: WaitingFiles::Paths(vec![file.clone()]), ..pending() };
    std::fs::write(&path, portrait("julie-payette")).unwrap();
    let changed = complete(&by_path).unwrap_err();
    assert!(matches!(&changed, CompleteError::Changed { picture } if *picture == file), "{changed}");
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(complete(&by_path).unwrap_err(), CompleteError::Unreadable { .. }));
    assert!(w.gallery().templates.is_empty() && w.tx(|tx| tx.grants_of(subject)).unwrap().is_empty());
    // What the witnesses look at is in the vault, without the folder that it came from.
    let shown = pictures(&w.ledger, &pending(), T0).unwrap();
    assert_eq!(shown, [("walz.jpg".to_owned(), portrait("carl-walz"))]);
    assert_eq!(enrolment::release(&w.ledger, &pending(), T0).unwrap(), Some(("walz.jpg".to_owned(), form.clone())));
    complete(&pending()).unwrap();
    assert_eq!((w.gallery().templates.len(), w.scan().matches), (1, 1));
}

#[test]
fn r4_what_is_too_large_to_wait_and_a_form_that_nobody_can_look_at_are_refused_at_once() {
    let w = World::signing(&[]);
    w.give_keys(b"three herons by the old lock");
    let subject = w.subject("walz");
    let large = vec![0; WAITING_FILE_BYTES_MAX as usize + 1];
    let both = [Consent { purpose: "publish-website".parse().unwrap(), ..w.to_be_found() }, w.to_be_found()];
    let attempt = |form: Option<&[u8]>, picture: &[u8]| {
        let enrolment = Enrolment {
            subject,
            consents: &both,
            evidence: &paper_of(&w, form.unwrap_or_default()),
            notice_sha256: sha256(NOTICE.as_bytes()),
            valid_until: at(30),
            pictures: &[("walz.tif".to_owned(), picture.to_vec())],
        };
        let release = form.map(|bytes| NewFile { name: "/forms/walz.pdf", bytes });
        let none = &mut |_, _| {};
        refused(&w, subject, || enrolment::enrol(&w.ledger, None, (&enrolment, release), none, act(T0)).map(drop))
    };
    let check = |name: &str, error: EnrolError, code: &str, says: &str| {
        assert_eq!(error.code(), code, "{name}");
        assert!(error.to_string().contains(says), "{name}: {error}");
    };
    check("the picture", attempt(Some(b"form"), &large), "waiting-file-too-large", "walz.tif is too large");
    check("the form", attempt(Some(&large), b"picture"), "waiting-file-too-large", "/forms/walz.pdf is too large");
    check("no form", attempt(None, b"picture"), "no-release", "the signed form is missing");
}

#[test]
fn a_release_is_a_file_that_opens() {
    let reason = |bytes: &[u8]| match open_release(bytes) {
        Ok(_) => "opens",
        Err(ReleaseError::Pdf(_)) => "damaged PDF",
        Err(ReleaseError::NoPage) => "no page",
        Err(ReleaseError::Picture(_)) => "no picture",
    };
    let form = pdf(2, "signed");
    let cases: [(&str, &[u8], &str); 7] = [
        ("a picture", &release(1), "opens"),
        ("a PDF", &form, "opens"),
        ("a PDF without a page", &pdf(0, ""), "no page"),
        ("a PDF that was cut off", &form[..60], "damaged PDF"),
        ("a PDF in name alone", b"%PDF-1.7 and nothing else", "damaged PDF"),
        ("a text", b"I agree. Signed: X", "no picture"),
        ("nothing", b"", "no picture"),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(reason(bytes), expected, "{name}");
    }
    assert_ne!(open_release(&release(1)).unwrap(), open_release(&release(2)).unwrap());
    assert_ne!(open_release(&pdf(1, "a")).unwrap(), open_release(&pdf(1, "b")).unwrap());
}
