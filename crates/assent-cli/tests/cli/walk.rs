//! What people read on a way through a real vault, from its beginning to an erasure, as one transcript for each part. Dates,
//! numbers of what is drawn at random and the machine's own paths are replaced.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use assent::{Frame, encode};
use tempfile::TempDir;

use super::{command, database, plain};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Lines that say how this machine is made.
const OF_THE_MACHINE: [&str; 5] = [
    "good\tmodels: ",
    "good\tformats: ",
    "good\tdatabase: ",
    "Its tables are in the database ",
    "The system did not keep all templates",
];

/// What is typed, and what comes, part by part.
struct Walk {
    home: TempDir,
    transcript: String,
}

impl Walk {
    fn begin() -> Self {
        let walk = Self { home: tempfile::tempdir().unwrap(), transcript: String::new() };
        let crew = packs().join("photos/crew");
        fs::create_dir_all(walk.path("photos/2026")).unwrap();
        for name in ["carl-walz.jpg", "great-sandy-desert--australia.jpg"] {
            fs::copy(crew.join("photos").join(name), walk.path("photos/2026").join(name)).unwrap();
        }
        fs::copy(crew.join("portraits/carl-walz.jpg"), walk.path("portrait.jpg")).unwrap();
        let form = encode::jpeg(&Frame::filled(64, 64, [250; 3]), 80).unwrap();
        fs::write(walk.path("form.jpg"), form).unwrap();
        fs::write(walk.path("notice.txt"), "You will be looked for in our photos, if you want it.").unwrap();
        fs::write(walk.path("wanda"), "three herons by the old lock\n").unwrap();
        fs::write(walk.path("wim"), "seven boats and a tin whistle\n").unwrap();
        walk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Types a command. `HOME` in it is this walk's folder.
    fn types(&mut self, line: &str) {
        let home = self.home.path().to_str().unwrap().to_owned();
        let words: Vec<String> = words(line).iter().map(|word| word.replace("HOME", &home)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let vault = format!("{home}/vault");
        let args = database::placed(self.home.path(), &[&["--vault", &vault], words.as_slice()].concat());
        let output = command(self.home.path(), args)
            .env("ASSENT_PACKS", packs())
            .env("ASSENT_RUNTIME", runtime())
            .output()
            .unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        plain::check(&words, &out, &err);
        let code = if output.status.success() { String::new() } else { format!("[{}]\n", output.status) };
        let kept = |line: &&str| !OF_THE_MACHINE.iter().any(|start| line.starts_with(start));
        let said: Vec<&str> = out.lines().chain(err.lines()).filter(kept).collect();
        writeln!(self.transcript, "$ assent {line}\n{}\n{code}", redacted(&said.join("\n"), &home)).unwrap();
    }

    fn part(&mut self) -> String {
        std::mem::take(&mut self.transcript)
    }
}

pub(super) fn packs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/packs")
}

pub(super) fn runtime() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "a test may read its environment")]
    let named = std::env::var_os("ASSENT_RUNTIME").map(PathBuf::from);
    named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.runtime"))
}

/// The words of a line, as a shell reads them.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('"').enumerate();
    parts
        .flat_map(
            |(i, part)| {
                if i % 2 == 1 { vec![part.to_owned()] } else { part.split_whitespace().map(str::to_owned).collect() }
            },
        )
        .collect()
}

/// The text without what is another one each time.
fn redacted(text: &str, home: &str) -> String {
    let mut out = String::new();
    let text = text.replace(home, "HOME");
    let mut rest = text.as_str();
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(from.len());
        out += before;
        out += &redacted_word(&from[..end]);
        rest = &from[end..];
    }
    out += rest;
    for month in MONTHS {
        while let Some((start, end)) = long_date(&out, month) {
            out.replace_range(start..end, "DATE");
        }
    }
    out
}

fn redacted_word(word: &str) -> String {
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let parts: Vec<&str> = word.split('-').collect();
    if let [year, month, day] = parts[..]
        && (year.len(), month.len(), day.len()) == (4, 2, 2)
        && [year, month, day].iter().all(|part| digits(part))
    {
        return "DATE".to_owned();
    }
    let drawn = |part: &&str| {
        [8, 16].contains(&part.len())
            && part.chars().all(|c| c.is_ascii_hexdigit())
            && part.contains(|c: char| c.is_ascii_digit())
    };
    parts.iter().map(|part| if drawn(part) { "NUMBER" } else { part }).collect::<Vec<_>>().join("-")
}

/// Where `31 July 2027` stands.
fn long_date(text: &str, month: &str) -> Option<(usize, usize)> {
    let middle = format!(" {month} ");
    text.match_indices(&middle).find_map(|(at, _)| {
        let start = text[..at].rfind(|c: char| !c.is_ascii_digit()).map_or(0, |before| before + 1);
        let end = at + middle.len() + 4;
        let year = text.get(at + middle.len()..end)?;
        (start < at && year.chars().all(|c| c.is_ascii_digit())).then_some((start, end))
    })
}

#[test]
fn what_people_read_on_the_way_through_a_vault() {
    let mut walk = Walk::begin();
    walk.types("scan");
    walk.types("init --name Ann --controller \"The Club\" --contact office@example.org --jurisdiction EU");
    walk.types("init");
    walk.types("collection list");
    walk.types("collection add trip HOME/photos --others closed-group");
    walk.types("collection add again HOME/photos --others closed-group");
    walk.types("collection add season HOME/photos/2026 --others none");
    walk.types("scan");
    walk.types("collection remove season --yes");
    walk.types("collection list");
    walk.types("collection show trip");
    walk.types("collection basis trip");
    walk.types(
        "collection basis trip --dpia \"file 7\" --dpia-date 2026-01-01 --dpia-review 2199-01-01 --necessity \"too many photos\" --alternative \"ask the office\" --notice-public 2026-01-01",
    );
    walk.types("notice add HOME/vault/drafts/notice.txt");
    walk.types("notice add HOME/notice.txt");
    walk.types("notice list");
    walk.types("controller show");
    walk.types("doctor");
    insta::assert_snapshot!("a_vault_is_made", walk.part());

    walk.types("subject list");
    walk.types("subject add carl --name \"Carl Walz\" --born adult --jurisdiction FR --contact carl@example.org");
    walk.types("subject add carl-2 --name \"carl walz\" --born 2011-04 --jurisdiction FR --group 7b");
    walk.types("subject add ann --name \"Ann Other\"");
    walk.types("subject list");
    walk.types("subject show \"Carl Walz\"");
    walk.types("subject show carll");
    walk.types("subject show carl");
    walk.types("subject set ann --group 7b");
    walk.types("witness list");
    walk.types("witness add Wanda --witness-passphrase-file HOME/wanda");
    walk.types("witness add Wim --witness-passphrase-file HOME/wim");
    walk.types("witness list");
    let form = "--release HOME/form.jpg --notice HOME/notice.txt --expires 2199-07-31";
    walk.types(&format!("enrol carl --photo HOME/portrait.jpg --witness Wanda --witness Weim {form}"));
    walk.types(&format!("enrol carl --photo HOME/portrait.jpg --witness Wanda {form}"));
    let form = "--witness Wanda --witness Wim --release HOME/form.jpg --notice HOME/notice.txt";
    walk.types(&format!("enrol carl --photo HOME/portrait.jpg {form}"));
    walk.types(&format!("enrol carl --photo HOME/portrait.jpg {form}"));
    walk.types("consent list carl");
    walk.types("doctor");
    walk.types("witness sign Wanda --dry-run");
    walk.types("witness sign Wanda --witness-passphrase-file HOME/wim");
    walk.types("witness sign Wanda --witness-passphrase-file HOME/wanda");
    walk.types("witness sign Wim --witness-passphrase-file HOME/wim");
    walk.types("consent list carl");
    walk.types("consent receipt carl --to HOME/receipts");
    insta::assert_snapshot!("people_say_yes", walk.part());

    walk.types("find carl");
    walk.types("scan trip");
    walk.types("scan trip");
    walk.types("find carl");
    walk.types("find carl --copy-to HOME/carl --sheet HOME/carl.pdf");
    walk.types("find carl --copy-to HOME/carl --sheet HOME/carl.html");
    walk.types("find carl-2");
    walk.types("review");
    walk.types("review carl");
    walk.types("gallery status trip");
    walk.types("collection show trip");
    fs::rename(walk.path("photos"), walk.path("elsewhere")).unwrap();
    walk.types("find carl");
    walk.types("scan trip");
    walk.types("collection move trip HOME/elsewhere");
    walk.types("doctor");
    insta::assert_snapshot!("photos_are_found", walk.part());

    walk.types("request list");
    walk.types("request open access --subject carl");
    walk.types("request open search --subject carl --collection trip --album 2027/");
    walk.types("request list");
    walk.types("due");
    walk.types("due --all");
    walk.types("access carl --to HOME/portrait.jpg");
    walk.types("access carl --to HOME/carl.zip");
    walk.types("freeze --collection trip --reason \"a complaint of May\"");
    walk.types("scan trip");
    walk.types("freeze list");
    walk.types("audit verify");
    walk.types("audit show --limit 5");
    walk.types("keys check");
    walk.types("rotate carl");
    walk.types("report evidence --to HOME/evidence.zip");
    walk.types("backup --to HOME/backup --key-ring-to HOME/keys");
    walk.types("consent withdraw carl --dry-run");
    walk.types("consent withdraw carl");
    walk.types("find carl");
    walk.types("tick");
    walk.types("erase carl --dry-run");
    walk.types("erase carl");
    walk.types("erase --jurisdiction FR --dry-run");
    walk.types("erase --jurisdiction FR");
    walk.types("subject list");
    insta::assert_snapshot!("people_ask_and_leave", walk.part());
}

#[test]
fn what_is_another_one_each_time_is_replaced() {
    let check = |text: &str, expected: &str| assert_eq!(redacted(text, "/tmp/x"), expected);
    check("in /tmp/x/vault since 2026-11-27.", "in HOME/vault since DATE.");
    check("on 31 July 2027, and 1 May 2026 (a)", "on DATE, and DATE (a)");
    check("assent request show 0a1b2c3d", "assent request show NUMBER");
    check("vault-0123456789abcdef", "vault-NUMBER");
    check("42 photos in may 2026-07 effaced1x m-1", "42 photos in may 2026-07 effaced1x m-1");
}
