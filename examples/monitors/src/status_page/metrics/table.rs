//! Metrics and their samples, in the order in which they were added, as a collector for `prometheus_client`.

use std::fmt::{self, Write};
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabel, EncodeLabelValue, LabelEncoder, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// All metrics.
#[derive(Debug, Default)]
pub struct Table(Vec<Metric>);

/// A metric and its samples.
#[derive(Debug)]
pub struct Metric {
    kind: MetricType,
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    samples: Vec<(Vec<Label>, Value)>,
}

/// A label with any text as its value.
#[derive(Clone, Debug)]
pub struct Label(&'static str, Arc<str>);

/// The value of a sample.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    Count(u64),
    Number(i64),
    Float(f64),
}

impl Table {
    /// Adds a metric.
    pub fn metric(
        &mut self,
        kind: MetricType,
        name: &'static str,
        help: &'static str,
        unit: Option<Unit>,
    ) -> &mut Metric {
        let place = self.0.len();
        self.0.push(Metric { kind, name, help, unit, samples: Vec::new() });
        &mut self.0[place]
    }

    /// Adds a metric with one sample.
    pub fn one(&mut self, kind: MetricType, name: &'static str, help: &'static str, value: impl Into<Value>) {
        self.metric(kind, name, help, None).sample([], value);
    }
}

impl Metric {
    /// Adds a sample.
    pub fn sample<const N: usize>(&mut self, labels: [Label; N], value: impl Into<Value>) {
        self.samples.push((labels.into(), value.into()));
    }
}

impl Collector for Table {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for metric in self.0.iter().filter(|metric| !metric.samples.is_empty()) {
            let Metric { kind, name, help, unit, samples } = metric;
            let mut encoder = encoder.encode_descriptor(name, help, unit.as_ref(), *kind)?;
            for (labels, value) in samples {
                if labels.is_empty() {
                    value.encode(*kind, &mut encoder)?;
                } else {
                    value.encode(*kind, &mut encoder.encode_family(labels)?)?;
                }
            }
        }
        Ok(())
    }
}

impl Value {
    fn encode(self, kind: MetricType, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        match (kind, self) {
            (MetricType::Counter, Self::Count(value)) => encoder.encode_counter::<NoLabelSet, _, u64>(&value, None),
            (MetricType::Counter, Self::Float(value)) => encoder.encode_counter::<NoLabelSet, _, u64>(&value, None),
            (_, Self::Count(value)) => encoder.encode_gauge(&value),
            (_, Self::Number(value)) => encoder.encode_gauge(&value),
            (_, Self::Float(value)) => encoder.encode_gauge(&value),
        }
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Count(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Number(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Number(value.into())
    }
}

impl Label {
    pub fn new(name: &'static str, value: &str) -> Self {
        Self(name, value.into())
    }
}

impl EncodeLabel for Label {
    fn encode(&self, mut encoder: LabelEncoder<'_>) -> fmt::Result {
        let mut key = encoder.encode_label_key()?;
        key.write_str(self.0)?;
        let mut value = key.encode_label_value()?;
        escape(&self.1).encode(&mut value)?;
        value.finish()
    }
}

/// `prometheus_client` does not escape the values of labels.
pub fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
