//! Performance figures of strategies: `NAME=NUMBER`, separated by spaces or commas.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::trade::number;

/// Limits on the figures of a strategy, and on the number of strategies.
const MOST_FIGURES: usize = 64;
const MOST_STRATEGIES: usize = 1000;

/// The figures of an update, by name. A percent sign may follow a number. Other words, such as `mode=paper`, are
/// ignored. Returns `None` if a number is not finite, or if there are no figures.
pub fn figures(data: &str) -> Option<BTreeMap<&str, f64>> {
    let mut figures = BTreeMap::new();
    for word in data.split([' ', ',']).filter(|word| !word.is_empty()) {
        let Some((name, value)) = word.split_once('=').filter(|(name, _)| !name.is_empty()) else { continue };
        let value = value.strip_suffix('%').unwrap_or(value);
        match number(value) {
            Some(number) => drop(figures.insert(name, number)),
            // Rust parses these as numbers, but they mean nothing here.
            None if value.parse::<f64>().is_ok_and(|number| !number.is_finite()) => return None,
            None => {}
        }
    }
    (!figures.is_empty()).then_some(figures)
}

/// The range of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// The latest value.
    pub last: f64,
    /// The lowest value.
    pub min: f64,
    /// The highest value.
    pub max: f64,
    /// How many values there were.
    pub updates: u64,
}

/// The figures of strategies, by strategy and name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Performance(BTreeMap<String, BTreeMap<String, Range>>);

impl Performance {
    /// Adds a value.
    pub fn add(&mut self, strategy: &str, name: &str, value: f64) {
        self.merge(strategy, name, Range { last: value, min: value, max: value, updates: 1 });
    }

    /// Adds later figures.
    pub fn extend(&mut self, later: Self) {
        for (strategy, figures) in later.0 {
            figures.into_iter().for_each(|(name, range)| self.merge(&strategy, &name, range));
        }
    }

    fn merge(&mut self, strategy: &str, name: &str, later: Range) {
        if !self.0.contains_key(strategy) && self.0.len() >= MOST_STRATEGIES {
            return;
        }
        let figures = self.0.entry(strategy.to_owned()).or_default();
        let has_room = figures.len() < MOST_FIGURES;
        match figures.get_mut(name) {
            Some(Range { last, min, max, updates }) => {
                (*last, *min, *max) = (later.last, min.min(later.min), max.max(later.max));
                *updates += later.updates;
            }
            None if has_room => drop(figures.insert(name.to_owned(), later)),
            None => {}
        }
    }

    /// The figures of a strategy.
    pub fn of(&self, strategy: &str) -> Option<&BTreeMap<String, Range>> {
        self.0.get(strategy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_among_words() {
        let read = |data| figures(data).map(|figures| figures.into_iter().collect::<Vec<_>>());
        assert_eq!(read("sharpe=1.4,drawdown=-2.5% mode=paper ok"), Some(vec![("drawdown", -2.5), ("sharpe", 1.4)]));
        for wrong in ["", "sharpe", "sharpe=", "=1", "mode=paper", "sharpe=NaN", "a=1 b=inf", "a=1 b=1e999"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_last_the_lowest_and_the_highest_are_known() {
        let mut performance = Performance::default();
        [2.0, 3.0, 1.0].iter().for_each(|value| performance.add("m", "sharpe", *value));
        let mut later = Performance::default();
        later.add("m", "sharpe", 2.5);
        later.add("n", "pnl", -1.0);
        performance.extend(later);
        assert_eq!(performance.of("m").unwrap()["sharpe"], Range { last: 2.5, min: 1.0, max: 3.0, updates: 4 });
        assert!(performance.of("n").is_some() && performance.of("o").is_none());
    }
}
