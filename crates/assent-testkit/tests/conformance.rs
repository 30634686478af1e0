//! Boxes, measurements and embeddings of some sample photos, against a table (`conformance.tsv`).
//!
//! `ASSENT_CONFORMANCE=print cargo test -p assent-testkit --test conformance -- --nocapture` prints the table anew.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly, and so may its helpers")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use assent::{Posture, SearchOptions};
use assent_testkit::{SEARCH, SeededRng, crew, light};
use assent_vision::embed::Embedding;
use rand_core::Rng as _;

const TABLE: &str = include_str!("conformance.tsv");

/// Faces below this score are passed over: near the threshold, a last digit decides whether there is one. No face of the
/// pictures scores within 0.015 of it.
const SURE: f32 = 0.87;

/// Smaller faces move by a good part of a pixel in bfloat16, and their embeddings with them: they are not compared.
const EYES_PX_MIN: f32 = 15.0;

/// The pictures, and which way up their faces may be.
const PICTURES: [(&str, Posture); 11] = [
    ("photos/andreas-mogensen.jpg", Posture::Upright),
    ("photos/carl-walz.jpg", Posture::Upright),
    ("photos/chris-hadfield.jpg", Posture::AnyWayUp),
    ("photos/expedition-1-crew.jpg", Posture::Upright),
    ("photos/expedition-38-crew.jpg", Posture::AnyWayUp),
    ("photos/great-sandy-desert--australia.jpg", Posture::AnyWayUp),
    ("photos/julie-payette.jpg", Posture::Upright),
    ("portraits/carl-walz.jpg", Posture::Upright),
    ("portraits/julie-payette.jpg", Posture::Upright),
    ("portraits/sergei-krikalev.jpg", Posture::Upright),
    ("portraits/yuri-gidzenko.jpg", Posture::Upright),
];

/// How far a value may be from the table's. Set so that 32-bit floats and bfloat16 both pass: the latter moves cosines
/// by about a hundredth.
#[derive(Clone, Copy)]
enum Tolerance {
    Absolute(f32),
    Part(f32),
    /// Two pixels, or this part of the box.
    OfBox(f32),
}

/// The columns of a row of each kind.
fn columns(kind: &str) -> &'static [(&'static str, Tolerance)] {
    use Tolerance::{Absolute, OfBox, Part};
    match kind {
        "picture" => &[("width_px", Absolute(0.0)), ("height_px", Absolute(0.0)), ("faces", Absolute(0.0))],
        "face" => &[
            ("x_px", OfBox(0.03)),
            ("y_px", OfBox(0.03)),
            ("width_px", OfBox(0.03)),
            ("height_px", OfBox(0.03)),
            ("turn", Absolute(0.0)),
            ("score", Absolute(0.03)),
            ("inter_eye_distance_px", Part(0.04)),
            ("head_pose_roll_deg", Absolute(2.0)),
            ("head_pose_yaw_ratio", Absolute(0.06)),
            ("luminance_mean", Absolute(0.02)),
            ("dynamic_range_bits", Absolute(0.1)),
            ("sharpness", Part(0.25)),
        ],
        "cosine" => &[("cosine", Absolute(0.03))],
        _ => &[("p0", Absolute(0.03)), ("p1", Absolute(0.03)), ("p2", Absolute(0.03)), ("p3", Absolute(0.03))],
    }
}

/// Kind and key to values.
type Rows = BTreeMap<(String, String), Vec<f32>>;

/// Four fixed directions of length 1, each number taken from SHA-256 in counter mode.
fn directions(dimensions: usize) -> Vec<Embedding> {
    let mut rng = SeededRng::new("conformance");
    let number = |rng: &mut SeededRng| (rng.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0;
    (0..4).map(|_| Embedding::from_values((0..dimensions).map(|_| number(&mut rng)).collect()).unwrap()).collect()
}

fn dot(a: &Embedding, b: &Embedding) -> f32 {
    a.values().iter().zip(b.values()).map(|(a, b)| a * b).sum()
}

fn measured() -> Rows {
    let mut rows = Rows::new();
    let mut embeddings: Vec<(String, Embedding)> = Vec::new();
    for posture in [Posture::Upright, Posture::AnyWayUp] {
        let mut worker = light().worker(SearchOptions { posture, ..SEARCH }).unwrap();
        for (name, _) in PICTURES.iter().filter(|(_, p)| *p == posture) {
            let bytes = fs::read(crew().join(name)).unwrap();
            let photo = worker.detect(&bytes).unwrap();
            let face_crops = worker.crop_faces(&photo);
            // From left to right: the order by score may change in the last digits.
            let faces = &photo.detected.faces;
            let mut order: Vec<usize> = (0..face_crops.len()).filter(|i| faces[*i].score >= SURE).collect();
            let (w, h) = photo.size();
            rows.insert(("picture".into(), (*name).into()), vec![w as f32, h as f32, order.len() as f32]);
            order.sort_by(|a, b| faces[*a].bounds.x.total_cmp(&faces[*b].bounds.x));
            let qualities: Vec<_> = face_crops.iter().map(|c| c.quality.unwrap()).collect();
            let mut made: Vec<_> = worker.embed(face_crops).unwrap();
            for (place, i) in order.into_iter().enumerate() {
                let (f, q, key) = (&faces[i], &qualities[i], format!("{name}#{place}"));
                let face = vec![
                    f.bounds.x,
                    f.bounds.y,
                    f.bounds.width,
                    f.bounds.height,
                    f32::from(f.turn.count()),
                    f.score,
                    q.inter_eye_distance_px,
                    q.head_pose_roll_deg,
                    q.head_pose_yaw_ratio,
                    q.luminance_mean,
                    q.dynamic_range_bits,
                    q.sharpness,
                ];
                rows.insert(("face".into(), key.clone()), face);
                if q.inter_eye_distance_px >= EYES_PX_MIN {
                    embeddings.push((key, made[i].take().unwrap()));
                }
            }
        }
    }
    let directions = directions(embeddings[0].1.values().len());
    for (key, e) in &embeddings {
        rows.insert(("projection".into(), key.clone()), directions.iter().map(|d| dot(d, e)).collect());
    }
    for (portrait, a) in embeddings.iter().filter(|(key, _)| key.starts_with("portraits/")) {
        for (face, b) in embeddings.iter().filter(|(key, _)| key.starts_with("photos/")) {
            rows.insert(("cosine".into(), format!("{portrait} {face}")), vec![dot(a, b)]);
        }
    }
    rows
}

fn written() -> Rows {
    let rows = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(|line| {
        let mut fields = line.split('\t');
        let (kind, key) = (fields.next().unwrap(), fields.next().unwrap());
        ((kind.to_owned(), key.to_owned()), fields.map(|f| f.parse().unwrap()).collect())
    });
    rows.collect()
}

#[test]
fn boxes_measurements_and_embeddings_are_those_of_the_table() {
    let got = measured();
    #[expect(clippy::disallowed_methods, reason = "a test may read its environment")]
    let print = std::env::var_os("ASSENT_CONFORMANCE").is_some();
    if print {
        let mut table = String::new();
        for ((kind, key), values) in &got {
            let values: Vec<String> = values.iter().map(|v| format!("{v:.3}")).collect();
            writeln!(table, "{kind}\t{key}\t{}", values.join("\t")).unwrap();
        }
        println!("{table}");
    }
    let expected = written();
    assert_eq!(got.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "which faces there are");
    let mut problems = Vec::new();
    for ((kind, key), values) in &got {
        let expected = &expected[&(kind.clone(), key.clone())];
        assert_eq!(expected.len(), columns(kind).len(), "{kind} {key}");
        for (i, (name, tolerance)) in columns(kind).iter().enumerate() {
            let (got, want) = (values[i], expected[i]);
            let room = match tolerance {
                Tolerance::Absolute(room) => *room,
                Tolerance::Part(part) => part * want.abs(),
                Tolerance::OfBox(part) => (part * expected[2].max(expected[3])).max(2.0),
            };
            // The table has three decimals.
            if (got - want).abs() > room + 5e-4 {
                problems.push(format!("{kind} {key}: {name} is {got:.3}, {want:.3} +- {room:.3} in the table"));
            }
        }
    }
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// The table says who is who, whatever the threshold: a portrait is nearer to its own face than to any other.
#[test]
fn each_portrait_is_nearest_to_its_own_face() {
    let table = written();
    let cosine = |portrait: &str, face: &str| {
        table[&("cosine".to_owned(), format!("portraits/{portrait}.jpg#0 photos/{face}"))][0]
    };
    for (portrait, own) in [
        ("carl-walz", "carl-walz.jpg#0"),
        ("julie-payette", "julie-payette.jpg#0"),
        ("yuri-gidzenko", "expedition-1-crew.jpg#0"),
        ("sergei-krikalev", "expedition-1-crew.jpg#2"),
    ] {
        let best = table
            .keys()
            .filter(|(kind, key)| kind == "cosine" && key.starts_with(&format!("portraits/{portrait}.jpg#0 ")))
            .max_by(|a, b| table[*a][0].total_cmp(&table[*b][0]))
            .unwrap();
        assert!(best.1.ends_with(own), "{portrait}: {}", best.1);
        assert!(cosine(portrait, own) > 0.4, "{portrait}");
    }
}
