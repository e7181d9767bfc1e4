//! Operators between two numbers.

use promql_parser::parser::token::{
    T_ADD, T_ATAN2, T_DIV, T_EQLC, T_GTE, T_GTR, T_LSS, T_LTE, T_MOD, T_MUL, T_NEQ, T_POW, T_SUB,
    TokenId,
};

/// What two numbers make: of a comparison the left one, and whether it holds.
pub(super) fn operate(operator: TokenId, left: f64, right: f64) -> Option<(f64, bool)> {
    let compared = |holds| Some((left, holds));
    match operator {
        T_ADD => Some((left + right, true)),
        T_SUB => Some((left - right, true)),
        T_MUL => Some((left * right, true)),
        T_DIV => Some((left / right, true)),
        T_MOD => Some((left % right, true)),
        T_POW => Some((left.powf(right), true)),
        T_ATAN2 => Some((left.atan2(right), true)),
        T_EQLC => compared(left == right),
        T_NEQ => compared(left != right),
        T_GTR => compared(left > right),
        T_LSS => compared(left < right),
        T_GTE => compared(left >= right),
        T_LTE => compared(left <= right),
        _ => None,
    }
}

/// 1 or 0.
pub(super) fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}
