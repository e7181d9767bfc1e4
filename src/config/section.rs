//! One table of the configuration, read key by key to its end.
//!
//! A section hands out typed values, pushes every mistake into one list and goes
//! on with a placeholder, which never leaves the module: with a mistake in the
//! list there is no [`Config`](super::Config). Keys that nobody asked for are
//! unknown. Single values are read in `values.rs`.

use std::{fmt::Display, ops::RangeInclusive};

use super::{
    mistake::{Mistake, cut, cut_reason},
    tree::{Node, Table, Value},
};

static EMPTY: Table = Table::new();

/// A table under its path, and the list of mistakes.
pub(super) struct Section<'a> {
    path: String,
    place: &'a str,
    table: &'a Table,
    asked: Vec<&'static str>,
    /// Asked for, but not to be offered: only the environment may set them.
    hidden: Vec<&'static str>,
    mistakes: &'a mut Vec<Mistake>,
}

/// One value of a list, or of a table whose keys are names.
pub(super) struct Item {
    /// Its key in the table; empty in a list.
    pub name: String,
    path: String,
    node: Node,
}

impl Item {
    /// The value as written.
    pub(super) fn value(&self) -> &Value {
        &self.node.value
    }

    /// Does it come from the environment?
    pub(super) fn is_variable(&self) -> bool {
        matches!(self.node.value, Value::Variable(_))
    }

    /// The values in the table that it is; none if it is no table.
    pub(super) fn items(&self) -> Vec<Item> {
        match &self.node.value {
            Value::Table(table) => items_of(table, &self.path),
            _ => Vec::new(),
        }
    }
}

/// Tables and lists.
impl<'a> Section<'a> {
    /// Reads a table: what `read` asks for, and then there must be no more.
    pub(super) fn read<T>(
        path: String,
        place: &str,
        table: &Table,
        mistakes: &mut Vec<Mistake>,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> T {
        let mut section = Section {
            path,
            place,
            table,
            asked: Vec::new(),
            hidden: Vec::new(),
            mistakes,
        };
        let value = read(&mut section);
        section.refuse_unknown_keys();
        value
    }

    /// The table at `key`; where there is none, as if it were empty.
    pub(super) fn table<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> T {
        let path = self.path_of(key);
        match self.get(key) {
            Some(node) => self.inside(path, node, read),
            None => Section::read(path, self.place, &EMPTY, self.mistakes, read),
        }
    }

    /// The table at `key`, if there is one.
    pub(super) fn optional_table<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> Option<T> {
        let node = self.get(key)?;
        Some(self.inside(self.path_of(key), node, read))
    }

    /// The table that `item` is.
    pub(super) fn item_table<T>(
        &mut self,
        item: &Item,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> T {
        self.inside(item.path.clone(), &item.node, read)
    }

    /// All values of a table whose keys are names.
    pub(super) fn items(&mut self) -> Vec<Item> {
        let table = std::mem::replace(&mut self.table, &EMPTY);
        items_of(table, &self.path)
    }

    /// The values of the list at `key`, of which a variable holds texts between
    /// commas; none where there is no list, or one too long. `each` says what one value is.
    pub(super) fn list(
        &mut self,
        key: &'static str,
        count: RangeInclusive<usize>,
        each: &str,
    ) -> Vec<Item> {
        let Some(node) = self.get(key) else {
            return Vec::new();
        };
        let nodes = match &node.value {
            Value::List(nodes) => nodes.clone(),
            Value::Variable(text) => split(node, text),
            _ => {
                self.refuse(key, format!("a list, each {each}"));
                return Vec::new();
            }
        };
        if !count.contains(&nodes.len()) {
            let why = format!("{} in it", nodes.len());
            let (least, most) = count.into_inner();
            let accepted = format!("a list of {least} to {most}, each {each}");
            self.refuse_because(key, why, accepted);
            return Vec::new();
        }
        let path = self.path_of(key);
        let item = |(index, node)| Item {
            name: String::new(),
            path: format!("{path}[{index}]"),
            node,
        };
        nodes.into_iter().enumerate().map(item).collect()
    }

    /// The texts of the list at `key`, each of which `is_valid`.
    pub(super) fn texts(
        &mut self,
        key: &'static str,
        count: RangeInclusive<usize>,
        each: &str,
        is_valid: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let mut texts = Vec::new();
        for item in self.list(key, count, each) {
            match item.value().text().filter(|text| is_valid(text)) {
                Some(text) => texts.push(text.to_owned()),
                None => self.refuse_item(&item, each),
            }
        }
        texts
    }

    /// Is there anything at `key`?
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The value at `key`, which is known from now on.
    pub(super) fn get(&mut self, key: &'static str) -> Option<&'a Node> {
        self.asked.push(key);
        self.table.get(key)
    }

    /// The same for a key that is not named where accepted keys are listed.
    pub(super) fn get_hidden(&mut self, key: &'static str) -> Option<&'a Node> {
        self.hidden.push(key);
        self.table.get(key)
    }

    /// The path of `key` in the whole configuration.
    pub(super) fn path_of(&self, key: &str) -> String {
        path_of(&self.path, key)
    }

    /// What is no table is told without its value, which may be a secret in the
    /// wrong place. What it lacks is then no mistake of its own.
    fn inside<T>(
        &mut self,
        path: String,
        node: &Node,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> T {
        if let Value::Table(table) = &node.value {
            return Section::read(path, &node.place, table, self.mistakes, read);
        }
        let found = format!("found {}", node.value.kind());
        self.push(&node.place, path.clone(), found, "a table");
        Section::read(path, &node.place, &EMPTY, &mut Vec::new(), read)
    }
}

/// Mistakes.
impl Section<'_> {
    /// Without anything at `key` it is a mistake.
    pub(super) fn require(&mut self, key: &str, accepted: impl Display) {
        if !self.has(key) {
            self.refuse(key, accepted);
        }
    }

    /// The value at `key` is a mistake, or that there is none.
    pub(super) fn refuse(&mut self, key: &str, accepted: impl Display) {
        match self.table.get(key) {
            Some(node) => {
                let found = format!("found {}", node.value.shown());
                self.push(&node.place, self.path_of(key), found, accepted);
            }
            None => {
                let found = "is missing".to_owned();
                self.push(self.place, self.path_of(key), found, accepted);
            }
        }
    }

    /// The value at `key` is a mistake, with a reason.
    pub(super) fn refuse_because(&mut self, key: &str, why: impl Display, accepted: impl Display) {
        if let Some(node) = self.table.get(key) {
            let why = cut_reason(&why.to_string());
            let found = format!("found {}: {why}", node.value.shown());
            self.push(&node.place, self.path_of(key), found, accepted);
        }
    }

    /// The value at `key` is a mistake, and `found` tells of it: for values that
    /// are not to be shown.
    pub(super) fn refuse_unseen(&mut self, key: &str, found: &str, accepted: impl Display) {
        if let Some(node) = self.table.get(key) {
            self.push(&node.place, self.path_of(key), found.to_owned(), accepted);
        }
    }

    /// The item is a mistake.
    pub(super) fn refuse_item(&mut self, item: &Item, accepted: impl Display) {
        let found = format!("found {}", item.node.value.shown());
        self.push(&item.node.place, item.path.clone(), found, accepted);
    }

    /// The item is a mistake, and `found` tells of it.
    pub(super) fn refuse_item_unseen(&mut self, item: &Item, found: &str, accepted: impl Display) {
        self.push(
            &item.node.place,
            item.path.clone(),
            found.to_owned(),
            accepted,
        );
    }

    /// The section as a whole is a mistake.
    pub(super) fn refuse_whole(&mut self, found: String, accepted: impl Display) {
        self.push(self.place, self.path.clone(), found, accepted);
    }

    fn refuse_unknown_keys(&mut self) {
        let (table, accepted) = (self.table, self.asked.join(", "));
        for (key, node) in table {
            if !self.knows(key) {
                let found = "unknown key".to_owned();
                self.push(&node.place, self.path_of(key), found, &accepted);
            }
        }
    }

    fn knows(&self, key: &str) -> bool {
        self.asked.contains(&key) || self.hidden.contains(&key)
    }

    fn push(&mut self, place: &str, key: String, found: String, accepted: impl Display) {
        self.mistakes.push(Mistake {
            place: place.to_owned(),
            key,
            found,
            accepted: accepted.to_string(),
        });
    }
}

fn path_of(path: &str, key: &str) -> String {
    let separator = if path.is_empty() { "" } else { "." };
    format!("{path}{separator}{}", cut(key))
}

fn items_of(table: &Table, path: &str) -> Vec<Item> {
    let item = |(name, node): (&String, &Node)| Item {
        name: name.clone(),
        path: path_of(path, name),
        node: node.clone(),
    };
    table.iter().map(item).collect()
}

fn split(node: &Node, text: &str) -> Vec<Node> {
    let part = |part: &str| Node {
        place: node.place.clone(),
        value: Value::Variable(part.trim().to_owned()),
    };
    let parts = text.split(',').map(part);
    parts.filter(|_| !text.trim().is_empty()).collect()
}
