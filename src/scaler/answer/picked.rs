//! The groups that a rule picks by their names.

use std::sync::Arc;

use crate::{
    estimator::Window,
    model::{GroupId, PrefixRule, SeriesIndex},
};

/// The groups that a rule picks by their names. All names are looked through
/// again only when series have come.
#[derive(Debug, Default)]
pub(in crate::scaler) struct Picked {
    index: Option<Arc<SeriesIndex>>,
    groups: Vec<GroupId>,
}

impl Picked {
    pub(super) fn by(&mut self, rule: &PrefixRule, window: &Window) -> &[GroupId] {
        let index = window.index();
        let is_same = |known: &Arc<SeriesIndex>| Arc::ptr_eq(known, index);
        if !self.index.as_ref().is_some_and(is_same) {
            let groups = index.groups().keys();
            let picked = groups.filter(|group| rule.matches(group.as_str()));
            self.groups = picked.cloned().collect();
            self.index = Some(Arc::clone(index));
        }
        &self.groups
    }
}
