//! Which series a selector matches, in which clusters.

use std::{collections::BTreeMap, time::Duration};

use promql_parser::{
    label::{METRIC_NAME, MatchOp, Matcher},
    parser::VectorSelector,
};

use crate::{
    board::Board,
    http::{
        HttpState, cluster,
        metrics::families::{RECORDED, Recorded},
        recorded::{self, Estimates, Offsets, Source},
    },
    model::{ClusterName, GroupId, SeriesIndex},
};

use super::{failure::Failure, labels::Labels};

/// As many as a large store has in one family.
pub(super) const MAX_SERIES: usize = 100_000;

/// The matchers of a selector, the name among them.
#[derive(Debug)]
pub(super) struct Selector(Vec<Matcher>);

/// Series of one cluster that are read together.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) cluster: ClusterName,
    pub(super) reader: Reader,
    pub(super) series: Vec<recorded::Series>,
}

#[derive(Debug)]
pub(super) enum Reader {
    Offsets(Offsets),
    /// With how far back its window reaches.
    Estimates(Box<Estimates>, Duration),
    Told(SeriesIndex),
}

impl Selector {
    pub(super) fn of(selector: &VectorSelector) -> Result<Self, Failure> {
        if !selector.matchers.or_matchers.is_empty() {
            return Err(Failure::not_supported("\"or\" between matchers"));
        }
        let name = selector.name.iter();
        let name = name.map(|name| Matcher::new(MatchOp::Equal, METRIC_NAME, name));
        let matchers = selector.matchers.matchers.iter().cloned();
        Ok(Self(matchers.chain(name).collect()))
    }

    /// All series there are.
    pub(super) fn all() -> Self {
        Self(Vec::new())
    }

    /// May a label have this value?
    pub(super) fn picks(&self, name: &str, value: &str) -> bool {
        let mut matchers = self.0.iter().filter(|matcher| matcher.name == name);
        matchers.all(|matcher| matcher.is_match(value))
    }

    /// The labels that `absent` has.
    pub(super) fn equalities(&self) -> Labels {
        let is_fixed = |matcher: &&Matcher| {
            let mut same = self.0.iter().filter(|other| other.name == matcher.name);
            matcher.name != METRIC_NAME
                && matcher.op == MatchOp::Equal
                && same.next() == Some(*matcher)
                && same.next().is_none()
        };
        let fixed = self.0.iter().filter(is_fixed);
        let pair =
            |matcher: &Matcher| (matcher.name.as_str().into(), matcher.value.as_str().into());
        Labels::new(fixed.map(pair))
    }

    fn families(&self) -> impl Iterator<Item = &'static Recorded> {
        RECORDED.iter().filter(|recorded| {
            let labels = recorded.subject.labels();
            let has = |name: &str| name == METRIC_NAME || labels.contains(&name);
            let mut others = self.0.iter().filter(|matcher| !has(&matcher.name));
            self.picks(METRIC_NAME, recorded.family.name)
                && others.all(|matcher| matcher.is_match(""))
        })
    }
}

/// Which clusters' catalogues to look into.
#[derive(Debug)]
pub(super) struct Catalogue<'a> {
    pub(super) state: &'a HttpState,
    pub(super) board: &'a Board,
}

impl Catalogue<'_> {
    /// Visits each series that matches, cluster by cluster; an error if there are
    /// more than `left`, which is less by them then.
    pub(super) fn each(
        &self,
        selector: &Selector,
        left: &mut usize,
        mut visit: impl FnMut(&ClusterName, recorded::Series) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let told = self.told_index(selector)?;
        let wanted = |name: &str, value: &str| selector.picks(name, value);
        for cluster in &self.state.clusters {
            let families = || {
                let families = selector.families();
                families.filter(|recorded| {
                    selector.picks(recorded.subject.source_label(), cluster.as_str())
                })
            };
            if families().next().is_none() {
                continue;
            }
            let visited = cluster::with_index(self.state, self.board, cluster, |index| {
                for recorded in families() {
                    let of_ticks = recorded::series(recorded, index, &wanted);
                    let of_told = told.iter().flat_map(|told| {
                        let is_told = recorded.source() == Source::Told;
                        let told = is_told.then_some(told);
                        told.into_iter().flat_map(|told| {
                            recorded::series_of_watches(recorded, cluster, told, &wanted)
                        })
                    });
                    for series in of_ticks.chain(of_told) {
                        *left = left.checked_sub(1).ok_or_else(too_many_series)?;
                        visit(cluster, series)?;
                    }
                }
                Ok::<_, Failure>(())
            })?;
            visited.unwrap_or(Ok(()))?;
        }
        Ok(())
    }

    /// What matches, ready to be read.
    pub(super) fn batches(
        &self,
        selector: &Selector,
        left: &mut usize,
    ) -> Result<Vec<Batch>, Failure> {
        let mut drafts: BTreeMap<Draft, Vec<recorded::Series>> = BTreeMap::new();
        self.each(selector, left, |cluster, series| {
            let draft = Draft::of(cluster, &series);
            drafts.entry(draft).or_default().push(series);
            Ok(())
        })?;
        let mut batches = Vec::new();
        for (draft, series) in drafts {
            batches.extend(self.batch(draft, series)?);
        }
        Ok(batches)
    }

    fn batch(&self, draft: Draft, series: Vec<recorded::Series>) -> Result<Option<Batch>, Failure> {
        let (state, board, cluster) = (self.state, self.board, draft.cluster);
        let reader = match (draft.source, &draft.group) {
            (Source::Told, _) => {
                let told = state.store.told_index()?.unwrap_or_default();
                Some(Reader::Told(told))
            }
            (Source::Estimates, Some(group)) => {
                let reach = cluster::look_back(state, board, &cluster);
                let parameters = state.parameters;
                let estimates = |index: &SeriesIndex| {
                    Estimates::new(index, group, series.clone(), parameters, reach)
                };
                let found = cluster::with_index(state, board, &cluster, estimates)?;
                let found = found.flatten().map(Box::new);
                found.map(|estimates| Reader::Estimates(estimates, reach))
            }
            _ => {
                let offsets = |index: &SeriesIndex| Offsets::new(index, &series);
                let found = cluster::with_index(state, board, &cluster, offsets)?;
                found.map(Reader::Offsets)
            }
        };
        Ok(reader.map(|reader| Batch {
            cluster,
            reader,
            series,
        }))
    }

    /// If the selector is about watches.
    fn told_index(&self, selector: &Selector) -> Result<Option<SeriesIndex>, Failure> {
        let mut families = selector.families();
        if families.any(|recorded| recorded.source() == Source::Told) {
            return Ok(self.state.store.told_index()?);
        }
        Ok(None)
    }
}

/// What is read together.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Draft {
    cluster: ClusterName,
    source: Source,
    /// Of estimates, which are made group by group.
    group: Option<GroupId>,
}

impl Draft {
    fn of(cluster: &ClusterName, series: &recorded::Series) -> Self {
        let source = series.recorded.source();
        let group = series.of.group().filter(|_| source == Source::Estimates);
        Self {
            cluster: cluster.clone(),
            source,
            group: group.cloned(),
        }
    }
}

fn too_many_series() -> Failure {
    Failure::too_large(
        format!("more than {MAX_SERIES} series to read"),
        format!("at most {MAX_SERIES}"),
        "name a cluster, a group or a topic, or take the sums",
    )
}
