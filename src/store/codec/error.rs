//! Why bytes are not a column.

/// Why bytes are not a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    /// There are fewer bytes than it says.
    #[error("it is cut off")]
    CutOff,
    /// Its first byte says nothing that is known.
    #[error("unknown tag {0:#04x}")]
    UnknownTag(u8),
    /// A number has more than 64 bits.
    #[error("it holds a number of more than 64 bits")]
    LongNumber,
    /// Its holes or changes reach beyond its end.
    #[error("it holds more cells than its chunk has ticks")]
    TooManyCells,
    /// Its holes leave no place for the value that it is said to hold.
    #[error("it holds no value, only holes")]
    NoValue,
    /// A number is one that stands for a hole.
    #[error("it holds a number that no series can")]
    NoSuchValue,
    /// Its residuals are more or fewer bytes than it says.
    #[error("its residuals are not as long as it says")]
    WrongLength,
    /// It is relative to a series that it was not decoded with.
    #[error("it is relative to another series, and none was given")]
    NoReference,
}
