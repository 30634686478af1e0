//! Pictures of odd shapes and kinds: panoramas, crowds, HEIC, and the public files of `shared/cases`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use assent::heif::HeifProgram;
use assent::models::{DetectError, Worker};
use assent::portrait::{PortraitGate, embed_portrait};
use assent::scan::{ScanOptions, ScanWatch, scan};
use assent::{DeclaredRates, Frame, Posture, SearchOptions};
use assent_testkit::{OPERATOR, T0, World, jpeg, light_pack, models, models_of, open, portrait_names};
use assent_vision::resize::resize;
use tempfile::{TempDir, tempdir};

use super::{TRIO, WALZ, photo, portrait};

/// The search of a scan, upright.
fn search() -> SearchOptions {
    SearchOptions { posture: Posture::Upright, ..SearchOptions::default() }
}

/// A picture of `size` with people in rows and columns, so many, whose faces are `face_px` wide. Returns the middles of
/// their faces, too.
fn crowd(size: (u32, u32), (columns, rows): (u32, u32), face_px: f32) -> (Frame, Vec<(f32, f32)>) {
    let mut worker = models().worker(search()).unwrap();
    let people: Vec<(Frame, (f32, f32))> = portrait_names()
        .iter()
        .take(12)
        .filter_map(|name| {
            let bytes = portrait(name);
            let photo = worker.detect(&bytes).unwrap();
            let face = photo.detected.faces.first()?.bounds;
            let (frame, factor) = (open(&bytes), face_px / face.width);
            let scaled = |side: u32| (side as f32 * factor) as u32;
            let small = resize(&frame, (scaled(frame.width()), scaled(frame.height())));
            let centre = face.centre();
            (factor < 0.7).then_some((small, (centre.x * factor, centre.y * factor)))
        })
        .collect();
    assert!(people.len() > 3);
    let mut picture = Frame::filled(size.0, size.1, [120, 130, 140]);
    let mut middles = Vec::new();
    for i in 0..columns * rows {
        let (person, middle) = &people[i as usize % people.len()];
        let (cell_w, cell_h) = (size.0 / columns, size.1 / rows);
        let (width, height) = (person.width().min(cell_w), person.height().min(cell_h));
        // In the middle of its cell, a few pixels aside, so that no face lies on the detector's grid.
        let left = i % columns * cell_w + (cell_w - width) / 2 + (i * 7 % 5) * u32::from(cell_w > width + 10);
        let top = i / columns * cell_h + (cell_h - height) / 2;
        for y in 0..height {
            let from = (y * person.width()) as usize * 3;
            let to = ((top + y) * size.0 + left) as usize * 3;
            let row = &person.rgb()[from..from + width as usize * 3];
            picture.rgb_mut()[to..to + row.len()].copy_from_slice(row);
        }
        middles.push((left as f32 + middle.0, top as f32 + middle.1));
    }
    (picture, middles)
}

/// How many of the people are found, and how many boxes there are beyond one for each.
fn found(worker: &mut Worker, picture: &Frame, middles: &[(f32, f32)], face_px: f32) -> (usize, usize) {
    let bytes = jpeg(picture);
    let photo = worker.detect(&bytes).unwrap();
    let mut boxes: Vec<(f32, f32)> =
        photo.detected.faces.iter().map(|f| f.bounds.centre()).map(|centre| (centre.x, centre.y)).collect();
    let mut people = 0;
    for (x, y) in middles {
        if let Some(i) = boxes.iter().position(|(a, b)| (a - x).hypot(b - y) < face_px / 2.0) {
            boxes.swap_remove(i);
            people += 1;
        }
    }
    (people, boxes.len())
}

#[test]
fn a_panorama_keeps_its_faces() {
    let mut worker = models().worker(search()).unwrap();
    let mut check = |name: &str, size: (u32, u32), grid: (u32, u32), face_px: f32| {
        let (picture, middles) = crowd(size, grid, face_px);
        let (people, others) = found(&mut worker, &picture, &middles, face_px);
        assert!(people * 100 >= middles.len() * 95, "{name}: {people} of {}", middles.len());
        assert!(others * 100 <= middles.len(), "{name}: {others} boxes that are nobody's, or somebody's second");
    };
    check("a school, 12,000 x 1,800", (12_000, 1800), (40, 5), 72.0);
    check("upright, 1,800 x 12,000", (1800, 12_000), (6, 40), 72.0);
    check("200 people in 43 megapixels", (8000, 5333), (20, 10), 60.0);
    check("a usual photo", (4000, 3000), (8, 5), 90.0);
}

fn made_by_heif_enc(dir: &TempDir, jpeg: &[u8], name: &str) -> Vec<u8> {
    let (from, to) = (dir.path().join("from.jpg"), dir.path().join(name));
    fs::write(&from, jpeg).unwrap();
    let status = Command::new("heif-enc").arg("-q").arg("80").arg(&from).arg("-o").arg(&to).output();
    assert!(
        status.is_ok_and(|output| output.status.success()),
        "heif-enc is not there, or fails: `scripts/install-tools heif` installs it"
    );
    fs::read(to).unwrap()
}

fn heif_program() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "a test may read its environment")]
    let path = std::env::var_os("PATH").unwrap();
    let names = ["heif-dec", "heif-convert"];
    let found = std::env::split_paths(&path).flat_map(|dir| names.map(|name| dir.join(name))).find(|p| p.is_file());
    assert!(found.is_some(), "there is no decoder of HEIC: `scripts/install-tools heif` installs one");
    found.unwrap()
}

fn with_program(dir: &TempDir, program: PathBuf) -> Worker {
    let program = HeifProgram::new(program, dir.path().to_owned());
    models_of(&light_pack()).with_heif(Some(program)).worker(search()).unwrap()
}

fn refused(worker: &mut Worker, bytes: &[u8]) -> String {
    match worker.detect(bytes) {
        Err(DetectError::Decode(e)) => e.code().to_owned(),
        other => format!("{other:?}"),
    }
}

/// The picture with EXIF data that say how the camera was held.
fn turned(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut segment = b"\xFF\xE1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    segment.extend([orientation, 0, 0, 0, 0, 0, 0]);
    [&jpeg[..2], &segment, &jpeg[2..]].concat()
}

#[test]
fn a_heic_photo_is_searched_like_any_other() {
    let dir = tempdir().unwrap();
    let scratch = tempdir().unwrap();
    let mut worker = with_program(&scratch, heif_program());
    let plain = photo(TRIO);
    let whole = worker.detect(&plain).unwrap();
    let (size, faces) = (whole.size(), whole.detected.faces.len());
    for name in ["a.heic", "a.avif"] {
        let bytes = made_by_heif_enc(&dir, &plain, name);
        let photo = worker.detect(&bytes).unwrap();
        assert_eq!((photo.size(), photo.detected.faces.len()), (size, faces), "{name}");
        // Small faces are cut from the photo at full size, which is decoded again.
        assert_eq!(worker.crop_faces(&photo).len(), faces, "{name}");
        for end in [30, 60, 95] {
            assert_eq!(refused(&mut worker, &bytes[..bytes.len() * end / 100]), "damaged", "{name}, {end} % of it");
        }
    }
    let lying = made_by_heif_enc(&dir, &turned(&plain, 6), "lying.heic");
    assert_eq!(worker.detect(&lying).unwrap().size(), (size.1, size.0), "it is turned, and once");
    let face = made_by_heif_enc(&dir, &portrait(&portrait_names()[0]), "portrait.heic");
    assert!(embed_portrait(&mut worker, &PortraitGate::default(), &face).is_ok());
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0, "nothing of it is left");
}

#[test]
fn heic_without_a_program_is_named() {
    let dir = tempdir().unwrap();
    let mut worker = models().worker(search()).unwrap();
    for (name, code) in [("a.heic", "heic-not-decoded"), ("a.avif", "avif-not-decoded")] {
        assert_eq!(refused(&mut worker, &made_by_heif_enc(&dir, &photo(TRIO), name)), code);
    }
}

#[test]
fn a_program_that_takes_too_much_is_stopped() {
    let dir = tempdir().unwrap();
    let bytes = made_by_heif_enc(&dir, &photo(TRIO), "a.heic");
    let check = |name: &str, script: &str, expected: &str| {
        let program = dir.path().join("program");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        #[cfg(unix)]
        fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let mut worker = with_program(&dir, program);
        assert_eq!(refused(&mut worker, &bytes), expected, "{name}");
    };
    check("memory without end", "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done", "decoder-gave-up");
    check("output without end", "exec yes > out.jpg", "decoder-gave-up");
    check("a signal", "kill -9 $$", "decoder-gave-up");
    check("nothing is written", "exit 0", "decoder-gave-up");
    check("it refuses", "exit 1", "damaged");
    check("what it writes is none", "echo junk > out.jpg", "unknown-format");
    let mut gone = with_program(&dir, dir.path().join("no-such-program"));
    assert_eq!(refused(&mut gone, &bytes), "decoder-gave-up");
    let mut small = with_program(&dir, heif_program());
    small.limit_memory(1_000_000);
    assert_eq!(refused(&mut small, &bytes), "too-much-memory", "decided before it starts");
}

/// A program that waits for ever, and one that starts another that does.
const SLEEPERS: [&str; 2] = ["echo $$ > PIDS; exec sleep 3600", "sleep 3600 & echo $! $$ > PIDS; wait"];

/// Whether a process is there, and is no zombie.
fn is_running(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Such a program, and the file in which it writes which processes it is.
fn sleeper(dir: &TempDir, script: &str) -> (HeifProgram, PathBuf) {
    let (program, pids) = (dir.path().join("program"), dir.path().join("pids"));
    fs::write(&program, format!("#!/bin/sh\n{}\n", script.replace("PIDS", pids.to_str().unwrap()))).unwrap();
    #[cfg(unix)]
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    (HeifProgram::new(program, dir.path().to_owned()), pids)
}

/// The system takes a moment to end what was killed.
fn all_ended(pids: &Path, name: &str) {
    let pids = fs::read_to_string(pids).unwrap();
    let left = || pids.split_whitespace().filter(|pid| is_running(pid)).count();
    let ended = (0..100_000).any(|_| {
        thread::yield_now();
        left() == 0
    });
    assert!(ended, "{name}: {pids} are left");
}

#[test]
fn a_program_that_waits_for_ever_is_ended_and_the_photo_named() {
    let bytes = made_by_heif_enc(&tempdir().unwrap(), &photo(WALZ), "a.heic");
    for script in SLEEPERS {
        let dir = tempdir().unwrap();
        let (program, pids) = sleeper(&dir, script);
        let program = program.with_time_max(Duration::from_millis(200));
        let mut worker = models_of(&light_pack()).with_heif(Some(program)).worker(search()).unwrap();
        assert_eq!(refused(&mut worker, &bytes), "decoder-gave-up", "{script}");
        all_ended(&pids, script);
    }
}

/// As Ctrl-C does while the program runs.
#[test]
fn a_scan_that_is_to_stop_ends_the_program_that_decodes_for_it() {
    let bytes = made_by_heif_enc(&tempdir().unwrap(), &photo(WALZ), "a.heic");
    for script in SLEEPERS {
        let (dir, w) = (tempdir().unwrap(), World::new(&[]));
        w.home.put("a.heic", &bytes);
        let (program, pids) = sleeper(&dir, script);
        let models = models_of(&light_pack()).with_heif(Some(program));
        let (rates, stop) = (DeclaredRates::default(), Arc::new(AtomicBool::new(false)));
        let options = ScanOptions {
            search: search(),
            threads: 1,
            rates,
            memory_mb: 512,
            free_bytes: None,
            request: None,
            by: OPERATOR,
        };
        let said = thread::scope(|scope| {
            scope.spawn(|| {
                while fs::read_to_string(&pids).unwrap_or_default().is_empty() {
                    thread::yield_now();
                }
                stop.store(true, Ordering::Relaxed);
            });
            let watch = &mut ScanWatch { now: &|| T0, stop: &stop, progress: &mut |_| {} };
            scan(&w.ledger, &models, w.collection, options, watch).unwrap()
        });
        assert_eq!((said.looked_at, said.failed, w.known().len()), (0, vec![], 0), "{script}: it is begun anew");
        all_ended(&pids, script);
    }
}

fn case(name: &str) -> Vec<u8> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases");
    assert!(cases.is_dir(), "the cases are not there: this test needs the folder `shared` beside the checkout");
    fs::read(cases.join(name)).unwrap()
}

#[test]
fn public_pictures_of_odd_kinds() {
    let mut worker = models().worker(search()).unwrap();
    worker.limit_memory(192_000_000);
    let webp = case("webp-exif-prefix-orientation-6.webp");
    assert_eq!(worker.detect(&webp).unwrap().size(), (1200, 841), "it is stored as 841 x 1200");
    assert_eq!(refused(&mut worker, &webp[..webp.len() * 9 / 10]), "damaged");
    let tiff = case("tiff-ycbcr-jpeg.tif");
    assert!(worker.detect(&tiff).is_ok() || refused(&mut worker, &tiff) == "kind-not-decoded");
    let mut check = |name: &str, expected: &str| {
        let bytes = case(&format!("bombs/{name}"));
        let needed = worker.bytes_needed(&bytes);
        assert!(needed <= 192_000_000, "{name}: {needed}");
        let got = worker.detect(&bytes).map(|photo| photo.size());
        assert_eq!(got.map_err(|e| e.to_string()).map_or_else(|e| e, |size| format!("{size:?}")), expected, "{name}");
    };
    let too_much =
        |mb: u32| format!("opening the picture takes about {mb} MB of memory, more than photos may take here");
    check("gif-43-bytes-250-megapixels.gif", &too_much(4494));
    check("webp-15800-lossless.webp", &too_much(3495));
    let passes =
        "the JPEG is stored in 491 passes, far more than any camera or editor makes; save the picture anew as JPEG";
    check("jpeg-progressive-490-scans.jpg", passes);
    assert!(worker.detect(&case("bombs/png-iccp-bomb.png")).is_ok(), "its profile is not inflated");
}
