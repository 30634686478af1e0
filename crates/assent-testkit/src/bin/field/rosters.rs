//! Tables of people.

use std::fs;

use serde_json::Value;

use crate::program::{Case, Outcome, Sandbox, expect};

pub(crate) fn cases() -> Vec<Case> {
    let case = |name, input, run| Case { name, input, run };
    vec![
        case("a table of a German spreadsheet", "roster/semicolon-excel-de.csv", |p, i| recorded(p, i, 2)),
        case("a table of Unix", "roster/good-lf.csv", |p, i| recorded(p, i, 2)),
        case("a table with empty rows", "roster/blank-trailing-rows.csv", |p, i| recorded(p, i, 1)),
        case("witnesses with a comma between them", "roster/witness-comma.csv", |p, i| recorded(p, i, 1)),
        case("a date of Germany", "roster/date-de.csv", |p, i| recorded(p, i, 1)),
        case("a month as a spreadsheet shows it", "roster/born-excel-may90.csv", |p, i| recorded(p, i, 1)),
        // 31.07.2027 is a date, wherever it stands.
        case("another date in row 2", "roster/bad-date-in-row-2.csv", |p, i| recorded(p, i, 2)),
        case("only the columns that the handbook names first", "roster/readme-columns-only.csv", few_columns),
        case("one picture for two people", "roster/same-portrait-two-people.csv", one_picture),
        case("a date that is none, in row 2", "", bad_date),
    ]
}

/// A club with a collection, a notice, two witnesses, and the pictures and forms that the tables name.
fn club(place: &Sandbox) -> Outcome {
    let who = ["--controller", "Rowing Club", "--name", "A. Person", "--contact", "club@example.org"];
    place.ok(&[&["init"], &who[..], &["--jurisdiction", "FR"]].concat())?;
    place.ok(&["collection", "add", "regatta", &place.text("photos"), "--others", "closed-group"])?;
    let basis = ["--dpia", "file 7", "--dpia-date", "2026-11-01", "--dpia-review", "2199-10-31", "--necessity"];
    let more = ["too many photos to look through by hand", "--alternative", "the press officer looks by hand"];
    let public = ["--notice-public", "2026-11-15"];
    place.ok(&[&["collection", "basis", "regatta"], &basis[..], &more[..], &public[..]].concat())?;
    for (name, words) in
        [("First Witness", "three herons by the old lock"), ("Second Witness", "seven boats and a whistle")]
    {
        fs::write(place.path("words"), words).unwrap();
        place.ok(&["witness", "add", name, "--witness-passphrase-file", &place.text("words")])?;
    }
    fs::write(place.path("notice.txt"), "You will be looked for in our photos, if you want it.").unwrap();
    for (n, portrait) in ["kate-rubins.jpg", "chris-hadfield.jpg"].iter().enumerate() {
        let from = assent_testkit::crew().join("portraits").join(portrait);
        fs::copy(from, place.path(&format!("p{}.jpg", n + 1))).unwrap();
        fs::write(place.path(&format!("r{}.png", n + 1)), assent_testkit::release(n as u32 + 1)).unwrap();
    }
    Ok(())
}

fn import(place: &Sandbox, table: &[u8]) -> (Option<i32>, Value, String) {
    fs::write(place.path("people.csv"), table).unwrap();
    let (file, notice) = (place.text("people.csv"), place.text("notice.txt"));
    let said = place.run(&["enrol", "--roster", &file, "--notice", &notice, "--json"]);
    (said.code, said.json(), said.text)
}

fn people(place: &Sandbox) -> Result<usize, String> {
    let listed = place.ok(&["subject", "list", "--json"])?.json();
    Ok(listed["subjects"].as_array().map_or(0, Vec::len))
}

fn recorded(place: &Sandbox, input: &str, expected: usize) -> Outcome {
    club(place)?;
    let (code, answer, _) = import(place, &place.input(input));
    expect(code == Some(0) && answer["waiting"] == expected, "the people of the table were not recorded")?;
    expect(people(place)? == expected, "there are more or fewer people than rows")?;
    let (code, answer, _) = import(place, &place.input(input));
    expect(code == Some(0) && answer["done_before"] == expected, "run again, it does not pass over what is done")
}

fn few_columns(place: &Sandbox, input: &str) -> Outcome {
    club(place)?;
    let (code, _, text) = import(place, &place.input(input));
    let told = text.contains("add the column") && text.contains("jurisdiction") && people(place)? == 0;
    expect(code == Some(0) || told, "neither recorded nor told which column to add")
}

fn one_picture(place: &Sandbox, input: &str) -> Outcome {
    club(place)?;
    let (code, _, text) = import(place, &place.input(input));
    expect(code == Some(1) && text.contains("same picture"), "two people with one picture were recorded")?;
    expect(people(place)? == 0, "somebody was recorded")
}

fn bad_date(place: &Sandbox, _: &str) -> Outcome {
    club(place)?;
    let table = String::from_utf8(place.input("roster/bad-date-in-row-2.csv")).unwrap();
    let (code, answer, text) = import(place, table.replace("31.07.2027", "31.13.2027").as_bytes());
    let problem = &answer["problems"][0];
    expect(code == Some(1) && problem["row"] == 2 && problem["column"] == "expiry", "row and column are not named")?;
    expect(text.contains("nothing was recorded") && people(place)? == 0, "something was recorded")
}
