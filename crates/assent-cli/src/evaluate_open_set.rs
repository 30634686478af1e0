//! How `assent evaluate find` tells its open-set figures.

use std::io::{self, Write};

use assent::DeclaredRates;
use assent::evaluate::{AtThreshold, Bands, OpenSet, Rate, searches_to_show};

/// The figures for people. `declared` is absent where the thresholds did not come from it.
///
/// # Errors
///
/// As the writer.
pub(crate) fn write(open: &OpenSet, declared: Option<DeclaredRates>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "\nOpen set: {} of {} labelled appearances located (each person's face, cosine {:.3} and above; the others count as \
         missed), {} faces without a label not used",
        open.located, open.appearances, open.located_from, open.faces_without_label
    )?;
    writeln!(
        out,
        "FNIR: the person is enrolled and missed. FPIR: the person is not enrolled and somebody is named. {} galleries of \
         each size, seed {}; 95 % intervals",
        open.draws, open.seed
    )?;
    for gallery in &open.galleries {
        writeln!(out, "{} enrolled", gallery.people)?;
        write_bands(&gallery.bands, declared, out)?;
        for at in &gallery.at_fpir {
            match at.fnir {
                Some(fnir) => writeln!(out, "  at FPIR {}: FNIR {}", at.fpir, rate(fnir))?,
                None => writeln!(
                    out,
                    "  at FPIR {}: not verifiable on this set, {:.0} located faces are needed",
                    at.fpir,
                    1.0 / at.fpir
                )?,
            }
        }
    }
    if !open.sweep.is_empty() {
        writeln!(out, "Thresholds of the models' table (found and wrong: whole photos, everybody enrolled)")?;
        writeln!(out, "  cosine     FMR  found  wrong  FNIR                   FPIR")?;
        for row in &open.sweep {
            writeln!(
                out,
                "  {:<6.3} {:>7.1e}  {:>5}  {:>5}  {:<21}  {}",
                row.open.threshold,
                row.fmr,
                row.counts.found,
                row.counts.wrong,
                rate(row.open.fnir),
                row.open.fpir.map_or_else(String::new, rate)
            )?;
        }
    }
    for group in &open.groups {
        let fnir = group.bands.certain_or_review.fnir;
        writeln!(out, "Group {}: {} people, {} appearances", group.group, fnir.people, fnir.searches)?;
        write_bands(&group.bands, declared, out)?;
        if let Some(alone) = &group.alone {
            writeln!(out, " Gallery and strangers of this group alone: {} enrolled", alone.people)?;
            write_bands(&alone.bands, declared, out)?;
        }
    }
    Ok(())
}

fn write_bands(bands: &Bands, declared: Option<DeclaredRates>, out: &mut dyn Write) -> io::Result<()> {
    let mut line = |name: &str, at: AtThreshold, declared: Option<f64>| {
        let fpir = at.fpir.map_or_else(|| "unknown".to_owned(), rate);
        let shown = declared.map_or_else(String::new, |d| verdict(at.fpir, d));
        writeln!(out, "  {name} (cosine {:.3}): FNIR {}, FPIR {fpir}{shown}", at.threshold, rate(at.fnir))
    };
    if let Some(certain) = bands.certain {
        line("match", certain, declared.map(|d| d.fpir))?;
    }
    line("match or review", bands.certain_or_review, declared.map(|d| d.fpir_review))
}

/// What the set says about a declared rate.
fn verdict(fpir: Option<Rate>, declared: f64) -> String {
    match fpir {
        Some(r) if r.low > declared => format!("; the declared {declared} does not hold here"),
        Some(r) if r.high <= declared => format!("; the declared {declared} holds"),
        Some(r) if r.can_show(declared) => format!("; the declared {declared} may hold"),
        _ => format!(
            "; the declared {declared} is not verifiable on this set (faces of {} people not enrolled would do)",
            searches_to_show(declared)
        ),
    }
}

fn rate(r: Rate) -> String {
    format!("{:.3} [{:.3}, {:.3}]", r.value, r.low, r.high)
}
