//! What Prometheus is told.

use std::fmt::{self, Write};

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::overview::Overview;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfProcess {
    group: Label,
    process: Label,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InState {
    group: Label,
    process: Label,
    state: Label,
}

/// Any text: `prometheus_client` writes the values of labels as they are.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct Label(String);

impl EncodeLabelValue for Label {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(&self.0.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
    }
}

/// All of it, as OpenMetrics text.
pub fn text(overview: &Overview) -> String {
    let [up, since] = [(); 2].map(|()| Family::<OfProcess, Gauge>::default());
    let states = Family::<InState, Gauge>::default();
    for (name, status) in &overview.processes {
        let (group, process) = name.split_once(':').unwrap_or(("", name));
        let (group, process, state) = (Label(group.into()), Label(process.into()), Label(status.state.clone()));
        let of_process = OfProcess { group: group.clone(), process: process.clone() };
        up.get_or_create(&of_process).set(i64::from(status.state == "RUNNING"));
        since.get_or_create(&of_process).set(status.since);
        states.get_or_create(&InState { group, process, state }).set(1);
    }
    let mut registry = Registry::with_prefix("supervisor");
    registry.register("process_up", "Whether the process is RUNNING", up);
    registry.register("process_state", "The state that the process is in", states);
    registry.register_with_unit("process_state_since", "When it came into this state", Unit::Seconds, since);
    for (name, help, value) in [
        ("state_changes", "Events of processes that changed their state", overview.state_changes),
        ("reconciliations", "Comparisons with supervisord's own list", overview.reconciliations),
        ("differences", "States that events had told otherwise", overview.differences),
    ] {
        registry.register(name, help, ConstCounter::new(value));
    }
    let mut text = String::new();
    // A text takes in anything.
    let _ = encode(&mut text, &registry);
    text
}
