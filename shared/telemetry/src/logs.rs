//! Logs: structured, on standard error, pretty for people or JSON for machines.

use tracing::Dispatch;
use tracing_subscriber::{
    EnvFilter,
    filter::ParseError,
    fmt::{self, MakeWriter, format::JsonFields},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};
use troupe_core::config::{LogFormat, Telemetry};

use crate::ecs::EcsFormat;

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("telemetry.filter: {0}")]
    Filter(#[from] ParseError),
    #[error("logging is set up already")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Always silenced: replies, which async-openai logs, and notices about existing tables, which sqlx logs.
const NEVER: [&str; 2] = ["async_openai=off", "sqlx::postgres::notice=warn"];

/// Sets up logging for the whole process.
pub fn init(config: &Telemetry) -> Result<(), TelemetryError> {
    Ok(dispatch(config, std::io::stderr)?.try_init()?)
}

/// The subscriber alone, for some threads only or for another writer.
pub fn dispatch<W>(config: &Telemetry, writer: W) -> Result<Dispatch, ParseError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let mut filter = EnvFilter::try_new(&config.filter)?;
    for directive in NEVER {
        filter = filter.add_directive(directive.parse()?);
    }
    let registry = tracing_subscriber::registry().with(filter);
    Ok(match config.format {
        LogFormat::Pretty => registry.with(fmt::layer().with_writer(writer)).into(),
        LogFormat::Json => registry.with(fmt::layer().json().with_writer(writer)).into(),
        LogFormat::Ecs => {
            let layer = fmt::layer().fmt_fields(JsonFields::new()).event_format(EcsFormat);
            registry.with(layer.with_writer(writer)).into()
        }
    })
}
