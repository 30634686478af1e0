//! Points, boxes, and the eight ways in which a camera can hold a picture.
//!
//! The only module that knows what EXIF's orientation numbers mean and how a quarter turn moves a point.

/// A point on a picture, pixels (see the crate's page for the convention).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// To the right.
    pub x: f32,
    /// The distance from the top edge, pixels; it grows downwards.
    pub y: f32,
}

/// An upright box on a picture, pixels.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rect {
    /// The left edge, pixels from the left edge of the picture.
    pub x: f32,
    /// The top edge, pixels from the top edge of the picture.
    pub y: f32,
    /// Width, never negative.
    pub width: f32,
    /// Height, never negative.
    pub height: f32,
}

impl Rect {
    /// Its surface, square pixels.
    pub fn area(&self) -> f32 {
        self.width * self.height
    }

    /// The middle of the rectangle, pixels.
    pub fn centre(&self) -> Point {
        Point { x: self.x + self.width / 2.0, y: self.y + self.height / 2.0 }
    }

    /// The smallest box around two corners, given in any order.
    pub fn around(a: Point, b: Point) -> Rect {
        Rect { x: a.x.min(b.x), y: a.y.min(b.y), width: (a.x - b.x).abs(), height: (a.y - b.y).abs() }
    }

    /// The box with every length multiplied by `factor`.
    #[must_use]
    pub fn scaled(&self, factor: f32) -> Rect {
        Rect { x: self.x * factor, y: self.y * factor, width: self.width * factor, height: self.height * factor }
    }

    /// Intersection over union of two boxes, 0 to 1; 0 for boxes without surface.
    pub fn iou(&self, other: &Rect) -> f32 {
        let w = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let h = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        let inside = w.max(0.0) * h.max(0.0);
        let union = self.area() + other.area() - inside;
        if union > 0.0 { inside / union } else { 0.0 }
    }
}

/// How many quarter turns clockwise bring a picture, or a face in it, upright.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, PartialOrd, Ord)]
pub enum QuarterTurn {
    /// It stands upright.
    #[default]
    None,
    /// One turn of 90 degrees clockwise.
    Clockwise,
    /// Half a turn: the picture stands upside down.
    Half,
    /// One turn of 90 degrees against the clock.
    CounterClockwise,
}

impl QuarterTurn {
    /// All four, upright first.
    pub const ALL: [QuarterTurn; 4] =
        [QuarterTurn::None, QuarterTurn::Clockwise, QuarterTurn::Half, QuarterTurn::CounterClockwise];

    /// Quarter turns clockwise, 0 to 3.
    pub fn count(self) -> u8 {
        match self {
            QuarterTurn::None => 0,
            QuarterTurn::Clockwise => 1,
            QuarterTurn::Half => 2,
            QuarterTurn::CounterClockwise => 3,
        }
    }

    /// The turn of `count` quarters clockwise, taken modulo four.
    pub fn from_count(count: u8) -> QuarterTurn {
        QuarterTurn::ALL[usize::from(count % 4)]
    }

    /// The turn that undoes this one.
    #[must_use]
    pub fn inverse(self) -> QuarterTurn {
        QuarterTurn::from_count(4 - self.count())
    }

    /// Where `point` of a picture of `(width, height)` lies once the picture was turned.
    pub fn move_point(self, point: Point, (width, height): (f32, f32)) -> Point {
        let Point { x, y } = point;
        match self {
            QuarterTurn::None => point,
            QuarterTurn::Clockwise => Point { x: height - y, y: x },
            QuarterTurn::Half => Point { x: width - x, y: height - y },
            QuarterTurn::CounterClockwise => Point { x: y, y: width - x },
        }
    }

    /// Where `rect` of a picture of `size` lies once the picture was turned.
    pub fn move_rect(self, rect: Rect, size: (f32, f32)) -> Rect {
        Rect::around(
            self.move_point(Point { x: rect.x, y: rect.y }, size),
            self.move_point(Point { x: rect.x + rect.width, y: rect.y + rect.height }, size),
        )
    }

    /// The size of a turned picture of `(width, height)`.
    pub fn move_size<T>(self, (width, height): (T, T)) -> (T, T) {
        match self {
            QuarterTurn::None | QuarterTurn::Half => (width, height),
            QuarterTurn::Clockwise | QuarterTurn::CounterClockwise => (height, width),
        }
    }
}

/// How stored pixels become the picture as it was seen: first mirrored left to right (or not), then turned.
///
/// # Source
///
/// Exif 2.32 (CIPA DC-008), tag 0x0112 "Orientation", values 1 to 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Orientation {
    /// Mirror left and right first.
    pub mirror: bool,
    /// The quarter turn that follows the mirroring.
    pub turn: QuarterTurn,
}

impl Orientation {
    /// The orientation of an EXIF value; `None` for a number that the standard does not define.
    pub fn from_exif(value: u8) -> Option<Orientation> {
        let (mirror, turn) = match value {
            1 => (false, QuarterTurn::None),
            2 => (true, QuarterTurn::None),
            3 => (false, QuarterTurn::Half),
            4 => (true, QuarterTurn::Half),
            5 => (true, QuarterTurn::CounterClockwise),
            6 => (false, QuarterTurn::Clockwise),
            7 => (true, QuarterTurn::Clockwise),
            8 => (false, QuarterTurn::CounterClockwise),
            _ => return None,
        };
        Some(Orientation { mirror, turn })
    }

    /// Its EXIF value, 1 to 8.
    pub fn to_exif(self) -> u8 {
        (1..=8).find(|value| Orientation::from_exif(*value) == Some(self)).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iou_near_the_usual_thresholds() {
        let unit = Rect { x: 0.0, y: 0.0, width: 10.0, height: 10.0 };
        let check = |name: &str, x: f32, y: f32, expected: f32| {
            let got = unit.iou(&Rect { x, y, width: 10.0, height: 10.0 });
            assert!((got - expected).abs() < 1e-4, "{name}: {got} instead of {expected}");
        };
        check("the same box", 0.0, 0.0, 1.0);
        check("shifted 20 % diagonally", 2.0, 2.0, 64.0 / 136.0);
        check("shifted 30 % diagonally", 3.0, 3.0, 49.0 / 151.0);
        check("half beside", 5.0, 0.0, 50.0 / 150.0);
        check("touching", 10.0, 0.0, 0.0);
        check("apart", 20.0, 20.0, 0.0);
        assert_eq!(Rect::default().iou(&Rect::default()), 0.0);
    }

    #[test]
    fn a_turn_and_its_inverse_leave_points_where_they_were() {
        let size = (30.0, 20.0);
        for turn in QuarterTurn::ALL {
            let p = Point { x: 3.0, y: 7.0 };
            let there = turn.move_point(p, size);
            let back = turn.inverse().move_point(there, turn.move_size(size));
            assert_eq!(back, p, "{turn:?}");
        }
        let top_right = Rect { x: 25.0, y: 0.0, width: 5.0, height: 4.0 };
        let turned = QuarterTurn::Clockwise.move_rect(top_right, size);
        assert_eq!(turned, Rect { x: 16.0, y: 25.0, width: 4.0, height: 5.0 });
    }
}
