//! The rows of a table of people: each becomes an entry, or its problems are named with row and column.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use assent::enrol::{Consent, EnrolError};
use assent::ledger::{
    Collection, Evidence, Jurisdiction, Ledger, Purpose, RuleError, Signer, SubjectId, Timestamp, TxError, WitnessId,
};
use assent::packs::sha256;
use assent::release::open_release;
use assent::service::enrolment;
use assent::service::lookup::fold_name;
use assent::service::rosters::{Entry, EntryFiles, Known, NamedFile, Refused, known};
use assent_documents::json::consents::RosterProblem;
use jiff::tz::TimeZone;

use super::Import;
use super::cells::{self, DateError, Order};
use super::columns::{Columns, Field};
use super::table::Table;
use crate::error::CommandError;
use crate::files::read_bytes;
use crate::hints::sentence;
use crate::output::long_date;
use crate::vault::now;

/// A person of the table.
pub(super) struct Person {
    /// The row, from 1 below the heading.
    pub(super) row: usize,
    /// What is to be recorded.
    pub(super) entry: Entry,
    /// The files with their pictures.
    files: Vec<PathBuf>,
    /// The file with their form.
    release: PathBuf,
}

impl Person {
    /// Their pictures: a name for messages, and the file's bytes.
    ///
    /// # Errors
    ///
    /// [`CommandError::Io`] if one cannot be read any more.
    pub(super) fn pictures(&self) -> Result<Vec<(String, Vec<u8>)>, CommandError> {
        let read = |(picture, file): (&NamedFile, &PathBuf)| Ok((picture.name.clone(), read_bytes(file)?));
        self.entry.pictures.iter().zip(&self.files).map(read).collect()
    }

    /// Their pictures and their form, to be kept until the witnesses have signed.
    ///
    /// # Errors
    ///
    /// As [`Self::pictures`].
    pub(super) fn to_wait(&self) -> Result<EntryFiles, CommandError> {
        let release = (self.entry.release.name.clone(), read_bytes(&self.release)?);
        Ok(EntryFiles { pictures: self.pictures()?, release })
    }
}

/// Something in the table that keeps a person from being recorded.
pub(super) struct Problem {
    pub(super) row: usize,
    id: String,
    column: String,
    says: String,
}

impl From<&Problem> for RosterProblem {
    fn from(Problem { row, id, column, says }: &Problem) -> Self {
        Self { row: *row, handle: id.clone(), column: column.clone(), says: says.clone() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { row, id, column, says } = self;
        let who = if id.is_empty() { String::new() } else { format!(" ({id})") };
        write!(f, "row {row}{who}, column {column}: {says}")
    }
}

/// From how many rows on the same problem is told once.
const SAME_IN_ROWS: usize = 4;

/// Problems for people, by row; what is the same in many rows, in one line.
pub(super) fn lines(problems: &[Problem]) -> Vec<String> {
    let mut same: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for problem in problems {
        same.entry((&problem.column, &problem.says)).or_default().push(problem.row);
    }
    let line = |problem: &Problem| {
        let (column, says) = (problem.column.as_str(), problem.says.as_str());
        match same.get(&(column, says)) {
            Some(rows) if rows.len() >= SAME_IN_ROWS => {
                let first = rows.first() == Some(&problem.row);
                first.then(|| format!("{} rows ({}), column {column}: {says}", rows.len(), ranges(rows)))
            }
            _ => Some(problem.to_string()),
        }
    };
    problems.iter().filter_map(line).collect()
}

/// Rows as an office writes them: `1-3, 5, 7-9`.
fn ranges(rows: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for row in rows {
        match ranges.last_mut() {
            Some((_, last)) if *row == *last + 1 => *last = *row,
            _ => ranges.push((*row, *row)),
        }
    }
    let text =
        |(first, last): &(usize, usize)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    ranges.iter().map(text).collect::<Vec<_>>().join(", ")
}

impl Problem {
    pub(super) fn new(person: &Person, column: &str, says: String) -> Problem {
        Problem { row: person.row, id: person.entry.handle.clone(), column: column.to_owned(), says }
    }

    /// Why an entry of the table was refused.
    pub(super) fn of(person: &Person, columns: &Columns, refused: &Refused, people: &[Person]) -> Problem {
        let row = |entry: usize| people.get(entry).map_or(0, |person| person.row);
        let (field, says) = match refused {
            Refused::SameHandle { earlier } => (Field::Id, format!("row {} has the same id", row(*earlier))),
            Refused::SamePicture { earlier } => {
                let says =
                    format!("row {} has the same picture; every person needs a picture of their own", row(*earlier));
                (Field::Photos, says)
            }
            Refused::SameForm { earlier } => {
                let says =
                    format!("row {} has the same signed form; every person signs a form of their own", row(*earlier));
                (Field::Release, says)
            }
            Refused::OtherName => (Field::Name, refused.to_string()),
            Refused::Enrol(EnrolError::NoPicture) => (Field::Photos, refused.to_string()),
            Refused::Enrol(EnrolError::TooLargeToWait { file }) if *file != person.entry.release.name => {
                (Field::Photos, refused.to_string())
            }
            Refused::AgreedBefore | Refused::Enrol(_) => (Field::Release, sentence(refused)),
            Refused::Ledger(error) => {
                (field_of(error), missing_column(error, columns).unwrap_or_else(|| sentence(error)))
            }
        };
        Problem::new(person, columns.heading(field), says)
    }
}

/// Which column a refusal is about.
fn field_of(error: &TxError) -> Field {
    match error {
        TxError::Rule(rule) => match rule {
            RuleError::AgeUnknown | RuleError::TooYoung { .. } => Field::Born,
            RuleError::ParentMissing { .. } => Field::Signer,
            RuleError::TooLong { .. } => Field::Expiry,
            RuleError::NoRepresentative { .. } => Field::Jurisdiction,
            RuleError::Missing { .. } | RuleError::ReviewOverdue { .. } => Field::Collections,
        },
        TxError::Validity => Field::Expiry,
        TxError::Witnesses { .. } | TxError::NoWitness { .. } | TxError::NoWitnessKey { .. } => Field::Witnesses,
        TxError::ReleaseUsed | TxError::NothingToRenew => Field::Release,
        TxError::PortraitOfAnother => Field::Photos,
        TxError::HandleForm | TxError::HandleTaken => Field::Id,
        TxError::HouseholdPurpose => Field::Purposes,
        _ => Field::Collections,
    }
}

/// What to do about a refusal that comes of a column which the table does not have.
fn missing_column(error: &TxError, columns: &Columns) -> Option<String> {
    let TxError::Rule(rule) = error else { return None };
    match rule {
        RuleError::AgeUnknown if !columns.has(Field::Born) => Some(
            "nobody has said how old this person is; add the column born, with the month of birth such as 2011-04, or adult"
                .to_owned(),
        ),
        RuleError::NoRepresentative { .. } if !columns.has(Field::Jurisdiction) => Some(
            "nobody has said where this person lives, so the strictest law of all counts; add the column jurisdiction, with \
             a code such as FR"
                .to_owned(),
        ),
        RuleError::ParentMissing { years } if !columns.has(Field::Signer) => Some(format!(
            "below {years} years a parent or guardian signs too; add the column signer, with parent or both"
        )),
        _ => None,
    }
}

/// A table as it was read.
pub(super) struct Reading {
    /// The people of the rows that can be understood.
    pub(super) people: Vec<Person>,
    /// What is wrong with the others.
    pub(super) problems: Vec<Problem>,
    pub(super) columns: Columns,
    /// What somebody should know about how the table was read.
    pub(super) notes: Vec<String>,
}

/// Reads a table, each row with the files that it names.
///
/// # Errors
///
/// - [`CommandError::RosterTable`] if it is no table.
/// - [`CommandError::RosterColumns`] if a column is missing that every row needs.
/// - As the ledger.
pub(super) fn read_rows(ledger: &Ledger, import: &Import<'_>) -> Result<Reading, CommandError> {
    let Table { columns, rows } = Table::read(import.table, &read_bytes(import.table)?)?;
    let needed: &[Field] = if import.renewal {
        &[Field::Id, Field::Release, Field::Witnesses]
    } else {
        &[Field::Id, Field::Name, Field::Photos, Field::Release, Field::Witnesses]
    };
    let named = columns.has(Field::Name) || columns.has(Field::FirstName) || columns.has(Field::LastName);
    let lacks = |field: &Field| match field {
        Field::Name => !named,
        // A form may be for purposes that need no picture.
        Field::Photos if columns.has(Field::Purposes) => false,
        field => !columns.has(*field),
    };
    let missing: Vec<&str> = needed.iter().filter(|field| lacks(field)).map(|field| field.word()).collect();
    if !missing.is_empty() {
        let columns = columns.headings().iter().filter(|h| !h.is_empty()).cloned().collect::<Vec<_>>().join(", ");
        return Err(CommandError::RosterColumns {
            path: import.table.to_owned(),
            missing: missing.join(", "),
            columns,
        });
    }
    let reader = Reader::new(ledger, import, &columns, &rows)?;
    let (mut people, mut problems) = (Vec::new(), Vec::new());
    for (row, cells) in &rows {
        let mut wrong = Vec::new();
        let person = reader.person(*row, cells, &mut wrong);
        match person {
            Some(person) if wrong.is_empty() => people.push(person),
            _ => problems.append(&mut wrong),
        }
    }
    let mut notes = Vec::new();
    let unused = columns.unused();
    if !unused.is_empty() {
        notes.push(format!("Columns that were not used: {}.", unused.join(", ")));
    }
    let new = |person: &&Person| !reader.known.contains_key(&person.entry.handle);
    if !columns.has(Field::Jurisdiction) && !reader.seat.is_unknown() && people.iter().any(|p| new(&p)) {
        notes.push(format!(
            "The table does not say where people live: {} is taken, where you are. If some live elsewhere, add the column \
             jurisdiction.",
            reader.seat
        ));
    }
    Ok(Reading { people, problems, columns, notes })
}

/// What rows are read with.
struct Reader<'a> {
    import: &'a Import<'a>,
    columns: &'a Columns,
    folder: &'a Path,
    collections: Vec<Collection>,
    witnesses: Vec<(String, WitnessId)>,
    /// Who is on the roster, by short name, and what they agreed to.
    known: BTreeMap<String, SubjectId>,
    in_force: BTreeMap<SubjectId, Vec<Consent>>,
    /// When the last of their consents ended that are not in force any more.
    ended: BTreeMap<SubjectId, Timestamp>,
    seat: Jurisdiction,
    now: Timestamp,
    this_year: i16,
    born: Order,
    expiry: Order,
}

impl<'a> Reader<'a> {
    fn new(
        ledger: &Ledger,
        import: &'a Import<'a>,
        columns: &'a Columns,
        rows: &[(usize, Vec<String>)],
    ) -> Result<Reader<'a>, CommandError> {
        let now = now();
        let Known { people, in_force, ended, collections, witnesses } = known(ledger, import.renewal, now)?;
        let order = |field| cells::order(rows.iter().map(|(_, row)| columns.cell(row, field)));
        let year = jiff::Timestamp::from_millisecond(now.0).map_or(2000, |t| t.to_zoned(TimeZone::UTC).year());
        Ok(Reader {
            import,
            columns,
            folder: import.table.parent().unwrap_or(Path::new("")),
            collections,
            witnesses: witnesses.into_iter().map(|w| (fold_name(&w.name), w.id)).collect(),
            known: people,
            in_force,
            ended,
            seat: ledger.settings().seat(),
            now,
            this_year: year,
            born: order(Field::Born),
            expiry: order(Field::Expiry),
        })
    }

    /// The person of a row; what is wrong with it is added to `wrong`.
    fn person(&self, row: usize, cells: &[String], wrong: &mut Vec<Problem>) -> Option<Person> {
        let id = self.columns.cell(cells, Field::Id);
        let mut say = |field: Field, says: String| {
            let column = self.columns.heading(field).to_owned();
            wrong.push(Problem { row, id: id.to_owned(), column, says });
        };
        let extra = cells.iter().skip(self.columns.headings().len()).any(|cell| !cell.is_empty());
        if extra {
            say(Field::Id, "the row has more cells than the heading; put text with commas into quotes".to_owned());
        }
        if id.is_empty() {
            say(Field::Id, "an id is missing: a short name of your own for this person".to_owned());
        }
        let name = self.name(cells);
        if name.is_empty() && !self.import.renewal {
            say(Field::Name, "the name is missing".to_owned());
        }
        let one = |field: Field| Some(self.columns.cell(cells, field)).filter(|cell| !cell.is_empty());
        let age = match cells::age(one(Field::Born).unwrap_or_default(), self.born, self.this_year) {
            Ok(age) => age,
            Err(why) => {
                let forms = "2011-04, 4/2011, 17.04.2011, April 2011, or adult";
                say(Field::Born, not_understood(one(Field::Born), why, forms));
                None
            }
        };
        let valid_until = match one(Field::Expiry).map(|cell| cells::end(cell, self.expiry)) {
            None => enrolment::default_end(self.now),
            Some(Ok(end)) => end,
            Some(Err(why)) => {
                say(Field::Expiry, not_understood(one(Field::Expiry), why, "2027-07-31, 31.07.2027 or 31 July 2027"));
                self.now
            }
        };
        let jurisdiction = one(Field::Jurisdiction).and_then(|cell| {
            let code = cell.to_uppercase().parse::<Jurisdiction>().ok();
            if code.is_none() {
                say(Field::Jurisdiction, format!("'{cell}' is not understood; write a code such as FR, UK or US-IL"));
            }
            code
        });
        let signed_by = cells::signer(one(Field::Signer).unwrap_or_default()).unwrap_or_else(|| {
            let cell = one(Field::Signer).unwrap_or_default();
            say(Field::Signer, format!("'{cell}' is not understood; write subject, parent or both"));
            Signer::Subject
        });
        let witnesses = self.witnesses_of(cells, &mut say);
        let consents = self.consents_of(id, cells, &mut say);
        let to_be_found = consents.iter().any(|c| c.purpose.is_find());
        let (pictures, files) = self.pictures_of(cells, to_be_found, &mut say);
        let release = self.release_of(cells, &mut say);
        let home = (!self.known.contains_key(id) && !self.seat.is_unknown()).then(|| self.seat.clone());
        let (release, release_file) = release?;
        let entry = Entry {
            handle: id.to_owned(),
            name,
            contact: one(Field::Contact).map(str::to_owned),
            group: one(Field::Group).map(str::to_owned),
            age,
            jurisdiction: jurisdiction.or(home),
            consents,
            evidence: Evidence::Paper {
                release_sha256: release.sha256,
                witnesses,
                signed_by,
                statement: String::new(),
                signed: None,
            },
            release,
            notice_sha256: self.import.notice_sha256,
            valid_until,
            pictures,
            renewal: self.import.renewal,
        };
        Some(Person { row, entry, files, release: release_file })
    }

    /// The name, from one column or from two.
    fn name(&self, cells: &[String]) -> String {
        let [first, last, name] =
            [Field::FirstName, Field::LastName, Field::Name].map(|field| self.columns.cell(cells, field));
        // Beside a first name, a column that is only called "name" holds the last one.
        let parts = if last.is_empty() || !name.is_empty() && first.is_empty() { [first, name] } else { [first, last] };
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// The values of all cells of a field, one by one.
    fn values<'r>(&self, cells: &'r [String], field: Field, known: &dyn Fn(&str) -> bool) -> Vec<&'r str> {
        let parts = self.columns.cells(cells, field).into_iter().flat_map(|cell| cells::parts(cell, known));
        let mut seen = BTreeSet::new();
        parts.filter(|part| seen.insert(*part)).collect()
    }

    fn witnesses_of(&self, cells: &[String], say: &mut dyn FnMut(Field, String)) -> Vec<WitnessId> {
        let find = |name: &str| self.witnesses.iter().find(|(known, _)| *known == fold_name(name)).map(|(_, id)| *id);
        let mut found = Vec::new();
        for name in self.values(cells, Field::Witnesses, &|cell| find(cell).is_some()) {
            if let Some(id) = find(name) {
                found.push(id);
            } else {
                let says = format!("no registered witness is called '{name}'; assent witness list shows them all");
                say(Field::Witnesses, says);
            }
        }
        if found.is_empty() && self.columns.cell(cells, Field::Witnesses).is_empty() {
            say(Field::Witnesses, "nobody is named who saw the form signed".to_owned());
        }
        found
    }

    fn consents_of(&self, id: &str, cells: &[String], say: &mut dyn FnMut(Field, String)) -> Vec<Consent> {
        let find = |name: &str| self.collections.iter().find(|c| fold_name(&c.name) == fold_name(name));
        let names = self.values(cells, Field::Collections, &|cell| find(cell).is_some());
        let mut collections: Vec<&Collection> = Vec::new();
        for name in &names {
            match find(name) {
                Some(collection) => collections.push(collection),
                None => say(
                    Field::Collections,
                    format!("no collection is called '{name}'; assent collection list shows them"),
                ),
            }
        }
        let mut purposes: Vec<Purpose> = Vec::new();
        for word in self.values(cells, Field::Purposes, &|_| false) {
            match word.parse() {
                Ok(purpose) => purposes.push(purpose),
                Err(refused) => say(Field::Purposes, format!("'{word}': {refused}")),
            }
        }
        if self.import.renewal {
            let Some(subject) = self.known.get(id) else {
                say(Field::Id, "nobody on the roster has this id, so there is nothing to renew".to_owned());
                return Vec::new();
            };
            let chosen = |c: &&Consent| {
                (names.is_empty() || collections.iter().any(|one| one.id == c.collection))
                    && (purposes.is_empty() || purposes.contains(&c.purpose))
            };
            let agreed: Vec<Consent> = self.in_force[subject].iter().filter(chosen).cloned().collect();
            if agreed.is_empty() {
                let over = match self.ended.get(subject).filter(|at| at.0 <= self.now.0) {
                    Some(at) => format!("this person's permission ended on {}", long_date(*at)),
                    None => "this person has no such permission in force".to_owned(),
                };
                say(Field::Id, format!("{over}; a new one is recorded by enrolling"));
            }
            return agreed;
        }
        if names.is_empty() {
            collections = self.collections.iter().collect();
        }
        if purposes.is_empty() {
            purposes = vec![Purpose::find_my_photos()];
        }
        if collections.is_empty() && names.is_empty() {
            say(
                Field::Collections,
                "there is no collection yet; add one with: assent collection add NAME FOLDER".to_owned(),
            );
        }
        let of = |c: &&Collection| -> Vec<Consent> {
            purposes.iter().map(|purpose| Consent { collection: c.id, purpose: purpose.clone() }).collect()
        };
        collections.iter().flat_map(of).collect()
    }

    fn pictures_of(
        &self,
        cells: &[String],
        to_be_found: bool,
        say: &mut dyn FnMut(Field, String),
    ) -> (Vec<NamedFile>, Vec<PathBuf>) {
        let (mut pictures, mut files) = (Vec::new(), Vec::new());
        // Whoever is not to be found needs no pictures, and none is noted.
        if self.import.renewal || !to_be_found {
            return (pictures, files);
        }
        let names = self.values(cells, Field::Photos, &|cell| cells::file(self.folder, cell).is_some());
        if names.is_empty() {
            say(Field::Photos, "no picture is named".to_owned());
        }
        for name in names {
            match self.read(name) {
                Ok((path, bytes)) => {
                    pictures.push(named(&path, &bytes));
                    files.push(path);
                }
                Err(why) => say(Field::Photos, why),
            }
        }
        (pictures, files)
    }

    fn release_of(&self, cells: &[String], say: &mut dyn FnMut(Field, String)) -> Option<(NamedFile, PathBuf)> {
        let name = self.columns.cell(cells, Field::Release);
        if name.is_empty() {
            say(Field::Release, "no signed form is named".to_owned());
            return None;
        }
        let opened = self.read(name).and_then(|(path, bytes)| {
            open_release(&bytes).map_err(|e| format!("{name}: {e}"))?;
            Ok((named(&path, &bytes), path))
        });
        opened.map_err(|why| say(Field::Release, why)).ok()
    }

    fn read(&self, name: &str) -> Result<(PathBuf, Vec<u8>), String> {
        let folder = if self.folder.as_os_str().is_empty() { Path::new(".") } else { self.folder };
        let path = cells::file(self.folder, name)
            .ok_or_else(|| format!("there is no file {name} in the folder {}", folder.display()))?;
        let bytes = read_bytes(&path).map_err(|e| crate::hints::chain(&e))?;
        Ok((path, bytes))
    }
}

fn named(path: &Path, bytes: &[u8]) -> NamedFile {
    NamedFile { name: path.display().to_string(), bytes: bytes.len() as u64, sha256: sha256(bytes) }
}

fn not_understood(cell: Option<&str>, why: DateError, forms: &str) -> String {
    let cell = cell.unwrap_or_default();
    match why {
        DateError::Form => format!("'{cell}' is not understood; write {forms}"),
        DateError::Ambiguous => format!("of '{cell}' it is not clear which is the day; write {forms}"),
    }
}
