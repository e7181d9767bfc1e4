use std::{collections::BTreeSet, fs, path::Path};

use axum::http::HeaderValue;
use regex::Regex;

use super::{super::testing::Setting, *};

fn text_of(asset: &Asset) -> &'static str {
    std::str::from_utf8(asset.bytes).expect("text")
}

/// Those that were written here.
fn own() -> impl Iterator<Item = &'static Asset> {
    let own = ASSETS
        .iter()
        .filter(|asset| !asset.path.starts_with("vendor/"));
    own.chain([&INDEX])
}

#[tokio::test]
async fn the_page_and_its_files_are_served() {
    let setting = Setting::recorded(Vec::new());
    let page = setting.get("/").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.headers["content-type"], HTML);
    assert_eq!(page.headers["cache-control"], "no-cache");
    assert_eq!(page.headers["x-content-type-options"], "nosniff");
    let policy = page.headers["content-security-policy"].to_str();
    assert!(policy.is_ok_and(|policy| policy.starts_with("default-src 'self';")));
    for asset in &ASSETS {
        let answer = setting.get(&format!("/assets/{}", asset.path)).await;
        assert_eq!(answer.status, 200, "{}", asset.path);
        assert_eq!(answer.headers["content-type"], asset.content_type);
        assert_eq!(answer.headers["etag"], asset.tag.as_str());
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_and_the_rest_is_still_not_kept() {
    let setting = Setting::recorded(Vec::new());
    let (status, code, message) = setting.get("/assets/../mod.rs").await.error();
    assert_eq!((status, code.as_str()), (404, "not_found"));
    assert_eq!(message, "there is nothing at \"/assets/../mod.rs\"");
    let answer = setting.get("/api/v1/clusters").await;
    assert_eq!(answer.headers["cache-control"], "no-store");
}

#[test]
fn who_has_the_same_already_gets_no_body() {
    let tag = INDEX.tag.as_str();
    for (kept, status) in [
        (tag.to_owned(), 304),
        (format!("\"other\", {tag}"), 304),
        ("*".to_owned(), 304),
        ("\"other\"".to_owned(), 200),
    ] {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(&kept).expect("a header");
        headers.insert(header::IF_NONE_MATCH, value);
        assert_eq!(INDEX.answer(&headers).status(), status, "{kept}");
    }
    let tags: BTreeSet<_> = ASSETS.iter().map(|asset| asset.tag.as_str()).collect();
    assert_eq!(tags.len(), ASSETS.len(), "one for each");
}

#[test]
fn each_file_of_the_folder_is_served() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/page/assets");
    let mut found = BTreeSet::new();
    for folder in [folder.clone(), folder.join("vendor/uplot")] {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            if entry.path().is_file() {
                found.insert(entry.path());
            }
        }
    }
    let served = ASSETS
        .iter()
        .chain([&INDEX])
        .map(|asset| folder.join(asset.path));
    assert_eq!(served.collect::<BTreeSet<_>>(), found);
}

#[test]
fn what_the_files_name_is_there_and_of_this_host() {
    let named = Regex::new(r#"(?:from|import|import\() ?"\./([^"]+)"|"assets/([^"]+)""#);
    let named = named.expect("a pattern");
    for asset in own() {
        let text = text_of(asset);
        for found in named.captures_iter(text) {
            let path = found.get(1).or(found.get(2)).expect("one of them").as_str();
            let is_there = ASSETS.iter().any(|asset| asset.path == path);
            assert!(is_there, "{} names {path}", asset.path);
        }
        let elsewhere = text.replace("http://www.w3.org/2000/svg", "");
        assert!(!elsewhere.contains("://"), "{}", asset.path);
    }
}

/// So that a proxy may put it under any path.
#[test]
fn no_address_begins_at_the_root() {
    let at_root = Regex::new(r#"["'`]/(api|assets)|(href|src)="/"#).expect("a pattern");
    for asset in own() {
        assert!(!at_root.is_match(text_of(asset)), "{}", asset.path);
    }
}

/// Names come from Kafka, where anybody may have made them.
#[test]
fn no_text_becomes_html() {
    for asset in own() {
        for sink in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            assert!(!text_of(asset).contains(sink), "{} has {sink}", asset.path);
        }
    }
}
