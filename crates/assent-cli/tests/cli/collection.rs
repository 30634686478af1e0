//! A collection lies elsewhere, and comes to its end.

use std::fs;

use super::rights::Club;

#[test]
fn a_collection_is_removed_after_it_was_said_what_goes_with_it() {
    let club = Club::new();
    let dry = club.run(&["collection", "remove", "trip", "--dry-run"]);
    assert_eq!((dry["removed"].as_bool(), dry["photos"].as_u64()), (Some(false), Some(0)));
    let says = club.says(&["collection", "remove", "trip", "--dry-run"]);
    assert!(says.contains("trip: 0 photos with 0 faces") && says.contains("Nothing was removed."), "{says}");
    assert_eq!(club.run(&["collection", "list"])["collections"].as_array().unwrap().len(), 1);

    club.run(&["request", "open", "access", "--subject", "m-1", "--collection", "trip"]);
    let refused = club.refused(&["collection", "remove", "trip", "--yes"]);
    assert!(refused.contains("is not answered yet") && refused.contains("assent request list"), "{refused}");
    let request = club.run(&["request", "list"])["requests"][0]["request"].as_str().unwrap().to_owned();
    club.run(&["request", "answer", &request, "granted"]);

    let removed = club.run(&["collection", "remove", "trip", "--yes"]);
    assert_eq!(removed["removed"].as_bool(), Some(true));
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
    let club = Club::new();
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
