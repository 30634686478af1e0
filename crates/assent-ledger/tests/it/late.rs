//! Withdrawals race with answers and with the batches of a scan, in two processes: nothing that names a person is committed
//! after their withdrawal. `ASSENT_WITHDRAWALS=100000` makes it a long race; the control shows that one is found where the
//! consent is looked up in a transaction of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use assent_ledger::*;

use crate::support::*;

/// Names the folder in which a child finds its orders.
const ORDERS: &str = "ASSENT_TEST_LATE";

/// How an answer makes sure of a consent.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    /// In the transaction that names the person.
    Right,
    /// Before it.
    Control,
}

/// What the two processes tell each other, as files in a folder.
struct Orders(PathBuf);

impl Orders {
    /// Who withdraws next.
    fn next(&self) -> usize {
        let bytes = fs::read(self.0.join("next")).unwrap_or_default();
        bytes.try_into().map_or(0, |bytes| u64::from_be_bytes(bytes) as usize)
    }

    fn set_next(&self, n: usize) {
        let new = self.0.join("new");
        fs::write(&new, (n as u64).to_be_bytes()).unwrap();
        fs::rename(new, self.0.join("next")).unwrap();
    }

    fn end(&self) {
        fs::write(self.0.join("over"), b"").unwrap();
    }

    fn over(&self) -> bool {
        self.0.join("over").exists()
    }
}

/// The other process: it answers about whoever is about to withdraw, until it is told that all is over.
#[test]
fn child_that_answers() {
    let Some(folder) = variable(ORDERS).map(PathBuf::from) else { return };
    let said = fs::read_to_string(folder.join("place")).unwrap();
    let said: Vec<&str> = said.lines().collect();
    let database = if said[2].is_empty() { Database::Sqlite } else { postgres_at(said[2]) };
    let place = VaultPlace { folder: said[0].into(), ring: said[1].into(), database };
    let answer = if said[3] == "control" { Answer::Control } else { Answer::Right };
    let tools = || Tools {
        rng: Box::new(TestRng::new("the other process")),
        hook: no_hook(),
        secrets: Vec::new(),
        rules: lenient(),
    };
    let ledger = patient(|| Ledger::open(&place, tools(), T0)).unwrap();
    let ids = fs::read(folder.join("people")).unwrap();
    let people: Vec<(GrantId, SubjectId)> = ids
        .as_chunks::<32>()
        .0
        .iter()
        .map(|ids| {
            let (grant, subject) = ids.split_at(16);
            (GrantId::from_bytes(grant.try_into().unwrap()), SubjectId::from_bytes(subject.try_into().unwrap()))
        })
        .collect();
    let orders = Orders(folder);
    for round in 0_usize.. {
        if orders.over() {
            break;
        }
        // The one whose turn it is, the two before, and the one after.
        let n = (orders.next() + round % 4).saturating_sub(2).min(people.len() - 1);
        let kind = if round % 2 == 0 { EventKind::Search } else { EventKind::Scan };
        match name(&ledger, answer, people[n], kind) {
            Ok(()) | Err(TxError::NotActive { .. }) => {}
            Err(e) => panic!("{e}"),
        }
    }
}

/// Commits something that names a person, if their consent is in force.
fn name(
    ledger: &Ledger,
    answer: Answer,
    (grant, subject): (GrantId, SubjectId),
    kind: EventKind,
) -> Result<(), TxError> {
    let public = grant.as_bytes().as_slice();
    if answer == Answer::Control {
        let consents = ledger.read_tx(T0, |tx| tx.consents_of(subject))?;
        if consents.iter().all(|consent| consent.grant != grant) {
            return Ok(());
        }
        return ledger.run_tx("answer", T0, |tx| tx.append_leaf(kind, public, &[(subject, b"")])).map(drop);
    }
    let named = ledger.run_tx("answer", T0, |tx| {
        let proof = tx.active_grant(grant)?;
        if kind == EventKind::Scan {
            let photo = tx.known_photos(proof.collection())?[0].id;
            let face = tx.faces_of(photo)?[0].0;
            let seen = NewSighting { grant: &proof, face, band: Band::Match };
            tx.replace_sightings(&tx.matching(proof.collection())?, photo, &[seen])?;
        }
        tx.append_leaf(kind, public, &[(proof.subject(), b"")])
    });
    named.map(drop)
}

fn child(folder: &Path) -> Child {
    let args = ["late::child_that_answers", "--exact", "--quiet"];
    Command::new(std::env::current_exe().unwrap()).args(args).env(ORDERS, folder).spawn().unwrap()
}

/// How many answers stand in the log behind the withdrawal of the person whom they name, and how many there are.
fn race(backend: Backend, people: usize, answer: Answer) -> (usize, usize) {
    let w = World::new(backend);
    w.photo("a.jpg", &[face(0.0)]);
    let mut all = Vec::new();
    // PostgreSQL keeps every version of the log's head until a transaction ends, and looks through them.
    while all.len() < people {
        let some = w.tx(T0, |tx| {
            let one = |n| {
                let subject = add_subject(tx, &format!("p{n}"))?;
                let grant = give(tx, subject, w.collection, &Purpose::find_my_photos(), &w.witnesses, 9)?;
                Ok((grant, subject))
            };
            (all.len()..people.min(all.len() + 200)).map(one).collect::<Result<Vec<_>, _>>()
        });
        all.extend(some.unwrap());
    }
    let orders = Orders(w.home.dir.path().join("orders"));
    fs::create_dir(&orders.0).unwrap();
    let VaultPlace { folder, ring, database } = w.home.another_place();
    let database = match &database {
        Database::Sqlite => "",
        Database::Postgres(server) => server.address.as_str(),
    };
    let mode = if answer == Answer::Control { "control" } else { "right" };
    let place = format!("{}\n{}\n{database}\n{mode}\n", folder.display(), ring.display());
    fs::write(orders.0.join("place"), place).unwrap();
    let ids = all.iter().flat_map(|(grant, subject)| [*grant.as_bytes(), *subject.as_bytes()].concat());
    fs::write(orders.0.join("people"), ids.collect::<Vec<u8>>()).unwrap();
    let mut child = child(&orders.0);
    for (n, (grant, _)) in all.iter().enumerate() {
        orders.set_next(n);
        w.tx(T0, |tx| {
            tx.withdraw(tx.active_grant(*grant)?)?;
            tx.append_leaf(EventKind::Export, grant.as_bytes(), &[])
        })
        .unwrap();
    }
    orders.end();
    assert!(child.wait().unwrap().success());
    let (mut withdrawn, mut late, mut answers, mut from) = (BTreeMap::new(), 0, 0, 0);
    loop {
        let leaves = w.ledger.read_tx(T0, |tx| tx.leaves(from, 10_000)).unwrap();
        let Some(last) = leaves.last() else { break };
        from = last.position + 1;
        for leaf in leaves {
            match leaf.kind {
                EventKind::Export => drop(withdrawn.insert(leaf.public, leaf.position)),
                EventKind::Search | EventKind::Scan => {
                    answers += 1;
                    late += usize::from(withdrawn.contains_key(&leaf.public));
                }
                _ => {}
            }
        }
    }
    assert_eq!(withdrawn.len(), people);
    (late, answers)
}

#[test]
fn i4_no_answer_and_no_batch_is_committed_after_the_withdrawal_of_whom_it_names() {
    let people = variable("ASSENT_WITHDRAWALS").map_or(300, |n| n.parse().unwrap());
    on_every_database(|backend| {
        let (late, answers) = race(backend, people, Answer::Right);
        println!("{backend:?}: {people} withdrawals, {answers} answers and batches, {late} late");
        assert_eq!(late, 0, "{backend:?}: of {answers}");
        assert!(answers > 0, "{backend:?}");
    });
}

/// The race is one: whoever looks the consent up first and names the person in another transaction is late some time.
#[test]
fn an_answer_that_looks_the_consent_up_in_another_transaction_is_late_some_time() {
    on_every_database(|backend| {
        let late = (0..40).any(|_| race(backend, 100, Answer::Control).0 > 0);
        assert!(late, "{backend:?}");
    });
}
