//! What was found in files, look by look.

/// What was found, look by look. A file that is half written is not taken up,
/// since it must hold the same twice in a row.
#[derive(Debug)]
pub(crate) struct Looks<T> {
    /// What was taken up or refused.
    settled: T,
    last: T,
}

impl<T: Clone + PartialEq> Looks<T> {
    pub(crate) fn new(found: T) -> Self {
        Self {
            settled: found.clone(),
            last: found,
        }
    }

    pub(crate) fn settle(&mut self, found: T) {
        *self = Self::new(found);
    }

    /// What was taken up or refused.
    pub(crate) fn settled(&self) -> &T {
        &self.settled
    }

    /// Is `found`, found for the second time in a row, another than before?
    pub(crate) fn is_changed_by(&mut self, found: T) -> bool {
        let is_whole = found == self.last;
        let is_changed = is_whole && found != self.settled;
        if is_changed {
            self.settled = found.clone();
        }
        self.last = found;
        is_changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_when_it_is_found_twice_in_a_row() {
        let mut looks = Looks::new("a = 1");
        for (found, expected) in [
            ("a = 1", false),
            ("", false),
            ("a =", false),
            ("a = 2", false),
            ("a = 2", true),
            ("a = 2", false),
            ("a = 3", false),
            ("a = 2", false),
            ("a = 2", false),
            ("gone", false),
            ("gone", true),
            ("gone", false),
        ] {
            assert_eq!(looks.is_changed_by(found), expected, "{found:?}");
        }
    }
}
