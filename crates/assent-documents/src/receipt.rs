//! The page of a consent receipt, which a person keeps beside the signed record.

use askama::Template;
use assent::ledger::{Grant, Settings};

use crate::dates::long_date;
use crate::error::DocumentError;
use crate::vocabulary::purpose_words;

/// What a receipt shows.
#[derive(Debug, Clone, Copy)]
pub struct Receipt<'a> {
    /// Who answers.
    pub settings: &'a Settings,
    /// Whose it is.
    pub name: &'a str,
    /// What they agreed to.
    pub grant: &'a Grant,
    /// The name of the collection that it is for.
    pub collection: &'a str,
    /// The notice that they were given, by its name and version.
    pub notice: &'a str,
    /// The signed record.
    pub signed: &'a str,
    /// The public key that it is checked with.
    pub key: &'a str,
}

#[derive(Template)]
#[template(path = "receipt.html")]
struct Page<'a> {
    r: &'a Receipt<'a>,
    purpose: &'a str,
    from: String,
    until: String,
}

impl Receipt<'_> {
    /// The page.
    ///
    /// # Errors
    ///
    /// [`DocumentError::Page`] if it cannot be put together.
    pub fn page(&self) -> Result<String, DocumentError> {
        let Grant { purpose, valid_from, valid_until, .. } = self.grant;
        let (from, until) = (long_date(*valid_from), long_date(*valid_until));
        Ok(Page { r: self, purpose: purpose_words(purpose), from, until }.render()?)
    }
}
