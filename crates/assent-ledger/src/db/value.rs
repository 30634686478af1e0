//! Values that go to a database and come from it, the same for both.

use super::DbError;
use crate::id::{
    BlobId, CollectionId, FaceId, GrantId, JobId, OrderId, PendingId, PhotoId, RequestId, SubjectId, TemplateId,
    Timestamp, VaultId, WitnessId,
};

/// A value bound to `$n`, or a column of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
}

macro_rules! value_from {
    ($($type:ty: |$v:ident| $make:expr;)+) => { $(impl From<$type> for Value { fn from($v: $type) -> Self { $make } })+ };
}

macro_rules! value_from_id {
    (bytes: $($bytes:ty),+; numbers: $($number:ty),+) => {
        $(impl From<$bytes> for Value { fn from(id: $bytes) -> Self { Self::Bytes(id.as_bytes().to_vec()) } })+
        $(impl From<$number> for Value { fn from(id: $number) -> Self { Self::Int(id.0) } })+
    };
}

value_from! {
    i64: |v| Self::Int(v);
    u32: |v| Self::Int(v.into());
    u8: |v| Self::Int(v.into());
    bool: |v| Self::Int(v.into());
    f32: |v| Self::Float(v.into());
    String: |v| Self::Text(v);
    &str: |v| Self::Text(v.to_owned());
    Vec<u8>: |v| Self::Bytes(v);
    &[u8]: |v| Self::Bytes(v.to_vec());
    [u8; 32]: |v| Self::Bytes(v.to_vec());
    [u8; 16]: |v| Self::Bytes(v.to_vec());
}

value_from_id! {
    bytes: SubjectId, GrantId, CollectionId, WitnessId, OrderId, PendingId, BlobId, RequestId, VaultId;
    numbers: PhotoId, FaceId, TemplateId, JobId, Timestamp
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The values of `$1`, `$2`, ... in order.
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::db::Value::from($value)),*] };
}
pub(crate) use args;

/// A column while its row is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column<'r> {
    Null,
    Int(i64),
    Float(f64),
    Text(&'r str),
    Bytes(&'r [u8]),
}

/// One row of an answer, read by column number, from 0.
pub(crate) trait Columns {
    /// The value of a column, as it lies in the driver's memory.
    ///
    /// # Errors
    ///
    /// [`DbError`] if there is no such column, or its type is none of the five.
    fn column(&self, column: usize) -> Result<Column<'_>, DbError>;

    fn opt_int(&self, column: usize) -> Result<Option<i64>, DbError> {
        match self.column(column)? {
            Column::Null => Ok(None),
            Column::Int(v) => Ok(Some(v)),
            other => Err(wrong_type(column, "a number", other)),
        }
    }

    fn int(&self, column: usize) -> Result<i64, DbError> {
        self.opt_int(column)?.ok_or_else(|| wrong_type(column, "a number", Column::Null))
    }

    fn float(&self, column: usize) -> Result<f32, DbError> {
        match self.column(column)? {
            Column::Float(v) => Ok(v as f32),
            Column::Int(v) => Ok(v as f32),
            other => Err(wrong_type(column, "a fraction", other)),
        }
    }

    fn opt_text(&self, column: usize) -> Result<Option<String>, DbError> {
        match self.column(column)? {
            Column::Null => Ok(None),
            Column::Text(v) => Ok(Some(v.to_owned())),
            other => Err(wrong_type(column, "text", other)),
        }
    }

    fn text(&self, column: usize) -> Result<String, DbError> {
        self.opt_text(column)?.ok_or_else(|| wrong_type(column, "text", Column::Null))
    }

    /// The bytes where they lie.
    fn blob(&self, column: usize) -> Result<&[u8], DbError> {
        match self.column(column)? {
            Column::Bytes(v) => Ok(v),
            other => Err(wrong_type(column, "bytes", other)),
        }
    }

    fn bytes(&self, column: usize) -> Result<Vec<u8>, DbError> {
        Ok(self.blob(column)?.to_vec())
    }

    fn opt_bytes(&self, column: usize) -> Result<Option<Vec<u8>>, DbError> {
        match self.column(column)? {
            Column::Null => Ok(None),
            Column::Bytes(v) => Ok(Some(v.to_vec())),
            other => Err(wrong_type(column, "bytes", other)),
        }
    }

    fn array<const N: usize>(&self, column: usize) -> Result<[u8; N], DbError> {
        exactly(self.blob(column)?)
    }

    fn opt_array<const N: usize>(&self, column: usize) -> Result<Option<[u8; N]>, DbError> {
        self.opt_bytes(column)?.map(|bytes| exactly(&bytes)).transpose()
    }
}

fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], DbError> {
    bytes.try_into().map_err(|_| DbError::said("a value has another length than the format says"))
}

fn wrong_type(column: usize, wanted: &str, found: Column<'_>) -> DbError {
    let found = match found {
        Column::Null => "nothing",
        Column::Int(_) => "a number",
        Column::Float(_) => "a fraction",
        Column::Text(_) => "text",
        Column::Bytes(_) => "bytes",
    };
    DbError::said(format!("column {column} of an answer holds {found} in place of {wanted}"))
}

/// A row that outlives the statement.
#[derive(Debug)]
pub(crate) struct Row(Vec<Value>);

impl Row {
    /// A copy of a row of so many columns.
    pub(super) fn of(row: &impl Columns, columns: usize) -> Result<Self, DbError> {
        (0..columns).map(|column| row.column(column).map(Value::from)).collect::<Result<_, _>>().map(Self)
    }

    /// How many columns it has.
    pub(crate) fn width(&self) -> usize {
        self.0.len()
    }
}

impl Row {
    /// Its values, in the order of the columns.
    pub(crate) fn into_values(self) -> Vec<Value> {
        self.0
    }
}

impl Columns for Row {
    fn column(&self, column: usize) -> Result<Column<'_>, DbError> {
        let value =
            self.0.get(column).ok_or_else(|| DbError::said("an answer has fewer columns than were asked for"))?;
        Ok(match value {
            Value::Null => Column::Null,
            Value::Int(v) => Column::Int(*v),
            Value::Float(v) => Column::Float(*v),
            Value::Text(v) => Column::Text(v),
            Value::Bytes(v) => Column::Bytes(v),
        })
    }
}

impl From<Column<'_>> for Value {
    fn from(column: Column<'_>) -> Self {
        match column {
            Column::Null => Self::Null,
            Column::Int(v) => Self::Int(v),
            Column::Float(v) => Self::Float(v),
            Column::Text(v) => Self::Text(v.to_owned()),
            Column::Bytes(v) => Self::Bytes(v.to_vec()),
        }
    }
}
