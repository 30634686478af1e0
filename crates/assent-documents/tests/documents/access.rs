//! Everything that is held about a person, as they get it.

use std::io::{Cursor, Read as _};

use assent::ledger::{
    AccessDecision, AccessEvent, AccessFile, AccessSighting, AccessTemplate, Album, AskedBy, AskedVia, Band, BlobId,
    BlobKind, EventKind, Evidence, FaceBox, GrantId, Leaf, Pending, PendingConsent, PendingId, Purpose, Request,
    RequestId, RequestKind, RequestOutcome, Role, SealedFile, Signed, Signer, SubjectAccessData, TemplateId, Verdict,
    WaitingFiles, Witness, WitnessId,
};
use assent::service::rights::Access;
use assent_documents::access::{About, file};
use serde_json::{Value, json};
use zeroize::Zeroizing;
use zip::ZipArchive;

use super::club::{Club, T0, day};
use super::pages::{NAMES, assert_no_markup, said};

/// A member of whom nothing is held but who they are.
fn nothing(club: &Club) -> Access {
    let held = SubjectAccessData {
        subject: club.subject.clone(),
        grants: Vec::new(),
        refusals: Vec::new(),
        requests: Vec::new(),
        pending: Vec::new(),
        files: Vec::new(),
        templates: Vec::new(),
        portrait: None,
        portrait_tags: 0,
        sightings: Vec::new(),
        decisions: Vec::new(),
        events: Vec::new(),
    };
    Access { held, collections: vec![club.collection.clone()], witnesses: Vec::new() }
}

/// A member of whom something of each kind is held.
fn everything(club: &Club) -> Access {
    let mut access = nothing(club);
    let (subject, collection) = (club.subject.id, club.collection.id);
    let witness = |n, name: &str| Witness {
        id: WitnessId::from_bytes([n; 16]),
        name: name.to_owned(),
        public_key: None,
        registered: T0,
    };
    access.witnesses = vec![witness(6, "Wim"), witness(7, &club.subject.name)];
    let own = Evidence::SelfStatement { statement: format!("I am {}", club.subject.name) };
    let held = &mut access.held;
    held.grants = vec![Club::grant(), assent::ledger::Grant { evidence: own, ..Club::grant() }];
    held.refusals = vec![Club::refusal()];
    let request = Request {
        id: RequestId::from_bytes([9; 16]),
        kind: RequestKind::Object,
        subject: Some(subject),
        collection: None,
        words: Some(format!("not {}", club.subject.name)),
        album: Album::default(),
        received: T0,
        due: day(30),
        first_due: day(30),
        paused: None,
        answered: None,
    };
    let answered = Some((day(2), RequestOutcome::Granted));
    held.requests = vec![request.clone(), Request { answered, ..request }];
    let (grant, pending) = (GrantId::from_bytes([10; 16]), PendingId::from_bytes([11; 16]));
    let consents = vec![PendingConsent { grant, collection, purpose: Purpose::publish_print(), renews: None }];
    let file = |n, kind, name: String, bytes| SealedFile {
        id: BlobId::from_bytes([n; 16]),
        kind,
        name,
        bytes,
        sha256: [n; 32],
    };
    let picture = file(14, BlobKind::Portrait, format!("{}.jpg", club.subject.name), 7);
    let form = file(12, BlobKind::Release, "form.pdf".to_owned(), 4);
    held.pending = vec![Pending {
        id: pending,
        subject,
        release_sha256: [12; 32],
        signed_by: Signer::Parent,
        statement: String::new(),
        witnesses: vec![WitnessId::from_bytes([6; 16])],
        signed: Signed { pending, consents, pictures: vec![[14; 32]], signatures: Vec::new() },
        notice_sha256: [3; 32],
        valid_until: day(300),
        files: WaitingFiles::Sealed { pictures: vec![picture.clone()], release: form.clone() },
        created: T0,
    }];
    held.files = [(picture, b"picture".as_slice()), (form, b"form")]
        .map(|(about, bytes)| AccessFile { about, bytes: Zeroizing::new(bytes.to_vec()) })
        .into();
    let plain = Zeroizing::new(vec![1, 2, 3]);
    held.templates =
        vec![AccessTemplate { id: TemplateId(4), grant: Club::grant().id, model_sha256: [13; 32], created: T0, plain }];
    held.portrait = Some(b"portrait".to_vec());
    held.portrait_tags = 1;
    let at = FaceBox {
        x: 3.4,
        y: 5.0,
        w: 20.0,
        h: 30.6,
        quarter_turn: 0,
        score: 0.9,
        size_px: 20.0,
        sharpness: 1.0,
        luminance: 0.5,
    };
    let seen =
        |path: &str, band, verdict, crop| AccessSighting { collection, path: path.into(), at, band, verdict, crop };
    let path = format!("a/{}.jpg", club.subject.name);
    held.sightings = vec![
        seen("sure.jpg", Band::Match, None, None),
        seen(&path, Band::Review, Some((Verdict::Refused, day(1))), Some(b"crop".to_vec())),
    ];
    held.decisions = vec![AccessDecision { collection, verdict: Verdict::Refused, time: day(1) }];
    let leaf =
        |position, kind, asked, public| Leaf { kind, position, time: T0, asked, public, commitments: vec![[7; 32]] };
    let asked = Some(AskedBy { role: Role::Member, via: AskedVia::Terminal });
    held.events = vec![
        AccessEvent { leaf: leaf(0, EventKind::Enrolment, None, collection.as_bytes().to_vec()), opening: vec![5; 40] },
        AccessEvent { leaf: leaf(1, EventKind::Access, asked, Vec::new()), opening: Vec::new() },
    ];
    access
}

/// The files of the ZIP file, in their order.
fn files(club: &Club, access: &Access) -> Vec<(String, Vec<u8>)> {
    let records = [json!({ "record": "of a consent" })];
    let about = About { settings: &club.settings, written: day(3), key: "log+0123abcd+KEY", records: &records };
    let mut zip = ZipArchive::new(Cursor::new(file(&about, access).unwrap())).unwrap();
    (0..zip.len())
        .map(|i| {
            let mut entry = zip.by_index(i).unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.name().unwrap().into_owned(), bytes)
        })
        .collect()
}

fn page(club: &Club, access: &Access) -> String {
    String::from_utf8(files(club, access).swap_remove(0).1).unwrap()
}

#[test]
fn a_person_gets_a_page_the_same_for_programs_and_the_pictures_that_are_kept() {
    let club = Club::new();
    let files = files(&club, &everything(&club));
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let waiting = ["waiting/picture 0e0e0e0e Mia.jpg", "waiting/form 0c0c0c0c form.pdf"];
    assert_eq!(names[..4], ["about-you.html", "about-you.json", "portrait.png", "faces/00002.png"]);
    assert_eq!(names[4..], waiting);
    assert_eq!((files[2].1.as_slice(), files[3].1.as_slice()), (b"portrait".as_slice(), b"crop".as_slice()));
    insta::assert_snapshot!("access_page", said(std::str::from_utf8(&files[0].1).unwrap()));
    insta::assert_snapshot!("access_data", std::str::from_utf8(&files[1].1).unwrap());
}

#[test]
fn whoever_is_on_the_list_alone_reads_that_nothing_else_is_held() {
    let club = Club::household();
    let files = files(&club, &nothing(&club));
    assert_eq!(files.len(), 2, "no pictures");
    insta::assert_snapshot!("access_page_of_nothing", said(std::str::from_utf8(&files[0].1).unwrap()));
}

#[test]
fn a_name_is_text_on_the_page_and_itself_in_the_data() {
    for (flaw, name) in NAMES {
        let club = Club::called(name);
        let access = everything(&club);
        assert_no_markup(flaw, &page(&club, &access));
        let data: Value = serde_json::from_slice(&files(&club, &access)[1].1).unwrap();
        assert_eq!(
            (&data["subject"]["name"], &data["consents"][0]["collection"]),
            (&json!(name), &json!(name)),
            "{flaw}"
        );
        assert_eq!(data["sightings"][1]["path"], format!("a/{name}.jpg"), "{flaw}");
    }
}
