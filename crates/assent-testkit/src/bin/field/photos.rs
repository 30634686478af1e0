//! Photos that change, move, go, or cannot be read; folders as they are found.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime};

use assent_testkit::open;

use crate::make::{OWNER, group, jpeg, png, rated, sample, sized, turned, webp};
use crate::program::{Case, Outcome, Sandbox, expect};

/// Somebody in the small photo of three, and where they are alone.
const SMALL: &str = "expedition-1.jpg";
const IN_SMALL: &str = "sergei-krikalev.jpg";

pub(crate) fn cases() -> Vec<Case> {
    let case = |name, input, run| Case { name, input, run };
    vec![
        case("two photos of one size that swapped names", "", swap),
        case("a photo turned after the scan", "", rotate),
        case("a rating written into a photo with a face set apart", "", rating),
        case("a smaller export of a photo with a face set apart", "", resized),
        case("a file that is away for one scan", "", gone_once),
        case("four files of one stem", "", stems),
        case("a collection named like a path", "", path_as_name),
        case("one of three found files is gone", "", gone_file),
        case("thumbnails and bins of network drives", "", leftovers),
        case("a name that is not UTF-8", "", latin1),
        case("a folder that may not be read", "", unreadable),
        case("escape sequences in names", "", control),
        case("a TIFF that makes a decoder panic", "tiff-tiled-planar-16bit.tiff", odd_file),
        case("a TIFF with JPEG inside", "tiff-ycbcr-jpeg.tif", odd_file),
        case("a WebP that is turned by prefixed EXIF", "webp-exif-prefix-orientation-6.webp", upright),
    ]
}

/// The copies that are made of what is found, after photos changed without a scan.
fn copies(place: &Sandbox, to: &str) -> (Option<i32>, String, usize) {
    let said = place.run(&["find", "me", "--copy-to", &place.text(to)]);
    (said.code, said.text, place.files(to).len())
}

fn refused_until_scanned(place: &Sandbox, found: usize) -> Outcome {
    let (code, text, copied) = copies(place, "out");
    expect(code == Some(1) && copied == 0, "a photo that changed was handed out")?;
    expect(text.contains("was changed since it was scanned"), "it does not say that the photo changed")?;
    place.ok(&["scan", "photos"])?;
    let (code, _, copied) = copies(place, "again");
    expect(code == Some(0) && copied == found, "after another scan the copies are not there")
}

fn swap(place: &Sandbox, _: &str) -> Outcome {
    let one = place.put("IMG_0001.jpg", &jpeg(&sized("expedition-1-crew.jpg", 1200, 800)));
    let two = place.put("IMG_0002.jpg", &group(1200, 800));
    place.household(IN_SMALL, &[])?;
    expect(place.found()?.len() == 1, "the owner is not found at first")?;
    fs::rename(&one, place.path("x")).unwrap();
    fs::rename(&two, &one).unwrap();
    fs::rename(place.path("x"), &two).unwrap();
    refused_until_scanned(place, 1)
}

fn rotate(place: &Sandbox, _: &str) -> Outcome {
    let photo = group(1200, 800);
    let path = place.put("a.jpg", &turned(&photo, 1));
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let keep_date = || fs::File::options().write(true).open(&path).unwrap().set_modified(date).unwrap();
    keep_date();
    place.household(OWNER, &[])?;
    expect(place.found()?.len() == 1, "the owner is not found at first")?;
    fs::write(&path, turned(&photo, 3)).unwrap();
    keep_date();
    refused_until_scanned(place, 1)
}

/// Sets the owner's face in the one photo apart, and returns what was said.
fn set_apart(place: &Sandbox) -> Result<String, String> {
    let found = place.ok(&["find", "me", "--json"])?.json();
    let at: Vec<f64> = found["photos"][0]["box"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    let point = format!("{},{}", (at[0] + at[2] / 2.0) as i64, (at[1] + at[3] / 2.0) as i64);
    Ok(place.ok(&["request", "blur", "photos", "a.jpg", "--at", &point])?.text)
}

fn rating(place: &Sandbox, _: &str) -> Outcome {
    let photo = group(1200, 800);
    let path = place.put("a.jpg", &photo);
    place.household(OWNER, &[])?;
    set_apart(place)?;
    expect(place.found()?.is_empty(), "a face that was set apart is found")?;
    fs::write(path, rated(&photo)).unwrap();
    place.ok(&["scan", "photos"])?;
    expect(place.found()?.is_empty(), "a rating ended an objection")
}

fn resized(place: &Sandbox, _: &str) -> Outcome {
    place.put("a.jpg", &group(1200, 800));
    place.household(OWNER, &[])?;
    let said = set_apart(place)?.to_lowercase();
    let honest = ["resized", "smaller", "another picture", "other size"].iter().any(|word| said.contains(word));
    expect(honest, "it does not say that a resized export is another picture")?;
    place.put("b.jpg", &group(1000, 667));
    place.ok(&["scan", "photos"])?;
    expect(place.found()?.iter().all(|photo| photo != "a.jpg"), "the face that was set apart is found")
}

fn gone_once(place: &Sandbox, _: &str) -> Outcome {
    let away = place.put("nas/b.jpg", &group(1200, 800));
    // One of six: fewer than a fifth are away.
    for name in ["andre-kuipers.jpg", "carl-walz.jpg", "kate-rubins.jpg", "julie-payette.jpg", SMALL] {
        place.put(name, &sample(name));
    }
    place.household(OWNER, &[])?;
    let number = place.ok(&["find", "me", "--json"])?.json()["photos"][0]["number"].to_string();
    place.ok(&["review", "me", "--refuse", &number])?;
    fs::rename(&away, place.path("b.jpg")).unwrap();
    place.run(&["scan", "photos"]);
    fs::rename(place.path("b.jpg"), &away).unwrap();
    place.ok(&["scan", "photos"])?;
    expect(place.found()?.is_empty(), "what a person decided was forgotten when the file was away for one scan")
}

fn stems(place: &Sandbox, _: &str) -> Outcome {
    let photo = open(&sample(SMALL));
    for (ending, bytes) in [("jpg", jpeg(&photo)), ("jpeg", jpeg(&photo)), ("png", png(&photo)), ("webp", webp(&photo))]
    {
        place.put(&format!("IMG_0001.{ending}"), &bytes);
    }
    place.household(IN_SMALL, &[])?;
    let (code, _, copied) = copies(place, "out");
    expect(code == Some(0) && copied == 4, format!("{copied} copies of four photos"))
}

fn path_as_name(place: &Sandbox, _: &str) -> Outcome {
    place.put("a.jpg", &sample(SMALL));
    place.ok(&["init", "--household", "--name", "Test"])?;
    for name in [place.text("OUTSIDE"), "../escaped".to_owned(), String::new(), "a\nb".to_owned(), "x".repeat(5000)] {
        let said = place.run(&["collection", "add", &name, &place.text("photos")]);
        expect(said.code == Some(1), format!("a collection may be called {}", name.escape_debug()))?;
    }
    Ok(())
}

fn gone_file(place: &Sandbox, _: &str) -> Outcome {
    for name in ["a.jpg", "b.jpg", "c.jpg"] {
        place.put(name, &sample(SMALL));
    }
    place.household(IN_SMALL, &[])?;
    fs::remove_file(place.path("photos/b.jpg")).unwrap();
    for _ in 0..2 {
        let (code, text, copied) = copies(place, "out");
        expect(copied == 2, format!("{copied} copies of the two photos that are there"))?;
        expect(code == Some(1) && text.contains("b.jpg"), "the file that is gone is not named")?;
    }
    Ok(())
}

fn leftovers(place: &Sandbox, _: &str) -> Outcome {
    let names =
        ["@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg", "#recycle/x.jpg", "$RECYCLE.BIN/x.jpg", "lost+found/x.jpg", "a.jpg"];
    for name in names {
        place.put(name, &sample(SMALL));
    }
    place.household_without_scan(IN_SMALL)?;
    let said = place.ok(&["scan", "photos"])?.text;
    expect(place.found()? == ["a.jpg"], "photos of a bin or thumbnails were found")?;
    expect(said.contains("@eaDir"), "it does not say what was left out")
}

fn latin1(place: &Sandbox, _: &str) -> Outcome {
    place.put("a.jpg", &sample(SMALL));
    place.household(IN_SMALL, &[])?;
    fs::write(place.path("photos").join(OsStr::from_bytes(b"Sch\xfctzenfest.jpg")), sample(SMALL)).unwrap();
    place.put("new.jpg", &sample("andreas-mogensen.jpg"));
    let said = place.ok(&["scan", "photos", "--json"])?.json();
    expect(said["photos"] == 3, "a photo of another name was not scanned")?;
    expect(place.found()?.len() == 2, "a photo whose name is not UTF-8 is not found")
}

fn unreadable(place: &Sandbox, _: &str) -> Outcome {
    place.put("a.jpg", &sample(SMALL));
    let closed = place.path("photos/private");
    fs::create_dir_all(&closed).unwrap();
    place.household(IN_SMALL, &[])?;
    place.put("b.jpg", &sample("andreas-mogensen.jpg"));
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let said = if fs::read_dir(&closed).is_ok() {
        place.run_unprivileged(&["scan", "photos"])
    } else {
        place.run(&["scan", "photos"])
    };
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    expect(said.code == Some(0), "a folder that may not be read stopped the scan")?;
    expect(said.text.contains("private"), "the folder is not named")
}

fn control(place: &Sandbox, _: &str) -> Outcome {
    for name in ["esc\u{1b}[31mRED\u{1b}]0;title\u{7}.jpg", "new\nline.jpg"] {
        place.put(name, &sample(SMALL));
    }
    place.household_without_scan(IN_SMALL)?;
    for args in [&["scan", "photos"][..], &["find", "me"], &["find", "me", "--copy-to", &place.text("out")]] {
        let said = place.ok(args)?;
        let raw = said.text.contains('\u{1b}') || said.text.contains('\u{7}') || said.text.contains("new\nline");
        expect(!raw, "control characters reach the terminal")?;
    }
    expect(place.found()?.len() == 2, "the photos are not found")
}

/// A file that is decoded, or named; the others are scanned.
fn odd_file(place: &Sandbox, input: &str) -> Outcome {
    place.put("a.jpg", &sample(SMALL));
    place.put(input, &place.input(input));
    place.household(IN_SMALL, &[])?;
    expect(place.found()? == ["a.jpg"], "the photo beside it is not found")?;
    place.put("b.jpg", &sample(SMALL));
    let said = place.ok(&["scan", "photos"])?.text;
    expect(!said.contains("panicked"), "a panic reaches the terminal")?;
    expect(place.found()?.len() == 2, "the next scan does not go on")
}

fn upright(place: &Sandbox, input: &str) -> Outcome {
    // Stored as 841 x 1200, and a quarter turn from upright.
    let frame = open(&place.input(input));
    expect((frame.width(), frame.height()) == (1200, 841), format!("{} x {}", frame.width(), frame.height()))
}
