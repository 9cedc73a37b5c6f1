//! The status page in a real browser: headless Chromium, driven by chromedriver. The page is that of `trading_monitor`
//! under a real supervisord.
//!
//! Without them, the tests are skipped, and say so; with `CI` in the environment, they fail. On Debian: `apt-get
//! install chromium chromium-driver`.

#![cfg(unix)]

mod acting;
mod browser;
mod live;
mod looks;
mod outside;
mod site;

#[path = "../support/mod.rs"]
mod support;
