//! Somebody who has the key ring, too: they can make rows that fit, as `docs/formats/vault.md` says, and still do nothing that an
//! audit does not name. What is bound, and how, is read from that page.

use assent_ledger::*;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use rusqlite::types::Value;
use sha2::Sha256;

use crate::support::*;

const PAGE: &str = include_str!("../../../../docs/formats/vault.md");

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).unwrap();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn field(bytes: Option<&[u8]>) -> Vec<u8> {
    match bytes {
        Some(bytes) => [&(bytes.len() as u32).to_be_bytes(), bytes].concat(),
        None => vec![0xff; 4],
    }
}

fn field_of(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => field(None),
        Value::Integer(v) => field(Some(&v.to_be_bytes())),
        Value::Real(v) => field(Some(&v.to_bits().to_be_bytes())),
        Value::Text(v) => field(Some(v.as_bytes())),
        Value::Blob(v) => field(Some(v)),
    }
}

fn add(sum: &mut [u8; 32], term: [u8; 32]) {
    let mut carry = 0;
    for (digit, other) in sum.iter_mut().zip(term).rev() {
        carry += u16::from(*digit) + u16::from(other);
        *digit = carry as u8;
        carry >>= 8;
    }
}

/// The tables of the page: name, key and columns, columns of the faces, columns that count where they are not NULL.
fn tables() -> Vec<[Vec<String>; 4]> {
    let words =
        |text: &str| text.split(", ").map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect();
    let rows =
        PAGE.split_once("| table | key | columns |").unwrap().1.lines().skip(2).take_while(|l| l.starts_with('|'));
    rows.map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let (columns, faces) = cells[3].split_once("; then for each of its faces, by id: ").unwrap_or((cells[3], ""));
        let (columns, added) = columns.split_once("; from format 10 on: ").unwrap_or((columns, ""));
        let own = words(&format!("{}, {columns}", cells[2]));
        [words(&cells[1].replace('`', "")), own, words(faces), words(added)]
    })
    .collect()
}

fn values(connection: &rusqlite::Connection, sql: &str) -> Vec<Vec<Value>> {
    let mut statement = connection.prepare(sql).unwrap();
    let width = statement.column_count();
    let rows = statement.query_map([], |row| (0..width).map(|at| row.get(at)).collect()).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Writes the MACs and the sums anew, with the keys of the ring.
fn bind_again(home: &Home) {
    let ring = std::fs::read(&home.place.ring).unwrap();
    let master = &ring[40..72];
    let (rows_key, sums_key) = (hmac(master, &[b"assent rows v1"]), hmac(master, &[b"assent sums v1"]));
    let Raw::Sqlite(connection) = home.raw() else { panic!("SQLite") };
    let mut plain = Vec::new();
    for [name, columns, faces, added] in tables() {
        let (name, width) = (&name[0], columns.len());
        let with_mac =
            !values(&connection, &format!("SELECT 1 FROM pragma_table_info('{name}') WHERE name = 'mac'")).is_empty();
        let order = (1..=width.min(3)).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
        let selected = [columns.as_slice(), &added].concat().join(", ");
        let all = values(&connection, &format!("SELECT {selected} FROM {name} ORDER BY {order}"));
        let mut sum = [0; 32];
        for row in &all {
            let mut bytes = field(Some(name.as_bytes()));
            bytes.extend(row[..width].iter().flat_map(field_of));
            for (column, value) in added.iter().zip(&row[width..]).filter(|(_, value)| **value != Value::Null) {
                bytes.extend([field(Some(column.as_bytes())), field_of(value)].concat());
            }
            if let (false, Value::Integer(photo)) = (faces.is_empty(), &row[0]) {
                let sql = format!("SELECT {} FROM faces WHERE photo_id = {photo} ORDER BY id", faces.join(", "));
                bytes.extend(values(&connection, &sql).iter().flatten().flat_map(field_of));
            }
            let mac = hmac(&rows_key, &[&bytes]);
            add(&mut sum, hmac(&sums_key, &[&mac]));
            if with_mac {
                // Every key of theirs is unique in its first column, or in the first two.
                let second = usize::from(name == "erasure_orders");
                let sql = format!("UPDATE {name} SET mac = ?1 WHERE {} = ?2 AND {} = ?3", columns[0], columns[second]);
                connection.execute(&sql, rusqlite::params![mac.to_vec(), row[0], row[second]]).unwrap();
            }
        }
        for part in [field(Some(name.as_bytes())), field(Some(&(all.len() as i64).to_be_bytes())), field(Some(&sum))] {
            plain.extend(part);
        }
    }
    let head = values(&connection, "SELECT size, peaks, newest_ms FROM log_head").remove(0);
    let place: Vec<u8> = head.iter().flat_map(field_of).collect();
    let absent = vec![0xff; 6 * 4];
    let aad = [field(Some(&[1])), field(Some(b"log_head")), absent, field(Some(&place))].concat();
    let cipher = XChaCha20Poly1305::new(&hmac(master, &[b"assent seal v1"]).into());
    let nonce = [7; 24];
    let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: &plain, aad: &aad }).unwrap();
    let sealed = [&[1], nonce.as_slice(), &sealed].concat();
    connection.execute("UPDATE log_head SET sums = ?1", [sealed]).unwrap();
}

type Step = fn(&World, SubjectId, GrantId);

fn nothing(_: &World, _: SubjectId, _: GrantId) {}

/// What is done, what is edited with the keys at hand, and which table an audit names for it.
const CASES: &[(&str, Step, &str, Option<&str>)] = &[
    ("nothing", nothing, "", None),
    (
        "a consent that nobody gave",
        nothing,
        "CREATE TABLE f AS SELECT * FROM grants; UPDATE f SET id = randomblob(16), purpose = 'publish-print'; \
         INSERT INTO grants SELECT * FROM f LIMIT 1; DROP TABLE f",
        Some("grants"),
    ),
    ("a consent without an end", nothing, "UPDATE grants SET valid_until_ms = valid_until_ms * 2", Some("grants")),
    ("a consent to another text", nothing, "UPDATE grants SET notice_sha256 = randomblob(32)", Some("grants")),
    ("a consent for another purpose", nothing, "UPDATE grants SET purpose = 'publish-print'", Some("grants")),
    (
        "a consent that was over",
        |w, _, _| drop(w.ledger.expire_due(at(20)).unwrap()),
        "UPDATE grants SET state = 'active'",
        Some("grants"),
    ),
    (
        "a consent of another person",
        nothing,
        "UPDATE grants SET subject_id = (SELECT s.id FROM subjects s WHERE s.id <> grants.subject_id), state = 'expired'",
        Some("grants"),
    ),
    (
        "a consent is gone",
        nothing,
        "DELETE FROM templates; DELETE FROM grants WHERE purpose = 'find-my-photos'",
        Some("grants"),
    ),
    ("a template of another model", nothing, "UPDATE templates SET model_sha256 = randomblob(32)", Some("templates")),
    (
        "a restriction is lifted",
        |w, ada, _| w.tx(T0, |tx| tx.restrict(ada, true)).unwrap(),
        "UPDATE subjects SET restricted_ms = NULL",
        Some("subjects"),
    ),
    ("a restriction that nobody asked for", nothing, "UPDATE subjects SET restricted_ms = 1", Some("subjects")),
    ("a no is forgotten", nothing, "DELETE FROM refusals", Some("refusals")),
    ("a no that nobody said", nothing, "UPDATE refusals SET id = randomblob(16)", Some("refusals")),
    ("a request is gone", nothing, "DELETE FROM requests", Some("requests")),
    ("a request was answered", nothing, "UPDATE requests SET answered_ms = 1, outcome = 'granted'", Some("requests")),
    ("a request of another kind", nothing, "UPDATE requests SET kind = 'complaint'", Some("requests")),
    ("an order is lifted", nothing, "UPDATE orders SET lifted_ms = 1", Some("orders")),
    ("an order is gone", nothing, "DELETE FROM orders", Some("orders")),
    ("an order ends", nothing, "UPDATE orders SET until_ms = from_ms + 1", Some("orders")),
    ("an order for another place", nothing, "UPDATE orders SET jurisdiction = 'SE'", Some("orders")),
    ("a face is not set apart any more", nothing, "DELETE FROM objections", Some("objections")),
    ("a collection is frozen", nothing, "UPDATE collections SET state = 'frozen'", Some("collections")),
    ("an erasure of somebody else", nothing, "UPDATE tombstones SET subject_id = randomblob(16)", Some("tombstones")),
    ("an erasure was done before it began", nothing, "UPDATE tombstones SET done_leaf = 0", Some("tombstones")),
    ("a witness is gone", nothing, "DELETE FROM witnesses", Some("witnesses")),
];

#[test]
fn i6_who_has_the_key_ring_too_gives_no_consent_without_an_entry_that_an_audit_misses() {
    for (name, step, sql, wanted) in CASES {
        let w = World::new(Backend::Sqlite);
        let (ada, bob) = (w.subject("ada"), w.subject("bob"));
        let grant = w.grant(ada, 9);
        w.enrol(grant, TEMPLATE);
        let photo = w.photo("a.jpg", &[face(0.0), face(200.0)]);
        give_keys(&w);
        w.tx(T0, |tx| {
            tx.object(photo.id, photo.faces[1])?;
            tx.refuse(ada, w.collection, &Purpose::publish_website(), notice())?;
            tx.note_portraits(ada, [[7; 32]].iter())?;
            tx.open_request(&asks(ada, "what do you hold"))?;
            tx.order_stop(&Scope::Jurisdiction("DE".parse().unwrap()), "court", None).map(drop)
        })
        .unwrap();
        w.ledger.erase(bob, T0, |_| {}).unwrap();
        w.subject("carl");
        step(&w, ada, grant);
        let w = w.reopened();
        assert_eq!(w.ledger.audit_verify(None, T0).unwrap().tampered, [], "{name}: before");
        let World { ledger, home, .. } = w;
        drop(ledger);
        home.edit(sql);
        bind_again(&home);
        // Nothing keeps it from being opened: all of it fits.
        let audit = home.open().audit_verify(None, T0).unwrap();
        let tables: Vec<&str> = audit
            .tampered
            .iter()
            .map(|found| match found {
                Tampering::Log { table, .. } => *table,
                other => panic!("{name}: {other:?}"),
            })
            .collect();
        assert_eq!(audit.fault, None, "{name}");
        match wanted {
            Some(wanted) => assert!(tables.contains(wanted), "{name}: {:?}", audit.tampered),
            None => assert_eq!(audit.tampered, [], "{name}"),
        }
    }
}
