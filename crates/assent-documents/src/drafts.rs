//! The drafts that an organisation fills in: the notice, the form to print and sign, and the impact assessment. What the
//! vault knows is filled in; what only the organisation knows stands in square brackets. A household gets the form alone.

use askama::Template;
use assent::ledger::{Rules, Settings, Timestamp, VaultKind};

use crate::dates::date;
use crate::error::DocumentError;

/// The form to print and sign, as a file.
pub const RELEASE: &str = "release.html";

/// What drafts are made of.
#[derive(Debug)]
pub struct Drafts<'a> {
    /// What kind of vault it is.
    pub kind: VaultKind,
    /// Who answers for it.
    pub settings: &'a Settings,
    /// The rules that apply where it sits.
    pub rules: &'a Rules<'a>,
    /// The day that stands in the impact assessment.
    pub today: Timestamp,
    /// How somebody notes where the impact assessment is kept, in lines that say what to type or where to look.
    pub how_to_note: &'a [String],
}

#[derive(Template)]
#[template(path = "notice.txt", escape = "none")]
struct Notice<'a> {
    s: &'a Settings,
}

#[derive(Template)]
#[template(path = "release.html")]
struct Release<'a> {
    s: &'a Settings,
    household: bool,
}

#[derive(Template)]
#[template(path = "dpia.md", escape = "none")]
struct Dpia<'a> {
    s: &'a Settings,
    rules: String,
    documents: Vec<&'static str>,
    today: String,
    how_to_note: &'a [String],
}

impl Drafts<'_> {
    /// The drafts, each by the name of its file.
    ///
    /// # Errors
    ///
    /// [`DocumentError::Page`] if one cannot be put together.
    pub fn files(&self) -> Result<Vec<(&'static str, String)>, DocumentError> {
        let &Drafts { kind, settings: s, rules, today, how_to_note } = self;
        let household = kind == VaultKind::Household;
        let mut files = vec![(RELEASE, Release { s, household }.render()?)];
        if !household {
            let documents = rules.required_documents().map(|(document, _)| document.title()).collect();
            let dpia = Dpia { s, rules: rules.labels(), documents, today: date(today), how_to_note };
            files.push(("notice.txt", Notice { s }.render()?));
            files.push(("dpia.md", dpia.render()?));
        }
        Ok(files)
    }
}
