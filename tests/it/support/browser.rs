//! A headless Chromium, driven over WebDriver.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use thirtyfour::{
    ChromiumLikeCapabilities as _, DesiredCapabilities, WebDriver,
    common::log::LoggingPrefsLogLevel,
};

use super::{PATIENCE, eventually, wait::wait_until};

/// Set to `1` where a skipped test would be a lie, as in continuous integration.
const REQUIRE: &str = "TIDEGAUGE_REQUIRE_CHROMIUM";
/// Where screenshots are kept, if anywhere.
const SCREENSHOTS: &str = "TIDEGAUGE_SCREENSHOTS";

const SAYS_PORT: &str = "was started successfully on port ";

/// A browser with one window, closed when dropped.
pub(crate) struct Browser {
    driver: WebDriver,
    process: Child,
    port: u16,
}

impl Browser {
    /// A browser, or `None` when this machine has none and the test is to return.
    pub(crate) async fn start_or_skip(test_name: &str) -> Option<Self> {
        match chromedriver() {
            Ok((process, port)) => Some(Self::start(process, port).await),
            Err(why) => {
                skip(test_name, &why);
                None
            }
        }
    }

    async fn start(process: Child, port: u16) -> Self {
        let mut wanted = DesiredCapabilities::chrome();
        // Root has no sandbox, and containers have little shared memory.
        for argument in ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage"] {
            wanted.add_arg(argument).unwrap();
        }
        wanted
            .set_logging_prefs("browser", LoggingPrefsLogLevel::All)
            .unwrap();
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), wanted).await;
        let browser = Self {
            driver: driver.unwrap(),
            process,
            port,
        };
        browser.resize(1_280, 900).await;
        browser
    }

    pub(crate) fn driver(&self) -> &WebDriver {
        &self.driver
    }

    /// As wide and high as this; narrow ones are phones.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500,
        });
        self.command("Emulation.setDeviceMetricsOverride", size)
            .await;
    }

    /// As on a system that prefers light or dark.
    pub(crate) async fn prefer(&self, scheme: &str) {
        let feature = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.command("Emulation.setEmulatedMedia", feature).await;
    }

    async fn command(&self, name: &str, parameters: Value) {
        let cdp = self.driver.cdp();
        cdp.send_raw(name, parameters).await.unwrap();
    }

    pub(crate) async fn open(&self, address: &str) {
        self.driver.goto(address).await.unwrap();
    }

    /// What this JavaScript gives, which may be a promise.
    pub(crate) async fn run(&self, script: &str) -> Value {
        let script = format!("return (async () => {{ {script} }})()");
        let returned = self.driver.execute(script, Vec::new()).await;
        returned.unwrap().json().clone()
    }

    /// Waits until this expression is true.
    pub(crate) async fn until(&self, what: &str, expression: &str) {
        let script = format!("return Boolean({expression})");
        eventually(what, async || {
            (self.run(&script).await == true).then_some(())
        })
        .await;
    }

    /// Presses these keys, as on the page's body or what has the focus.
    pub(crate) async fn press(&self, keys: &str) {
        let chain = self.driver.action_chain().send_keys(keys);
        chain.perform().await.unwrap();
    }

    /// Keeps what is in sight, or the whole page, as `<name>.png`.
    pub(crate) async fn keep_screenshot(&self, name: &str) {
        let Some(folder) = std::env::var_os(SCREENSHOTS) else {
            return;
        };
        let folder = Path::new(&folder);
        std::fs::create_dir_all(folder).unwrap();
        let image = folder.join(format!("{name}.png"));
        self.driver.screenshot(&image).await.unwrap();
    }

    /// What the page complained of so far.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.driver.browser_log().await.unwrap().into_iter();
        log.filter(|entry| ["SEVERE", "WARNING"].contains(&entry.level.as_str()))
            .map(|entry| entry.message)
            .collect()
    }

    pub(crate) async fn end(self) {
        self.driver.clone().quit().await.unwrap();
    }
}

impl Drop for Browser {
    /// Also of a test that fails. It closes its windows before it ends; killed,
    /// it would leave them behind.
    fn drop(&mut self) {
        let asked = ask_to_end(self.port);
        let ended = || self.process.try_wait().ok().flatten();
        if asked.is_err() || wait_until(PATIENCE, ended).is_none() {
            self.process.kill().ok();
            self.process.wait().ok();
        }
    }
}

fn ask_to_end(port: u16) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(b"GET /shutdown HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
    Ok(stream)
}

/// One on a free port, and which that is.
fn chromedriver() -> Result<(Child, u16), String> {
    let mut process = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|cause| format!("chromedriver cannot be run: {cause}"))?;
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let port = lines.map_while(Result::ok).find_map(|line| {
        let (_, port) = line.split_once(SAYS_PORT)?;
        port.trim_end_matches('.').parse().ok()
    });
    port.map(|port| (process, port))
        .ok_or_else(|| "chromedriver does not say its port".to_owned())
}

fn skip(test_name: &str, why: &str) {
    assert!(
        std::env::var_os(REQUIRE).is_none_or(|value| value != "1"),
        "{REQUIRE}=1, but {test_name} cannot run: {why}"
    );
    // Not `eprintln!`: the test harness would keep its text of a test that passes.
    let _ = writeln!(
        io::stderr(),
        "\n!!! SKIPPED {test_name}: {why}\n!!! (set {REQUIRE}=1 to fail instead)\n"
    );
}
