//! Reads the body of a request, which anybody may send.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::error::{ApiError, shown};

/// Grafana sends a whole panel's request, with all variables in it.
pub(super) const MAX_BODY_BYTES: usize = 256 << 10;
/// Who sends slower than this is not waited for.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The whole body.
pub(super) async fn bytes(body: Body) -> Result<Bytes, ApiError> {
    let whole = timeout(TIME_LIMIT, to_bytes(body, MAX_BODY_BYTES));
    match whole.await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(cause)) if is_too_long(&cause) => Err(ApiError::BodyTooLarge {
            limit_bytes: MAX_BODY_BYTES,
        }),
        Ok(Err(cause)) => Err(ApiError::BadBody {
            reason: cause.to_string(),
            accepted: "a body that comes whole",
        }),
        Err(_) => Err(ApiError::BodyTooSlow { limit: TIME_LIMIT }),
    }
}

/// The body as JSON; `accepted` tells what it should be.
pub(super) async fn json<T: DeserializeOwned>(
    body: Body,
    accepted: &'static str,
) -> Result<T, ApiError> {
    let bytes = bytes(body).await?;
    serde_json::from_slice(&bytes).map_err(|cause| ApiError::BadBody {
        reason: shown(&cause.to_string()),
        accepted,
    })
}

fn is_too_long(cause: &axum::Error) -> bool {
    let mut causes = std::iter::successors(Some(cause as &dyn std::error::Error), |cause| {
        cause.source()
    });
    causes.any(|cause| cause.is::<http_body_util::LengthLimitError>())
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future::pending};

    use axum::body::Body;
    use futures::stream;
    use serde_json::Value;

    use super::*;

    #[tokio::test]
    async fn json_is_read() {
        let read: Value = json(Body::from("{\"a\":1}"), "an object")
            .await
            .expect("JSON");
        assert_eq!(read["a"], 1);
    }

    #[tokio::test]
    async fn what_is_no_json_is_told_with_its_place() {
        let read: Result<Value, _> = json(Body::from("{\"a\":"), "an object").await;
        let why = read.expect_err("no JSON").to_string();
        assert_eq!(
            why,
            "the body can't be read (EOF while parsing a value at line 1 column 5), accepted is \
             an object"
        );
    }

    #[tokio::test]
    async fn a_body_that_is_too_long_is_not_read_to_its_end() {
        let endless = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from(vec![b' '; 1 << 10])));
        let why = bytes(Body::from_stream(endless))
            .await
            .expect_err("a limit");
        assert!(matches!(why, ApiError::BodyTooLarge { .. }), "{why}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let never = stream::once(pending::<Result<Bytes, Infallible>>());
        let why = bytes(Body::from_stream(never)).await.expect_err("a limit");
        assert!(matches!(why, ApiError::BodyTooSlow { .. }), "{why}");
    }
}
