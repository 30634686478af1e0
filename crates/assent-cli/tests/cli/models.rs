//! Which models a command takes for a vault.

use std::fs;

use assent::ledger::{Age, NewSubject, Purpose};
use assent::packs::ModelCard;
use assent::{Frame, encode};

use super::consent::{agree_each, club, open};
use super::rights::ClubFixture;
use super::walk::{packs, runtime};
use super::{stderr, stdout};

/// Enrols somebody, as the pack in this folder would.
fn enrol(club: &ClubFixture, handle: &str, folder: &str) {
    let model = ModelCard::read(&packs().join("models").join(folder)).unwrap().model_sha256();
    let (ledger, now) = open(club);
    let enrolled = ledger.run_tx("enrol", now, |tx| {
        let trip = tx.collections()?.into_iter().find(|c| c.name == "trip").unwrap();
        let subject = tx.find_subject(handle)?.id;
        let proof = tx.active_grant_for(subject, trip.id, &Purpose::find_my_photos())?.unwrap();
        tx.enrol(&proof, model, &[b"an embedding"])
    });
    enrolled.unwrap();
}

fn doctor(club: &ClubFixture, more: &[&str]) -> String {
    let (packs, runtime) = (packs(), runtime());
    let places = ["doctor", "--packs", packs.to_str().unwrap(), "--runtime", runtime.to_str().unwrap()];
    stdout(&club.try_run(&[&places, more].concat()))
}

#[test]
fn a_vault_stays_with_the_models_of_its_people_whatever_the_default_is() {
    let club = club();
    for handle in ["m-2", "m-3"] {
        club.run(&["subject", "add", handle, "--name", handle, "--born", "1990-05", "--jurisdiction", "FR"]);
    }
    let check = |when: &str, more: &[&str], pack: &str, others: bool| {
        let said = doctor(&club, more);
        assert!(said.contains(&format!("{pack} 2026.12, run by")), "{when}: {said}");
        assert_eq!(said.contains("1 person is enrolled with other models"), others, "{when}: {said}");
    };
    check("nobody is enrolled", &[], "sface", false);
    check("another pack is asked for", &["--pack", "light"], "light", false);
    agree_each(&club, &["m-1", "m-2", "m-3"], 86_400_000);
    enrol(&club, "m-1", "default");
    check("one of the pack before", &[], "light", false);
    enrol(&club, "m-2", "sface");
    enrol(&club, "m-3", "sface");
    check("most have moved", &[], "sface", true);
    check("and one who has not", &["--pack", "light"], "light", true);
    club.run(&["consent", "withdraw", "m-1"]);
    check("the last one left", &[], "sface", false);
}

#[test]
fn people_move_to_another_pack_and_who_needs_a_new_picture_needs_no_new_form() {
    let club = club();
    club.run(&["subject", "add", "m-2", "--name", "Kim", "--born", "1990-05", "--jurisdiction", "FR"]);
    let (packs, runtime) = (packs(), runtime());
    let with = ["--packs", packs.to_str().unwrap(), "--runtime", runtime.to_str().unwrap(), "--pack"];
    for (witness, phrase) in [("Wanda", "three herons by the old lock"), ("Wim", "seven boats and a tin whistle")] {
        fs::write(club.file(witness), phrase).unwrap();
        club.run(&["witness", "add", witness, "--witness-passphrase-file", &club.file(witness)]);
    }
    let portraits = packs.join("photos/crew/portraits");
    for (handle, portrait, shade) in [("m-1", "carl-walz.jpg", 250), ("m-2", "julie-payette.jpg", 240)] {
        fs::copy(portraits.join(portrait), club.file(portrait)).unwrap();
        let form = format!("{handle}.jpg");
        fs::write(club.file(&form), encode::jpeg(&Frame::filled(64, 64, [shade; 3]), 80).unwrap()).unwrap();
        let paper = ["--release", &club.file(&form), "--witness", "Wanda", "--witness", "Wim"];
        let notice = ["--notice", &club.file("members.txt"), "--photo", &club.file(portrait)];
        club.run(&[&["enrol", handle], &paper[..], &notice, &with, &["light"]].concat());
    }
    for witness in ["Wanda", "Wim"] {
        let sign = ["witness", "sign", witness, "--witness-passphrase-file", &club.file(witness)];
        club.run(&[&sign[..], &with, &["light"]].concat());
    }
    // The face of m-2 was kept as it was before: as the network's own crop.
    let (ledger, now) = open(&club);
    let keep = ledger.run_tx("keep a portrait", now, |tx| {
        let trip = tx.collections()?.into_iter().find(|c| c.name == "trip").unwrap();
        let proof = tx.active_grant_for(tx.find_subject("m-2")?.id, trip.id, &Purpose::find_my_photos())?.unwrap();
        tx.keep_portrait(&proof, &super::handout::portrait_of("m-2"))
    });
    keep.unwrap();
    drop(ledger);

    let status = club.says(&[&["gallery", "status", "trip"], &with[..], &["sface"]].concat());
    assert!(status.contains("2 people are enrolled with other models, and not counted here."), "{status}");
    let need =
        "For 1 person a new picture is needed, and no new form: assent enrol NAME --photo FILE --pack sface\n  m-2";
    let dry = club.says(&[&["gallery", "move", "--dry-run"], &with[..], &["sface"]].concat());
    assert!(dry.starts_with("1 person would move to the models sface") && dry.contains(need), "{dry}");
    let moved = club.says(&[&["gallery", "move"], &with[..], &["sface"]].concat());
    assert!(moved.starts_with("1 person moved to the models sface") && moved.contains(need), "{moved}");
    assert!(moved.contains("Next: assent scan trip --pack sface"), "{moved}");
    let again = club.run(&[&["gallery", "move"], &with[..], &["sface"]].concat());
    assert_eq!((again["moved"].as_array().unwrap().len(), again["need_picture"].as_array().unwrap().len()), (0, 1));

    let enrol = |portrait: &str| {
        let new = ["--photo", &club.file(portrait), "--notice", &club.file("members.txt")];
        club.try_run(&[&["enrol", "m-2"], &new[..], &with, &["sface"]].concat())
    };
    let refused = enrol("carl-walz.jpg");
    let said = stderr(&refused);
    assert!(!refused.status.success() && said.contains("does not look like the person who is enrolled"), "{said}");
    assert!(enrol("julie-payette.jpg").status.success());
    let done = club.says(&[&["gallery", "move"], &with[..], &["sface"]].concat());
    assert_eq!(done, "Everybody who can be found is enrolled with the models sface.\n");
    // A second picture is none that was asked for.
    let said = stderr(&enrol("julie-payette.jpg"));
    assert!(said.contains("has agreed already"), "{said}");
    let doctor = doctor(&club, &[]);
    assert!(doctor.contains("sface 2026.12") && !doctor.contains("other models"), "{doctor}");
}

/// A template of a face that is like nobody else's: numbers that are even in every direction.
fn template(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut part = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    // Four of them together are near enough to a normal distribution.
    let numbers: Vec<f32> = (0..128).map(|_| part() + part() + part() + part()).collect();
    let length = numbers.iter().map(|x| x * x).sum::<f32>().sqrt();
    numbers.iter().flat_map(|x| (x / length).to_le_bytes()).collect()
}

#[test]
fn a_gallery_of_five_thousand_templates_has_sure_answers_and_says_how_many_faces_are_missed() {
    // Of five thousand people it is the same, and takes minutes to make.
    const PEOPLE: u64 = 500;
    const EACH: u64 = 10;
    let club = club();
    let handles: Vec<String> = (0..PEOPLE).map(|i| format!("p-{i}")).collect();
    let (ledger, now) = open(&club);
    let added = ledger.run_tx("add people", now, |tx| {
        for handle in &handles {
            let (age, jurisdiction) = (Age::Adult, "FR".parse().unwrap());
            let new = NewSubject { handle, name: handle, contact: "", group: "", owner: false, age, jurisdiction };
            tx.add_subject(&new)?;
        }
        Ok(())
    });
    added.unwrap();
    drop(ledger);
    let handles: Vec<&str> = handles.iter().map(String::as_str).collect();
    agree_each(&club, &handles, 86_400_000);
    let model = ModelCard::read(&packs().join("models/sface")).unwrap().model_sha256();
    let (ledger, now) = open(&club);
    let enrolled = ledger.run_tx("enrol", now, |tx| {
        let trip = tx.collections()?.into_iter().find(|c| c.name == "trip").unwrap();
        for (i, grant) in tx.grants_in(trip.id)?.iter().enumerate() {
            let templates: Vec<Vec<u8>> = (1..=EACH).map(|n| template(i as u64 * EACH + n)).collect();
            let templates: Vec<&[u8]> = templates.iter().map(Vec::as_slice).collect();
            tx.enrol(&tx.active_grant(grant.id)?, model, &templates)?;
        }
        Ok(())
    });
    enrolled.unwrap();
    drop(ledger);
    let (packs, runtime) = (packs(), runtime());
    let with = ["--packs", packs.to_str().unwrap(), "--runtime", runtime.to_str().unwrap()];
    let status = club.run(&[&["gallery", "status", "trip"], &with[..]].concat());
    let number = |name: &str| status[name].as_f64().unwrap_or_else(|| panic!("{name}: {status}"));
    assert_eq!((number("people"), number("templates")), (500.0, 5_000.0));
    assert!(number("match_from") < 0.6 && number("expected_fnir") <= 0.21 && number("expected_fpir") <= 0.001_001);
    assert!(number("match_up_to_templates") >= 5_000.0);
    let sizes: Vec<u64> =
        status["by_size"].as_array().unwrap().iter().map(|s| s["templates"].as_u64().unwrap()).collect();
    assert_eq!(sizes, [100, 1_000, 5_000, 10_000]);
    let said = club.says(&[&["gallery", "status", "trip"], &with[..]].concat());
    assert!(said.contains("Faces of enrolled people that get no sure answer: 20 %."), "{said}");
}

#[test]
fn a_damaged_key_keeps_nobody_else_from_moving_to_another_pack() {
    let club = club();
    club.run(&["subject", "add", "m-2", "--name", "Kim", "--born", "1990-05", "--jurisdiction", "FR"]);
    agree_each(&club, &["m-1", "m-2"], 86_400_000);
    enrol(&club, "m-1", "default");
    enrol(&club, "m-2", "default");
    super::damage::flip(&club, &club.id_of("m-1"), 30);
    let (packs, runtime) = (packs(), runtime());
    let with = ["--packs", packs.to_str().unwrap(), "--runtime", runtime.to_str().unwrap(), "--pack", "sface"];
    let said = club.says(&[&["gallery", "move"], &with[..]].concat());
    assert!(said.contains("For 1 person a new picture is needed") && said.contains("\n  m-2\n"), "{said}");
    let damaged = "1 person, whose records are damaged, stays with the models before. Next: assent doctor";
    assert!(said.contains(damaged), "{said}");
}
