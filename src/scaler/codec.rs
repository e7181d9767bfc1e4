//! How KEDA's messages are read and written.

use std::marker::PhantomData;

use tonic::{
    Status,
    codec::{DecodeBuf, Decoder},
};
use tonic_prost::{ProstDecoder, ProstEncoder};

/// Prost's codec, but that what can't be read is the caller's mistake and not,
/// as tonic has it, an internal error.
#[derive(Debug)]
pub struct Codec<Sent, Received>(PhantomData<(Sent, Received)>);

impl<Sent, Received> Default for Codec<Sent, Received> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<Sent, Received> tonic::codec::Codec for Codec<Sent, Received>
where
    Sent: prost::Message + Send + 'static,
    Received: prost::Message + Default + Send + 'static,
{
    type Encode = Sent;
    type Decode = Received;
    type Encoder = ProstEncoder<Sent>;
    type Decoder = MessageDecoder<Received>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        MessageDecoder(ProstDecoder::default())
    }
}

/// Reads messages.
#[derive(Debug)]
pub struct MessageDecoder<Received>(ProstDecoder<Received>);

impl<Received: prost::Message + Default> Decoder for MessageDecoder<Received> {
    type Item = Received;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<Received>, Status> {
        let message = self.0.decode(bytes);
        message.map_err(|cause| {
            let accepted = "a message of KEDA's externalscaler.proto, its text in UTF-8";
            Status::invalid_argument(format!("{}; accepted is {accepted}", cause.message()))
        })
    }
}
