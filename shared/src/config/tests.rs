use super::*;

fn load(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::from_sources(None, variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
}

#[test]
fn defaults_are_sound() {
    let config = load(&[]).unwrap();
    assert_eq!(config.server.listen.port(), 8080);
    assert_eq!(config.worker.coalesce, Duration::from_millis(25));
    assert!(config.database.url.is_none());
}

#[test]
fn environment_overrides_under_both_names() {
    let config = load(&[
        ("DATABASE_URL", "postgres://somewhere/db"),
        ("TROUPE_WORKER__CONCURRENCY", "7"),
        ("TROUPE_RATE_LIMITS__ENABLED", "false"),
        ("TROUPELESS", "ignored"),
    ])
    .unwrap();
    assert!(config.database.url.is_some());
    assert_eq!(config.worker.concurrency, 7);
    assert!(!config.rate_limits.enabled);
}

#[test]
fn every_fault_is_reported_with_its_key() {
    let error = load(&[
        ("TROUPE_WORKER__LEASE", "soon"),
        ("TROUPE_WORKER__CONCURRENCY", "many"),
        ("TROUPE_SERVER__LISTEN", "nowhere"),
        ("TROUPE_SERVER__PORT", "1"),
        ("TROUPE_SERVER__MAX_BODY", "10"),
        ("TROUPE_TELEMETRY__FORMAT", "xml"),
    ])
    .unwrap_err();
    let keys: Vec<_> = error.0.iter().map(|fault| fault.key.as_str()).collect();
    for key in [
        "worker.lease",
        "worker.concurrency",
        "server.listen",
        "server.port (TROUPE_SERVER__PORT)",
        "server.max_body",
        "telemetry.format",
    ] {
        assert!(keys.contains(&key), "{key} is missing from {keys:?}");
    }
    assert_eq!(keys.len(), 6, "{error}");
}

#[test]
fn files_and_secret_files_are_read_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("troupe.toml");
    std::fs::write(&file, "[server]\nmax_content = 100\nspeed = 1\n").unwrap();
    let secret = dir.path().join("key");
    std::fs::write(&secret, "sk-1\n").unwrap();
    let variables = [("OPENAI_API_KEY_FILE".to_owned(), secret.display().to_string())];
    let error = Config::from_sources(Some(&file), variables.clone()).unwrap_err();
    assert_eq!(error.0, [Fault { key: "server.speed".to_owned(), message: "there is no such setting".to_owned() }]);

    std::fs::write(&file, "[server]\nmax_content = 100\n").unwrap();
    let config = Config::from_sources(Some(&file), variables).unwrap();
    assert_eq!(config.server.max_content, 100);
    assert_eq!(secrecy::ExposeSecret::expose_secret(&config.providers["openai"].keys["default"]), "sk-1");
}

#[test]
fn what_is_kept_for_ever_may_be_given_a_time() {
    assert_eq!(load(&[]).unwrap().retention.requests, None);
    let year = load(&[("TROUPE_RETENTION__REQUESTS", "365d")]).unwrap().retention.requests;
    assert_eq!(year, Some(Duration::from_hours(365 * 24)));
    for wrong in ["never", "1h"] {
        let error = load(&[("TROUPE_RETENTION__REQUESTS", wrong)]).unwrap_err();
        assert_eq!(error.0.iter().map(|fault| fault.key.as_str()).collect::<Vec<_>>(), ["retention.requests"]);
    }
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let config = load(&[("OPENAI_API_KEY", "sk-visible"), ("DATABASE_URL", "postgres://u:hunter2@h/d")]).unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains("sk-visible") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn providers_are_added_under_names_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("troupe.toml");
    std::fs::write(&file, "[providers.gpu]\nformat = \"json\"\nbase_url = \"http://gpu:9000\"\nmodel = \"m\"\n")
        .unwrap();
    let environment = [("TROUPE_PROVIDERS__GPU__KEYS__SPARE", "s3cret"), ("XAI_API_KEY", "x")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::from_sources(Some(&file), environment.clone()).unwrap();
    assert_eq!(config.providers["gpu"].format, Format::Json);
    assert_eq!(config.providers["gpu"].keys.keys().collect::<Vec<_>>(), ["spare"]);
    let chain = config.models.default_chain(&config.providers);
    assert_eq!(chain.iter().map(ToString::to_string).collect::<Vec<_>>(), ["xai", "gpu"]);

    let chain = ("TROUPE_MODELS__CHAIN".to_owned(), "gpu#spare/large, xai#none".to_owned());
    let error = Config::from_sources(Some(&file), environment.into_iter().chain([chain])).unwrap_err();
    assert_eq!(error.0.len(), 1, "{error}");
    assert!(error.to_string().contains("'xai#none'"), "{error}");
}

#[test]
fn without_any_model_service_the_built_in_one_speaks() {
    let config = load(&[]).unwrap();
    assert_eq!(config.models.default_chain(&config.providers)[0].to_string(), OFFLINE);
}

#[test]
fn a_provider_that_is_not_whole_is_a_fault_of_its_own() {
    let error = load(&[("TROUPE_PROVIDERS__GPU__FORMAT", "json")]).unwrap_err();
    let keys: Vec<_> = error.0.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(keys, ["providers.gpu.base_url", "providers.gpu.model"], "{error}");
    let error = load(&[("TROUPE_PROVIDERS__GPU__COLOUR", "red")]).unwrap_err();
    assert!(error.0[0].key.starts_with("providers.gpu.colour"), "{error}");
}

#[test]
fn no_provider_is_called_as_what_is_none() {
    let gpu = [("FORMAT", "json"), ("BASE_URL", "http://gpu:9000"), ("MODEL", "m")];
    let variables = gpu.map(|(setting, value)| (format!("TROUPE_PROVIDERS__CACHE__{setting}"), value.to_owned()));
    let error = Config::from_sources(None, variables).unwrap_err();
    let keys: Vec<_> = error.0.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(keys, ["providers.cache"], "{error}");
}
