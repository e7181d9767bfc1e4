//! Compiles KEDA's protocol in Rust alone: no `protoc` is needed.

use std::{env, error::Error, path::PathBuf};

use protox::prost::Message as _;

const PROTO: &str = "proto/externalscaler.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PROTO}");
    let descriptors = protox::compile([PROTO], ["proto"])?;
    // The server's reflection service serves these bytes.
    let out = PathBuf::from(env::var("OUT_DIR")?).join("externalscaler.bin");
    std::fs::write(out, descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .codec_path("crate::scaler::Codec")
        .compile_fds(descriptors)?;
    Ok(())
}
