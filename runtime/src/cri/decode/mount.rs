//! `Mount`.

use podling_proto::runtime::v1 as cri;

use super::user_namespace::of_mount;
use super::{DecodeError, invalid};
use crate::model::config::{ImageSource, Mount, MountOption, Propagation};

/// Decodes one mount of a container.
pub(super) fn mount(mount: cri::Mount) -> Result<Mount, DecodeError> {
    let cri::Mount {
        container_path,
        host_path,
        readonly,
        selinux_relabel,
        propagation,
        uid_mappings,
        gid_mappings,
        recursive_read_only,
        image,
        image_sub_path,
        mount_options,
    } = mount;
    Ok(Mount {
        container_path,
        host_path,
        readonly,
        recursive_read_only,
        selinux_relabel,
        propagation: propagation_of(propagation)?,
        mapping: of_mount(&uid_mappings, &gid_mappings)?,
        image: image_source(image, image_sub_path)?,
        options: mount_options
            .iter()
            .map(|name| mount_option(name))
            .collect::<Result<_, _>>()?,
    })
}

fn propagation_of(value: i32) -> Result<Propagation, DecodeError> {
    match cri::MountPropagation::try_from(value) {
        Ok(cri::MountPropagation::PropagationPrivate) => Ok(Propagation::Private),
        Ok(cri::MountPropagation::PropagationHostToContainer) => Ok(Propagation::HostToContainer),
        Ok(cri::MountPropagation::PropagationBidirectional) => Ok(Propagation::Bidirectional),
        Err(_) => Err(invalid("mounts[].propagation", value, "a MountPropagation")),
    }
}

/// An image without a name is no image.
fn image_source(
    spec: Option<cri::ImageSpec>,
    sub_path: String,
) -> Result<Option<ImageSource>, DecodeError> {
    let Some(spec) = spec.filter(|spec| !spec.image.is_empty()) else {
        return match sub_path.is_empty() {
            true => Ok(None),
            false => Err(invalid(
                "mounts[].image_sub_path",
                sub_path,
                "there is no image",
            )),
        };
    };
    let climbs = sub_path.starts_with('/') || sub_path.split('/').any(|part| part == "..");
    if climbs || sub_path.contains('\0') {
        let rule = "a relative path without .. is expected";
        return Err(invalid("mounts[].image_sub_path", sub_path, rule));
    }
    // Annotations and handler are for the one who pulls; image_ref is ours to answer.
    let cri::ImageSpec {
        image,
        annotations: _,
        user_specified_image,
        runtime_handler: _,
        image_ref: _,
    } = spec;
    Ok(Some(ImageSource {
        image,
        user_specified_image,
        sub_path,
    }))
}

fn mount_option(name: &str) -> Result<MountOption, DecodeError> {
    let known = MountOption::ALL
        .into_iter()
        .find(|option| option.name() == name);
    known.ok_or_else(|| {
        invalid(
            "mounts[].mount_options",
            name,
            "noexec, nodev or nosuid is expected",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_options(options: &[&str]) -> Result<Mount, DecodeError> {
        mount(cri::Mount {
            mount_options: options.iter().map(|&option| option.to_owned()).collect(),
            ..Default::default()
        })
    }

    #[test]
    fn three_mount_options_are_known_and_no_others() {
        let mount = with_options(&["noexec", "nodev", "nosuid"]).unwrap();
        assert_eq!(mount.options, MountOption::ALL);
        for option in ["", "exec", "ro", "NOEXEC", "noexec,nodev"] {
            assert!(with_options(&[option]).is_err(), "{option:?}");
        }
    }

    #[test]
    fn a_sub_path_stays_inside_an_image() {
        let of_image = |image: &str, sub_path: &str| {
            mount(cri::Mount {
                image: Some(cri::ImageSpec {
                    image: image.to_owned(),
                    ..Default::default()
                }),
                image_sub_path: sub_path.to_owned(),
                ..Default::default()
            })
        };
        let image = of_image("a", "etc/x").unwrap().image.unwrap();
        assert_eq!(
            (image.image.as_str(), image.sub_path.as_str()),
            ("a", "etc/x")
        );
        assert_eq!(of_image("", "").unwrap().image, None);
        for sub_path in ["/etc", "..", "a/../../b", "a\0"] {
            assert!(of_image("a", sub_path).is_err(), "{sub_path:?}");
        }
        assert!(of_image("", "etc").is_err(), "a part of nothing");
    }
}
