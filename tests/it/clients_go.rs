//! What a gRPC client by Go makes of the scaler, with KEDA's stubs and options.

use super::{clients::*, support::grpc_client::Language::Go};

#[tokio::test(flavor = "multi_thread")]
async fn kedas_go_client_is_told_what_ours_is() {
    all_calls_tell_what_our_client_is_told(Go).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn go_deadlines_end_a_wait_for_a_first_sample() {
    deadlines_and_cancellation_end_a_wait(Go).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn go_has_a_thousand_streams_and_gives_them_back() {
    a_thousand_streams_are_given_back(Go).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn go_may_ping_and_is_pinged() {
    // The least that grpc-go allows.
    pings_are_answered_and_the_dead_are_noticed(Go, 10_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn go_comes_back_after_a_restart() {
    a_restart_is_got_over(Go).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn go_survives_what_is_refused() {
    what_is_refused_ends_no_connection(Go).await;
}
