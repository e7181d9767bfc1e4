//! Times of a day, as cron fields.

use chrono::Utc;
use croner::parser::{CronParser, Seconds};

use super::section::Section;

const MAX_SCHEDULE_CHARS: usize = 200;

/// The schedule at `key`; with a mistake where it makes no sense or never comes.
/// `example` is shown then.
pub(super) fn schedule(
    section: &mut Section<'_>,
    key: &'static str,
    example: &str,
) -> Option<String> {
    let schedule = section.text(key, 1..=MAX_SCHEDULE_CHARS)?;
    if let Err(why) = check(&schedule) {
        let accepted = format!("six cron fields, seconds first, such as \"{example}\"");
        section.refuse_because(key, why, accepted);
    }
    Some(schedule)
}

/// Parses as `tokio-cron-scheduler` does, which tells no reason. A schedule that
/// never comes is refused: nothing would say that its job is never done.
fn check(schedule: &str) -> Result<(), croner::errors::CronError> {
    let parser = CronParser::builder()
        .seconds(Seconds::Required)
        .dom_and_dow(true)
        .build();
    let cron = parser.parse(schedule)?;
    cron.find_next_occurrence(&Utc::now(), false)?;
    Ok(())
}
