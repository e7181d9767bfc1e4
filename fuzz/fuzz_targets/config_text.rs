//! Any text is a configuration or a list of mistakes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegauge::config::Config;

fuzz_target!(|text: &str| {
    if let Err(error) = Config::parse("fuzz.toml", text, []) {
        assert!(!error.to_string().is_empty());
    }
});
