//! Settings: where they come from, which one wins, what a bad one says.
//!
//! The environment belongs to the whole process, so each case is a process of its own: the
//! ignored tests below are run by the others.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the functions that the tests share are tests too"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use rollout_core::{Config, ConfigError, ExporterKind, IntegrationError, Keep, Secret, SpoolKind};

fn shown(config: Result<Config, ConfigError>) -> String {
    match config {
        Ok(config) => format!("CONFIG {config:?}"),
        Err(error) => format!("ERROR {error}"),
    }
}

#[test]
#[ignore = "run by the other tests in a process of its own"]
fn child_of_the_environment() {
    println!("{}", shown(rollout_core::builder().config()));
}

#[test]
#[ignore = "run by the other tests in a process of its own"]
fn child_with_a_builder() {
    let builder = rollout_core::builder()
        .sample_rate(0.25)
        .agent_name("of the builder");
    println!("{}", shown(builder.config()));
}

fn run(child: &str, dir: &Path, variables: &[(&str, &str)]) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([child, "--exact", "--ignored", "--nocapture"])
        .env_clear()
        .envs(variables.iter().copied())
        .current_dir(dir)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .find_map(|line| {
            let at = line.find("CONFIG ").or_else(|| line.find("ERROR "))?;
            Some(line[at..].to_owned())
        })
        .unwrap_or_else(|| panic!("no answer in {text}"))
}

fn resolved(variables: &[(&str, &str)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    run("child_of_the_environment", dir.path(), variables)
}

#[track_caller]
fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

#[test]
fn defaults_are_the_documented_ones() {
    assert_has(
        &resolved(&[]),
        &[
            "enabled: true",
            "api_key: None",
            "base_url: None",
            "spool: Disk",
            "exporters: [Local]",
            "sample_rate: 1.0",
            "flush_interval: 1s",
            "flush_at: 512",
            "timeout: 30s",
            "max_queue_bytes: 67108864",
            "max_value_bytes: 65536",
            "max_spool_bytes: 1073741824",
            "capture_input: true",
            "capture_output: true",
            "/.rollout\"",
        ],
    );
}

#[test]
fn blank_is_unset() {
    let blank = [
        ("ROLLOUT_API_KEY", " "),
        ("ROLLOUT_SAMPLE_RATE", ""),
        ("ROLLOUT_ENABLED", ""),
        ("ROLLOUT_EXPORTERS", "  "),
    ];
    assert_eq!(without_dir(&resolved(&blank)), without_dir(&resolved(&[])));
}

/// Each case runs in a folder of its own, whose name is in the answer.
fn without_dir(text: &str) -> String {
    let (before, rest) = text.split_once("dir: ").unwrap();
    let (_, after) = rest.split_once(", spool").unwrap();
    format!("{before}{after}")
}

#[test]
fn an_address_or_a_key_selects_http() {
    let hosted = resolved(&[("ROLLOUT_API_KEY", "sk-very-secret")]);
    assert_has(
        &hosted,
        &[
            r#"base_url: Some("https://app.rollout.work")"#,
            "exporters: [Http]",
        ],
    );
    let own = resolved(&[("ROLLOUT_ENDPOINT", "http://127.0.0.1:4747/")]);
    assert_has(
        &own,
        &[
            r#"base_url: Some("http://127.0.0.1:4747")"#,
            "exporters: [Http]",
            "api_key: None",
        ],
    );
    let both = resolved(&[
        ("ROLLOUT_BASE_URL", "http://localhost:1"),
        ("ROLLOUT_EXPORTERS", "local, http"),
        ("ROLLOUT_DEBUG", "yes"),
    ]);
    assert_has(&both, &["exporters: [Local, Http, Console]"]);
}

/// What settings say of exporters by OTLP, where these are compiled in.
#[cfg(feature = "otlp")]
mod otlp {
    use super::{assert_has, resolved};

    #[test]
    fn addresses_and_keys_select_exporters() {
        let all = resolved(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318/"),
            ("LANGFUSE_PUBLIC_KEY", "pk-very-secret"),
            ("LANGFUSE_SECRET_KEY", "sk-very-secret"),
            ("TRACEROOT_API_KEY", "tr-very-secret"),
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                "authorization=Bearer%20very-secret",
            ),
        ]);
        assert_has(
            &all,
            &[
                "exporters: [Otlp, Langfuse, TraceRoot]",
                r#"endpoint: Some("http://127.0.0.1:4318")"#,
                r#"langfuse_host: Some("https://us.cloud.langfuse.com")"#,
                r#"traceroot_host: Some("https://app.traceroot.ai")"#,
            ],
        );
        assert!(!all.contains("very-secret"), "{all}");
        let named = resolved(&[
            ("ROLLOUT_EXPORTERS", "local,otlp"),
            ("TRACEROOT_API_KEY", "k"),
        ]);
        assert_has(&named, &["exporters: [Local, Otlp]"]);
        let traces = resolved(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a/b/")]);
        assert_has(
            &traces,
            &[
                "exporters: [Otlp]",
                r#"traces_endpoint: Some("http://a/b/")"#,
            ],
        );
        let host = resolved(&[
            ("LANGFUSE_BASE_URL", "http://localhost:3000"),
            ("LANGFUSE_PUBLIC_KEY", "a"),
            ("LANGFUSE_SECRET_KEY", "b"),
        ]);
        assert_has(&host, &[r#"langfuse_host: Some("http://localhost:3000")"#]);
        for off in [
            ("OTEL_SDK_DISABLED", "true"),
            ("OTEL_TRACES_EXPORTER", "none"),
        ] {
            let text = resolved(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"), off]);
            assert_has(&text, &["exporters: [Local]"]);
        }
    }

    #[test]
    fn a_signals_own_variable_goes_before_that_of_all() {
        let text = resolved(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1000"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none"),
            ("OTEL_SERVICE_NAME", "shop"),
            ("OTEL_RESOURCE_ATTRIBUTES", " team=a%2Cb , region = eu "),
        ]);
        assert_has(
            &text,
            &[
                "timeout: 2.5s",
                r#"compression: Some("none")"#,
                r#"service_name: Some("shop")"#,
                r#"resource: [("team", "a,b"), ("region", "eu")]"#,
            ],
        );
    }

    #[test]
    fn a_bad_value_is_an_error_for_who_needs_it() {
        let bad = [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", "milliseconds from 1"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "brotli", "gzip or none"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a b=c", "a list `name=value"),
            ("OTEL_RESOURCE_ATTRIBUTES", "nothing", "a list `key=value"),
        ];
        for (variable, value, allowed) in bad {
            let used = resolved(&[
                (variable, value),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"),
            ]);
            assert_has(&used, &["ERROR", variable, allowed]);
            // It may be there for another program's sake.
            assert_has(&resolved(&[(variable, value)]), &["exporters: [Local]"]);
        }
        assert_has(
            &resolved(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317")]),
            &[
                "ERROR",
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "http:// or https://",
            ],
        );
        assert_has(
            &resolved(&[("LANGFUSE_PUBLIC_KEY", "pk")]),
            &["ERROR", "langfuse", "LANGFUSE_SECRET_KEY"],
        );
        assert_has(
            &resolved(&[("ROLLOUT_EXPORTERS", "traceroot")]),
            &["ERROR", "traceroot", "TRACEROOT_API_KEY"],
        );
    }
}

#[cfg(not(feature = "otlp"))]
#[test]
fn what_is_not_compiled_in_says_which_feature_it_takes() {
    for (variable, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"),
        ("TRACEROOT_API_KEY", "k"),
        ("ROLLOUT_EXPORTERS", "otlp"),
    ] {
        let text = resolved(&[(variable, value)]);
        assert_has(&text, &["ERROR", "the cargo feature `otlp` of rollout"]);
        assert!(
            text.contains(variable) || variable == "ROLLOUT_EXPORTERS",
            "{text}"
        );
    }
}

#[cfg(feature = "clickhouse")]
#[test]
fn an_address_of_clickhouse_selects_its_exporter() {
    let all = resolved(&[
        ("CLICKHOUSE_URL", "https://clickhouse:8443/"),
        ("CLICKHOUSE_DATABASE", "traces"),
        ("CLICKHOUSE_PASSWORD", "very-secret"),
    ]);
    assert_has(
        &all,
        &[
            "exporters: [ClickHouse]",
            r#"url: Some("https://clickhouse:8443")"#,
            r#"database: Some("traces")"#,
            r#"user: Some("default")"#,
        ],
    );
    assert!(!all.contains("very-secret"), "{all}");
    let named = resolved(&[("ROLLOUT_EXPORTERS", "local,clickhouse")]);
    assert_has(&named, &["ERROR", "needs an address", "CLICKHOUSE_URL"]);
}

#[cfg(not(feature = "clickhouse"))]
#[test]
fn without_its_feature_clickhouse_says_which_that_is() {
    for (variable, value) in [
        ("CLICKHOUSE_URL", "http://a"),
        ("ROLLOUT_EXPORTERS", "clickhouse"),
    ] {
        let text = resolved(&[(variable, value)]);
        assert_has(
            &text,
            &["ERROR", "the cargo feature `clickhouse` of rollout"],
        );
        assert!(
            text.contains(variable) || variable == "ROLLOUT_EXPORTERS",
            "{text}"
        );
    }
}

#[test]
fn a_builder_can_name_no_exporter_at_all() {
    let config = rollout_core::builder()
        .endpoint("http://127.0.0.1:9")
        .exporters([])
        .config()
        .unwrap();
    assert!(config.exporters().is_empty());
}

#[test]
fn either_switch_switches_off() {
    assert_has(
        &resolved(&[("ROLLOUT_ENABLED", "off")]),
        &["enabled: false"],
    );
    assert_has(&resolved(&[("ROLLOUT_DISABLED", "1")]), &["enabled: false"]);
    assert_has(&resolved(&[("ROLLOUT_DISABLED", "No")]), &["enabled: true"]);
}

#[test]
fn a_bad_value_names_variable_value_and_what_is_allowed() {
    let cases = [
        ("ROLLOUT_SAMPLE_RATE", "1.5", "a number from 0 to 1"),
        ("ROLLOUT_SAMPLE_RATE", "NaN", "a number from 0 to 1"),
        (
            "ROLLOUT_ENABLED",
            "maybe",
            "true, 1, yes, on or false, 0, no, off",
        ),
        ("ROLLOUT_ENDPOINT", "localhost:4747", "http:// or https://"),
        ("ROLLOUT_ENDPOINT", "http://", "http:// or https://"),
        ("ROLLOUT_FLUSH_AT", "0", "from 1 to 1000"),
        ("ROLLOUT_FLUSH_INTERVAL", "-1", "seconds from"),
        ("ROLLOUT_TIMEOUT", "inf", "seconds from"),
        ("ROLLOUT_MAX_SPOOL_BYTES", "1 KiB", "bytes from 64 KiB"),
        ("ROLLOUT_MAX_QUEUE_BYTES", "99999999 GiB", "bytes from"),
        ("ROLLOUT_SPOOL", "cloud", "disk or memory"),
        ("CLICKHOUSE_TTL_DAYS", "0", "from 1 to 36500"),
        ("CLICKHOUSE_URL", "127.0.0.1:8123", "http:// or https://"),
        ("ROLLOUT_EXPORTERS", "file", "of local, http, console"),
    ];
    for (variable, value, allowed) in cases {
        let text = resolved(&[(variable, value)]);
        assert_has(&text, &["ERROR", variable, &format!("{value:?}"), allowed]);
    }
    let long = "x".repeat(201);
    assert_has(
        &resolved(&[("ROLLOUT_AGENT_NAME", &long)]),
        &["ERROR ROLLOUT_AGENT_NAME", "at most 200 characters"],
    );
    assert_has(
        &resolved(&[("ROLLOUT_EXPORTERS", "http")]),
        &["ERROR", "needs an address", "ROLLOUT_ENDPOINT"],
    );
    assert_has(
        &resolved(&[
            ("ROLLOUT_ENDPOINT", "http://a"),
            ("ROLLOUT_BASE_URL", "http://b"),
        ]),
        &[
            "ERROR ROLLOUT_ENDPOINT",
            "ROLLOUT_BASE_URL is the same setting",
        ],
    );
}

#[test]
fn no_secret_is_shown() {
    for variables in [
        vec![("ROLLOUT_API_KEY", "sk-very-secret")],
        vec![("ROLLOUT_API_KEY", "sk-very secret\u{e9}")],
        vec![("ROLLOUT_ENDPOINT", "https://user:very-secret@host")],
    ] {
        let text = resolved(&variables);
        assert!(!text.contains("secret"), "{text}");
        assert_has(&text, &["[redacted]"]);
    }
}

#[test]
fn builder_over_environment_over_file_over_default() {
    let dir = tempfile::tempdir().unwrap();
    let file = "sample_rate = 0.75\n\
                agent_name = \"of the file\"\n\
                release = \"of the file\"\n\
                exporters = [\"local\", \"console\"]\n\
                flush_at = 7\n\
                max_value_bytes = \"1 MiB\"\n\
                capture_input = false\n";
    fs::write(dir.path().join("rollout.toml"), file).unwrap();
    let environment = [
        ("ROLLOUT_AGENT_NAME", "of the environment"),
        ("ROLLOUT_SAMPLE_RATE", "0.5"),
        ("ROLLOUT_RELEASE", "of the environment"),
    ];
    assert_has(
        &run("child_with_a_builder", dir.path(), &environment),
        &[
            "sample_rate: 0.25",
            r#"agent_name: Some("of the builder")"#,
            r#"release: Some("of the environment")"#,
            "exporters: [Local, Console]",
            "flush_at: 7",
            "max_value_bytes: 1048576",
            "capture_input: false",
            "capture_output: true",
        ],
    );
    assert_has(
        &run("child_of_the_environment", dir.path(), &[]),
        &["sample_rate: 0.75", r#"agent_name: Some("of the file")"#],
    );
}

#[test]
fn a_bad_file_says_where() {
    let dir = tempfile::tempdir().unwrap();
    let cases = [
        (
            "sample_rat = 1.0",
            "rollout.toml: sample_rat: no such setting; there are api_key",
        ),
        (
            "sample_rate = 2.0",
            "rollout.toml: sample_rate is \"2.0\": allowed: a number from 0 to 1",
        ),
        (
            "a = 1\nb = = 2",
            "rollout.toml: is not valid TOML: expected a value, found an equals at line 2",
        ),
        (
            "dir = { at = \"/tmp\" }",
            "rollout.toml: dir: is neither text nor a number",
        ),
        ("api_key = \"sk-very-secret\"\n= 1", "line 2"),
    ];
    for (text, expected) in cases {
        fs::write(dir.path().join("rollout.toml"), text).unwrap();
        let answer = run("child_of_the_environment", dir.path(), &[]);
        assert_has(&answer, &["ERROR", expected]);
        assert!(!answer.contains("very-secret"), "{answer}");
    }
}

#[test]
fn repository_and_commit_are_found() {
    let ci = resolved(&[
        ("GITHUB_REPOSITORY", "owner/name"),
        ("GITHUB_SHA", "0123456789012345678901234567890123456789"),
    ]);
    assert_has(
        &ci,
        &[
            r#"git_repo: Some("https://github.com/owner/name")"#,
            r#"git_ref: Some("0123456789012345678901234567890123456789")"#,
        ],
    );

    let dir = tempfile::tempdir().unwrap();
    let git = dir.path().join(".git");
    let below = dir.path().join("crates/one");
    fs::create_dir_all(git.join("refs/heads")).unwrap();
    fs::create_dir_all(&below).unwrap();
    let commit = "89abcdef".repeat(5);
    fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    fs::write(
        git.join("packed-refs"),
        format!("# pack-refs\n{commit} refs/heads/main\n"),
    )
    .unwrap();
    let token = "https://user:ghp_very-secret@host.example/owner/name.git";
    for address in ["git@host.example:owner/name.git", token] {
        let config = format!("[core]\n\tbare = false\n[remote \"origin\"]\n\turl = {address}\n");
        fs::write(git.join("config"), config).unwrap();
        let found = run("child_of_the_environment", &below, &[]);
        assert_has(
            &found,
            &[
                r#"git_repo: Some("https://host.example/owner/name")"#,
                &format!("git_ref: Some({commit:?})"),
            ],
        );
        assert!(!found.contains("secret"), "{found}");
    }
    let said = [("ROLLOUT_GIT_REPO", "mine"), ("ROLLOUT_GIT_REF", "v1")];
    assert_has(
        &run("child_of_the_environment", &below, &said),
        &[r#"git_repo: Some("mine")"#, r#"git_ref: Some("v1")"#],
    );
}

/// Variable, value, what it comes to, what is refused.
const TRACEROOT: [(&str, &str, &str, &str); 10] = [
    ("ENABLED", "no", "enabled: false", "maybe"),
    ("DEBUG", "true", "exporters: [Local, Console]", "2"),
    ("TIMEOUT", "12.5", "timeout: 12.5s", "soon"),
    ("FLUSH_AT", "100", "flush_at: 100", "0"),
    ("FLUSH_INTERVAL", "5.0", "flush_interval: 5s", "-1"),
    (
        "ENVIRONMENT",
        "staging",
        r#"environment: Some("staging")"#,
        "",
    ),
    ("RELEASE", "v1.2.3", r#"release: Some("v1.2.3")"#, ""),
    ("SERVICE_NAME", "shop", r#"service_name: Some("shop")"#, ""),
    (
        "GIT_REPO",
        "owner/name",
        r#"git_repo: Some("https://github.com/owner/name")"#,
        "",
    ),
    ("GIT_REF", "v1", r#"git_ref: Some("v1")"#, ""),
];

#[test]
fn variables_of_traceroot_hold_where_ours_say_nothing() {
    for (name, value, expected, bad) in TRACEROOT {
        let (theirs, ours) = (format!("TRACEROOT_{name}"), format!("ROLLOUT_{name}"));
        let text = resolved(&[(&theirs, value)]);
        assert_has(&text, &["CONFIG", expected]);
        // Blank is unset, on either side.
        assert_has(&resolved(&[(&theirs, value), (&ours, " ")]), &[expected]);
        let blank = resolved(&[(&theirs, " ")]);
        assert_eq!(without_dir(&blank), without_dir(&resolved(&[])));

        let long = "x".repeat(501);
        let bad = if bad.is_empty() { &long } else { bad };
        let refused = resolved(&[(&theirs, bad)]);
        assert_has(&refused, &[&format!("ERROR {theirs} is "), "allowed: "]);
        // What is not asked for may be anything.
        let ours = resolved(&[(&theirs, bad), (&ours, value)]);
        assert_eq!(without_dir(&ours), without_dir(&text));
    }
}

#[test]
fn variables_of_traceroot_are_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let file = "release = \"of the file\"\nenvironment = \"of the file\"\nflush_at = 7\n";
    fs::write(dir.path().join("rollout.toml"), file).unwrap();
    let environment = [
        ("TRACEROOT_RELEASE", "of traceroot"),
        ("TRACEROOT_ENVIRONMENT", "of traceroot"),
        ("ROLLOUT_ENVIRONMENT", "ours"),
    ];
    assert_has(
        &run("child_of_the_environment", dir.path(), &environment),
        &[
            r#"release: Some("of traceroot")"#,
            r#"environment: Some("ours")"#,
            "flush_at: 7",
        ],
    );
    // Of several switches, each one switches off.
    let switched_off = [
        ("TRACEROOT_ENABLED", "false"),
        ("ROLLOUT_DISABLED", "false"),
    ];
    assert_has(&resolved(&switched_off), &["enabled: false"]);
}

#[test]
fn what_exporters_get_is_said_in_words() {
    let said = resolved(&[
        ("ROLLOUT_EXPORT_SAMPLE_RATE", "0.1, langfuse = 1,otlp=0.5"),
        (
            "ROLLOUT_EXPORT_KEEP",
            "failed, slow:200ms, slow:2m,cost: 0.05, scored:0.5,failed",
        ),
    ]);
    assert_has(
        &said,
        &[
            r#"all: 0.1, of: [("langfuse", 1.0), ("otlp", 0.5)]"#,
            "export_keep: [Failed, Slow(200ms), Slow(120s), Cost(0.05), ScoredAtMost(0.5)]",
        ],
    );
    let default = resolved(&[]);
    assert_has(&default, &["all: 1.0, of: []", "[Failed, Scored]"]);
    let none = resolved(&[("ROLLOUT_EXPORT_KEEP", "none")]);
    assert_has(&none, &["export_keep: []"]);
    for (variable, bad) in [
        ("ROLLOUT_EXPORT_SAMPLE_RATE", "1.5"),
        ("ROLLOUT_EXPORT_SAMPLE_RATE", "0.1,0.2"),
        ("ROLLOUT_EXPORT_SAMPLE_RATE", "http=0.1,http=0.2"),
        ("ROLLOUT_EXPORT_SAMPLE_RATE", "http="),
        ("ROLLOUT_EXPORT_SAMPLE_RATE", "=1"),
        ("ROLLOUT_EXPORT_KEEP", "slow"),
        ("ROLLOUT_EXPORT_KEEP", "slow:-1s"),
        ("ROLLOUT_EXPORT_KEEP", "cost:NaN"),
        ("ROLLOUT_EXPORT_KEEP", "failed:1"),
        ("ROLLOUT_EXPORT_KEEP", "all"),
    ] {
        let refused = resolved(&[(variable, bad)]);
        assert_has(
            &refused,
            &["ERROR", variable, &format!("{bad:?}"), "allowed: "],
        );
    }
    // What is said again goes before what was said.
    let config = rollout_core::builder()
        .export_sample_rate(0.5)
        .export_sample_rate_of("http", 0.3)
        .export_sample_rate(0.25)
        .export_keep([])
        .config()
        .unwrap();
    let rate = |name: &str| config.export_sample_rate_of(name).to_string();
    assert_eq!(["http", "otlp"].map(rate), ["0.3", "0.25"]);
    assert_eq!(config.export_keep(), []);
    let keep: Keep = "slow:1500ms".parse().unwrap();
    assert_eq!(keep.to_string(), "slow:1.5");
    assert!("slow".parse::<Keep>().is_err());
}

#[test]
fn builder_values_pass_the_same_rules() {
    let error = rollout_core::builder()
        .sample_rate(7.0)
        .config()
        .unwrap_err();
    assert_eq!(error.setting(), "builder: sample_rate");
    assert_eq!(error.value(), Some("7"));
    assert_eq!(error.problem(), "allowed: a number from 0 to 1");
    let config = rollout_core::builder()
        .endpoint("http://127.0.0.1:9")
        .exporters([ExporterKind::Local, ExporterKind::Http])
        .spool(SpoolKind::Memory)
        .flush_interval(std::time::Duration::from_millis(5))
        .redact_key("customer_ssn")
        .config()
        .unwrap();
    assert_eq!(
        config.exporters(),
        [ExporterKind::Local, ExporterKind::Http]
    );
    assert_eq!(config.flush_interval().as_millis(), 5);
    assert_eq!(config.redact_keys(), ["customer_ssn"]);
}

#[test]
fn secrets_behave_as_their_value_and_show_nothing() {
    let secret = Secret::new(vec!["a".to_owned()]);
    assert_eq!(secret.len(), 1);
    assert_eq!(
        format!("{secret} {secret:?} {secret:#?}"),
        "[redacted] [redacted] [redacted]"
    );
    assert_eq!(serde_json::to_string(&secret).unwrap(), "\"[redacted]\"");
    let read: Secret<u8> = serde_json::from_str("7").unwrap();
    assert_eq!(read.into_inner(), 7);
}

/// `docs/configuration.md` holds the table that the list of settings prints; when it does not, the
/// failure shows the table to put there.
#[test]
fn the_reference_is_the_list() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let document = fs::read_to_string(&path).unwrap();
    let reference = Config::reference();
    assert!(
        document.contains(&reference),
        "the table in docs/configuration.md must be:\n{reference}"
    );
}

#[test]
fn a_text_is_read_as_the_file_would_be() {
    let config = Config::from_toml("sample_rate = 0.25\nexporters = [\"console\"]").unwrap();
    assert!((config.sample_rate() - 0.25).abs() < f64::EPSILON);
    assert_eq!(config.exporters(), [rollout_core::ExporterKind::Console]);
    assert_eq!(config.flush_at(), Config::from_toml("").unwrap().flush_at());
    let refused = Config::from_toml("sample_rate = 2")
        .unwrap_err()
        .to_string();
    assert_has(&refused, &["rollout.toml: sample_rate", "from 0 to 1"]);
    let secret = Config::from_toml("api_key = \"white space\"").unwrap_err();
    assert!(!secret.to_string().contains("white"), "{secret}");
}

#[test]
fn an_integration_that_is_not_there_is_an_error_at_the_start() {
    let unknown = resolved(&[("ROLLOUT_INTEGRATIONS", "rig, rigg")]);
    let known = "openai, reqwest, reqwest-012, reqwest-middleware, rig";
    if cfg!(feature = "rig") {
        assert_has(
            &unknown,
            &[
                "ROLLOUT_INTEGRATIONS is \"rig, rigg\": \"rigg\" cannot be recorded",
                known,
            ],
        );
    }
    let error = rollout_core::builder()
        .integrations(["nobody"])
        .config()
        .unwrap_err();
    let unsupported = IntegrationError::Unsupported {
        name: "nobody".to_owned(),
        supported: known.to_owned(),
    };
    assert_eq!(error.integration(), Some(&unsupported));
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), unsupported.to_string());

    // Whether it is compiled in is a matter of features, which a build of the whole workspace switches on.
    let named = rollout_core::builder().integrations(["rig"]).config();
    assert_eq!(named.is_ok(), cfg!(feature = "rig"));
    match named {
        Ok(config) => assert_eq!(config.integrations(), ["rig"]),
        Err(error) => {
            assert!(matches!(
                error.integration(),
                Some(IntegrationError::MissingDependency { feature: "rig", .. })
            ));
            assert_has(
                &error.to_string(),
                &["builder: integrations", "cargo feature `rig`"],
            );
        }
    }
    let all = rollout_core::builder().config().unwrap();
    assert!(all.integrations().is_empty());
}
