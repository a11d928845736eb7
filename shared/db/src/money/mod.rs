//! Prices of models, and the budgets that are spent on them.

pub mod budgets;
pub mod prices;
