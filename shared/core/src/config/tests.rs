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
fn what_is_configured_goes_before_the_defaults_of_a_process() {
    let defaults = "[retrieval]\nmin_similarity = 0.8\nvector_weight = 40.0\ntimeout = '3s'".to_owned();
    let sources = |environment: &[(&str, &str)]| Sources {
        environment: environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        ..Sources::default()
    };
    let embedded = load(&[]).unwrap().retrieval;
    let weight = embedded.vector_weight.to_string();
    // Also what is configured as it is by default.
    let live = Live::new(sources(&[("TROUPE_RETRIEVAL__VECTOR_WEIGHT", &weight)])).unwrap();
    let suited = live.with_defaults(defaults).unwrap().retrieval;
    let as_numbers = |retrieval: &Retrieval| (retrieval.min_similarity, retrieval.vector_weight, retrieval.timeout);
    assert_eq!(as_numbers(&suited), (0.8, embedded.vector_weight, Duration::from_secs(3)));
    assert_eq!(as_numbers(&live.now().retrieval), as_numbers(&embedded));
    let error = live.with_defaults("[retrieval]\nspeed = 1".to_owned()).unwrap_err();
    assert_eq!(error.0[0].key, "retrieval.speed");
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
fn who_may_register_and_what_new_users_may_spend_is_checked() {
    let config = load(&[]).unwrap();
    assert_eq!(config.registration.mode, RegistrationMode::Open);
    assert_eq!((config.models.allowed_links(), config.models.daily_budget()), (None, None));
    let config = load(&[
        ("TROUPE_REGISTRATION__MODE", "invited"),
        ("TROUPE_MODELS__ALLOWED", "openai/gpt-4.1-mini, offline"),
        ("TROUPE_MODELS__DAILY_BUDGET", "0.5"),
    ])
    .unwrap();
    assert_eq!(config.registration.mode, RegistrationMode::Invited);
    let allowed = ["openai/gpt-4.1-mini", "offline"].map(str::to_owned).to_vec();
    assert_eq!((config.models.allowed_links(), config.models.daily_budget()), (Some(allowed), Some(0.5)));
    assert!(!config.registration.verify_email);
    let verify = ("TROUPE_REGISTRATION__VERIFY_EMAIL", "true");
    assert!(load(&[verify, ("TROUPE_MAIL__TO_LOG", "true")]).unwrap().registration.verify_email);
    for (variable, wrong, key) in [
        ("TROUPE_REGISTRATION__MODE", "sometimes", "registration.mode"),
        ("TROUPE_REGISTRATION__INVITATION_TTL", "1s", "registration.invitation_ttl"),
        ("TROUPE_REGISTRATION__VERIFY_EMAIL", "true", "registration.verify_email"),
        ("TROUPE_REGISTRATION__VERIFICATION_TTL", "31d", "registration.verification_ttl"),
        ("TROUPE_MODELS__ALLOWED", "nobody/large", "models.allowed"),
        ("TROUPE_MODELS__ALLOWED", "offline#spare", "models.allowed"),
        ("TROUPE_MODELS__DAILY_BUDGET", "-1.0", "models.daily_budget"),
    ] {
        let error = load(&[(variable, wrong)]).unwrap_err();
        assert!(error.0.iter().all(|fault| fault.key == key), "{wrong}: {error}");
    }
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
fn postgresql_is_several_hosts_or_behind_a_pooler_or_refused() {
    for url in ["postgres://a:1,b:2/d?target_session_attrs=read-write", "postgres://a,b/d?sslmode=require"] {
        assert!(load(&[("DATABASE_URL", url)]).is_ok(), "{url}");
    }
    for (variable, wrong, key) in [
        ("DATABASE_URL", "postgres://a,b/d?target_session_attrs=standby", "database.url"),
        ("DATABASE_URL", "postgres://a,b/d?port=1,2,3", "database.url"),
        ("DATABASE_URL", "postgres://a,b/d?load_balance_hosts=random", "database.url"),
        ("TROUPE_DATABASE__RESPONSE_TIMEOUT", "0s", "database.response_timeout"),
        ("TROUPE_DATABASE__POOLER", "true", "database.migrate"),
        ("TROUPE_DATABASE__READ_URL", "postgres://replica/d", "database.read_url"),
        ("TROUPE_DATABASE__READ_MAX_LAG", "6m", "database.read_max_lag"),
    ] {
        let error = load(&[(variable, wrong)]).unwrap_err();
        assert_eq!(error.0.iter().map(|fault| fault.key.as_str()).collect::<Vec<_>>(), [key], "{wrong}");
    }
}

#[test]
fn a_replica_is_one_host_that_is_called_as_the_primary_is() {
    let faults = |replica: &str, listen: &str| {
        let primary = "postgres://u@db.example/d?sslmode=require";
        let variables =
            [("DATABASE_URL", primary), ("TROUPE_DATABASE__READ_URL", replica), ("TROUPE_SERVER__LISTEN", listen)];
        load(&variables).err().map(|error| error.to_string())
    };
    assert_eq!(faults("postgres://u@replica.example/d?sslmode=require", "0.0.0.0:8080"), None);
    for wrong in ["postgres://a,b/d", "postgres://a/d?target_session_attrs=any", "postgres://a/d?whatever=1"] {
        assert!(faults(wrong, "127.0.0.1:8080").unwrap().contains("database.read_url: must name one host"), "{wrong}");
    }
    let error = faults("postgres://u@replica.example/d", "0.0.0.0:8080").unwrap();
    assert!(error.contains("database.read_url: is not encrypted"), "{error}");
}

#[test]
fn a_bucket_needs_a_service_and_keys() {
    let faults = |archive: &str| {
        let error = load(&[("TROUPE_RETENTION__ARCHIVE", archive)]).err();
        error.map(|error| error.0.iter().map(|fault| fault.key.clone()).collect::<Vec<_>>())
    };
    assert_eq!(faults("/srv/archive"), None);
    assert_eq!(faults("s3://bucket/folder").unwrap(), ["s3.endpoint", "s3.access_key", "s3.secret_key"]);
    for wrong in ["s3://", "s3://a", "s3://bucket/a b", "s3://bucket?x"] {
        assert_eq!(faults(wrong).unwrap(), ["retention.archive"], "{wrong}");
    }
    let whole = [
        ("TROUPE_RETENTION__ARCHIVE", "s3://bucket/folder/"),
        ("TROUPE_S3__ENDPOINT", "https://s3.example"),
        ("TROUPE_S3__ACCESS_KEY", "key"),
        ("TROUPE_S3__SECRET_KEY", "secret"),
    ];
    let archive = load(&whole).unwrap().retention.archive.unwrap();
    assert_eq!(archive.to_string(), "s3://bucket/folder");
}

#[test]
fn a_public_server_wants_an_encrypted_postgresql_unless_told() {
    let faults = |listen: &str, url: &str, allow: &str| {
        let variables =
            [("TROUPE_SERVER__LISTEN", listen), ("DATABASE_URL", url), ("TROUPE_DATABASE__ALLOW_PLAINTEXT", allow)];
        load(&variables).err().map(|error| error.to_string())
    };
    let (plain, here) = ("postgres://u@db.example/d", "postgres://u@localhost/d?sslmode=disable");
    for public in ["0.0.0.0:8080", "[::]:8080", "192.0.2.7:8080"] {
        let error = faults(public, plain, "false").unwrap();
        for named in ["database.url", "sslmode=verify-full", "database.allow_plaintext"] {
            assert!(error.contains(named), "{error}");
        }
        assert!(faults(public, "postgres://u@localhost,db.example/d", "false").is_some(), "the worst of several");
        assert_eq!(faults(public, plain, "true"), None);
        assert_eq!(faults(public, "postgres://u@db.example/d?sslmode=require", "false"), None);
        assert_eq!(faults(public, here, "false"), None);
        assert_eq!(faults(public, "", "false"), None, "a private one is a socket");
    }
    for loopback in ["127.0.0.1:8080", "[::1]:8080", "[::ffff:127.0.0.1]:8080"] {
        assert_eq!(faults(loopback, plain, "false"), None);
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

#[test]
fn who_embeds_is_told_whole() {
    let config = load(&[]).unwrap();
    assert!(config.embeddings.service(&config.providers).is_none(), "the built-in one needs nothing");

    let openai = [("OPENAI_API_KEY", "k"), ("TROUPE_EMBEDDINGS__PROVIDER", "openai")];
    let known = ("TROUPE_EMBEDDINGS__MODEL", "text-embedding-3-small");
    let shorter = ("TROUPE_EMBEDDINGS__DIMENSION", "512");
    for (dimension, expected) in [(None, (1536, false)), (Some(shorter), (512, true))] {
        let variables: Vec<_> = openai.into_iter().chain([known]).chain(dimension).collect();
        let config = load(&variables).unwrap();
        let service = config.embeddings.service(&config.providers).unwrap();
        assert_eq!((service.dimension, service.shortened), expected);
        assert_eq!(service.base_url, "https://api.openai.com/v1");
    }

    let long = "m".repeat(151);
    for (more, fault) in [
        (vec![("TROUPE_EMBEDDINGS__MODEL", "some-other")], "embeddings.dimension"),
        (vec![("TROUPE_EMBEDDINGS__MODEL", &long), ("TROUPE_EMBEDDINGS__DIMENSION", "8")], "embeddings.model"),
        (vec![known, ("TROUPE_EMBEDDINGS__PROVIDER", "anthropic")], "embeddings.provider"),
        (vec![known, ("TROUPE_EMBEDDINGS__BATCH", "0")], "embeddings.batch"),
        (vec![known, ("TROUPE_EMBEDDINGS__PROVIDER", "lexical")], "embeddings.model"),
        (vec![known, ("TROUPE_EMBEDDINGS__BREAKER_FAILURES", "0")], "embeddings.breaker_failures"),
        (vec![known, ("TROUPE_EMBEDDINGS__BREAKER_CAP", "1s")], "embeddings.breaker_cap"),
        (vec![known, ("TROUPE_QDRANT__BREAKER_FAILURES", "0")], "qdrant.breaker_failures"),
        (vec![known, ("TROUPE_QDRANT__BREAKER_CAP", "1s")], "qdrant.breaker_cap"),
        (vec![known, ("TROUPE_MAIL__BREAKER_FAILURES", "0")], "mail.breaker_failures"),
        (vec![known, ("TROUPE_MAIL__BREAKER_CAP", "1s")], "mail.breaker_cap"),
        (vec![known, ("QDRANT_URL", "redis://host")], "qdrant.url"),
        (vec![known, ("TROUPE_QDRANT__PREFIX", "a/b")], "qdrant.prefix"),
        (vec![known, ("QDRANT_API_KEY", "two\nlines")], "qdrant.api_key"),
    ] {
        let error = load(&openai.into_iter().chain(more).collect::<Vec<_>>()).unwrap_err();
        assert_eq!(error.0.iter().map(|fault| fault.key.as_str()).collect::<Vec<_>>(), [fault], "{error}");
    }
}

/// What stands there in backquotes, and looks like a setting, is one.
#[test]
fn the_manual_names_settings_that_exist() {
    let defaults: toml::Table = include_str!("defaults.toml").parse().unwrap();
    let manual = include_str!("../../../../docs/OPERATIONS.md");
    let mut named = 0;
    for word in manual.split('`').skip(1).step_by(2).filter_map(|words| words.split([' ', '=']).next()) {
        let key = match word.strip_prefix("TROUPE_") {
            Some(variable) => variable.trim_end_matches("_FILE").replace("__", ".").to_lowercase(),
            None => word.to_owned(),
        };
        let Some((section, name)) = key.split_once('.') else { continue };
        let Some(section) = defaults.get(section).and_then(toml::Value::as_table) else { continue };
        if name.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
            assert!(section.contains_key(name), "there is no setting {word}");
            named += 1;
        }
    }
    assert!(named > 20, "{named}");
}

#[test]
fn networks_origins_and_quotas_are_read_or_refused_by_name() {
    let config = load(&[
        ("TROUPE_SERVER__TRUSTED_PROXIES", "10.0.0.0/8, 127.0.0.1, fd00::/8"),
        ("TROUPE_SERVER__CORS_ORIGINS", "https://app.example.com, http://localhost:5173/"),
        ("TROUPE_RATE_LIMITS__ANONYMOUS", "5 per 1m"),
    ]);
    let config = config.unwrap();
    assert!(config.server.trusted_proxies[1].contains(&"127.0.0.1".parse::<std::net::IpAddr>().unwrap()));
    assert_eq!(config.server.cors_origins, ["https://app.example.com", "http://localhost:5173"]);
    assert_eq!(config.rate_limits.anonymous.calls, 5);
    for (name, wrong) in [
        ("TROUPE_SERVER__TRUSTED_PROXIES", "10.0.0.0/33"),
        ("TROUPE_SERVER__TRUSTED_PROXIES", "proxy.example.com"),
        ("TROUPE_SERVER__CORS_ORIGINS", "*"),
        ("TROUPE_SERVER__CORS_ORIGINS", "https://app.example.com/path"),
        ("TROUPE_SERVER__CORS_ORIGINS", "null"),
        ("TROUPE_SERVER__PUBLIC_URL", "ftp://example.com"),
        ("TROUPE_SERVER__CALL_TIMEOUT", "1s"),
        ("TROUPE_RATE_LIMITS__ANONYMOUS", "many"),
        ("TROUPE_RATE_LIMITS__SOCKET_FRAMES", "0"),
    ] {
        let error = load(&[(name, wrong)]).unwrap_err();
        let key = name.trim_start_matches("TROUPE_").to_lowercase().replace("__", ".");
        assert_eq!(error.0.iter().map(|fault| &*fault.key).collect::<Vec<_>>(), [key], "{wrong}");
    }
}
