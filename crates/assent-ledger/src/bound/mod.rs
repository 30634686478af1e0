//! Rows that decide something are bound: whoever can write the database, and has no key, changes none of them unnoticed.
//!
//! A row of such a table keeps a MAC over its columns, under a key that the key ring's master gives. A changed row shows when it is
//! read or written, and when the vault is opened. Of every table the vault keeps the sum of a keyed hash of all its rows, sealed
//! with the log's head: a row that was removed, put in, or put back from an old copy shows when the sum is counted anew.
//!
//! Nobody has to think of it: [`Tx::exec`] and [`Tx::row`] know which rows of which table a statement changes ([`statement`]),
//! verify each of them before, and write MACs and sums at the end of the transaction. A statement that they cannot follow is refused.
//! They also count what was changed: a trigger that makes the database pass over a change is found by it.
//!
//! The tables and columns are in [`tables`]; what is computed in [`mac`]; what an opening and an audit do in [`check`]. The exact
//! form is in `docs/formats/vault.md`, the reasons in `docs/decisions/untrusted-database.md`.

mod check;
mod mac;
mod statement;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use statement::{Change, Kind, Plan};
use tables::{FACE_COLUMNS, FACES, TABLES, Table};

pub use check::{Disagreement, Tampering};
pub(crate) use check::{Scope, id_text};
pub(crate) use mac::RowKeys;
use mac::Totals;

use crate::db::{Columns, DbError, ForEach, Row, Value, args};
use crate::error::TxError;
use crate::fields::Writer;
use crate::ledger::FORMAT_VERSION;
use crate::seal::{self, SealContext};
use crate::tx::{ReadTx, Tx};

const HEAD: &str = "log_head";

/// From which format of the vault on rows are bound.
const FIRST_BOUND_FORMAT: i64 = 9;

/// What of the log's head a transaction began with.
pub(crate) struct Head {
    /// The vault's format; `None` while it is being created.
    pub(crate) format: Option<i64>,
    /// How many slots of the key ring the vault had taken up.
    pub(crate) ring_slots: Option<u64>,
    /// What the sums are sealed to.
    pub(crate) place: Vec<u8>,
    pub(crate) sums: Option<Vec<u8>>,
}

impl Head {
    /// Of a row with the columns size, peaks, newest time, sums from `first` on.
    pub(crate) fn read(row: &Row, first: usize, format: Option<i64>) -> Result<Self, DbError> {
        let (size, peaks, newest) = (row.int(first)?, row.bytes(first + 1)?, row.opt_int(first + 2)?);
        let place = Writer::new().int(size).bytes(&peaks).opt_int(newest).finish_public();
        Ok(Self { format, ring_slots: None, place, sums: row.opt_bytes(first + 3)? })
    }

    /// Whether rows are bound; in a vault of a format before that they will be when it was brought up to date.
    pub(crate) fn bound(&self) -> bool {
        self.format.is_none_or(|format| format >= FIRST_BOUND_FORMAT)
    }

    fn context(&self) -> SealContext<'_> {
        SealContext { table: HEAD, row: Some(&self.place), ..SealContext::default() }
    }
}

/// A row that changes: its key, and the MAC that it had before if it was there.
type Changed = (Vec<Value>, Option<[u8; 32]>);

/// Rows that a transaction changed, with the MAC that each had before.
#[derive(Default)]
pub(crate) struct Touched {
    /// By table and key.
    rows: BTreeMap<(usize, Vec<u8>), Changed>,
    head: bool,
    /// Tables that were as they were written when they were asked for first.
    counted: BTreeSet<usize>,
}

/// The statements of a table.
struct Statements {
    by_key: ForEach,
    put_mac: ForEach,
    all: &'static str,
}

static STATEMENTS: LazyLock<Vec<Statements>> = LazyLock::new(|| {
    let of = |table: &Table| {
        let (select, name, is_key) = (table.select(), table.name, table.key_is(1));
        // A key of one column in a list, others one by one.
        let (by_key, put_mac) = match table.key {
            [key] => (
                format!("{select} WHERE {key} IN ($1)"),
                format!("UPDATE {name} SET mac = CASE {key} WHEN $1 THEN $2 ELSE mac END WHERE {key} IN ($1)"),
            ),
            keys => (
                format!("{select} WHERE ({is_key})"),
                format!("UPDATE {name} SET mac = ${} WHERE {is_key}", keys.len() + 1),
            ),
        };
        let [by_key, put_mac] = [by_key, put_mac].map(|sql| ForEach::row(statement::leak(sql)));
        Statements { by_key, put_mac, all: check::all_rows(table) }
    };
    TABLES.iter().map(of).collect()
});

static FACES_OF: LazyLock<ForEach> = LazyLock::new(|| {
    let columns = FACE_COLUMNS.join(", ");
    let sql = format!("SELECT {columns}, photo_id FROM {FACES} WHERE photo_id IN ($1) ORDER BY photo_id, id");
    ForEach::row(statement::leak(sql))
});

/// Keys of rows, each also as the bytes that it is told apart by.
type Keys = BTreeMap<Vec<u8>, Vec<Value>>;

/// A row as it stands.
struct Stored {
    /// What its MAC has to be.
    due: [u8; 32],
    /// The one that it keeps, if its table keeps them.
    kept: Option<[u8; 32]>,
}

impl ReadTx<'_> {
    /// The rows with these keys, as far as there are any, by the bytes of their keys.
    fn stored(&self, table: usize, keys: &Keys) -> Result<BTreeMap<Vec<u8>, Stored>, TxError> {
        let about = &TABLES[table];
        let all: Vec<Vec<Value>> = keys.values().cloned().collect();
        let mut begun = BTreeMap::new();
        for row in self.rows_for(STATEMENTS[table].by_key, &[], &all)? {
            let kept = if about.own_mac { kept(&row, about)? } else { None };
            begun.insert(check::bytes_of(&check::key_of(about, &row, 0)?), (self.row_keys.begin(about, &row)?, kept));
        }
        if about.has_faces() {
            for face in self.rows_for(*FACES_OF, &[], &all)? {
                let photo = check::bytes_of(&check::key_of(about, &face, FACE_COLUMNS.len())?);
                begun.get_mut(&photo).map_or(Ok(()), |(mac, _)| mac.face(&face, 0))?;
            }
        }
        Ok(begun.into_iter().map(|(key, (mac, kept))| (key, Stored { due: mac.finish(), kept })).collect())
    }

    /// The MACs of rows, by the bytes of their keys: each has to be what its columns make. Of a row that is not there, nothing.
    fn verified(&self, table: usize, keys: &Keys) -> Result<BTreeMap<Vec<u8>, [u8; 32]>, TxError> {
        let about = &TABLES[table];
        let mut macs = BTreeMap::new();
        for (place, stored) in self.stored(table, keys)? {
            if about.own_mac && stored.kept != Some(stored.due) {
                let key = keys.get(&place).map(Vec::as_slice).unwrap_or_default();
                return Err(TxError::Tampered(Tampering::row(about, key)));
            }
            macs.insert(place, stored.due);
        }
        Ok(macs)
    }

    /// Those of these keys whose rows did not change in this transaction.
    fn unchanged(&self, table: usize, keys: impl IntoIterator<Item = Vec<Value>>) -> Keys {
        let touched = self.touched.borrow();
        let keys = keys.into_iter().map(|key| (check::bytes_of(&key), key));
        keys.filter(|(place, _)| !touched.rows.contains_key(&(table, place.clone()))).collect()
    }

    /// Refuses a row that is not as it was written. Nothing is said of one that is not there, or that this transaction changed.
    ///
    /// # Errors
    ///
    /// - [`TxError::Tampered`] if its MAC does not fit.
    /// - [`TxError::Database`] if the database refuses.
    pub(crate) fn check_row(&self, name: &'static str, key: impl Into<Value>) -> Result<(), TxError> {
        self.check_rows(name, [key])
    }

    /// The same of many rows.
    ///
    /// # Errors
    ///
    /// As [`Self::check_row`].
    pub(crate) fn check_rows<K: Into<Value>>(
        &self,
        name: &'static str,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<(), TxError> {
        let Some(table) = Table::find(name).filter(|_| self.head.bound()) else { return Ok(()) };
        let keys = keys.into_iter().map(|key| vec![key.into()]);
        self.verified(table, &self.unchanged(table, keys)).map(drop)
    }

    /// Refuses a small table of which the missing rows decide something, if it is not as it was written.
    ///
    /// # Errors
    ///
    /// As [`Self::check_row`].
    pub(crate) fn check_table(&self, name: &'static str) -> Result<(), TxError> {
        let Some(table) = Table::find(name).filter(|_| self.head.bound()) else { return Ok(()) };
        let touched = self.touched.borrow();
        let known = touched.counted.contains(&table) || touched.rows.keys().any(|(of, _)| *of == table);
        drop(touched);
        if known {
            return Ok(());
        }
        if let Some(found) = self.tampered_in(table, &self.totals()?)?.into_iter().next() {
            return Err(TxError::Tampered(found));
        }
        self.touched.borrow_mut().counted.insert(table);
        Ok(())
    }

    /// The sums, as the last transaction that wrote left them.
    fn totals(&self) -> Result<Totals, TxError> {
        let damaged = || TxError::Tampered(Tampering::Head);
        match (&self.head.sums, self.head.format) {
            (Some(sums), _) => {
                let plain = seal::open(self.ring().master(), &self.head.context(), sums).map_err(|_| damaged())?;
                Totals::decode(&plain).ok_or_else(damaged)
            }
            // It is being created.
            (None, None) => Ok(Totals::default()),
            (None, Some(_)) => Err(damaged()),
        }
    }
}

/// The MAC that a row keeps, behind its columns.
fn kept(row: &impl Columns, table: &Table) -> Result<Option<[u8; 32]>, DbError> {
    Ok(row.opt_bytes(table.width())?.and_then(|mac| mac.try_into().ok()))
}

impl Tx<'_> {
    /// Runs a statement. Returns how many rows it changed.
    ///
    /// # Errors
    ///
    /// - [`TxError::Tampered`] if a row that it would change is not as it was written.
    /// - [`TxError::NotKept`] if the database passed over a change.
    /// - [`TxError::Database`] if the database refuses.
    pub(crate) fn exec(&self, sql: &'static str, args: &[Value]) -> Result<u64, TxError> {
        match self.follow(sql)? {
            Some(change) => Ok(self.change(change, args)?.0),
            None => Ok(self.db.exec(sql, args)?),
        }
    }

    /// Asks for a row, or runs a statement that answers with one; behind its columns come those of the key.
    ///
    /// # Errors
    ///
    /// As [`Self::exec`].
    pub(crate) fn row(&self, sql: &'static str, args: &[Value]) -> Result<Option<Row>, TxError> {
        match self.follow(sql)? {
            Some(change) => Ok(self.change(change, args)?.1.into_iter().next()),
            None => Ok(self.db.row(sql, args)?),
        }
    }

    /// Runs a statement for many rows. Returns how many it changed.
    ///
    /// # Errors
    ///
    /// As [`Self::exec`].
    pub(crate) fn exec_for(&self, each: ForEach, shared: &[Value], rows: &[Vec<Value>]) -> Result<u64, TxError> {
        each.parts(shared, rows).into_iter().try_fold(0, |sum, (sql, args)| Ok(sum + self.exec(sql, &args)?))
    }

    /// Inserts many rows. Returns what the statement answers with for each, and behind it the columns of the key.
    ///
    /// # Errors
    ///
    /// As [`Self::exec`].
    pub(crate) fn insert_for(&self, each: ForEach, rows: &[Vec<Value>]) -> Result<Vec<Row>, TxError> {
        let mut made = Vec::with_capacity(rows.len());
        for (sql, args) in each.parts(&[], rows) {
            made.extend(match self.follow(sql)? {
                Some(change) => self.change(change, &args)?.1,
                None => self.db.rows(sql, &args)?,
            });
        }
        Ok(made)
    }

    fn follow(&self, sql: &'static str) -> Result<Option<&'static Change>, TxError> {
        if sql.starts_with("SELECT") || !self.head.bound() {
            return Ok(None);
        }
        Ok(match statement::plan(sql)? {
            Plan::Free => None,
            Plan::Head => {
                self.touched.borrow_mut().head = true;
                None
            }
            Plan::Rows(change) => Some(change),
        })
    }

    fn change(&self, change: &Change, args: &[Value]) -> Result<(u64, Vec<Row>), TxError> {
        let before: Vec<Vec<Value>> = match &change.before {
            Some(derived) => {
                let args: Vec<Value> = derived.args.iter().filter_map(|at| args.get(*at).cloned()).collect();
                if change.names_key {
                    args.into_iter().map(|key| vec![key]).collect()
                } else {
                    self.db.rows(derived.sql, &args)?.into_iter().map(Row::into_values).collect()
                }
            }
            None => Vec::new(),
        };
        let expected = before.len() as u64;
        self.rows_change(change.table, before, true)?;
        let not_kept = || TxError::NotKept { row: TABLES[change.table].row };
        match change.kind {
            Kind::Update | Kind::Delete => {
                let changed = self.db.exec(change.sql, args)?;
                if changed == expected { Ok((changed, Vec::new())) } else { Err(not_kept()) }
            }
            Kind::Insert { rows, or_nothing } => {
                let made = self.db.rows(change.sql, args)?;
                if (made.len() as u64) < rows && !or_nothing {
                    return Err(not_kept());
                }
                let table = &TABLES[change.table];
                let key = |row: &Row| check::key_of(table, row, row.width() - table.key.len());
                let keys = made.iter().map(key).collect::<Result<_, _>>()?;
                self.rows_change(change.table, keys, false)?;
                Ok((made.len() as u64, made))
            }
        }
    }

    /// Remembers that rows change; those that were there `before` have to be as they were written.
    fn rows_change(&self, table: usize, keys: Vec<Vec<Value>>, before: bool) -> Result<(), TxError> {
        let keys = self.unchanged(table, keys);
        let mut macs = if before { self.verified(table, &keys)? } else { BTreeMap::new() };
        let changed = keys.into_iter().map(|(place, key)| {
            let mac = macs.remove(&place);
            ((table, place), (key, mac))
        });
        self.touched.borrow_mut().rows.extend(changed);
        Ok(())
    }

    /// Writes the MACs of the rows that changed, and the sums. To be called when nothing more changes.
    ///
    /// # Errors
    ///
    /// - [`TxError::Tampered`] if the log's head is not as it was written.
    /// - [`TxError::NotKept`] if the database passed over a MAC.
    /// - [`TxError::Seal`], [`TxError::Database`].
    pub(crate) fn bind(&self) -> Result<(), TxError> {
        let Touched { rows, head, .. } = self.touched.take();
        if !self.head.bound() {
            // It was brought up to date by this transaction, or waits for that.
            return if self.format()? == FORMAT_VERSION { self.bind_all() } else { Ok(()) };
        }
        if rows.is_empty() && !head {
            return Ok(());
        }
        let mut totals = self.totals()?;
        let mut by_table: BTreeMap<usize, (Keys, Vec<[u8; 32]>)> = BTreeMap::new();
        for ((table, place), (key, before)) in rows {
            let (keys, gone) = by_table.entry(table).or_default();
            keys.insert(place, key);
            gone.extend(before);
        }
        for (table, (keys, gone)) in by_table {
            let (now, total) = (self.stored(table, &keys)?, &mut totals.0[table]);
            for mac in &gone {
                total.subtract(self.row_keys.term(mac));
            }
            for row in now.values() {
                total.add(self.row_keys.term(&row.due));
            }
            let stale = now.into_iter().filter(|(_, row)| TABLES[table].own_mac && row.kept != Some(row.due));
            let macs = stale.filter_map(|(place, row)| Some((keys.get(&place)?.clone(), row.due)));
            self.put_macs(table, macs.collect())?;
        }
        self.seal_totals(&totals)
    }

    fn put_macs(&self, table: usize, macs: Vec<(Vec<Value>, [u8; 32])>) -> Result<(), TxError> {
        let rows: Vec<Vec<Value>> = macs.into_iter().map(|(key, mac)| [key, vec![mac.into()]].concat()).collect();
        let many = if TABLES[table].key.len() == 1 { rows.len().max(1) } else { 1 };
        let mut kept = 0;
        for rows in rows.chunks(many) {
            for (sql, args) in STATEMENTS[table].put_mac.parts(&[], rows) {
                kept += self.db.exec(sql, &args)?;
            }
        }
        if kept == rows.len() as u64 { Ok(()) } else { Err(TxError::NotKept { row: TABLES[table].row }) }
    }

    /// Binds every row of a vault of an older format.
    fn bind_all(&self) -> Result<(), TxError> {
        let mut totals = Totals::default();
        for (at, table) in TABLES.iter().enumerate() {
            let mut keys = Vec::new();
            self.each_row(at, &mut |key, due, _| {
                totals.0[at].add(self.row_keys.term(&due));
                if table.own_mac {
                    keys.push((key, due));
                }
            })?;
            self.put_macs(at, keys)?;
        }
        self.seal_totals(&totals)
    }

    fn seal_totals(&self, totals: &Totals) -> Result<(), TxError> {
        let row = self.db.row("SELECT size, peaks, newest_ms, sums FROM log_head WHERE one = 1", args![])?;
        let head = Head::read(&row.ok_or(TxError::Damaged { table: HEAD })?, 0, None)?;
        let sealed = self.seal_master(&head.context(), &totals.encode())?;
        match self.db.exec("UPDATE log_head SET sums = $1 WHERE one = 1", args![sealed])? {
            1 => Ok(()),
            _ => Err(TxError::NotKept { row: "the head of the log" }),
        }
    }
}
