//! Which face of a photo is whose: each face goes to at most one owner, each owner to at most one face.

use crate::calibration::{Band, Thresholds};
use crate::gallery::{Hit, Owner};

/// An answer for one face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assigned {
    /// Index of the face, as in the hits.
    pub face: usize,
    /// Whose it is.
    pub owner: Owner,
    /// The cosine that says so.
    pub score: f32,
    /// How sure that is.
    pub band: Band,
}

/// Gives the faces of **one photo** to owners, the best score first; a face or an owner that is taken is not given
/// again. Faces below both thresholds stay unknown and are not in the result, which is in the order of faces.
///
/// `hits[face]` are a face's hits, best first, as a search returns them. Equal scores go to the lower face, then to the
/// hit that comes first. A face whose best owner was taken falls back to its next one; that answer is a proposal
/// at most, because the score that beat it says that the two owners look alike. So is every answer for an owner of whom
/// `is_look_alike` says so.
pub fn assign(hits: &[Vec<Hit>], thresholds: Thresholds, is_look_alike: impl Fn(Owner) -> bool) -> Vec<Assigned> {
    let mut candidates: Vec<(usize, usize, Hit)> = Vec::new();
    for (face, hits) in hits.iter().enumerate() {
        candidates.extend(hits.iter().enumerate().map(|(rank, hit)| (face, rank, *hit)));
    }
    candidates.sort_by(|a, b| b.2.score.total_cmp(&a.2.score).then(a.0.cmp(&b.0)).then(a.1.cmp(&b.1)));
    let mut assigned: Vec<Assigned> = Vec::new();
    for (face, rank, hit) in candidates {
        let Some(band) = thresholds.band(hit.score) else { break };
        if assigned.iter().all(|a| a.face != face && a.owner != hit.owner) {
            let band = if rank == 0 && !is_look_alike(hit.owner) { band } else { Band::Review };
            assigned.push(Assigned { face, owner: hit.owner, score: hit.score, band });
        }
    }
    assigned.sort_by_key(|a| a.face);
    assigned
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody who looks like somebody else.
    const LOOK_ALIKE: Owner = Owner(99);
    const THRESHOLDS: Thresholds = Thresholds { certain: Some(0.5), review: 0.4 };

    fn check(name: &str, hits: &[&[(u32, f32)]], expected: &[(usize, u32, Band)]) {
        let hits: Vec<Vec<Hit>> =
            hits.iter().map(|h| h.iter().map(|&(o, score)| Hit { owner: Owner(o), score }).collect()).collect();
        let got: Vec<_> = assign(&hits, THRESHOLDS, |owner| owner == LOOK_ALIKE)
            .iter()
            .map(|a| (a.face, a.owner.0, a.band))
            .collect();
        assert_eq!(got, expected, "{name}");
    }

    #[test]
    fn i9_each_face_and_each_owner_once() {
        use Band::{Match, Review};
        check("nobody", &[], &[]);
        check("a stranger", &[&[(1, 0.39)]], &[]);
        check("two bands", &[&[(1, 0.6)], &[(2, 0.45)]], &[(0, 1, Match), (1, 2, Review)]);
        check("one person, two faces: the better one", &[&[(1, 0.6)], &[(1, 0.7)]], &[(1, 1, Match)]);
        check(
            "the taken one's face falls back, as a proposal",
            &[&[(1, 0.6), (2, 0.55)], &[(1, 0.7)]],
            &[(0, 2, Review), (1, 1, Match)],
        );
        check("one face, two people: the better one", &[&[(1, 0.7), (2, 0.6)]], &[(0, 1, Match)]);
        check("a tie goes to the lower face", &[&[(1, 0.6)], &[(1, 0.6)]], &[(0, 1, Match)]);
        check("who looks like somebody else is proposed at most", &[&[(99, 0.9)]], &[(0, 99, Review)]);
        check("a tie goes to the first hit", &[&[(9, 0.6), (2, 0.6)]], &[(0, 9, Match)]);
    }
}
