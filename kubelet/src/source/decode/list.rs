//! Lists of different things: each item is read as what it says it is.
#![deny(clippy::disallowed_methods)]

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Header, Kind, READ_HERE, Written};

/// What each item of a list is, in order; nothing for what is not read here.
pub(super) fn kinds<'de, D: serde::Deserializer<'de>>(
    from: D,
    default: Kind,
) -> Result<Vec<Option<Kind>>, D::Error> {
    let list = Headers::deserialize(from)?;
    let kind = |item: &Header| match (item.api_version.as_str(), item.kind.as_str()) {
        ("", "") => Some(default),
        _ => Kind::of(item),
    };
    Ok(list.items.iter().map(kind).collect())
}

#[derive(Deserialize)]
struct Headers {
    #[serde(default)]
    items: Vec<Header>,
}

/// Reads a list whose items are of these kinds.
pub(super) struct ListSeed<'a>(pub(super) &'a [Option<Kind>]);

impl<'de> DeserializeSeed<'de> for ListSeed<'_> {
    type Value = Vec<Written>;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ListSeed<'_> {
    type Value = Vec<Written>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if key == "items" {
                items = map.next_value_seed(Items(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(items)
    }
}

struct Items<'a>(&'a [Option<Kind>]);

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = Vec<Written>;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = Vec<Written>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::with_capacity(self.0.len());
        let mut kinds = self.0.iter().copied();
        while let Some(item) = list.next_element_seed(Item(kinds.next().flatten()))? {
            items.push(item);
        }
        Ok(items)
    }
}

struct Item(Option<Kind>);

impl<'de> DeserializeSeed<'de> for Item {
    type Value = Written;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        let refused = || D::Error::custom(format!("an item is neither {READ_HERE}"));
        self.0.ok_or_else(refused)?.read(from)
    }
}
