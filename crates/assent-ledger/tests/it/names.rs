//! People are found by keyed tags of their names, as if everybody's profile were read.

use assent_ledger::*;

use crate::support::*;

/// What is asked for, and who could be meant by it: capitals, Unicode forms, spaces, one name of several, a handle that is
/// somebody's name, nothing.
const PEOPLE: &[(&str, &str)] = &[
    ("anna", "Anna Müller"),
    ("Anna", "anna mu\u{308}ller"),
    ("anna-2", "ANNA  MÜLLER"),
    ("carl", "Anna"),
    ("d-1", "carl"),
    ("d-2", "Weiß"),
    ("d-3", "WEISS"),
    ("d-4", "ﬁnn"),
    ("d-5", "Finn"),
    ("d-6", ""),
    ("d-7", "  "),
    ("Ａ１", "東京"),
    ("a1", "\u{130}zmir"),
    (" ", "Σίσυφος"),
    ("d-8", "ΣΊΣΥΦΟΣ"),
    ("d-9", "only one is called so"),
];

/// Whom a reference means, by reading everybody.
fn by_reading_all(reference: &str, all: &[Subject]) -> Result<SubjectId, usize> {
    let (digits, wanted) = (reference.to_ascii_lowercase(), fold_name(reference));
    let prefix = digits.len() >= 8 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let named = |is: &dyn Fn(&Subject) -> bool| all.iter().filter(|s| is(s)).map(|s| s.id).collect::<Vec<_>>();
    let ways = [
        named(&|s| s.handle == reference),
        named(&|s| s.name == reference),
        named(&|s| fold_name(&s.handle) == wanted),
        named(&|s| fold_name(&s.name) == wanted),
        named(&|s| prefix && s.id.to_string().starts_with(&digits)),
    ];
    match ways.iter().find(|found| !found.is_empty()).map(Vec::as_slice) {
        Some([one]) => Ok(*one),
        found => Err(found.map_or(0, <[_]>::len)),
    }
}

fn check_all(w: &World, more: &[&str], when: &str) {
    let all = w.tx(T0, |tx| tx.subjects()).unwrap();
    let mut asked: Vec<String> = more.iter().map(ToString::to_string).collect();
    for (handle, name) in PEOPLE {
        for text in [handle, name] {
            let variants =
                [text.to_string(), text.to_uppercase(), text.to_lowercase(), format!("  {text} "), format!("{text}x")];
            asked.extend(variants);
        }
    }
    for subject in &all {
        let id = subject.id.to_string();
        asked.extend([&id[..7], &id[..8], &id[..13], &id].map(str::to_owned));
        asked.extend([id[..9].to_uppercase(), format!("{id}0"), format!("{}z", &id[..10])]);
    }
    asked.extend(["f".repeat(32), "00000000".to_owned()]);
    for reference in &asked {
        let found = match w.tx(T0, |tx| tx.find_subject_id(reference)) {
            Ok(id) => Ok(id),
            Err(TxError::NoSubject) => Err(0),
            Err(TxError::AmbiguousSubject { count }) => Err(count),
            Err(other) => panic!("{when}: {reference}: {other}"),
        };
        assert_eq!(found, by_reading_all(reference, &all), "{:?}: {when}: {reference:?}", w.home.backend);
    }
}

#[test]
fn whoever_is_asked_for_is_found_as_if_everybody_were_read() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let ids: Vec<SubjectId> = PEOPLE
            .iter()
            .map(|(handle, name)| NewSubject { handle, name, ..NewSubject::default() })
            .map(|new| w.tx(T0, |tx| tx.add_subject(&new)).unwrap())
            .collect();
        check_all(&w, &[], "added");
        let taken = NewSubject { handle: "anna", name: "somebody else", ..NewSubject::default() };
        assert!(matches!(w.tx(T0, |tx| tx.add_subject(&taken).map(drop)), Err(TxError::HandleTaken)));
        let both = |tx: &Tx<'_>| {
            let new = NewSubject { handle: "twice", name: "N", ..NewSubject::default() };
            tx.add_subject(&new).and(tx.add_subject(&new)).map(drop)
        };
        assert!(matches!(w.tx(T0, both), Err(TxError::HandleTaken)), "in one transaction");
        for (id, name) in [(ids[0], "Another Name"), (ids[9], "Finn")] {
            let right = Correction { name: Some(name.into()), ..Correction::default() };
            w.tx(T0, |tx| tx.rectify(id, &right)).unwrap();
        }
        check_all(&w, &["Another Name", "another name"], "renamed");
        w.ledger.rotate(ids[1], T0).unwrap();
        check_all(&w, &["Another Name"], "with a new key");
        let gone = ids[15].to_string();
        w.ledger.erase(ids[15], T0, |_| {}).unwrap();
        check_all(&w, &["only one is called so", "d-9", &gone[..12]], "erased");
        let w = w.reopened();
        check_all(&w, &["Another Name"], "opened again");
        let erased = |digits: &str| w.tx(T0, |tx| tx.find_erased(digits)).unwrap();
        assert_eq!((erased(&gone[..8]), erased(&gone.to_uppercase())), (Some(ids[15]), Some(ids[15])));
        assert_eq!((erased(&gone[..7]), erased(&ids[1].to_string())), (None, None));
    });
}

#[test]
fn finding_and_adding_somebody_costs_the_same_in_a_roster_of_any_size() {
    on_every_database(|backend| {
        let cost = |people: usize| {
            let w = World::new(backend);
            w.tx(T0, |tx| (0..people).try_for_each(|n| add_subject(tx, &format!("p{n}")).map(drop))).unwrap();
            let id = w.tx(T0, |tx| tx.find_subject_id("p3")).unwrap().to_string();
            let find = |reference: &str| {
                w.ledger.run_tx("find", T0, |tx| tx.find_subject(reference).map(drop)).unwrap().traffic()
            };
            let found = ["p3", "Name of p3", "NAME of  P3", &id, &id[..20]].map(find);
            let added = w.ledger.run_tx("add", T0, |tx| add_subject(tx, "newcomer")).unwrap().traffic();
            (found, added)
        };
        assert_eq!(cost(10), cost(200), "{backend:?}");
    });
}

/// The fixture of format 9 with a bit of ada's key wrong; its keys, as they were.
fn ninth_with_a_damaged_key() -> (Home, Vec<u8>) {
    let home = crate::fixture::copy_of(9);
    let good = std::fs::read(&home.place.ring).unwrap();
    let whose = |slot: usize| {
        let home = crate::fixture::copy_of(9);
        crate::damage::flip(&home.place.ring, slot, 30);
        let ledger = home.try_open().ok()?;
        Some(ledger.check_keys(T0).ok()?.damaged.first()?.owner)
    };
    let of_ada = (0..8).find(|slot| matches!(whose(*slot), Some(SlotOwner::Subject(_)))).unwrap();
    crate::damage::flip(&home.place.ring, of_ada, 30);
    (home, good)
}

const UNTAGGED: &str = "SELECT COUNT(*) FROM subjects WHERE handle_tag IS NULL OR name_tag IS NULL";

#[test]
fn people_of_an_older_vault_are_found_and_those_whose_key_is_damaged_when_it_is_mended() {
    let find = |ledger: &Ledger| {
        let found = ["ada", "NAME of ada"].map(|name| ledger.read_tx(T0, |tx| tx.find_subject(name).map(|s| s.handle)));
        found.map(|found| found.map_err(|e| matches!(e, TxError::NobodyReadable { people: 1 })))
    };
    let (ada, unread) = ([Ok("ada".to_owned()), Ok("ada".to_owned())], [Err(true), Err(true)]);
    for format in 1..=9 {
        let home = crate::fixture::copy_of(format);
        assert_eq!((find(&home.open()), home.raw().count(UNTAGGED)), (ada.clone(), 0), "format {format}");
    }

    let (home, good) = ninth_with_a_damaged_key();
    let ledger = home.open();
    assert_eq!((find(&ledger), home.raw().count(UNTAGGED)), (unread.clone(), 1), "damaged");
    // The key is back, and nobody said so.
    std::fs::write(&home.place.ring, &good).unwrap();
    drop(ledger);
    assert_eq!((find(&home.open()), home.raw().count(UNTAGGED)), (ada.clone(), 0), "the file was put back");

    let (home, good) = ninth_with_a_damaged_key();
    let backup = home.dir.path().join("ring of before");
    std::fs::write(&backup, good).unwrap();
    std::fs::set_permissions(&backup, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let ledger = home.open();
    ledger.repair_keys(Some((&backup, &[])), T0).unwrap();
    assert_eq!((find(&ledger), home.raw().count(UNTAGGED)), (ada, 0), "mended");
    assert_eq!(ledger.audit_verify(None, T0).unwrap().tampered, []);
}

#[test]
fn a_handle_of_somebody_whose_key_is_damaged_is_taken() {
    let w = World::new(Backend::Sqlite);
    w.subject("ada");
    crate::damage::flip(&w.home.place.ring, 0, 30);
    let w = w.reopened();
    let again = w.tx(T0, |tx| add_subject(tx, "ada").map(drop));
    assert!(matches!(again, Err(TxError::HandleTaken)), "{again:?}");
    w.subject("bob");
}

#[test]
fn tags_that_are_exchanged_lead_to_nobody_else() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let [ada, bob] = ["ada", "bob"].map(|handle| w.subject(handle));
        w.home.edit(
            "CREATE TABLE o AS SELECT * FROM subjects; \
             UPDATE subjects SET handle_tag = (SELECT o.handle_tag FROM o WHERE o.id <> subjects.id), \
             name_tag = (SELECT o.name_tag FROM o WHERE o.id <> subjects.id); DROP TABLE o",
        );
        for (handle, other) in [("ada", bob), ("bob", ada)] {
            let found = w.tx(T0, |tx| tx.find_subject_id(handle));
            assert!(matches!(found, Err(TxError::NoSubject)), "{backend:?}: {handle}, not {other:?}: {found:?}");
        }
        let World { ledger, home, .. } = w;
        drop(ledger);
        let refused = home.try_open().map(drop);
        assert!(matches!(refused, Err(OpenError::Tampered { .. })), "{backend:?}: {refused:?}");
    });
}
