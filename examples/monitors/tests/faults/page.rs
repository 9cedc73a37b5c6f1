//! The status page under load, while its monitor has events to handle.

use std::net::TcpStream;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::figures::figure;
use crate::subjects::named;
use crate::support::instrumented::Instrumented;
use crate::support::receiver::Collector;
use crate::support::{client, wait_for};

#[test]
fn two_thousand_connections_cost_no_event_of_four() {
    let (subject, collector) = (named("trading_monitor"), Collector::start());
    let section = subject.section(&subject.command(&collector), 4, 300);
    let Some(mut server) = Instrumented::start("page", &section) else { return };
    subject.wait_until_idle(&server);
    let urls = wait_for("four pages", || {
        let log = server.file("trading_monitor.err");
        let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let urls: Vec<_> = lines.filter_map(|line| Some(line["url"].as_str()?.to_owned())).collect();
        (urls.len() == 4).then_some(urls)
    });
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let address = urls[0].trim_start_matches("http://").trim_end_matches('/');
    // As many as this process may open, where that is less.
    let open: Vec<_> = (0..2000).map_while(|_| TcpStream::connect(address).ok()).collect();
    assert!(open.len() == 2000 || limit.maximum.is_some_and(|most| most < 2200), "{}", open.len());
    server.send(subject.eventname, subject.payload, 1000, 100);
    subject.wait_until_idle(&server);
    let handled: usize = (1000..1100).map(|number| subject.times(&server, &collector, number)).sum();
    assert_eq!(handled, 100);
    for url in &urls {
        let page = client().get(url).call().unwrap().body_mut().read_to_string().unwrap();
        assert!(page.contains("<html"), "{url}");
    }
    figure("connections to the page", &format!("{} open, 100 events handled once", open.len()));
    drop(open);
    assert!(server.stop().success());
}
