//! Labelled pairs in the layout of Labeled Faces in the Wild, made of the sample portraits.

use std::fs;
use std::path::{Path, PathBuf};

use assent::evaluate::{PairSet, VerifyError, VerifyOptions, VerifyReport, verify};
use assent::{Posture, SearchOptions};
use assent_testkit::{blurred, darkened, jpeg, models, open, portrait_names, shrunk};
use tempfile::TempDir;

use crate::portrait;

/// People in the set.
const PEOPLE: usize = 50;

/// A folder with three images of each of the first portraits: one as LFW's are in size, one soft, one dark.
fn images() -> TempDir {
    let dir = TempDir::new().unwrap();
    for name in &portrait_names()[..PEOPLE] {
        let small = shrunk(&open(&portrait(name)), 250);
        fs::create_dir(dir.path().join(name)).unwrap();
        for (i, image) in [&small, &blurred(&small, 1), &darkened(&small, 0.6)].into_iter().enumerate() {
            fs::write(image_path(dir.path(), name, i + 1), jpeg(image)).unwrap();
        }
    }
    dir
}

fn image_path(dir: &Path, name: &str, number: usize) -> PathBuf {
    dir.join(name).join(format!("{name}_{number:04}.jpg"))
}

/// Two folds: in each, everybody against themselves and against the person after them.
fn pairs() -> String {
    let names = &portrait_names()[..PEOPLE];
    let fold = |other: usize| {
        let same = names.iter().map(|n| format!("{n}\t1\t{other}\n"));
        let next = names.iter().cycle().skip(1);
        let different = names.iter().zip(next).map(|(a, b)| format!("{a}\t1\t{b}\t{other}\n"));
        same.chain(different).collect::<Vec<_>>().concat()
    };
    format!("2\t{PEOPLE}\n{}{}", fold(2), fold(3))
}

fn run(dir: &Path, threads: usize) -> Result<VerifyReport, VerifyError> {
    let set = PairSet::parse(&pairs(), dir).unwrap();
    let search = SearchOptions { side_px: 250, posture: Posture::Upright, ..SearchOptions::default() };
    let mut looked_at = 0;
    let report = verify(models(), &set, VerifyOptions { search, threads }, || looked_at += 1)?;
    assert_eq!(looked_at, set.images());
    Ok(report)
}

#[test]
fn copies_of_portraits_are_told_from_other_people() {
    let dir = images();
    let good = run(dir.path(), 1).unwrap();
    assert_eq!((good.people, good.images, good.folds), (PEOPLE, 3 * PEOPLE, 2));
    assert_eq!((good.same, good.different), (2 * PEOPLE, 2 * PEOPLE));
    assert_eq!((good.images_without_face, good.pairs_without_score), (0, 0));
    assert!(good.accuracy.mean > 0.97 && good.auc > 0.99, "{good:?}");
    // A hundred pairs of two people support one false accept in a hundred, and no less.
    assert!(good.tar_at_far_1e_2.unwrap() > 0.97 && good.tar_at_far_1e_3.is_none(), "{good:?}");
    assert_eq!(run(dir.path(), 3).unwrap(), good, "on three threads");

    // One image with nobody in it and one that is no image: the first is in a pair of each kind in both folds and the
    // other of a pair of each kind in the second one.
    let names = portrait_names();
    let nobody = assent::Frame::filled(250, 250, [128; 3]);
    fs::write(image_path(dir.path(), &names[0], 1), jpeg(&nobody)).unwrap();
    fs::write(image_path(dir.path(), &names[5], 3), "no picture").unwrap();
    let worse = run(dir.path(), 2).unwrap();
    assert_eq!((worse.images_without_face, worse.pairs_without_score), (2, 6));
    assert!((good.accuracy.mean - worse.accuracy.mean - 0.03).abs() < 0.011, "{worse:?}");
    assert!((good.tar_at_far_1e_2.unwrap() - worse.tar_at_far_1e_2.unwrap() - 0.03).abs() < 0.011, "{worse:?}");
    assert!(worse.auc < good.auc && worse.auc > 0.9, "{worse:?}");
}
