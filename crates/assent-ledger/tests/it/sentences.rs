//! What a person reads when a vault does not open, word for word.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use assent_ledger::*;

use crate::support::*;

/// The message, with the test's own folder written as `~`.
fn sentence(home: &Home, outcome: Result<Ledger, OpenError>) -> String {
    let text = outcome.err().map_or_else(|| "it opened".into(), |e| e.to_string());
    text.replace(home.dir.path().to_str().unwrap(), "~")
}

fn closed() -> Home {
    let home = Home::new(Backend::Sqlite);
    drop(home.create(VaultKind::Organisation));
    home
}

#[test]
fn a_vault_that_does_not_open_says_why() {
    type Break = fn(&Home);
    let cases: [(&str, Break, &str); 10] = [
        ("nothing wrong", |_| {}, "it opened"),
        ("no vault", |h| fs::remove_file(h.place.folder.join("assent.db")).unwrap(), "there is no vault at ~/my vault"),
        ("missing ring", |h| fs::remove_file(&h.place.ring).unwrap(), "there is no key ring at ~/keys/ring"),
        (
            "wrong ring",
            |h| {
                fs::copy(&closed().place.ring, &h.place.ring).unwrap();
            },
            "the key ring ~/keys/ring belongs to another vault; name the key ring of this one",
        ),
        (
            "a ring that is none",
            |h| fs::write(&h.place.ring, "keys").unwrap(),
            "~/keys/ring is not a key ring; name the vault's key ring",
        ),
        (
            "newer ring",
            |h| patch_ring(h, 19, 3),
            "the key ring ~/keys/ring has format 3, and this assent reads formats 1 and 2; use a newer assent",
        ),
        ("damaged ring", |h| patch_ring(h, 50, 0), "~/keys/ring is not a key ring; name the vault's key ring"),
        (
            "ring that others may read",
            |h| fs::set_permissions(&h.place.ring, fs::Permissions::from_mode(0o620)).unwrap(),
            "the key ring ~/keys/ring can be read or changed by others; run: chmod 600 ~/keys/ring",
        ),
        (
            "newer format",
            |h| h.raw().exec("UPDATE vault SET format_version = 99"),
            "the vault at ~/my vault has format 99, which this assent cannot read; use a newer assent",
        ),
        (
            "newer tables",
            |h| {
                h.raw().exec("UPDATE schema_version SET version = 99");
            },
            "the vault at ~/my vault has format 99, which this assent cannot read; use a newer assent",
        ),
    ];
    for (name, break_it, expected) in cases {
        let home = closed();
        break_it(&home);
        assert_eq!(sentence(&home, patient(|| home.try_open())), expected, "{name}");
    }
}

fn patch_ring(home: &Home, at: usize, byte: u8) {
    let mut bytes = fs::read(&home.place.ring).unwrap();
    bytes[at] = byte;
    fs::write(&home.place.ring, bytes).unwrap();
}

#[test]
fn several_may_have_a_vault_open_and_its_keys_are_locked_anew_by_one_alone() {
    on_every_database(|backend| {
        let home = Home::new(backend);
        let first = home.create(VaultKind::Organisation);
        let second = home.try_open().unwrap();
        let in_use = "other programs have this vault open, and its keys are locked anew only while none has; try again when \
                      they are done";
        assert_eq!(first.lock_keys(None).unwrap_err().to_string(), in_use);
        let alone = fs::File::open(home.place.folder.join("assent.lock")).unwrap();
        assert!(alone.try_lock().is_err(), "whoever was refused has it open still");
        drop(second);
        // A child of another test may hold what it inherited for a moment.
        while first.lock_keys(None).is_err() {}
        drop(first);
        while alone.try_lock().is_err() {}
        let busy = "another assent is working on the vault at ~/my vault; wait until it is done, then try again";
        assert_eq!(sentence(&home, home.try_open()), busy);
        drop(alone);
        assert_eq!(sentence(&home, patient(|| home.try_open())), "it opened");
    });
}

#[test]
fn a_vault_is_made_once_and_its_ring_lies_outside() {
    let home = Home::new(Backend::Sqlite);
    let make = |place: &VaultPlace| {
        Ledger::create(place, VaultKind::Household, &Settings::default(), home.tools(no_hook()), T0)
    };
    let inside = VaultPlace { ring: home.place.folder.join("sub/ring"), ..home.place.clone() };
    let said = "the key ring ~/my vault/sub/ring lies inside the vault's folder; keep it outside, so that no backup of the vault holds it";
    assert_eq!(sentence(&home, make(&inside)), said);
    let made = make(&home.place).unwrap();
    made.run_tx("add", T0, |tx| add_subject(tx, "ada")).unwrap();
    drop(made);
    assert_eq!(sentence(&home, make(&home.place)), "there is a vault at ~/my vault already");
    let second = VaultPlace { folder: home.dir.path().join("second"), ..home.place.clone() };
    let said = "there is a key ring at ~/keys/ring already, with keys in it; name another place";
    assert_eq!(sentence(&home, make(&second)), said);
}

#[test]
fn a_transaction_inside_another_is_an_error_and_not_a_standstill() {
    let home = Home::new(Backend::Sqlite);
    let ledger = home.create(VaultKind::Household);
    let inner = |_: &Tx<'_>| ledger.run_tx("inner", T0, |_| Ok(())).map(Committed::into_inner);
    assert!(matches!(ledger.run_tx("outer", T0, inner), Err(TxError::Nested)));
    ledger.run_tx("after", T0, |_| Ok(())).unwrap();
}

#[test]
fn no_debug_and_no_message_shows_a_person() {
    let w = World::new(Backend::Sqlite);
    // No letters that an id could have.
    let ada = w.subject("xenia");
    let subject = w.tx(T0, |tx| tx.subject(ada)).unwrap();
    let texts = [
        format!("{subject:?}"),
        format!("{:?}", w.home.place.database),
        format!("{:?}", w.ledger),
        format!("{:?}", TxError::Erased { subject: ada }),
        TxError::Erased { subject: ada }.to_string(),
    ];
    for text in texts {
        assert!(!text.contains("xenia") && !text.contains(&ada.to_string()), "{text}");
    }
}
