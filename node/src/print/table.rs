//! Columns as kubectl aligns them: at least six wide, three spaces between, the last one ragged.

const PADDING: usize = 3;
const SMALLEST_COLUMN: usize = 6;

/// Lays out a header and rows of as many cells; ends with a line feed.
pub(crate) fn lay_out(header: &[&str], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..header.len())
        .map(|column| width_of(column, header, rows))
        .collect();
    let mut text = line(header.iter().copied(), &widths);
    for row in rows {
        text.push_str(&line(row.iter().map(String::as_str), &widths));
    }
    text
}

fn width_of(column: usize, header: &[&str], rows: &[Vec<String>]) -> usize {
    let cells = rows
        .iter()
        .filter_map(|row| row.get(column))
        .map(|cell| cell.chars().count());
    let widest = cells
        .chain([header[column].chars().count()])
        .max()
        .unwrap_or(0);
    SMALLEST_COLUMN.max(widest + PADDING)
}

fn line<'a>(cells: impl ExactSizeIterator<Item = &'a str>, widths: &[usize]) -> String {
    let last = cells.len().saturating_sub(1);
    let mut text = String::new();
    for (column, cell) in cells.enumerate() {
        text.push_str(cell);
        if column < last {
            let gap = widths[column].saturating_sub(cell.chars().count());
            text.extend(std::iter::repeat_n(' ', gap));
        }
    }
    text.push('\n');
    text
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
}
