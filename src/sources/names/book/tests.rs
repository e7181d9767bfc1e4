use super::*;

const USABLE: Duration = Duration::from_hours(24);

fn at(hours: i64) -> TimestampMs {
    TimestampMs(hours * 3_600_000)
}

fn kept(plugin: &str, kafka_prefix: &str, hours: i64) -> PluginName {
    PluginName {
        plugin: plugin.to_owned(),
        kafka_prefix: kafka_prefix.to_owned(),
        read_at: at(hours),
    }
}

fn needed(plugins: &[&str]) -> BTreeSet<String> {
    plugins.iter().map(|&plugin| plugin.to_owned()).collect()
}

fn prefix<'a>(book: &Book, plugin: &str, expected: impl Into<Option<&'a str>>) {
    assert_eq!(
        book.prefix_of(plugin).as_deref(),
        expected.into(),
        "{plugin}"
    );
}

fn unknown() -> NoName {
    NoName::TooLate {
        place: "here".to_owned(),
    }
}

#[test]
fn a_name_is_used_on_for_a_time_while_it_can_not_be_read() {
    let mut book = Book::default();
    assert!(!book.unread("a", at(0), USABLE), "nothing is known of it");
    assert!(book.found("a", "live-a".to_owned(), at(0)));
    assert!(!book.is_stale("a"));
    assert!(book.unread("a", at(24), USABLE));
    prefix(&book, "a", "live-a");
    assert!(book.is_stale("a"));
    assert!(!book.unread("a", at(25), USABLE));
    prefix(&book, "a", None);
    assert!(book.found("a", "live-a2".to_owned(), at(26)));
    prefix(&book, "a", "live-a2");
    assert!(!book.is_stale("a"));
    book.forget("a");
    prefix(&book, "a", None);
}

#[test]
fn what_was_kept_is_stale_until_it_is_read_and_not_used_if_too_old() {
    let mut book = Book::default();
    book.restore(vec![kept("a", "x", 1), kept("b", "y", 30)], at(31), USABLE);
    prefix(&book, "a", None);
    prefix(&book, "b", "y");
    assert!(book.is_stale("b"));
    let in_use = InUse {
        fresh: 0,
        stale: 1,
        oldest: Some(at(30)),
    };
    assert_eq!(book.in_use(), in_use);
    book.found("b", "y".to_owned(), at(31));
    assert_eq!((book.in_use().fresh, book.in_use().stale), (1, 0));
}

#[test]
fn only_what_is_needed_is_used_and_comes_back_while_redis_is_away() {
    let mut book = Book::default();
    for plugin in ["a", "b"] {
        book.found(plugin, plugin.to_owned(), at(0));
    }
    book.use_only(&needed(&["a"]), at(1), USABLE);
    prefix(&book, "a", "a");
    prefix(&book, "b", None);
    assert!(book.unread("b", at(2), USABLE), "it is still known");
    prefix(&book, "b", "b");
    book.use_only(&needed(&["a", "b"]), at(25), USABLE);
    prefix(&book, "a", None);
}

#[test]
fn a_disk_is_written_to_for_what_is_new_and_else_from_time_to_time() {
    let mut book = Book::default();
    book.found("a", "x".to_owned(), at(0));
    let unkept = book.unkept(USABLE);
    assert_eq!(unkept, [kept("a", "x", 0)]);
    book.are_kept(&unkept);
    assert_eq!(book.unkept(USABLE), []);
    book.found("a", "x".to_owned(), at(2));
    assert_eq!(
        book.unkept(USABLE),
        [],
        "2 hours of 24 are less than a tenth"
    );
    book.found("a", "x".to_owned(), at(3));
    assert_eq!(book.unkept(USABLE), [kept("a", "x", 3)]);
    book.found("a", "y".to_owned(), at(3));
    book.are_kept(&[kept("a", "x", 3)]);
    assert_eq!(book.unkept(USABLE), [kept("a", "y", 3)], "kept was another");
}

#[test]
fn what_nobody_reads_is_forgotten_after_thirty_days() {
    let mut book = Book::default();
    book.found("used", "x".to_owned(), at(0));
    book.found("unused", "x".to_owned(), at(0));
    book.use_only(&needed(&["used"]), at(0), USABLE);
    book.forget_old(at(30 * 24));
    assert_eq!(book.plugins(), needed(&["unused", "used"]));
    book.forget_old(at(30 * 24 + 1));
    assert_eq!(book.plugins(), needed(&["used"]));
}

#[test]
fn there_is_room_for_so_many_and_the_oldest_unused_goes_first() {
    let mut book = Book::default();
    let name = |number: usize| format!("p{number:05}");
    for number in 0..MAX_NAMES {
        let time = at(i64::try_from(number).expect("small"));
        assert!(book.found(&name(number), "x".to_owned(), time));
    }
    assert!(!book.found("one more", "x".to_owned(), at(0)));
    let used = (2..MAX_NAMES).map(name).collect();
    book.use_only(&used, at(0), USABLE);
    assert!(book.found("one more", "x".to_owned(), at(0)));
    assert!(!book.plugins().contains(&name(0)), "it was the oldest");
    assert!(book.plugins().contains(&name(1)));
}

#[test]
fn a_refusal_is_repeated_for_a_moment_only() {
    let (mut book, now) = (Book::default(), Instant::now());
    book.refuse("a", unknown(), now);
    assert_eq!(book.refusal("a", now), Some(unknown()));
    assert_eq!(book.refusal("b", now), None);
    assert_eq!(book.refusal("a", now + REFUSED_FOR), None);
    book.found("a", "x".to_owned(), at(0));
    assert_eq!(book.refusal("a", now), None);
    for number in 0..2 * MAX_REFUSED {
        book.refuse(&number.to_string(), unknown(), now);
    }
    assert!(book.refused.len() <= MAX_REFUSED);
}
