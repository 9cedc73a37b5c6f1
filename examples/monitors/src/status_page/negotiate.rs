//! Content negotiation: formats, compression, and unchanged responses.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::StatusCode;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, VARY};

use crate::http::{Response, response};

/// Shorter bodies are not compressed.
const LEAST: usize = 1024;

/// The quality value that a header gives to a name, from 0 to 1. `None` if the header does not list it.
pub fn quality(headers: &HeaderMap, header: HeaderName, name: &str) -> Option<f32> {
    let values = headers.get_all(header).into_iter().filter_map(|value| value.to_str().ok());
    let mut ranges = values.flat_map(|value| value.split(','));
    ranges.find_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        if !parts.next()?.eq_ignore_ascii_case(name) {
            return None;
        }
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        Some(quality.map_or(1.0, |quality| quality.trim().parse().unwrap_or(0.0)))
    })
}

/// Compresses a response if the client accepts that and it is worthwhile.
pub fn compress(request: &HeaderMap, response: &mut Response) {
    let is_taken = quality(request, ACCEPT_ENCODING, "gzip").is_some_and(|quality| quality > 0.0);
    let is_text = response.status() == StatusCode::OK && !response.headers().contains_key(CONTENT_ENCODING);
    if !is_text || response.body().len() < LEAST {
        return;
    }
    response.headers_mut().append(VARY, HeaderValue::from_static("Accept-Encoding"));
    if is_taken {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        // Writing to memory does not fail.
        if let Ok(body) = encoder.write_all(response.body()).and_then(|()| encoder.finish()) {
            *response.body_mut() = body.into();
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
}

/// Builds a response, or returns 304 if the client already has this version.
pub fn unless_known(request: &HeaderMap, version: u64, make: impl FnOnce() -> Response) -> Response {
    // Weak, because the response also contains the current time.
    let tag = format!("W/\"{version:x}\"");
    let known = request.get_all(IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    let is_known = known.flat_map(|value| value.split(',')).any(|known| [tag.as_str(), "*"].contains(&known.trim()));
    let mut response = if is_known { response(StatusCode::NOT_MODIFIED, "application/json", "") } else { make() };
    if let Ok(tag) = HeaderValue::try_from(tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests {
    use hyper::header::ACCEPT;

    use super::*;

    fn quality_in(text: &str, name: &str) -> Option<f32> {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_str(text).unwrap())]);
        quality(&headers, ACCEPT, name)
    }

    #[test]
    fn what_a_client_wants_is_read_with_its_weight() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert_eq!(quality_in(prometheus, "application/openmetrics-text"), Some(0.6));
        assert_eq!(quality_in(prometheus, "text/plain"), Some(0.3));
        assert_eq!(quality_in(prometheus, "text/html"), None);
        assert_eq!(quality_in("br, GZIP ; q=0", "gzip"), Some(0.0));
        assert_eq!(quality_in("gzip;q=x", "gzip"), Some(0.0));
        assert_eq!(quality_in("gzip", "gzip"), Some(1.0));
    }
}
