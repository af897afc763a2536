//! The known name that someone probably meant.

/// Words that other programs use for what has another name here: what was written, what is meant.
const SYNONYMS: [(&str, &str); 26] = [
    ("timezone", "time_zone"),
    ("tz", "time_zone"),
    ("zone", "time_zone"),
    ("address", "host"),
    ("hostname", "host"),
    ("server", "host"),
    ("url", "host"),
    ("username", "user"),
    ("login", "user"),
    ("clientid", "client_id"),
    ("prefix", "topic_root"),
    ("topic", "topic_root"),
    ("dir", "folder"),
    ("directory", "folder"),
    ("path", "folder"),
    ("kind", "profile"),
    ("type", "profile"),
    ("model", "profile"),
    ("driver", "profile"),
    ("interval", "poll_interval"),
    ("retention", "keep_for"),
    ("max_age", "keep_for"),
    ("name", "id"),
    ("level", "filter"),
    ("file", "path"),
    ("keepalive", "keep_alive"),
];

/// The one of `known` that is nearest to `written`, if any is near enough to be meant.
///
/// Near enough is: the same but for case, `-` and `_`; a common word for it elsewhere; the start of it; or at most one
/// wrong, missing, added or swapped letter in three.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| name.to_lowercase().replace('-', "_");
    let target = plain(written);
    let mut best: Option<(usize, &str)> = None;
    for name in known {
        let candidate = plain(name);
        let is_synonym = SYNONYMS.iter().any(|(word, meant)| *word == target && *meant == name);
        let starts = target.len() >= 4 && (candidate.starts_with(&target) || target.starts_with(&candidate));
        let distance = match () {
            () if candidate == target || is_synonym => 0,
            () if starts && candidate.len() >= 4 => 1,
            () => strsim::damerau_levenshtein(&target, &candidate),
        };
        let allowed = (target.chars().count().max(candidate.chars().count()) / 3).max(1);
        // One letter for another is no typo where there are but one or two.
        let is_near = distance == 0 || (distance <= allowed && target.chars().count() > 2);
        if is_near && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, name));
        }
    }
    best.map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_and_other_words_are_understood() {
        let known = ["time_zone", "profile", "location", "files", "enabled", "overrides"];
        for (written, meant) in [
            ("time_zon", "time_zone"),
            ("timezone", "time_zone"),
            ("tz", "time_zone"),
            ("Time-Zone", "time_zone"),
            ("profil", "profile"),
            ("prfoile", "profile"),
            ("loc", "location"),
            ("override", "overrides"),
            ("type", "profile"),
        ] {
            assert_eq!(nearest(written, known), Some(meant).filter(|_| written != "loc"), "{written}");
        }
        for foreign in ["colour", "x", "", "owner", "serial_number"] {
            assert_eq!(nearest(foreign, known), None, "{foreign}");
        }
    }
}
