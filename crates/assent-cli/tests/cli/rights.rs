//! What a person may ask for, from the command line alone: access, erasure and its certificate, and that a backup brings
//! nobody back.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use zip::ZipArchive;

use super::{assent, stderr, stdout};

/// A club's vault with one member on its roster.
pub(super) struct ClubFixture {
    home: TempDir,
    /// The key ring's file.
    pub(super) ring: PathBuf,
}

impl ClubFixture {
    pub(super) fn new() -> Self {
        let mut club = Self { home: tempfile::tempdir().unwrap(), ring: PathBuf::new() };
        fs::create_dir(club.file("photos")).unwrap();
        let who = ["--name", "Ann", "--controller", "The Club", "--contact", "office@example.org"];
        let made = club.run(&[&["init"], &who[..], &["--jurisdiction", "EU"]].concat());
        club.ring = made["key_ring"].as_str().unwrap().into();
        club.run(&["collection", "add", "trip", &club.file("photos"), "--others", "closed-group"]);
        club.run(&["subject", "add", "m-1", "--name", "Mia <Member>", "--contact", "mia@example.org"]);
        club
    }

    /// A household's vault; its owner is called `m-1`.
    pub(super) fn household() -> Self {
        let mut club = Self { home: tempfile::tempdir().unwrap(), ring: PathBuf::new() };
        fs::create_dir(club.file("photos")).unwrap();
        club.ring = club.run(&["init", "--household", "--name", "m-1"])["key_ring"].as_str().unwrap().into();
        club
    }

    /// The home folder of whoever runs the program.
    pub(super) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(super) fn file(&self, name: &str) -> String {
        self.home.path().join(name).to_str().unwrap().to_owned()
    }

    pub(super) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    pub(super) fn vault(&self) -> String {
        self.file("vault")
    }

    /// What a command answers a machine, which succeeds.
    pub(super) fn run(&self, args: &[&str]) -> Value {
        let output = self.try_run(args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        serde_json::from_str(&stdout(&output)).unwrap()
    }

    /// What a command answers a person, if it succeeds.
    pub(super) fn says(&self, args: &[&str]) -> String {
        let vault = self.vault();
        let output = assent(self.home.path(), &[&["--vault", &vault], args].concat());
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        stdout(&output)
    }

    pub(crate) fn try_run(&self, args: &[&str]) -> std::process::Output {
        let vault = self.vault();
        let run = || assent(self.home.path(), &[&["--vault", &vault, "--json"], args].concat());
        // As where the vault is opened: a child of another test holds its lock for a moment.
        let busy = |output: &std::process::Output| stderr(output).contains("working on the vault");
        (0..100).map(|_| run()).find(|output| !busy(output)).unwrap_or_else(run)
    }

    /// Why a command is refused.
    pub(super) fn refused(&self, args: &[&str]) -> String {
        let output = self.try_run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        stderr(&output)
    }

    fn subject(&self) -> String {
        self.id_of("m-1")
    }

    pub(super) fn id_of(&self, handle: &str) -> String {
        self.run(&["subject", "show", handle])["subject"].as_str().unwrap().to_owned()
    }

    /// How many entries of a kind the log has.
    pub(super) fn logged(&self, kind: &str) -> usize {
        self.run(&["audit", "show", "--kind", kind])["entries"].as_array().unwrap().len()
    }
}

#[test]
fn a_person_gets_everything_in_one_file() {
    let club = ClubFixture::new();
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
    assert_eq!(object["events"][0]["asked_by"]["role"], "operator");
    assert!(
        club.refused(&["access", "nobody", "--to", &club.file("x.zip")]).contains("nobody here is called 'nobody'")
    );
    assert!(!Path::new(&club.file("x.zip")).exists());
}

#[test]
fn a_certificate_is_checked_elsewhere_and_a_backup_brings_nobody_back() {
    let club = ClubFixture::new();
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
    let restored = club.run(&["audit", "show", "--kind", "vault-restored"]);
    assert_eq!(restored["entries"][0]["asked_by"]["role"], "operator");
    assert_eq!(club.run(&["subject", "list"])["subjects"], Value::Array(Vec::new()));
    assert_eq!(club.run(&["audit", "verify"])["whole"], true);
    let lost = club.says(&["audit", "verify", "--against", &club.file("newest")]);
    assert!(lost.contains("restored from a backup after this checkpoint was signed"), "{lost}");
    assert!(lost.contains("names this checkpoint as the newest"), "{lost}");
    // Whoever has the keys from before learns those of the log that goes on.
    fs::write(club.file("list"), club.run(&["audit", "key", "--list"])["keys"].as_str().unwrap()).unwrap();
    let size = club.run(&["audit", "verify"])["log_entries"].as_u64().unwrap();
    club.run(&["audit", "checkpoint", "--to", &club.file("since")]);
    club.run(&["subject", "add", "m-7", "--name", "Max"]);
    club.run(&["freeze", "--reason", "a test"]);
    club.run(&["audit", "prove", "--since", &size.to_string(), "--to", &club.file("grown")]);
    let grown = [
        "audit",
        "verify",
        "--checkpoint",
        &club.file("since"),
        "--grown",
        &club.file("grown"),
        "--key",
        &club.file("key"),
    ];
    assert!(club.refused(&grown).contains("not signed with a key"));
    let learned = club.says(&[grown.as_slice(), &["--keys", &club.file("list")]].concat());
    assert!(learned.contains("The log only grew"), "{learned}");
}

#[test]
fn r45_keys_are_rotated_and_an_old_backup_takes_its_own_key_ring() {
    let club = ClubFixture::new();
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
    let club = ClubFixture::new();
    club.run(&["access", "m-1", "--to", &club.file("mia.zip")]);
    let kinds = |args: &[&str]| -> Vec<String> {
        let shown = club.run(&[&["audit", "show"], args].concat());
        shown["entries"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds(&[]), ["vault created", "collection added", "access answered"]);
    let shown = club.run(&["audit", "show"]);
    let asked: Vec<&Value> = shown["entries"].as_array().unwrap().iter().map(|e| &e["asked_by"]).collect();
    let operator = json!({ "role": "operator", "via": "terminal", "account": null });
    assert_eq!(asked, [&operator; 3], "whoever types a command is the operator, at a terminal");
    assert!(club.says(&["audit", "show"]).lines().all(|line| line.ends_with("the operator")));
    assert_eq!(kinds(&["--limit", "1"]), ["access answered"]);
    assert_eq!(kinds(&["--kind", "collection-added"]), ["collection added"]);
    assert_eq!(kinds(&["--collection", "trip"]), ["collection added"]);
    assert_eq!(kinds(&["--subject", "m-1"]), ["access answered"]);
    assert_eq!(kinds(&["--until", "2020-01-01"]), [""; 0]);
    assert_eq!(club.try_run(&["audit", "show", "--kind", "nonsense"]).status.code(), Some(2));

    let key = club.run(&["audit", "key"])["key"].as_str().unwrap().to_owned();
    club.run(&["audit", "prove", "1", "--to", &club.file("proof")]);
    let proven = club.run(&["audit", "verify", "--proof", &club.file("proof"), "--key", &key]);
    assert_eq!((&proven["position"], proven["kind"].as_str()), (&Value::from(1), Some("collection added")));
    assert!(club.refused(&["audit", "prove", "99"]).contains("no leaf 99"));
    let ticked = club.run(&["tick", "--export", &club.file("log")]);
    assert_eq!((&ticked["log_entries"], &ticked["near"]), (&Value::from(3), &Value::from(0)));
    assert!(club.text("log/checkpoint").contains("\nerasures 0\n"));
    assert_eq!(club.run(&["due", "--all"])["deadlines"], Value::Array(Vec::new()));
}

#[test]
fn an_order_stops_the_vault_and_the_rights_go_on() {
    let club = ClubFixture::new();
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
    assert!(club.refused(&["freeze", "lift", order]).contains("not in force"));
    club.run(&["freeze", "--collection", "trip", "--reason", "a complaint"]);
    assert_eq!(club.run(&["freeze", "list"])["orders"][1]["scope"], "trip");
    club.run(&["erase", "m-1"]);
    let kinds = club.run(&["audit", "show", "--kind", "order-to-stop"]);
    assert_eq!(kinds["entries"].as_array().unwrap().len(), 2);
    assert!(!Path::new(&club.vault()).join("stop").exists());
}

#[test]
fn r60_evidence_is_checked_without_the_vault_and_no_file_of_it_can_be_changed() {
    let club = ClubFixture::new();
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

pub(super) fn unzipped(file: &str) -> Vec<(String, Vec<u8>)> {
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

pub(super) fn zipped(path: &Path, files: &[(String, Vec<u8>)]) {
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
    let club = ClubFixture::new();
    let sent = club.file("sent");
    club.run(&["audit", "checkpoint", "--send", &format!("cat > '{sent}'")]);
    assert!(club.text("sent").starts_with("assent/"));
    assert!(club.refused(&["audit", "checkpoint", "--send", "false"]).contains("did not take the checkpoint"));
}

#[test]
fn r30_somebody_who_is_not_on_the_roster_asks_and_is_answered() {
    let club = ClubFixture::new();
    let roster = club.says(&["subject", "list"]);
    let words = "Nora Guest, nora@example.org: am I in your photos?";
    let opened = club.run(&["request", "open", "access", "--words", words]);
    let id = opened["request"].as_str().unwrap();
    assert_eq!((&opened["state"], &opened["subject"], &opened["words"]), (&"open".into(), &Value::Null, &words.into()));
    assert_eq!(club.run(&["due"])["deadlines"], Value::Array(Vec::new()), "a month is not near its end");
    let due = &club.run(&["due", "--all"])["deadlines"][0];
    assert_eq!((&due["what"], &due["id"], &due["until"]), (&"request".into(), &id.into(), &opened["due"]));
    let shown = club.says(&["request", "show", id]);
    assert!(
        shown.contains(words) && shown.contains(&format!("assent request answer {} nothing-held", &id[..8])),
        "{shown}"
    );

    // Another one came in almost a month ago.
    let day = |back: i64| {
        let today: jiff::civil::Date = opened["received"].as_str().unwrap().parse().unwrap();
        today.checked_sub(jiff::Span::new().days(back)).unwrap().to_string()
    };
    let old = club.run(&["request", "open", "erase", "--received", &day(27)]);
    let near = club.run(&["due"])["deadlines"].as_array().unwrap().clone();
    assert_eq!((near.len(), &near[0]["passed"], &near[0]["id"]), (1, &"over 80 %".into(), &old["request"]));
    let overdue = club.run(&["request", "open", "object", "--received", &day(40)]);
    assert!(overdue["state"].as_str().unwrap().starts_with("overdue by "), "{overdue}");
    let listed = club.says(&["request", "list"]);
    let kinds: Vec<&str> = listed.lines().map(|line| line.split('\t').nth(1).unwrap()).collect();
    assert_eq!(kinds, ["object", "erase", "access"], "the most urgent first");

    let answered = club.run(&["request", "answer", id, "nothing-held"]);
    assert_eq!((&answered["outcome"], &answered["answered"]), (&"nothing-held".into(), &opened["received"]));
    let known = |args: &[&str]| club.run(args)["requests"].as_array().unwrap().len();
    assert_eq!((known(&["request", "list"]), known(&["request", "list", "--all"])), (2, 3));
    assert!(club.refused(&["request", "answer", id, "granted"]).contains("was answered already"));
    assert_eq!((club.logged("request-received"), club.logged("request-handled")), (3, 1));
    assert!(club.refused(&["request", "show", "x"]).contains("`assent request list --all` shows the numbers"));
    assert_eq!(club.says(&["subject", "list"]), roster, "who only asks is not put on the roster");
    for args in [&["request", "open", "money"][..], &["request", "answer", id, "later"]] {
        assert_eq!(club.try_run(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn r34_what_is_held_is_put_right_and_restricted() {
    let club = ClubFixture::new();
    let set = ["subject", "set", "m-1", "--name", "Mia Member", "--born", "2001-04", "--jurisdiction", "uk"];
    club.run(&set);
    let shown = club.run(&["subject", "show", "m-1"]);
    let told = |key: &str| shown[key].as_str().unwrap_or("-").to_owned();
    assert_eq!([told("name"), told("age"), told("jurisdiction")], ["Mia Member", "2001-04", "UK"]);
    assert_eq!([told("contact"), told("restricted")], ["mia@example.org", "-"], "what is not named stays");

    let says = club.says(&["subject", "restrict", "m-1"]);
    assert!(says.contains("nobody finds them"), "{says}");
    assert!(club.says(&["subject", "show", "m-1"]).contains("restricted since "));
    club.run(&["access", "m-1", "--to", &club.file("mia.zip")]);
    club.run(&["subject", "restrict", "m-1", "--lift"]);
    assert!(!club.says(&["subject", "show", "m-1"]).contains("restricted"));
    assert_eq!((club.logged("record-rectified"), club.logged("restriction")), (1, 2));
    assert_eq!(club.try_run(&["subject", "set", "m-1", "--born", "soon"]).status.code(), Some(2));
}

#[test]
fn r35_everybody_of_a_jurisdiction_is_erased_and_the_others_stay() {
    let club = ClubFixture::new();
    for (handle, code) in [("m-2", "UK"), ("m-3", "FR")] {
        club.run(&["subject", "add", handle, "--name", handle, "--jurisdiction", code]);
    }
    let others = || {
        ["m-1", "m-3"].map(|handle| (club.says(&["subject", "show", handle]), club.run(&["subject", "show", handle])))
    };
    let (before, id) = (others(), club.id_of("m-2"));
    let would = club.run(&["erase", "--jurisdiction", "UK", "--dry-run"]);
    assert_eq!(would["subjects"], Value::from(vec![id.as_str()]));
    assert_eq!(club.run(&["subject", "count"])["jurisdictions"]["UK"], 1, "nothing was erased yet");

    let key = club.run(&["audit", "key"])["key"].as_str().unwrap().to_owned();
    let done = club.run(&["erase", "--jurisdiction", "UK", "--certificates", &club.file("certificates")]);
    assert_eq!(done["subjects"], Value::from(vec![id.as_str()]));
    let counted = club.run(&["subject", "count"]);
    assert_eq!((&counted["jurisdictions"]["UK"], &counted["total"]), (&Value::Null, &Value::from(2)));
    assert_eq!(others(), before);

    let elsewhere = tempfile::tempdir().unwrap();
    let verify =
        |what: &str, path: &str| assent(elsewhere.path(), &["audit", "verify", "--json", what, path, "--key", &key]);
    let (folder, certificate) = (club.file("certificates"), club.file(&format!("certificates/{id}.txt")));
    let checked: Value = serde_json::from_str(&stdout(&verify("--certificate", &certificate))).unwrap();
    assert_eq!((&checked["holds"], &checked["subject"]), (&Value::from(true), &id.as_str().into()));
    let listed: Value = serde_json::from_str(&stdout(&verify("--certificates", &folder))).unwrap();
    assert_eq!((&listed["holds"], &listed["subjects"]), (&Value::from(true), &Value::from(vec![id.as_str()])));
    let refused = |path: &str| stderr(&verify("--certificates", path));
    fs::remove_file(&certificate).unwrap();
    assert!(refused(&folder).contains(&format!("{id}.txt")), "everybody on the list has a certificate");
    let list = club.text("certificates/list.txt");
    fs::write(club.file("certificates/list.txt"), list.replacen(&format!("subject {id}\n"), "", 1)).unwrap();
    assert!(refused(&folder).contains("this list of erasures does not hold"), "{}", refused(&folder));

    // Of the Union are its member states, and nobody of whom it is not known.
    let union = club.run(&["erase", "--jurisdiction", "EU", "--dry-run"]);
    assert_eq!(union["subjects"], Value::from(vec![club.id_of("m-3")]));
    let nobody = club.says(&["erase", "--jurisdiction", "UK"]);
    assert!(nobody.contains("Nobody"), "{nobody}");
}

#[test]
fn r38_everything_under_a_jurisdiction_is_stopped_and_the_rights_go_on() {
    let club = ClubFixture::new();
    club.run(&["subject", "set", "m-1", "--jurisdiction", "UK"]);
    let says = club.says(&["freeze", "--jurisdiction", "UK", "--reason", "order 9"]);
    assert!(says.contains("searched or enrolled under UK.") && says.contains("assent freeze lift "), "{says}");
    let order = &club.run(&["freeze", "list"])["orders"][0];
    assert_eq!((&order["scope"], &order["state"]), (&"everything under UK".into(), &"in force".into()));
    club.run(&["access", "m-1", "--to", &club.file("mia.zip")]);
    club.run(&["request", "open", "erase", "--subject", "m-1"]);
    club.run(&["freeze", "lift", order["order"].as_str().unwrap()]);
    assert_eq!(club.run(&["freeze", "list"])["orders"][0]["state"], "lifted");
    let both = ["freeze", "--jurisdiction", "UK", "--collection", "trip", "--reason", "r"];
    assert_eq!(club.try_run(&both).status.code(), Some(2));
}

#[test]
fn r18_r19_who_answers_is_named_and_represented() {
    let club = ClubFixture::new();
    let set =
        ["controller", "set", "--name", "Bea", "--dpo", "Dee", "--representative", "UK=Rob, 1 High Street, London"];
    let now = club.run(&set);
    assert_eq!(
        (&now["accountable"], &now["dpo"], &now["controller"]),
        (&"Bea".into(), &"Dee".into(), &"The Club".into())
    );
    assert_eq!(now["representatives"]["UK"], "Rob, 1 High Street, London");
    let shown = club.says(&["controller", "show"]);
    assert!(shown.contains("represented under UK by Rob, 1 High Street, London"), "{shown}");
    assert_eq!(club.logged("controller-changed"), 1);
    for form in ["UK", "UK=", "UK= ", "XX=Rob", "US-TX=Rob"] {
        let told = club.refused(&["controller", "set", "--representative", form]);
        assert!(told.contains("a representative is written as EU=NAME, ADDRESS"), "{form}: {told}");
    }
    // Nobody is no answer.
    for flag in ["--controller", "--name", "--contact"] {
        let told = club.refused(&["controller", "set", flag, " "]);
        assert!(told.contains(flag), "{told}");
    }
    assert_eq!(club.logged("controller-changed"), 1);
    let other = club.file("other");
    let init = [
        "--json",
        "--vault",
        &other,
        "init",
        "--controller",
        "C",
        "--name",
        "",
        "--contact",
        "c",
        "--jurisdiction",
        "EU",
    ];
    let nobody = assent(club.home.path(), &init);
    assert!(nobody.status.code() == Some(1) && stderr(&nobody).contains("--name"), "{}", stderr(&nobody));
}

#[test]
fn r17_a_collection_is_locked_until_everything_is_there() {
    let club = ClubFixture::new();
    let words = |all: &Value| -> Vec<String> {
        all.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    };
    let basis = |args: &[&str]| club.run(&[&["collection", "basis", "trip"], args].concat());
    let locks = |args: &[&str]| words(&basis(args)["locks"]);
    assert_eq!(words(&basis(&[])["requirements"]), ["R17", "R6", "R6", "R16"]);
    let all = locks(&[]);
    for lock in &all {
        assert!(lock.contains("EU 2026-11 asks for it") && lock.contains("assent collection basis trip --"), "{lock}");
    }
    let shown = club.says(&["collection", "show", "trip"]);
    assert_eq!(shown.matches("faces are not compared: ").count(), 4, "{shown}");

    let dpia = |made, review| ["--dpia", "file 7", "--dpia-date", made, "--dpia-review", review];
    assert_eq!(locks(&["--necessity", "there are too many to look through"]).len(), 3);
    assert_eq!(locks(&["--alternative", "ask at the office"]).len(), 2);
    assert_eq!(locks(&["--notice-public", "2026-01-01"]).len(), 1);
    let overdue = locks(&dpia("2025-01-01", "2026-01-01"));
    assert!(overdue.len() == 1 && overdue[0].contains("overdue since 2026-01-01"), "{overdue:?}");
    let says = club.says(&[&["collection", "basis", "trip"][..], &dpia("2026-01-01", "2999-01-01")].concat());
    assert_eq!(says, "trip: every required field is filled in. Whether it is lawful is for you to judge.\n");
    assert!(!club.says(&["collection", "show", "trip"]).contains("not compared"));

    // Another law asks for more.
    let more = locks(&["--jurisdiction", "unknown"]);
    assert!(more.len() == 1 && more[0].contains("assent controller set --retention-policy-public"), "{more:?}");
    club.run(&["controller", "set", "--retention-policy-public", "2026-01-01"]);
    assert_eq!(locks(&[]), [""; 0]);

    let refused = club.refused(&[&["collection", "basis", "trip"][..], &dpia("2026-01-01", "2025-01-01")].concat());
    assert!(refused.contains("review"), "{refused}");
    assert!(club.refused(&["collection", "basis", "trip", "--necessity", " "]).contains("in words"));
    assert!(
        club.refused(&["collection", "basis", "trip", "--necessity", "x"]).contains("in words"),
        "a letter is no reason"
    );
    assert_eq!(club.try_run(&["collection", "basis", "trip", "--dpia", "file 8"]).status.code(), Some(2));
}

#[test]
fn r15_r17_an_organisation_gets_drafts_with_its_name() {
    let club = ClubFixture::new();
    for (name, parts) in [
        ("notice.txt", &["The Club holds photos", "office@example.org", "Accountable: Ann."][..]),
        ("release.html", &["I have read the notice of <bdi>The Club</bdi>", "Two witnesses"]),
        ("dpia.md", &["- Controller: The Club, office@example.org", "EU 2026-11", "assent collection basis"]),
    ] {
        let draft = club.text(&format!("vault/drafts/{name}"));
        for part in parts {
            assert!(draft.contains(part), "{name}: {part}: {draft}");
        }
    }
    let home = club.file("home");
    let made = assent(club.home.path(), &["--vault", &home, "--json", "init", "--household", "--name", "Ann"]);
    assert!(made.status.success(), "{}", stderr(&made));
    // At home nobody gives a notice; the others sign a form, which one witness saw.
    let drafts = Path::new(&home).join("drafts");
    assert_eq!(fs::read_dir(&drafts).unwrap().count(), 1);
    let form = fs::read_to_string(drafts.join("release.html")).unwrap();
    assert!(
        form.contains("I want <bdi>Ann</bdi> to have a program look") && form.contains("Witness: name and signature"),
        "{form}"
    );
    assert!(!form.contains("Two witnesses") && !form.contains("notice"), "{form}");
}
