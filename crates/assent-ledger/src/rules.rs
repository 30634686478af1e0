//! What the law of a place asks of a consent, as values. Which law says what is data (the folder `rulepacks`); that a vault
//! keeps to it is decided here.
//!
//! A subject, a collection and a controller each have a jurisdiction. Where several apply, or one is not known, the
//! strictest rule of all holds (R20).

use std::collections::BTreeSet;
use std::fmt;

use crate::id::{CollectionId, Timestamp};
use crate::jurisdiction::Jurisdiction;

/// A time that a law counts in days or in months of the calendar, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// So many days.
    Days(u16),
    /// So many months. From the 31st, a shorter month ends on its last day.
    Months(u16),
}

impl Span {
    /// The instant so long after another.
    ///
    /// # Example
    ///
    /// ```
    /// use assent_ledger::{Span, Timestamp};
    /// let day = |text: &str| Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
    /// assert_eq!(Span::Months(1).after(day("2027-01-31T08:00:00Z")), day("2027-02-28T08:00:00Z"));
    /// ```
    pub fn after(self, from: Timestamp) -> Timestamp {
        let span = match self {
            Self::Days(n) => jiff::Span::new().days(n),
            Self::Months(n) => jiff::Span::new().months(n),
        };
        let moved = jiff::Timestamp::from_millisecond(from.0)
            .and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC).checked_add(span));
        // Only a time thousands of years from now cannot be moved.
        moved.map_or(from, |at| Timestamp(at.timestamp().as_millisecond()))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, unit) = match self {
            Self::Days(n) => (n, "day"),
            Self::Months(n) => (n, "month"),
        };
        write!(f, "{n} {unit}{}", if *n == 1 { "" } else { "s" })
    }
}

/// A document or statement that must be there before faces are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequiredDocument {
    /// The data protection impact assessment, with the date of its review.
    Dpia,
    /// Why nothing less intrusive would do.
    Necessity,
    /// The way that needs no biometrics.
    Alternative,
    /// The public notice, before the first scan.
    PublicNotice,
    /// The public policy on retention and destruction.
    RetentionPolicy,
}

impl RequiredDocument {
    /// Every kind of document, in the order in which they are asked for.
    pub const ALL: [Self; 5] =
        [Self::Dpia, Self::Necessity, Self::Alternative, Self::PublicNotice, Self::RetentionPolicy];

    /// The word in a rule pack.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dpia => "dpia",
            Self::Necessity => "necessity",
            Self::Alternative => "alternative",
            Self::PublicNotice => "public-notice",
            Self::RetentionPolicy => "retention-policy",
        }
    }

    /// The requirement that asks for it.
    pub fn requirement(self) -> &'static str {
        match self {
            Self::Dpia => "R17",
            Self::Necessity | Self::Alternative => "R6",
            Self::PublicNotice => "R16",
            Self::RetentionPolicy => "R59",
        }
    }

    /// What it is, in words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Dpia => "the data protection impact assessment",
            Self::Necessity => "the statement why nothing less intrusive would do",
            Self::Alternative => "the way that needs no biometrics",
            Self::PublicNotice => "the date of the public notice",
            Self::RetentionPolicy => "the date of the public retention policy",
        }
    }
}

/// What one law asks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a rule, and stands in the packs under its name")]
pub struct RulePack {
    /// Its name, such as `EU`.
    pub name: String,
    /// Its version; part of every record made under it.
    pub version: String,
    /// The codes that it covers. None for the generic one.
    pub covers: BTreeSet<Jurisdiction>,
    /// From how many completed years on a person signs alone.
    pub alone_from_years: u8,
    /// Whether somebody younger can be enrolled at all, by a holder of parental responsibility.
    pub parent_may_sign: bool,
    /// Whether the witnesses of a paper release sign with keys of their own.
    pub witnesses_sign: bool,
    /// The longest that a consent may last, months.
    pub longest_months: u16,
    /// How long after the last interaction with the person a template may be kept, months.
    pub after_interaction_months: Option<u16>,
    /// How long after the end of a collection's purpose a template may be kept, months.
    pub after_purpose_months: u16,
    /// In which time a request is answered.
    pub answer: Span,
    /// By how much that may be extended, with reasons.
    pub extension: Option<Span>,
    /// In which time a complaint is acknowledged, if the law says.
    pub complaint: Option<Span>,
    /// Whether the time stands still while the person is asked something.
    pub pauses: bool,
    /// What must be there before faces are compared.
    pub required_documents: BTreeSet<RequiredDocument>,
    /// Whether a controller elsewhere needs a representative here.
    pub representative: bool,
}

impl RulePack {
    /// Name and version, as records carry them.
    pub fn label(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}

/// All rule packs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rulebook {
    packs: Vec<RulePack>,
    generic: RulePack,
}

/// Rule packs that are no rulebook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulebookError {
    /// There is not exactly one pack that covers what no other covers.
    #[error("a rulebook needs one rule pack that covers no jurisdiction by name, and has {count}")]
    Generic {
        /// How many there are.
        count: usize,
    },
    /// Two packs cover the same code, or have the same name.
    #[error("two rule packs claim {what}")]
    Twice {
        /// The code or the name.
        what: String,
    },
}

impl Rulebook {
    /// Makes a rulebook of rule packs.
    ///
    /// # Errors
    ///
    /// - [`RulebookError::Generic`] unless exactly one covers nothing by name.
    /// - [`RulebookError::Twice`] if two have one name or cover one code.
    pub fn new(packs: Vec<RulePack>) -> Result<Self, RulebookError> {
        let (generic, packs): (Vec<_>, Vec<_>) = packs.into_iter().partition(|pack| pack.covers.is_empty());
        let mut seen = BTreeSet::new();
        for pack in &packs {
            for code in &pack.covers {
                if !seen.insert(code.clone()) {
                    return Err(RulebookError::Twice { what: code.to_string() });
                }
            }
        }
        let mut names = BTreeSet::new();
        for pack in packs.iter().chain(&generic) {
            if !names.insert(pack.name.clone()) {
                return Err(RulebookError::Twice { what: pack.name.clone() });
            }
        }
        let count = generic.len();
        match <[RulePack; 1]>::try_from(generic) {
            Ok([generic]) => Ok(Self { packs, generic }),
            Err(_) => Err(RulebookError::Generic { count }),
        }
    }

    /// All packs, the generic one last.
    pub fn packs(&self) -> impl Iterator<Item = &RulePack> {
        self.packs.iter().chain([&self.generic])
    }

    /// The rules where all of these apply. One that is unknown brings all packs with it, and a code that no pack covers
    /// the generic one.
    pub fn rules(&self, jurisdictions: &[&Jurisdiction]) -> Rules<'_> {
        if jurisdictions.is_empty() || jurisdictions.iter().any(|j| j.is_unknown()) {
            return Rules { packs: self.packs().collect() };
        }
        let covering = |pack: &&RulePack| jurisdictions.iter().any(|j| pack.covers.contains(*j));
        let mut packs: Vec<&RulePack> = self.packs.iter().filter(covering).collect();
        if jurisdictions.iter().any(|j| self.pack_of(j) == &self.generic) {
            packs.push(&self.generic);
        }
        Rules { packs }
    }

    /// Whether what is under `code` is certainly under `place`: the same code, or one that the rule pack of that name
    /// covers, as `EU` does `FR`.
    pub fn is_in(&self, code: &Jurisdiction, place: &Jurisdiction) -> bool {
        let named = |pack: &&RulePack| pack.name == place.as_str() && pack.covers.contains(code);
        code == place || self.packs.iter().any(|pack| named(&pack))
    }

    /// Whether what is under `code` may be under `place`: it is, or nobody said it so exactly that it cannot be.
    pub fn may_be_in(&self, code: &Jurisdiction, place: &Jurisdiction) -> bool {
        code.is_unknown() || self.is_in(code, place) || self.is_in(place, code)
    }

    /// The pack that covers one jurisdiction.
    fn pack_of(&self, jurisdiction: &Jurisdiction) -> &RulePack {
        self.packs.iter().find(|pack| pack.covers.contains(jurisdiction)).unwrap_or(&self.generic)
    }
}

/// The rules of one or several packs: of each, the strictest.
#[derive(Clone, Debug)]
pub struct Rules<'a> {
    /// The packs that hold together, at least one.
    packs: Vec<&'a RulePack>,
}

impl<'a> Rules<'a> {
    /// The packs that apply, with their versions, as a record carries them.
    pub fn labels(&self) -> String {
        self.packs.iter().map(|pack| pack.label()).collect::<Vec<_>>().join(", ")
    }

    /// The packs that apply.
    pub fn packs(&self) -> impl Iterator<Item = &'a RulePack> + '_ {
        self.packs.iter().copied()
    }

    /// From how many completed years on a person signs alone.
    pub fn alone_from_years(&self) -> u8 {
        self.packs.iter().map(|pack| pack.alone_from_years).max().unwrap_or(u8::MAX)
    }

    /// Whether a parent may sign for somebody younger.
    pub fn parent_may_sign(&self) -> bool {
        self.packs.iter().all(|pack| pack.parent_may_sign)
    }

    /// Whether witnesses sign: where one of the laws asks for it.
    pub fn witnesses_sign(&self) -> bool {
        self.packs.iter().any(|pack| pack.witnesses_sign)
    }

    /// The latest end of a consent that is given at `now`, for a collection whose purpose ends when `purpose_ends` says, and
    /// the pack that sets it.
    pub fn latest_end(&self, now: Timestamp, purpose_ends: Option<Timestamp>) -> (Timestamp, &'a RulePack) {
        let end = |pack: &RulePack| {
            // The consent is an interaction: from it on the time since the last one runs.
            let months = pack.after_interaction_months.map_or(pack.longest_months, |n| n.min(pack.longest_months));
            let by_now = Span::Months(months).after(now);
            purpose_ends.map_or(by_now, |end| by_now.min(Span::Months(pack.after_purpose_months).after(end)))
        };
        let ends = self.packs.iter().map(|pack| (end(pack), *pack));
        let strictest = ends.min_by_key(|(at, _)| *at);
        strictest.unwrap_or_else(|| unreachable!("rules come of one pack or more"))
    }

    /// When a request that was received at `received` must be answered.
    pub fn answer_by(&self, received: Timestamp) -> Timestamp {
        self.packs.iter().map(|pack| pack.answer.after(received)).min().unwrap_or(received)
    }

    /// When a complaint must be acknowledged: as the laws say that say it, or else like any request.
    pub fn acknowledge_by(&self, received: Timestamp) -> Timestamp {
        let said = self.packs.iter().filter_map(|pack| pack.complaint).map(|span| span.after(received)).min();
        said.map_or_else(|| self.answer_by(received), |at| at.min(self.answer_by(received)))
    }

    /// To when an answer that is due at `due` may be put off; `None` where one of the laws knows no extension.
    pub fn extended(&self, due: Timestamp) -> Option<Timestamp> {
        let all: Option<Vec<_>> = self.packs.iter().map(|pack| pack.extension.map(|span| span.after(due))).collect();
        all?.into_iter().min()
    }

    /// Whether the time of a request stands still while the person is asked something.
    pub fn pauses(&self) -> bool {
        self.packs.iter().all(|pack| pack.pauses)
    }

    /// What must be there before faces are compared, each with a pack that asks for it.
    pub fn required_documents(&self) -> impl Iterator<Item = (RequiredDocument, &'a RulePack)> + '_ {
        let first = |document: RequiredDocument| {
            self.packs.iter().find(|pack| pack.required_documents.contains(&document)).map(|pack| (document, *pack))
        };
        RequiredDocument::ALL.into_iter().filter_map(first)
    }

    /// The packs under which a controller in `seat` needs a representative.
    pub fn representatives(&self, seat: &Jurisdiction) -> impl Iterator<Item = &'a RulePack> + '_ {
        let seat = seat.clone();
        self.packs.iter().copied().filter(move |pack| pack.representative && !pack.covers.contains(&seat))
    }
}

/// Why a rule forbids a step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Nobody said how old the person is.
    #[error("nobody has said how old this person is")]
    AgeUnknown,
    /// Too young, and nobody can sign for them.
    #[error("under {pack}, nobody below {years} years can be enrolled")]
    TooYoung {
        /// The age that is needed.
        years: u8,
        /// The rule pack.
        pack: String,
    },
    /// Too young to sign alone.
    #[error("below {years} years a parent signs too; record a form that a holder of parental responsibility signed")]
    ParentMissing {
        /// From which age on a person signs alone.
        years: u8,
    },
    /// The consent lasts longer than the law allows.
    #[error("this consent can run until {latest} at most ({pack})")]
    TooLong {
        /// The latest day.
        latest: String,
        /// The rule pack.
        pack: String,
    },
    /// The controller sits elsewhere and has named nobody.
    #[error(
        "where does this person live? As long as nobody has said, the strictest law holds, and {pack} asks for somebody who \
         stands for you there"
    )]
    NoRepresentative {
        /// The rule pack.
        pack: String,
    },
    /// A required document is missing: faces of the collection are not compared.
    #[error(
        "{} is missing for this collection ({pack} asks for it)",
        document.title()
    )]
    Missing {
        /// The document that is required.
        document: RequiredDocument,
        /// The collection that it concerns.
        collection: CollectionId,
        /// Who asks for it.
        pack: String,
    },
    /// The review of a required document is overdue.
    #[error(
        "the review of {} is overdue since {since} for this collection",
        document.title()
    )]
    ReviewOverdue {
        /// The document that is required.
        document: RequiredDocument,
        /// The collection that it concerns.
        collection: CollectionId,
        /// Since which day.
        since: String,
    },
}

/// A day for messages, in UTC.
pub(crate) fn day(at: Timestamp) -> String {
    let zoned = jiff::Timestamp::from_millisecond(at.0).map(|t| t.to_zoned(jiff::tz::TimeZone::UTC));
    zoned.map_or_else(|_| "a day beyond the calendar".to_owned(), |z| z.date().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn r36_spans_keep_to_the_calendar() {
        let cases = [
            ("the end of a short month", Span::Months(1), "2027-01-31T23:30:00Z", "2027-02-28T23:30:00Z"),
            ("a leap day", Span::Months(1), "2028-01-31T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("from a leap day", Span::Months(12), "2028-02-29T00:00:00Z", "2029-02-28T00:00:00Z"),
            ("over the change to summer time", Span::Days(1), "2027-03-27T12:00:00Z", "2027-03-28T12:00:00Z"),
            ("over the change to winter time", Span::Months(1), "2027-10-15T01:30:00Z", "2027-11-15T01:30:00Z"),
            ("over the year", Span::Days(30), "2027-12-15T00:00:00Z", "2028-01-14T00:00:00Z"),
        ];
        for (name, span, from, to) in cases {
            assert_eq!(span.after(at(from)), at(to), "{name}");
        }
    }

    fn pack(name: &str, covers: &[&str], years: u8, months: u16) -> RulePack {
        RulePack {
            name: name.into(),
            version: "1".into(),
            covers: covers.iter().map(|c| c.parse().unwrap()).collect(),
            alone_from_years: years,
            parent_may_sign: name != "generic",
            witnesses_sign: name == "UK",
            longest_months: months,
            after_interaction_months: None,
            after_purpose_months: 0,
            answer: Span::Months(1),
            extension: (name == "EU").then_some(Span::Months(2)),
            complaint: None,
            pauses: name == "UK",
            required_documents: BTreeSet::from([if name == "UK" {
                RequiredDocument::Dpia
            } else {
                RequiredDocument::Necessity
            }]),
            representative: name == "UK",
        }
    }

    #[test]
    fn r20_an_unknown_jurisdiction_gets_the_strictest_of_all() {
        let packs = vec![pack("EU", &["EU", "FR"], 16, 24), pack("UK", &["UK"], 13, 36), pack("generic", &[], 18, 12)];
        let book = Rulebook::new(packs.clone()).unwrap();
        let code = |text: &str| text.parse::<Jurisdiction>().unwrap();
        let check = |name: &str, codes: &[&str], labels: &str, years: u8, months: u16, required_documents: usize| {
            let codes: Vec<Jurisdiction> = codes.iter().map(|c| code(c)).collect();
            let rules = book.rules(&codes.iter().collect::<Vec<_>>());
            assert_eq!(rules.labels(), labels, "{name}");
            assert_eq!(rules.alone_from_years(), years, "{name}");
            assert_eq!(
                rules.latest_end(at("2027-01-01T00:00:00Z"), None).0,
                Span::Months(months).after(at("2027-01-01T00:00:00Z")),
                "{name}"
            );
            assert_eq!(rules.required_documents().count(), required_documents, "{name}");
        };
        check("one", &["FR"], "EU 1", 16, 24, 1);
        check("two", &["UK", "EU"], "EU 1, UK 1", 16, 24, 2);
        check("not covered", &["BR"], "generic 1", 18, 12, 1);
        check("unknown", &["EU", "unknown"], "EU 1, UK 1, generic 1", 18, 12, 2);
        check("none", &[], "EU 1, UK 1, generic 1", 18, 12, 2);
        let unknown = Jurisdiction::default();
        let all = book.rules(&[&unknown]);
        assert!(all.witnesses_sign() && !book.rules(&[&code("FR")]).witnesses_sign());
        assert!(!all.parent_may_sign() && !all.pauses() && all.extended(at("2027-01-01T00:00:00Z")).is_none());
        assert_eq!(all.representatives(&code("FR")).map(|p| p.name.as_str()).collect::<Vec<_>>(), ["UK"]);

        let may = |a: &str, b: &str| (book.is_in(&code(a), &code(b)), book.may_be_in(&code(a), &code(b)));
        assert_eq!(may("FR", "EU"), (true, true));
        assert_eq!(may("EU", "FR"), (false, true));
        assert_eq!(may("FR", "UK"), (false, false));
        assert_eq!(may("unknown", "UK"), (false, true));

        assert_eq!(Rulebook::new(packs[..2].to_vec()), Err(RulebookError::Generic { count: 0 }));
        let twice = vec![pack("A", &["EU"], 1, 1), pack("B", &["EU"], 1, 1), pack("generic", &[], 1, 1)];
        assert_eq!(Rulebook::new(twice), Err(RulebookError::Twice { what: "EU".into() }));
    }

    #[test]
    fn r7_the_end_of_the_purpose_bounds_a_consent() {
        let texas = RulePack { after_purpose_months: 12, ..pack("US-TX", &["US-TX"], 18, 36) };
        let illinois = RulePack { after_interaction_months: Some(36), ..pack("US-IL", &["US-IL"], 18, 60) };
        let book = Rulebook::new(vec![texas, illinois, pack("generic", &[], 18, 12)]).unwrap();
        let check = |name: &str, code: &str, ends: Option<&str>, latest: &str| {
            let code: Jurisdiction = code.parse().unwrap();
            let (end, _) = book.rules(&[&code]).latest_end(at("2027-01-01T00:00:00Z"), ends.map(at));
            assert_eq!(end, at(latest), "{name}");
        };
        check("one year after the purpose", "US-TX", Some("2027-06-30T00:00:00Z"), "2028-06-30T00:00:00Z");
        check("the pack's own limit", "US-TX", None, "2030-01-01T00:00:00Z");
        check("three years from the last interaction", "US-IL", None, "2030-01-01T00:00:00Z");
        check("the purpose's end", "BR", Some("2027-06-30T00:00:00Z"), "2027-06-30T00:00:00Z");
    }
}
