//! The face of an enrolment as it is kept: upright, a little wider than any embedder's crop, and of one form whatever the
//! models. An embedder's crop can be cut out of it later, so that a change of models does not need the person again.
//!
//! Measured on the 78 sample portraits: a template that is made of this picture has a cosine of 0.995 in the mean to the one
//! that is made of the whole portrait (0.98 at the least), with either of the two embedders; faces in photos lose 0.002 of
//! cosine to it with `SFace`, and 0.004 with the light one.

use crate::align::{self, AlignError};
use crate::crop::{self, CropError};
use crate::detect::Detection;
use crate::embed::{Aligned, Embedder};
use crate::frame::Frame;
use crate::geometry::Point;

/// The picture's side, pixels. No embedder's crop has this side, so that an embedder's crop is not taken for it.
const SIDE_PX: u32 = 160;

/// Where the landmarks lie, as parts of the side: those of `ArcFace`'s template, eyes 45 pixels apart. The picture is 3.6 times as
/// wide as that; `ArcFace`'s crop is 3.2 times.
const TEMPLATE: [[f32; 2]; 5] =
    [[0.3593, 0.4568], [0.6393, 0.4553], [0.5002, 0.6160], [0.3852, 0.7800], [0.6170, 0.7787]];

/// A face as it is kept.
#[derive(Debug)]
pub struct KeptFace {
    picture: Frame,
}

impl KeptFace {
    /// Cuts `face` (in photo pixels) out of a copy of its photo with `scale` photo pixels for one of its own.
    ///
    /// # Errors
    ///
    /// [`AlignError`] if the landmarks give no alignment.
    pub fn cut(copy: &Frame, scale: f32, face: &Detection) -> Result<KeptFace, AlignError> {
        let landmarks = face.landmarks.map(|p| Point { x: p.x / scale, y: p.y / scale });
        let to_picture = align::similarity(&landmarks, &template_px())?;
        Ok(KeptFace { picture: align::cut(copy, &to_picture, SIDE_PX) })
    }

    /// Its pixels for one photo pixel, see [`Embedder::magnification`].
    ///
    /// # Errors
    ///
    /// [`AlignError`] if the landmarks give no alignment.
    pub fn magnification(face: &Detection) -> Result<f32, AlignError> {
        let [[a, _, _], [c, _, _]] = align::similarity(&face.landmarks, &template_px())?;
        Ok(a.hypot(c) as f32)
    }

    /// The face as an embedder wants it.
    ///
    /// # Errors
    ///
    /// [`AlignError`] if the embedder's template has no form.
    pub fn align(&self, embedder: &Embedder) -> Result<Aligned, AlignError> {
        let face = Detection { landmarks: template_px(), ..Detection::default() };
        embedder.align(&self.picture, 1.0, &face)
    }

    /// The picture as a PNG.
    ///
    /// # Errors
    ///
    /// [`CropError::Codec`] if the codec refuses.
    pub fn png(&self) -> Result<Vec<u8>, CropError> {
        crop::png(&self.picture)
    }

    /// The face that [`png`](Self::png) wrote; `None` for a crop of another form, such as were kept before.
    ///
    /// # Errors
    ///
    /// [`CropError`] if `bytes` are no such picture.
    pub fn read(bytes: &[u8]) -> Result<Option<KeptFace>, CropError> {
        let picture = crop::frame(bytes)?;
        Ok((picture.width() == SIDE_PX).then_some(KeptFace { picture }))
    }
}

fn template_px() -> [Point; 5] {
    align::template_px(&TEMPLATE, SIDE_PX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_face_comes_back_and_an_embedders_crop_is_none() {
        let face = Detection {
            landmarks: [(60.0, 80.0), (100.0, 80.0), (80.0, 105.0), (64.0, 125.0), (96.0, 125.0)]
                .map(|(x, y)| Point { x, y }),
            ..Detection::default()
        };
        let photo = Frame::filled(200, 200, [10, 20, 30]);
        let kept = KeptFace::cut(&photo, 1.0, &face).unwrap();
        let back = KeptFace::read(&kept.png().unwrap()).unwrap().unwrap();
        assert!(back.picture == kept.picture && kept.picture.rgb()[..3] == [10, 20, 30]);
        assert!((KeptFace::magnification(&face).unwrap() - 45.0 / 40.0).abs() < 0.05);
        for side in [112, 128] {
            let bytes = crop::png(&Frame::filled(side, side, [1; 3])).unwrap();
            assert!(KeptFace::read(&bytes).unwrap().is_none(), "{side}");
        }
        assert!(KeptFace::read(b"no picture").is_err());
    }
}
