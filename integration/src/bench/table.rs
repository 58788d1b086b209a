//! A plain text table: first column to the left, all others to the right.

/// Text of a cell that has nothing to say.
pub const NOTHING: &str = "-";

/// A table that grows by rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column titles.
    pub fn new(titles: &[&str]) -> Self {
        let titles = titles.iter().map(|&title| title.to_owned()).collect();
        Self { rows: vec![titles] }
    }

    /// Adds a row; columns that it lacks stay empty.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The table as lines, two spaces between columns, none at a line's end.
    pub fn render(&self) -> String {
        let widths = self.widths();
        let lines = self.rows.iter().map(|row| line(row, &widths));
        lines.collect()
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        (0..columns).map(width).collect()
    }
}

fn line(row: &[String], widths: &[usize]) -> String {
    let cells = row.iter().zip(widths).enumerate();
    let cells = cells.map(|(column, (cell, &width))| match column {
        0 => format!("{cell:<width$}"),
        _ => format!("{cell:>width$}"),
    });
    let line = cells.collect::<Vec<_>>().join("  ");
    format!("{}\n", line.trim_end())
}

/// The end of a name that is too long says more than its beginning.
pub fn shorten(name: &str, width: usize) -> String {
    let length = name.chars().count();
    if length <= width {
        return name.to_owned();
    }
    let end: String = name.chars().skip(length + 1 - width).collect();
    format!("…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_to_the_left_and_numbers_to_the_right() {
        let mut table = Table::new(&["", "p50", "p95"]);
        table.row(vec!["floor".into(), "1.2".into(), "10.0".into()]);
        table.row(vec!["a runtime".into(), "123.4".into()]);
        let expected = [
            "             p50   p95",
            "floor        1.2  10.0",
            "a runtime  123.4",
        ];
        assert!(table.render().lines().eq(expected), "{}", table.render());
    }

    #[test]
    fn a_long_name_keeps_its_end() {
        assert_eq!(shorten("podling.sock", 12), "podling.sock");
        assert_eq!(shorten("/run/podling/podling.sock", 12), "…odling.sock");
        assert_eq!(shorten("größe.sock", 10), "größe.sock");
    }
}
