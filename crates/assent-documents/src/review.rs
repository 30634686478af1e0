//! The page for those who decide on proposals: each face large, beside one that is known to be theirs, with what is to be
//! done to confirm and to refuse it.

use askama::Template;
use assent::Frame;
use assent::export::Mark;

use crate::error::DocumentError;
use crate::picture::{Inline, PagePhoto, cut_out, png};
use crate::vocabulary::count;

/// Side of a face on the page, and longest side of a photo, pixels.
const FACE_PX: u32 = 400;
const PHOTO_PX: u32 = 800;

#[derive(Template)]
#[template(path = "review.html")]
struct Page<'a> {
    mark: String,
    title: &'a str,
    summary: String,
    several: Option<&'a str>,
    people: &'a [Person<'a>],
    made: &'a str,
}

/// Whose proposals are shown.
#[derive(Debug)]
pub struct Person<'a> {
    /// Their name.
    pub name: &'a str,
    /// What tells them from somebody of the same name.
    pub reference: &'a str,
    /// A face that is known to be theirs, if there is one.
    pub known: Option<KnownFace>,
    /// What is to be decided.
    pub proposals: Vec<Proposal>,
}

impl Person<'_> {
    /// The name, and what tells them from somebody of the same name.
    fn heading(&self) -> String {
        let Self { name, reference, .. } = self;
        if name == reference { (*name).to_owned() } else { format!("{name} ({reference})") }
    }
}

/// A face that is known to be somebody's.
#[derive(Debug)]
pub struct KnownFace {
    src: String,
    caption: &'static str,
}

impl KnownFace {
    /// The face that they were enrolled with, a PNG.
    pub fn portrait(bytes: &[u8]) -> Self {
        Self { src: png(bytes), caption: "The picture that they were enrolled with" }
    }

    /// Their face in a photo: one that a person confirmed, or that the engine is sure of.
    ///
    /// # Errors
    ///
    /// [`DocumentError::Encode`] if the picture cannot be encoded.
    pub fn found(photo: &PagePhoto<'_>, picture: &Frame, confirmed: bool) -> Result<Self, DocumentError> {
        let caption =
            if confirmed { "From a photo that a person confirmed" } else { "From a photo that the program is sure of" };
        Ok(Self { src: cut_out(&photo.at, picture, FACE_PX)?, caption })
    }
}

/// A face that somebody decides on.
#[derive(Debug)]
pub struct Proposal {
    number: i64,
    face: String,
    whole: Inline,
    path: String,
    how: HowToDecide,
}

/// How somebody says that a face is a person's, or is not: what they type, where they type something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HowToDecide {
    /// It is them.
    pub yes: String,
    /// It is not.
    pub no: String,
}

impl Proposal {
    /// A face of this number in a photo, everybody else covered.
    ///
    /// # Errors
    ///
    /// [`DocumentError::Encode`] if the picture cannot be encoded.
    pub fn new(number: i64, photo: &PagePhoto<'_>, picture: &Frame, how: HowToDecide) -> Result<Self, DocumentError> {
        Ok(Self {
            number,
            face: cut_out(&photo.at, picture, FACE_PX)?,
            whole: Inline::of(photo, picture, PHOTO_PX)?,
            path: photo.path.to_string(),
            how,
        })
    }

    /// The number by which it is decided on.
    pub fn number(&self) -> i64 {
        self.number
    }
}

/// What the page says of itself.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// Whom it is for.
    pub mark: Mark,
    /// Who made it, and when: [`crate::sheet::made_by`].
    pub made: &'a str,
    /// A command that decides on several at once, where there is one.
    pub several: Option<&'a str>,
}

/// The page of these people's proposals; `None` where there is none.
///
/// # Errors
///
/// [`DocumentError::Page`] if it cannot be put together.
pub fn page(about: &About<'_>, people: &[Person<'_>]) -> Result<Option<String>, DocumentError> {
    let title = match people {
        [] => return Ok(None),
        [one] => format!("Is this {}?", one.name),
        _ => "Is this them?".to_owned(),
    };
    let shown = people.iter().map(|person| person.proposals.len()).sum();
    let summary = format!(
        "{} to decide on. Until somebody does, none of these photos is handed out. The faces of other people are blurred.",
        count(shown, "photo")
    );
    let About { mark, made, several } = *about;
    let page = Page { mark: mark.text(&title), title: &title, summary, several, people, made };
    Ok(Some(page.render()?))
}
