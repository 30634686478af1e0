//! Photo packs.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::super::*;
use super::{copy_of, shared};

#[test]
fn the_crew_pack_is_the_sample_set() {
    let pack = PhotoPack::load(&shared("photos/crew")).unwrap();
    assert_eq!(hex(&pack.digest), "7dbd3ec9dbd5ca2caaada6454bd18fcfca71510285696b9f626836d9bc788776");
    let verified = pack.verify().unwrap();
    assert_eq!((verified.photos.len(), verified.portraits.len()), (31, 78));
    assert!(verified.is_sample_set());
    assert!(verified.labels.ends_with("labels.tsv"));
}

/// I11 rests on this: the sample set's privileges are for its very photos.
#[test]
fn i11_a_changed_sample_set_is_none() {
    type Break = fn(&Path);
    let cases: [(&str, Break, &str); 6] = [
        ("photo added", |dir| fs::write(dir.join("photos/stranger.jpg"), "x").unwrap(), "not in the pack's SHA256SUMS"),
        ("portrait added", |dir| fs::write(dir.join("portraits/x.jpg"), "x").unwrap(), "not in the pack's SHA256SUMS"),
        ("folder added", |dir| fs::create_dir(dir.join("photos2")).unwrap(), "not in the pack's SHA256SUMS"),
        ("photo replaced", |dir| fs::write(dir.join("photos/andre-kuipers.jpg"), "x").unwrap(), "was expected"),
        ("labels changed", |dir| fs::write(dir.join("labels.tsv"), "x").unwrap(), "was expected"),
        ("photo lost", |dir| fs::remove_file(dir.join("photos/andre-kuipers.jpg")).unwrap(), "the pack lacks"),
    ];
    for (flaw, break_it, message) in cases {
        let dir = copy_of("photos/crew");
        break_it(dir.path());
        let error = PhotoPack::load(dir.path()).unwrap().verify().expect_err(flaw).to_string();
        assert!(error.contains(message), "{flaw}: {error}");
    }
}

/// A photo pack of one photo, with what the test changes in its card and its list.
fn small_photo_pack(sums: &str, card: impl Fn(String) -> String) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("photos")).unwrap();
    fs::write(dir.path().join("photos/a.jpg"), "a").unwrap();
    fs::write(dir.path().join("labels.tsv"), "a").unwrap();
    fs::write(dir.path().join("SHA256SUMS"), sums).unwrap();
    let text = format!(
        "format = 1\nkind = \"photos\"\nname = \"small\"\nversion = \"1\"\nphotos = \"photos\"\nportraits = \
         \"portraits\"\ndigest = \"{}\"\nlabels = \"labels.tsv\"\nsource = \"test\"\nlicence = \"test\"\nlabel_basis = \
         \"test\"\n",
        hex(&sha256(sums.as_bytes()))
    );
    fs::write(dir.path().join(CARD_FILE), card(text)).unwrap();
    dir
}

#[test]
fn broken_photo_packs_are_refused() {
    let hash = hex(&sha256(b"a"));
    let good = format!("{hash}  labels.tsv\n{hash}  photos/a.jpg\n");
    let dir = small_photo_pack(&good, |card| card);
    let verified = PhotoPack::load(dir.path()).unwrap().verify().unwrap();
    assert_eq!(verified.photos, [dir.path().join("photos/a.jpg")]);
    assert!(!verified.is_sample_set());

    let line = |line: &str| format!("{good}{line}\n");
    let cases = [
        ("list leaves the folder", line(&format!("{hash}  ../x")), "line 3 of"),
        ("absolute path in the list", line(&format!("{hash}  /etc/x")), "line 3 of"),
        ("short hash in the list", line("abcd  x"), "line 3 of"),
        ("one space in the list", line(&format!("{hash} x")), "line 3 of"),
        ("path twice in the list", line(&format!("{hash}  labels.tsv")), "line 3 of"),
        ("labels not listed", format!("{hash}  photos/a.jpg\n"), "the pack lacks"),
    ];
    for (flaw, sums, message) in cases {
        let dir = small_photo_pack(&sums, |card| card);
        let error = PhotoPack::load(dir.path()).expect_err(flaw).to_string();
        assert!(error.contains(message), "{flaw}: {error}");
    }
    let cases = [
        ("unknown key", "source", "sauce = 1\nsource", "unknown key sauce"),
        ("photos leave the folder", "photos = \"photos\"", "photos = \"..\"", "no plain file name"),
        ("models for photos", "kind = \"photos\"", "kind = \"models\"", "kind \"models\""),
        ("another list", "digest = \"", "digest = \"00", "digest must be 64"),
    ];
    for (flaw, from, to, message) in cases {
        let dir = small_photo_pack(&good, |card| card.replacen(from, to, 1));
        let error = PhotoPack::load(dir.path()).expect_err(flaw).to_string();
        assert!(error.contains(message), "{flaw}: {error}");
    }
    fs::write(dir.path().join("SHA256SUMS"), line(&format!("{hash}  photos/b.jpg"))).unwrap();
    assert!(matches!(PhotoPack::load(dir.path()), Err(PackError::FileHash { .. })));
}
