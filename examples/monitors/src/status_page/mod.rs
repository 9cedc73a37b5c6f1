//! A page about all processes: HTML for people, JSON for its script and other programs, and Prometheus's text formats.

mod access;
mod actions;
mod assets;
mod board;
mod carry_out;
mod exit_log;
mod index;
mod logs;
mod metrics;
mod names;
mod negotiate;
mod observer;
pub mod overview;
mod peers;
mod usage;
mod view;

use std::net::TcpListener;
use std::process;
use std::sync::Arc;
use std::thread;

use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, StatusCode};
use serde_json::json;

use crate::Failure;
use crate::http::{self, Answer, Request, Response, refusal, response};
use crate::log::{Level, log};
use crate::machine::host_name;
use crate::settings::Common;
use crate::supervisord::Supervisord;
use access::Access;
pub use access::PageSettings;
use actions::Actions;
pub use board::Board;
pub use peers::PeerUrl;
use peers::Peers;

/// How many requests may call supervisord at the same time. Others wait.
const CALLS: usize = 4;

/// What is needed to answer requests.
pub struct Site {
    board: Arc<Board>,
    /// For what only supervisord knows or can do.
    pub supervisord: Supervisord,
    /// Whether actions are allowed.
    pub may_act: bool,
    /// The names of the system and of the host.
    system: String,
    host: String,
    access: Access,
    actions: Actions,
    peers: Peers,
}

/// The routes. Slow work, such as calls to supervisord, belongs in `tokio::task::spawn_blocking`.
async fn route(site: &Arc<Site>, request: &Request) -> Response {
    let headers = request.headers();
    let get = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.uri().path() {
        "/" if get => response(StatusCode::OK, "text/html; charset=utf-8", index::page(&view::status(site))),
        "/status.json" if get => negotiate::unless_known(headers, site.board.version(), || view::answer(site)),
        "/peers.json" if get => site.peers.answer(request),
        "/metrics" if get => metrics::answer(&site.board, headers),
        path if get => match (path.strip_prefix("/logs/"), path.strip_prefix("/actions/")) {
            (Some(name), _) => logs::answer(site, request, name).await,
            (_, Some(id)) => actions::outcome_of(site, id),
            _ => assets::file(path).unwrap_or_else(|| refusal(StatusCode::NOT_FOUND, "there is no such page")),
        },
        path if ["/processes/", "/groups/", "/selection/", "/all/"].iter().any(|start| path.starts_with(start)) => {
            actions::answer(site, request).await
        }
        "/" | "/status.json" | "/metrics" => only_read(),
        _ => refusal(StatusCode::NOT_FOUND, "there is no such page"),
    }
}

fn only_read() -> Response {
    let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "this page is read-only");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

impl Answer for Arc<Site> {
    async fn answer(&self, request: Request) -> Response {
        let mut response = match self.access.refuse(request.headers()) {
            Some(refusal) => refusal,
            None => route(self, &request).await,
        };
        negotiate::compress(request.headers(), &mut response);
        access::harden(response.headers_mut());
        response
    }
}

/// Serves the page as long as the process lives, if it is enabled. If the page failed, nobody would notice, so its end
/// also ends the process, and supervisord starts another one.
///
/// If the address is in use, logs that and continues: only one process of a pool can serve the page, and all of them
/// share its data.
pub fn serve(
    settings: &PageSettings,
    common: &Common,
    board: &Arc<Board>,
    supervisord: &Supervisord,
) -> Result<(), Failure> {
    let access = Access::new(settings)?;
    let has_token = access.has_token();
    let Some(address) = *settings.listen else { return Ok(()) };
    let listener = match TcpListener::bind(address) {
        Ok(listener) => listener,
        Err(error) => {
            log(Level::Warning, format!("this process serves no status page at {address}: {error}"), json!({}));
            return Ok(());
        }
    };
    listener.set_nonblocking(true)?;
    let peers = Peers::watch(&settings.peers)?;
    let url = format!("http://{}/", listener.local_addr()?);
    observer::start(Arc::clone(board), supervisord.clone(), common.clone(), settings.status_interval)?;
    let site = Arc::new(Site {
        board: Arc::clone(board),
        supervisord: supervisord.clone(),
        may_act: settings.allow_actions,
        system: common.alerts.system(),
        host: host_name(),
        access,
        actions: Actions::default(),
        peers,
    });
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_io().enable_time().max_blocking_threads(CALLS).thread_stack_size(512 << 10).build()?;
    thread::Builder::new().name("status page".into()).spawn(move || {
        let _end = EndOfProcess;
        let error = runtime.block_on(http::serve(listener, site));
        log(Level::Error, format!("the status page has ended: {error}"), json!({}));
    })?;
    log(Level::Info, "status page", json!({ "url": url }));
    if settings.allow_actions && !has_token {
        let why = "everybody on this machine may start and stop processes on the status page: set STATUS_TOKEN";
        log(Level::Warning, why, json!({}));
    }
    Ok(())
}

/// Ends the process when it is dropped, even by a panic.
struct EndOfProcess;

impl Drop for EndOfProcess {
    fn drop(&mut self) {
        process::exit(1);
    }
}
