//! The calibration of a collection: kept sealed, one for each model.

use assent_ledger::{OthersBasis, TxError};

use crate::support::{MODEL, T0, World, on_every_database};

const OTHER_MODEL: [u8; 32] = [0x77; 32];

#[test]
fn a_calibration_is_kept_sealed_and_replaced_by_a_newer_one() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let kept = |model| w.tx(T0, |tx| tx.calibration(w.collection, model)).unwrap().map(|plain| plain.to_vec());
        let keep = |model, plain: &[u8]| w.tx(T0, |tx| tx.put_calibration(w.collection, model, plain)).unwrap();
        assert_eq!(kept(MODEL), None);
        keep(MODEL, b"first counts");
        keep(OTHER_MODEL, b"other counts");
        keep(MODEL, b"second counts");
        assert_eq!(kept(MODEL).unwrap(), b"second counts");
        assert_eq!(kept(OTHER_MODEL).unwrap(), b"other counts");
        let mut raw = w.home.raw();
        let sealed = raw.blobs("SELECT sealed FROM calibrations");
        assert_eq!(sealed.len(), 2);
        assert!(sealed.iter().all(|bytes| !bytes.windows(6).any(|w| w == b"counts")));
        // Moved to another model, it does not open.
        raw.exec_with("UPDATE calibrations SET sealed = $1", &[&sealed[0]]);
        let read = |model| w.tx(T0, |tx| tx.calibration(w.collection, model)).is_err();
        assert_eq!([read(MODEL), read(OTHER_MODEL)].iter().filter(|refused| **refused).count(), 1);
        assert_eq!(w.ledger.audit_verify(None, T0).unwrap().fault, None);
    });
}

#[test]
fn where_nobody_is_compared_nothing_is_calibrated() {
    let w = World::new(crate::support::Backend::Sqlite);
    let new = assent_ledger::NewCollection { name: "Covered", directory: "/covered", others: OthersBasis::None };
    let covered = w.tx(T0, |tx| tx.add_collection(&new)).unwrap();
    let kept = w.tx(T0, |tx| tx.put_calibration(covered, MODEL, b"counts"));
    assert!(matches!(kept, Err(TxError::NoBasis { .. })));
}
