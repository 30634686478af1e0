//! The DET curve of an evaluation as a picture: SVG, which is text and needs no crate.

use std::fmt::Write;

use assent::evaluate::{GalleryFigures, OpenSet};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 560.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 62.0;
const BOTTOM: f64 = 108.0;

/// Colour and dashes of each curve, from the smallest gallery to the largest; the colours are told apart by everybody.
///
/// # Source
///
/// M. Okabe, K. Ito, "Color universal design", 2008: blue, vermilion and bluish green.
const STYLES: [(&str, &str); 3] = [("#009e73", "2 4"), ("#d55e00", "9 5"), ("#0072b2", "none")];

/// Where numbers lie in the picture.
struct Scale {
    decades: i32,
    fnir_max: f64,
}

impl Scale {
    fn of(open: &OpenSet) -> Scale {
        let points = || open.galleries.iter().flat_map(|g| &g.curve);
        let least = points().map(|p| p.fpir).fold(1.0, f64::min);
        let fnir = points().filter_map(|p| p.fnir).map(|r| r.high).fold(0.0, f64::max);
        let decades = (-least.log10() - 1e-9).ceil().max(1.0) as i32;
        Scale { decades, fnir_max: [0.1, 0.2, 0.5].into_iter().find(|most| fnir <= *most).unwrap_or(1.0) }
    }

    fn x(&self, fpir: f64) -> f64 {
        let part = 1.0 + fpir.log10() / f64::from(self.decades);
        LEFT + part.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, fnir: f64) -> f64 {
        HEIGHT - BOTTOM - (fnir / self.fnir_max).clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM)
    }
}

/// The picture: FPIR on a logarithmic axis against FNIR, a curve for each gallery size, and the 95 % interval of the
/// largest one's. A curve ends where the set is too small for a lower FPIR.
pub(crate) fn svg(open: &OpenSet) -> String {
    let scale = Scale::of(open);
    let mut out = String::new();
    let drawn = draw(&mut out, open, &scale);
    debug_assert!(drawn.is_ok(), "writing to a string cannot fail");
    out
}

fn draw(out: &mut String, open: &OpenSet, scale: &Scale) -> std::fmt::Result {
    writeln!(
        out,
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="title" font-family="system-ui, 'DejaVu Sans', sans-serif" font-size="14" fill="#222">
<title id="title">Detection error trade-off: FPIR against FNIR for {} gallery sizes</title>
<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>
<text x="{LEFT}" y="28" font-size="18" font-weight="600">Missed people against wrongly named strangers</text>
<text x="{LEFT}" y="48" fill="#555">DET curves with everybody's best score; shaded: 95 % interval of the largest gallery</text>"##,
        open.galleries.len()
    )?;
    axes(out, scale)?;
    if let Some(largest) = open.galleries.last() {
        band(out, largest, scale)?;
    }
    for (gallery, (colour, dashes)) in open.galleries.iter().zip(STYLES) {
        let points = gallery.curve.iter().filter_map(|p| Some((p.fpir, p.fnir?.value)));
        writeln!(
            out,
            r#"<polyline fill="none" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dashes}" points="{}"/>"#,
            path(points, scale)
        )?;
    }
    legend(out, open)?;
    writeln!(
        out,
        r##"<text x="{LEFT}" y="{}" font-size="13" fill="#555">{} of {} labelled appearances located; {} galleries of each size, seed {}.</text>
<text x="{LEFT}" y="{}" font-size="13" fill="#555">A curve ends where one wrong name is more than its part: {} faces say nothing about less.</text>
</svg>"##,
        HEIGHT - 34.0,
        open.located,
        open.appearances,
        open.draws,
        open.seed,
        HEIGHT - 14.0,
        open.located
    )
}

fn axes(out: &mut String, scale: &Scale) -> std::fmt::Result {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for decade in 0..=scale.decades {
        let fpir = 10f64.powi(decade - scale.decades);
        for minor in 2..10 {
            let x = scale.x(fpir * f64::from(minor));
            if decade < scale.decades {
                writeln!(out, r##"<path d="M{x:.1} {bottom} V{TOP}" stroke="#f0f0f0"/>"##)?;
            }
        }
        let x = scale.x(fpir);
        writeln!(out, r##"<path d="M{x:.1} {bottom} V{TOP}" stroke="#ccc"/>"##)?;
        writeln!(out, r#"<text x="{x:.1}" y="{}" text-anchor="middle">{fpir}</text>"#, bottom + 20.0)?;
    }
    for tenth in 0..=10 {
        let fnir = scale.fnir_max * f64::from(tenth) / 10.0;
        let y = scale.y(fnir);
        writeln!(out, r##"<path d="M{LEFT} {y:.1} H{right}" stroke="#e4e4e4"/>"##)?;
        if tenth % 2 == 0 {
            writeln!(out, r#"<text x="{}" y="{:.1}" text-anchor="end">{fnir:.2}</text>"#, LEFT - 8.0, y + 5.0)?;
        }
    }
    let (middle, centre) = (f64::midpoint(LEFT, right), f64::midpoint(TOP, bottom));
    writeln!(out, r##"<path d="M{LEFT} {TOP} V{bottom} H{right}" fill="none" stroke="#222"/>"##)?;
    writeln!(
        out,
        r#"<text x="{middle:.1}" y="{}" text-anchor="middle">FPIR: part of the faces of people not enrolled that get a name</text>
<text transform="translate(24 {centre:.1}) rotate(-90)" text-anchor="middle">FNIR: part of the appearances of people enrolled that are missed</text>"#,
        bottom + 46.0
    )
}

/// The interval around a gallery's curve.
fn band(out: &mut String, gallery: &GalleryFigures, scale: &Scale) -> std::fmt::Result {
    let known: Vec<_> = gallery.curve.iter().filter_map(|p| Some((p.fpir, p.fnir?))).collect();
    let high = known.iter().map(|(fpir, r)| (*fpir, r.high));
    let low = known.iter().rev().map(|(fpir, r)| (*fpir, r.low));
    let colour = STYLES[STYLES.len() - 1].0;
    writeln!(out, r#"<polygon fill="{colour}" fill-opacity="0.13" points="{}"/>"#, path(high.chain(low), scale))
}

fn legend(out: &mut String, open: &OpenSet) -> std::fmt::Result {
    let (x, top) = (WIDTH - RIGHT - 168.0, TOP + 10.0);
    let height = 22.0 * open.galleries.len() as f64 + 10.0;
    writeln!(out, r##"<rect x="{x}" y="{top}" width="158" height="{height}" fill="#fff" stroke="#ccc"/>"##)?;
    for (i, (gallery, (colour, dashes))) in open.galleries.iter().zip(STYLES).enumerate() {
        let y = top + 20.0 + 22.0 * i as f64;
        writeln!(
            out,
            r#"<path d="M{} {} H{}" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dashes}"/><text x="{}" y="{y}">{} enrolled</text>"#,
            x + 10.0,
            y - 5.0,
            x + 50.0,
            x + 60.0,
            gallery.people
        )?;
    }
    Ok(())
}

fn path(points: impl Iterator<Item = (f64, f64)>, scale: &Scale) -> String {
    let point = |(fpir, fnir): (f64, f64)| format!("{:.1},{:.1}", scale.x(fpir), scale.y(fnir));
    points.map(point).collect::<Vec<_>>().join(" ")
}
