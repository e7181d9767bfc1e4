//! Any text is a query, or is refused with a reason that is not long.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegauge::http::check_promql;

fuzz_target!(|text: &str| {
    if let Err(why) = check_promql(text) {
        assert!(!why.is_empty() && why.len() < 4_000);
    }
});
