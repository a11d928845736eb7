//! Prices of models, and budgets.

pub mod budgets;
pub mod prices;
