//! Names of things, each a type of its own so that two can't be mixed up.

use std::{borrow::Borrow, fmt, sync::Arc};

/// A partition's number within its topic, from 0.
pub type Partition = i32;

/// The longest name of a queue's task: its topic has the same, and a topic no longer
/// one.
pub const MAX_TASK_CHARS: usize = 249;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<T: Into<Arc<str>>> From<T> for $name {
            fn from(text: T) -> Self {
                Self(text.into())
            }
        }

        // Lets maps keyed by the name be searched with a plain `&str`.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

name! {
    /// A Kafka cluster, as the configuration calls it.
    ClusterName
}
name! {
    /// A consumer group's `group.id`.
    GroupId
}
name! {
    /// A Kafka topic.
    TopicName
}
