//! What a person may ask for, from the command line alone: access, erasure and its certificate, and that a backup brings
//! nobody back.

use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use zip::ZipArchive;

use super::{assent, stderr, stdout};

/// A club's vault with one member on its roster.
pub(super) struct Club {
    home: TempDir,
}

impl Club {
    pub(super) fn new() -> Self {
        let club = Self { home: tempfile::tempdir().unwrap() };
        fs::create_dir(club.file("photos")).unwrap();
        club.run(&[
            "init",
            "--name",
            "Ann",
            "--controller",
            "The Club",
            "--contact",
            "office@example.org",
            "--jurisdiction",
            "EU",
        ]);
        club.run(&["collection", "add", "trip", &club.file("photos"), "--others", "closed-group"]);
        club.run(&["subject", "add", "m-1", "--name", "Mia <Member>", "--contact", "mia@example.org"]);
        club
    }

    pub(super) fn file(&self, name: &str) -> String {
        self.home.path().join(name).to_str().unwrap().to_owned()
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    fn vault(&self) -> String {
        self.file("vault")
    }

    /// What a command answers a machine, which succeeds.
    pub(super) fn run(&self, args: &[&str]) -> Value {
        let output = self.try_run(args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        serde_json::from_str(&stdout(&output)).unwrap()
    }

    fn try_run(&self, args: &[&str]) -> std::process::Output {
        let vault = self.vault();
        assent(self.home.path(), &[&["--vault", &vault, "--json"], args].concat())
    }

    /// Why a command is refused.
    pub(super) fn refused(&self, args: &[&str]) -> String {
        let output = self.try_run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        stderr(&output)
    }

    fn subject(&self) -> String {
        self.run(&["subject", "show", "m-1"])["subject"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_person_gets_everything_in_one_file() {
    let club = Club::new();
    club.run(&["access", "m-1", "--to", &club.file("mia.zip")]);
    let answer = club.run(&["access", "m-1", "--to", &club.file("mia.zip")]);
    assert_eq!(
        (&answer["consents"], &answer["events"]),
        (&Value::from(0), &Value::from(1)),
        "that she was told before"
    );
    let mut zip = ZipArchive::new(fs::File::open(club.file("mia.zip")).unwrap()).unwrap();
    let mut read = |name: &str| {
        let mut text = String::new();
        zip.by_name(name).unwrap().read_to_string(&mut text).unwrap();
        text
    };
    let page = read("about-you.html");
    for part in ["Mia &#60;Member&#62;", "mia@example.org", "The Club", "office@example.org", "you are not looked for"]
    {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<Member>"), "what people are called is no markup");
    let object: Value = serde_json::from_str(&read("about-you.json")).unwrap();
    assert_eq!(object["subject"]["name"], "Mia <Member>");
    assert_eq!(object["events"][0]["kind"], "access answered");
    assert!(club.refused(&["access", "nobody", "--to", &club.file("x.zip")]).contains("no subject"));
    assert!(!Path::new(&club.file("x.zip")).exists());
}

#[test]
fn a_certificate_is_checked_elsewhere_and_a_backup_brings_nobody_back() {
    let club = Club::new();
    let id = club.subject();
    let (data, ring) = (club.file("backup"), club.file("safe/ring"));
    club.run(&["backup", "--to", &data, "--key-ring-to", &ring]);
    fs::write(club.file("key"), club.run(&["audit", "key"])["key"].as_str().unwrap()).unwrap();
    club.run(&["erase", "m-1", "--certificate", &club.file("certificate")]);
    club.run(&["audit", "checkpoint", "--to", &club.file("newest")]);

    // On a machine that has neither the vault nor its keys.
    let elsewhere = tempfile::tempdir().unwrap();
    let check = |certificate: &str| {
        let args = ["audit", "verify", "--json", "--certificate", certificate, "--key", &club.file("key")];
        assent(elsewhere.path(), &args)
    };
    let checked: Value = serde_json::from_str(&stdout(&check(&club.file("certificate")))).unwrap();
    assert_eq!((&checked["holds"], checked["subject"].as_str()), (&Value::from(true), Some(id.as_str())));
    fs::write(club.file("changed"), club.text("certificate").replacen("erased 2", "erased 3", 1)).unwrap();
    let changed = check(&club.file("changed"));
    assert_eq!(changed.status.code(), Some(1));
    assert!(stderr(&changed).contains("changed after it was signed"), "{}", stderr(&changed));
    let again = club.run(&["audit", "certificate", &id]);
    assert!(again["certificate"].as_str().unwrap().starts_with("assent erasure certificate v1\n"));

    fs::remove_dir_all(club.vault()).unwrap();
    // The old key ring does not count where the present one is.
    club.run(&["restore", "--from", &data, "--key-ring-from", &ring, "--checkpoint", &club.file("newest")]);
    assert_eq!(club.run(&["subject", "list"])["subjects"], Value::Array(Vec::new()));
    assert_eq!(club.run(&["audit", "verify"])["whole"], true);
    let rewritten = club.refused(&["audit", "verify", "--against", &club.file("newest")]);
    assert!(rewritten.contains("the log is not whole"), "{rewritten}");
}

#[test]
fn r45_keys_are_rotated_and_an_old_backup_takes_its_own_key_ring() {
    let club = Club::new();
    let (data, ring) = (club.file("backup"), club.file("safe/ring"));
    club.run(&["backup", "--to", &data, "--key-ring-to", &ring]);
    assert_eq!(club.run(&["rotate", "m-1"])["rotated"], 1);
    let all = club.run(&["rotate", "--all"]);
    assert_eq!((&all["rotated"], &all["kept"]), (&Value::from(1), &Value::Array(Vec::new())));
    let usage = club.try_run(&["rotate"]);
    assert_eq!(usage.status.code(), Some(2), "{}", stderr(&usage));
    let found = club.run(&["audit", "show", "--kind", "key-rotated"]);
    assert_eq!(found["entries"].as_array().unwrap().len(), 2);
    assert_eq!(club.run(&["audit", "verify"])["whole"], true);

    fs::remove_dir_all(club.vault()).unwrap();
    let refused = club.refused(&["restore", "--from", &data]);
    assert!(refused.contains("from before a rotation of keys") && refused.contains("--key-ring-from"), "{refused}");
    club.run(&["restore", "--from", &data, "--key-ring-from", &ring]);
    assert_eq!(club.run(&["subject", "show", "m-1"])["name"], "Mia <Member>");
}

#[test]
fn the_log_is_shown_filtered_proven_and_written_as_files() {
    let club = Club::new();
    club.run(&["access", "m-1", "--to", &club.file("mia.zip")]);
    let kinds = |args: &[&str]| -> Vec<String> {
        let shown = club.run(&[&["audit", "show"], args].concat());
        shown["entries"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds(&[]), ["vault created", "collection added", "access answered"]);
    assert_eq!(kinds(&["--limit", "1"]), ["access answered"]);
    assert_eq!(kinds(&["--kind", "collection-added"]), ["collection added"]);
    assert_eq!(kinds(&["--collection", "trip"]), ["collection added"]);
    assert_eq!(kinds(&["--subject", "m-1"]), ["access answered"]);
    assert_eq!(kinds(&["--until", "2020-01-01"]), [""; 0]);
    assert_eq!(club.try_run(&["audit", "show", "--kind", "nonsense"]).status.code(), Some(2));

    let key = club.run(&["audit", "key"])["key"].as_str().unwrap().to_owned();
    club.run(&["audit", "prove", "1", "--to", &club.file("proof")]);
    let proven = club.run(&["audit", "verify", "--proof", &club.file("proof"), "--key", &key]);
    assert_eq!((&proven["leaf"], proven["kind"].as_str()), (&Value::from(1), Some("collection added")));
    assert!(club.refused(&["audit", "prove", "99"]).contains("no leaf 99"));
    let ticked = club.run(&["tick", "--export", &club.file("log")]);
    assert_eq!((&ticked["log_entries"], &ticked["near"]), (&Value::from(3), &Value::from(0)));
    assert!(club.text("log/checkpoint").contains("\nerasures 0\n"));
    assert_eq!(club.run(&["due", "--all"])["deadlines"], Value::Array(Vec::new()));
}

#[test]
fn an_order_stops_the_vault_and_the_rights_go_on() {
    let club = Club::new();
    let no_reason = club.try_run(&["freeze"]);
    assert_eq!(no_reason.status.code(), Some(2), "a reason has to be given");
    let given = club.run(&["freeze", "--reason", "order 7 of the authority", "--until", "2999-01-01"]);
    let order = given["order"].as_str().unwrap();
    let listed = club.run(&["freeze", "list"]);
    assert_eq!(
        (&listed["orders"][0]["state"], listed["orders"][0]["until"].as_str()),
        (&"in force".into(), Some("2999-01-01"))
    );
    club.run(&["access", "m-1", "--to", &club.file("mia.zip")]);
    club.run(&["freeze", "lift", order]);
    assert!(club.refused(&["freeze", "lift", order]).contains("no order"));
    club.run(&["freeze", "--collection", "trip", "--reason", "a complaint"]);
    assert_eq!(club.run(&["freeze", "list"])["orders"][1]["scope"], "trip");
    club.run(&["erase", "m-1"]);
    let kinds = club.run(&["audit", "show", "--kind", "order-to-stop"]);
    assert_eq!(kinds["entries"].as_array().unwrap().len(), 2);
    assert!(!Path::new(&club.vault()).join("stop").exists());
}

#[test]
fn r60_evidence_is_checked_without_the_vault_and_no_file_of_it_can_be_changed() {
    let club = Club::new();
    fs::write(club.file("dpia.txt"), "the assessment").unwrap();
    fs::write(club.file("notice.txt"), "You will be looked for.").unwrap();
    club.run(&["notice", "add", &club.file("notice.txt")]);
    club.run(&["request", "open", "access", "--words", "what do you hold about me?"]);
    club.run(&["erase", "m-1"]);
    let file = club.file("evidence.zip");
    club.run(&["report", "evidence", "--to", &file, "--with", &club.file("dpia.txt")]);
    let key = club.run(&["audit", "key"])["key"].as_str().unwrap().to_owned();
    let register = club.run(&["report", "register"]);
    for field in ["controller", "accountable", "contact", "dpo", "representatives", "processing", "security"] {
        assert!(!register[field].is_null(), "{field}");
    }
    for field in ["purposes", "data_subjects", "categories_of_data", "recipients", "transfers", "basis"] {
        assert!(!register["processing"][0][field].is_null(), "{field}");
    }

    let elsewhere = tempfile::tempdir().unwrap();
    let verify =
        |file: &str| assent(elsewhere.path(), &["--json", "audit", "verify", "--evidence", file, "--key", &key]);
    let output = verify(&file);
    assert!(output.status.success(), "{}", stderr(&output));
    let answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&answer["certificates"], &answer["holds"]), (&Value::from(1), &Value::from(true)));

    let all = unzipped(&file);
    assert!(all.iter().all(|(_, bytes)| !contains(bytes, b"what do you hold")), "who asked what is theirs");
    for (i, (name, _)) in all.iter().enumerate() {
        let mut changed = all.clone();
        if let Some(byte) = changed[i].1.last_mut() {
            *byte ^= 1;
        }
        let mut missing = all.clone();
        missing.remove(i);
        for (what, files) in [("changed", changed), ("missing", missing)] {
            let path = elsewhere.path().join("other.zip");
            zipped(&path, &files);
            assert_eq!(verify(path.to_str().unwrap()).status.code(), Some(1), "{name} {what}");
        }
    }
    let mut more = all;
    more.push(("with/more.txt".to_owned(), b"more".to_vec()));
    let path = elsewhere.path().join("other.zip");
    zipped(&path, &more);
    assert_eq!(verify(path.to_str().unwrap()).status.code(), Some(1), "a file more");
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn unzipped(file: &str) -> Vec<(String, Vec<u8>)> {
    let mut zip = ZipArchive::new(fs::File::open(file).unwrap()).unwrap();
    (0..zip.len())
        .map(|i| {
            let mut entry = zip.by_index(i).unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.name().unwrap().into_owned(), bytes)
        })
        .collect()
}

fn zipped(path: &Path, files: &[(String, Vec<u8>)]) {
    use std::io::Write as _;
    let mut zip = zip::ZipWriter::new(fs::File::create(path).unwrap());
    for (name, bytes) in files {
        zip.start_file(name.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

#[test]
fn a_checkpoint_is_handed_to_the_command_that_sends_it() {
    let club = Club::new();
    let sent = club.file("sent");
    club.run(&["audit", "checkpoint", "--send", &format!("cat > '{sent}'")]);
    assert!(club.text("sent").starts_with("assent/"));
    assert!(club.refused(&["audit", "checkpoint", "--send", "false"]).contains("did not take the checkpoint"));
}
