//! Who answers for a vault, as the vault keeps it.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use crate::fields::{Reader, Writer};
use crate::id::Timestamp;
use crate::jurisdiction::Jurisdiction;

/// Who answers for a vault. Sealed at rest.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The controller, in the sense of data protection law.
    pub controller: String,
    /// The accountable person.
    pub accountable: String,
    /// How to reach them.
    pub contact: String,
    /// Where the controller sits: a code as [`Jurisdiction`] reads it.
    pub jurisdiction: String,
    /// The data protection officer, if there is one.
    pub dpo: String,
    /// Who represents the controller where it does not sit, by the name of the rule pack.
    pub representatives: BTreeMap<String, String>,
    /// Since when the policy on retention and destruction is public.
    pub retention_policy_public: Option<Timestamp>,
}

impl Settings {
    /// Where the controller sits; unknown if nobody has said it, or not by a code.
    pub fn seat(&self) -> Jurisdiction {
        self.jurisdiction.parse().unwrap_or_default()
    }

    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let start = Writer::new().text(&self.controller).text(&self.accountable).text(&self.contact);
        let public = self.retention_policy_public.map(|at| at.0);
        let start = start.text(&self.jurisdiction).text(&self.dpo).opt_int(public);
        self.representatives.iter().fold(start, |w, (pack, who)| w.text(pack).text(who)).finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(bytes);
        let mut settings = Self {
            controller: fields.text()?.to_owned(),
            accountable: fields.text()?.to_owned(),
            contact: fields.text()?.to_owned(),
            jurisdiction: fields.text()?.to_owned(),
            // A format before 5 ends here.
            dpo: if fields.at_end() { String::new() } else { fields.text()?.to_owned() },
            ..Self::default()
        };
        if fields.at_end() {
            return Some(settings);
        }
        settings.retention_policy_public = fields.opt_int()?.map(Timestamp);
        while !fields.at_end() {
            settings.representatives.insert(fields.text()?.to_owned(), fields.text()?.to_owned());
        }
        Some(settings)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Settings { .. }")
    }
}
