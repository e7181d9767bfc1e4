//! Commits of thousands of groups in Kafka's own protocol: with a client they
//! would take a consumer each.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::shape::{GroupCommits, Shape};

/// So many requests are written before their answers are read.
const PIPELINED: usize = 50;

/// How long brokers may not know a topic or a group's coordinator: both are only
/// just made.
const PATIENCE: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(500);

const NO_ERROR: i16 = 0;
/// What brokers say that do not coordinate the group, or know too little yet.
const PASSING_ERRORS: [i16; 4] = [
    3,  // UNKNOWN_TOPIC_OR_PARTITION
    14, // COORDINATOR_LOAD_IN_PROGRESS
    15, // COORDINATOR_NOT_AVAILABLE
    16, // NOT_COORDINATOR
];

/// Sets the commits of all groups of the shape, at offset 0. Each broker is
/// offered all that the ones before did not take.
pub(crate) fn commit_all(shape: Shape, bootstrap_servers: &str) -> Result<()> {
    let mut pending: Vec<_> = (0..shape.groups).map(|at| shape.group(at)).collect();
    let deadline = Instant::now() + PATIENCE;
    while !pending.is_empty() {
        let left = pending.len();
        for broker in bootstrap_servers.split(',') {
            let mut stream = TcpStream::connect(broker)?;
            have_topic_of_commits(&mut stream)?;
            pending = offer(&mut stream, pending)?;
        }
        ensure!(
            Instant::now() < deadline,
            "{left} groups have no coordinator"
        );
        if pending.len() == left {
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}

/// Gives back the groups that the broker does not coordinate.
fn offer(stream: &mut TcpStream, groups: Vec<GroupCommits>) -> Result<Vec<GroupCommits>> {
    let mut refused = Vec::new();
    let mut groups = groups.into_iter().peekable();
    while groups.peek().is_some() {
        let part: Vec<_> = groups.by_ref().take(PIPELINED).collect();
        let requests = part.iter().map(request).collect::<Result<Vec<_>>>()?;
        stream.write_all(&requests.concat())?;
        for group in part {
            match error_at_end(&answer(stream)?)? {
                NO_ERROR => {}
                code => {
                    ensure!(PASSING_ERRORS.contains(&code), "refused: error {code}");
                    refused.push(group);
                }
            }
        }
    }
    Ok(refused)
}

/// OffsetCommit, version 2, by nobody who is a member.
fn request(commits: &GroupCommits) -> Result<Vec<u8>> {
    let mut body = Bytes::default();
    body.i16(8).i16(2).i32(0).text("")?; // API, version, correlation, client
    body.text(&commits.group)?.i32(-1).text("")?.i64(-1); // generation, member, retention
    body.i32(1).text(&commits.topic)?;
    body.i32(i32::try_from(commits.partitions)?);
    for partition in (0..).take(commits.partitions) {
        body.i32(partition).i64(0).text("")?; // offset, metadata
    }
    body.with_length()
}

/// Brokers make it once somebody asks for a coordinator: FindCoordinator,
/// version 0.
fn have_topic_of_commits(stream: &mut TcpStream) -> Result<()> {
    let mut body = Bytes::default();
    body.i16(10).i16(0).i32(0).text("")?.text("bench")?;
    stream.write_all(&body.with_length()?)?;
    answer(stream).map(drop)
}

fn answer(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut bytes = vec![0; usize::try_from(i32::from_be_bytes(length))?];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// OffsetCommit's answer ends with the error of the last partition; all have
/// the same.
fn error_at_end(answer: &[u8]) -> Result<i16> {
    let error = answer.last_chunk().context("an empty answer")?;
    Ok(i16::from_be_bytes(*error))
}

/// Kafka's primitive types.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    /// As requests travel.
    fn with_length(self) -> Result<Vec<u8>> {
        let length = i32::try_from(self.0.len())?;
        Ok([&length.to_be_bytes()[..], &self.0].concat())
    }

    fn i16(&mut self, value: i16) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    fn i32(&mut self, value: i32) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    fn i64(&mut self, value: i64) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    fn text(&mut self, text: &str) -> Result<&mut Self> {
        self.i16(i16::try_from(text.len())?);
        self.0.extend(text.as_bytes());
        Ok(self)
    }
}
