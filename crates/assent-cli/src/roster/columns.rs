//! Which column of a table holds what, by the headings that offices use.

/// What a column may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    Id,
    Name,
    FirstName,
    LastName,
    Photos,
    Release,
    Witnesses,
    Purposes,
    Collections,
    Expiry,
    Born,
    Jurisdiction,
    Signer,
    Contact,
    Group,
}

/// Every field: the heading that messages name it by, and the others that are understood, in English, German, French and
/// Dutch, written as [`plain`] writes them.
const HEADINGS: [(Field, &str, &[&str]); 15] = [
    (
        Field::Id,
        "id",
        &[
            "nr",
            "no",
            "number",
            "nummer",
            "numero",
            "num",
            "handle",
            "kennung",
            "studentid",
            "pupilid",
            "memberid",
            "schülernr",
            "schülernummer",
            "mitgliedsnr",
            "mitgliedsnummer",
            "matricule",
            "leerlingnummer",
            "lidnummer",
            "lfdnr",
        ],
    ),
    (
        Field::Name,
        "name",
        &["fullname", "nameofperson", "vollername", "namevorname", "nomcomplet", "nometprénom", "naam"],
    ),
    (Field::FirstName, "first name", &["givenname", "forename", "vorname", "rufname", "prénom", "prenom", "voornaam"]),
    (
        Field::LastName,
        "last name",
        &["surname", "familyname", "nachname", "familienname", "zuname", "nom", "nomdefamille", "achternaam"],
    ),
    (
        Field::Photos,
        "photos",
        &[
            "photo",
            "picture",
            "pictures",
            "portrait",
            "portraits",
            "image",
            "images",
            "foto",
            "fotos",
            "bild",
            "bilder",
        ],
    ),
    (
        Field::Release,
        "release",
        &[
            "form",
            "signedform",
            "consent",
            "consentform",
            "permission",
            "formular",
            "einwilligung",
            "einverständnis",
            "formulaire",
            "autorisation",
            "consentement",
            "formulier",
            "toestemming",
        ],
    ),
    (
        Field::Witnesses,
        "witnesses",
        &["witness", "checkedby", "zeuge", "zeugen", "zeugin", "témoin", "témoins", "getuige", "getuigen"],
    ),
    (Field::Purposes, "purposes", &["purpose", "zweck", "zwecke", "finalité", "finalités", "doel", "doelen"]),
    (
        Field::Collections,
        "collections",
        &["collection", "album", "albums", "sammlung", "sammlungen", "alben", "collecties", "collectie"],
    ),
    (
        Field::Expiry,
        "expiry",
        &[
            "expires",
            "expirydate",
            "validuntil",
            "until",
            "enddate",
            "gültigbis",
            "bis",
            "ablauf",
            "ablaufdatum",
            "validejusque",
            "expiration",
            "geldigtot",
        ],
    ),
    (
        Field::Born,
        "born",
        &[
            "birth",
            "birthdate",
            "dateofbirth",
            "dob",
            "birthday",
            "monthofbirth",
            "geburtsdatum",
            "geburtstag",
            "geboren",
            "gebdatum",
            "geb",
            "datedenaissance",
            "naissance",
            "néle",
            "geboortedatum",
            "geboorte",
            "age",
        ],
    ),
    (
        Field::Jurisdiction,
        "jurisdiction",
        &["country", "law", "land", "staat", "pays", "juridiction", "countrycode", "ländercode"],
    ),
    (
        Field::Signer,
        "signer",
        &[
            "signedby",
            "unterschriebenvon",
            "unterschriftvon",
            "unterzeichner",
            "signépar",
            "signataire",
            "getekenddoor",
            "ondertekenaar",
        ],
    ),
    (
        Field::Contact,
        "email",
        &[
            "mail",
            "emailaddress",
            "contact",
            "phone",
            "telephone",
            "kontakt",
            "telefon",
            "emailadresse",
            "courriel",
            "téléphone",
            "emailadres",
            "telefoon",
        ],
    ),
    (
        Field::Group,
        "class",
        &["group", "klasse", "gruppe", "kurs", "team", "form group", "tutorgroup", "classe", "groupe", "groep", "klas"],
    ),
];

/// A heading without case, spaces, punctuation and the number at its end: `E-Mail 2` is `email`.
fn plain(heading: &str) -> String {
    let letters: String = heading.chars().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()).collect();
    match letters.trim_end_matches(|c: char| c.is_ascii_digit()) {
        "" => letters,
        without => without.to_owned(),
    }
}

/// What a heading means, and how far down in its list of words it stands.
fn meaning(heading: &str) -> Option<(Field, usize)> {
    let heading = plain(heading);
    HEADINGS.iter().find_map(|(field, name, others)| {
        let at = std::iter::once(name).chain(*others).position(|word| plain(word) == heading)?;
        Some((*field, at))
    })
}

/// How many of these headings are understood.
pub(crate) fn known_headings(headings: &[String]) -> usize {
    headings.iter().filter(|heading| meaning(heading).is_some()).count()
}

/// The columns of a table.
#[derive(Debug)]
pub(crate) struct Columns {
    headings: Vec<String>,
    /// What each column holds, as far as it is used.
    fields: Vec<Option<Field>>,
}

impl Columns {
    /// Of a single-valued field the column whose heading stands first in its list is used.
    pub(crate) fn new(headings: Vec<String>) -> Columns {
        let meanings: Vec<Option<(Field, usize)>> = headings.iter().map(|heading| meaning(heading)).collect();
        let best = |field: Field| meanings.iter().flatten().filter(|(f, _)| *f == field).map(|(_, at)| *at).min();
        let mut taken = Vec::new();
        let mut fields = Vec::with_capacity(headings.len());
        for meaning in &meanings {
            let used = meaning
                .filter(|(field, at)| field.has_several() || (best(*field) == Some(*at) && !taken.contains(field)));
            taken.extend(used.map(|(field, _)| field));
            fields.push(used.map(|(field, _)| field));
        }
        Columns { headings, fields }
    }

    /// The cells of a row that hold this, those that are not empty.
    pub(crate) fn cells<'r>(&self, row: &'r [String], field: Field) -> Vec<&'r str> {
        let of = |(cell, f): (&'r String, &Option<Field>)| (*f == Some(field)).then_some(cell.as_str());
        row.iter().zip(&self.fields).filter_map(of).filter(|cell| !cell.is_empty()).collect()
    }

    /// The cell of a row that holds this; empty if there is none.
    pub(crate) fn cell<'r>(&self, row: &'r [String], field: Field) -> &'r str {
        self.cells(row, field).first().copied().unwrap_or_default()
    }

    /// The heading under which this stands in the table, or the word for it where the table has no such column.
    pub(crate) fn heading(&self, field: Field) -> &str {
        let at = self.fields.iter().position(|f| *f == Some(field));
        at.map_or(field.word(), |at| self.headings[at].as_str())
    }

    /// Whether the table has a column for this.
    pub(crate) fn has(&self, field: Field) -> bool {
        self.fields.contains(&Some(field))
    }

    /// All headings, as they stand in the table.
    pub(crate) fn headings(&self) -> &[String] {
        &self.headings
    }

    /// The headings of columns that are not used.
    pub(crate) fn unused(&self) -> Vec<&str> {
        let unused = |(heading, field): (&'_ String, &Option<Field>)| field.is_none() && !heading.is_empty();
        self.headings
            .iter()
            .zip(&self.fields)
            .filter(|pair| unused(*pair))
            .map(|(heading, _)| heading.as_str())
            .collect()
    }
}

impl Field {
    /// The heading that messages name it by.
    pub(crate) fn word(self) -> &'static str {
        HEADINGS.iter().find(|(field, ..)| *field == self).map_or("", |(_, word, _)| *word)
    }

    /// Whether several columns, or several values in one cell, may hold it.
    pub(crate) fn has_several(self) -> bool {
        matches!(self, Field::Photos | Field::Witnesses | Field::Purposes | Field::Collections)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_understood_in_any_case_and_language() {
        let check = |headings: &[&str], expected: &[Option<Field>]| {
            let columns = Columns::new(headings.iter().map(|h| (*h).to_owned()).collect());
            assert_eq!(columns.fields, expected, "{headings:?}");
        };
        check(&["ID", " Name ", "PHOTOS"], &[Some(Field::Id), Some(Field::Name), Some(Field::Photos)]);
        check(
            &["Nr", "Nachname", "Vorname", "Klasse", "Geburtsdatum", "EMail", "ja"],
            &[
                Some(Field::Id),
                Some(Field::LastName),
                Some(Field::FirstName),
                Some(Field::Group),
                Some(Field::Born),
                Some(Field::Contact),
                None,
            ],
        );
        check(
            &["Date of birth", "E-mail", "Valid until"],
            &[Some(Field::Born), Some(Field::Contact), Some(Field::Expiry)],
        );
        check(
            &["Date de naissance", "Prénom", "Nom"],
            &[Some(Field::Born), Some(Field::FirstName), Some(Field::LastName)],
        );
        check(&["witness 1", "witness 2"], &[Some(Field::Witnesses), Some(Field::Witnesses)]);
        check(&["Nr", "id"], &[None, Some(Field::Id)]);
        check(&["id", "ID"], &[Some(Field::Id), None]);
    }

    #[test]
    fn no_heading_has_two_meanings() {
        let words: Vec<String> = HEADINGS
            .iter()
            .flat_map(|(_, word, others)| std::iter::once(word).chain(*others))
            .map(|w| plain(w))
            .collect();
        for (i, word) in words.iter().enumerate() {
            assert!(!words[..i].contains(word), "{word}");
        }
    }
}
