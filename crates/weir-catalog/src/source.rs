use serde::{Deserialize, Serialize};
use weir_core::SourceName;

/// A source of events: one write key belongs to one source, one source fills one schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Stable for ever: part of records in the log and of the memory of seen message ids.
    pub id: u32,
    /// Name of the source, and of its schema.
    pub name: SourceName,
    /// Whether its events are accepted.
    pub enabled: bool,
    /// How its events are treated.
    pub settings: SourceSettings,
}

/// How the events of a source are treated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceSettings {
    /// What is kept of the sender's IP address.
    pub ip: IpPolicy,
    /// Whether event times are corrected for the sender's clock.
    pub clock: ClockPolicy,
    /// What the source is, for people.
    pub description: String,
    /// What the source's file said when it was last taken over, as JSON: until it says something else, what was
    /// changed since stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_file: Option<String>,
}

/// What is kept of the IP address an event came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IpPolicy {
    /// The whole address.
    Keep,
    /// The network only: the first 24 bits of IPv4, 48 of IPv6.
    #[default]
    Truncate,
    /// Nothing.
    Drop,
}

/// How the time of an event is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockPolicy {
    /// `timestamp = received_at − (sent_at − original_timestamp)`: the sender's clock may be wrong.
    #[default]
    Correct,
    /// The time the sender gives is taken as it is.
    Trust,
}
