//! Model services: their formats, their failures, failover between them, and what they cost.

mod ai_status;
mod budgets;
mod failover;
mod failure_table;
mod failures;
mod money;
mod provider_formats;
