//! Stories about the whole product: the real binary against real brokers.
//!
//! One file a story. The embedded brokers are librdkafka's mock cluster in
//! this process, which the scaler's process reaches over TCP; stories that
//! need Apache Kafka itself begin with `kafka_`.

#![allow(clippy::unwrap_used)]

mod support;

mod a_backup_brings_history_back;
mod a_stopped_consumer_is_told;
mod access_rules;
mod burrow_tools;
mod chart_is_safe;
mod chart_manifests;
mod chart_refuses;
mod chart_renders;
mod chart_restarts;
mod clients;
mod clients_go;
mod clients_grpcurl;
mod clients_python;
mod clusters_side_by_side;
mod configuration_is_checked;
mod configuration_reload;
mod confined;
mod demo_ends_cleanly;
mod disk_misbehaves;
mod drop_in;
mod grafana_dashboards;
mod history_survives_sigkill;
mod house_rules;
mod kafka_authorisation;
mod kafka_cluster_fails;
mod kafka_commits;
mod kafka_compaction;
mod kafka_dns_fails;
mod kafka_goes_and_comes;
mod kafka_harness;
mod kafka_kinds_of_groups;
mod kafka_logs_in_with_tokens;
mod kafka_offsets_reset;
mod kafka_rotation;
mod kafka_security;
mod kafka_tells_the_same;
mod kafka_topics_change;
mod kafka_transactions;
mod lag_reaches_keda;
mod life_cycle_end;
mod life_cycle_start;
mod life_cycle_update;
mod life_cycle_upgrade;
mod limits_cpu;
mod limits_memory;
mod logs_say_it_once;
mod many_ask_at_once;
mod names_from_redis;
mod names_over_tls;
mod names_while_redis_is_away;
mod names_with_sentinels_and_clusters;
mod one_scaler_a_volume;
mod openapi_fuzzed;
mod otlp_reaches_a_collector;
mod page_in_every_state;
mod page_shows_the_demo;
mod prometheus_says_the_same;
mod prometheus_scrapes;
mod queue_depths;
mod queue_fails;
mod queue_millions;
mod queue_reload;
mod queue_tls;
mod readings_fail;
mod rules_are_well;
mod seed_azul;
mod seed_lakerunner;
mod streams_end_with_ok;
mod supply_chain;
mod tls_http;
mod tls_mutual;
mod what_keda_was_told_is_history;
