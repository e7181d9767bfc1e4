//! Requests that run side by side.

use std::collections::BTreeMap;

use futures::{StreamExt, future::join_all, stream};

/// Runs requests side by side, at most `limit` of one broker's at a time: one
/// that is slow holds up no other's. Answers come in any order.
pub(super) async fn side_by_side<F: Future>(
    requests: Vec<(Option<i32>, F)>,
    limit: usize,
) -> Vec<F::Output> {
    let mut by_broker: BTreeMap<Option<i32>, Vec<F>> = BTreeMap::new();
    for (broker, request) in requests {
        by_broker.entry(broker).or_default().push(request);
    }
    let of_one = |requests| stream::iter(requests).buffer_unordered(limit).collect();
    let answers: Vec<Vec<F::Output>> = join_all(by_broker.into_values().map(of_one)).await;
    answers.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::{
        cell::{Cell, RefCell},
        time::Duration,
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_slow_broker_holds_up_no_other() {
        let (running, most) = (Cell::new(0), Cell::new(0));
        let finished = RefCell::new(Vec::new());
        let ask = async |broker: i32, duration| {
            running.set(running.get() + i32::from(broker == 1));
            most.set(most.get().max(running.get()));
            tokio::time::sleep(Duration::from_secs(duration)).await;
            running.set(running.get() - i32::from(broker == 1));
            finished.borrow_mut().push(broker);
        };
        // Far more of the slow one than its limit, and first.
        let slow = (0..10).map(|_| (1, 60));
        let quick = (0..10).map(|_| (2, 1));
        let requests = slow.chain(quick);
        let requests = requests.map(|(broker, s)| (Some(broker), ask(broker, s)));
        assert_eq!(side_by_side(requests.collect(), 3).await.len(), 20);
        assert_eq!(finished.borrow()[..10], [2; 10]);
        assert_eq!(most.get(), 3);
    }
}
