//! The rule packs: what the law of each place asks, read from the folder `rulepacks`. They are part of the program, so that
//! nobody changes the law by changing a file, and each carries a version, which goes into every record made under it.
//!
//! The form of a pack is described in `docs/formats/rulepack.md`.

use std::collections::BTreeSet;

use assent_ledger::{Jurisdiction, RequiredDocument, RulePack, Rulebook, RulebookError, Span};
use thiserror::Error;
use toml::{Table, Value};

const FORMAT: i64 = 1;

/// Every pack that this program knows, by its file.
const PACKS: [(&str, &str); 7] = [
    ("eu.toml", include_str!("../../../rulepacks/eu.toml")),
    ("uk.toml", include_str!("../../../rulepacks/uk.toml")),
    ("ch.toml", include_str!("../../../rulepacks/ch.toml")),
    ("us-il.toml", include_str!("../../../rulepacks/us-il.toml")),
    ("us-tx.toml", include_str!("../../../rulepacks/us-tx.toml")),
    ("us-wa.toml", include_str!("../../../rulepacks/us-wa.toml")),
    ("generic.toml", include_str!("../../../rulepacks/generic.toml")),
];

const TOP: [&str; 9] = ["format", "name", "version", "law", "covers", "authority", "consent", "requests", "required"];
const CONSENT: [&str; 6] = [
    "alone_from_years",
    "parent_may_sign",
    "witnesses_sign",
    "longest_months",
    "after_interaction_months",
    "after_purpose_months",
];
const REQUESTS: [&str; 4] = ["answer", "extension", "complaint", "pauses"];
const REQUIRED: [&str; 2] = ["pieces", "representative"];

/// Why a rule pack was refused.
#[derive(Debug, Error)]
pub enum RulePackError {
    /// It is not TOML.
    #[error("the rule pack {file} is not TOML")]
    NotToml {
        /// The name of the rule pack's file.
        file: String,
        /// The error of the TOML parser.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A key is missing, of another type, out of range, or unknown.
    #[error("the rule pack {file}: {key} is not {wanted}")]
    Key {
        /// The name of the rule pack's file.
        file: String,
        /// Which key, dotted.
        key: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// The packs do not go together.
    #[error(transparent)]
    Together(#[from] RulebookError),
}

/// A rule pack, and what of it is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The rules as the file states them.
    pub rules: RulePack,
    /// Which law it reads.
    pub law: String,
    /// Which authority answers for it.
    pub authority: String,
}

/// All rule packs of this program, with what is for people.
///
/// # Errors
///
/// [`RulePackError`] if one is not as `docs/formats/rulepack.md` says; a test reads them all.
pub fn described() -> Result<Vec<Described>, RulePackError> {
    PACKS.iter().map(|(file, text)| parse(file, text)).collect()
}

/// The rulebook of this program.
///
/// # Errors
///
/// As [`described`], and [`RulePackError::Together`] if two claim the same place.
///
/// # Example
///
/// ```
/// let book = assent::rulepacks::rulebook().unwrap();
/// let illinois = "US-IL".parse().unwrap();
/// assert_eq!(book.rules(&[&illinois]).labels(), "US-IL 2026-11");
/// ```
pub fn rulebook() -> Result<Rulebook, RulePackError> {
    Ok(Rulebook::new(described()?.into_iter().map(|pack| pack.rules).collect())?)
}

fn parse(file: &str, text: &str) -> Result<Described, RulePackError> {
    let not_toml = |source| RulePackError::NotToml { file: file.to_owned(), source: Box::new(source) };
    let table: Table = text.parse().map_err(not_toml)?;
    let top = Keys { file, prefix: "", table: &table };
    top.only(&TOP)?;
    if top.get("format").and_then(Value::as_integer) != Some(FORMAT) {
        return Err(top.bad("format", "1"));
    }
    let (consent, requests, required) = (top.sub("consent")?, top.sub("requests")?, top.sub("required")?);
    consent.only(&CONSENT)?;
    requests.only(&REQUESTS)?;
    required.only(&REQUIRED)?;
    let code = |text: &String| text.parse::<Jurisdiction>().ok();
    let covers: Option<BTreeSet<Jurisdiction>> = top.texts("covers")?.iter().map(code).collect();
    let document = |text: &String| RequiredDocument::ALL.into_iter().find(|document| document.as_str() == text);
    let required_documents: Option<BTreeSet<RequiredDocument>> =
        required.texts("pieces")?.iter().map(document).collect();
    let years = u8::try_from(consent.number("alone_from_years")?).ok().filter(|years| *years <= 30);
    let rules = RulePack {
        name: top.text("name")?,
        version: top.text("version")?,
        covers: covers.ok_or_else(|| top.bad("covers", "a list of codes of jurisdictions"))?,
        alone_from_years: years.ok_or_else(|| consent.bad("alone_from_years", "a number of years up to 30"))?,
        parent_may_sign: consent.truth("parent_may_sign")?,
        witnesses_sign: consent.truth("witnesses_sign")?,
        longest_months: consent.number("longest_months")?,
        after_interaction_months: consent.opt("after_interaction_months", Keys::number)?,
        after_purpose_months: consent.number("after_purpose_months")?,
        answer: requests.span("answer")?,
        extension: requests.opt("extension", Keys::span)?,
        complaint: requests.opt("complaint", Keys::span)?,
        pauses: requests.opt("pauses", Keys::truth)?.unwrap_or(false),
        required_documents: required_documents.ok_or_else(|| required.bad("pieces", "a list of pieces"))?,
        representative: required.truth("representative")?,
    };
    Ok(Described { rules, law: top.text("law")?, authority: top.text("authority")? })
}

/// One table of a pack.
struct Keys<'a> {
    file: &'a str,
    /// The table's name, or nothing at the top.
    prefix: &'static str,
    table: &'a Table,
}

impl<'a> Keys<'a> {
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.table.get(key)
    }

    fn bad(&self, key: &str, wanted: &'static str) -> RulePackError {
        let dot = if self.prefix.is_empty() { "" } else { "." };
        RulePackError::Key { file: self.file.to_owned(), key: format!("{}{dot}{key}", self.prefix), wanted }
    }

    fn only(&self, known: &[&str]) -> Result<(), RulePackError> {
        match self.table.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(self.bad(key, "a key of this format")),
            None => Ok(()),
        }
    }

    fn sub(&self, key: &'static str) -> Result<Keys<'a>, RulePackError> {
        let table = self.get(key).and_then(Value::as_table).ok_or_else(|| self.bad(key, "a table"))?;
        Ok(Keys { file: self.file, prefix: key, table })
    }

    fn text(&self, key: &str) -> Result<String, RulePackError> {
        let text = self.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        text.map(str::to_owned).ok_or_else(|| self.bad(key, "a text"))
    }

    fn texts(&self, key: &str) -> Result<Vec<String>, RulePackError> {
        let list = self.get(key).and_then(Value::as_array);
        let texts: Option<Vec<String>> =
            list.and_then(|list| list.iter().map(|value| value.as_str().map(str::to_owned)).collect());
        texts.ok_or_else(|| self.bad(key, "a list of texts"))
    }

    fn truth(&self, key: &str) -> Result<bool, RulePackError> {
        self.get(key).and_then(Value::as_bool).ok_or_else(|| self.bad(key, "true or false"))
    }

    fn number(&self, key: &str) -> Result<u16, RulePackError> {
        let number = self.get(key).and_then(Value::as_integer).and_then(|n| u16::try_from(n).ok());
        number.ok_or_else(|| self.bad(key, "a whole number"))
    }

    /// `30 days` or `1 month`.
    fn span(&self, key: &str) -> Result<Span, RulePackError> {
        let text = self.text(key)?;
        let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
        match (number.parse(), unit) {
            (Ok(n @ 1..), "day" | "days") => Ok(Span::Days(n)),
            (Ok(n @ 1..), "month" | "months") => Ok(Span::Months(n)),
            _ => Err(self.bad(key, "a time such as 30 days or 1 month")),
        }
    }

    fn opt<T>(
        &self,
        key: &str,
        read: impl FnOnce(&Self, &str) -> Result<T, RulePackError>,
    ) -> Result<Option<T>, RulePackError> {
        if self.table.contains_key(key) { read(self, key).map(Some) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r21_every_rule_pack_is_whole_and_all_go_together() {
        let all = described().unwrap();
        let names: Vec<&str> = all.iter().map(|pack| pack.rules.name.as_str()).collect();
        assert_eq!(names, ["EU", "UK", "CH", "US-IL", "US-TX", "US-WA", "generic"]);
        rulebook().unwrap();
    }

    #[test]
    fn r20_an_unknown_jurisdiction_gets_the_strictest_of_every_pack() {
        let (all, book, unknown) = (described().unwrap(), rulebook().unwrap(), Jurisdiction::default());
        let strictest = book.rules(&[&unknown]);
        let now = assent_ledger::Timestamp(1_800_000_000_000);
        for pack in &all {
            let one = &pack.rules;
            assert!(strictest.alone_from_years() >= one.alone_from_years, "{}", one.name);
            assert!(strictest.latest_end(now, None).0 <= Span::Months(one.longest_months).after(now), "{}", one.name);
            assert!(strictest.answer_by(now) <= one.answer.after(now), "{}", one.name);
            let asked: BTreeSet<RequiredDocument> =
                strictest.required_documents().map(|(document, _)| document).collect();
            assert!(one.required_documents.is_subset(&asked), "{}", one.name);
        }
        assert!(!strictest.parent_may_sign() && !strictest.pauses());
        assert!(all.iter().all(|pack| pack.rules.witnesses_sign), "R4 holds everywhere");
    }

    #[test]
    fn a_pack_with_a_flaw_is_refused_by_the_name_of_its_key() {
        let good = PACKS[0].1;
        let check = |name: &str, from: &str, to: &str, key: &str| {
            assert!(good.contains(from), "{name}");
            match parse("x.toml", &good.replacen(from, to, 1)) {
                Err(RulePackError::Key { key: found, .. }) => assert_eq!(found, key, "{name}"),
                other => panic!("{name}: {other:?}"),
            }
        };
        check("a later format", "format = 1", "format = 2", "format");
        check("no name", "name = \"EU\"", "name = \"\"", "name");
        check("no code", "\"AT\"", "\"Austria\"", "covers");
        check("an unknown key", "parent_may_sign", "parents_may_sign", "consent.parents_may_sign");
        check("an age that is none", "alone_from_years = 18", "alone_from_years = 180", "consent.alone_from_years");
        check("a time without a unit", "\"1 month\"", "\"1\"", "requests.answer");
        check("no time", "\"2 months\"", "\"0 months\"", "requests.extension");
        check("an unknown piece", "\"dpia\"", "\"dpi\"", "required.pieces");
        check("no truth", "representative = true", "representative = \"yes\"", "required.representative");
        assert!(matches!(parse("x.toml", "format = "), Err(RulePackError::NotToml { .. })));
    }
}
