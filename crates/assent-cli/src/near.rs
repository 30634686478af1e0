//! What somebody may have meant who typed a name that nobody and nothing has.

use unicode_normalization::UnicodeNormalization as _;

/// So alike are two words that differ by a slip of the finger, of 1.
const ALIKE: f64 = 0.7;

/// So many letters say which word they begin, and so near is it then.
const BEGINNING: (usize, f64) = (3, 0.75);

/// So many names are offered at most.
const OFFERED_MAX: usize = 3;

/// A name without regard to case, Unicode form and repeated spaces.
pub(crate) fn folded(name: &str) -> String {
    let plain: String = name.nfkc().collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// The names that are near what was typed, the nearest first: misspelt, or one of their words, or the beginning of one.
pub(crate) fn near<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let typed = folded(typed);
    let alike = |name: &str| {
        let name = folded(name);
        let begins = |word: &str| typed.chars().count() >= BEGINNING.0 && word.starts_with(&typed);
        let like = |word| strsim::normalized_damerau_levenshtein(&typed, word);
        let words = name.split(' ').map(|word| if begins(word) { like(word).max(BEGINNING.1) } else { like(word) });
        words.fold(strsim::normalized_damerau_levenshtein(&typed, &name), f64::max)
    };
    let mut found: Vec<(f64, &str)> =
        names.into_iter().map(|name| (alike(name), name)).filter(|(alike, _)| *alike >= ALIKE).collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    found.dedup_by(|a, b| a.1 == b.1);
    found.into_iter().map(|(_, name)| name).take(OFFERED_MAX).collect()
}

/// `Did you mean anna, or arno?`, with a space before it; nothing where nothing is near.
pub(crate) fn did_you_mean(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!(" Did you mean {}?", near.join(", or ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_offered_and_nothing_else() {
        let check = |typed: &str, names: &[&str], expected: &[&str]| {
            assert_eq!(near(typed, names.iter().copied()), expected, "{typed}");
        };
        check("Naoko", &["Naoko Yamazaki", "Carl Walz"], &["Naoko Yamazaki"]);
        check("Fotso", &["Fotos", "Trip"], &["Fotos"]);
        check("Frau Weiss", &["Frau Weiß", "Herr Blau"], &["Frau Weiß"]);
        check("fotos", &["trip"], &[]);
        check("mueller", &["Müller"], &["Müller"]);
        check("Ric", &["Carl Walz", "Richard Mastracchio"], &["Richard Mastracchio"]);
        check("walz", &["Carl Walzer", "Carl Walz"], &["Carl Walz", "Carl Walzer"]);
        check("Ri", &["Richard Mastracchio"], &[]);
        check("", &["trip"], &[]);
        assert_eq!(folded(" Anna  MU\u{308}LLER "), folded("anna müller"));
        assert_eq!(did_you_mean(&[]), "");
        assert_eq!(did_you_mean(&["a".into(), "b".into()]), " Did you mean a, or b?");
    }
}
