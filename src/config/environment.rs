//! Environment variables laid over the file.
//!
//! `TIDEGAUGE_STORE__DATA_DIR` is `data_dir` in `[store]`. Variables without
//! `__` behind the prefix are not ours: Kubernetes injects
//! `TIDEGAUGE_SERVICE_HOST` and the like for a service called `tidegauge`.

use super::{
    mistake::{Mistake, cut},
    tree::{Node, Table, Value},
};

const PREFIX: &str = "TIDEGAUGE_";
const SEPARATOR: &str = "__";
/// Deeper than any key; it bounds the tree that a name can build.
const MAX_DEPTH: usize = 8;

/// The environment of this process. What is not UTF-8 comes with U+FFFD in it,
/// which is refused in a value that is ours.
pub fn process_environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| {
        (
            name.to_string_lossy().into_owned(),
            value.to_string_lossy().into_owned(),
        )
    })
}

/// The variable that stands for a key's path.
pub(super) fn variable_name(path: &str) -> String {
    let name = path.replace('.', SEPARATOR).replace('-', "_");
    format!("{PREFIX}{}", name.to_ascii_uppercase())
}

/// Lays the variables that are ours over `table`, in the order of their names.
pub(super) fn overlay(
    table: &mut Table,
    environment: impl IntoIterator<Item = (String, String)>,
    mistakes: &mut Vec<Mistake>,
) {
    let mut variables: Vec<Variable> = environment
        .into_iter()
        .filter_map(|(name, text)| Variable::new(name, text))
        .collect();
    variables.sort_by(|a, b| a.name.cmp(&b.name));
    for variable in variables {
        if let Err(refusal) = variable.lay_over(table, &variable.path) {
            mistakes.push(Mistake {
                place: cut(&variable.name),
                key: cut(&variable.path.join(".")),
                found: refusal.found,
                accepted: refusal.accepted.to_owned(),
            });
        }
    }
}

struct Variable {
    name: String,
    path: Vec<String>,
    text: String,
}

struct Refusal {
    found: String,
    accepted: &'static str,
}

impl Variable {
    fn new(name: String, text: String) -> Option<Self> {
        let rest = name.strip_prefix(PREFIX)?;
        if !rest.contains(SEPARATOR) {
            return None;
        }
        let path = rest.split(SEPARATOR).map(str::to_lowercase).collect();
        Some(Self { name, path, text })
    }

    fn node(&self, value: Value) -> Node {
        Node {
            place: cut(&self.name),
            value,
        }
    }

    fn lay_over(&self, table: &mut Table, path: &[String]) -> Result<(), Refusal> {
        self.check()?;
        let (key, below) = path.split_first().expect("a variable names a key");
        let key = existing_key(table, key).unwrap_or_else(|| key.clone());
        if below.is_empty() {
            return self.lay_down(table, key);
        }
        let inner = table
            .entry(key)
            .or_insert_with(|| self.node(Value::Table(Table::new())));
        match &mut inner.value {
            Value::Table(inner) => self.lay_over(inner, below),
            other => Err(Refusal {
                found: format!("goes below {} at {}", other.kind(), inner.place),
                accepted: "the path of a key",
            }),
        }
    }

    fn lay_down(&self, table: &mut Table, key: String) -> Result<(), Refusal> {
        match table.get(&key) {
            Some(Node {
                place,
                value: Value::Variable(_),
            }) => Err(Refusal {
                found: format!("same key as {place}"),
                accepted: "one variable a key",
            }),
            Some(Node {
                value: Value::Table(_),
                ..
            }) => Err(Refusal {
                found: "found text for a table".to_owned(),
                accepted: "one variable for each key in it",
            }),
            _ => {
                table.insert(key, self.node(Value::Variable(self.text.clone())));
                Ok(())
            }
        }
    }

    fn check(&self) -> Result<(), Refusal> {
        if self.path.len() > MAX_DEPTH {
            return Err(Refusal {
                found: format!("{} parts", self.path.len()),
                accepted: "at most 8 parts between __",
            });
        }
        if self.text.contains(char::REPLACEMENT_CHARACTER) {
            return Err(Refusal {
                found: "bytes that are not UTF-8".to_owned(),
                accepted: "text in UTF-8",
            });
        }
        Ok(())
    }
}

/// The key of `table` that `segment` names: itself, or one that differs in
/// punctuation that names of variables can't have.
fn existing_key(table: &Table, segment: &str) -> Option<String> {
    if table.contains_key(segment) {
        return Some(segment.to_owned());
    }
    table
        .keys()
        .find(|key| key.replace(['-', '.'], "_") == segment)
        .cloned()
}
