//! Columns as kubectl aligns them: at least six wide, three spaces between, the last one ragged.

const PADDING: usize = 3;
const SMALLEST_COLUMN: usize = 6;

/// Lays out a header and rows of as many cells; ends with a line feed.
pub(crate) fn lay_out(header: &[&str], rows: &[Vec<String>]) -> String {
    let header = header.iter().map(|name| (*name).to_owned()).collect();
    let lines: Vec<_> = std::iter::once(header).chain(rows.to_vec()).collect();
    Widths::default().lay_out(&lines)
}

/// How wide columns are; they only grow, so that rows which come later stand below those before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Widths(Vec<usize>);

impl Widths {
    /// Lays out lines of as many cells each; ends with a line feed.
    pub(crate) fn lay_out(&mut self, lines: &[Vec<String>]) -> String {
        for line in lines {
            self.0.resize(self.0.len().max(line.len()), SMALLEST_COLUMN);
            for (width, cell) in self.0.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count() + PADDING);
            }
        }
        lines.iter().map(|line| self.line(line)).collect()
    }

    fn line(&self, cells: &[String]) -> String {
        let last = cells.len().saturating_sub(1);
        let mut text = String::new();
        for (column, cell) in cells.iter().enumerate() {
            text.push_str(cell);
            if column < last {
                let gap = self.0[column].saturating_sub(cell.chars().count());
                text.extend(std::iter::repeat_n(' ', gap));
            }
        }
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|&cell| cell.to_owned()).collect()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_three_spaces() {
        let text = lay_out(&["NAME", "A", "AGE"], &[row(&["a-long-name", "1", "3s"])]);
        assert_eq!(text, "NAME          A     AGE\na-long-name   1     3s\n");
    }

    #[test]
    fn a_table_without_rows_is_its_header() {
        assert_eq!(lay_out(&["NAME", "AGE"], &[]), "NAME   AGE\n");
    }

    #[test]
    fn rows_that_come_later_keep_the_widths_and_widen_them() {
        let mut widths = Widths::default();
        assert_eq!(widths.lay_out(&[row(&["NAME", "B"])]), "NAME   B\n");
        assert_eq!(
            widths.lay_out(&[row(&["a-long-name", "1"])]),
            "a-long-name   1\n"
        );
        assert_eq!(widths.lay_out(&[row(&["a", "1"])]), "a             1\n");
    }
}
