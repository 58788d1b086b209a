//! What is asked of the machine's logs by `/logs/?query=…`: pure.
//!
//! A word with a slash is a file below the directory of logs, any other a service, whose log is in the
//! journal, or else in a file of its name.
#![deny(clippy::disallowed_methods)]

use jiff::Timestamp;

use super::query::Query;

/// Lines from the end at most.
const MOST_LINES: i64 = 100_000;
/// Services at once at most, and the length of a name.
const MOST_SERVICES: usize = 4;
const LONGEST_NAME: usize = 256;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// What is at the path of the request.
    Path,
    /// A file below the directory.
    File(String),
    /// What these services say.
    Services(Vec<String>, Choice),
}

/// Which lines of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    boot: Option<i64>,
    lines: Option<i64>,
    pattern: String,
}

/// Why nothing can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// It is not understood.
    Malformed(String),
    /// It is, and is nothing that can be had.
    Unacceptable(String),
}

/// Reads a query.
pub(super) fn wanted(query: &Query) -> Result<Wanted, Bad> {
    let words = query.all("query");
    let (files, others): (Vec<_>, Vec<_>) = words
        .iter()
        .filter(|word| !word.trim().is_empty())
        .cloned()
        .partition(|word| word.contains(['/', '\\']));
    let mut faults = Vec::new();
    if !words.is_empty() && files.is_empty() && others.is_empty() {
        faults.push(invalid("query", &listed(&words), "query cannot be empty"));
    }
    let choice = choice(query, &mut faults);
    refuse(faults).map_err(Bad::Malformed)?;
    if words.is_empty() && choice == Choice::default() {
        return Ok(Wanted::Path);
    }
    refuse(unacceptable(&files, &others, &choice)).map_err(Bad::Unacceptable)?;
    Ok(match files.into_iter().next() {
        // Those who ask from Windows write it so.
        Some(file) => Wanted::File(file.replace('\\', "/")),
        None => Wanted::Services(others, choice),
    })
}

fn choice(query: &Query, faults: &mut Vec<String>) -> Choice {
    let given = |name: &str| query.first(name).filter(|text| !text.is_empty());
    let mut moment = |name: &str| {
        let text = given(name)?;
        let moment = text.parse::<Timestamp>();
        if moment.is_err() {
            faults.push(invalid(name, &quoted(text), "invalid time format"));
        }
        moment.ok()
    };
    let (since, until) = (moment("sinceTime"), moment("untilTime"));
    let mut number = |name: &str| {
        let text = given(name)?;
        let number = text.parse::<i64>();
        if number.is_err() {
            let why = format!("strconv.Atoi: parsing {text:?}: invalid syntax");
            faults.push(invalid(name, &quoted(text), &why));
        }
        number.ok()
    };
    Choice {
        since,
        until,
        boot: number("boot"),
        lines: number("tailLines"),
        pattern: given("pattern").unwrap_or_default().to_owned(),
    }
}

fn unacceptable(files: &[String], services: &[String], choice: &Choice) -> Vec<String> {
    let mut faults = Vec::new();
    for name in services {
        if let Some(why) = unsafe_name(name) {
            faults.push(invalid("query", &quoted(name), &why));
        }
    }
    if services.len() > MOST_SERVICES {
        let count = services.len();
        faults.push(format!(
            "query: Too many: {count}: must have at most {MOST_SERVICES} items"
        ));
    }
    let has_choice = *choice != Choice::default();
    let why = match (files.len(), services.len()) {
        (0, 0) => {
            faults.push("query: Required value: cannot be empty with options".to_owned());
            None
        }
        (0, _) => None,
        (_, 1..) => Some("cannot specify a file and service"),
        (2.., 0) => Some("cannot specify more than one file"),
        (1, 0) => has_choice.then_some("cannot specify file with options"),
    };
    faults.extend(why.map(|why| invalid("query", &listed(files), why)));
    if let (Some(since), Some(until)) = (choice.since, choice.until)
        && since > until
    {
        let until = quoted(&until.to_string());
        faults.push(invalid("untilTime", &until, "must be after `sinceTime`"));
    }
    if let Some(boot) = choice.boot.filter(|boot| *boot > 0) {
        faults.push(invalid("boot", &boot.to_string(), "must be less than 1"));
    }
    if let Some(lines) = choice
        .lines
        .filter(|lines| !(0..=MOST_LINES).contains(lines))
    {
        let why = format!("must be between 0 and {MOST_LINES}, inclusive");
        faults.push(invalid("tailLines", &lines.to_string(), &why));
    }
    faults
}

/// Why a name may not be given to another program.
fn unsafe_name(name: &str) -> Option<String> {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:@".contains(&byte);
    if name.len() > LONGEST_NAME {
        return Some(format!("length must be less than {LONGEST_NAME}"));
    }
    (!name.bytes().all(is_safe)).then(|| "input contains unsupported characters".to_owned())
}

/// What journalctl is told.
pub(super) fn arguments(services: &[String], choice: &Choice) -> Vec<String> {
    let mut all: Vec<_> = ["--utc", "--no-pager", "--output=short-precise"]
        .map(str::to_owned)
        .to_vec();
    let moment = |name: &str, moment: Option<Timestamp>| {
        moment.map(|moment| format!("--{name}=@{}", moment.as_second()))
    };
    all.extend(moment("since", choice.since));
    all.extend(moment("until", choice.until));
    if let Some(lines) = choice.lines {
        all.extend(["--pager-end".to_owned(), format!("--lines={lines}")]);
    }
    all.extend(services.iter().map(|name| format!("--unit={name}")));
    if !choice.pattern.is_empty() {
        all.push(format!("--grep={}", choice.pattern));
        all.push("--case-sensitive=false".to_owned());
    }
    all.extend(choice.boot.map(|boot| format!("--boot={boot}")));
    all
}

/// Where the log of a service that is not in the journal may be, below the directory.
pub(super) fn files_of(service: &str) -> [String; 3] {
    [
        service.to_owned(),
        format!("{service}.log"),
        format!("{service}/{service}.log"),
    ]
}

/// Which services write into the journal, as it lists its units, and which do not.
pub(super) fn split<'a>(services: &'a [String], units: &str) -> (Vec<&'a String>, Vec<&'a String>) {
    let is_there = |name: &&String| units.contains(&format!("{name}.service"));
    services.iter().partition(is_there)
}

fn refuse(faults: Vec<String>) -> Result<(), String> {
    match faults.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        _ => Err(format!("[{}]", faults.join(", "))),
    }
}

fn invalid(field: &str, value: &str, why: &str) -> String {
    format!("{field}: Invalid value: {value}: {why}")
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

fn listed(words: &[String]) -> String {
    let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
    format!("[{}]", words.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Wanted, Bad> {
        wanted(&Query::of(&format!("/logs/?{query}").parse().unwrap()))
    }

    #[test]
    fn a_word_with_a_slash_is_a_file_and_any_other_a_service() {
        assert_eq!(read(""), Ok(Wanted::Path));
        assert_eq!(
            read("query=/kern.log"),
            Ok(Wanted::File("/kern.log".to_owned()))
        );
        assert_eq!(
            read("query=a%5Cb.log"),
            Ok(Wanted::File("a/b.log".to_owned()))
        );
        let Ok(Wanted::Services(services, choice)) = read(
            "query=kubelet&query=ssh@1&sinceTime=2026-01-02T03:04:05Z&untilTime=2026-01-02T03:04:06Z\
             &tailLines=7&boot=-1&pattern=a+b",
        ) else {
            panic!("services are asked for");
        };
        assert_eq!(
            arguments(&services, &choice).join(" "),
            "--utc --no-pager --output=short-precise --since=@1767323045 --until=@1767323046 \
             --pager-end --lines=7 --unit=kubelet --unit=ssh@1 --grep=a b --case-sensitive=false \
             --boot=-1"
        );
        assert_eq!(files_of("a"), ["a", "a.log", "a/a.log"]);
        let (native, others) = split(&services, "init.scope\nkubelet.service\n");
        assert_eq!((native, others), (vec![&services[0]], vec![&services[1]]));
    }

    #[test]
    fn what_is_not_understood_or_cannot_be_had_is_told_in_upstreams_words() {
        let malformed = [
            (
                "query=+",
                "query: Invalid value: [\" \"]: query cannot be empty",
            ),
            (
                "query=a&sinceTime=now",
                "sinceTime: Invalid value: \"now\": invalid time format",
            ),
            (
                "query=a&boot=x&tailLines=",
                "boot: Invalid value: \"x\": strconv.Atoi: parsing \"x\": invalid syntax",
            ),
        ];
        for (query, words) in malformed {
            assert_eq!(read(query), Err(Bad::Malformed(words.to_owned())));
        }
        let unacceptable = [
            (
                "tailLines=1",
                "query: Required value: cannot be empty with options",
            ),
            (
                "query=a;b",
                "query: Invalid value: \"a;b\": input contains unsupported characters",
            ),
            (
                "query=a&query=/b",
                "query: Invalid value: [\"/b\"]: cannot specify a file and service",
            ),
            (
                "query=/a&query=/b",
                "query: Invalid value: [\"/a\",\"/b\"]: cannot specify more than one file",
            ),
            (
                "query=/a&boot=0",
                "query: Invalid value: [\"/a\"]: cannot specify file with options",
            ),
            (
                "query=a&boot=1&tailLines=100001",
                "[boot: Invalid value: 1: must be less than 1, tailLines: Invalid value: 100001: \
                 must be between 0 and 100000, inclusive]",
            ),
        ];
        for (query, words) in unacceptable {
            assert_eq!(read(query), Err(Bad::Unacceptable(words.to_owned())));
        }
        let five = read("query=a&query=b&query=c&query=d&query=e");
        let words = "query: Too many: 5: must have at most 4 items".to_owned();
        assert_eq!(five, Err(Bad::Unacceptable(words)));
    }
}
