//! I11: nothing that measures can name a stranger.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use assent::evaluate::{
    EvaluateError, FindEvaluation, FindOptions, FindReport, Groups, GroupsError, LabelledSet, LabelsError, OpenSet,
};
use assent::{DeclaredRates, Posture, SearchOptions};
use assent_testkit::{crew, models, portrait_names};
use tempfile::TempDir;

use crate::{DESERT, TRIO};

fn options(threads: usize) -> FindOptions {
    FindOptions {
        search: SearchOptions { side_px: 640, posture: Posture::Upright, ..SearchOptions::default() },
        threads,
        rates: DeclaredRates::default(),
        threshold: None,
        list: false,
        repeat: 1,
    }
}

fn read(dir: &Path) -> Result<LabelledSet, LabelsError> {
    LabelledSet::read(&dir.join("photos"), &dir.join("portraits"), &dir.join("labels.tsv"))
}

fn run(set: &LabelledSet, options: FindOptions) -> Result<FindReport, EvaluateError> {
    run_with(set, options, None)
}

fn run_with(set: &LabelledSet, options: FindOptions, groups: Option<&Groups>) -> Result<FindReport, EvaluateError> {
    FindEvaluation::prepare(models(), set, options, groups)?.run(|| {})
}

/// The sample set in a folder of its own; the pictures are links.
fn copy_of_the_sample_set() -> TempDir {
    let dir = TempDir::new().unwrap();
    for folder in ["photos", "portraits"] {
        fs::create_dir(dir.path().join(folder)).unwrap();
        for entry in fs::read_dir(crew().join(folder)).unwrap() {
            let entry = entry.unwrap();
            link(&entry.path(), &dir.path().join(folder).join(entry.file_name()));
        }
    }
    for file in ["SHA256SUMS", "labels.tsv", "pack.toml"] {
        fs::write(dir.path().join(file), fs::read(crew().join(file)).unwrap()).unwrap();
    }
    dir
}

fn link(from: &Path, to: &Path) {
    std::os::unix::fs::symlink(from.canonicalize().unwrap(), to).unwrap();
}

/// Links to the first `people` portraits, and to photos under given names.
fn made_up(people: usize, photos: &[(&str, &str)], labels: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    for folder in ["photos", "portraits"] {
        fs::create_dir(dir.path().join(folder)).unwrap();
    }
    for name in &portrait_names()[..people] {
        let file = format!("portraits/{name}.jpg");
        link(&crew().join(&file), &dir.path().join(&file));
    }
    for (name, of) in photos {
        link(&crew().join("photos").join(of), &dir.path().join("photos").join(name));
    }
    fs::write(dir.path().join("labels.tsv"), labels).unwrap();
    dir
}

/// Each of `people` is said to be in each of `photos`.
fn everybody(people: std::ops::Range<usize>, photos: &[&str]) -> String {
    let names = portrait_names();
    photos.iter().flat_map(|p| names[people.clone()].iter().map(move |n| format!("{p}\t{n}\tmade up\n"))).collect()
}

#[test]
fn i11_single_answers_come_from_the_untouched_sample_set_alone() {
    let check = |name: &str, expected: bool, change: &dyn Fn(&Path)| {
        let dir = copy_of_the_sample_set();
        change(dir.path());
        let set = read(dir.path()).unwrap();
        assert_eq!(set.is_sample_set(), expected, "{name}");
        for wish in [FindOptions { threshold: Some(0.4), ..options(1) }, FindOptions { list: true, ..options(1) }] {
            let refused =
                matches!(FindEvaluation::prepare(models(), &set, wish, None), Err(EvaluateError::SampleSetOnly));
            // The good case is run by another test.
            assert!(refused || expected, "{name}: {wish:?}");
        }
    };
    let replace = |path: PathBuf, bytes: &[u8]| {
        fs::remove_file(&path).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let one_byte = |path: PathBuf| {
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        replace(path, &bytes);
    };
    check("untouched", true, &|_| {});
    check("one byte of a photo", false, &|d| one_byte(d.join("photos").join(TRIO)));
    check("one byte of a portrait", false, &|d| one_byte(d.join("portraits/carl-walz.jpg")));
    check("a photo more", false, &|d| link(&crew().join("photos").join(TRIO), &d.join("photos/mine.jpg")));
    check("a portrait more", false, &|d| link(&crew().join("portraits/carl-walz.jpg"), &d.join("portraits/x.jpg")));
    check("a folder more", false, &|d| fs::create_dir(d.join("photos/more")).unwrap());
    check("one photo for another", false, &|d| {
        replace(d.join("photos").join(TRIO), &fs::read(crew().join("photos").join(DESERT)).unwrap());
    });
    check("a label less", false, &|d| {
        let labels = fs::read_to_string(d.join("labels.tsv")).unwrap();
        fs::write(d.join("labels.tsv"), labels.trim_end().rsplit_once('\n').unwrap().0).unwrap();
    });
    check("a list of hashes of one's own", false, &|d| {
        one_byte(d.join("photos").join(TRIO));
        let bytes = fs::read(d.join("photos").join(TRIO)).unwrap();
        let line = format!("{}  photos/{TRIO}", assent::packs::hex(&assent::packs::sha256(&bytes)));
        let sums = fs::read_to_string(d.join("SHA256SUMS")).unwrap();
        let lines: Vec<&str> = sums.lines().map(|l| if l.ends_with(TRIO) { line.as_str() } else { l }).collect();
        let sums = lines.join("\n") + "\n";
        let card = fs::read_to_string(d.join("pack.toml")).unwrap();
        let digest = assent::packs::hex(&assent::packs::SAMPLE_SET_DIGEST);
        let own = assent::packs::hex(&assent::packs::sha256(sums.as_bytes()));
        fs::write(d.join("pack.toml"), card.replace(&digest, &own)).unwrap();
        fs::write(d.join("SHA256SUMS"), sums).unwrap();
    });
}

#[test]
fn i11_other_folders_beside_the_sample_set_are_not_the_sample_set() {
    // The sample set with one picture more in each folder and one label less.
    let dir = copy_of_the_sample_set();
    link(&crew().join("photos").join(TRIO), &dir.path().join("photos/mine.jpg"));
    link(&crew().join("portraits/carl-walz.jpg"), &dir.path().join("portraits/mine.jpg"));
    let labels = fs::read_to_string(crew().join("labels.tsv")).unwrap();
    fs::write(dir.path().join("labels.tsv"), labels.trim_end().rsplit_once('\n').unwrap().0).unwrap();
    let check = |name: &str, places: [&Path; 3], expected: bool| {
        let [photos, portraits, labels] = places;
        let set = LabelledSet::read(&photos.join("photos"), &portraits.join("portraits"), &labels.join("labels.tsv"));
        assert_eq!(set.unwrap().is_sample_set(), expected, "{name}");
    };
    let (own, sample) = (dir.path(), crew());
    check("none", [&sample, &sample, &sample], true);
    check("own photos", [own, &sample, &sample], false);
    check("own portraits", [&sample, own, &sample], false);
    check("own labels", [&sample, &sample, own], false);
}

#[test]
fn i11_a_small_set_is_refused() {
    let check = |name: &str, labels: &str, expected: Option<(usize, usize)>| {
        let dir = made_up(45, &[("a.jpg", TRIO), ("b.jpg", DESERT)], labels);
        let got = match read(dir.path()) {
            Ok(_) => None,
            Err(LabelsError::TooFew { people, appearances }) => Some((people, appearances)),
            Err(e) => panic!("{name}: {e}"),
        };
        assert_eq!(got, expected, "{name}");
    };
    check("one person", &everybody(0..1, &["a.jpg"]), Some((1, 1)));
    check("29 people", &everybody(0..29, &["a.jpg", "b.jpg"]), Some((29, 58)));
    check("39 appearances", &everybody(0..39, &["a.jpg"]), Some((39, 39)));
    check("the same label again and again", &everybody(0..39, &["a.jpg"]).repeat(3), Some((39, 39)));
    check("enough", &everybody(0..40, &["a.jpg"]), None);
}

#[test]
fn i11_labels_beyond_faces_are_refused() {
    let check = |name: &str, photos: &[(&str, &str)], labels: &str, fits: bool| {
        let dir = made_up(45, photos, labels);
        let outcome = run(&read(dir.path()).unwrap(), options(2));
        match outcome {
            Ok(report) => {
                assert!(fits, "{name}");
                assert_eq!((report.gallery, report.list.len()), (45, 0), "{name}");
            }
            Err(EvaluateError::LabelsBeyondFaces) => assert!(!fits, "{name}"),
            Err(e) => panic!("{name}: {e}"),
        }
    };
    check("40 people in a desert", &[("a.jpg", DESERT)], &everybody(0..40, &["a.jpg"]), false);
    // Three faces and six labels fit; a seventh does not.
    let photos: Vec<(String, &str)> = (0..7).map(|i| (format!("p{i}.jpg"), TRIO)).collect();
    let photos: Vec<(&str, &str)> = photos.iter().map(|(n, of)| (n.as_str(), *of)).collect();
    let six: String = (0..7).map(|i| everybody(i * 6..i * 6 + 6, &[photos[i].0])).collect();
    check("up to three more than faces", &photos, &six, true);
    check("one more", &photos, &(six + &everybody(6..7, &["p0.jpg"])), false);
    // A file that cannot be opened shows no face: it cannot carry the labels that the rule asks for.
    let dir = made_up(45, &[("b.jpg", TRIO)], &everybody(0..40, &["a.jpg"]));
    fs::write(dir.path().join("photos/a.jpg"), "no picture").unwrap();
    let outcome = run(&read(dir.path()).unwrap(), options(1));
    assert!(matches!(outcome, Err(EvaluateError::LabelsBeyondFaces)), "labels on a file that is no photo");
}

#[test]
fn i9_an_evaluation_is_the_same_on_any_number_of_threads() {
    let set = read(&crew()).unwrap();
    assert!(set.is_sample_set());
    let dir = TempDir::new().unwrap();
    let everybody = groups(&dir, &set, &|_| "all").unwrap();
    let evaluate = |threads| run_with(&set, FindOptions { list: true, ..options(threads) }, Some(&everybody)).unwrap();
    let one = evaluate(1);
    assert_eq!((one.photos, one.gallery, one.labelled), (31, 78, 43));
    assert!(one.certain.found >= 20 && one.certain.wrong <= 1, "{:?}", one.certain);
    assert_eq!(evaluate(3), one);
    // A face goes to one person at most, and a person to one face of a photo.
    let pairs: BTreeSet<_> = one.list.iter().map(|l| (&l.photo, &l.person)).collect();
    assert_eq!(pairs.len(), one.list.len());
    open_set_figures(&one, &everybody);
    let halves = groups(&dir, &set, &|i| if i % 2 == 0 { "even" } else { "odd" }).unwrap_err();
    assert!(matches!(&halves, GroupsError::TooSmall { group, .. } if group == "even"), "{halves}");
}

/// The groups of the sample set's people.
fn groups(dir: &TempDir, set: &LabelledSet, of: &dyn Fn(usize) -> &'static str) -> Result<Groups, GroupsError> {
    let file = dir.path().join("groups.tsv");
    let lines = portrait_names().into_iter().enumerate().map(|(i, name)| format!("{name}\t{}\n", of(i)));
    fs::write(&file, lines.collect::<Vec<_>>().concat()).unwrap();
    Groups::read(&file, set)
}

/// The same report gives them, so that the photos are gone through once.
fn open_set_figures(report: &FindReport, everybody: &Groups) {
    let open = OpenSet::of(report, 7, None).unwrap();
    assert_eq!(OpenSet::of(report, 7, None).unwrap(), open, "equal seeds");
    assert_ne!(OpenSet::of(report, 8, None).unwrap().galleries, open.galleries, "other seeds, other galleries");
    let people: Vec<usize> = open.galleries.iter().map(|g| g.people).collect();
    assert_eq!((people, open.appearances), (vec![19, 38, 76], 43));
    assert!((25..=43).contains(&open.located), "{open:?}");

    for gallery in &open.galleries {
        let (certain, both) = (gallery.bands.certain.unwrap(), gallery.bands.certain_or_review);
        assert!(certain.fnir.value >= both.fnir.value, "{gallery:?}");
        assert_eq!((certain.fnir.searches, both.fpir.unwrap().searches), (open.appearances, open.located));
        // 43 appearances cannot show one wrong name in a thousand, and FNIR is not told there.
        assert!(!both.fpir.unwrap().can_show(0.001));
        let told: Vec<bool> = gallery.at_fpir.iter().map(|at| at.fnir.is_some()).collect();
        assert_eq!(told, [true, true, false, false], "at FPIR 0.1, 0.05, 0.01, 0.001");
        // Along the curve, fewer wrong names never come with fewer misses, and those not located are always missed.
        let fnir: Vec<f64> = gallery.curve.iter().map(|p| p.fnir.unwrap().value).collect();
        assert!(fnir.is_sorted() && fnir[0] >= (open.appearances - open.located) as f64 / 43.0 - 1e-9, "{fnir:?}");
    }
    assert_eq!(open.sweep.len(), 14, "the rows of the pack's table");
    assert!(open.sweep.is_sorted_by(|a, b| a.counts.found >= b.counts.found && a.open.fnir.value <= b.open.fnir.value));

    // One group of everybody has the figures of the largest gallery, and its own gallery is of everybody else.
    let groups = OpenSet::of(report, 7, Some(everybody)).unwrap().groups;
    assert_eq!((groups.len(), groups[0].bands), (1, open.galleries[2].bands));
    let alone = groups[0].alone.unwrap();
    assert_eq!((alone.people, alone.bands.certain_or_review.fnir.searches), (77, 43));
    let (larger, smaller) = (alone.bands.certain_or_review, open.galleries[2].bands.certain_or_review);
    assert!(larger.threshold >= smaller.threshold, "77 people and not 76");
}
