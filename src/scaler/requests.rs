//! Which watch a request is about, without reading its metadata again.
//!
//! KEDA sends the same metadata with every call. Reading it takes longer than
//! answering from what is prepared, so that the watch of metadata that was read
//! once is found by a hash of it, and by comparing all of it. Where not every
//! namespace may ask for everything, only what this one may ask for is found.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use parking_lot::RwLock;

use super::watch::Watch;

type Metadata = HashMap<String, String>;

/// A larger request is read anew each time: whoever writes it may fill it with
/// what nobody reads.
const MAX_BYTES: usize = 4_096;

/// The watches of requests that were read, by hash.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Keyed anew in each process, so that nobody can write requests that share
    /// one.
    keys: RandomState,
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Does it matter which namespace asks?
    by_namespace: bool,
    /// How often all was forgotten.
    generation: u64,
    requests: HashMap<u64, Request>,
}

#[derive(Debug)]
struct Request {
    /// Empty where it does not matter.
    namespace: String,
    metadata: Metadata,
    watch: Arc<Watch>,
}

impl Requests {
    /// The watch of `metadata`, if it was read before and `namespace` may ask
    /// for it; else what [`keep`](Self::keep) is to be told.
    pub(super) fn find(&self, namespace: &str, metadata: &Metadata) -> Result<Arc<Watch>, u64> {
        let known = self.known.read();
        let namespace = known.relevant(namespace);
        let found = known.requests.get(&self.hash(namespace, metadata));
        let found =
            found.filter(|found| found.namespace == namespace && found.metadata == *metadata);
        match found {
            Some(found) => Ok(Arc::clone(&found.watch)),
            None => Err(known.generation),
        }
    }

    /// Keeps it, beside at most `limit` others; not if all was forgotten since
    /// `generation` was told, since it may mean something else by now.
    pub(super) fn keep(
        &self,
        generation: u64,
        (namespace, metadata): (&str, &Metadata),
        watch: &Arc<Watch>,
        limit: usize,
    ) {
        let bytes = metadata.iter().map(|(key, value)| key.len() + value.len());
        if bytes.sum::<usize>() + namespace.len() > MAX_BYTES {
            return;
        }
        let mut known = self.known.write();
        if known.generation != generation {
            return;
        }
        if known.requests.len() >= limit {
            // Who asks with ever new metadata for the same begins anew.
            known.requests.clear();
        }
        let request = Request {
            namespace: known.relevant(namespace).to_owned(),
            metadata: metadata.clone(),
            watch: Arc::clone(watch),
        };
        let hash = self.hash(&request.namespace, metadata);
        known.requests.insert(hash, request);
    }

    /// Forgets all: watches have gone.
    pub(super) fn forget(&self) {
        let by_namespace = self.known.read().by_namespace;
        self.begin(by_namespace);
    }

    /// Forgets all: metadata means something else now, or other namespaces may
    /// ask for it.
    pub(super) fn begin(&self, by_namespace: bool) {
        let mut known = self.known.write();
        *known = Known {
            by_namespace,
            generation: known.generation + 1,
            requests: HashMap::new(),
        };
    }

    /// The order of keys in a map means nothing, hence a sum.
    fn hash(&self, namespace: &str, metadata: &Metadata) -> u64 {
        let pairs = metadata.iter().map(|pair| self.keys.hash_one(pair));
        let namespace = match namespace {
            "" => 0,
            namespace => self.keys.hash_one(namespace),
        };
        pairs.fold(namespace, u64::wrapping_add)
    }
}

impl Known {
    fn relevant<'a>(&self, namespace: &'a str) -> &'a str {
        if self.by_namespace { namespace } else { "" }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::trigger::testing::*, *};
    use crate::model::TimestampMs;

    fn metadata(pairs: &[(&str, &str)]) -> Metadata {
        let pairs = pairs.iter();
        pairs
            .map(|&(key, value)| (key.into(), value.into()))
            .collect()
    }

    fn watch() -> Arc<Watch> {
        let trigger = parse(&[("consumerGroup", "g")], &rules(&["main"])).expect("valid");
        Arc::new(Watch::new(trigger, TimestampMs(0), false))
    }

    /// As after it was not found.
    fn keep(requests: &Requests, namespace: &str, metadata: &Metadata, watch: &Arc<Watch>) {
        let generation = requests.find(namespace, metadata).expect_err("unknown");
        requests.keep(generation, (namespace, metadata), watch, 2);
    }

    fn finds(
        requests: &Requests,
        namespace: &str,
        metadata: &Metadata,
        watch: &Arc<Watch>,
    ) -> bool {
        let found = requests.find(namespace, metadata);
        found.is_ok_and(|found| Arc::ptr_eq(&found, watch))
    }

    #[test]
    fn only_the_same_metadata_find_their_watch() {
        let (watch, requests) = (watch(), Requests::default());
        let known = metadata(&[("consumerGroup", "g"), ("x", "y")]);
        keep(&requests, "n", &known, &watch);
        assert!(finds(&requests, "n", &known, &watch));
        assert!(finds(&requests, "another", &known, &watch), "all may ask");
        for other in [
            metadata(&[("consumerGroup", "g")]),
            metadata(&[("consumerGroup", "g"), ("x", "z")]),
            metadata(&[("consumerGroup", "g"), ("y", "x")]),
        ] {
            assert!(!finds(&requests, "n", &other, &watch), "{other:?}");
        }
        keep(&requests, "n", &metadata(&[("a", "")]), &watch);
        keep(&requests, "n", &metadata(&[("b", "")]), &watch);
        assert!(
            !finds(&requests, "n", &known, &watch),
            "the limit was reached"
        );
        requests.forget();
        assert!(!finds(&requests, "n", &metadata(&[("b", "")]), &watch));
        let large = metadata(&[("c", &"x".repeat(MAX_BYTES))]);
        keep(&requests, "n", &large, &watch);
        assert!(!finds(&requests, "n", &large, &watch), "too large to keep");
    }

    #[test]
    fn where_it_matters_who_asks_each_namespace_finds_its_own() {
        let (watch, requests) = (watch(), Requests::default());
        requests.begin(true);
        let known = metadata(&[("consumerGroup", "g")]);
        keep(&requests, "n", &known, &watch);
        assert!(finds(&requests, "n", &known, &watch));
        for other in ["", "N", "n2"] {
            assert!(!finds(&requests, other, &known, &watch), "{other:?}");
        }
        requests.forget();
        keep(&requests, "n", &known, &watch);
        assert!(!finds(&requests, "n2", &known, &watch), "it still matters");
    }

    #[test]
    fn what_was_read_before_all_was_forgotten_is_not_kept() {
        let (watch, requests) = (watch(), Requests::default());
        let known = metadata(&[("consumerGroup", "g")]);
        let generation = requests.find("n", &known).expect_err("unknown");
        requests.begin(true);
        requests.keep(generation, ("n", &known), &watch, 2);
        assert!(!finds(&requests, "n", &known, &watch));
    }
}
