//! What can be deleted.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeSet;

use super::index::Index;
use crate::image::id::{ChainId, ImageId};

/// What can be deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GcPlan {
    /// Retired images that no container uses any more.
    pub(super) images: Vec<ImageId>,
    /// Layers that no image needs, and that are not kept.
    pub(super) layers: Vec<ChainId>,
}

/// Decides what can be deleted of the layers that are on the disk. `kept` are those that a pull
/// counts on, or that a later one may.
pub(super) fn plan<'a>(
    index: &Index,
    on_disk: impl IntoIterator<Item = &'a ChainId>,
    in_use: &BTreeSet<ImageId>,
    kept: &BTreeSet<ChainId>,
) -> GcPlan {
    let unused = index.retired.keys().filter(|id| !in_use.contains(*id));
    let images: Vec<ImageId> = unused.cloned().collect();
    let mut left = index.clone();
    left.retired.retain(|id, _| in_use.contains(id));
    let needed = left.layers();
    let unneeded = on_disk
        .into_iter()
        .filter(|layer| !needed.contains_key(*layer) && !kept.contains(*layer));
    GcPlan {
        images,
        layers: unneeded.cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::Digest;
    use crate::image::record::{StoredImage, StoredLayer};
    use crate::image::unpack::Footprint;
    use proptest::prelude::*;

    fn layer(name: &str) -> ChainId {
        ChainId(Digest::of(name.as_bytes()))
    }

    fn id(name: &str) -> ImageId {
        ImageId(Digest::of(name.as_bytes()))
    }

    fn image(name: &str, layers: &[&str]) -> StoredImage {
        let layers = layers.iter().map(|name| StoredLayer {
            chain_id: layer(name),
            footprint: Footprint::default(),
        });
        StoredImage {
            version: 1,
            id: id(name),
            config: Default::default(),
            layers: layers.collect(),
            annotations: Default::default(),
            document: None,
        }
    }

    fn index() -> Index {
        let mut index = Index::default();
        index.add(image("one", &["base", "a"]), &["r/one:1".into()]);
        index.add(
            image("two", &["base", "b"]),
            &["r/two:1".into(), "r/one:2".into()],
        );
        index
    }

    const LAYERS: [&str; 3] = ["base", "a", "b"];

    fn collected(index: &Index, in_use: &[&str], held: &[&str]) -> GcPlan {
        let on_disk: Vec<ChainId> = LAYERS.iter().map(|name| layer(name)).collect();
        let in_use = in_use.iter().map(|name| id(name)).collect();
        plan(
            index,
            &on_disk,
            &in_use,
            &held.iter().map(|name| layer(name)).collect(),
        )
    }

    #[test]
    fn a_layer_goes_with_the_last_image_that_needs_it() {
        let mut index = index();
        assert_eq!(collected(&index, &[], &[]), GcPlan::default());
        index.remove(&id("one"), &BTreeSet::new());
        assert_eq!(collected(&index, &[], &[]).layers, [layer("a")]);
        index.remove(&id("two"), &BTreeSet::new());
        assert_eq!(collected(&index, &[], &[]).layers.len(), 3);
        assert!(index.names.is_empty());
    }

    #[test]
    fn a_container_keeps_the_layers_of_an_image_that_was_removed() {
        let mut index = index();
        index.remove(&id("one"), &BTreeSet::from([id("one")]));
        assert!(index.resolve(&"r/one:1".parse().unwrap()).is_none());
        assert_eq!(collected(&index, &["one"], &[]), GcPlan::default());
        let later = collected(&index, &[], &[]);
        assert_eq!(
            (later.images, later.layers),
            (vec![id("one")], vec![layer("a")])
        );
    }

    #[test]
    fn a_pull_keeps_the_layers_it_counts_on() {
        let mut index = index();
        index.remove(&id("one"), &BTreeSet::new());
        assert_eq!(collected(&index, &[], &["a"]), GcPlan::default());
    }

    #[test]
    fn an_image_pulled_again_is_not_retired_any_more() {
        let mut index = index();
        index.remove(&id("one"), &BTreeSet::from([id("one")]));
        index.add(image("one", &["base", "a"]), &[]);
        assert_eq!(collected(&index, &[], &[]), GcPlan::default());
    }

    #[test]
    fn a_tag_that_moves_leaves_the_image_its_digest() {
        let mut index = index();
        let digest = format!("r/one@{}", Digest::of(b"m"));
        index.add(image("one", &["base", "a"]), std::slice::from_ref(&digest));
        index.add(image("two", &["base", "b"]), &["r/one:1".into()]);
        assert_eq!(index.names_of(&id("one")), (vec![], vec![digest]));
        assert_eq!(
            index.names_of(&id("two")).0,
            ["r/one:1", "r/one:2", "r/two:1"]
        );
    }

    proptest! {
        #[test]
        fn nothing_that_is_needed_is_ever_deleted_and_nothing_else_is_kept(
            stacks in prop::collection::vec(prop::collection::btree_set(0..8_u8, 0..4), 0..5),
            removed in prop::collection::btree_set(0..5_usize, 0..5),
            used in prop::collection::btree_set(0..5_usize, 0..5),
        ) {
            let mut index = Index::default();
            let in_use: BTreeSet<ImageId> = used.iter().map(|n| id(&n.to_string())).collect();
            let mut needed = BTreeSet::new();
            for (number, stack) in stacks.iter().enumerate() {
                let names: Vec<String> = stack.iter().map(u8::to_string).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                index.add(image(&number.to_string(), &names), &[]);
                if !removed.contains(&number) || used.contains(&number) {
                    needed.extend(stack.iter().map(u8::to_string).map(|name| layer(&name)));
                }
            }
            for number in &removed {
                index.remove(&id(&number.to_string()), &in_use);
            }
            let on_disk: BTreeSet<ChainId> = (0..8_u8).map(|n| layer(&n.to_string())).collect();
            let plan = plan(&index, &on_disk, &in_use, &BTreeSet::new());
            let kept: BTreeSet<ChainId> =
                on_disk.iter().filter(|l| !plan.layers.contains(l)).cloned().collect();
            prop_assert_eq!(kept, needed);
        }
    }
}
