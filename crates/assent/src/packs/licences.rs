//! Which licences a network may have.

/// Licences that allow every use, commercial ones too, by their SPDX names.
const FREE_LICENCES: &[&str] =
    &["0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-4.0", "CC0-1.0", "ISC", "MIT", "Unlicense", "Zlib"];

/// The licences that the operator accepted by name, beyond those that allow every use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AcceptedLicences(Vec<String>);

impl AcceptedLicences {
    /// Nothing beyond the licences that allow every use.
    pub fn none() -> Self {
        Self::default()
    }

    /// These too, each exactly as the card writes it.
    pub fn naming(licences: impl IntoIterator<Item = String>) -> Self {
        Self(licences.into_iter().collect())
    }

    /// Whether a file under `licence` may be loaded: it is accepted by name, or one of its `OR` alternatives allows
    /// every use. What is not recognised is not allowed.
    pub fn allow(&self, licence: &str) -> bool {
        self.0.iter().any(|accepted| accepted == licence)
            || licence.split(" OR ").any(|alternative| FREE_LICENCES.contains(&alternative.trim()))
    }
}
