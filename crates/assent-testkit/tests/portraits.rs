//! Every sample portrait is good enough to enrol somebody: the numbers of the gate are set by them.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly, and so may its helpers")]

use std::fs;

use assent::models::Worker;
use assent::portrait::{PortraitGate, embed_portrait};
use assent_testkit::{crew, models, portrait_names};

/// The reason and the measurements of a portrait that does not pass.
fn refusal(worker: &mut Worker, name: &str) -> Option<String> {
    let bytes = fs::read(crew().join("portraits").join(format!("{name}.jpg"))).unwrap();
    let reason = embed_portrait(worker, &PortraitGate::default(), &bytes).err()?;
    let looked = worker.look(&bytes).unwrap();
    let cuts = worker.cut(&looked);
    let measured: Vec<_> = cuts.iter().map(|c| c.quality).collect();
    Some(format!("{name}: {reason}; {measured:?}"))
}

#[test]
fn every_sample_portrait_passes_the_gate() {
    let names = portrait_names();
    assert_eq!(names.len(), 78);
    // As an enrolment does it, with the default search.
    let mut worker = models().worker(assent::SearchOptions::default()).unwrap();
    let refused: Vec<String> = names.iter().filter_map(|name| refusal(&mut worker, name)).collect();
    assert!(refused.is_empty(), "{} of {} are refused:\n{}", refused.len(), names.len(), refused.join("\n"));
}
