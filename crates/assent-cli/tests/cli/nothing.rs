//! What `find` says where it found nothing: one case for each reason.

use std::collections::BTreeSet;
use std::fs;

use assent::ledger::{Band, BystanderBasis, Evidence, NewCollection, NewGrant, Purpose, Timestamp};
use serde_json::Value;

use super::consent::{agree, club, forms, open};
use super::handout::{found, member, scanned};
use super::rights::ClubFixture;

const DAY_MS: i64 = 86_400_000;

/// A household whose owner agreed to be found, from so many days on, in a collection with this basis.
fn household(others: &BystanderBasis, from_days: i64) -> ClubFixture {
    let club = ClubFixture::household();
    let (ledger, now) = open(&club);
    let made = ledger.run_tx("furnish", now, |tx| {
        let subject = tx.find_subject("m-1")?.id;
        let collection = tx.add_collection(&NewCollection {
            name: "trip",
            directory: &club.file("photos"),
            others: others.clone(),
        })?;
        tx.open_grant(&NewGrant {
            subject,
            collection,
            purpose: &Purpose::find_my_photos(),
            evidence: &Evidence::SelfStatement { statement: "yes".to_owned() },
            valid_from: Timestamp(now.0 + from_days * DAY_MS),
            valid_until: Timestamp(now.0 + 365 * DAY_MS),
            notice_sha256: [0; 32],
        })
    });
    made.unwrap();
    drop(ledger);
    club
}

/// A member who was looked for in one photo, and is not in it.
fn not_there() -> ClubFixture {
    let club = member();
    scanned(&club, &[("a.jpg", None)]);
    club
}

/// Somebody who is not found, and what is said of it.
struct Case {
    flaw: &'static str,
    club: fn() -> ClubFixture,
    /// What is asked beside the name; OUT is a new folder.
    args: &'static [&'static str],
    code: &'static str,
    says: &'static str,
}

const CASES: &[Case] = &[
    Case {
        flaw: "they took it back",
        club: || {
            let club = found(&["a.jpg"]);
            club.run(&["consent", "withdraw", "m-1"]);
            club
        },
        args: &[],
        code: "withdrew",
        says: "trip: they withdrew their permission on 20",
    },
    Case {
        flaw: "its date has come",
        club: || {
            let club = club();
            agree(&club, 1);
            club
        },
        args: &[],
        code: "expired",
        says: "trip: their permission expired on 20",
    },
    Case {
        flaw: "nobody signed the form",
        club: || {
            let club = club();
            let (ledger, now) = open(&club);
            forms(&ledger, &["m-1"], Timestamp(now.0 + DAY_MS), now);
            drop(ledger);
            club
        },
        args: &[],
        code: "waits-for-witnesses",
        says: "trip: their form waits for the signatures of its witnesses (assent witness sign NAME).",
    },
    Case {
        flaw: "it begins later",
        club: || household(&BystanderBasis::Household, 10),
        args: &[],
        code: "not-yet",
        says: "trip: their permission begins on 20",
    },
    Case {
        flaw: "they said no",
        club: || {
            let club = club();
            let notice = club.file("members.txt");
            club.run(&["consent", "refuse", "m-1", "--collection", "trip", "--notice", &notice]);
            club
        },
        args: &[],
        code: "said-no",
        says: "trip: they were asked and said no on 20",
    },
    Case {
        flaw: "they agreed for another collection",
        club: || {
            let club = member();
            fs::create_dir(club.file("other")).unwrap();
            club.run(&["collection", "add", "summer camp", &club.file("other"), "--others", "closed-group"]);
            club
        },
        args: &["--collection", "summer camp"],
        code: "other-collections",
        says: "summer camp: they agreed for trip, and not for this collection.",
    },
    Case {
        flaw: "nobody asked them",
        club,
        args: &[],
        code: "never-agreed",
        says: "trip: they never agreed to be looked for here.",
    },
    Case {
        flaw: "what is held of them is only kept",
        club: || {
            let club = not_there();
            club.run(&["subject", "restrict", "m-1"]);
            club
        },
        args: &[],
        code: "restricted",
        says: "trip: what is held about them is set apart at their request",
    },
    Case {
        flaw: "faces are never compared there",
        club: || household(&BystanderBasis::None, 0),
        args: &[],
        code: "no-basis",
        says: "trip: faces are covered here and never compared with anybody.",
    },
    Case {
        flaw: "it is searched on request",
        club: || household(&BystanderBasis::OnRequest("the board, 3 May".to_owned()), 0),
        args: &[],
        code: "on-request",
        says: "trip: searched only when somebody asks: assent request open search --subject m-1 --collection trip",
    },
    Case {
        flaw: "it was searched when they asked, and they are not in it",
        club: || {
            let club = household(&BystanderBasis::OnRequest("the board, 3 May".to_owned()), 0);
            let asked = club.run(&["request", "open", "search", "--subject", "m-1", "--collection", "trip"]);
            club.run(&["request", "answer", asked["request"].as_str().unwrap(), "granted"]);
            club
        },
        args: &[],
        code: "asked",
        says: "trip: they asked, and nothing was found for them (answered on 20",
    },
    Case {
        flaw: "the review of a paper is overdue",
        club: || {
            let club = not_there();
            let dpia = ["--dpia", "file 7", "--dpia-date", "2020-01-01", "--dpia-review", "2020-06-01"];
            club.run(&[&["collection", "basis", "trip"], &dpia[..]].concat());
            club
        },
        args: &[],
        code: "papers-missing",
        says: "trip: faces may not be compared yet, because 1 part of the papers that the law asks for is missing",
    },
    Case {
        flaw: "they have no portrait",
        club: member,
        args: &[],
        code: "no-portrait",
        says: "trip: they agreed, but no portrait of theirs is kept: enrol them again.",
    },
    Case {
        flaw: "nothing was scanned",
        club: || {
            let club = member();
            scanned(&club, &[]);
            club
        },
        args: &[],
        code: "not-scanned",
        says: "trip: not scanned yet: assent scan trip",
    },
    Case {
        flaw: "photos came since",
        club: || {
            let club = not_there();
            fs::write(club.file("photos/new.jpg"), "a new photo").unwrap();
            club
        },
        args: &[],
        code: "photos-not-scanned",
        says: "trip: 1 photo is not scanned yet: assent scan trip",
    },
    Case {
        flaw: "they joined since",
        club: || {
            let club = not_there();
            let (ledger, now) = open(&club);
            let joined = ledger.run_tx("enrol again", now, |tx| {
                let (subject, collection) = (tx.find_subject("m-1")?.id, tx.collections()?[0].id);
                let proof = tx.active_grant_for(subject, collection, &Purpose::find_my_photos())?.unwrap();
                tx.enrol(&proof, [7; 32], &[b"another embedding"])
            });
            joined.unwrap();
            drop(ledger);
            club
        },
        args: &[],
        code: "not-compared",
        says: "trip: 1 photo was scanned before they joined; the next scan compares them: assent scan trip",
    },
    Case {
        flaw: "nobody decided yet, and copies are asked for",
        club: || {
            let club = member();
            scanned(&club, &[("maybe.jpg", Some(Band::Review))]);
            club
        },
        args: &["--copy-to", "OUT"],
        code: "to-confirm",
        says: "1 photo waits to be confirmed and not handed out: assent review m-1",
    },
    Case {
        flaw: "a face was set apart, theirs perhaps",
        club: || {
            let club = not_there();
            club.run(&["request", "blur", "trip", "a.jpg", "--at", "20,20"]);
            club
        },
        args: &[],
        code: "set-apart",
        says: "trip: none of 1 photo shows them; 1 face there was set apart and never compared with anybody.",
    },
    Case {
        flaw: "they are in none",
        club: not_there,
        args: &[],
        code: "not-there",
        says: "trip: none of 1 photo shows them.",
    },
];

/// The collections and the reasons of an answer.
fn reasons(answer: &Value) -> Vec<(&str, &str)> {
    answer["nothing"].as_array().unwrap().iter().map(|o| (word(o, "collection"), word(o, "code"))).collect()
}

fn word<'a>(object: &'a Value, key: &str) -> &'a str {
    object[key].as_str().unwrap()
}

#[test]
fn find_says_why_it_found_nothing() {
    for Case { flaw, club, args, code, says } in CASES {
        let club = club();
        let out = club.file("out");
        let args = args.iter().map(|arg| if *arg == "OUT" { out.as_str() } else { *arg });
        let args: Vec<&str> = ["find", "m-1"].into_iter().chain(args).collect();
        let (answer, said) = (club.run(&args), club.says(&args));
        let codes: Vec<&str> = reasons(&answer).into_iter().map(|(_, code)| code).collect();
        assert_eq!(codes, [*code], "{flaw}");
        assert!(said.starts_with("No photos.\n") && said.contains(says), "{flaw}: {said}");
        assert!(!said.contains(&club.id_of("m-1")), "{flaw}: {said}");
    }
}

#[test]
fn no_reason_is_without_its_case() {
    let source = include_str!("../../../assent/src/no_result.rs");
    let codes = source.split("fn code(").nth(1).and_then(|rest| rest.split("\n    }\n").next()).unwrap();
    let codes: BTreeSet<&str> = codes.split('"').skip(1).step_by(2).collect();
    assert_eq!(codes, CASES.iter().map(|case| case.code).collect());
}

#[test]
fn where_something_was_found_there_is_no_reason() {
    let club = found(&["a.jpg"]);
    assert!(reasons(&club.run(&["find", "m-1"])).is_empty());
    fs::create_dir(club.file("other")).unwrap();
    club.run(&["collection", "add", "camp", &club.file("other"), "--others", "closed-group"]);
    assert_eq!(reasons(&club.run(&["find", "m-1"])), [("camp", "other-collections")], "one for each other collection");
    assert!(!club.says(&["find", "m-1"]).contains("camp"), "nobody has to read of what they never agreed to");
}
