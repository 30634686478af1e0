//! The MAC of a row, and the sums that tell which rows there are.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::tables::{FACE_COLUMNS, TABLES, Table};
use crate::db::{Column, Columns, DbError};
use crate::fields::{Reader, Writer};
use crate::secret::Key;

type Hash = Hmac<Sha256>;

/// The keys of both, ready for use.
pub(crate) struct RowKeys {
    rows: Hash,
    sums: Hash,
}

/// One value as a length-prefixed field (`fields.rs`); fractions as 8 bytes, IEEE 754, big-endian.
fn feed(hash: &mut Hash, value: Column<'_>) {
    let mut field = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u32).to_be_bytes());
        hash.update(bytes);
    };
    match value {
        Column::Null => hash.update(&u32::MAX.to_be_bytes()),
        Column::Int(v) => field(&v.to_be_bytes()),
        Column::Float(v) => field(&v.to_bits().to_be_bytes()),
        Column::Text(v) => field(v.as_bytes()),
        Column::Bytes(v) => field(v),
    }
}

impl RowKeys {
    pub(crate) fn new(master: &Key) -> Self {
        Self { rows: master.derive("assent rows v1", &[]).hmac(), sums: master.derive("assent sums v1", &[]).hmac() }
    }

    /// Begins the MAC of a row that has the bound columns of `table` first.
    pub(crate) fn begin(&self, table: &Table, row: &impl Columns) -> Result<RowMac, DbError> {
        let mut hash = self.rows.clone();
        feed(&mut hash, Column::Text(table.name));
        for column in 0..table.first_added() {
            feed(&mut hash, row.column(column)?);
        }
        for (column, name) in (table.first_added()..).zip(table.added) {
            let value = row.column(column)?;
            if !matches!(value, Column::Null) {
                feed(&mut hash, Column::Text(name));
                feed(&mut hash, value);
            }
        }
        Ok(RowMac(hash))
    }

    /// What a row adds to the sum of its table: nobody without the key can tell.
    pub(crate) fn term(&self, mac: &[u8; 32]) -> Sum {
        let mut hash = self.sums.clone();
        hash.update(mac);
        Sum::from_bytes(&hash.finalize().into_bytes().into())
    }
}

/// The MAC of a row that is not at its end: the faces of a photo may follow.
#[derive(Clone)]
pub(crate) struct RowMac(Hash);

impl RowMac {
    /// Takes in a face, whose columns begin at `first`.
    pub(crate) fn face(&mut self, row: &impl Columns, first: usize) -> Result<(), DbError> {
        for column in 0..FACE_COLUMNS.len() {
            feed(&mut self.0, row.column(first + column)?);
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into_bytes().into()
    }
}

/// A number modulo 2^256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum([u64; 4]);

impl Sum {
    fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut limbs = [0; 4];
        for (limb, bytes) in limbs.iter_mut().zip(bytes.as_chunks::<8>().0.iter().rev()) {
            *limb = u64::from_be_bytes(*bytes);
        }
        Self(limbs)
    }

    fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (limb, bytes) in self.0.iter().zip(bytes.as_chunks_mut::<8>().0.iter_mut().rev()) {
            *bytes = limb.to_be_bytes();
        }
        bytes
    }

    fn add(&mut self, other: Self) {
        let mut carry = false;
        for (limb, other) in self.0.iter_mut().zip(other.0) {
            let (sum, first) = limb.overflowing_add(other);
            let (sum, second) = sum.overflowing_add(carry.into());
            (*limb, carry) = (sum, first || second);
        }
    }

    fn subtract(&mut self, other: Self) {
        let mut borrow = false;
        for (limb, other) in self.0.iter_mut().zip(other.0) {
            let (left, first) = limb.overflowing_sub(other);
            let (left, second) = left.overflowing_sub(borrow.into());
            (*limb, borrow) = (left, first || second);
        }
    }
}

/// How many rows a table has, and the sum of their terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) rows: i64,
    sum: Sum,
}

impl Total {
    pub(crate) fn add(&mut self, term: Sum) {
        self.rows += 1;
        self.sum.add(term);
    }

    pub(crate) fn subtract(&mut self, term: Sum) {
        self.rows -= 1;
        self.sum.subtract(term);
    }
}

/// Of every table in [`TABLES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Totals(pub(crate) Vec<Total>);

impl Default for Totals {
    fn default() -> Self {
        Self(vec![Total::default(); TABLES.len()])
    }
}

impl Totals {
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let tables = TABLES.iter().zip(&self.0);
        let fields = tables.fold(Writer::new(), |fields, (table, total)| {
            fields.text(table.name).int(total.rows).bytes(&total.sum.to_bytes())
        });
        fields.finish()
    }

    /// A table that is not named was added by a later format, and had no rows.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (mut fields, mut all) = (Reader::new(bytes), Self::default());
        while !fields.at_end() {
            let table = Table::find(fields.text()?)?;
            all.0[table] = Total { rows: fields.int()?, sum: Sum::from_bytes(&fields.array()?) };
        }
        Some(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_carry_and_borrow_over_all_their_bytes_and_come_back_as_they_were_written() {
        let (one, most) = (Sum::from_bytes(&std::array::from_fn(|i| u8::from(i == 31))), Sum::from_bytes(&[0xff; 32]));
        let mut sum = most;
        sum.add(one);
        assert_eq!(sum, Sum::default());
        sum.subtract(one);
        assert_eq!(sum, most);
        let mut totals = Totals::default();
        totals.0[3].add(most);
        totals.0[3].add(Sum([1, 2, 3, 4]));
        assert_eq!(Totals::decode(&totals.encode()), Some(totals.clone()));
        assert_eq!(totals.0[3].rows, 2);
        let bytes = totals.encode();
        assert!(Totals::decode(&bytes[..bytes.len() - 1]).is_none());
    }
}
