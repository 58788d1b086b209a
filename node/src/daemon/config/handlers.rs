//! `runtimeHandlers`: OCI runtimes that make the containers of pods which name them.
#![deny(clippy::disallowed_methods)]

use std::path::PathBuf;
use std::time::Duration;

use podling_kubelet::yaml::Node;
use podling_runtime::model::handler::OciRuntime;

use super::fields::{Read, mapping, path, text, time, wrong};

/// How long each command of a runtime may take.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// An item of the file's list.
#[derive(Default)]
struct Item {
    name: String,
    path: PathBuf,
    timeout: Option<Duration>,
}

/// Reads an item.
pub(super) fn item(node: &Node) -> Read<OciRuntime> {
    let Item {
        name,
        path,
        timeout,
    } = mapping(|item: &mut Item, fields| {
        fields.set(
            "name",
            text(|name| Ok::<_, String>(name.to_owned())),
            &mut item.name,
        );
        fields.set("path", path, &mut item.path);
        let timeout = |node: &Node| time(node).map(Some);
        fields.set("timeout", timeout, &mut item.timeout);
    })(node)?;
    if name.is_empty() || path.as_os_str().is_empty() {
        return wrong(node, "a handler needs a name and a path");
    }
    Ok(runtime(name, path, timeout.unwrap_or(TIME_LIMIT)))
}

/// Reads `NAME=PATH[,timeout=SECONDS]` of the command line.
pub(super) fn flag(flag: &str) -> Result<OciRuntime, String> {
    let invalid = || {
        format!(
            "{flag:?} is not NAME=PATH or NAME=PATH,timeout=SECONDS, such as runc=/usr/sbin/runc"
        )
    };
    let (name, rest) = flag.split_once('=').ok_or_else(invalid)?;
    let (path, seconds) = match rest.rsplit_once(",timeout=") {
        None => (rest, TIME_LIMIT.as_secs()),
        Some((path, seconds)) => (path, seconds.parse().map_err(|_| invalid())?),
    };
    if path.is_empty() || seconds == 0 {
        return Err(invalid());
    }
    Ok(runtime(
        name.to_owned(),
        path.into(),
        Duration::from_secs(seconds),
    ))
}

/// A part of a second counts as a whole one.
fn runtime(name: String, program: PathBuf, time: Duration) -> OciRuntime {
    let seconds = time.as_millis().div_ceil(1000);
    OciRuntime {
        name,
        program,
        time_limit: u32::try_from(seconds).unwrap_or(u32::MAX),
    }
}

/// Takes those of the command line: they come in place of those of the same name.
pub(super) fn override_with(handlers: &mut Vec<OciRuntime>, flags: Vec<OciRuntime>) {
    handlers.retain(|handler| flags.iter().all(|flag| flag.name != handler.name));
    handlers.extend(flags);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use podling_kubelet::yaml::documents;

    use super::*;

    #[test]
    fn a_flag_is_a_name_a_program_and_perhaps_a_time() {
        let runc = flag("runc=/usr/sbin/runc").unwrap();
        assert_eq!((&runc.name[..], runc.time_limit), ("runc", 60));
        let slow = flag("slow=/opt/a,b/run,timeout=5").unwrap();
        assert_eq!(slow.program, Path::new("/opt/a,b/run"));
        assert_eq!(slow.time_limit, 5);
        for text in ["runc", "runc=", "runc=/x,timeout=0", "runc=/x,timeout=ten"] {
            let error = flag(text).unwrap_err();
            assert!(error.contains("NAME=PATH"), "{error}");
        }
    }

    #[test]
    fn an_item_of_the_file_has_the_same_parts() {
        let read = |text: &str| {
            let node = documents(text)[0].tree().unwrap().unwrap();
            item(&node)
        };
        let runc = read("name: runc\npath: /usr/sbin/runc\ntimeout: 1500ms\n").unwrap();
        assert_eq!((&runc.name[..], runc.time_limit), ("runc", 2));
        for text in [
            "name: runc\n",
            "path: /x\n",
            "name: a\npath: x\n",
            "name: a\npath: /x\nkind: y\n",
            "runc",
        ] {
            read(text).expect_err(text);
        }
    }

    #[test]
    fn flags_come_in_place_of_handlers_of_the_same_name() {
        let of = |text| flag(text).unwrap();
        let mut handlers = vec![of("a=/1"), of("b=/2")];
        override_with(&mut handlers, vec![of("b=/3"), of("c=/4")]);
        assert_eq!(handlers, [of("a=/1"), of("b=/3"), of("c=/4")]);
    }
}
