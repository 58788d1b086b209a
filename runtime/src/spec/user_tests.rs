//! Tests of the user lookup.

use super::*;
use crate::model::config::RunAs;

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/sh
# a comment:x:5:5
broken
web:x:1000:100:Web,,,:/srv/web:/bin/false
web:x:1:1:second line of the same name:/:/bin/sh
noshell:x:1001:1001
bad:x:4294967296:0::/:/bin/sh
0x0:x:0:0::/:/bin/sh
-1:x:0:0::/:/bin/sh
99999999999:x:0:0::/:/bin/sh
";
const GROUP: &str = "\
root:x:0:
wheel:x:10:root
users:x:100:
video:x:44:web,other
audio:x:29: web
huge:x:2147483648:nobody
";

fn accounts() -> Accounts {
    Accounts {
        passwd: PASSWD.to_owned(),
        group: GROUP.to_owned(),
    }
}

fn of_image(user: &str) -> Result<Identity, SpecError> {
    let image = ImageFacts {
        user: user.to_owned(),
        ..Default::default()
    };
    identity(&ContainerSecurity::default(), &image, &accounts())
}

fn of_request(user: RunAs) -> Result<Identity, SpecError> {
    let security = ContainerSecurity {
        user,
        ..Default::default()
    };
    let image = ImageFacts {
        user: "web".to_owned(),
        ..Default::default()
    };
    identity(&security, &image, &accounts())
}

#[test]
fn the_images_user_is_looked_up_by_name_number_and_group() {
    // user, uid, gid, groups, home
    let table: [(&str, u32, u32, &[u32], &str); 9] = [
        ("", 0, 0, &[0, 10], "/root"),
        ("root", 0, 0, &[0, 10], "/root"),
        ("web", 1000, 100, &[100, 44, 29], "/srv/web"),
        ("1000", 1000, 100, &[100, 44, 29], "/srv/web"),
        ("web:audio", 1000, 29, &[29, 44], "/srv/web"),
        ("1000:7", 1000, 7, &[7, 44, 29], "/srv/web"),
        ("web:", 1000, 100, &[100, 44, 29], "/srv/web"),
        ("65536:65536", 65536, 65536, &[65536], "/"),
        ("2147483647", 2147483647, 0, &[0], "/"),
    ];
    for (user, uid, gid, groups, home) in table {
        let expected = Identity {
            uid,
            gid,
            groups: groups.to_vec(),
            home: home.to_owned(),
        };
        assert_eq!(of_image(user).unwrap(), expected, "{user:?}");
    }
}

#[test]
fn what_looks_like_a_number_is_never_a_name_and_never_wraps() {
    for user in [
        "-1",
        "0x0",
        "2147483648",
        "4294967295",
        "4294967296",
        "100000000000000000000",
        "99999999999",
        "1e3",
        " 0",
        "+0",
        "0:-1",
        "0:4294967296",
        "0:0x0",
        "1000:1:2",
        "\u{0661}",
        "a\nb",
    ] {
        assert!(
            matches!(of_image(user), Err(SpecError::AccountNumber(_))),
            "{user:?}"
        );
    }
}

#[test]
fn a_name_that_is_missing_or_has_an_absurd_number_is_refused() {
    assert!(matches!(of_image("nobody"), Err(SpecError::UnknownUser(_))));
    assert!(matches!(
        of_image("web:nobody"),
        Err(SpecError::UnknownGroup(_))
    ));
    assert!(matches!(of_image("bad"), Err(SpecError::AccountEntry(_))));
    assert!(matches!(
        of_image("web:huge"),
        Err(SpecError::AccountEntry(_))
    ));
}

#[test]
fn an_image_without_accounts_runs_numbers_only() {
    let image = |user: &str| ImageFacts {
        user: user.to_owned(),
        ..Default::default()
    };
    let run = |user| {
        identity(
            &ContainerSecurity::default(),
            &image(user),
            &Accounts::default(),
        )
    };
    assert_eq!(run("7:8").unwrap().groups, [8]);
    assert_eq!(run("").unwrap().uid, 0);
    assert!(matches!(run("web"), Err(SpecError::UnknownUser(_))));
}

#[test]
fn the_request_wins_over_the_image() {
    let by_uid = of_request(RunAs {
        uid: Some(0),
        ..Default::default()
    })
    .unwrap();
    assert_eq!((by_uid.uid, by_uid.gid), (0, 0));
    let by_both = of_request(RunAs {
        uid: Some(5),
        username: "web".to_owned(),
        gid: Some(6),
    })
    .unwrap();
    assert_eq!((by_both.uid, by_both.gid), (5, 6));
    let by_name = of_request(RunAs {
        username: "noshell".to_owned(),
        ..Default::default()
    })
    .unwrap();
    assert_eq!((by_name.uid, by_name.home.as_str()), (1001, "/"));
}

#[test]
fn a_request_out_of_range_or_with_a_lone_group_is_refused() {
    let uid = of_request(RunAs {
        uid: Some(u32::MAX),
        ..Default::default()
    });
    assert!(matches!(uid, Err(SpecError::AccountNumber(_))));
    let gid = of_request(RunAs {
        uid: Some(1),
        gid: Some(1 << 31),
        ..Default::default()
    });
    assert!(matches!(gid, Err(SpecError::AccountNumber(_))));
    let lone = of_request(RunAs {
        gid: Some(1),
        ..Default::default()
    });
    assert!(matches!(lone, Err(SpecError::GroupWithoutUser)));
}

#[test]
fn supplemental_groups_are_merged_with_the_images_or_stand_alone() {
    let run = |policy| {
        let security = ContainerSecurity {
            supplemental_groups: vec![7, 44, 7],
            supplemental_groups_policy: policy,
            ..Default::default()
        };
        let image = ImageFacts {
            user: "web".to_owned(),
            ..Default::default()
        };
        identity(&security, &image, &accounts()).unwrap().groups
    };
    assert_eq!(run(SupplementalGroupsPolicy::Merge), [100, 44, 29, 7]);
    assert_eq!(run(SupplementalGroupsPolicy::Strict), [100, 7, 44]);
}

#[test]
fn a_giant_group_file_ends_in_an_error_not_in_a_giant_list() {
    let group: String = (0..70_000)
        .map(|gid| format!("g{gid}:x:{gid}:web\n"))
        .collect();
    let accounts = Accounts {
        passwd: PASSWD.to_owned(),
        group,
    };
    let image = ImageFacts {
        user: "web".to_owned(),
        ..Default::default()
    };
    let got = identity(&ContainerSecurity::default(), &image, &accounts);
    assert!(matches!(got, Err(SpecError::TooManyGroups(70_000))));
}

#[test]
fn a_giant_passwd_is_read_once_through() {
    let mut passwd = "x".repeat(1 << 20);
    passwd.push_str("\nlate:x:77:78::/late:\n");
    let accounts = Accounts {
        passwd,
        group: String::new(),
    };
    let image = ImageFacts {
        user: "late".to_owned(),
        ..Default::default()
    };
    let got = identity(&ContainerSecurity::default(), &image, &accounts).unwrap();
    assert_eq!((got.uid, got.gid, got.home.as_str()), (77, 78, "/late"));
}

#[test]
fn a_home_that_is_no_path_is_the_root() {
    let accounts = Accounts {
        passwd: "odd:x:5:5::relative/home:\n".to_owned(),
        group: String::new(),
    };
    let image = ImageFacts {
        user: "odd".to_owned(),
        ..Default::default()
    };
    let got = identity(&ContainerSecurity::default(), &image, &accounts).unwrap();
    assert_eq!(got.home, "/");
}
