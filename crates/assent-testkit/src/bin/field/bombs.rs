//! Small files that would take much memory or time, as photos and as portraits; evidence that shows two things.

use crate::make::{OWNER, group};
use crate::program::{Case, Outcome, ProgramOutput, Sandbox, expect};

/// What photos may take together, MB.
const MEMORY_MB: u64 = 256;

/// The processor time that a picture may take before it is given up, seconds, with what starting takes.
const SECONDS: u64 = 20;

pub(crate) fn cases() -> Vec<Case> {
    let case = |name, input, run| Case { name, input, run };
    vec![
        case("a small GIF of 250 megapixels", "bombs/gif-43-bytes-250-megapixels.gif", bomb),
        case("a WebP of 250 megapixels", "bombs/webp-15800-lossless.webp", bomb),
        case("a PNG with a colour profile that inflates", "bombs/png-iccp-bomb.png", bomb),
        case("a progressive JPEG of 490 passes", "bombs/jpeg-progressive-490-scans.jpg", bomb),
        case("evidence with two entries of one name", "bombs/evidence-duplicate-entry.zip", evidence),
    ]
}

/// A scan beside usual photos, and a portrait: decoded or named, within the memory and the time.
fn bomb(place: &Sandbox, input: &str) -> Outcome {
    let group = group(1200, 800);
    for n in 0..4 {
        place.put(&format!("{n}.jpg"), &[group.as_slice(), &[n]].concat());
    }
    place.household_without_scan(OWNER)?;
    // With as many threads, because each has networks of its own, which are in no photo's memory.
    let usual = place.ok(&["scan", "photos", "--memory", "256", "--threads", "4"])?;
    let name = input.rsplit('/').next().unwrap_or(input);
    let bytes = place.input(input);
    for n in 0..4 {
        place.put(&format!("{n}-{name}"), &[bytes.as_slice(), &[n]].concat());
    }
    let within = |what: &str, said: &ProgramOutput| {
        let more = said.peak_mb.saturating_sub(usual.peak_mb);
        expect(more <= MEMORY_MB, format!("{what} took {more} MB more than usual photos"))?;
        expect(said.seconds <= SECONDS, format!("{what} took {} s", said.seconds))
    };
    let scan = place.run(&["scan", "photos", "--memory", "256", "--threads", "4"]);
    expect(scan.code == Some(0), "the scan stopped")?;
    within("the scan", &scan)?;
    let file = place.text(&format!("photos/0-{name}"));
    let portrait = place.run(&["subject", "add", "second", "--name", "Second"]);
    expect(portrait.code == Some(0), "nobody could be added")?;
    let release = place.text("release.jpg");
    std::fs::write(&release, assent_testkit::release(7)).unwrap();
    place.ok(&["witness", "add", "Wanda"])?;
    let enrol = place.run(&["enrol", "second", "--photo", &file, "--release", &release, "--witness", "Wanda"]);
    expect(enrol.code == Some(1) && enrol.text.contains(name), "the portrait was taken, or is not named")?;
    within("the portrait", &enrol)
}

fn evidence(place: &Sandbox, input: &str) -> Outcome {
    let key = String::from_utf8(place.input("bombs/evidence-key.txt")).unwrap();
    let key = key.lines().find(|line| line.contains('+')).unwrap_or_default().trim().to_owned();
    let file = place.inputs.join(input);
    let said = place.run(&["audit", "verify", "--evidence", file.to_str().unwrap(), "--key", &key]);
    expect(said.code == Some(1), "evidence with two entries of one name holds")?;
    expect(said.text.contains("twice") || said.text.contains("two"), "it does not say that a name is there twice")
}
