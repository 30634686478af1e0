//! Consents as records and receipts. No models are needed: a consent is recorded by the ledger itself, and nobody is enrolled.

use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use assent::ledger::{
    Evidence, Ledger, NewFile, NewFiles, NewPending, NewWitnessKey, OpenError, PendingId, Purpose, Signer, Timestamp,
    Tools, Tx, TxError, VaultPlace, WitnessId, no_hook,
};
use assent::packs::sha256;
use assent::rulepacks::rulebook;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use serde_json::Value;

use super::rights::ClubFixture;
use super::{assent, database, stderr, stdout};

const NOTICE: &str = "You will be looked for in our photos, if you want it.";

/// A club whose only member was asked for two things, and said yes to one of them.
pub(super) fn club() -> ClubFixture {
    let club = ClubFixture::new();
    fs::write(club.file("members.txt"), NOTICE).unwrap();
    club.run(&["notice", "add", &club.file("members.txt"), "--language", "en-GB"]);
    let set = ["subject", "set", "m-1", "--born", "adult", "--jurisdiction", "FR"];
    club.run(&set);
    let basis = [
        "--dpia",
        "file 7",
        "--dpia-date",
        "2026-01-01",
        "--dpia-review",
        "2199-01-01",
        "--necessity",
        "too many photos",
    ];
    let more = ["--alternative", "ask the office", "--notice-public", "2026-01-01"];
    club.run(&[&["collection", "basis", "trip"], &basis[..], &more[..]].concat());
    let refuse = ["consent", "refuse", "m-1", "--collection", "trip", "--purpose", "publish-website"];
    club.run(&[&refuse[..], &["--notice", &club.file("members.txt")]].concat());
    club
}

/// The vault itself, and the real time: what the commands do next has it too.
pub(super) fn open(club: &ClubFixture) -> (Ledger, Timestamp) {
    let folder = PathBuf::from(club.vault());
    let place = VaultPlace { database: database::of(&folder), folder, ring: club.ring.clone() };
    let tools = || {
        let rules = rulebook().unwrap();
        Tools { rng: Box::new(UnwrapErr(SysRng)), hook: no_hook(), rules, secrets: Vec::new() }
    };
    #[expect(clippy::disallowed_methods, reason = "what the commands do next has the real time")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let now = Timestamp(i64::try_from(now).unwrap());
    // Another test's child holds the lock of this process between its fork and its exec; that passes.
    for _ in 0..1000 {
        match Ledger::open(&place, tools(), now) {
            Err(OpenError::Busy { .. }) => {}
            opened => return (opened.unwrap(), now),
        }
    }
    (Ledger::open(&place, tools(), now).unwrap(), now)
}

const PASSPHRASE: &[u8] = b"three herons by the old lock";

/// The member's consent to be found for so many milliseconds, as a signed form gives it.
pub(super) fn agree(club: &ClubFixture, valid_ms: i64) {
    agree_each(club, &["m-1"], valid_ms);
}

/// The same of each of these people.
pub(super) fn agree_each(club: &ClubFixture, handles: &[&str], valid_ms: i64) {
    let (ledger, now) = open(club);
    let (waiting, witnesses) = forms(&ledger, handles, Timestamp(now.0 + valid_ms), now);
    let unlocked = witnesses.iter().map(|id| ledger.unlock_witness(*id, PASSPHRASE, now).unwrap()).collect::<Vec<_>>();
    let agreed = ledger.run_tx("agree", now, |tx| {
        unlocked.iter().try_for_each(|witness| tx.sign_roster(witness, &waiting).map(drop))?;
        waiting.iter().try_for_each(|id| tx.open_pending(*id).map(drop))
    });
    agreed.unwrap();
}

/// Records the form of each of these people, which waits for two witnesses.
pub(super) fn forms(
    ledger: &Ledger,
    handles: &[&str],
    valid_until: Timestamp,
    now: Timestamp,
) -> (Vec<PendingId>, Vec<WitnessId>) {
    let key = ledger.new_witness_key(PASSPHRASE).unwrap();
    ledger.run_tx("record", now, |tx| forms_in(tx, handles, valid_until, &key)).unwrap().into_inner()
}

fn forms_in(
    tx: &Tx<'_>,
    handles: &[&str],
    valid_until: Timestamp,
    key: &NewWitnessKey,
) -> Result<(Vec<PendingId>, Vec<WitnessId>), TxError> {
    let witnesses = vec![tx.add_witness("Wanda")?, tx.add_witness("Wim")?];
    witnesses.iter().try_for_each(|witness| tx.set_witness_key(*witness, key))?;
    let collection = tx.collections()?[0].id;
    let mut waiting = Vec::new();
    for handle in handles {
        let form = format!("the form of {handle}");
        let release = NewFile { name: "form.pdf", bytes: form.as_bytes() };
        let picture = NewFile { name: "portrait.jpg", bytes: handle.as_bytes() };
        let evidence = Evidence::Paper {
            release_sha256: release.sha256(),
            witnesses: witnesses.clone(),
            signed_by: Signer::Subject,
            statement: String::new(),
            signed: None,
        };
        let new = NewPending {
            subject: tx.find_subject(handle)?.id,
            consents: &[(collection, Purpose::find_my_photos())],
            evidence: &evidence,
            notice_sha256: sha256(NOTICE.as_bytes()),
            valid_until,
            pictures: &[picture.sha256()],
            renewal: false,
        };
        waiting.push(tx.add_pending(&new, &NewFiles { pictures: &[picture], release })?);
    }
    Ok((waiting, witnesses))
}

fn member() -> ClubFixture {
    let club = club();
    agree(&club, 365 * 86_400_000);
    club
}

fn records(club: &ClubFixture) -> Vec<Value> {
    club.run(&["consent", "record", "m-1"])["records"].as_array().unwrap().clone()
}

#[test]
fn r3_records_follow_the_schema() {
    let club = member();
    let schema = include_str!("../../../../docs/formats/consent-record.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let check = |states: &[&[&str]]| {
        let all = records(&club);
        let mut found = Vec::new();
        for record in &all {
            let told: Vec<String> = validator.iter_errors(record).map(|e| e.to_string()).collect();
            assert_eq!(told, [""; 0], "{record:#}");
            let events = record["event"].as_array().unwrap();
            found.push(events.iter().map(|e| e["event_state"].as_str().unwrap()).collect::<Vec<_>>());
        }
        assert_eq!(found, states);
        all
    };
    let all = check(&[&["dpv:ConsentGiven"], &["dpv:ConsentRefused"]]);
    let given = &all[0];
    assert_eq!(
        (&given["pii_processing"]["privacy_notice"], &given["pii_processing"]["language"]),
        (&"members version 1".into(), &"en-GB".into())
    );
    assert_eq!(given["pii_processing"]["purposes"][0]["retention_period"], "P365D");
    assert_eq!(given["x_rule_pack"], "EU 2026-11");
    assert_eq!(all[1]["pii_processing"]["purposes"][0]["retention_period"], "P0D");
    let basis = |record: &Value| record["pii_processing"]["purposes"][0]["lawful_basis"].as_array().unwrap().len();
    assert_eq!((basis(given), basis(&all[1])), (2, 1), "article 9 is about templates");
    let said_no = &club.run(&["consent", "list", "m-1"])["refusals"];
    assert_eq!((said_no.as_array().unwrap().len(), &said_no[0]["purpose"]), (1, &"publish-website".into()));
    assert!(club.says(&["consent", "list", "m-1"]).contains("refused\tpublish-website\ttrip\ton "));
    club.run(&["consent", "withdraw", "m-1"]);
    check(&[&["dpv:ConsentGiven", "dpv:ConsentWithdrawn"], &["dpv:ConsentRefused"]]);

    fs::write(club.file("other.txt"), "Another text.").unwrap();
    let refuse = ["consent", "refuse", "m-1", "--collection", "trip", "--notice", &club.file("other.txt")];
    let told = club.refused(&refuse);
    assert!(told.contains("R3") && told.contains("assent notice add FILE"), "{told}");
}

#[test]
fn r3_r15_a_receipt_is_checked_elsewhere_and_an_altered_one_is_refused() {
    let club = member();
    let given = club.run(&["consent", "receipt", "m-1", "--to", &club.file("receipts")]);
    let (files, key) = (given["receipts"].as_array().unwrap(), given["key"].as_str().unwrap());
    assert_eq!(files.len(), 1, "a refusal has no receipt");
    let file = files[0].as_str().unwrap();
    let page = fs::read_to_string(file.replace(".txt", ".html")).unwrap();
    for part in ["The Club", "members version 1", "office@example.org", "finding your photos"] {
        assert!(page.contains(part), "{part}");
    }

    let elsewhere = tempfile::tempdir().unwrap();
    let verify = |file: &str| assent(elsewhere.path(), &["--json", "audit", "verify", "--receipt", file, "--key", key]);
    let checked: Value = serde_json::from_str(&stdout(&verify(file))).unwrap();
    let mut record = checked["record"].clone();
    let receipt = record.as_object_mut().unwrap().remove("receipt").unwrap();
    assert_eq!((&checked["holds"], &record), (&true.into(), &records(&club)[0]), "what is signed is the record");
    assert_eq!(receipt["schema_version"], "https://w3id.org/dpv/schema/dpv-27560#receipt-eu-gdpr");
    let hash = record["x_notice_sha256"].as_str().unwrap();
    assert_eq!(club.run(&["notice", "list"])["notices"][0]["sha256"], hash, "R15: the notice is the one that is kept");

    let text = fs::read_to_string(file).unwrap();
    for (from, to) in
        [("find-my-photos", "publish-print"), ("P365D", "P999D"), ("adult", "other"), ("log-size ", "log-size 1")]
    {
        fs::write(club.file("altered"), text.replacen(from, to, 1)).unwrap();
        let altered = verify(&club.file("altered"));
        assert_eq!(altered.status.code(), Some(1), "{from}");
        assert!(stderr(&altered).contains("this receipt does not hold"), "{from}: {}", stderr(&altered));
    }
    // What the log signed for another end is no receipt.
    club.run(&["audit", "checkpoint", "--to", &club.file("checkpoint")]);
    assert!(stderr(&verify(&club.file("checkpoint"))).contains("this receipt does not hold"));
    club.run(&["consent", "withdraw", "m-1"]);
    let none = club.says(&["consent", "receipt", "m-1", "--to", &club.file("receipts")]);
    assert_eq!(none, "no consent is in force, so there is no receipt\n");
}
