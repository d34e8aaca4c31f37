//! Tables in box characters: headings centred, cells to the right.

use unicode_width::UnicodeWidthStr as _;

/// Headings and rows of equal length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub headings: &'static [&'static str],
    pub rows: Vec<Vec<String>>,
}

impl Table {
    #[must_use]
    pub fn draw(&self) -> String {
        let headings: Vec<String> =
            self.headings.iter().map(|text| text.to_uppercase().replace('_', " ")).collect();
        let widths: Vec<usize> = (0..headings.len())
            .map(|column| {
                let cells = self.rows.iter().map(|row| row[column].width());
                cells.chain([headings[column].width()]).max().unwrap_or(0)
            })
            .collect();
        let rule = |left: char, middle: &str, right: char| {
            let parts: Vec<String> = widths.iter().map(|width| "─".repeat(width + 2)).collect();
            format!("{left}{}{right}\n", parts.join(middle))
        };
        let mut out = rule('┌', "┬", '┐');
        out.push_str(&line(&headings, &widths, |pad| pad / 2));
        if !self.rows.is_empty() {
            out.push_str(&rule('├', "┼", '┤'));
            self.rows.iter().for_each(|row| out.push_str(&line(row, &widths, |pad| pad)));
        }
        out.push_str(&rule('└', "┴", '┘'));
        out
    }

    /// The rows as the simple format prints them.
    #[must_use]
    pub fn lines(&self) -> String {
        self.rows.iter().map(|row| row.join(", ") + "\n").collect()
    }
}

/// One line; `left` tells how much of a cell's padding goes before it.
fn line(cells: &[String], widths: &[usize], left: impl Fn(usize) -> usize) -> String {
    let cells: Vec<String> = cells
        .iter()
        .zip(widths)
        .map(|(cell, width)| {
            let pad = width - cell.width();
            let before = left(pad);
            format!(" {}{cell}{} ", " ".repeat(before), " ".repeat(pad - before))
        })
        .collect();
    format!("│{}│\n", cells.join("│"))
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn drawn() {
        let rows = vec![vec!["127.0.0.1:23790".into(), "true".into(), "1.095913ms".into(), String::new()]];
        let table = Table { headings: &["endpoint", "health", "took", "error"], rows };
        let expected = "\
┌─────────────────┬────────┬────────────┬───────┐
│    ENDPOINT     │ HEALTH │    TOOK    │ ERROR │
├─────────────────┼────────┼────────────┼───────┤
│ 127.0.0.1:23790 │   true │ 1.095913ms │       │
└─────────────────┴────────┴────────────┴───────┘
";
        assert_eq!(table.draw(), expected);
    }

    #[test]
    fn without_rows_only_the_headings() {
        let table = Table { headings: &["hash_revision"], rows: vec![] };
        assert_eq!(table.draw(), "┌───────────────┐\n│ HASH REVISION │\n└───────────────┘\n");
    }
}
