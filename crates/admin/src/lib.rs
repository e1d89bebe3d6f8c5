//! The operator's door: /metrics, health and status.
