//! I6: what leaves the vault of its log can be checked by others, and by other programs than ours.

use std::fs;
use std::path::Path;

use assent_ledger::*;
use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{TileHashReader, TileReader};

use crate::support::*;

/// A log of `size` leaves.
fn world(backend: Backend, size: u64) -> World {
    let w = World::new(backend);
    let made = w.tx(T0, |tx| Ok(tx.log_head()?.0)).unwrap();
    w.tx(T0, |tx| (made..size).try_for_each(|n| tx.append_leaf(EventKind::Scan, &n.to_be_bytes(), &[]).map(drop)))
        .unwrap();
    w
}

/// As C2SP's own kind of program reads it.
fn read_elsewhere(note: &str, key: &LogKeys) -> tlog_tiles::Checkpoint {
    let list = VerifierList::new(vec![Box::new(
        StandardVerifier::new(&key.for_role(KeyRole::Checkpoints).to_string()).unwrap(),
    )]);
    let note = Note::from_bytes(note.as_bytes()).unwrap();
    assert_eq!(note.verify(&list).unwrap().0.len(), 1);
    tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap()
}

struct Files<'a>(&'a Path);

impl TileReader for Files<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        // Their paths begin with the tiles' height, which tlog-tiles fixes at 8 and leaves out.
        let path = |tile: &tlog_tiles::Tile| tile.path().replacen("tile/8/", "tile/", 1);
        Ok(tiles.iter().map(|tile| fs::read(self.0.join(path(tile))).unwrap()).collect())
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

#[test]
fn i6_checkpoints_proofs_and_tiles_are_read_by_another_program() {
    on_every_database(|backend| {
        // Sizes around those of a tile, and one with a second level that has two complete tiles below.
        for size in [9, 255, 256, 257, 600] {
            let w = world(backend, size);
            let key = w.ledger.log_keys();
            let there = read_elsewhere(&w.ledger.checkpoint(T0).unwrap(), &key);
            let (head, root) = w.tx(T0, |tx| tx.log_head()).unwrap();
            assert_eq!((there.size(), there.hash().0, there.origin()), (head, root, key.name()));

            let folder = w.home.dir.path().join("log");
            w.ledger.export_log(&folder, T0, &mut |_, _| {}).unwrap();
            assert_eq!(fs::read_to_string(folder.join("checkpoint")).unwrap(), w.ledger.checkpoint(T0).unwrap());
            let files = Files(&folder);
            let tiles = TileHashReader::new(size, tlog_tiles::Hash(root), &files);
            for position in [0, 1, size / 2, size - 1] {
                let proof = w.ledger.prove_leaf(position, T0).unwrap();
                assert_eq!(LeafProof::verify(&proof.to_string(), &key), Ok(proof.clone()));
                let path: Vec<_> = proof.path.iter().map(|h| tlog_tiles::Hash(*h)).collect();
                let hash = tlog_tiles::record_hash(&proof.leaf.to_bytes());
                tlog_tiles::check_record(&path, size, tlog_tiles::Hash(root), position, hash).unwrap();
                assert_eq!(tlog_tiles::prove_record(size, position, &tiles).unwrap(), path, "from the files");
            }
            assert!(matches!(w.ledger.prove_leaf(size, T0), Err(TxError::NoLeaf { .. })));
        }
    });
}

#[test]
fn i6_a_proof_that_was_changed_proves_nothing() {
    let w = world(Backend::Sqlite, 40);
    let key = w.ledger.log_keys();
    let text = w.ledger.prove_leaf(21, T0).unwrap().to_string();
    for at in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at] ^= 1;
        let Ok(changed) = String::from_utf8(changed) else { continue };
        assert!(LeafProof::verify(&changed, &key).is_err(), "byte {at}");
    }
    let moved = text.replace("index 21", "index 20");
    assert_eq!(LeafProof::verify(&moved, &key), Err(ProofError::NotInLog));
    assert_eq!(LeafProof::verify("", &key), Err(ProofError::Form));
}

#[test]
fn i6_what_concerns_a_person_is_found_again() {
    let w = world(Backend::Sqlite, 12);
    let ada = w.subject("ada");
    let (first, _) = w.tx(T0, |tx| tx.log_head()).unwrap();
    w.enrol(w.grant(ada, 9), b"embedding");
    w.tx(T0, |tx| tx.append_leaf(EventKind::Scan, b"", &[]).map(drop)).unwrap();
    w.tx(T0, |tx| tx.append_leaf(EventKind::Search, b"", &[(ada, b"x"), (ada, b"y")]).map(drop)).unwrap();
    assert_eq!(w.tx(T0, |tx| tx.leaves_about(ada)).unwrap(), [first, first + 1, first + 3]);
    let leaves = w.tx(T0, |tx| tx.leaves(first, 2)).unwrap();
    assert_eq!(leaves[0].about(), (Some(w.collection), Some(Purpose::find_my_photos())));
    assert_eq!(leaves[1].about(), (Some(w.collection), None));
}

#[test]
fn i6_an_exported_log_grows_and_its_leaves_are_those_of_the_vault() {
    let w = world(Backend::Sqlite, 250);
    let folder = w.home.dir.path().join("log");
    let export = || w.ledger.export_log(&folder, T0, &mut |_, _| {}).map(|c| c.size);
    assert_eq!(export().unwrap(), 250);
    w.tx(T0, |tx| (0..20).try_for_each(|_| tx.append_leaf(EventKind::Scan, b"", &[]).map(drop))).unwrap();
    assert_eq!(export().unwrap(), 270);
    assert_eq!(export().unwrap(), 270, "nothing new");
    let mut read = Vec::new();
    for bundle in ["000", "001.p/14"] {
        let bytes = fs::read(folder.join("tile/entries").join(bundle)).unwrap();
        let mut rest = bytes.as_slice();
        while let Some((length, tail)) = rest.split_first_chunk::<2>() {
            let (leaf, tail) = tail.split_at(u16::from_be_bytes(*length).into());
            read.push(leaf.to_vec());
            rest = tail;
        }
    }
    assert_eq!(read, w.home.raw().blobs("SELECT bytes FROM log_leaves ORDER BY seq"));

    let other = world(Backend::Sqlite, 9);
    let onto = other.ledger.export_log(&folder, T0, &mut |_, _| {});
    assert!(matches!(onto, Err(ExportError::OtherLog { .. })), "another vault's log");
}

#[test]
fn i6_an_export_over_an_interrupted_one_of_another_log_is_refused() {
    let (mine, other) = (world(Backend::Sqlite, 250), world(Backend::Sqlite, 600));
    let export = |w: &World, folder: &Path| w.ledger.export_log(folder, T0, &mut |_, _| {}).map(|c| c.size);
    for (name, first, second) in [("a shorter log's", &mine, &other), ("a longer log's", &other, &mine)] {
        let folder = mine.home.dir.path().join(name);
        let size = export(first, &folder).unwrap();
        // The checkpoint is written last.
        fs::remove_file(folder.join("checkpoint")).unwrap();
        let refused = export(second, &folder);
        assert!(matches!(refused, Err(ExportError::OtherLog { .. })), "{name}: {refused:?}");
        assert_eq!(export(first, &folder).unwrap(), size, "{name}: its own export goes on");
    }
    // Tiles beyond the checkpoint, of a log that was longer once.
    let folder = mine.home.dir.path().join("went back");
    export(&mine, &folder).unwrap();
    fs::create_dir_all(folder.join("tile/0/x001/002.p")).unwrap();
    fs::write(folder.join("tile/0/x001/002.p/3"), [0; 96]).unwrap();
    assert!(matches!(export(&mine, &folder), Err(ExportError::OtherLog { .. })));
}

#[test]
fn i6_lost_or_wrong_tiles_are_made_again() {
    on_every_database(|backend| {
        let w = world(backend, 600);
        let before = w.ledger.prove_leaf(300, T0).unwrap();
        for damage in
            ["DELETE FROM log_tiles", "DELETE FROM log_tiles WHERE place = 0", "UPDATE log_tiles SET place = 1 - place"]
        {
            if w.home.raw().try_exec(damage).is_err() {
                continue; // Some databases look at the key after each row.
            }
            assert_eq!(w.ledger.prove_leaf(300, T0).unwrap(), before, "{damage}");
        }
    });
}

#[test]
fn i6_a_log_that_was_rewritten_does_not_fit_an_earlier_checkpoint() {
    on_every_database(|backend| {
        let w = world(backend, 20);
        let key = w.ledger.log_keys();
        let then = Checkpoint::verify(&w.ledger.checkpoint(T0).unwrap(), &key).unwrap();
        let fault = |w: &World| w.ledger.audit_verify(Some(&then), T0).unwrap().fault;
        assert_eq!(fault(&w), None, "the same");
        w.tx(T0, |tx| tx.append_leaf(EventKind::Scan, b"", &[]).map(drop)).unwrap();
        assert_eq!(fault(&w), None, "grown");
        assert_eq!(fault(&world(backend, 20)), Some((19, Fault::Forked)), "another log of the same length");
        assert_eq!(fault(&world(backend, 30)), Some((19, Fault::Forked)), "a longer one");
        assert_eq!(fault(&world(backend, 12)), Some((12, Fault::Cut)), "a shorter one");
    });
}

/// Ada, enrolled and erased in a log that goes on, and her certificate.
fn erased(backend: Backend) -> (World, SubjectId, String) {
    let w = world(backend, 300);
    let ada = w.subject("ada");
    w.enrol(w.grant(ada, 9), b"embedding");
    w.ledger.erase(ada, at(1), |_| {}).unwrap();
    w.tx(at(2), |tx| tx.append_leaf(EventKind::Scan, b"", &[]).map(drop)).unwrap();
    let certificate = w.ledger.certificate(ada, at(3)).unwrap();
    (w, ada, certificate)
}

#[test]
fn i5_a_certificate_is_checked_with_the_public_key_alone() {
    on_every_database(|backend| {
        let (w, ada, text) = erased(backend);
        let key: LogKeys = w.ledger.log_keys().to_string().parse().unwrap();
        let read = Certificate::verify(&text, &key).unwrap();
        assert_eq!((read.subject, read.erased, read.key_destroyed), (ada, at(1), at(1)));
        assert_eq!(read.key_ring_backups_until, at(31));
        let done = &w.ledger.erasures(T0).unwrap()[0];
        assert_eq!((read.intent.0.position, read.done.0.position), (done.intent, done.done));
        let bob = w.subject("bob");
        assert!(matches!(w.ledger.certificate(bob, at(3)), Err(TxError::NotErased { .. })));

        let stranger = World::new(backend).ledger.log_keys();
        assert_eq!(Certificate::verify(&text, &stranger), Err(NoteError::Unsigned.into()), "another vault's key");
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] ^= 1;
            let Ok(changed) = String::from_utf8(changed) else { continue };
            assert!(Certificate::verify(&changed, &key).is_err(), "byte {at}");
        }
        // Before format 9 the key for checkpoints signed certificates, too.
        let checkpoint = w.ledger.checkpoint(T0).unwrap();
        assert_eq!(Certificate::verify(&checkpoint, &key), Err(CertificateError::Form { line: "first" }));
    });
}
