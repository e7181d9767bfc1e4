//! `tidegauge check`: is the configuration well?

use std::{
    io::{self, Write},
    path::Path,
};

use humantime::format_duration;

use crate::{
    config::{
        ClusterConfig, Config, ConfigError, Mistake, QueueConfig, ServerTlsConfig,
        process_environment,
    },
    model::TimestampMs,
    tls::{Listener, Role, ServerTls, Unusable},
};

/// Loads the configuration as `serve` would, and prints what is configured,
/// without any secret, or every mistake. Says whether it is well.
pub fn run(file: Option<&Path>, out: &mut impl Write) -> io::Result<bool> {
    report(&load(Config::load(file, process_environment())), out)
}

/// What is configured, and what its files were made into.
#[derive(Debug)]
struct Loaded {
    config: Config,
    grpc: Option<ServerTls>,
    http: Option<ServerTls>,
}

/// Reads the files of the listeners too, as `serve` would.
fn load(config: Result<Config, ConfigError>) -> Result<Loaded, ConfigError> {
    let config = config?;
    let mut mistakes = Vec::new();
    let mut read = |listener, files: Option<&ServerTlsConfig>| {
        let tls = ServerTls::read(listener, files?);
        let mistake = |unusable: Unusable| Mistake {
            place: config.origin.clone(),
            found: format!("found {:?}: {}", unusable.path, unusable.why),
            key: unusable.key,
            accepted: unusable.accepted.to_owned(),
        };
        tls.map_err(|unusable| mistakes.push(mistake(unusable)))
            .ok()
    };
    let grpc = read(Listener::Grpc, config.grpc.tls.as_ref());
    let http = read(Listener::Http, config.http.tls.as_ref());
    if mistakes.is_empty() {
        Ok(Loaded { config, grpc, http })
    } else {
        Err(ConfigError::new(mistakes))
    }
}

fn report(loaded: &Result<Loaded, ConfigError>, out: &mut impl Write) -> io::Result<bool> {
    match loaded {
        Ok(loaded) => summarize(loaded, out)?,
        Err(error) => {
            let count = error.mistakes().len();
            let noun = if count == 1 { "mistake" } else { "mistakes" };
            writeln!(out, "{error}\n{count} {noun}")?;
        }
    }
    Ok(loaded.is_ok())
}

fn summarize(loaded: &Loaded, out: &mut impl Write) -> io::Result<()> {
    let Loaded { config, grpc, http } = loaded;
    let retention = format_duration(config.store.retention);
    let interval = format_duration(config.poll.interval);
    writeln!(
        out,
        "store: {}, kept for {retention}",
        config.store.data_dir.display()
    )?;
    let now = TimestampMs::now();
    let listen = config.grpc.listen;
    writeln!(out, "gRPC: {listen}{}", protection(grpc.as_ref(), now))?;
    let listen = config.http.listen;
    write!(out, "HTTP: {listen}{}", protection(http.as_ref(), now))?;
    let is_known = config.http.auth.is_some();
    writeln!(out, "{}", if is_known { ", for who is known" } else { "" })?;
    writeln!(out, "polled every {interval}")?;
    for (name, cluster) in &config.clusters {
        writeln!(out, "cluster {name}: {}", describe(cluster))?;
    }
    for (name, queue) in &config.queues {
        writeln!(out, "queue {name}: {}", describe_queue(queue))?;
    }
    writeln!(out, "the configuration is well")
}

/// TLS, and until when its certificates are valid.
fn protection(tls: Option<&ServerTls>, now: TimestampMs) -> String {
    let certificates = tls.map(ServerTls::certificates).unwrap_or_default();
    let told = certificates.iter().map(|certificate| {
        let what = match certificate.role {
            Role::Server => "over TLS, certificate",
            Role::ClientAuthority => "clients' authority",
        };
        let expired = certificate.has_expired(now);
        let valid = if expired { "expired at" } else { "valid until" };
        format!(", {what} {valid} {}", certificate.not_after)
    });
    told.collect()
}

fn describe(cluster: &ClusterConfig) -> String {
    let groups = &cluster.groups;
    format!(
        "{} over {}; groups: {} by name, {} patterns to include, {} to exclude",
        cluster.bootstrap_servers.join(","),
        cluster.security.protocol.as_str(),
        groups.named.len(),
        groups.include.len(),
        groups.exclude.len(),
    )
}

fn describe_queue(queue: &QueueConfig) -> String {
    let protection = if queue.tls.is_some() {
        "TLS"
    } else {
        "plain text"
    };
    format!(
        "{}:{}, database {}, as {}, over {protection}",
        queue.host, queue.port, queue.database, queue.user
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, environment: &[(&str, &str)]) -> (bool, String) {
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let loaded = Config::parse("test.toml", text, environment.iter().map(owned));
        let mut out = Vec::new();
        let is_well = report(&load(loaded), &mut out).expect("a vector takes all");
        (is_well, String::from_utf8(out).expect("UTF-8"))
    }

    #[test]
    fn what_is_configured_is_shown_without_secrets() {
        let text = "[clusters.main]\nbootstrap_servers = ['b:9092', 'c:9092']\n\
                    security_protocol = 'SASL_PLAINTEXT'\n\
                    sasl = {mechanism = 'PLAIN', username = 'u'}\n\
                    groups.include = ['^a']\n";
        let password = [("TIDEGAUGE_CLUSTERS__MAIN__SASL__PASSWORD", "hunter2")];
        let expected = "\
store: /var/lib/tidegauge, kept for 3days
gRPC: 0.0.0.0:9090
HTTP: 127.0.0.1:8080
polled every 10s
cluster main: b:9092,c:9092 over SASL_PLAINTEXT; groups: 0 by name, 1 patterns to include, 0 to exclude
the configuration is well
";
        assert_eq!(check(text, &password), (true, expected.to_owned()));
    }

    #[test]
    fn every_mistake_is_shown_and_counted() {
        let expected = "\
test.toml:1: x: unknown key; accepted: poll, store, grpc, http, estimator, watches, azul, log, otlp, clusters, queues, access, lakerunner, services
1 mistake
";
        let text = "x = 1\nclusters.main.bootstrap_servers = ['b:9092']\n";
        assert_eq!(check(text, &[]), (false, expected.to_owned()));
        assert!(check("x = 1", &[]).1.ends_with("\n2 mistakes\n"));
    }

    #[test]
    fn a_file_that_is_not_there_is_a_mistake() {
        let mut out = Vec::new();
        let is_well = run(Some(Path::new("/no/such.toml")), &mut out).expect("a vector takes all");
        assert!(!is_well);
        assert!(out.starts_with(b"/no/such.toml: can't be read: "));
    }
}
