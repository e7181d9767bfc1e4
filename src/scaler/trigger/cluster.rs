//! Which cluster a trigger is about.

use crate::model::ClusterName;

use super::super::metadata::Reader;
use super::rules::{KnownCluster, TriggerRules};

/// So many clusters are named in an error.
const NAMED: usize = 8;

/// By `cluster`, or by an address of `bootstrapServers`; if neither is given,
/// the only one that there is.
pub(super) fn read(reader: &mut Reader<'_>, rules: &TriggerRules) -> ClusterName {
    let known = &rules.clusters;
    let by_name = reader
        .text("cluster")
        .map(|name| named(reader, name, known));
    let servers = reader.text("bootstrapServers");
    let by_address = servers.map(|servers| addressed(reader, servers, known));
    if by_name.is_none() && by_address.is_none() && known.len() != 1 {
        reader.required("cluster", &names(known));
    }
    match (by_name.flatten(), by_address.flatten()) {
        (Some(name), Some(address)) if name != address => {
            let accepted = format!("addresses of cluster {:?}", name.as_str());
            reader.refuse("bootstrapServers", servers.unwrap_or_default(), &accepted);
            name
        }
        (Some(found), _) | (None, Some(found)) => found,
        (None, None) => first(known),
    }
}

/// The only one; after a mistake any will do.
fn first(known: &[KnownCluster]) -> ClusterName {
    let first = known.first();
    first.map_or_else(|| ClusterName::from(""), |first| first.name.clone())
}

fn named(reader: &mut Reader<'_>, name: &str, known: &[KnownCluster]) -> Option<ClusterName> {
    let found = known.iter().find(|known| known.name.as_str() == name);
    if found.is_none() {
        reader.refuse("cluster", name, &names(known));
    }
    found.map(|found| found.name.clone())
}

fn addressed(
    reader: &mut Reader<'_>,
    servers: &str,
    known: &[KnownCluster],
) -> Option<ClusterName> {
    let asked: Vec<_> = servers.split(',').map(str::trim).collect();
    let has_one = |known: &&KnownCluster| {
        let mut own = known.bootstrap_servers.iter();
        own.any(|own| asked.iter().any(|asked| own.eq_ignore_ascii_case(asked)))
    };
    let found: Vec<_> = known.iter().filter(has_one).collect();
    match found[..] {
        [found] => return Some(found.name.clone()),
        [] => reader.refuse("bootstrapServers", servers, &addresses(known)),
        _ => {
            let accepted = "addresses of one cluster (cluster names one of several)";
            reader.refuse("bootstrapServers", servers, accepted);
        }
    }
    None
}

fn names(known: &[KnownCluster]) -> String {
    if known.is_empty() {
        return "a name under [clusters], which has none".to_owned();
    }
    listed(known, |known| format!("{:?}", known.name.as_str()))
}

fn addresses(known: &[KnownCluster]) -> String {
    let addresses = |known: &KnownCluster| {
        let servers = known.bootstrap_servers.iter().take(NAMED);
        let servers: Vec<_> = servers.map(String::as_str).collect();
        format!("{} (cluster {:?})", servers.join(","), known.name.as_str())
    };
    let listed = listed(known, addresses);
    format!("an address of a configured cluster: {listed}")
}

/// The first of them as `shown`, and how many more there are.
pub(super) fn listed<T>(known: &[T], shown: impl Fn(&T) -> String) -> String {
    let mut listed: Vec<_> = known.iter().take(NAMED).map(shown).collect();
    if known.len() > NAMED {
        listed.push(format!("{} more", known.len() - NAMED));
    }
    listed.join(" or ")
}
