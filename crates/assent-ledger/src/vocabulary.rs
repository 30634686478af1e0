//! The fixed vocabulary of consent: purposes, the basis for looking at others, kinds of vault, bands.

use std::fmt;
use std::str::FromStr;

/// Why a word of the vocabulary was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum VocabularyError {
    /// The text of a purpose has another form.
    #[error("this is not a purpose: write 1 to 40 of the characters a-z, 0-9 and '-'")]
    PurposeForm,
    /// There is no such purpose.
    #[error("there is no such purpose; write find-my-photos, publish-website, publish-print or name-in-metadata")]
    PurposeUnknown,
    /// The purpose is one that Assent does not serve.
    #[error(
        "this purpose is refused: Assent serves no police, border, surveillance or watch-list work; name another purpose"
    )]
    PurposeRefused,
    /// The text names no basis.
    #[error(
        "this is not a basis: write closed-group, on-request:REF, household, research:REF, law:REF or none; REF says where \
         it is written down, such as on-request:contract-7"
    )]
    BystanderForm,
    /// The text names nothing that can be asked for.
    #[error(
        "this is not a request: write access, rectify, erase, restrict, object, port, search, complaint or authority"
    )]
    RequestForm,
    /// The text is no answer.
    #[error("this is not an answer: write granted, refused or nothing-held")]
    OutcomeForm,
    /// The text names nobody who signs.
    #[error("this is not who signed: write subject, parent or both")]
    SignerForm,
    /// The text names no kind of vault.
    #[error("this is not a kind of vault: write household or organisation")]
    KindForm,
    /// The text is none of the words that a vault stores there.
    #[error("this is not one of the words that a vault stores here")]
    StoredForm,
}

/// What a grant allows. A person agrees to one of [`Purpose::KNOWN`]; older vaults may hold others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Purpose(String);

/// A purpose that contains one of these is refused (DESIGN: no police line-up).
const REFUSED: [&str; 13] = [
    "law-enforcement",
    "police",
    "policing",
    "prosecution",
    "surveillance",
    "watchlist",
    "watch-list",
    "lineup",
    "line-up",
    "suspect",
    "criminal",
    "immigration",
    "border",
];

impl Purpose {
    /// The purpose under which a person is looked for.
    pub const FIND: &'static str = "find-my-photos";

    /// All that a person can agree to.
    pub const KNOWN: [&'static str; 4] = [Self::FIND, "publish-website", "publish-print", "name-in-metadata"];

    /// Checks a text and makes a purpose of it.
    ///
    /// # Errors
    ///
    /// - [`VocabularyError::PurposeForm`] if the text is not 1 to 40 of `a-z`, `0-9`, `-`.
    /// - [`VocabularyError::PurposeRefused`] if it names police, border, surveillance or watch-list work.
    pub fn new(text: &str) -> Result<Self, VocabularyError> {
        let right = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.is_empty() || text.len() > 40 || !text.chars().all(right) {
            return Err(VocabularyError::PurposeForm);
        }
        if REFUSED.iter().any(|word| text.contains(word)) {
            return Err(VocabularyError::PurposeRefused);
        }
        Ok(Self(text.to_owned()))
    }

    /// `find-my-photos`.
    pub fn find_my_photos() -> Self {
        Self(Self::FIND.to_owned())
    }

    /// `publish-website`.
    pub fn publish_website() -> Self {
        Self("publish-website".to_owned())
    }

    /// `publish-print`.
    pub fn publish_print() -> Self {
        Self("publish-print".to_owned())
    }

    /// `name-in-metadata`.
    pub fn name_in_metadata() -> Self {
        Self("name-in-metadata".to_owned())
    }

    /// Whether this is `find-my-photos`.
    pub fn is_find(&self) -> bool {
        self.0 == Self::FIND
    }

    /// The purpose as it is written, such as `find-my-photos`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Purpose {
    type Err = VocabularyError;

    /// Reads one of the purposes that there are.
    fn from_str(text: &str) -> Result<Self, VocabularyError> {
        let purpose = Self::new(text)?;
        if Self::KNOWN.contains(&text) { Ok(purpose) } else { Err(VocabularyError::PurposeUnknown) }
    }
}

/// Why the other people in a collection may be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BystanderBasis {
    /// Everybody in the photos belongs to one group that was told.
    ClosedGroup,
    /// Matching runs only on a subject's own request, under this reference.
    OnRequest(String),
    /// A natural person's own photos.
    Household,
    /// Research under this reference.
    Research(String),
    /// A law, named by this reference.
    Law(String),
    /// No basis: faces are detected and covered, never matched.
    None,
}

impl BystanderBasis {
    /// Whether faces of this collection may be compared with templates at all.
    pub fn allows_matching(&self) -> bool {
        *self != Self::None
    }
}

impl fmt::Display for BystanderBasis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClosedGroup => f.write_str("closed-group"),
            Self::OnRequest(reference) => write!(f, "on-request:{reference}"),
            Self::Household => f.write_str("household"),
            Self::Research(reference) => write!(f, "research:{reference}"),
            Self::Law(reference) => write!(f, "law:{reference}"),
            Self::None => f.write_str("none"),
        }
    }
}

impl FromStr for BystanderBasis {
    type Err = VocabularyError;

    fn from_str(text: &str) -> Result<Self, VocabularyError> {
        let (word, reference) = match text.split_once(':') {
            Some((word, reference)) => (word, Some(reference)),
            None => (text, None),
        };
        let fits = |r: &str| !r.trim().is_empty() && r.len() <= 200 && !r.contains(char::is_control);
        match (word, reference) {
            ("closed-group", None) => Ok(Self::ClosedGroup),
            ("household", None) => Ok(Self::Household),
            ("none", None) => Ok(Self::None),
            ("on-request", Some(r)) if fits(r) => Ok(Self::OnRequest(r.to_owned())),
            ("research", Some(r)) if fits(r) => Ok(Self::Research(r.to_owned())),
            ("law", Some(r)) if fits(r) => Ok(Self::Law(r.to_owned())),
            _ => Err(VocabularyError::BystanderForm),
        }
    }
}

/// An enum whose variants are written as fixed words: `as_str`, `Display`, and a `FromStr` that refuses every other word with
/// the named variant of [`VocabularyError`].
macro_rules! string_enum {
    ($(#[$doc:meta])* $name:ident or $form:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// The word as it is written.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = VocabularyError;

            fn from_str(text: &str) -> Result<Self, VocabularyError> {
                match text { $($text => Ok(Self::$variant),)+ _ => Err(VocabularyError::$form) }
            }
        }
    };
}

string_enum! {
    /// Whom a vault belongs to.
    VaultKind or KindForm {
        /// A natural person: at most 25 subjects, `find-my-photos` alone.
        Household = "household",
        /// An organisation: everybody who is no natural person at home.
        Organisation = "organisation",
    }
}

string_enum! {
    /// How sure a sighting is. A face that is `unknown` leaves no sighting.
    Band or StoredForm {
        /// At or above the threshold of `fpir`.
        Match = "match",
        /// Between the two thresholds: a proposal to a person.
        Review = "review",
    }
}

string_enum! {
    /// What a job does.
    JobKind or StoredForm {
        /// Looks at the photos of a collection.
        Scan = "scan",
        /// Records a table of people.
        Import = "import",
        /// Writes copies of photos, or a page with them.
        Export = "export",
        /// Does what has to be done every day.
        Tick = "tick",
    }
}

string_enum! {
    /// Where a job is.
    JobState or StoredForm {
        /// A process works on it.
        Running = "running",
        /// It came to its end.
        Done = "done",
        /// It ended with an error.
        Failed = "failed",
        /// Somebody stopped it.
        Cancelled = "cancelled",
        /// Its process was not heard of any more.
        Interrupted = "interrupted",
    }
}

string_enum! {
    /// What happened to a consent, a collection or the vault, for those who keep people in memory.
    ChangeKind or StoredForm {
        /// A person can be found by new templates.
        Enrolled = "enrolled",
        /// A consent was given again, and took over the templates of the one that ended.
        Renewed = "renewed",
        /// A consent ended: on the person's word, by its date, with its collection, or because it was renewed.
        Ended = "ended",
        /// A person was erased, and this consent of theirs with them.
        Erased = "erased",
        /// What is held of the person may only be kept.
        Restricted = "restricted",
        /// What is held of the person may be used again.
        Released = "released",
        /// What is held of the person was put right, or sealed anew.
        Rectified = "rectified",
        /// A face was set apart.
        Objected = "objected",
        /// An order to stop was given.
        Stopped = "stopped",
        /// An order to stop was lifted.
        Lifted = "lifted",
        /// Whether faces may be compared is to be looked at again.
        Rules = "rules",
        /// The collection was removed.
        Removed = "removed",
    }
}

string_enum! {
    /// What a person said about a proposed sighting.
    Verdict or StoredForm {
        /// This face is this subject.
        Confirmed = "confirmed",
        /// It is not.
        Refused = "refused",
    }
}

string_enum! {
    /// Who says when a photo was taken.
    PhotoTimeSource or StoredForm {
        /// The camera, in the photo's EXIF data.
        Exif = "exif",
        /// The date of the file, for want of anything better.
        File = "file",
    }
}

string_enum! {
    /// What somebody asks for.
    RequestKind or RequestForm {
        /// What is held about me?
        Access = "access",
        /// Put it right.
        Rectify = "rectify",
        /// The person asks for erasure: delete what is held about me.
        Erase = "erase",
        /// Keep it and do not use it.
        Restrict = "restrict",
        /// Do not do this with my data.
        Object = "object",
        /// Give me what I gave you.
        Port = "port",
        /// Which photos of this album am I in? Answered once, in a collection that is searched on request.
        Search = "search",
        /// This was wrong.
        Complaint = "complaint",
        /// A letter or an order of an authority.
        Authority = "authority",
    }
}

string_enum! {
    /// How a request was answered.
    RequestOutcome or OutcomeForm {
        /// It was done.
        Granted = "granted",
        /// It was refused, and the person was told why and where to complain.
        Refused = "refused",
        /// Nothing is held of the person: nobody who is not enrolled has a template.
        NothingHeld = "nothing-held",
    }
}

string_enum! {
    /// Who signed a release.
    Signer or SignerForm {
        /// The person alone.
        Subject = "subject",
        /// A holder of parental responsibility.
        Parent = "parent",
        /// The person and a holder of parental responsibility signed.
        Both = "both",
    }
}

string_enum! {
    /// Where a grant stands. It leaves `active` once and never comes back.
    GrantState or StoredForm {
        /// In force within its validity.
        Active = "active",
        /// Ended by the subject.
        Withdrawn = "withdrawn",
        /// Ended by its date.
        Expired = "expired",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r2_no_basis_says_that_a_photo_was_public_or_an_interest_legitimate() {
        for text in ["legitimate-interest", "public", "manifestly-public", "9(2)(e)", "contract", "public:the web"] {
            assert_eq!(text.parse::<BystanderBasis>(), Err(VocabularyError::BystanderForm), "{text}");
        }
    }

    #[test]
    fn r29_no_purpose_serves_the_police_or_a_border() {
        for text in
            ["law-enforcement", "police", "border-control", "find-suspects", "watchlist-2", "crowd-surveillance"]
        {
            assert_eq!(Purpose::new(text), Err(VocabularyError::PurposeRefused), "{text}");
        }
    }

    #[test]
    fn purposes() {
        let good = ["find-my-photos", "publish-website", "publish-print", "name-in-metadata", "yearbook-2027"];
        for text in good {
            assert_eq!(Purpose::new(text).unwrap().as_str(), text);
        }
        let long = "a".repeat(41);
        for text in ["", "Find", "a b", "é", long.as_str()] {
            assert_eq!(Purpose::new(text), Err(VocabularyError::PurposeForm), "{text}");
        }
    }

    #[test]
    fn bases_round_trip_and_only_none_forbids_matching() {
        for text in ["closed-group", "on-request:DPIA 7", "household", "research:irb-1", "law:Archive Act s. 3", "none"]
        {
            let basis: BystanderBasis = text.parse().unwrap();
            assert_eq!(basis.to_string(), text);
            assert_eq!(basis.allows_matching(), text != "none", "{text}");
        }
        for text in ["", "on-request", "on-request:", "law: ", "household:x", "everyone"] {
            assert_eq!(text.parse::<BystanderBasis>(), Err(VocabularyError::BystanderForm), "{text}");
        }
    }
}
