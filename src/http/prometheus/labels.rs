//! Sets of labels.

use std::{collections::BTreeMap, sync::Arc};

use promql_parser::{label::METRIC_NAME, parser::LabelModifier};

use crate::{http::recorded, model::ClusterName};

/// Names with values, sorted by name; none is empty, which is as good as none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Labels(Arc<[(Arc<str>, Arc<str>)]>);

impl Labels {
    pub(super) fn none() -> Self {
        Self(Arc::default())
    }

    pub(super) fn new(pairs: impl IntoIterator<Item = (Arc<str>, Arc<str>)>) -> Self {
        let pairs: BTreeMap<_, _> = pairs.into_iter().collect();
        Self(
            pairs
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .collect(),
        )
    }

    /// Those of a series, its name among them.
    pub(super) fn of(cluster: &ClusterName, series: &recorded::Series) -> Self {
        let name = (METRIC_NAME.into(), series.recorded.family.name.into());
        let labels = series.labels(cluster).into_iter();
        let labels = labels.map(|(name, value)| (name.into(), value.into()));
        Self::new(labels.chain([name]))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Empty where there is no such label.
    pub(super) fn get(&self, name: &str) -> &str {
        let place = self.0.binary_search_by(|(found, _)| (**found).cmp(name));
        place.map_or("", |place| &self.0[place].1)
    }

    pub(super) fn without_name(&self) -> Self {
        match self.get(METRIC_NAME) {
            "" => self.clone(),
            _ => self.keeping(|name| name != METRIC_NAME),
        }
    }

    pub(super) fn keeping(&self, keeps: impl Fn(&str) -> bool) -> Self {
        let kept = self.0.iter().filter(|(name, _)| keeps(name));
        Self(kept.cloned().collect())
    }

    /// With another value; an empty one takes the label away.
    pub(super) fn with(&self, name: &str, value: &str) -> Self {
        let others = self.0.iter().filter(|(found, _)| **found != *name);
        Self::new(others.cloned().chain([(name.into(), value.into())]))
    }

    /// What is left by `by (...)`, `without (...)`, `on (...)` or `ignoring (...)`.
    /// The name counts only where it is named.
    pub(super) fn grouped(&self, modifier: Option<&LabelModifier>, otherwise: Otherwise) -> Self {
        let is_in = |labels: &[String], name: &str| labels.iter().any(|label| label == name);
        match (modifier, otherwise) {
            (Some(LabelModifier::Include(only)), _) => {
                self.keeping(|name| is_in(&only.labels, name))
            }
            (Some(LabelModifier::Exclude(but)), _) => {
                self.keeping(|name| name != METRIC_NAME && !is_in(&but.labels, name))
            }
            (None, Otherwise::Nothing) => Self::none(),
            (None, Otherwise::All) => self.without_name(),
        }
    }
}

/// What is left where nothing is said.
#[derive(Debug, Clone, Copy)]
pub(super) enum Otherwise {
    Nothing,
    All,
}
