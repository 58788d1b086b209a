//! Who gets which device, and who never does.

use super::*;

const GPU: &str = "example.com/gpu";

fn device(health: Health, nodes: &[i64]) -> Device {
    Device {
        health,
        nodes: nodes.to_vec(),
    }
}

fn books() -> Books {
    let mut books = Books::default();
    let devices = [
        ("a", device(Health::Healthy, &[0])),
        ("b", device(Health::Healthy, &[])),
        ("c", device(Health::Healthy, &[1])),
        ("d", device(Health::Unhealthy, &[])),
    ];
    books.list(
        GPU,
        devices.map(|(id, device)| (id.to_owned(), device)).into(),
    );
    books
}

fn holder(pod: &str) -> Holder {
    Holder {
        pod: pod.into(),
        container: "main".to_owned(),
    }
}

fn take(
    books: &mut Books,
    pod: &str,
    count: usize,
    preferred: &[&str],
) -> Result<Vec<String>, String> {
    let (holder, reusable) = (holder(pod), BTreeSet::new());
    let wish = Wish {
        holder: &holder,
        resource: GPU,
        count,
        reusable: &reusable,
        near: None,
    };
    let preferred: Vec<_> = preferred.iter().map(|id| (*id).to_owned()).collect();
    books.take(wish, &preferred)
}

#[test]
fn no_device_is_given_to_two_containers_and_no_unhealthy_one_to_any() {
    let mut books = books();
    assert_eq!(books.counts()[GPU], (4, 3));
    assert_eq!(
        take(&mut books, "p", 2, &["c"]),
        Ok(vec!["c".into(), "a".into()])
    );
    assert_eq!(take(&mut books, "q", 1, &["a"]), Ok(vec!["b".into()]));
    assert_eq!(
        take(&mut books, "r", 1, &[]),
        Err(format!(
            "requested number of devices unavailable for {GPU}. Requested: 1, Available: 0"
        ))
    );
    let near: Vec<_> = books
        .held(&holder("p"), GPU)
        .unwrap()
        .devices
        .keys()
        .collect();
    assert_eq!(near, [&0, &1]);
    let handed = books.handed(&holder("p"));
    let handed: Vec<_> = handed.iter().map(|one| (&*one.id, &*one.nodes)).collect();
    assert_eq!(handed, [("a", &[0][..]), ("c", &[1])]);
    let offered = books.offered();
    let offered: Vec<_> = offered.iter().map(|one| (&*one.id, &*one.nodes)).collect();
    assert_eq!(offered, [("a", &[0][..]), ("b", &[]), ("c", &[1])]);
    assert!(books.keep_only(&["q".into()].into()));
    assert!(take(&mut books, "r", 2, &[]).is_ok());
}

#[test]
fn what_a_container_has_it_keeps_and_cannot_change() {
    let mut books = books();
    take(&mut books, "p", 2, &[]).unwrap();
    let (holder, reusable) = (holder("p"), BTreeSet::new());
    let again = Wish {
        holder: &holder,
        resource: GPU,
        count: 2,
        reusable: &reusable,
        near: None,
    };
    let taken = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(books.outlook(again), Ok(Outlook::Ask(taken)));
    books.answered(&holder, GPU, Vec::new());
    assert_eq!(books.outlook(again), Ok(Outlook::Settled));
    assert_eq!(
        take(&mut books, "p", 1, &[]),
        Err(format!(
            "pod \"p\" container \"main\" changed request for resource \"{GPU}\" from 2 to 1"
        ))
    );
}

#[test]
fn devices_of_a_plugin_that_is_gone_cannot_be_had_and_are_forgotten_at_last() {
    let mut books = books();
    take(&mut books, "p", 2, &[]).unwrap();
    let begin = Timestamp::UNIX_EPOCH;
    books.lose(GPU, begin);
    assert_eq!(books.counts()[GPU], (4, 0));
    assert_eq!(books.for_admission()[GPU], 2, "whoever runs keeps its own");
    assert_eq!(
        take(&mut books, "q", 1, &[]),
        Err(format!(
            "no healthy devices present; cannot allocate unhealthy devices {GPU}"
        ))
    );
    assert!(!books.forget(begin + SignedDuration::from_secs(299)));
    assert!(books.forget(begin + SignedDuration::from_secs(300)));
    assert!(books.counts().is_empty());
}

#[test]
fn a_container_reuses_devices_of_init_containers() {
    let mut books = books();
    take(&mut books, "p", 3, &[]).unwrap();
    let (main, reusable) = (
        Holder {
            pod: "p".into(),
            container: "second".to_owned(),
        },
        ["a".to_owned(), "b".to_owned()].into(),
    );
    let wish = Wish {
        holder: &main,
        resource: GPU,
        count: 2,
        reusable: &reusable,
        near: None,
    };
    assert_eq!(books.take(wish, &[]), Ok(vec!["a".into(), "b".into()]));
}

#[test]
fn near_devices_are_given_first_and_others_if_there_are_too_few() {
    let near = |node: u32, count: usize| {
        let mut books = books();
        let (holder, reusable) = (holder("p"), BTreeSet::new());
        let wish = Wish {
            holder: &holder,
            resource: GPU,
            count,
            reusable: &reusable,
            near: Some(NodeMask::from_iter([node])),
        };
        // What the plugin likes best does not count before nearness.
        let liked = ["b".to_owned()];
        books.take(wish, &liked).unwrap()
    };
    assert_eq!(near(1, 1), ["c"]);
    assert_eq!(near(1, 2), ["c", "b"]);
    assert_eq!(near(0, 1), ["a"]);
    assert_eq!(near(7, 1), ["b"], "nothing is near");
}

#[test]
fn hints_are_the_nodes_that_have_enough_devices() {
    let mut books = books();
    let nodes = NodeMask::from_iter([0, 1, 2]);
    let none = BTreeSet::new();
    let shown = |books: &Books, own: &BTreeSet<String>, count| {
        let hints = books.hints(GPU, (own, &none), (count, nodes))?;
        let words = hints.into_iter().map(|hint| {
            let nodes = hint.nodes.map(|nodes| nodes.to_string());
            (nodes.unwrap_or_default(), hint.preferred)
        });
        Some(Vec::from_iter(words))
    };
    let hint = |nodes: &str, preferred| (nodes.to_owned(), preferred);
    let any = [hint("0", true), hint("1", true), hint("0,1", false)];
    assert_eq!(shown(&books, &none, 1), Some(any.to_vec()));
    assert_eq!(shown(&books, &none, 2), Some(vec![hint("0,1", true)]));
    assert_eq!(shown(&books, &none, 4), Some(Vec::new()));
    take(&mut books, "p", 1, &["a"]).unwrap();
    let left = [hint("1", true), hint("0,1", false)];
    assert_eq!(shown(&books, &none, 1), Some(left.to_vec()));
    let own: BTreeSet<String> = ["a".to_owned()].into();
    let as_given = [hint("0", true), hint("0,1", false)];
    assert_eq!(shown(&books, &own, 1), Some(as_given.to_vec()));
    assert_eq!(shown(&books, &own, 2), Some(Vec::new()), "it cannot change");
    let anywhere = [("x".to_owned(), device(Health::Healthy, &[]))];
    books.list("example.com/toy", anywhere.into());
    let hints = books.hints("example.com/toy", (&none, &none), (1, nodes));
    assert_eq!(hints, None, "it does not matter");
}
