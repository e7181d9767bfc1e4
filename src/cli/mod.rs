//! The command line: one file a subcommand.

pub mod ask;
pub mod check;
pub mod demo;
pub mod serve;
