//! Covering a face so that nobody is recognised by it: a solid ellipse, nothing blurred.
//!
//! Blurring and pixelation can be undone in part; a solid area cannot.

use crate::frame::Frame;
use crate::geometry::{QuarterTurn, Rect};

/// How much further than the detected box the cover reaches, on each side, in parts of the box.
///
/// The detector's box ends at the eyebrows or the hairline, the ears and the chin. The numbers were set by eye on
/// the sample photos, so that hair, ears and chin of every face in them are covered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Margin {
    /// Above the box, as the upright face has it.
    pub above: f32,
    /// Below it: the chin.
    pub below: f32,
    /// To the left and to the right: the ears.
    pub beside: f32,
}

impl Default for Margin {
    fn default() -> Margin {
        Margin { above: 0.45, below: 0.3, beside: 0.4 }
    }
}

/// The colour of a cover: a mid grey that no one takes for a part of the photo.
pub const COVER_RGB: [u8; 3] = [110, 110, 116];

/// Paints a solid ellipse over the face in `bounds`, which stands upright after `turn`.
pub fn cover(frame: &mut Frame, bounds: Rect, turn: QuarterTurn, margin: Margin) {
    let area = grown(bounds, turn, margin);
    let (cx, cy) = (area.centre().x, area.centre().y);
    // An ellipse whose corners reach into the area's: the box's own corners must be covered, too.
    let (rx, ry) = ((area.width / 2.0).max(1.0), (area.height / 2.0).max(1.0));
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let first_row = (cy - ry).floor().max(0.0) as usize;
    let last_row = ((cy + ry).ceil().max(0.0) as usize).min(height);
    let rgb = frame.rgb_mut();
    for y in first_row..last_row {
        let dy = (y as f32 + 0.5 - cy) / ry;
        let reach = rx * (1.0 - dy * dy).max(0.0).sqrt();
        let from = (cx - reach).floor().max(0.0) as usize;
        let to = ((cx + reach).ceil().max(0.0) as usize).min(width);
        if from < to {
            for pixel in rgb[(y * width + from) * 3..(y * width + to) * 3].chunks_exact_mut(3) {
                pixel.copy_from_slice(&COVER_RGB);
            }
        }
    }
}

/// `bounds` with the margins of an upright face, turned as the face is.
fn grown(bounds: Rect, turn: QuarterTurn, margin: Margin) -> Rect {
    let up = turn.count();
    // Which of the box's sides (top, right, bottom, left) is the face's top: turning clockwise by `turn` brings it up.
    let mut sides = [margin.above, margin.beside, margin.below, margin.beside];
    sides.rotate_right(usize::from(4 - up) % 4);
    let [top, right, bottom, left] = sides;
    Rect {
        x: bounds.x - left * bounds.width,
        y: bounds.y - top * bounds.height,
        width: bounds.width * (1.0 + left + right),
        height: bounds.height * (1.0 + top + bottom),
    }
}

/// Draws a frame of `thickness_px` around `bounds`, outside of it.
pub fn outline(frame: &mut Frame, bounds: Rect, thickness_px: f32, colour: [u8; 3]) {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let clamp = |v: f32, most: usize| (v.round().max(0.0) as usize).min(most);
    let outer = (
        clamp(bounds.x - thickness_px, width),
        clamp(bounds.y - thickness_px, height),
        clamp(bounds.x + bounds.width + thickness_px, width),
        clamp(bounds.y + bounds.height + thickness_px, height),
    );
    let inner = (
        clamp(bounds.x, width),
        clamp(bounds.y, height),
        clamp(bounds.x + bounds.width, width),
        clamp(bounds.y + bounds.height, height),
    );
    let rgb = frame.rgb_mut();
    for y in outer.1..outer.3 {
        for x in outer.0..outer.2 {
            if x < inner.0 || x >= inner.2 || y < inner.1 || y >= inner.3 {
                let i = (y * width + x) * 3;
                rgb[i..i + 3].copy_from_slice(&colour);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACE: Rect = Rect { x: 40.0, y: 50.0, width: 20.0, height: 26.0 };

    #[test]
    fn the_whole_box_is_covered_whichever_way_the_face_turns() {
        for turn in QuarterTurn::ALL {
            let mut frame = Frame::filled(120, 140, [255; 3]);
            cover(&mut frame, FACE, turn, Margin::default());
            for y in 50..76 {
                for x in 40..60 {
                    // The cover is an ellipse: the last pixels in the box's corners are hair or background.
                    let corner = !(43..57).contains(&x) && !(53..73).contains(&y);
                    assert!(corner || frame.pixel(x, y) == COVER_RGB, "{turn:?}: ({x}, {y}) shows");
                }
            }
            assert_eq!(frame.pixel(2, 2), [255; 3], "{turn:?}");
        }
    }

    #[test]
    fn the_margin_above_turns_with_the_face() {
        // What is above the face must move with it: the cover of a turned face is the turned cover.
        let mut upright = Frame::filled(120, 140, [255; 3]);
        cover(&mut upright, FACE, QuarterTurn::None, Margin::default());
        for turn in QuarterTurn::ALL {
            let lying_bounds = turn.inverse().move_rect(FACE, upright.size());
            let mut lying = Frame::filled(120, 140, [255; 3]).turned(turn.inverse());
            cover(&mut lying, lying_bounds, turn, Margin::default());
            let differing = lying.turned(turn).rgb().iter().zip(upright.rgb()).filter(|(a, b)| a != b).count();
            assert!(differing < 200, "{turn:?}: {differing} bytes differ");
        }
    }

    #[test]
    fn covers_and_outlines_beyond_the_edge_do_no_harm() {
        let mut frame = Frame::filled(10, 10, [255; 3]);
        for bounds in [
            Rect { x: -50.0, y: -50.0, width: 20.0, height: 20.0 },
            Rect { x: 8.0, y: 8.0, width: 100.0, height: 100.0 },
            Rect { x: 5.0, y: 5.0, width: 0.0, height: 0.0 },
        ] {
            cover(&mut frame, bounds, QuarterTurn::Half, Margin::default());
            outline(&mut frame, bounds, 3.0, [0, 255, 0]);
        }
    }
}
