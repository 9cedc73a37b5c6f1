//! The page when something cannot be reached: the monitor, supervisord, another machine's page.

use rustix::process::{Pid, Signal, kill_process};

use crate::browser::{Browser, free_port};
use crate::site::{Site, group, hopeless, lasting};
use crate::support::wait_for;

fn kill(site: &Site) {
    let pid = site.supervisord.pid("trading_monitor");
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn a_monitor_that_is_gone_is_missed_and_found_again() {
    let Some(browser) = Browser::start() else { return };
    let listen = format!("--listen 127.0.0.1:{}", free_port());
    let Some(site) = Site::start("gone", &lasting("one"), &listen) else { return };
    site.wait_for_state("one", "RUNNING");
    browser.look(1280, 800, "light");
    browser.open(&site.url);
    browser.wait_for_kind("one", "running");
    assert_eq!(browser.complaints(), [""; 0]);
    kill(&site);
    browser.wait_until("the banner", "document.querySelector('.banner.lost')");
    let banner = browser.text(".banner");
    assert!(banner.starts_with("No answer from trading_monitor since ") && banner.contains("out of date"), "{banner}");
    let title = browser.run("return document.title");
    assert!(
        title.as_str().unwrap().starts_with("No answer since ") && title.as_str().unwrap().ends_with("photos"),
        "{title}"
    );
    assert_eq!(browser.text("tr.row .word"), "RUNNING", "what was known stays");
    site.supervisord.ctl(&["start", "trading_monitor"]);
    browser.wait_until("an answer", "!document.querySelector('.banner.lost')");
    browser.wait_until("the title", "document.title === 'All 2 running – photos'");
}

#[test]
fn a_supervisord_that_cannot_be_called_is_said() {
    let Some(browser) = Browser::start() else { return };
    let Some(site) = Site::start("mute", &lasting("one"), "") else { return };
    site.wait_for_state("one", "RUNNING");
    browser.look(390, 800, "dark");
    browser.open(&site.url);
    browser.wait_for_kind("one", "running");
    // Something has removed its socket, as programs that clean up /tmp may do. Events still arrive.
    std::fs::remove_file(site.supervisord.directory().join("socket")).unwrap();
    let banner = "document.querySelector('.banner.down')?.textContent";
    browser.wait_until("the banner", &format!("{banner}?.includes('supervisord cannot be called')"));
    assert!(browser.text("#headline").ends_with("; supervisord cannot be called"), "{}", browser.text("#headline"));
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn with_the_token_in_its_address_the_page_works_as_without_one() {
    let Some(browser) = Browser::start() else { return };
    let Some(site) = Site::start_with("token", &lasting("one"), "--allow-actions true", "STATUS_TOKEN=\"secret\"")
    else {
        return;
    };
    browser.look(1280, 800, "light");
    browser.open(&site.url.replace("http://", "http://operator:secret@"));
    browser.wait_for_kind("one", "running");
    browser.mark("one", "one");
    browser.click("#one .opener");
    browser.wait_until("its log", "document.querySelector('tr.details .note').textContent === 'nothing written yet'");
    browser.click("#one .stop");
    browser.wait_for_kind("one", "stopped");
    assert_eq!(browser.complaints(), [""; 0]);
    // The log names the user, and no secret.
    let said = site.supervisord.file("trading_monitor.err");
    assert!(said.contains(r#""user":"operator""#) && !said.contains("secret"), "{said}");
}

#[test]
fn several_supervisors_are_on_one_page() {
    let Some(browser) = Browser::start() else { return };
    let token = "STATUS_TOKEN=\"secret\"";
    let far = Site::start_with("far", &(group("far", &["a", "b"]) + &hopeless("broken")), "", token);
    let Some(far) = far else { return };
    let address = far.url.trim_start_matches("http://").trim_end_matches('/');
    let peers = format!("PEERS=\"far=http://:secret@{address}/,nowhere=http://127.0.0.1:1/\"");
    let Some(near) = Site::start_with("near", &lasting("one"), "--allow-actions true", &peers) else { return };
    near.wait_for_state("one", "RUNNING");
    browser.look(1280, 900, "light");
    browser.open(&near.url);
    browser.wait_for_kind("broken", "failed");
    browser.wait_until(
        "the headline",
        "document.getElementById('headline').textContent === '1 of 6 not running, 1 supervisor unreachable'",
    );
    let supervisors = browser.text("#supervisors");
    assert!(supervisors.contains("1 of 4 not running") && supervisors.contains("cannot be reached"), "{supervisors}");
    assert!(browser.text("#peer-1 .summary").contains("as of "), "{}", browser.text("#peer-1 .summary"));
    assert!(browser.text("#peer-2 .trouble").starts_with("Cannot be reached so far: "));
    // Another machine's processes are read-only here; a link leads to its own page, and the token is not revealed.
    assert_eq!(browser.run("return document.querySelectorAll('#peer-1 button.do').length"), 0);
    assert_eq!(browser.run("return document.querySelector('#peer-1 .where a').href"), far.url.as_str());
    assert_eq!(browser.run("return document.documentElement.outerHTML.includes('secret')"), false);
    assert!(!near.supervisord.file("trading_monitor.err").contains("secret"));
    browser.type_into("#text", "far:");
    browser.wait_until("the filter", "document.querySelector('.shown').textContent === '2 of 6 shown'");
    // It is down: its last data remains, and shows its age.
    kill(&far);
    browser.wait_until(
        "that it is gone",
        "document.querySelector('#peer-1 .trouble')?.textContent.startsWith('Cannot be reached since ')",
    );
    assert_eq!(browser.run("return document.querySelectorAll('#peer-1 tr.row').length"), 4);
    assert_eq!(browser.complaints(), [""; 0]);
    wait_for("a word in the log", || {
        near.supervisord.file("trading_monitor.err").contains("the status page of far cannot be reached").then_some(())
    });
}
