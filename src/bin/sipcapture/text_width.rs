//! How many columns of a terminal a text takes: an ideograph or an emoji takes two, a combining mark none of its own.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that `text` takes.
pub fn text_width(text: &str) -> usize {
    clusters(text).map(|(_, width)| width).sum()
}

/// The longest beginning of `text` that fits into `width` columns.
pub fn head(text: &str, width: usize) -> &str {
    let fitting = fitting_bytes(clusters(text), width);
    &text[..fitting]
}

/// The longest end of `text` that fits into `width` columns.
pub fn tail(text: &str, width: usize) -> &str {
    let clusters: Vec<_> = clusters(text).collect();
    let fitting = fitting_bytes(clusters.into_iter().rev(), width);
    &text[text.len() - fitting..]
}

fn fitting_bytes<'a>(clusters: impl Iterator<Item = (&'a str, usize)>, width: usize) -> usize {
    let mut left = width;
    let fitting = clusters.map_while(|(cluster, width)| {
        left = left.checked_sub(width)?;
        Some(cluster.len())
    });
    fitting.sum()
}

/// The parts of `text` that a terminal draws as one, each with the columns that it takes: a character with its
/// combining marks, or a sequence that makes one emoji.
pub fn clusters(text: &str) -> impl Iterator<Item = (&str, usize)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (cluster, behind) = rest.split_at_checked(first_cluster(rest))?;
        rest = behind;
        (!cluster.is_empty()).then(|| (cluster, cluster.width()))
    })
}

/// Length in bytes of the first cluster of `text`. A character belongs to it that takes no column by itself, or none
/// behind the character before it.
fn first_cluster(text: &str) -> usize {
    let mut characters = text.char_indices();
    let mut last = 0;
    characters.next();
    for (at, character) in characters {
        if character.width() == Some(0) {
            continue;
        }
        let alone = &text[last..at];
        if alone.width() == 0 || text[last..at + character.len_utf8()].width() > alone.width() {
            return at;
        }
        last = at;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(text: &str) -> Vec<(&str, usize)> {
        clusters(text).collect()
    }

    #[test]
    fn an_ideograph_and_an_emoji_take_two_columns_and_a_combining_mark_none() {
        assert_eq!(parts("a日b"), [("a", 1), ("日", 2), ("b", 1)]);
        assert_eq!(parts("Re\u{301}ne\u{301}"), [("R", 1), ("e\u{301}", 1), ("n", 1), ("e\u{301}", 1)]);
        assert_eq!(parts("☎️😀"), [("☎️", 2), ("😀", 2)]);
        assert_eq!(parts("ｱ한"), [("ｱ", 1), ("한", 2)]);
        assert_eq!(parts("\u{301}a"), [("\u{301}", 0), ("a", 1)]);
    }

    #[test]
    fn an_emoji_of_several_characters_stays_whole() {
        let (family, thumb) = ("👩\u{200d}👩\u{200d}👧", "👍🏽");
        assert_eq!(parts(family), [(family, 2)]);
        assert_eq!(parts(thumb), [(thumb, 2)]);
        assert_eq!(head(family, 1), "");
        assert_eq!(tail(&format!("a{thumb}"), 2), thumb);
    }

    #[test]
    fn a_wide_character_that_fits_only_by_half_is_left_out() {
        assert_eq!((head("日本語", 3), tail("日本語", 3)), ("日", "語"));
        assert_eq!((head("e\u{301}a", 1), tail("ae\u{301}", 1)), ("e\u{301}", "e\u{301}"));
        assert_eq!((head("日", 0), tail("日", 0)), ("", ""));
    }

    proptest! {
        #[test]
        fn clusters_make_up_the_text_and_its_width(
            text in prop_oneof![".{0,20}", "[a日😀👩👍☎🇩🇪\u{627}\u{644}\u{200d}\u{301}\u{fe0e}\u{fe0f}\u{1f3fd}]{0,20}"],
            width in 0usize..30,
        ) {
            prop_assert_eq!(parts(&text).iter().map(|(cluster, _)| *cluster).collect::<String>(), text.clone());
            prop_assert!(parts(&text).iter().all(|(cluster, _)| !cluster.is_empty()));
            for cut in [head(&text, width), tail(&text, width)] {
                prop_assert!(text_width(cut) <= width, "{cut:?}");
            }
        }
    }
}
