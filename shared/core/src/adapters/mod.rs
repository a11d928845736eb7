//! The ports' implementations, named by their technology. Only the places that build dependencies name them.

pub mod embedders;
pub mod limiters;
pub mod outgoing;
pub mod redis;
pub mod service_breaker;
pub mod vector_stores;
