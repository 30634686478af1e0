use super::*;

#[test]
fn i7_a_web_address_is_no_source() {
    for text in ["http://example.org/a", "https://example.org", "ftp://x/y", "s3://bucket", "HTTPS://EXAMPLE.ORG"] {
        assert!(matches!(Folder::open(text), Err(SourceError::WebAddress { .. })), "{text}");
    }
    assert!(matches!(Folder::open("/no/such/folder"), Err(SourceError::Unreadable { .. })));
}

/// A folder with these files in it, each of which holds its own name.
fn folder_with(names: &[&str]) -> (tempfile::TempDir, Folder) {
    let dir = tempfile::tempdir().unwrap();
    for name in names {
        put(dir.path(), name);
    }
    let folder = Folder::open(dir.path().to_str().unwrap()).unwrap();
    (dir, folder)
}

fn put(dir: &Path, name: &str) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, name).unwrap();
}

/// Files, problems with their kinds, and what was left out with its kind.
fn listed(folder: &Folder) -> [Vec<String>; 3] {
    let Listing { files, problems, left_out } = folder.list().unwrap();
    [
        files.iter().map(|f| f.path.to_string()).collect(),
        problems.iter().map(|p| format!("{} {}", p.path, p.kind.code())).collect(),
        left_out.iter().map(|l| format!("{} {}", l.path, l.kind.code())).collect(),
    ]
}

#[test]
fn only_photos_are_listed() {
    let others = ["notes.txt", "noending", "film.mp4", "settings.xmp", ".nomedia", "Thumbs.db"];
    let (_dir, folder) = folder_with(&[&["b.JPG", "a.png", "2026/c.heic", "2026/d.CR3"][..], &others].concat());
    assert_eq!(listed(&folder), [vec!["2026/c.heic", "2026/d.CR3", "a.png", "b.JPG"], vec![], vec![]]);
}

#[test]
fn leftovers_of_devices_systems_and_programs_are_left_out_and_named() {
    let (_dir, folder) = folder_with(&[
        "a.jpg",
        "2026/@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg",
        "#recycle/gone.jpg",
        "$RECYCLE.BIN/x.jpg",
        "lost+found/x.jpg",
        ".Trash-1000/files/x.jpg",
        "Photos Library.photoslibrary/originals/0/x.jpg",
        "Catalog Previews.lrdata/x.jpg",
        ".thumbnails/x.jpg",
        "._a.jpg",
        ".DS_Store",
    ]);
    let left_out = [
        "#recycle system",
        "$RECYCLE.BIN system",
        ".Trash-1000 system",
        "._a.jpg hidden",
        ".thumbnails hidden",
        "2026/@eaDir system",
        "Catalog Previews.lrdata library",
        "Photos Library.photoslibrary library",
        "lost+found system",
    ];
    assert_eq!(listed(&folder), [vec!["a.jpg".to_owned()], vec![], left_out.map(str::to_owned).to_vec()]);
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::process::Command;

    use super::*;

    #[test]
    fn a_name_that_is_not_text_is_listed_and_read() {
        let (dir, folder) = folder_with(&["a.jpg"]);
        let name = OsStr::from_bytes(b"Sch\xfctzenfest/2\xff.jpg");
        fs::create_dir(dir.path().join(OsStr::from_bytes(b"Sch\xfctzenfest"))).unwrap();
        fs::write(dir.path().join(name), "content").unwrap();
        assert_eq!(listed(&folder), [vec!["Sch\\xFCtzenfest/2\\xFF.jpg", "a.jpg"], vec![], vec![]]);
        let file = folder.list().unwrap().files.remove(0);
        assert_eq!(file.path.as_bytes(), name.as_bytes());
        assert_eq!(folder.read(&file).unwrap(), b"content");
    }

    #[test]
    fn links_to_folders_are_followed_once_and_never_outside() {
        let (outside, _) = folder_with(&["secret/x.jpg"]);
        let (dir, folder) = folder_with(&["2026/a.jpg", ".store/b.jpg", ".store/album/c.jpg", "@eaDir/t.jpg"]);
        let link = |to: &str, name: &str| symlink(to, dir.path().join(name)).unwrap();
        link("2026", "again"); // Listed anyway.
        link(".store", "album"); // Hidden, so it is listed here.
        link(".store/album", "z-album"); // Listed below the one before.
        link(".", "2026/round"); // A circle.
        link("..", "2026/up"); // The folder itself: another circle.
        link("@eaDir", "thumbs");
        link("@eaDir/t.jpg", "thumb.jpg");
        link(".store/b.jpg", "file.jpg");
        link(outside.path().join("secret").to_str().unwrap(), "out");
        link(outside.path().join("secret/x.jpg").to_str().unwrap(), "x.jpg");
        link(outside.path().to_str().unwrap(), "2026/out");
        link("..", "above");
        let files = ["2026/a.jpg", "album/album/c.jpg", "album/b.jpg", "file.jpg"];
        let problems = ["2026/out link-outside", "above link-outside", "out link-outside", "x.jpg link-outside"];
        let left_out = [".store hidden", "@eaDir system", "thumb.jpg system", "thumbs system"];
        assert_eq!(
            listed(&folder),
            [&files[..], &problems, &left_out].map(|s| s.iter().map(ToString::to_string).collect::<Vec<_>>())
        );
    }

    #[test]
    fn what_is_no_file_or_leads_nowhere_is_named_and_nothing_waits_for_it() {
        let (dir, folder) = folder_with(&["a.jpg"]);
        let at = |name: &str| dir.path().join(name);
        symlink("/no/such/file.jpg", at("away.jpg")).unwrap();
        symlink("/no/such/folder", at("usb")).unwrap();
        symlink("self.jpg", at("self.jpg")).unwrap();
        assert!(Command::new("mkfifo").arg(at("pipe.jpg")).arg(at("pipe")).status().unwrap().success());
        symlink("pipe.jpg", at("link.jpg")).unwrap();
        fs::create_dir(at("folder.jpg")).unwrap();
        let problems = [
            "away.jpg broken-link",
            "link.jpg not-a-file",
            "pipe.jpg not-a-file",
            "self.jpg broken-link",
            "usb broken-link",
        ];
        assert_eq!(listed(&folder), [vec!["a.jpg".to_owned()], problems.map(str::to_owned).to_vec(), vec![]]);
    }

    #[test]
    fn a_file_that_became_something_else_is_not_read() {
        let (outside, _) = folder_with(&["aaaaa.jpg"]);
        let (dir, folder) = folder_with(&["aaaaa.jpg"]);
        let file = folder.list().unwrap().files.remove(0);
        let here = dir.path().join("aaaaa.jpg");
        fs::remove_file(&here).unwrap();
        symlink(outside.path().join("aaaaa.jpg"), &here).unwrap();
        assert_eq!(folder.read(&file), Err(Unread::Unreadable), "a link that leads outside");
        fs::remove_file(&here).unwrap();
        assert!(Command::new("mkfifo").arg(&here).status().unwrap().success());
        assert_eq!(folder.read(&file), Err(Unread::Unreadable), "a pipe");
    }

    /// Whoever may read everything (root) reads these folders too; then there is nothing to be refused.
    #[test]
    fn a_folder_that_may_not_be_read_is_named_and_the_rest_is_listed() {
        let (dir, folder) = folder_with(&["a.jpg", "b/private/x.jpg", "b/y.jpg"]);
        let private = dir.path().join("b/private");
        fs::set_permissions(&private, fs::Permissions::from_mode(0o000)).unwrap();
        let may_read_all = fs::read_dir(&private).is_ok();
        let got = listed(&folder);
        fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).unwrap();
        if !may_read_all {
            assert_eq!(got, [vec!["a.jpg", "b/y.jpg"], vec!["b/private unreadable-folder"], vec![]]);
        }
    }

    /// The same for whoever runs the tests: names that are too long together are refused to root as well.
    #[test]
    fn a_folder_that_cannot_be_opened_is_named_and_the_rest_is_listed() {
        let (dir, folder) = folder_with(&["a.jpg", "z.jpg"]);
        // Longer than any path that the system takes, made step by step.
        let name = "d".repeat(250);
        let script =
            "cd \"$1\" && i=0 && while [ $i -lt 20 ]; do mkdir \"$2\" && cd -P \"$2\" || exit 1; i=$((i+1)); done";
        let made = Command::new("sh").args(["-c", script, "sh"]).arg(dir.path()).arg(&name).status().unwrap();
        let [files, problems, _] = listed(&folder);
        let removed = Command::new("rm").arg("-rf").arg(dir.path().join(&name)).status().unwrap();
        assert!(made.success() && removed.success());
        assert_eq!(files, ["a.jpg", "z.jpg"]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].ends_with(" unreadable-folder"), "{problems:?}");
    }
}

#[test]
fn what_could_not_be_looked_at_is_not_taken_for_missing() {
    let problem = |path: &str, kind| Problem { path: path.into(), kind };
    let problems = vec![
        problem("away", ProblemKind::BrokenLink),
        problem("gone.jpg", ProblemKind::Vanished),
        problem("out", ProblemKind::LinkOutside),
        problem("private", ProblemKind::UnreadableFolder),
    ];
    let listing = Listing { problems, ..Listing::default() };
    let check = |path: &str, expected: bool| assert_eq!(listing.is_complete_at(&path.into()), expected, "{path}");
    check("a.jpg", true);
    check("private/a.jpg", false);
    check("private/2026/a.jpg", false);
    check("private.jpg", true);
    check("privately/a.jpg", true);
    check("away/a.jpg", false);
    check("away", false);
    check("gone.jpg", true);
    check("out/a.jpg", true);
    let halfway = Listing { problems: vec![problem("", ProblemKind::UnreadableFolder)], ..Listing::default() };
    assert!(!halfway.is_complete_at(&"a.jpg".into()) && !halfway.is_complete() && Listing::default().is_complete());
}

#[test]
fn a_file_is_read_as_it_was_listed_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.jpg"), "abc").unwrap();
    let folder = Folder::open(dir.path().to_str().unwrap()).unwrap();
    let listed = folder.list().unwrap().files.remove(0);
    let check = |name: &str, file: PhotoFile, expected: Result<&[u8], Unread>| {
        assert_eq!(folder.read(&file).as_deref(), expected.as_deref(), "{name}");
    };
    check("as listed", listed.clone(), Ok(b"abc"));
    check("longer now", PhotoFile { bytes: 2, ..listed.clone() }, Err(Unread::Changed));
    check("shorter now", PhotoFile { bytes: 4, ..listed.clone() }, Err(Unread::Changed));
    let earlier = Timestamp(listed.modified.0 - 1000);
    check("written to, and as long as before", PhotoFile { modified: earlier, ..listed.clone() }, Err(Unread::Changed));
    check("gone", PhotoFile { path: "b.jpg".into(), ..listed.clone() }, Err(Unread::Missing));
    check("huge", PhotoFile { bytes: u64::MAX, ..listed }, Err(Unread::TooLarge));
}
