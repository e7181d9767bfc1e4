//! Names of clusters and queues, where other keys name them.

use crate::model::ClusterName;

use super::section::Section;

/// What a name is looked up among.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    /// Under which key another names one.
    pub key: &'static str,
    /// The table whose keys they are.
    pub table: &'static str,
    pub known: &'a [&'a ClusterName],
}

impl<'a> Names<'a> {
    /// The one that the section names.
    pub(super) fn named(self, section: &mut Section<'_>) -> Option<ClusterName> {
        let name = section.text(self.key, 1..=usize::MAX)?;
        let found = self.known.iter().find(|known| known.as_str() == name);
        if found.is_none() {
            section.refuse(self.key, self.accepted());
        }
        found.map(|found| ClusterName::clone(found))
    }

    /// The same; else `default`, and without one it is a mistake.
    pub(super) fn named_or(
        self,
        section: &mut Section<'_>,
        default: Option<&ClusterName>,
    ) -> Option<ClusterName> {
        let named = self.named(section);
        if default.is_none() {
            section.require(self.key, self.accepted());
        }
        let default = default.filter(|_| !section.has(self.key));
        named.or_else(|| default.cloned())
    }

    /// The only one that there is.
    pub(super) fn only(self) -> Option<&'a ClusterName> {
        match self.known {
            [only] => Some(only),
            _ => None,
        }
    }

    /// What is accepted.
    pub(super) fn accepted(self) -> String {
        let names = self.known.iter().map(|name| format!("{:?}", name.as_str()));
        let names: Vec<_> = names.collect();
        if names.is_empty() {
            return format!("a name under [{}], which has none", self.table);
        }
        names.join(" or ")
    }
}
