//! What is shown, and that it stays in place while it changes.

use serde_json::{Value, json};

use crate::browser::{Browser, ENTER, TAB};
use crate::site::{ROW, Site, group, hopeless, lasting};
use crate::support::{client, wait_for};

/// Enough to scroll.
fn many() -> Vec<String> {
    (0..40).map(|number| format!("worker-{number:02}")).collect()
}

#[test]
fn failures_come_first_and_a_crash_shows_without_moving_what_somebody_looks_at() {
    let Some(browser) = Browser::start() else { return };
    let names = many();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let programs = [group("workers", &names), hopeless("broken"), lasting("alone")].concat();
    let Some(site) = Site::start("crash", &programs, "") else { return };
    site.wait_for_state("broken", "FATAL");
    browser.look(1280, 800, "light");
    browser.open(&site.url);
    browser.wait_for_kind("broken", "failed");
    assert_eq!(browser.text("tr.row .name"), "broken");
    browser.wait_until("the headline", "document.getElementById('headline').textContent === '1 of 43 not running'");
    assert_eq!(browser.run("return document.title"), "1 of 43 not running – photos");

    // Somebody is reading about worker-30, with a part of it selected, and another row has the focus.
    browser.mark("worker-30", "read");
    browser.click("#read .opener");
    browser.wait_until("its details", "document.querySelector('tr.details dd')");
    let place = browser.run(&format!(
        "{ROW} row('worker-31').querySelector('.opener').focus(); getSelection().selectAllChildren(\
         document.querySelector('tr.details dd')); return row('worker-31').getBoundingClientRect().top"
    ));
    let place = place.as_f64().unwrap();
    let scrolled = browser.run("return scrollY").as_f64().unwrap();
    assert!(scrolled > 300.0, "{scrolled}");

    site.supervisord.ctl(&["signal", "KILL", "workers:worker-12"]);
    browser.wait_for_kind("worker-12", "failed");
    let after = browser.run(&format!(
        "{ROW} return {{ top: row('worker-31').getBoundingClientRect().top, focus: document.activeElement.textContent, \
         selected: String(getSelection()), open: document.querySelectorAll('tr.details').length, \
         first: [...document.querySelectorAll('.failures .name')].map((name) => name.textContent), \
         why: row('worker-12').querySelector('.why').textContent, title: document.title }}"
    ));
    assert!((after["top"].as_f64().unwrap() - place).abs() < 3.0, "{place}: {after}");
    assert_eq!((&after["focus"], &after["selected"]), (&json!("worker-31"), &json!("workers:worker-30")));
    assert_eq!((&after["open"], &after["first"]), (&json!(1), &json!(["broken", "worker-12"])));
    assert_eq!(after["title"], "2 of 43 not running – photos");
    assert!(after["why"].as_str().is_some_and(|why| why.contains("SIGKILL")), "{after}");
    // It is among the recent events, too; when it is running again, it stays visible for a while.
    browser.wait_until("the event", "document.querySelector('#events li').textContent.includes('worker-12')");
    site.supervisord.ctl(&["start", "workers:worker-12"]);
    browser.wait_for_kind("worker-12", "running");
    let part = browser.run(&format!("{ROW} return row('worker-12').parentNode.querySelector('.group').textContent"));
    assert_eq!(part, "Restarted after a failure");
    // A process that somebody stops and starts is not a failure, and returns to its place.
    site.supervisord.ctl(&["stop", "workers:worker-20"]);
    browser.wait_for_kind("worker-20", "stopped");
    site.supervisord.ctl(&["start", "workers:worker-20"]);
    browser.wait_for_kind("worker-20", "running");
    let before = browser.run(&format!("{ROW} return row('worker-20').previousElementSibling.textContent"));
    assert!(before.as_str().unwrap().contains("worker-19"), "{before}");
    assert_eq!(browser.complaints(), [""; 0]);

    // Without a script, everything is there.
    let html = client().get(&site.url).call().unwrap().body_mut().read_to_string().unwrap();
    let place = |text: &str| html.find(text).unwrap_or_else(|| panic!("no {text}: {html}"));
    assert!(place(">broken</bdi>") < place(">workers:worker-00</bdi>"), "{html}");
}

#[test]
fn the_filter_is_kept_in_the_address() {
    let Some(browser) = Browser::start() else { return };
    let programs =
        [group("feeds", &["binance", "kraken"]), group("engines", &["momentum"]), hopeless("broken")].concat();
    let Some(site) = Site::start("filter", &programs, "") else { return };
    site.wait_for_state("broken", "FATAL");
    browser.look(1280, 800, "light");
    browser.open(&site.url);
    browser.wait_for_kind("broken", "failed");
    let shown = || {
        let script = "return [...document.querySelectorAll('tr.row')].filter((row) => row.checkVisibility())\
                      .map((row) => row.querySelector('.name').textContent)";
        serde_json::from_value::<Vec<String>>(browser.run(script)).unwrap()
    };
    assert_eq!(shown(), ["broken", "momentum", "binance", "kraken", "trading_monitor"]);
    browser.type_into("#text", "FEEDS kr");
    assert_eq!(shown(), ["kraken"]);
    assert_eq!(browser.text(".shown"), "1 of 5 shown");
    assert_eq!(browser.run("return location.hash"), "#q=FEEDS+kr");
    browser.open(&format!("{}#state=failed", site.url));
    browser.wait_for_kind("broken", "failed");
    assert_eq!(shown(), ["broken"]);
    browser.click("#filter [data-kind=running]");
    assert_eq!(shown(), ["momentum", "binance", "kraken", "trading_monitor"]);
    browser.type_into("#text", "no such thing");
    assert_eq!((shown(), browser.text(".shown")), (Vec::new(), "No process matches".into()));
    // A group can be collapsed.
    browser.open(&site.url);
    browser.wait_for_kind("broken", "failed");
    browser.run("document.querySelectorAll('.part .opener')[2].click()");
    assert_eq!(shown(), ["broken", "momentum", "trading_monitor"]);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_keyboard_is_enough() {
    let Some(browser) = Browser::start() else { return };
    let programs = group("g", &["one", "two"]);
    let Some(site) = Site::start("keys", &programs, "--allow-actions true") else { return };
    site.wait_for_state("two", "RUNNING");
    browser.look(1280, 800, "dark");
    browser.open(&site.url);
    browser.wait_for_kind("two", "running");
    let here = "const at = document.activeElement; const style = getComputedStyle(at); return { \
                name: at.getAttribute('aria-label') ?? at.placeholder ?? at.textContent, \
                outline: style.outlineStyle + ' ' + style.outlineWidth }";
    let mut stops = Vec::new();
    loop {
        browser.press(TAB);
        let at = browser.run(here);
        let name = at["name"].as_str().unwrap_or_default().to_owned();
        if stops.contains(&name) || stops.len() > 60 || name.is_empty() {
            break;
        }
        assert_eq!(at["outline"], "solid 2px", "the focus cannot be seen at {name:?}");
        stops.push(name);
        if stops.last().is_some_and(|last| last == "Stop g:two") {
            break;
        }
    }
    let order = [
        "Skip to the processes",
        "Filter: name, group, state",
        "Failed 0",
        "Stop all visible processes",
        "Notify me of failures",
        "g2 running",
        "Restart the group g",
        "one",
        "Restart g:one",
        "Stop g:one",
        "two",
        "Stop g:two",
    ];
    let mut rest = stops.iter();
    for stop in order {
        assert!(rest.any(|there| there == stop), "{stop:?} is not reached, or not in its turn: {stops:?}");
    }
    // A key opens the details, and the focus stays.
    browser.run(&format!("{ROW} row('one').querySelector('.opener').focus()"));
    browser.press(ENTER);
    browser.wait_until("the details", "document.activeElement.getAttribute('aria-expanded') === 'true'");
    browser.press(TAB);
    browser.press(TAB);
    browser.press(TAB);
    let inside = browser.run("return Boolean(document.activeElement.closest('tr.details'))");
    assert_eq!(inside, true, "{}", browser.run(here));
    // To a screen reader, it is a table.
    let tree = browser.devtools("Accessibility.getFullAXTree", json!({}));
    let nodes = tree["nodes"].as_array().unwrap();
    let has = |role: &str, name: &str| {
        let is = |node: &&Value| node["role"]["value"] == role && node["name"]["value"] == name;
        assert!(nodes.iter().any(|node| is(&node)), "no {role} {name:?}");
    };
    for (role, name) in [
        ("main", ""),
        ("banner", ""),
        ("search", ""),
        ("table", "Processes of keys on"),
        ("columnheader", "Last exit"),
        ("rowheader", "one"),
        ("region", "Recent events"),
    ] {
        if role == "table" {
            let is = |node: &Value| {
                node["role"]["value"] == role
                    && node["name"]["value"].as_str().is_some_and(|text| text.starts_with(name))
            };
            assert!(nodes.iter().any(is), "no {role} {name:?}");
        } else {
            has(role, name);
        }
    }
    // On a phone, the layout differs, but it is still a table.
    browser.look(360, 740, "dark");
    let tree = browser.devtools("Accessibility.getFullAXTree", json!({}));
    let rows = tree["nodes"].as_array().unwrap().iter().filter(|node| node["role"]["value"] == "rowheader").count();
    assert!(rows >= 4, "{rows}");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn whoever_asks_for_it_is_notified_of_a_failure() {
    let Some(browser) = Browser::start() else { return };
    let Some(site) = Site::start("notify", &(lasting("one") + &hopeless("broken")), "") else { return };
    site.wait_for_state("one", "RUNNING");
    site.wait_for_state("broken", "FATAL");
    browser.look(1280, 800, "light");
    browser.open(&site.url);
    browser.wait_for_kind("one", "running");
    // A headless browser has none.
    browser.run(
        "window.told = []; window.Notification = class extends EventTarget { static permission = 'default'; \
         static async requestPermission() { this.permission = 'granted'; } \
         constructor(title, { body }) { super(); told.push(title + '; ' + body); } }",
    );
    browser.click(".notify");
    browser
        .wait_until("the button to be on", "document.querySelector('.notify').getAttribute('aria-pressed') === 'true'");
    site.supervisord.ctl(&["signal", "KILL", "one"]);
    browser.wait_until("a notification", "told.length");
    // Only once, and not about processes that had failed before.
    let told = browser.run("return told");
    assert_eq!(told.as_array().unwrap().len(), 1, "{told}");
    assert!(told[0].as_str().unwrap().starts_with("one EXITED: photos; "), "{told}");
    browser.click(".notify");
    site.supervisord.ctl(&["start", "one"]);
    browser.wait_for_kind("one", "running");
    site.supervisord.ctl(&["signal", "KILL", "one"]);
    browser.wait_for_kind("one", "failed");
    assert_eq!(browser.run("return told.length"), 1);
}

#[test]
fn an_open_process_is_open_again_when_the_page_is_loaded_again() {
    let Some(browser) = Browser::start() else { return };
    let Some(site) = Site::start("again", &lasting("one"), "") else { return };
    site.wait_for_state("one", "RUNNING");
    browser.look(1280, 800, "light");
    browser.open(&format!("{}#open=one%3Aone", site.url));
    browser.wait_until("the details", "document.querySelector('tr.details dl')");
    assert_eq!(browser.run("return location.hash"), "#open=one%3Aone");
    let pid = site.supervisord.pid("one").to_string();
    wait_for("its process id", || browser.text("tr.details dl").contains(&pid).then_some(()));
    browser.run("document.querySelector('tr.row[data-kind] [aria-expanded=true]').click()");
    assert_eq!(browser.run("return location.hash"), "");
}
