//! Functions that change labels.

use promql_parser::parser::Expr;

use super::Evaluator;
use crate::http::{
    pattern::anchored,
    prometheus::{
        failure::Failure,
        labels::Labels,
        value::{Value, relabelled},
    },
};

/// So long may a label be that is made here.
const MAX_LABEL_BYTES: usize = 4 << 10;

impl Evaluator<'_> {
    pub(super) fn label_replace(
        &mut self,
        vector: &Expr,
        texts: &[&Expr],
    ) -> Result<Value, Failure> {
        let [to, replacement, from, expression] = literals(texts)?;
        let pattern = anchored(expression).map_err(|_| {
            let why = "invalid regular expression in label_replace()";
            Failure::Execution(format!("{why}: {expression}"))
        })?;
        check_name("label_replace", to)?;
        let replaced = |labels: &Labels| {
            let Some(captures) = pattern.captures(labels.get(from)) else {
                return labels.clone();
            };
            let mut value = String::new();
            captures.expand(replacement, &mut value);
            labels.with(to, cut(&value))
        };
        let series = self.vector_of(vector)?;
        relabelled(series, self.steps.count, replaced).map(Value::Vector)
    }

    pub(super) fn label_join(&mut self, vector: &Expr, texts: &[&Expr]) -> Result<Value, Failure> {
        let texts: Option<Vec<_>> = texts.iter().map(|text| literal(text)).collect();
        let texts = texts.unwrap_or_default();
        let [to, separator, from @ ..] = &texts[..] else {
            return Err(Failure::not_supported("such an argument of label_join()"));
        };
        check_name("label_join", to)?;
        let joined = |labels: &Labels| {
            let values: Vec<_> = from.iter().map(|name| labels.get(name)).collect();
            labels.with(to, cut(&values.join(separator)))
        };
        let series = self.vector_of(vector)?;
        relabelled(series, self.steps.count, joined).map(Value::Vector)
    }
}

fn literal(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::StringLiteral(text) => Some(&text.val),
        Expr::Paren(inner) => literal(&inner.expr),
        _ => None,
    }
}

fn literals<'a, const N: usize>(texts: &[&'a Expr]) -> Result<[&'a str; N], Failure> {
    let texts: Option<Vec<_>> = texts.iter().map(|text| literal(text)).collect();
    let texts = texts.and_then(|texts| texts.try_into().ok());
    texts.ok_or_else(|| Failure::not_supported("such an argument of label_replace()"))
}

fn check_name(function: &str, name: &str) -> Result<(), Failure> {
    let starts = |c: char| c.is_ascii_alphabetic() || c == '_';
    let goes_on = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.starts_with(starts) && name.chars().all(goes_on) {
        return Ok(());
    }
    Err(Failure::Execution(format!(
        "invalid destination label name in {function}(): {name}"
    )))
}

fn cut(value: &str) -> &str {
    &value[..value.floor_char_boundary(MAX_LABEL_BYTES)]
}
