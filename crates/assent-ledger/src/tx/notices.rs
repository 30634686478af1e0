//! Notices: what people are told before they say yes. A text in a language, in versions; a consent is bound to one of
//! them by its SHA-256, and a changed text is another notice, to which nobody has said yes.

use sha2::{Digest, Sha256};

use super::{ReadTx, Tx};
use crate::db::{Columns, Row, args};
use crate::error::TxError;
use crate::id::Timestamp;
use crate::names::{is_unprintable, unfilled};

const NOTICES: &str = "notices";

/// A notice, as people were given it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// SHA-256 of the text.
    pub sha256: [u8; 32],
    /// What it is called; its versions and languages share this.
    pub name: String,
    /// Counts from 1, in each language.
    pub version: i64,
    /// A language tag, such as `en` or `de-CH`.
    pub language: String,
    /// The full text of the notice, as people read it.
    pub text: String,
    /// When it was added.
    pub created: Timestamp,
}

impl ReadTx<'_> {
    /// The notice with this hash, if there is one.
    ///
    /// # Errors
    ///
    /// [`TxError::Damaged`] if its text is not the one that was hashed, [`TxError::Database`] if the database refuses.
    pub fn notice(&self, sha256: [u8; 32]) -> Result<Option<Notice>, TxError> {
        let sql = "SELECT sha256, name, version, language, text, created_ms FROM notices WHERE sha256 = $1";
        self.row(sql, args![sha256])?.map(|row| read(&row)).transpose()
    }

    /// All notices, by name, language and version.
    ///
    /// # Errors
    ///
    /// As [`Self::notice`].
    pub fn notices(&self) -> Result<Vec<Notice>, TxError> {
        let sql =
            "SELECT sha256, name, version, language, text, created_ms FROM notices ORDER BY name, language, version";
        self.rows(sql, args![])?.iter().map(read).collect()
    }
}

impl Tx<'_> {
    /// Adds a notice, or the next version of one. The same text again, under the same name and in the same language, is the
    /// notice that is there.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoticeForm`] if the name, the text or the language tag is empty or too long.
    /// - [`TxError::NoticeTaken`] if the same text is there under another name or in another language.
    /// - [`TxError::Database`] if the database refuses.
    pub fn add_notice(&self, name: &str, language: &str, text: &str) -> Result<Notice, TxError> {
        let tag = language.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let name_fits = (1..=100).contains(&name.chars().count()) && !name.contains(is_unprintable);
        if !name_fits || text.trim().is_empty() || !tag || !(2..=35).contains(&language.len()) {
            return Err(TxError::NoticeForm);
        }
        if let Some(part) = unfilled(text) {
            return Err(TxError::NoticeUnfilled { part: part.to_owned() });
        }
        let sha256: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        if let Some(there) = self.notice(sha256)? {
            let same = there.name == name && there.language == language;
            return if same { Ok(there) } else { Err(TxError::NoticeTaken) };
        }
        let newest = "SELECT COALESCE(MAX(version), 0) FROM notices WHERE name = $1 AND language = $2";
        let version = self.count(newest, args![name, language])? + 1;
        self.exec(
            "INSERT INTO notices (sha256, name, version, language, text, created_ms) VALUES ($1, $2, $3, $4, $5, $6)",
            args![sha256, name, version, language, text, self.now],
        )?;
        let (name, language, text) = (name.to_owned(), language.to_owned(), text.to_owned());
        Ok(Notice { sha256, name, version, language, text, created: self.now })
    }
}

fn read(row: &Row) -> Result<Notice, TxError> {
    let (sha256, text): ([u8; 32], String) = (row.array(0)?, row.text(4)?);
    if sha256 != <[u8; 32]>::from(Sha256::digest(text.as_bytes())) {
        return Err(TxError::Damaged { table: NOTICES });
    }
    Ok(Notice {
        sha256,
        name: row.text(1)?,
        version: row.int(2)?,
        language: row.text(3)?,
        text,
        created: Timestamp(row.int(5)?),
    })
}
