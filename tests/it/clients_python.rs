//! What a gRPC client by Python makes of the scaler.

use super::{clients::*, support::grpc_client::Language::Python};

#[tokio::test(flavor = "multi_thread")]
async fn python_is_told_what_our_client_is_told() {
    all_calls_tell_what_our_client_is_told(Python).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_deadlines_end_a_wait_for_a_first_sample() {
    deadlines_and_cancellation_end_a_wait(Python).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_has_a_thousand_streams_and_gives_them_back() {
    a_thousand_streams_are_given_back(Python).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_may_ping_without_end_and_is_pinged() {
    // Far more often than servers of gRPC's own libraries let anybody.
    pings_are_answered_and_the_dead_are_noticed(Python, 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_comes_back_after_a_restart() {
    a_restart_is_got_over(Python).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_survives_what_is_refused() {
    what_is_refused_ends_no_connection(Python).await;
}
