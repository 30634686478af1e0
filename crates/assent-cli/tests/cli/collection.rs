//! A collection lies elsewhere, and comes to its end.

use std::fs;

use super::consent::{agree, club as agreed};
use super::rights::ClubFixture;
use super::{assent, stderr, stdout};

#[test]
fn a_collection_is_removed_after_it_was_said_what_goes_with_it() {
    let club = ClubFixture::new();
    let dry = club.run(&["collection", "remove", "trip", "--dry-run"]);
    assert_eq!((dry["dry_run"].as_bool(), dry["photos"].as_u64()), (Some(true), Some(0)));
    let says = club.says(&["collection", "remove", "trip", "--dry-run"]);
    assert!(says.contains("trip: 0 photos with 0 faces") && says.contains("Nothing was removed."), "{says}");
    assert_eq!(club.run(&["collection", "list"])["collections"].as_array().unwrap().len(), 1);

    club.run(&["request", "open", "access", "--subject", "m-1", "--collection", "trip"]);
    let refused = club.refused(&["collection", "remove", "trip", "--yes"]);
    assert!(refused.contains("is not answered yet") && refused.contains("assent request list"), "{refused}");
    let request = club.run(&["request", "list"])["requests"][0]["request"].as_str().unwrap().to_owned();
    club.run(&["request", "answer", &request, "granted"]);

    let removed = club.run(&["collection", "remove", "trip", "--yes"]);
    assert_eq!(removed["dry_run"].as_bool(), Some(false));
    assert!(club.run(&["collection", "list"])["collections"].as_array().unwrap().is_empty());
    assert!(club.refused(&["collection", "show", "trip"]).contains("no collection named 'trip'"));
    let asked = club.run(&["request", "list", "--all"]);
    assert_eq!(asked["requests"][0]["collection"].as_str(), Some("trip"), "what is over has its name still");
    let leaves = club.run(&["audit", "show", "--kind", "collection-removed"]);
    assert_eq!(leaves["entries"].as_array().unwrap().len(), 1, "{leaves}");
    club.run(&["collection", "add", "trip", &club.file("photos"), "--others", "closed-group"]);
}

#[test]
fn a_collection_that_lies_elsewhere_is_told_so() {
    let club = ClubFixture::new();
    fs::create_dir(club.file("elsewhere")).unwrap();
    let says = club.says(&["collection", "move", "trip", &club.file("elsewhere")]);
    assert!(says.contains("trip lies in") && says.contains("Next: assent scan trip"), "{says}");
    let shown = club.run(&["collection", "show", "trip"]);
    assert!(
        shown["folder"].as_str().unwrap().ends_with("elsewhere") && shown["missing"].as_u64() == Some(0),
        "{shown}"
    );
    assert!(club.refused(&["collection", "move", "trip", "https://example.org/a"]).contains("never from the web"));
    assert!(club.refused(&["collection", "move", "trip", "/no/such/folder"]).contains("cannot read the folder"));
    assert_eq!(club.says(&["collection", "forget-missing", "trip"]), "No photo of trip is missing.\n");
}

#[test]
fn a_collection_that_is_searched_on_request_lacks_nothing() {
    let club = ClubFixture::new();
    fs::create_dir(club.file("gala")).unwrap();
    let gala = club.file("gala");
    let unnamed = club.try_run(&["collection", "add", "gala", &gala, "--others", "on-request"]);
    assert_eq!(unnamed.status.code(), Some(2));
    assert!(stderr(&unnamed).contains("such as on-request:contract-7"), "{}", stderr(&unnamed));
    let asked = "assent request open search --subject NAME --collection gala";
    let says = club.says(&["collection", "add", "gala", &gala, "--others", "on-request:contract-7"]);
    assert!(says.contains(asked), "{says}");
    let open = ["collection", "basis", "gala", "--necessity", "too many to look through by hand"];
    assert!(club.says(&open).contains("still open: "), "papers are missing");
    let dpia = ["--dpia", "file 7", "--dpia-date", "2026-01-01", "--dpia-review", "2199-01-01"];
    let more = ["--alternative", "ask at the desk", "--notice-public", "2026-01-01"];
    let says = club.says(&[&["collection", "basis", "gala"], &dpia[..], &more[..]].concat());
    assert!(says.starts_with("gala: every required field is filled in.") && says.contains(asked), "{says}");
    assert!(!says.contains("still open"), "{says}");
    let examined = stdout(&assent(club.home(), &["--vault", &club.vault(), "doctor"]));
    assert!(examined.contains("good\tbasis: gala is searched only when someone asks."), "{examined}");
}

#[test]
fn a_consent_for_a_collection_that_was_removed_has_its_name() {
    let club = agreed();
    agree(&club, 86_400_000);
    club.run(&["collection", "remove", "trip", "--yes"]);
    let shown = club.run(&["subject", "show", "m-1"]);
    assert_eq!(shown["consents"][0]["collection"].as_str(), Some("trip"), "{shown}");
}
