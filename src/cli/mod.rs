//! The command line: one file a subcommand.

mod address;
pub mod ask;
pub mod backup;
pub mod check;
pub mod demo;
pub mod export;
pub mod inspect;
pub mod restore;
pub mod serve;
