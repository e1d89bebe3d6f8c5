//! YAML in; a plan, or the full list of problems, out.

mod plan;

pub use plan::{AccessLogRule, AdminRule, BackendPlan, Plan, PoolPlan};
