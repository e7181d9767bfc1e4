//! The subcommands, one a file. They know nothing of how their arguments are
//! parsed: `main` does that.

pub mod check;
