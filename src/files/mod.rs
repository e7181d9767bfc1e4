//! Files whose contents change while the process runs.
//!
//! It owns how a change is seen, and what was last made of the files; it does
//! not know what that is. It looks at what a path holds, not at the file behind
//! it: Kubernetes swaps a link, editors rename, and some file systems tell of
//! neither. Its key invariant: what was made of the files before stays in use
//! until something can be made of the new ones.

mod followed;
mod holding;
mod looks;

pub use followed::Followed;
pub use holding::Holding;
pub(crate) use looks::Looks;
