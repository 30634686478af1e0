//! A decoded picture: plain owned bytes, so that decoding can live in a process of its own.

use crate::geometry::{Orientation, QuarterTurn};

/// Side of the squares in which a picture is turned, pixels: a turned row is read down a column, and a block of columns
/// stays in the cache.
const BLOCK: usize = 32;

/// A picture in memory, `[height][width][3]` bytes, red first, no gaps between rows.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({} x {})", self.width, self.height)
    }
}

impl Frame {
    /// Wraps `rgb`; `None` unless both sides are at least 1 and `rgb` holds exactly `3 * width * height` bytes.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Option<Frame> {
        let expected = (width as usize).checked_mul(height as usize)?.checked_mul(3)?;
        (expected > 0 && rgb.len() == expected).then_some(Frame { width, height, rgb })
    }

    /// A picture of one colour. Sides of zero are taken as one.
    pub fn filled(width: u32, height: u32, colour: [u8; 3]) -> Frame {
        let (width, height) = (width.max(1), height.max(1));
        Frame { width, height, rgb: colour.repeat(width as usize * height as usize) }
    }

    /// Width, pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height, pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Width and height as real numbers, for geometry.
    pub fn size(&self) -> (f32, f32) {
        (self.width as f32, self.height as f32)
    }

    /// All bytes, `[height][width][3]`.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// All bytes, to be painted on.
    pub fn rgb_mut(&mut self) -> &mut [u8] {
        &mut self.rgb
    }

    /// All bytes, without the picture.
    pub fn into_rgb(self) -> Vec<u8> {
        self.rgb
    }

    /// One pixel, red first. Coordinates outside are moved to the nearest edge.
    pub fn pixel(&self, x: i64, y: i64) -> [u8; 3] {
        let x = x.clamp(0, i64::from(self.width) - 1) as usize;
        let y = y.clamp(0, i64::from(self.height) - 1) as usize;
        let i = (y * self.width as usize + x) * 3;
        [self.rgb[i], self.rgb[i + 1], self.rgb[i + 2]]
    }

    /// The picture turned by quarter turns.
    #[must_use]
    pub fn turned(&self, turn: QuarterTurn) -> Frame {
        let (w, h) = (self.width as usize, self.height as usize);
        let (nw, nh) = turn.move_size((w, h));
        if turn == QuarterTurn::None {
            return self.clone();
        }
        // Which pixel comes first, and how far it is to the one for its right and for its lower neighbour.
        let (row, last) = (w as isize, (w * h) as isize - 1);
        let (first, right, down) = match turn {
            QuarterTurn::None => (0, 1, row),
            QuarterTurn::Clockwise => (last + 1 - row, -row, 1),
            QuarterTurn::Half => (last, -1, -row),
            QuarterTurn::CounterClockwise => (row - 1, row, -1),
        };
        let mut out = vec![0; self.rgb.len()];
        let (from, to) = (self.rgb.as_chunks::<3>().0, out.as_chunks_mut::<3>().0);
        for y0 in (0..nh).step_by(BLOCK) {
            for x0 in (0..nw).step_by(BLOCK) {
                let width = BLOCK.min(nw - x0);
                for y in y0..(y0 + BLOCK).min(nh) {
                    let mut pixel = first + x0 as isize * right + y as isize * down;
                    for to in &mut to[y * nw + x0..][..width] {
                        *to = from[pixel as usize];
                        pixel += right;
                    }
                }
            }
        }
        Frame { width: nw as u32, height: nh as u32, rgb: out }
    }

    /// The picture as it was seen, from pixels as they were stored.
    #[must_use]
    pub fn oriented(mut self, orientation: Orientation) -> Frame {
        if orientation.mirror {
            for row in self.rgb.chunks_exact_mut(self.width as usize * 3) {
                row.reverse(); // Reverses the colours of each pixel, too: put them back.
                for pixel in row.chunks_exact_mut(3) {
                    pixel.swap(0, 2);
                }
            }
        }
        if orientation.turn == QuarterTurn::None { self } else { self.turned(orientation.turn) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Point;

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        assert!(Frame::new(0, 1, vec![]).is_none());
        assert!(Frame::new(1, 1, vec![0; 4]).is_none());
        assert!(Frame::new(u32::MAX, u32::MAX, vec![0; 3]).is_none());
        assert!(Frame::new(2, 1, vec![0; 6]).is_some());
    }

    /// The eight pictures of a letter F, as a camera would store them, all come out upright.
    #[test]
    fn all_eight_exif_orientations_show_the_same_picture() {
        let upright = ["###", "#..", "##.", "#.."];
        let stored: [(u8, &[&str]); 8] = [
            (1, &["###", "#..", "##.", "#.."]),
            (2, &["###", "..#", ".##", "..#"]),
            (3, &["..#", ".##", "..#", "###"]),
            (4, &["#..", "##.", "#..", "###"]),
            (5, &["####", "#.#.", "#..."]),
            (6, &["#...", "#.#.", "####"]),
            (7, &["...#", ".#.#", "####"]),
            (8, &["####", ".#.#", "...#"]),
        ];
        for (value, rows) in stored {
            let seen = paint(rows).oriented(Orientation::from_exif(value).unwrap());
            assert!(seen == paint(&upright), "orientation {value}");
        }
        assert_eq!(Orientation::from_exif(0), None);
        assert_eq!(Orientation::from_exif(9), None);
    }

    #[test]
    fn pixels_and_points_turn_the_same_way() {
        let picture = paint(&["#..", "..."]);
        for turn in QuarterTurn::ALL {
            let turned = picture.turned(turn);
            let p = turn.move_point(Point { x: 0.5, y: 0.5 }, picture.size());
            assert_eq!(turned.pixel(p.x as i64, p.y as i64), [255; 3], "{turn:?}");
        }
    }

    fn paint(rows: &[&str]) -> Frame {
        let rgb = rows.iter().flat_map(|r| r.bytes()).flat_map(|b| [if b == b'#' { 255 } else { 0 }; 3]).collect();
        Frame::new(rows[0].len() as u32, rows.len() as u32, rgb).unwrap()
    }
}
