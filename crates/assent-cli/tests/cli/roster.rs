//! Tables of people: read as offices write them, checked as a whole, and run again. There are no models here, so pictures
//! are looked at when an enrolment is completed.

use std::fs;

use serde_json::Value;

use super::rights::ClubFixture;
use super::witnesses::{club, length, sign};
use super::{stderr, stdout};

const HEADING: &str = "id,name,photos,release,witnesses,born,jurisdiction";

/// A club whose collection may be searched.
fn ready() -> ClubFixture {
    let club = club();
    let (dpia, public) = (["--dpia", "D-1", "--dpia-date", "2020-01-01"], ["--notice-public", "2020-01-01"]);
    let said = ["--dpia-review", "2999-01-01", "--necessity", "many photos", "--alternative", "ask the office"];
    club.run(&[&["collection", "basis", "trip"], &dpia[..], &public[..], &said[..]].concat());
    club
}

fn import(club: &ClubFixture, table: &[u8], more: &[&str]) -> std::process::Output {
    fs::write(club.file("people.csv"), table).unwrap();
    let (file, notice) = (club.file("people.csv"), club.file("notice.txt"));
    club.try_run(&[&["enrol", "--roster", &file, "--notice", &notice], more].concat())
}

fn recorded(club: &ClubFixture, table: &str) -> Value {
    let output = import(club, table.as_bytes(), &[]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    serde_json::from_str(&stdout(&output)).unwrap()
}

/// The problems of a table, and that nothing was recorded.
fn problems(club: &ClubFixture, table: &str) -> Vec<(u64, String, String)> {
    let before = length(&club.run(&["subject", "list"])["subjects"]);
    let output = import(club, table.as_bytes(), &[]);
    assert_eq!(output.status.code(), Some(1), "{table}");
    assert!(stderr(&output).contains("nothing was recorded"), "{}", stderr(&output));
    assert_eq!(length(&club.run(&["subject", "list"])["subjects"]), before, "{table}");
    let answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let told = |p: &Value| {
        let text = |key: &str| p[key].as_str().unwrap().to_owned();
        (p["row"].as_u64().unwrap(), text("column"), text("says"))
    };
    answer["problems"].as_array().unwrap().iter().map(told).collect()
}

#[test]
fn a_table_of_a_german_spreadsheet_is_recorded_as_it_is() {
    let club = ready();
    let table = "\u{feff}Nr;Nachname;Vorname;Klasse;Geburtsdatum;E-Mail;Bild;Formular;Zeugen;g\u{fc}ltig bis;Land;ja\r\n\
                 s-1;M\u{fc}ller;J\u{fc}rgen;7b;31.12.1990;jm@example.org;1.jpg;5.jpg;\"Wanda;Wim\";31.07.2027;FR;x\r\n\
                 s-2;B\u{e4}r;Anna;7b;02.02.1991;ab@example.org;2.jpg;6.jpg;\"Wanda, wim\";31.07.2027;FR;x\r\n\
                 ;;;;;;;;;;;\r\n";
    let answer = recorded(&club, table);
    assert_eq!((&answer["waiting"], &answer["enrolled"]), (&2.into(), &0.into()));
    assert!(answer["notes"][0].as_str().unwrap().contains("not used: ja"));
    let shown = club.run(&["subject", "show", "s-1"]);
    let told = ["name", "group", "contact", "age", "jurisdiction"].map(|key| shown[key].as_str().unwrap());
    assert_eq!(told, ["J\u{fc}rgen M\u{fc}ller", "7b", "jm@example.org", "1990-12", "FR"]);
    assert_eq!(club.run(&["consent", "list", "s-2"])["waiting"][0]["until"], "2027-07-31");
    assert_eq!(length(&club.run(&["subject", "list", "--group", "7B"])["subjects"]), 2);
}

#[test]
fn every_problem_of_every_row_is_told_at_once_and_nothing_is_recorded() {
    let club = ready();
    let table = format!(
        "{HEADING},expiry\n\
         s-1,Ada,1.jpg,5.jpg,Wanda;Wim,1990-05,FR,2027-07-31\n\
         s-2,Bob,2.jpg,6.jpg,Wanda;Nobody,1991-06,FR,31.13.2027\n\
         s-3,,none.jpg,8.jpg,Wanda;Wim,soon,France?,\n\
         ,Cid,3.jpg,,Wanda,1990-01,FR,\n"
    );
    let told: Vec<(u64, String)> = problems(&club, &table).into_iter().map(|(row, column, _)| (row, column)).collect();
    let expected = [
        (2, "expiry"),
        (2, "witnesses"),
        (3, "name"),
        (3, "born"),
        (3, "jurisdiction"),
        (3, "photos"),
        (4, "id"),
        (4, "release"),
    ];
    assert_eq!(told, expected.map(|(row, column)| (row, column.to_owned())));
    // The first row alone is good, and is recorded once the others are mended or gone.
    let good: Vec<&str> = table.lines().take(2).collect();
    assert_eq!(recorded(&club, &good.join("\n"))["waiting"], 1);
}

#[test]
fn what_the_rules_forbid_is_told_by_row_and_column() {
    let club = ready();
    let check = |name: &str, row: &str, column: &str, says: &str| {
        let told = problems(&club, &format!("{HEADING},signer\n{row}\n"));
        assert!(told.len() == 1 && told[0].1 == column && told[0].2.contains(says), "{name}: {told:?}");
    };
    check("a child without a parent", "s-1,Ada,1.jpg,5.jpg,Wanda;Wim,2015-05,FR,", "signer", "parent");
    check("nobody's age", "s-1,Ada,1.jpg,5.jpg,Wanda;Wim,,FR,", "born", "how old");
    check("one witness", "s-1,Ada,1.jpg,5.jpg,Wanda,1990-05,FR,", "witnesses", "two different witnesses");
    check(
        "a picture as the form",
        "s-1,Ada,1.jpg,1.jpg,Wanda;Wim,1990-05,FR,",
        "release",
        "signed form is the picture",
    );
    check("a number for an id", "deadbeef00,Ada,1.jpg,5.jpg,Wanda;Wim,1990-05,FR,", "id", "");
    check("no form", "s-1,Ada,1.jpg,notice.txt,Wanda;Wim,1990-05,FR,", "release", "");
    let columns = |table: &str| {
        let output = import(&club, table.as_bytes(), &[]);
        assert_eq!(output.status.code(), Some(1));
        stderr(&output)
    };
    let told = columns("Lfd;Bemerkung\n1;x\n");
    assert!(
        told.contains("no column for id, name, photos, release, witnesses") && told.contains("Bemerkung"),
        "{told}"
    );
    let told = columns("");
    assert!(told.contains("is empty"), "{told}");
}

#[test]
fn one_picture_and_one_form_are_of_one_person() {
    let club = ready();
    let row = |id: &str, photo: u8, form: u8| format!("{id},N {id},{photo}.jpg,{form}.jpg,Wanda;Wim,1990-05,FR\n");
    let told = problems(&club, &format!("{HEADING}\n{}{}", row("s-1", 1, 5), row("s-2", 1, 6)));
    assert!(told.len() == 1 && told[0].0 == 2 && told[0].2.contains("row 1 has the same picture"), "{told:?}");
    let told = problems(&club, &format!("{HEADING}\n{}{}", row("s-1", 1, 5), row("s-2", 2, 5)));
    assert!(told.len() == 1 && told[0].2.contains("row 1 has the same signed form"), "{told:?}");
    let told = problems(&club, &format!("{HEADING}\n{}{}", row("s-1", 1, 5), row("s-1", 2, 6)));
    assert!(told.len() == 1 && told[0].2.contains("row 1 has the same id"), "{told:?}");
    // Also in another table, and for somebody who is enrolled alone.
    assert_eq!(recorded(&club, &format!("{HEADING}\n{}", row("s-1", 1, 5)))["waiting"], 1);
    let told = problems(&club, &format!("{HEADING}\n{}", row("s-2", 1, 6)));
    assert!(told.len() == 1 && told[0].2.contains("enrol somebody else"), "{told:?}");
    let (photo, form, notice) = (club.file("1.jpg"), club.file("6.jpg"), club.file("notice.txt"));
    let alone = ["--photo", &photo, "--release", &form, "--witness", "Wanda", "--witness", "Wim", "--notice", &notice];
    let told = club.refused(&[&["enrol", "m-1"], &alone[..]].concat());
    assert!(told.contains("enrol somebody else"), "{told}");
    // An id that belongs to somebody else is no second person.
    let told = problems(&club, &format!("{HEADING}\nm-1,Moritz,2.jpg,6.jpg,Wanda;Wim,1990-05,FR\n"));
    assert!(told.len() == 1 && told[0].2.contains("another name"), "{told:?}");
}

#[test]
fn a_table_that_stopped_is_run_again_and_what_is_done_is_passed_over() {
    let club = ready();
    let rows: Vec<String> = (1..4).map(|n| format!("s-{n},N {n},{n}.jpg,{}.jpg,Wanda;Wim,1990-05,FR", n + 4)).collect();
    let table = |n: usize| format!("{HEADING}\n{}\n", rows[..n].join("\n"));
    let dry = import(&club, table(3).as_bytes(), &["--dry-run"]);
    let dry: Value = serde_json::from_str(&stdout(&dry)).unwrap();
    assert_eq!((&dry["to_record"], &dry["waiting"]), (&3.into(), &0.into()));
    assert_eq!(length(&club.run(&["subject", "list"])["subjects"]), 2, "nobody was recorded");
    assert_eq!(recorded(&club, &table(2))["waiting"], 2);
    let again = recorded(&club, &table(3));
    assert_eq!((&again["waiting"], &again["done_before"]), (&1.into(), &2.into()));
    sign(&club, "Wanda", "wanda");
    let again = recorded(&club, &table(3));
    assert_eq!((&again["waiting"], &again["done_before"]), (&0.into(), &3.into()));
    let says = stdout(&club.try_run(&["doctor"]));
    assert!(says.contains("assent witness sign") && says.contains("Wim"), "{says}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the command has the real time")]
fn a_consent_that_a_parent_signed_ends_on_the_birthday_by_itself() {
    let club = ready();
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    // Of age in half a year, under every law.
    let born = now.checked_sub(jiff::Span::new().years(18)).unwrap().checked_add(jiff::Span::new().months(6)).unwrap();
    let of_age = born.first_of_month().checked_add(jiff::Span::new().years(18).months(1)).unwrap();
    let row = format!("s-1,Kim,1.jpg,5.jpg,Wanda;Wim,{:04}-{:02},FR,both", born.year(), born.month());
    recorded(&club, &format!("{HEADING},signer\n{row}\n"));
    assert_eq!(club.run(&["consent", "list", "s-1"])["waiting"][0]["until"], of_age.to_string());
}

#[test]
fn whoever_the_table_places_nowhere_is_placed_where_the_club_is() {
    let club = ready();
    let answer = recorded(&club, "id,name,photos,release,witnesses,born\ns-1,Ada,1.jpg,5.jpg,Wanda;Wim,adult\n");
    assert_eq!(club.run(&["subject", "show", "s-1"])["jurisdiction"], "EU");
    let note = answer["notes"][0].as_str().unwrap();
    assert!(note.contains("EU is taken") && note.contains("add the column jurisdiction"), "{note}");
    let told = problems(&club, "id,name,photos,release,witnesses\ns-2,Bob,2.jpg,6.jpg,Wanda;Wim\n");
    assert!(told.len() == 1 && told[0].2.contains("add the column born"), "{told:?}");
}

#[test]
fn a_table_renews_what_people_agreed_to() {
    let club = ready();
    let purposes = "id,name,release,witnesses,purposes,born,jurisdiction\n\
                    s-1,Ada,5.jpg,Wanda;Wim,publish-website,1990-05,FR\n\
                    s-2,Bob,6.jpg,Wanda;Wim,publish-website;publish-print,1990-05,FR\n";
    assert_eq!(recorded(&club, purposes)["waiting"], 2);
    sign(&club, "Wanda", "wanda");
    sign(&club, "Wim", "wim");
    let renew = |table: &str| {
        fs::write(club.file("again.csv"), table).unwrap();
        let (file, notice) = (club.file("again.csv"), club.file("notice.txt"));
        club.try_run(&["consent", "renew", "--roster", &file, "--notice", &notice])
    };
    let output = renew("id,release,witnesses\ns-1,7.jpg,Wanda;Wim\ns-2,8.jpg,Wanda;Wim\n");
    let answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(answer["waiting"], 2, "{}", stderr(&output));
    sign(&club, "Wanda", "wanda");
    sign(&club, "Wim", "wim");
    let consents = club.run(&["consent", "list", "s-2"])["consents"].as_array().unwrap().clone();
    let states: Vec<&str> = consents.iter().map(|c| c["state"].as_str().unwrap()).collect();
    assert_eq!(states.iter().filter(|s| **s == "active").count(), 2, "{states:?}");
    assert_eq!(states.len(), 4);
    let output = renew("id,release,witnesses\nnobody,1.jpg,Wanda;Wim\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("nothing to renew"), "{}", stdout(&output));
}
