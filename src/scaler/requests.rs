//! Which watch a request is about, without reading its metadata again.
//!
//! KEDA sends the same metadata with every call. Reading it takes longer than
//! answering from what is prepared, so that the watch of metadata that was read
//! once is found by a hash of it, and by comparing all of it.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use parking_lot::RwLock;

use super::watch::Watch;

type Metadata = HashMap<String, String>;

/// Larger metadata is read anew each time: whoever writes it may fill it with
/// what nobody reads.
const MAX_BYTES: usize = 4_096;

/// The watches of metadata that was read, by hash.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Keyed anew in each process, so that nobody can write metadata that share
    /// one.
    keys: RandomState,
    watches: RwLock<HashMap<u64, (Metadata, Arc<Watch>)>>,
}

impl Requests {
    /// The watch of `metadata`, if it was read before.
    pub(super) fn find(&self, metadata: &Metadata) -> Option<Arc<Watch>> {
        let watches = self.watches.read();
        let (known, watch) = watches.get(&self.hash(metadata))?;
        (known == metadata).then(|| Arc::clone(watch))
    }

    /// Keeps it, beside at most `limit` others.
    pub(super) fn keep(&self, metadata: &Metadata, watch: &Arc<Watch>, limit: usize) {
        let bytes = metadata.iter().map(|(key, value)| key.len() + value.len());
        if bytes.sum::<usize>() > MAX_BYTES {
            return;
        }
        let mut watches = self.watches.write();
        if watches.len() >= limit {
            // Who asks with ever new metadata for the same begins anew.
            watches.clear();
        }
        watches.insert(self.hash(metadata), (metadata.clone(), Arc::clone(watch)));
    }

    /// Forgets all: metadata means something else now, or watches have gone.
    pub(super) fn forget(&self) {
        self.watches.write().clear();
    }

    /// The order of keys in a map means nothing, hence a sum.
    fn hash(&self, metadata: &Metadata) -> u64 {
        let pairs = metadata.iter().map(|pair| self.keys.hash_one(pair));
        pairs.fold(0, u64::wrapping_add)
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

    #[test]
    fn only_the_same_metadata_find_their_watch() {
        let trigger = parse(&[("consumerGroup", "g")], &rules(&["main"])).expect("valid");
        let watch = Arc::new(Watch::new(trigger, TimestampMs(0), false));
        let requests = Requests::default();
        let known = metadata(&[("consumerGroup", "g"), ("x", "y")]);
        assert!(requests.find(&known).is_none());
        requests.keep(&known, &watch, 2);
        assert!(
            requests
                .find(&known)
                .is_some_and(|found| Arc::ptr_eq(&found, &watch))
        );
        for other in [
            metadata(&[("consumerGroup", "g")]),
            metadata(&[("consumerGroup", "g"), ("x", "z")]),
            metadata(&[("consumerGroup", "g"), ("y", "x")]),
        ] {
            assert!(requests.find(&other).is_none(), "{other:?}");
        }
        requests.keep(&metadata(&[("a", "")]), &watch, 2);
        requests.keep(&metadata(&[("b", "")]), &watch, 2);
        assert!(requests.find(&known).is_none(), "the limit was reached");
        requests.forget();
        assert!(requests.find(&metadata(&[("b", "")])).is_none());
        let large = metadata(&[("c", &"x".repeat(MAX_BYTES))]);
        requests.keep(&large, &watch, 2);
        assert!(requests.find(&large).is_none(), "too large to keep");
    }
}
