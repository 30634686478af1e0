//! Which models a command takes for a vault.

use assent::ledger::Purpose;
use assent::packs::ModelCard;

use super::consent::{agree_each, club, open};
use super::rights::ClubFixture;
use super::stdout;
use super::walk::{packs, runtime};

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
