//! The page at `/` shows the demo in a real browser: all groups, one of them
//! over time, live, by mouse and by keys, in light and dark, on a phone.

use serde_json::{Value, json};
use thirtyfour::By;

use super::support::{browser::Browser, demo::Demo};

/// The first view and all that it loads.
const MOST_BYTES: u64 = 200_000;

const HISTORY_REQUESTS: &str = "performance.getEntriesByType('resource').filter(({ name }) => name.includes('api/v1/history')).length";
const RANGE: &str = "document.getElementById('range').dataset";
/// Of the first chart.
const AXIS: &str = "document.querySelector('.plot').dataset";

/// What the page itself is tested with.
const FUNCTIONS: &str = include_str!("page/functions.js");
const ACCESSIBLE: &str = include_str!("page/accessible.js");

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_the_demo() {
    let Some(browser) = Browser::start_or_skip("the_page_shows_the_demo").await else {
        return;
    };
    let mut demo = Demo::start();
    let address = demo.place("HTTP");
    let address = address.trim_end_matches("api/v1/groups").to_owned();

    all_groups(&browser, &address).await;
    first_view(&browser).await;
    assert_eq!(browser.run(FUNCTIONS).await, json!([]));
    keys_among_groups(&browser).await;
    one_group(&browser).await;
    zoom_by_mouse(&browser).await;
    zoom_by_keys(&browser).await;
    live(&browser).await;
    light_and_dark(&browser).await;
    on_a_phone(&browser, &address).await;
    of_this_host_only(&browser, &address).await;

    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.end().await;
    demo.interrupt();
    demo.ended().await;
}

async fn is_accessible(browser: &Browser, view: &str) {
    assert_eq!(browser.run(ACCESSIBLE).await, json!([]), "{view}");
}

async fn all_groups(browser: &Browser, address: &str) {
    browser.open(address).await;
    browser
        .until(
            "the demo's groups are shown",
            "['orders-service', 'azul-jira-live', 'azul-jira-historic'].every((name) => \
             [...document.querySelectorAll('#rows a')].some((link) => link.textContent === name))",
        )
        .await;
    browser
        .until(
            "each has a small chart",
            "document.querySelectorAll('#rows svg path.line').length >= 3",
        )
        .await;
    is_accessible(browser, "all groups").await;
    browser.keep_screenshot("overview").await;
}

/// How quick and how large it is, told by the browser.
async fn first_view(browser: &Browser) {
    let told = browser
        .run(
            "const loaded = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]; \
             const drawn = performance.getEntriesByName('groups-drawn')[0].startTime; \
             const first = loaded.filter(({ startTime }) => startTime <= drawn); \
             return { ms: Math.max(drawn, loaded[0].loadEventEnd), \
                      bytes: first.reduce((sum, one) => sum + Math.max(one.transferSize, one.decodedBodySize), 0) }",
        )
        .await;
    let (ms, bytes) = (
        told["ms"].as_f64().unwrap(),
        told["bytes"].as_u64().unwrap(),
    );
    println!("first_view_ms={ms:.0}");
    println!("first_view_bytes={bytes}");
    assert!((20_000..MOST_BYTES).contains(&bytes), "{bytes} bytes");
}

async fn keys_among_groups(browser: &Browser) {
    browser.press("?").await;
    browser
        .until("help", "document.getElementById('help').open")
        .await;
    browser.press("\u{e00c}").await;
    browser
        .until("no help", "!document.getElementById('help').open")
        .await;

    browser.press("/").await;
    browser
        .until(
            "the filter has the focus",
            "document.activeElement.id === 'filter'",
        )
        .await;
    browser.press("jira live").await;
    browser
        .until(
            "one group is left",
            "document.querySelectorAll('#rows a').length === 1",
        )
        .await;
    browser.press("\u{e00c}").await;
    browser
        .until(
            "all are back",
            "document.querySelectorAll('#rows a').length === 3",
        )
        .await;

    browser.press("/").await;
    browser.press("orders").await;
    browser
        .until(
            "one group is left",
            "document.querySelectorAll('#rows a').length === 1",
        )
        .await;
    // Down leaves the filter for the first group.
    browser.press("\u{e015}").await;
    browser
        .until(
            "it has the focus",
            "document.activeElement.textContent === 'orders-service'",
        )
        .await;
    browser.press("\u{e007}").await;
    browser
        .until(
            "the group is opened",
            "location.hash === '#/group/demo/orders-service'",
        )
        .await;
}

async fn one_group(browser: &Browser) {
    browser
        .until(
            "its charts are drawn",
            "document.querySelectorAll('.plot canvas').length === 5",
        )
        .await;
    browser
        .until(
            "the heat map has its eight partitions",
            "document.querySelector('.heatmap canvas').dataset.cells >= 8",
        )
        .await;
    browser
        .until(
            "what KEDA was told is told",
            "document.body.textContent.includes('target 100')",
        )
        .await;
    browser
        .until(
            "partitions are told with their reasons",
            "document.querySelectorAll('[aria-label=Partitions] tbody tr').length === 8",
        )
        .await;
    browser
        .until(
            "that it started is an event",
            "document.querySelector('.events li')",
        )
        .await;
    // Some minutes back there is nothing: closer.
    browser.run("location.hash += '?last=60'").await;
    browser
        .until(
            "the last minute",
            &format!("{AXIS}.to - {AXIS}.from === 60000"),
        )
        .await;
    is_accessible(browser, "one group").await;
    let table = "document.querySelector('.card details')";
    browser.run(&format!("{table}.open = true")).await;
    browser
        .until(
            "a chart as a table",
            &format!("{table}.querySelector('tbody td')"),
        )
        .await;
    browser.run(&format!("{table}.open = false")).await;
    browser.run("scrollTo(0, 0)").await;
    browser.keep_screenshot("group").await;
    browser
        .run("document.querySelector('.heatmap').scrollIntoView({ block: 'center' })")
        .await;
    browser.keep_screenshot("heat-map").await;
}

async fn number(browser: &Browser, expression: &str) -> f64 {
    let value = browser.run(&format!("return Number({expression})")).await;
    value.as_f64().unwrap()
}

async fn zoom_by_mouse(browser: &Browser) {
    browser.run("scrollTo(0, 0)").await;
    let asked = number(browser, HISTORY_REQUESTS).await;
    let plot = browser
        .driver()
        .find(By::Css(".plot .u-over"))
        .await
        .unwrap();
    let width = plot.rect().await.unwrap().width as i64;
    let chain = browser.driver().action_chain();
    chain
        .move_to_element_with_offset(&plot, -width / 4, 0)
        .click_and_hold()
        .move_by_offset(width / 2, 0)
        .release()
        .perform()
        .await
        .unwrap();
    browser
        .until(
            "the axis shows the half that was dragged over",
            &format!("Math.abs({AXIS}.to - {AXIS}.from - 30000) < 1500"),
        )
        .await;
    browser
        .until(
            "it is asked for anew",
            &format!("{HISTORY_REQUESTS} > {asked}"),
        )
        .await;
    browser
        .until(
            "it is not live",
            "document.querySelector('.live').ariaPressed === 'false'",
        )
        .await;
}

async fn zoom_by_keys(browser: &Browser) {
    let length = format!("{RANGE}.to - {RANGE}.from");
    let to = number(browser, &format!("{RANGE}.to")).await;
    browser.press("\u{e012}").await;
    browser
        .until("earlier", &format!("{RANGE}.to < {to}"))
        .await;
    browser.press("-").await;
    browser.press("-").await;
    browser
        .until("four times as long", &format!("{length} > 100000"))
        .await;
    browser.press("+").await;
    browser
        .until("half of that", &format!("{length} < 70000"))
        .await;
    browser.press("3").await;
    browser
        .until(
            "the last six hours",
            &format!("{AXIS}.to - {AXIS}.from === 6 * 3600000"),
        )
        .await;
    browser
        .until(
            "the server has chosen the step",
            "document.getElementById('levels').textContent.startsWith('a point each')",
        )
        .await;
    browser
        .run("location.hash = '#/group/demo/orders-service?last=60'")
        .await;
}

/// Nothing is loaded anew, and time goes on.
async fn live(browser: &Browser) {
    browser.run("window.isTheSame = true").await;
    let (to, asked) = (
        number(browser, &format!("{AXIS}.to")).await,
        number(browser, HISTORY_REQUESTS).await,
    );
    browser
        .until(
            "the axis goes on by some seconds",
            &format!("{AXIS}.to > {to} + 3000"),
        )
        .await;
    browser
        .until(
            "so does what is drawn",
            &format!("{HISTORY_REQUESTS} > {asked}"),
        )
        .await;
    assert_eq!(browser.run("return window.isTheSame").await, true);
    let standing = browser
        .run("return document.documentElement.dataset.standing")
        .await;
    assert_eq!(standing, "live");
}

async fn back(browser: &Browser) -> Value {
    browser
        .run("return getComputedStyle(document.documentElement).backgroundColor")
        .await
}

async fn light_and_dark(browser: &Browser) {
    browser.prefer("light").await;
    let light = back(browser).await;
    browser.prefer("dark").await;
    let dark = back(browser).await;
    assert_ne!(light, dark);
    is_accessible(browser, "one group, dark").await;
    browser.run("scrollTo(0, 0)").await;
    browser.keep_screenshot("group-dark").await;
    // Light, though the system prefers dark; and so after a reload.
    browser.press("t").await;
    assert_eq!(back(browser).await, light);
    browser.driver().refresh().await.unwrap();
    browser
        .until(
            "it is remembered",
            "document.documentElement.dataset.theme === 'light'",
        )
        .await;
    assert_eq!(back(browser).await, light);
    browser.press("t").await;
    browser.press("\u{e00c}").await;
    browser
        .until(
            "all groups",
            "document.querySelectorAll('#rows a').length === 3",
        )
        .await;
    assert_eq!(back(browser).await, dark);
    is_accessible(browser, "all groups, dark").await;
    browser.keep_screenshot("overview-dark").await;
    browser.press("t").await;
    browser.prefer("light").await;
}

async fn on_a_phone(browser: &Browser, address: &str) {
    const FITS: &str = "document.documentElement.scrollWidth <= 360";
    browser.resize(360, 740).await;
    browser.open(address).await;
    browser
        .until(
            "all groups",
            "document.querySelectorAll('#rows svg').length === 3",
        )
        .await;
    browser.until("they fit", FITS).await;
    is_accessible(browser, "all groups on a phone").await;
    browser.keep_screenshot("phone-overview").await;
    browser
        .run("document.querySelector('#rows a').click()")
        .await;
    browser
        .until(
            "one group",
            "document.querySelector('.heatmap canvas')?.dataset.cells >= 2",
        )
        .await;
    browser.until("it fits", FITS).await;
    is_accessible(browser, "one group on a phone").await;
    browser.keep_screenshot("phone-group").await;
}

async fn of_this_host_only(browser: &Browser, address: &str) {
    let asked = browser
        .run("return performance.getEntriesByType('resource').map(({ name }) => name)")
        .await;
    let asked = asked.as_array().unwrap();
    assert!(asked.len() > 20, "{asked:?}");
    for name in asked {
        assert!(name.as_str().unwrap().starts_with(address), "{name}");
    }
}
