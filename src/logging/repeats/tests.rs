use std::io;

use tracing::subscriber::with_default;
use tracing_subscriber::{Registry, layer::SubscriberExt as _};

use super::*;

/// What was logged, line by line.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Kept {
    fn take(&self) -> Vec<String> {
        let text = mem::take(&mut *self.0.lock());
        let text = String::from_utf8(text).expect("text");
        text.lines().map(str::to_owned).collect()
    }
}

/// Runs `test` with a log that holds back what it knows.
fn logged(test: impl FnOnce(&Repeats, &Kept)) {
    let (kept, repeats) = (Kept::default(), Arc::new(Repeats::default()));
    let writer = kept.clone();
    let lines = tracing_subscriber::fmt::layer()
        .without_time()
        .with_level(false)
        .with_target(false)
        .with_ansi(false)
        .with_writer(move || writer.clone());
    let repeating = Arc::clone(&repeats);
    let lines = lines.map_event_format(|lines| Thinned {
        lines,
        repeats: repeating,
    });
    with_default(Registry::default().with(lines), || test(&repeats, &kept));
}

fn after(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

fn disk_fails(cause: &str, at: u64) {
    error!(at, cause, "history is not recorded");
}

#[test]
fn a_failure_that_lasts_is_one_line_and_then_a_count() {
    logged(|repeats, kept| {
        for at in 0..1_000 {
            disk_fails("no space", at);
        }
        assert_eq!(
            kept.take(),
            ["history is not recorded at=0 cause=\"no space\""]
        );
        repeats.tell(after(59));
        assert_eq!(kept.take(), [""; 0]);
        repeats.tell(after(61));
        let told = kept.take();
        let [told] = &told[..] else {
            panic!("{told:?}")
        };
        for part in ["said again", "repeated=999", "no space", "within=0s"] {
            assert!(told.contains(part), "{part} is not in {told}");
        }
        disk_fails("no space", 1_000);
        repeats.tell(after(300));
        assert_eq!(kept.take(), [""; 0], "then each ten minutes");
        repeats.tell(after(601));
        assert!(kept.take()[0].contains("repeated=1"));
    });
}

#[test]
fn what_says_something_else_is_logged_at_once() {
    logged(|_, kept| {
        for cause in ["no space", "read-only", "no space"] {
            disk_fails(cause, 0);
        }
        warn!(cause = "no space", "history is not recorded");
        assert_eq!(kept.take().len(), 3, "another place is another failure");
    });
}

#[test]
fn what_is_over_is_news_when_it_comes_again() {
    let start = Instant::now();
    let mut times = Times::new(start);
    let later = |seconds| start + Duration::from_secs(seconds);
    assert!(!times.admits(later(1)));
    assert!(!times.admits(later(500)), "it was not told yet");
    assert!(times.is_due(later(500)));
    assert_eq!(times.tell(), Duration::from_secs(500));
    assert!(!times.admits(later(619)));
    assert_eq!(times.held_back, 1);
    times.tell();
    assert!(times.is_over(later(739)));
    assert!(times.admits(later(739)));
}

#[test]
fn lines_and_memory_have_a_bound_whatever_is_logged() {
    logged(|repeats, kept| {
        for number in 0..10 * MAX_LINES {
            let cause = format!("{number} {}", "x".repeat(10_000));
            disk_fails(&cause, 0);
        }
        assert_eq!(kept.take().len(), MAX_LINES);
        let places = repeats.0.lock();
        let lines = places.values().flat_map(|place| place.lines.values());
        let chars = lines.map(|line| line.text.chars().count());
        assert!(chars.sum::<usize>() <= MAX_LINES * MAX_SHOWN_CHARS);
        drop(places);
        repeats.tell(after(61));
        let told = kept.take();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("repeated=900"), "{told:?}");
        repeats.tell(after(300));
        assert!(
            repeats
                .0
                .lock()
                .values()
                .all(|place| place.lines.is_empty())
        );
    });
}

#[test]
fn what_was_held_back_is_told_at_the_end() {
    logged(|repeats, kept| {
        for _ in 0..3 {
            info!("all is read again");
        }
        kept.take();
        repeats.tell_all();
        assert!(kept.take()[0].contains("repeated=2"));
        repeats.tell_all();
        assert_eq!(kept.take(), [""; 0]);
    });
}

#[test]
fn details_that_somebody_wants_and_answers_are_all_logged() {
    logged(|_, kept| {
        for _ in 0..3 {
            tracing::debug!("told");
            error!(target: "tidegauge::app::reloader", "the configuration is refused");
        }
        assert_eq!(kept.take().len(), 6);
    });
}
