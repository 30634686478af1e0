//! Counting the rows anew: at opening those of the small tables, in an audit all of them.

use std::fmt;

use super::mac::{RowMac, Total, Totals};
use super::tables::{FACE_COLUMNS, FACES, PHOTOS, TABLES, Table};
use super::{STATEMENTS, kept, statement};
use crate::db::{Columns, DbError, SchemaFault, Value};
use crate::error::TxError;
use crate::fields::Writer;
use crate::id::hex;
use crate::tx::ReadTx;

/// What in the database is not as it was written. As text it is a clause in everyday words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tampering {
    /// A table, trigger or other object is not as the program makes it.
    Schema(SchemaFault),
    /// The log's head, with which the sums are sealed.
    Head,
    /// A row was changed, or put in by somebody without the keys.
    Row {
        /// The name of the database table.
        table: &'static str,
        /// What a row of it is, in everyday words.
        row: &'static str,
        /// The first digits of its id, or its number.
        id: Option<String>,
    },
    /// Rows were removed, put in, or put back from an old copy: each is whole, and together they are others.
    Rows {
        /// The name of the database table.
        table: &'static str,
        /// What a row of it is, in everyday words.
        row: &'static str,
        /// How many there are.
        found: i64,
        /// How many there have to be.
        written: i64,
    },
    /// The database says that it is of an older format than it was already.
    Downgraded,
    /// The log, or the key ring, says something else.
    Log {
        /// The name of the database table.
        table: &'static str,
        /// What a row of it is, in everyday words.
        row: &'static str,
        /// The first digits of its id.
        id: String,
        /// How they differ.
        which: Disagreement,
    },
}

/// How a table and the log differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disagreement {
    /// No entry of the log says that there is such a thing.
    Unsaid,
    /// The log says something else of it.
    Otherwise,
    /// The log says that there is one.
    Missing,
    /// The log says that it ended, and it is in force.
    Ended,
    /// The key ring says that it was withdrawn, and it is in force.
    Withdrawn,
}

impl Tampering {
    pub(super) fn row(table: &Table, key: &[Value]) -> Self {
        Self::Row { table: table.name, row: table.row, id: id_of(key) }
    }
}

impl fmt::Display for Tampering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema(fault) => fault.fmt(f),
            Self::Head => f.write_str("the head of the log was changed"),
            Self::Row { row, id: Some(id), .. } => write!(f, "{row} ({id}) was changed"),
            Self::Row { row, id: None, .. } => write!(f, "{row} was changed"),
            Self::Rows { table, row, found, written } if found == written => {
                write!(f, "{row} or several were put back as they were before (table {table})")
            }
            Self::Rows { table, row, found, written } if found < written => {
                write!(f, "{row} or several were removed (table {table}: {found} there, {written} written)")
            }
            Self::Rows { table, row, found, written } => {
                write!(f, "{row} or several were put in (table {table}: {found} there, {written} written)")
            }
            Self::Log { row, id, which, .. } => match which {
                Disagreement::Unsaid => write!(f, "{row} ({id}) is there, and no entry of the log says so"),
                Disagreement::Otherwise => write!(f, "{row} ({id}) is another than the log says"),
                Disagreement::Missing => write!(f, "the log speaks of {row} ({id}), which is not there"),
                Disagreement::Ended => write!(f, "{row} ({id}) is in force, and the log says that it ended"),
                Disagreement::Withdrawn => {
                    write!(f, "{row} ({id}) is in force, and the key ring says that it was withdrawn")
                }
            },
            Self::Downgraded => f.write_str("it says that it is of an older version than it was"),
        }
    }
}

/// Which tables to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Opening,
    Everything,
}

/// Of so many changed rows of a table the ids are told.
const TOLD: usize = 20;

impl ReadTx<'_> {
    /// What is not as it was written; empty if all is.
    ///
    /// # Errors
    ///
    /// - [`TxError::Database`] if the database cannot be read.
    pub(crate) fn tampered(&self, scope: Scope) -> Result<Vec<Tampering>, TxError> {
        let mut found = Vec::new();
        let totals = match self.totals() {
            Ok(totals) => Some(totals),
            Err(TxError::Tampered(_)) => {
                found.push(Tampering::Head);
                None
            }
            Err(refused) => return Err(refused),
        };
        let tables = TABLES.iter().enumerate();
        for (at, _) in tables.filter(|(_, table)| scope == Scope::Everything || table.at_opening) {
            found.extend(match &totals {
                Some(totals) => self.tampered_in(at, totals)?,
                None => self.counted(at)?.1,
            });
        }
        Ok(found)
    }

    /// Counts the rows of the small tables, as an opening of the vault does: for a program that has it open for long.
    ///
    /// # Errors
    ///
    /// - [`TxError::Tampered`] if a row was changed, removed, put in, or put back from an old copy.
    /// - [`TxError::Database`] if the database cannot be read.
    pub fn check_tables(&self) -> Result<(), TxError> {
        if !self.head.bound() {
            return Ok(());
        }
        self.tampered(Scope::Opening)?.into_iter().next().map_or(Ok(()), |found| Err(TxError::Tampered(found)))
    }

    /// What of one table is not as it was written.
    pub(super) fn tampered_in(&self, at: usize, written: &Totals) -> Result<Vec<Tampering>, TxError> {
        let (total, mut found) = self.counted(at)?;
        let (&Table { name, row, .. }, written) = (&TABLES[at], written.0[at]);
        if found.is_empty() && total != written {
            found.push(Tampering::Rows { table: name, row, found: total.rows, written: written.rows });
        }
        Ok(found)
    }

    /// The sum over a table, and the rows that are not as they were written, if only some are told.
    fn counted(&self, at: usize) -> Result<(Total, Vec<Tampering>), TxError> {
        let (table, mut total, mut changed) = (&TABLES[at], Total::default(), Vec::new());
        self.each_row(at, &mut |key, due, kept| {
            if table.own_mac && kept != Some(due) && changed.len() < TOLD {
                changed.push(Tampering::row(table, &key));
            }
            total.add(self.row_keys.term(&due));
        })?;
        Ok((total, changed))
    }

    /// Calls `each` for every row of a table: its key, what its MAC has to be, the MAC that it keeps.
    pub(super) fn each_row(
        &self,
        at: usize,
        each: &mut dyn FnMut(Vec<Value>, [u8; 32], Option<[u8; 32]>),
    ) -> Result<(), TxError> {
        let (table, keys) = (&TABLES[at], self.row_keys);
        let mut end = |open: Open| each(open.key, open.mac.finish(), open.kept);
        let mut open: Option<Open> = None;
        self.db.each(STATEMENTS[at].all, &[], &mut |row| {
            // A photo comes once for each of its faces.
            let same = match &open {
                Some(open) if table.has_faces() => open.is(row)?,
                _ => false,
            };
            if !same {
                let next = Open { key: key_of(table, row, 0)?, mac: keys.begin(table, row)?, kept: kept(row, table)? };
                if let Some(done) = open.replace(next) {
                    end(done);
                }
            }
            let face = table.width() + 1;
            if table.has_faces() && row.opt_int(face)?.is_some() {
                open.as_mut().map_or(Ok(()), |open| open.mac.face(row, face))?;
            }
            Ok(true)
        })?;
        open.into_iter().for_each(end);
        Ok(())
    }
}

/// A row that is being read.
struct Open {
    key: Vec<Value>,
    mac: RowMac,
    kept: Option<[u8; 32]>,
}

impl Open {
    fn is(&self, row: &impl Columns) -> Result<bool, DbError> {
        Ok(self.key.first() == Some(&Value::Int(row.int(0)?)))
    }
}

/// The question for all rows of a table.
pub(super) fn all_rows(table: &Table) -> &'static str {
    if !table.has_faces() {
        let mac = if table.own_mac { "" } else { ", NULL" };
        return statement::leak(table.select().replacen(" FROM", &format!("{mac} FROM"), 1));
    }
    let prefixed = |prefix: &str, columns: &mut dyn Iterator<Item = &'static str>| {
        columns.map(|column| format!("{prefix}.{column}")).collect::<Vec<_>>().join(", ")
    };
    let (photo, face) = (prefixed("p", &mut table.bound()), prefixed("f", &mut FACE_COLUMNS.iter().copied()));
    statement::leak(format!(
        "SELECT {photo}, p.mac, {face} FROM {PHOTOS} p LEFT JOIN {FACES} f ON f.photo_id = p.id ORDER BY p.id, f.id"
    ))
}

/// The key of a row, whose columns begin with `first`.
pub(super) fn key_of(table: &Table, row: &impl Columns, first: usize) -> Result<Vec<Value>, DbError> {
    (first..first + table.key.len()).map(|column| Ok(row.column(column)?.into())).collect()
}

/// A key as bytes, by which rows are told apart.
pub(super) fn bytes_of(key: &[Value]) -> Vec<u8> {
    let fields = key.iter().fold(Writer::new(), |fields, value| match value {
        Value::Int(v) => fields.int(*v),
        Value::Bytes(v) => fields.bytes(v),
        Value::Text(v) => fields.text(v),
        Value::Float(v) => fields.bytes(&v.to_bits().to_be_bytes()),
        Value::Null => fields.opt(None),
    });
    fields.finish_public()
}

/// A key for people to read: the first digits of an id, as lists show it, or a number.
pub(super) fn id_of(key: &[Value]) -> Option<String> {
    match key.first()? {
        Value::Int(v) => Some(v.to_string()),
        Value::Bytes(v) => Some(id_text(v)),
        Value::Text(v) => Some(v.clone()),
        Value::Float(_) | Value::Null => None,
    }
}

/// The first digits of an id, as lists show it.
pub(crate) fn id_text(id: &[u8]) -> String {
    hex(id.get(..4).unwrap_or(id))
}
