//! Odd names, odd folders, and files that strangers hand over: none of them stops the rest, or the program.

use std::fs;

use super::rights::{ClubFixture, unzipped, zipped};
use super::{assent, stderr, stdout};

#[test]
fn leftovers_of_devices_and_programs_are_left_out_and_said() {
    let club = ClubFixture::new();
    let names = ["album/a.jpg", "album/@eaDir/a.jpg/THUMB.jpg", "album/#recycle/x.jpg", "album/$RECYCLE.BIN/x.jpg"];
    for name in names.into_iter().chain(["album/Trip.photoslibrary/originals/x.jpg", "album/._a.jpg"]) {
        let path = std::path::PathBuf::from(club.file(name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    let text = club.says(&["collection", "add", "album", &club.file("album"), "--others", "closed-group"]);
    assert!(text.starts_with("Added album with 1 photo.\n"), "{text}");
    for part in [
        "3 folders of a NAS, a recycle bin or the system are left out (#recycle, $RECYCLE.BIN, @eaDir).",
        "1 library of a program for photos is left out (Trip.photoslibrary). Export",
        "1 hidden name is left out (._a.jpg).",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::process::Command;

    use super::*;

    fn pipe(path: &str) {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    #[test]
    fn one_odd_name_is_said_and_the_rest_is_counted() {
        let club = ClubFixture::new();
        let album = club.file("album");
        fs::create_dir(&album).unwrap();
        fs::write(Path::new(&album).join("a.jpg"), "x").unwrap();
        fs::write(Path::new(&album).join(OsStr::from_bytes(b"Sch\xfctzenfest.jpg")), "x").unwrap();
        fs::write(club.file("outside.jpg"), "x").unwrap();
        symlink("/no/such/disk", club.file("album/usb")).unwrap();
        symlink(club.file("outside.jpg"), club.file("album/link.jpg")).unwrap();
        symlink(".", club.file("album/round")).unwrap();
        pipe(&club.file("album/pipe.jpg"));
        let added = club.run(&["collection", "add", "album", &album, "--others", "closed-group"]);
        assert_eq!(added["photos"], 2);
        let problems: Vec<String> = added["not_listed"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| format!("{} {}", p["path"].as_str().unwrap(), p["reason"].as_str().unwrap()))
            .collect();
        assert_eq!(problems, ["link.jpg link-outside", "pipe.jpg not-a-file", "usb broken-link"]);
    }

    /// A reader that opened one would wait for ever.
    #[test]
    fn a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for() {
        let club = ClubFixture::new();
        let pipe_path = club.file("pipe");
        pipe(&pipe_path);
        let key = club.run(&["audit", "key"])["key"].as_str().unwrap().to_owned();
        for args in [
            &["notice", "add", &pipe_path][..],
            &["audit", "verify", "--certificate", &pipe_path, "--key", &key],
            &["audit", "verify", "--evidence", &pipe_path, "--key", &key],
            &["report", "evidence", "--to", &club.file("evidence.zip"), "--with", &pipe_path],
        ] {
            let refusal = club.refused(args);
            assert!(refusal.contains("it is a folder, a pipe or a device"), "{args:?}: {refusal}");
        }
    }
}

/// What somebody makes of evidence that they pass on.
#[test]
fn evidence_that_says_two_things_or_too_much_is_refused_before_it_is_unpacked() {
    let club = ClubFixture::new();
    let file = club.file("evidence.zip");
    club.run(&["report", "evidence", "--to", &file]);
    let key = club.run(&["audit", "key"])["key"].as_str().unwrap().to_owned();
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("other.zip");
    let check = |name: &str, bytes: &[u8], expected: &str| {
        fs::write(&path, bytes).unwrap();
        let args = ["audit", "verify", "--evidence", path.to_str().unwrap(), "--key", &key];
        let output = assent(elsewhere.path(), &args);
        let said = if output.status.success() { stdout(&output) } else { stderr(&output) };
        assert!(said.contains(expected), "{name}: {said}");
    };
    let rezipped = |files: &[(String, Vec<u8>)]| {
        zipped(&path, files);
        fs::read(&path).unwrap()
    };
    let renamed = |mut bytes: Vec<u8>, from: &[u8], to: &[u8]| {
        for i in 0..bytes.len() - from.len() {
            if bytes[i..].starts_with(from) {
                bytes[i..i + from.len()].copy_from_slice(to);
            }
        }
        bytes
    };
    let all = unzipped(&file);
    check("as it was made", &fs::read(&file).unwrap(), "The evidence holds");
    let with = |name: &str, content: Vec<u8>| {
        let mut more = all.clone();
        more.push((name.to_owned(), content));
        rezipped(&more)
    };
    let twice = renamed(with("register.jsoN", b"forged".to_vec()), b"register.jsoN", b"register.json");
    check("two files of one name", &twice, "two of its files have one name");
    // Its header names another file than the archive's own list does.
    let mut two_names = fs::read(&file).unwrap();
    let first = two_names.windows(13).position(|part| part == b"register.json").unwrap();
    two_names[first..first + 13].copy_from_slice(b"register.jsoN");
    check("one file of two names", &two_names, "not what stands before each file");
    check("a bomb that nobody signed", &with("zeros", vec![0; 64 << 20]), "zeros is not on the list");
    let mut unsigned = all.clone();
    unsigned.iter_mut().find(|(name, _)| name == "list.txt").unwrap().1 = vec![b'a'; 130 << 20];
    check("a list without an end", &rezipped(&unsigned), "more than evidence may be");
}
