//! Readability: colours, widths, and deceptive names.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::site::{Site, group, hopeless, lasting};

/// The lowest contrast between any text and its background, and where it is. Transparent colours are blended.
const CONTRAST: &str = r"
    const parse = (text) => {
        const canvas = parse.canvas ??= new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = text;
        canvas.fillRect(0, 0, 1, 1);
        const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
        return [red, green, blue, alpha / 255];
    };
    const over = ([r, g, b, a], below) => [r, g, b].map((it, i) => it * a + below[i] * (1 - a)).concat(1);
    const behind = (element) => {
        const layers = [];
        for (let at = element; at; at = at.parentElement) {
            const colour = parse(getComputedStyle(at).backgroundColor);
            layers.push(colour);
            if (colour[3] === 1) break;
        }
        return layers.reduceRight((below, layer) => over(layer, below), [255, 255, 255, 1]);
    };
    const luminance = (colour) => {
        const [r, g, b] = colour.map((it) => {
            const part = it / 255;
            return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    let worst = { ratio: 100 };
    let texts = 0;
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        const isEmpty = !walker.currentNode.data.trim();
        if (isEmpty || !element.checkVisibility() || element.closest('.unseen, noscript')) continue;
        texts += 1;
        const below = behind(element);
        const text = parse(getComputedStyle(element).color);
        text[3] *= Number(getComputedStyle(element).opacity);
        const [one, other] = [luminance(over(text, below)), luminance(below)].sort((a, b) => b - a);
        const ratio = (one + 0.05) / (other + 0.05);
        if (ratio < worst.ratio) worst = { ratio, text: walker.currentNode.data, where: element.className };
    }
    return { ...worst, texts, ground: getComputedStyle(document.documentElement).backgroundColor };
";

/// What extends beyond the right edge.
const TOO_WIDE: &str = r"
    const width = document.documentElement.clientWidth;
    const wide = [...document.body.querySelectorAll('*')].filter((element) => element.checkVisibility()
        && !element.closest('.unseen, thead, svg, .full, .exit, pre, #events .name')
        && element.getBoundingClientRect().right > width + 1);
    const shown = wide.map((element) => element.outerHTML.slice(0, 200));
    return { page: document.documentElement.scrollWidth - width, wide: shown };
";

#[test]
fn it_is_legible_by_day_and_by_night_and_fits_every_width() {
    let Some(browser) = Browser::start() else { return };
    let long = "long-name-".repeat(20);
    let programs = [group("workers", &["one", "two", &long]), hopeless("broken"), lasting("alone")].concat();
    let stopped =
        "[program:stopped]\ncommand = cat\nautostart = false\n[program:starting]\ncommand = cat\nstartsecs = 3600\n";
    let Some(site) = Site::start("looks", &format!("{programs}{stopped}"), "--allow-actions true") else { return };
    site.wait_for_state("broken", "FATAL");
    site.wait_for_state("starting", "STARTING");
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        browser.look(1280, 900, scheme);
        browser.open(&format!("{}#open=broken%3Abroken&open=workers%3Aone", site.url));
        browser.wait_for_kind("starting", "changing");
        browser.wait_until("the details", "document.querySelectorAll('tr.details').length === 2");
        let seen = browser.run(CONTRAST);
        assert!(seen["ratio"].as_f64().unwrap() >= 4.5 && seen["texts"].as_u64() > Some(60), "{scheme}: {seen}");
        grounds.push(seen["ground"].clone());
        for width in [360, 390, 700, 1024, 1280, 1920] {
            browser.look(width, 800, scheme);
            let seen = browser.run(TOO_WIDE);
            assert_eq!((&seen["page"], &seen["wide"]), (&json!(0), &json!([])), "{width}");
        }
    }
    assert_ne!(grounds[0], grounds[1]);
    // Each state has a word and its own shape.
    let states = browser.run(
        "return Object.fromEntries([...document.querySelectorAll('tr.row')].map((row) => \
         [row.dataset.kind, [row.querySelector('.word').textContent, row.querySelector('.sign path').getAttribute('d')]]))",
    );
    let states = states.as_object().unwrap();
    let shapes: Vec<_> = states.values().map(|state| &state[1]).collect();
    assert_eq!(states.len(), 4, "{states:?}");
    assert!(shapes.iter().enumerate().all(|(at, shape)| !shapes[..at].contains(shape)), "{shapes:?}");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn names_are_shown_as_they_are_and_do_nothing() {
    let Some(browser) = Browser::start() else { return };
    let names = [
        "<img src=x onerror=document.title=1>".replace(' ', "\u{a0}"),
        "<script>alert(1)<!--".into(),
        "\"quoted\"&amp;'".into(),
        "evil\u{202e}gpj.exe".into(),
        "{{table}}".into(),
        "x".repeat(200),
    ];
    let program = |(at, name)| format!("[program:odd{at}]\nprocess_name = {name}\ncommand = cat\nstartsecs = 0\n");
    let programs: String = names.iter().enumerate().map(program).collect();
    let sections = format!("[group:<b>&\"]\nprograms = odd0,odd1,odd2,odd3,odd4,odd5\n{programs}");
    let Some(site) = Site::start("<i>odd", &sections, "--allow-actions true") else { return };
    site.wait_for_state(&names[5], "RUNNING");
    browser.look(1280, 800, "light");
    browser.open(&site.url);
    let shown = names.clone().map(|name| name.replace('\u{202e}', "\\u{202e}"));
    for name in &shown {
        browser.wait_for_kind(name, "running");
    }
    let seen: Value = browser.run(
        "return { title: document.title, strange: document.querySelectorAll('img, td script, b, i').length, \
         group: document.querySelector('bdi.group').textContent }",
    );
    assert_eq!(seen["strange"], 0, "{seen}");
    assert_eq!((&seen["title"], &seen["group"]), (&json!("All 7 running – photos"), &json!("<b>&\"")));
    // The log of each can be requested by name, and each can be stopped.
    for name in [&shown[0], &shown[3]] {
        browser.mark(name, "odd");
        browser.click("#odd .opener");
        browser
            .wait_until("the log", "document.querySelector('tr.details .note')?.textContent === 'nothing written yet'");
        browser.click("#odd .stop");
        browser.wait_for_kind(name, "stopped");
        browser.click("#odd .opener");
        browser.run("document.getElementById('odd').id = ''");
    }
    assert_eq!(browser.complaints(), [""; 0]);
}
