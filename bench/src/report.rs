//! Figures of runs, and the comparison of two sides over several pairs: medians, and each figure's ratio with its
//! range over the pairs. A ratio above 1 always means that the first side is better.

use std::fmt::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    Higher,
    Lower,
    /// Shown, not compared.
    Neither,
}

/// One figure of one run. The same load gives the same figures in the same order.
#[derive(Clone, Debug)]
pub struct Figure {
    /// With its unit.
    pub name: &'static str,
    pub value: f64,
    pub better: Better,
}

pub type Figures = Vec<Figure>;

/// The comparison of `ours` with `theirs`, run for run.
pub fn compare(load: &str, ours: &[Figures], theirs: &[Figures]) -> String {
    assert!(!ours.is_empty() && ours.len() == theirs.len(), "runs come in pairs");
    let mut text = format!("\n{load}\n");
    let head = ["", "ours", "go", "times better", "range"];
    let _ = writeln!(text, "  {:<28}{:>12}{:>12}{:>14}   {}", head[0], head[1], head[2], head[3], head[4]);
    for (index, figure) in ours[0].iter().enumerate() {
        let column = |runs: &[Figures]| runs.iter().map(|run| run[index].value).collect::<Vec<_>>();
        let (first, second) = (column(ours), column(theirs));
        let ratios: Vec<f64> = first
            .iter()
            .zip(&second)
            .map(|(a, b)| if figure.better == Better::Higher { a / b } else { b / a })
            // Nothing written on one side, say, has no ratio.
            .filter(|ratio| ratio.is_finite())
            .collect();
        let _ =
            write!(text, "  {:<28}{:>12}{:>12}", figure.name, short(median(&first)), short(median(&second)));
        let (low, high) = ratios.iter().fold((f64::MAX, f64::MIN), |(l, h), r| (l.min(*r), h.max(*r)));
        if figure.better == Better::Neither || ratios.is_empty() {
            text.push('\n');
        } else {
            let _ = writeln!(text, "{:>14}   {} to {}", short(median(&ratios)), short(low), short(high));
        }
    }
    text
}

/// The figures of one side alone.
pub fn alone(load: &str, runs: &[Figures]) -> String {
    let mut text = format!("\n{load}\n");
    for (index, figure) in runs[0].iter().enumerate() {
        let values: Vec<f64> = runs.iter().map(|run| run[index].value).collect();
        let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
        let _ = writeln!(
            text,
            "  {:<28}{:>12}   {} to {}",
            figure.name,
            short(median(&values)),
            short(low),
            short(high)
        );
    }
    text
}

pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// Three or more significant digits.
fn short(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_point_the_same_way() {
        let run = |rate, cost| {
            vec![
                Figure { name: "rate", value: rate, better: Better::Higher },
                Figure { name: "cost", value: cost, better: Better::Lower },
            ]
        };
        let ours = [run(200.0, 1.0), run(300.0, 2.0), run(400.0, 4.0)];
        let theirs = [run(100.0, 2.0), run(100.0, 6.0), run(100.0, 16.0)];
        let text = compare("x", &ours, &theirs);
        let lines: Vec<Vec<&str>> = text.lines().skip(3).map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["rate", "300", "100", "3.00", "2.00", "to", "4.00"]);
        assert_eq!(lines[1], ["cost", "2.00", "6.00", "3.00", "2.00", "to", "4.00"]);
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
