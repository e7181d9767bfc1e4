//! Plain data that crosses from one part of the house to the next.
//!
//! It knows nothing of Kafka's client, of redb, of gRPC or of HTTP. Its key
//! invariant: what was not read is never a number. A missing reading is an
//! absent [`Cell`], a [`Commit::Unread`] or a [`Gap`], never 0.

mod event;
mod fingerprint;
mod frame;
mod gap;
mod ids;
mod interest;
mod lag;
mod membership;
mod series;
mod tick;
mod time;
mod told;
mod watch;

pub use event::{Event, EventKind};
pub use fingerprint::Fingerprint;
pub use frame::{Cell, Frame};
pub use gap::{Gap, GapReason, GapScope};
pub use ids::{ClusterName, GroupId, MAX_TASK_CHARS, Partition, TopicName};
pub use interest::{GroupMatcher, Interest, PrefixRule, TopicFilter, TopicSelection};
pub use lag::{lag_records, lags, lags_after};
pub use membership::{Assignment, GroupState, Members, Membership};
pub use series::{
    Columns, GroupSeries, MisplacedRun, SeriesIndex, SeriesKind, SeriesRun, ToldSeries, TopicSeries,
};
pub use tick::{
    Commit, GroupReading, GroupTopicReading, PartitionReading, QueueReading, Tick, TopicReading,
    TopicState,
};
pub use time::TimestampMs;
pub use told::{Told, ToldChange, WatchName};
pub use watch::{KeptWatches, PluginName, WatchChange, WatchRecord};
