//! What to use in the place of a model that its provider serves no longer.

use super::PriceTable;

/// Families of Anthropic's models, as their names say them.
const FAMILIES: [&str; 5] = ["opus", "sonnet", "haiku", "fable", "mythos"];
/// OpenAI's present models, by a part of the older names that they replace; the last one replaces all others.
const OPENAI: [(&str, &str); 3] = [("nano", "gpt-6-luna"), ("mini", "gpt-6.1-terra"), ("", "gpt-6.1-sol")];

/// The newest model of the same family on a day, given as `YYYY-MM-DD`. None where the model is that itself, and for families that are
/// not known.
pub fn successor(model: &str, day: &str) -> Option<String> {
    let table = PriceTable::built_in();
    let is_served = |name: &str| table.find(name, day).is_some_and(|known| known.retires.as_deref().is_none_or(|end| day < end));
    let found = if model.starts_with("claude-") {
        let family = FAMILIES.into_iter().find(|family| model.split('-').any(|part| part == *family))?;
        let prefix = format!("claude-{family}-");
        let present = table.names().into_iter().filter(|name| name.starts_with(&prefix) && is_served(name));
        present.filter_map(|name| Some((version(name.strip_prefix(&prefix)?)?, name))).max()?.1.to_owned()
    } else if model.starts_with("gpt-")
        || model.strip_prefix('o').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    {
        OPENAI.into_iter().find(|(part, _)| model.contains(part))?.1.to_owned()
    } else {
        return None;
    };
    (found != model).then_some(found)
}

/// `5-5` as numbers; none where there is more to the name, such as a date.
fn version(text: &str) -> Option<Vec<u32>> {
    let parts: Option<Vec<u32>> = text.split('-').map(|part| part.parse().ok().filter(|number| *number < 1_000)).collect();
    parts.filter(|parts| parts.len() <= 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_is_gone_has_the_newest_of_its_family_as_successor() {
        let of = |model| successor(model, "2026-12-24");
        assert_eq!(of("claude-sonnet-4-20250514").as_deref(), Some("claude-sonnet-5-5"));
        assert_eq!(of("claude-3-opus-20240229").as_deref(), Some("claude-opus-5-5"));
        assert_eq!(of("claude-3-haiku-20240307").as_deref(), Some("claude-haiku-5-5"));
        assert_eq!(of("gpt-5-mini").as_deref(), Some("gpt-6.1-terra"));
        assert_eq!(of("o1-preview").as_deref(), Some("gpt-6.1-sol"));
        assert_eq!(of("claude-haiku-4-5").as_deref(), Some("claude-haiku-5-5"));
        // The newest, or of no known family.
        assert_eq!(of("claude-sonnet-5-5"), None);
        assert_eq!(of("claude-instant-1"), None);
        assert_eq!(of("llama-3"), None);
    }

    #[test]
    fn every_successor_is_a_model_that_is_known() {
        let table = PriceTable::built_in();
        for (_, model) in OPENAI {
            assert!(table.names().contains(&model), "{model}");
        }
    }
}
