//! Non-maximum suppression: of boxes that show the same face, keep the surest.

use crate::detect::Detection;

/// Keeps the detection with the highest score and drops those that overlap it by more than `iou_max` (intersection
/// over union), then the next highest, and so on. The result is sorted by falling score; equal scores keep their
/// order, so equal input gives equal output.
pub fn suppress(mut found: Vec<Detection>, iou_max: f32) -> Vec<Detection> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Detection> = Vec::new();
    for candidate in found {
        if kept.iter().all(|k| k.bounds.iou(&candidate.bounds) <= iou_max) {
            kept.push(candidate);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Rect;

    #[test]
    fn boxes_near_the_threshold() {
        // Two boxes of 100 x 100, the second `shift` to the right: IoU = (100 - shift) / (100 + shift).
        let check = |name: &str, shift: f32, expected: usize| {
            let at = |x, score| Detection {
                bounds: Rect { x, y: 0.0, width: 100.0, height: 100.0 },
                score,
                ..Detection::default()
            };
            let kept = suppress(vec![at(0.0, 0.8), at(shift, 0.9)], 0.3);
            assert_eq!(kept.len(), expected, "{name}");
            assert_eq!(kept[0].score, 0.9, "{name}: the surest comes first");
        };
        check("IoU .31", 52.6, 1);
        check("IoU .299", 54.0, 2);
        check("IoU 0", 100.0, 2);
        check("IoU 1", 0.0, 1);
    }

    #[test]
    fn equal_scores_keep_their_order() {
        let at =
            |x| Detection { bounds: Rect { x, y: 0.0, width: 10.0, height: 10.0 }, score: 0.9, ..Detection::default() };
        let kept = suppress(vec![at(1.0), at(0.0), at(50.0)], 0.3);
        assert_eq!(kept.iter().map(|k| k.bounds.x).collect::<Vec<_>>(), [1.0, 50.0]);
    }
}
