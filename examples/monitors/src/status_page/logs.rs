//! Serves the end of processes' logs, which the page follows: `GET /logs/GROUP:NAME?stream=stdout&offset=1234`.

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::json;

use super::Site;
use super::names::{self, parameter};
use crate::http::{Request, Response};
use crate::supervisord::{Fault, Stream, Supervisord, Tail, Unknown, fault_of};

/// What was written since the offset. Without an offset, the last lines.
pub async fn answer(site: &Arc<Site>, request: &Request, name: &str) -> Response {
    let Some(name) = names::process(name) else { return names::not_found() };
    let stream = parameter(request, "stream").as_deref().unwrap_or("stdout").parse::<Stream>();
    let since = parameter(request, "offset").map(|offset| offset.parse::<u64>()).transpose();
    let (stream, since) = match (stream, since) {
        (Ok(stream), Ok(since)) => (stream, since),
        (Err(why), _) => return names::error(StatusCode::BAD_REQUEST, &why),
        (_, Err(_)) => return names::error(StatusCode::BAD_REQUEST, "an offset is a number of bytes"),
    };
    let supervisord = site.supervisord.clone();
    let tail = tokio::task::spawn_blocking(move || tail(&supervisord, &name.to_string(), stream, since));
    tail.await.unwrap_or_else(|error| names::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()))
}

fn tail(supervisord: &Supervisord, name: &str, stream: Stream, since: Option<u64>) -> Response {
    match supervisord.tail(name, stream, since) {
        Ok(Tail { text, offset, overflow }) => {
            names::json(StatusCode::OK, &json!({ "text": text, "offset": offset, "overflow": overflow }))
        }
        Err(error) => {
            let status = match fault_of(&error) {
                Some(Fault::BadName) => StatusCode::NOT_FOUND,
                Some(_) => StatusCode::CONFLICT,
                None if error.is::<Unknown>() => StatusCode::GATEWAY_TIMEOUT,
                None => StatusCode::BAD_GATEWAY,
            };
            names::error(status, &error.to_string())
        }
    }
}
