//! Pictures on pages: made small, put into the page itself, with a ring around a head.

use std::fmt::{self, Display};

use assent::encode::EncodeError;
use assent::find::{FoundPhoto, head};
use assent::ledger::{FaceBox, PhotoPath, PhotoTime};
use assent::{Frame, Rect, encode, fit_within, resize, resize_part};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Quality of the pictures on a page, of 100.
const QUALITY: u8 = 85;

/// How much larger the ring is than the head.
const RING_ROOM: f32 = 1.12;

/// How much larger than the head the cut-out is.
const CUT_ROOM: f32 = 1.3;

/// What a page says of a photo.
#[derive(Debug, Clone, Copy)]
pub struct PagePhoto<'a> {
    /// The collection's name.
    pub collection: &'a str,
    /// The photo's path below the collection's folder.
    pub path: &'a PhotoPath,
    /// Where the face is that the page is about.
    pub at: FaceBox,
    /// How many faces are in the photo.
    pub faces: usize,
    /// How many of them are covered in the picture.
    pub covered: usize,
    /// When it was taken.
    pub taken: PhotoTime,
}

impl<'a> From<&'a FoundPhoto> for PagePhoto<'a> {
    fn from(f: &'a FoundPhoto) -> Self {
        let FoundPhoto { collection, path, at, faces, covered, taken, .. } = f;
        Self { collection, path, at: *at, faces: *faces, covered: covered.len(), taken: *taken }
    }
}

/// A picture that stands in the page itself.
#[derive(Debug)]
pub(crate) struct Inline {
    /// Its address, which holds the picture.
    pub(crate) src: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Around the face that the page is about; none where nobody else is in the photo.
    pub(crate) ring: Option<Ring>,
}

impl Inline {
    /// A whole photo, its longest side `side_px` pixels at most.
    pub(crate) fn of(photo: &PagePhoto<'_>, full: &Frame, side_px: u32) -> Result<Self, EncodeError> {
        let (width, height) = fit_within((full.width(), full.height()), side_px);
        Ok(Self {
            src: jpeg(&resize(full, (width, height)))?,
            width,
            height,
            ring: Ring::of(photo, full, (width, height)),
        })
    }
}

/// The address of a picture that it holds itself.
pub(crate) fn jpeg(picture: &Frame) -> Result<String, EncodeError> {
    Ok(format!("data:image/jpeg;base64,{}", STANDARD.encode(encode::jpeg(picture, QUALITY)?)))
}

/// The same of a PNG file.
pub(crate) fn png(bytes: &[u8]) -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(bytes))
}

/// A head, cut out as a square of `side_px` pixels; less where the picture ends.
pub(crate) fn cut_out(at: &FaceBox, full: &Frame, side_px: u32) -> Result<String, EncodeError> {
    let head = head(at);
    let side = head.width.max(head.height) * CUT_ROOM;
    let (x, y) = (head.centre().x - side / 2.0, head.centre().y - side / 2.0);
    let (x, y) = (x.max(0.0), y.max(0.0));
    let (width, height) = (side.min(full.width() as f32 - x), side.min(full.height() as f32 - y));
    let scale = side_px as f32 / width.max(height);
    let size = ((width * scale) as u32, (height * scale) as u32);
    jpeg(&resize_part(full, Rect { x, y, width, height }, size))
}

/// The ellipse around a head, pixels of the picture. The page draws it over the picture: one that is saved has none.
#[derive(Debug)]
pub(crate) struct Ring {
    picture: (u32, u32),
    cx: f32,
    cy: f32,
    rx: f32,
    ry: f32,
}

impl Ring {
    /// Around the found head, in a picture of this size. Who is alone in a photo need not be pointed at.
    fn of(photo: &PagePhoto<'_>, full: &Frame, size: (u32, u32)) -> Option<Ring> {
        let at = head(&photo.at).scaled(size.0 as f32 / full.width() as f32);
        let ring = Ring {
            picture: size,
            cx: at.centre().x.round(),
            cy: at.centre().y.round(),
            rx: (at.width / 2.0 * RING_ROOM).round(),
            ry: (at.height / 2.0 * RING_ROOM).round(),
        };
        (photo.faces > 1).then_some(ring)
    }
}

/// As SVG, numbers alone.
impl Display for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ring { picture: (width, height), cx, cy, rx, ry } = self;
        write!(f, r#"<svg viewBox="0 0 {width} {height}" aria-hidden="true">"#)?;
        write!(f, r#"<ellipse cx="{cx}" cy="{cy}" rx="{rx}" ry="{ry}"/></svg>"#)
    }
}
