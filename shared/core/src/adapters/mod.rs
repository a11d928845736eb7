//! The implementations of the ports, named by their technology. Only composition roots use them directly.

pub mod embedders;
pub mod http_client;
pub mod limiters;
pub mod outgoing;
pub mod redis;
pub mod s3;
pub mod service_breaker;
pub mod vector_stores;
