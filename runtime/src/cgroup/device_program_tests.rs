//! Tests of the device program, run by a small interpreter of the instructions it is made of.

use oci_spec::runtime::LinuxDeviceCgroupBuilder;

use super::*;

fn rule(text: &str) -> LinuxDeviceCgroup {
    let words: Vec<&str> = text.split(' ').collect();
    let kind = match words[1] {
        "a" => LinuxDeviceType::A,
        "b" => LinuxDeviceType::B,
        _ => LinuxDeviceType::C,
    };
    let mut rule = LinuxDeviceCgroupBuilder::default()
        .allow(words[0] == "allow")
        .typ(kind)
        .access(words[3])
        .build()
        .unwrap();
    let (major, minor) = words[2].split_once(':').unwrap();
    rule.set_major(major.parse().ok());
    rule.set_minor(minor.parse().ok());
    rule
}

/// Asks the program about one access, such as `c 1:3 rw`.
fn ask(program: &[Instruction], question: &str) -> bool {
    let words: Vec<&str> = question.split(' ').collect();
    let kind = if words[0] == "b" { 1 } else { 2 };
    let (major, minor) = words[1].split_once(':').unwrap();
    let context: [u32; 3] = [
        kind | u32::try_from(access(words[2]).unwrap()).unwrap() << 16,
        major.parse().unwrap(),
        minor.parse().unwrap(),
    ];
    let mut registers = [0_u64; 11];
    let mut at = 0_usize;
    loop {
        let bytes = program[at].to_ne_bytes();
        let to = usize::from(bytes[1] & 0xf);
        let offset = i16::from_ne_bytes([bytes[2], bytes[3]]);
        let constant = i32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        let wide = i64::from(constant).cast_unsigned();
        let jumps = match bytes[0] {
            LOAD_WORD => {
                registers[to] = u64::from(context[usize::try_from(offset).unwrap() / 4]);
                false
            }
            AND_32 => {
                registers[to] &= wide & 0xffff_ffff;
                false
            }
            SHIFT_RIGHT_32 => {
                registers[to] >>= constant;
                false
            }
            MOVE => {
                registers[to] = wide;
                false
            }
            JUMP => true,
            JUMP_IF_NOT => registers[to] != wide,
            JUMP_IF_BITS => registers[to] & wide != 0,
            EXIT => return registers[0] == 1,
            other => panic!("unknown instruction {other:#x}"),
        };
        at += 1 + if jumps {
            usize::try_from(offset).unwrap()
        } else {
            0
        };
    }
}

fn program(rules: &[&str]) -> Vec<Instruction> {
    let rules: Vec<LinuxDeviceCgroup> = rules.iter().map(|text| rule(text)).collect();
    assemble(&rules).unwrap().unwrap()
}

#[test]
fn a_containers_rules_let_it_make_nodes_and_open_the_few() {
    let program = program(&[
        "deny a *:* rwm",
        "allow c *:* m",
        "allow b *:* m",
        "allow c 1:3 rwm",
        "allow c 136:* rwm",
        "allow b 8:1 r",
    ]);
    for (question, expected) in [
        ("c 1:3 rw", true),
        ("c 1:3 rwm", true),
        ("c 1:4 r", false),
        ("b 1:3 r", false),
        ("c 136:77 rw", true),
        ("c 137:0 r", false),
        ("b 254:0 m", true),
        ("b 254:0 r", false),
        ("b 254:0 rm", false),
        ("b 8:1 r", true),
        ("b 8:1 rw", false),
        ("b 8:0 r", false),
        ("c 999:999 m", true),
    ] {
        assert_eq!(ask(&program, question), expected, "{question}");
    }
}

#[test]
fn a_later_rule_overrides_an_earlier_one() {
    let program = program(&["allow a *:* rwm", "deny b 8:* w", "allow b 8:7 rw"]);
    for (question, expected) in [
        ("b 8:0 r", true),
        ("b 8:0 rw", false),
        ("b 8:7 rw", true),
        ("c 8:0 rwm", true),
    ] {
        assert_eq!(ask(&program, question), expected, "{question}");
    }
}

#[test]
fn no_rule_means_no_and_a_last_word_that_allows_all_needs_no_program() {
    assert!(!ask(&assemble(&[]).unwrap().unwrap(), "c 1:3 r"));
    assert_eq!(
        assemble(&[rule("deny a *:* rwm"), rule("allow a *:* rwm")]),
        Ok(None)
    );
}

#[test]
fn nothing_follows_a_rule_that_always_fits() {
    let after = program(&["allow c 1:3 r", "deny a *:* rwm"]);
    assert_eq!(after, program(&["deny a *:* rwm"]));
    assert_eq!(after.last(), Some(&instruction(EXIT, 0, 0, 0, 0)));
}

#[test]
fn what_is_no_rule_is_refused() {
    assert!(matches!(
        assemble(&[rule("allow c 1:3 rx")]),
        Err(ProgramError::Access(_))
    ));
    assert!(matches!(
        assemble(&[rule("allow c 9999999999:3 r")]),
        Err(ProgramError::Number(_))
    ));
}
