//! What was measured, and what of it is told.

/// Measures and their values.
#[derive(Clone)]
pub(crate) struct Figures(pub(crate) Vec<(&'static str, f64)>);

/// What the rounds gave for one server.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) rounds: Vec<Figures>,
}

impl Row {
    pub(crate) fn new(name: &str) -> Self {
        let (name, rounds) = (name.to_owned(), Vec::new());
        Row { name, rounds }
    }
}

/// Prints the medians of a case, and of each server what the median of the
/// first one's ratios to it is: they are of one round each, so that what the
/// machine does besides comes over both.
pub(crate) fn print(name: &str, rows: &[Row]) {
    let Some(first) = rows.first() else { return };
    let measures = first.rounds[0].0.iter().map(|(measure, _)| *measure);
    println!();
    print!("{:34}", name);
    measures.for_each(|measure| print!(" {measure:>12}"));
    println!();
    for row in rows {
        line(
            &format!("  {}", row.name),
            &median(row.rounds.iter().cloned()),
            plain,
        );
    }
    for row in &rows[1..] {
        let ratios = first.rounds.iter().zip(&row.rounds).map(|(ours, theirs)| {
            let pairs = ours.0.iter().zip(&theirs.0);
            Figures(
                pairs
                    .map(|(ours, theirs)| (ours.0, ours.1 / theirs.1))
                    .collect(),
            )
        });
        line(
            &format!("  {} / {}", first.name, row.name),
            &median(ratios),
            ratio,
        );
    }
}

fn line(name: &str, figures: &Figures, show: impl Fn(f64) -> String) {
    print!("{name:34}");
    figures
        .0
        .iter()
        .for_each(|(_, value)| print!(" {:>12}", show(*value)));
    println!();
}

/// The median of each measure.
pub(crate) fn median(rounds: impl Iterator<Item = Figures>) -> Figures {
    let rounds: Vec<Figures> = rounds.collect();
    let columns = rounds[0]
        .0
        .iter()
        .enumerate()
        .map(|(column, &(measure, _))| {
            let mut values: Vec<f64> = rounds.iter().map(|round| round.0[column].1).collect();
            values.sort_unstable_by(f64::total_cmp);
            (measure, values[values.len() / 2])
        });
    Figures(columns.collect())
}

fn plain(value: f64) -> String {
    match value {
        value if value.is_nan() => String::new(),
        value if value >= 1_000.0 => format!("{value:.0}"),
        value => format!("{value:.3}"),
    }
}

/// Nothing where there is nothing to compare.
fn ratio(value: f64) -> String {
    if value.is_finite() {
        format!("× {value:.2}")
    } else {
        String::new()
    }
}
