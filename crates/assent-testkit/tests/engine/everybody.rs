//! Answers for many people at once. No models are needed: what a scan would store, the test does.

use assent::find::{Disclosure, Found, find, find_each, proposals, proposals_each};
use assent::ledger::{
    Band, FaceBox, FaceId, GrantId, NewGrant, NewPhoto, NewSighting, NewSubject, Outcome, Purpose, SubjectId, Verdict,
};
use assent::packs::sha256;
use assent_testkit::{NOTICE, T0, World, act, at};

const MODEL: [u8; 32] = [7; 32];

/// How many faces are in each photo.
const FACES: usize = 8;

/// How many of them are people of the roster: the last of these is proposed, the engine is sure of the others.
const SEEN: usize = 4;

/// People who agreed, and photos with some of them in each; the last of them is in none.
struct School {
    w: World,
    people: Vec<(SubjectId, GrantId)>,
    /// The faces of each photo.
    faces: Vec<Vec<FaceId>>,
}

pub(crate) fn face(i: usize) -> FaceBox {
    let x = 100.0 * i as f32;
    FaceBox { x, y: 10.0, w: 60.0, h: 80.0, quarter_turn: 0, score: 0.9, size_px: 40.0, sharpness: 1.0, luminance: 0.5 }
}

/// Who is at this face of a photo.
fn at_face(photo: usize, face: usize, people: usize) -> usize {
    (photo + 7 * face) % (people - 1)
}

impl School {
    fn new(people: usize, photos: usize) -> School {
        let w = World::new(&[]);
        let made = w.tx(|tx| {
            let (mut all, mut proofs, mut faces) = (Vec::new(), Vec::new(), Vec::new());
            for i in 0..people {
                let subject = tx.add_subject(&NewSubject { handle: &format!("p{i}"), ..NewSubject::default() })?;
                let grant = tx.open_grant(&NewGrant {
                    subject,
                    collection: w.collection,
                    purpose: &Purpose::find_my_photos(),
                    evidence: &w.paper(),
                    valid_from: T0,
                    valid_until: at(30),
                    notice_sha256: sha256(NOTICE.as_bytes()),
                })?;
                proofs.push(tx.active_grant(grant)?);
                tx.enrol(&proofs[i], MODEL, &[b"an embedding"])?;
                all.push((subject, grant));
            }
            let (epoch, matching) = (tx.collection(w.collection)?.template_epoch, tx.matching(w.collection)?);
            let outcome = Outcome::Faces((0..FACES).map(face).collect());
            for i in 0..photos {
                let path = format!("{i}.jpg");
                let photo = tx.put_photo(&NewPhoto {
                    collection: w.collection,
                    path: &path.as_str().into(),
                    bytes: 1,
                    mtime: T0,
                    changed: None,
                    picture: None,
                    sha256: sha256(path.as_bytes()),
                    width: 800,
                    height: 600,
                    outcome: &outcome,
                    scanned_with: MODEL,
                    matched_epoch: Some(epoch),
                })?;
                let sighting = |face: usize| NewSighting {
                    grant: &proofs[at_face(i, face, people)],
                    face: photo.faces[face],
                    band: if face + 1 == SEEN { Band::Review } else { Band::Match },
                };
                tx.replace_sightings(&matching, photo.id, &(0..SEEN).map(sighting).collect::<Vec<_>>())?;
                faces.push(photo.faces);
            }
            Ok((all, faces))
        });
        let (people, faces) = made.unwrap();
        School { w, people, faces }
    }

    fn ids(&self) -> Vec<SubjectId> {
        self.people.iter().map(|(subject, _)| *subject).collect()
    }
}

#[test]
fn everybody_is_answered_as_each_is_alone() {
    let school = School::new(9, 12);
    let (w, ids) = (&school.w, school.ids());
    let check = |name: &str, count: usize| {
        for disclosure in [Disclosure::Search, Disclosure::Export] {
            let each: Vec<Found> =
                ids.iter().map(|who| find(&w.ledger, *who, None, disclosure, act(T0)).unwrap()).collect();
            let before = w.log_size();
            let all = find_each(&w.ledger, &ids, None, disclosure, act(T0)).unwrap();
            assert_eq!(w.log_size(), before + ids.len() as u64, "{name}: an entry for each");
            assert_eq!(all, each, "{name}");
            let proposed = proposals_each(&w.ledger, &ids, disclosure, act(T0)).unwrap();
            let alone: Vec<_> =
                ids.iter().map(|who| proposals(&w.ledger, *who, disclosure, act(T0)).unwrap()).collect();
            assert_eq!(proposed, alone, "{name}");
            let sure: usize = all.iter().map(|found| found.photos.iter().filter(|f| f.is_certain()).count()).sum();
            assert_eq!(sure + proposed.iter().map(Vec::len).sum::<usize>(), count, "{name}");
        }
    };
    check("as scanned", 12 * SEEN);
    let proof_of = |photo: usize, face: usize| school.people[at_face(photo, face, ids.len())].1;
    let decide = |photo: usize, face: usize, verdict| {
        let decided =
            w.tx(|tx| tx.record_decision(&tx.active_grant(proof_of(photo, face))?, school.faces[photo][face], verdict));
        decided.unwrap();
    };
    decide(0, SEEN - 1, Verdict::Confirmed);
    check("a proposal was confirmed", 12 * SEEN);
    decide(1, 0, Verdict::Refused);
    check("a face was refused", 12 * SEEN - 1);
    let first = w.known()[0].id;
    let there = w.tx(|tx| tx.faces_of(first)).unwrap();
    w.tx(|tx| tx.object(first, there[FACES - 1].0)).unwrap();
    check("a stranger's face was set apart", 12 * SEEN - 1);
    w.home.put("new.jpg", b"a new photo");
    check("a photo came since", 12 * SEEN - 1);
    let in_photos = |who: usize| find(&w.ledger, ids[who], None, Disclosure::Search, act(T0)).unwrap().photos.len();
    let (theirs, others) = (in_photos(3), in_photos(4));
    w.tx(|tx| tx.restrict(ids[3], true)).unwrap();
    check("what is held of somebody is only kept", 12 * SEEN - 1 - theirs);
    w.withdraw(school.people[4].1);
    check("somebody withdrew", 12 * SEEN - 1 - theirs - others);
}
