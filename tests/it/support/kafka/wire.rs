//! Kafka's own protocol, as far as the tests speak it themselves.
//!
//! Old versions of the requests, without tags and compact types: what a
//! well-behaved client library would not send.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// A stranger's answer is not to be believed about its length.
const MAX_ANSWER: usize = 65_536;

/// What is asked for: number and version of the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Api {
    pub(super) key: i16,
    pub(super) version: i16,
}

/// Sends one request on a connection of its own; returns the answer's body.
pub(super) fn ask(port: u16, api: Api, body: &Body) -> io::Result<Answer> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_LIMIT)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    let head = Body::default()
        .int16(api.key)
        .int16(api.version)
        .int32(1) // correlation id
        .int16(-1); // no client id
    let length = i32::try_from(head.0.len() + body.0.len()).map_err(io::Error::other)?;
    let frame = [&length.to_be_bytes(), &head.0[..], &body.0[..]].concat();
    stream.write_all(&frame)?;

    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(i32::from_be_bytes(length)).map_err(io::Error::other)?;
    let mut bytes = vec![0; length.min(MAX_ANSWER)];
    stream.read_exact(&mut bytes)?;
    let mut answer = Answer { bytes, at: 0 };
    answer.int32()?; // correlation id
    Ok(answer)
}

/// A request's body, written field by field.
#[derive(Debug, Default)]
pub(super) struct Body(Vec<u8>);

impl Body {
    pub(super) fn int8(self, value: i8) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(super) fn int16(self, value: i16) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(super) fn int32(self, value: i32) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(super) fn int64(self, value: i64) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    pub(super) fn string(self, text: &str) -> Self {
        let length = i16::try_from(text.len()).expect("names in tests are short");
        self.int16(length).bytes(text.as_bytes())
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
}

/// An answer's body, read field by field.
#[derive(Debug)]
pub(super) struct Answer {
    bytes: Vec<u8>,
    at: usize,
}

impl Answer {
    pub(super) fn int16(&mut self) -> io::Result<i16> {
        self.take().map(i16::from_be_bytes)
    }

    pub(super) fn int32(&mut self) -> io::Result<i32> {
        self.take().map(i32::from_be_bytes)
    }

    /// Empty where it is null (length -1).
    pub(super) fn string(&mut self) -> io::Result<Vec<u8>> {
        let length = usize::try_from(self.int16()?).unwrap_or(0);
        Ok(self.advance(length)?.to_vec())
    }

    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        self.advance(N)?.try_into().map_err(io::Error::other)
    }

    fn advance(&mut self, length: usize) -> io::Result<&[u8]> {
        let start = self.at;
        self.at += length;
        let bytes = self.bytes.get(start..self.at);
        bytes.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}
