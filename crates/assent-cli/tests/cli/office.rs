//! What an office reads that has many people: what is the same in many rows once, people by name, and in one order.

use std::fs;

use super::consent;
use super::rights::ClubFixture;
use super::witnesses::club;
use super::{assent, stderr, stdout};

/// A table of people who agree to be shown on the website, which needs no picture.
fn table(club: &ClubFixture, signer: &str, handles: &[&str]) -> String {
    let row = |(i, handle): (usize, &&str)| {
        format!("{handle},Name {handle},{}.jpg,Wanda;Wim,publish-website,2015-05,EU,{signer}", i + 1)
    };
    let rows: Vec<String> = handles.iter().enumerate().map(row).collect();
    let text = format!("id,name,release,witnesses,purposes,born,jurisdiction,signer\n{}\n", rows.join("\n"));
    fs::write(club.file("people.csv"), text).unwrap();
    club.file("people.csv")
}

fn enrol(club: &ClubFixture, who: &str, form: &str) -> Vec<String> {
    let (form, notice) = (club.file(form), club.file("notice.txt"));
    ["enrol", who, "--purpose", "publish-print", "--release", &form, "--witness", "Wanda", "--witness", "Wim"]
        .into_iter()
        .chain(["--notice", &notice])
        .map(str::to_owned)
        .collect()
}

#[test]
fn what_is_wrong_in_many_rows_is_told_once() {
    let club = club();
    let people = ["s-1", "s-2", "s-3", "s-4", "s-5"];
    let (file, notice, vault) = (table(&club, "", &people), club.file("notice.txt"), club.vault());
    let import = || assent(club.home(), &["--vault", &vault, "enrol", "--roster", &file, "--notice", &notice]);
    let output = import();
    let (told, error) = (stdout(&output), stderr(&output));
    assert!(told.starts_with("5 rows (1-5), column signer: below 18 years"), "{told}");
    assert_eq!(told.matches("below 18 years").count(), 1, "{told}");
    assert!(error.contains("5 problems in the table"), "{error}");
    // What is wrong in a few rows is told of each, with who it is.
    let mended = fs::read_to_string(&file).unwrap().replace("EU,\n", "EU,beide\n");
    fs::write(&file, mended.replacen("EU,beide", "EU,", 1).replacen("s-4,Name s-4", "s-4,", 1)).unwrap();
    let told = stdout(&import());
    assert!(
        told.contains("row 1 (s-1), column signer: below 18") && told.contains("row 4 (s-4), column name"),
        "{told}"
    );
}

#[test]
fn witnesses_read_what_they_sign_in_the_order_of_the_list() {
    let club = club();
    let file = table(&club, "both", &["s-4", "s-1", "s-6", "s-3", "s-5", "s-2"]);
    club.run(&["enrol", "--roster", &file, "--notice", &club.file("notice.txt")]);
    let told = club.says(&["witness", "sign", "Wanda", "--dry-run"]);
    let handles: Vec<&str> = told.lines().filter_map(|line| line.split_once('\t')).map(|(handle, _)| handle).collect();
    assert_eq!(handles, ["s-1", "s-2", "s-3", "s-4", "s-5", "s-6"], "{told}");
}

#[test]
fn whoever_waits_or_said_no_is_shown_as_that() {
    let club = club();
    let args = |form: &str| enrol(&club, "m-1", form);
    let says = |args: &[String]| club.says(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(!says(&args("1.jpg")).contains("said no"));
    let shown = club.says(&["subject", "show", "m-1"]);
    assert!(shown.contains("waits for its witnesses: assent witness sign NAME"), "{shown}");
    let withdrawn = club.says(&["consent", "withdraw", "m-1"]);
    assert_eq!(withdrawn, "Gave up 1 enrolment that waited for witnesses.\n");

    let no = ["consent", "refuse", "m-1", "--collection", "trip", "--purpose", "publish-print"];
    club.run(&[&no[..], &["--notice", &club.file("notice.txt")]].concat());
    let shown = club.says(&["subject", "show", "m-1"]);
    assert!(shown.contains("said no\tpublish-print\ttrip\ton "), "{shown}");
    let told = says(&args("2.jpg"));
    assert!(told.contains("m-1 said no to this on ") && told.contains("Recorded for m-1"), "{told}");
}

#[test]
fn what_was_stated_about_a_collection_can_be_read_again() {
    let club = club();
    assert!(!club.says(&["collection", "show", "trip"]).contains("made on"));
    let said = ["--necessity", "many photos", "--alternative", "ask the office", "--notice-public", "2020-02-01"];
    let dpia = ["--dpia", "D-1", "--dpia-date", "2020-01-01", "--dpia-review", "2999-01-01"];
    club.run(&[&["collection", "basis", "trip"], &said[..], &dpia[..]].concat());
    let shown = club.says(&["collection", "show", "trip"]);
    for line in [
        "impact assessment: D-1, made on 1 January 2020, to be reviewed by 1 January 2999",
        "why nothing less intrusive would do: many photos",
        "without biometrics: ask the office",
        "public notice since 1 February 2020",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
}

#[test]
fn deadlines_name_people() {
    let club = club();
    club.run(&["request", "open", "access", "--subject", "m-1", "--received", "2026-01-01"]);
    let due = club.says(&["due"]);
    assert!(due.contains("access by Mia <Member> (m-1): assent request show "), "{due}");
}

#[test]
fn a_vault_at_a_place_of_its_own_says_how_to_name_it_once() {
    let home = tempfile::tempdir().unwrap();
    let place = home.path().join("my club");
    let init =
        |args: &[&str]| stdout(&assent(home.path(), &[args, &["init", "--household", "--name", "Ann"]].concat()));
    let told = init(&["--vault", place.to_str().unwrap()]);
    assert!(told.contains("export ASSENT_VAULT='/") && told.contains("/my club'\n"), "{told}");
    assert!(!init(&[]).contains("ASSENT_VAULT"), "at the usual place it need not be named");
}

#[test]
fn many_without_a_photo_for_one_reason_are_told_together() {
    let club = club();
    for handle in ["s-1", "s-2", "s-3"] {
        club.run(&["subject", "add", handle, "--name", "Sam"]);
    }
    let told = club.says(&["find", "--all", "--copy-to", &club.file("out")]);
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("no photo for 5 people. trip: "), "{told}");
    assert_eq!(lines[1], "  Mia <Member> (m-1), Max (m-2), Sam (s-1), Sam (s-2), Sam (s-3)");
    assert_eq!(told.matches("no photo for").count(), 1, "{told}");
}

#[test]
fn whose_permission_ended_is_told_the_day_when_a_class_agrees_again() {
    let club = consent::club();
    consent::agree(&club, 1);
    club.run(&["tick"]);
    fs::write(club.file("again.csv"), "id,release,witnesses\nm-1,1.pdf,Wanda;Wim\n").unwrap();
    fs::write(club.file("told.txt"), "You are looked for again.").unwrap();
    let renew = ["consent", "renew", "--roster", &club.file("again.csv"), "--notice", &club.file("told.txt")];
    let told = stdout(&club.try_run(&renew));
    assert!(told.contains("this person's permission ended on ") && told.contains("recorded by enrolling"), "{told}");
}

#[test]
fn of_whom_nobody_said_where_they_live_that_is_asked_first() {
    let club = club();
    club.run(&["subject", "add", "k-2", "--name", "Kim", "--born", "adult"]);
    let args = enrol(&club, "k-2", "1.jpg");
    let told = club.refused(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let (asked, cure) =
        (told.find("where does this person live?"), told.find("assent subject set NAME --jurisdiction"));
    assert!(asked.is_some() && asked < cure && cure < told.find("a representative there"), "{told}");
}
