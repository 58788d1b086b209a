//! The result of a run, as tables for people and as JSON for machines.

use serde_json::{Value, json};

use super::statistics::Summary;
use super::step::{Cycle, Step};
use super::table::{NOTHING, Table, shorten};

const NAME_WIDTH: usize = 15;

/// Everything that was measured of one endpoint, or of the floor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// One pod after the other.
    pub cycles: Vec<Cycle>,
    /// Many pods; not measured of the floor.
    pub load: Option<Load>,
}

/// What many pods cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Pods that were started.
    pub pods: usize,
    /// Pods started a second, one after the other.
    pub one_by_one: f64,
    /// Pods started a second, eight at once.
    pub eight_at_once: f64,
    /// The daemon without these pods.
    pub idle: Memory,
    /// The daemon with them.
    pub loaded: Memory,
    /// Helper processes of all pods.
    pub helpers: Memory,
    /// How many these are.
    pub helper_count: usize,
    /// CPU of the daemon while nothing happens, in percent of one core.
    pub cpu: f64,
    /// CPU of the helpers while nothing happens, in percent of one core.
    pub helper_cpu: f64,
}

/// Memory of one or more processes, in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Proportional set size: shared pages divided among those who share them.
    pub pss: u64,
    /// Resident set size.
    pub rss: u64,
}

/// The name of the row that others are compared with.
pub const FLOOR: &str = "floor";

/// Three tables, each at most 120 columns wide: going up, going down, many pods.
pub fn tables(rows: &[Row]) -> String {
    let floor = rows.first().filter(|row| row.name == FLOOR);
    let up = steps(
        rows,
        &Step::UP,
        ("Run+Create+Start", &Step::UP),
        &[Step::ExecSync, Step::ContainerStatus],
        floor,
    );
    let down = steps(rows, &Step::DOWN, ("Stop+Remove", &Step::DOWN), &[], floor);
    let mut text = format!("ms, p50/p95\n{up}\n{down}");
    if rows.iter().any(|row| row.load.is_some()) {
        text = format!("{text}\n{}", loads(rows));
    }
    text
}

fn steps(
    rows: &[Row],
    each: &[Step],
    (sum_title, sum): (&str, &[Step]),
    more: &[Step],
    floor: Option<&Row>,
) -> String {
    let mut titles = vec![""];
    titles.extend(each.iter().map(|step| step.name()));
    titles.extend([sum_title, "x floor"]);
    titles.extend(more.iter().map(|step| step.name()));
    let mut table = Table::new(&titles);
    for row in rows {
        let mut cells = vec![shorten(&row.name, NAME_WIDTH)];
        cells.extend(each.iter().map(|step| quantiles(row, &[*step])));
        cells.push(quantiles(row, sum));
        cells.push(floor.map_or_else(|| NOTHING.to_owned(), |floor| ratio(row, floor, sum)));
        cells.extend(more.iter().map(|step| quantiles(row, &[*step])));
        table.row(cells);
    }
    table.render()
}

fn loads(rows: &[Row]) -> String {
    let titles = [
        "",
        "pods/s",
        "8 at once",
        "idle PSS/RSS",
        "loaded PSS/RSS",
        "helpers/pod",
        "KiB/pod",
        "all PSS",
        "CPU %",
        "helpers %",
    ];
    let mut table = Table::new(&titles);
    for row in rows {
        let Some(load) = &row.load else { continue };
        let pods = load.pods.max(1) as f64;
        table.row(vec![
            shorten(&row.name, NAME_WIDTH),
            format!("{:.1}", load.one_by_one),
            format!("{:.1}", load.eight_at_once),
            format!("{}/{}", mebibytes(load.idle.pss), mebibytes(load.idle.rss)),
            format!(
                "{}/{}",
                mebibytes(load.loaded.pss),
                mebibytes(load.loaded.rss)
            ),
            format!("{:.1}", load.helper_count as f64 / pods),
            format!("{:.0}", load.helpers.pss as f64 / pods),
            mebibytes(load.loaded.pss + load.helpers.pss),
            format!("{:.2}", load.cpu),
            format!("{:.2}", load.helper_cpu),
        ]);
    }
    let pods = rows.iter().filter_map(|row| row.load).map(|load| load.pods);
    let pods = pods.max().unwrap_or(0);
    format!(
        "{pods} pods; memory in MiB where nothing else is said\n{}",
        table.render()
    )
}

/// The same as one JSON document: milliseconds, KiB, percent of one core.
pub fn json(rows: &[Row]) -> Value {
    let rows: Vec<Value> = rows.iter().map(json_row).collect();
    json!({ "rows": rows })
}

fn json_row(row: &Row) -> Value {
    let mut steps = serde_json::Map::new();
    for step in Step::ALL {
        steps.insert(step.name().to_owned(), json_summary(row, &[step]));
    }
    steps.insert("Run+Create+Start".to_owned(), json_summary(row, &Step::UP));
    steps.insert("Stop+Remove".to_owned(), json_summary(row, &Step::DOWN));
    json!({
        "name": row.name,
        "samples": row.cycles.len(),
        "steps": steps,
        "load": row.load.as_ref().map(json_load),
    })
}

fn json_load(load: &Load) -> Value {
    let memory = |memory: Memory| json!({ "pss": memory.pss, "rss": memory.rss });
    json!({
        "pods": load.pods,
        "pods_per_second": load.one_by_one,
        "pods_per_second_8_at_once": load.eight_at_once,
        "daemon_idle": memory(load.idle),
        "daemon_loaded": memory(load.loaded),
        "helpers": memory(load.helpers),
        "helper_count": load.helper_count,
        "daemon_cpu": load.cpu,
        "helper_cpu": load.helper_cpu,
    })
}

fn json_summary(row: &Row, steps: &[Step]) -> Value {
    let summary = summary(row, steps);
    summary.map_or(
        Value::Null,
        |summary| json!({ "p50": summary.p50, "p95": summary.p95 }),
    )
}

fn summary(row: &Row, steps: &[Step]) -> Option<Summary> {
    Summary::of(row.cycles.iter().map(|cycle| cycle.sum(steps)))
}

fn quantiles(row: &Row, steps: &[Step]) -> String {
    match summary(row, steps) {
        Some(summary) if summary.p95 > 0.0 => {
            format!("{}/{}", short(summary.p50), short(summary.p95))
        }
        _ => NOTHING.to_owned(),
    }
}

fn ratio(row: &Row, floor: &Row, steps: &[Step]) -> String {
    match (summary(row, steps), summary(floor, steps)) {
        (Some(row), Some(floor)) if floor.p50 > 0.0 => format!("{:.1}", row.p50 / floor.p50),
        _ => NOTHING.to_owned(),
    }
}

/// Three digits that count.
fn short(milliseconds: f64) -> String {
    match milliseconds {
        small if small < 1.0 => format!("{small:.2}"),
        middle if middle < 100.0 => format!("{middle:.1}"),
        large => format!("{large:.0}"),
    }
}

fn mebibytes(kibibytes: u64) -> String {
    format!("{:.1}", kibibytes as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn row(name: &str, milliseconds: u64, load: Option<Load>) -> Row {
        let mut cycle = Cycle::default();
        for step in Step::ALL {
            cycle.record(step, Duration::from_millis(milliseconds));
        }
        Row {
            name: name.to_owned(),
            cycles: vec![cycle; 40],
            load,
        }
    }

    fn widest() -> Load {
        Load {
            pods: 50,
            one_by_one: 123.4,
            eight_at_once: 456.7,
            idle: Memory {
                pss: 1_000_000,
                rss: 1_000_000,
            },
            loaded: Memory {
                pss: 2_000_000,
                rss: 2_000_000,
            },
            helpers: Memory {
                pss: 500_000,
                rss: 900_000,
            },
            helper_count: 100,
            cpu: 100.0,
            helper_cpu: 100.0,
        }
    }

    #[test]
    fn without_a_floor_nothing_is_compared_with_it() {
        let text = tables(&[row("ours", 12, None), row("theirs", 24, None)]);
        assert!(text.split_whitespace().all(|cell| cell != "2.0"), "{text}");
    }

    #[test]
    fn every_line_fits_120_columns_even_with_large_numbers() {
        let rows = [
            row("floor", 3, None),
            row(
                "/run/a-very-long-name/of-a-runtime.sock",
                12_345,
                Some(widest()),
            ),
        ];
        for line in tables(&rows).lines() {
            assert!(line.chars().count() <= 120, "{line}");
        }
    }

    #[test]
    fn a_row_is_compared_with_the_floor() {
        let text = tables(&[row("floor", 3, None), row("ours", 12, Some(widest()))]);
        let ours = text.lines().find(|line| line.starts_with("ours")).unwrap();
        let cells: Vec<_> = ours.split_whitespace().collect();
        let expected = [
            "ours",
            "12.0/12.0",
            "12.0/12.0",
            "12.0/12.0",
            "36.0/36.0",
            "4.0",
            "12.0/12.0",
            "12.0/12.0",
        ];
        assert_eq!(cells, expected);
    }

    #[test]
    fn without_a_floor_there_is_no_ratio_and_a_step_without_work_has_no_time() {
        let text = tables(&[row("ours", 0, Some(widest()))]);
        let ours = text.lines().find(|line| line.starts_with("ours")).unwrap();
        assert!(ours.split_whitespace().skip(1).all(|cell| cell == NOTHING));
    }

    #[test]
    fn json_has_every_step_and_both_sums() {
        let json = json(&[row("ours", 4, Some(widest()))]);
        let steps = json["rows"][0]["steps"].as_object().unwrap();
        assert_eq!(steps.len(), Step::ALL.len() + 2);
        assert_eq!(steps["Stop+Remove"]["p95"], 16.0);
        assert_eq!(json["rows"][0]["load"]["helpers"]["pss"], 500_000);
    }
}
