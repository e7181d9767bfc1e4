//! Which columns an answer has, and what a row of them says.

use tokio_postgres::{
    Row, Statement,
    types::{FromSql, Kind, Type},
};

use crate::{
    config::cut_at,
    model::{GroupId, MAX_TASK_CHARS, QueueReading},
};

use super::{
    super::queue::Task,
    failure::Failure,
    number::{Number, is_number, is_time},
};

const ACCEPTED: &str = "name, depth, oldest_age, added, done";
/// So much of a name or a list is told that is refused.
const SHOWN_CHARS: usize = 100;
const COUNT: &str = "a whole number from 0 on";
const AGE: &str = "seconds or an interval";

/// Where in a row what stands.
#[derive(Debug)]
pub(super) struct Columns {
    name: usize,
    depth: usize,
    oldest_age: Option<usize>,
    added: Option<usize>,
    done: Option<usize>,
}

impl Columns {
    /// Those of the statement, each of which must be one that is read, and of a type
    /// that it can have.
    pub(super) fn of(statement: &Statement) -> Result<Self, Failure> {
        let columns: Vec<_> = statement
            .columns()
            .iter()
            .map(|column| (column.name(), column.type_()))
            .collect();
        Self::find(&columns).map_err(Failure::Columns)
    }

    fn find(columns: &[(&str, &Type)]) -> Result<Self, String> {
        let place = |name: &str, accepts: fn(&Type) -> bool, accepted: &str| {
            let mut found = columns
                .iter()
                .enumerate()
                .filter(|(_, (found, _))| *found == name);
            match (found.next(), found.next()) {
                (Some((place, (_, of))), None) if accepts(of) => Ok(Some(place)),
                (Some((_, (_, of))), None) => Err(format!(
                    "column {name} is of type {of}; accepted is {accepted}"
                )),
                (None, _) => Ok(None),
                (Some(_), Some(_)) => Err(format!("column {name} is there twice")),
            }
        };
        let (number, age) = (
            "an integer or numeric",
            "an integer, numeric, double or interval",
        );
        let found = Self {
            name: place("name", is_text, "text")?.ok_or_else(|| missing("name", columns))?,
            depth: place("depth", is_number, number)?.ok_or_else(|| missing("depth", columns))?,
            oldest_age: place("oldest_age", is_time, age)?,
            added: place("added", is_number, number)?,
            done: place("done", is_number, number)?,
        };
        let is_known = |name: &str| ACCEPTED.split(", ").any(|known| known == name);
        let unknown = columns.iter().find(|(name, _)| !is_known(name));
        match unknown {
            Some((name, _)) => Err(format!(
                "column {} is none of {ACCEPTED}",
                cut_at(name, SHOWN_CHARS)
            )),
            None => Ok(found),
        }
    }

    /// What the row says.
    pub(super) fn task(&self, row: &Row) -> Result<Task, Failure> {
        let name = name(row, self.name)?;
        let value = |column, place: Option<usize>, accepted| match place {
            Some(place) => value(row, &name, column, place, accepted),
            None => Ok(None),
        };
        let count = |column, place| {
            let found = value(column, place, COUNT)?;
            found.map_or(Ok(None), |number: Number| {
                let count = number.whole().filter(|count| *count >= 0);
                count
                    .map(Some)
                    .ok_or_else(|| refused(&name, column, number.to_string(), COUNT))
            })
        };
        let depth = count("depth", Some(self.depth))?;
        let depth = depth.ok_or_else(|| refused(&name, "depth", "NULL".to_owned(), COUNT))?;
        // What is dated in the future has not waited.
        let age = value("oldest_age", self.oldest_age, AGE)?;
        let oldest_age_ms = age.map(|age| age.thousandths().max(0));
        let (added, done) = (count("added", self.added)?, count("done", self.done)?);
        Ok(Task {
            name: GroupId::from(name),
            depth,
            reading: QueueReading {
                oldest_age_ms,
                added,
                done,
            },
        })
    }
}

fn missing(name: &str, columns: &[(&str, &Type)]) -> String {
    let found: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    let found = cut_at(&found.join(", "), SHOWN_CHARS);
    format!("answer has no column {name}, only [{found}]; accepted are {ACCEPTED}")
}

fn is_text(of: &Type) -> bool {
    <&str as FromSql>::accepts(of) || matches!(of.kind(), Kind::Enum(_))
}

fn name(row: &Row, place: usize) -> Result<String, Failure> {
    let Raw(raw) = row.try_get(place)?;
    let Some(raw) = raw else {
        return Err(Failure::Name("NULL".to_owned()));
    };
    let name = String::from_utf8_lossy(raw);
    let chars = name.chars().take(MAX_TASK_CHARS + 1).count();
    let is_name = (1..=MAX_TASK_CHARS).contains(&chars)
        && std::str::from_utf8(raw).is_ok()
        && !name.chars().any(char::is_control);
    if !is_name {
        let shown = cut_at(&name, SHOWN_CHARS);
        return Err(Failure::Name(format!("\"{shown}\"")));
    }
    Ok(name.into_owned())
}

fn value(
    row: &Row,
    task: &str,
    column: &'static str,
    place: usize,
    accepted: &'static str,
) -> Result<Option<Number>, Failure> {
    let Raw(raw) = row.try_get(place)?;
    let Some(raw) = raw else { return Ok(None) };
    let number = Number::read(row.columns()[place].type_(), raw);
    let out_of_range = || refused(task, column, "out of range".to_owned(), accepted);
    number.map(Some).ok_or_else(out_of_range)
}

fn refused(task: &str, column: &'static str, found: String, accepted: &'static str) -> Failure {
    Failure::Value {
        task: task.to_owned(),
        column,
        found,
        accepted,
    }
}

/// A value as it was sent.
struct Raw<'a>(Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_in_any_order() {
        let found = Columns::find(&[
            ("done", &Type::INT4),
            ("depth", &Type::NUMERIC),
            ("oldest_age", &Type::INTERVAL),
            ("name", &Type::VARCHAR),
        ]);
        let found = found.expect("all that there must be");
        assert_eq!((found.name, found.depth), (3, 1));
        let others = (found.oldest_age, found.added, found.done);
        assert_eq!(others, (Some(2), None, Some(0)));
    }

    #[test]
    fn columns_of_no_use_are_refused_with_what_is_accepted() {
        const NAME: (&str, &Type) = ("name", &Type::TEXT);
        const DEPTH: (&str, &Type) = ("depth", &Type::INT8);
        for (columns, why) in [
            (&[][..], "answer has no column name, only []"),
            (&[NAME], "answer has no column depth, only [name]"),
            (&[NAME, DEPTH, DEPTH], "column depth is there twice"),
            (
                &[("name", &Type::INT8), DEPTH],
                "column name is of type int8",
            ),
            (
                &[NAME, ("depth", &Type::FLOAT8)],
                "column depth is of type float8",
            ),
            (
                &[NAME, DEPTH, ("added", &Type::TEXT)],
                "column added is of type text",
            ),
            (
                &[NAME, DEPTH, ("oldest_age", &Type::TIMESTAMPTZ)],
                "is of type timestamptz",
            ),
            (
                &[NAME, DEPTH, ("age", &Type::INT8)],
                "column age is none of name, depth",
            ),
        ] {
            let found = Columns::find(columns).expect_err(why);
            assert!(found.contains(why), "{found}");
        }
    }
}
