//! Topics in which the listed groups of a cluster are watched.

use crate::model::TopicFilter;

use super::{patterns::patterns, section::Section};

/// Reads `[clusters.NAME.topics]`. A listed group is watched in the topics in
/// which it has a commit, that one of `include` matches in some part of their
/// name (all, if there is none) and that none of `exclude` does; each at most
/// 100 of 1,000 characters. What is asked for by name is watched in any case.
/// Default: all; `TIDEGAUGE_CLUSTERS__NAME__TOPICS__INCLUDE`, `..._EXCLUDE`,
/// which can hold no pattern with a comma.
pub(super) fn read(section: &mut Section<'_>) -> TopicFilter {
    TopicFilter {
        include: patterns(section, "include"),
        exclude: patterns(section, "exclude"),
    }
}
