//! Whose law protects somebody, and how old they are: what people say of themselves, and nothing guesses.

use std::fmt;
use std::str::FromStr;

use crate::id::Timestamp;

/// Whose law applies: a code such as `EU`, `FR`, `UK`, `US-IL`, or `unknown`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Jurisdiction(String);

/// The text is no code of a jurisdiction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a jurisdiction: write a code such as EU, FR, UK, CH or US-IL, or unknown")]
pub struct JurisdictionForm;

impl Jurisdiction {
    /// Nobody has said it: the strictest rules of all apply.
    pub const UNKNOWN: &'static str = "unknown";

    /// Whether nobody has said it.
    pub fn is_unknown(&self) -> bool {
        self.0 == Self::UNKNOWN
    }

    /// The code as it is written, such as `FR` or `US-IL`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Jurisdiction {
    fn default() -> Self {
        Self(Self::UNKNOWN.to_owned())
    }
}

impl fmt::Display for Jurisdiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Jurisdiction {
    type Err = JurisdictionForm;

    fn from_str(text: &str) -> Result<Self, JurisdictionForm> {
        let text = text.trim();
        if text.eq_ignore_ascii_case(Self::UNKNOWN) {
            return Ok(Self::default());
        }
        let (country, part) = text.split_once('-').unwrap_or((text, ""));
        let letters = |t: &str| t.chars().all(|c| c.is_ascii_alphanumeric());
        let fits = country.len() == 2 && letters(country) && part.len() <= 3 && letters(part) && !text.ends_with('-');
        if fits { Ok(Self(text.to_ascii_uppercase())) } else { Err(JurisdictionForm) }
    }
}

/// How old somebody is, as they said themselves and a witness saw. Nothing guesses it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Age {
    /// Nobody has said it.
    #[default]
    Unknown,
    /// Grown up, by every law.
    Adult,
    /// Born in this month. The day is not asked for.
    Born {
        /// The year of birth.
        year: i16,
        /// The month, 1 to 12.
        month: i8,
    },
}

/// The text says no age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not an age: write adult, the month of birth such as 2011-04, or unknown")]
pub struct AgeForm;

impl Age {
    /// When somebody has certainly completed so many years: the first day after their month of birth. `None` if they
    /// are an adult, or nobody knows.
    pub fn completes(self, years: u8) -> Option<Timestamp> {
        let Self::Born { year, month } = self else { return None };
        let first = jiff::civil::Date::new(year, month, 1).ok()?;
        let after = jiff::Span::new().years(years).months(1);
        Some(midnight(first.checked_add(after).ok()?))
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Adult => f.write_str("adult"),
            Self::Born { year, month } => write!(f, "{year:04}-{month:02}"),
        }
    }
}

impl FromStr for Age {
    type Err = AgeForm;

    fn from_str(text: &str) -> Result<Self, AgeForm> {
        match text.trim() {
            "unknown" => Ok(Self::Unknown),
            "adult" => Ok(Self::Adult),
            born => {
                let (year, month) = born.split_once('-').ok_or(AgeForm)?;
                let digits = year.len() == 4 && month.len() == 2;
                let (year, month) = (year.parse().map_err(|_| AgeForm)?, month.parse().map_err(|_| AgeForm)?);
                let fits = digits && (1900..=2200).contains(&year) && (1..=12).contains(&month);
                if fits { Ok(Self::Born { year, month }) } else { Err(AgeForm) }
            }
        }
    }
}

fn midnight(date: jiff::civil::Date) -> Timestamp {
    let at = date.to_zoned(jiff::tz::TimeZone::UTC).map(|z| z.timestamp().as_millisecond());
    Timestamp(at.unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn codes_of_jurisdictions() {
        for (text, code) in
            [("EU", "EU"), ("fr", "FR"), ("us-il", "US-IL"), (" unknown ", "unknown"), ("GB-SCT", "GB-SCT")]
        {
            assert_eq!(text.parse::<Jurisdiction>().unwrap().as_str(), code);
        }
        for text in ["", "Europe", "E", "US-", "US-ILLINOIS", "U S", "é1"] {
            assert_eq!(text.parse::<Jurisdiction>(), Err(JurisdictionForm), "{text}");
        }
    }

    #[test]
    fn ages_round_trip_and_years_are_complete_after_the_month_of_birth() {
        for text in ["unknown", "adult", "2011-04"] {
            assert_eq!(text.parse::<Age>().unwrap().to_string(), text);
        }
        for text in ["", "15", "2011-4", "2011-13", "1811-01", "2011-04-07", "+011-04"] {
            assert_eq!(text.parse::<Age>(), Err(AgeForm), "{text}");
        }
        let born = |text: &str| text.parse::<Age>().unwrap().completes(18);
        assert_eq!(born("2011-04"), Some(at("2029-05-01T00:00:00Z")));
        assert_eq!(born("2008-12"), Some(at("2027-01-01T00:00:00Z")));
        assert_eq!(born("adult"), None);
    }
}
