//! A listener that answers OK to every event, for `benches/programs`.

use supervisor_events::Reply;
use supervisor_events::host::std_io::{ServeError, serve_stdio};

fn main() -> Result<(), ServeError> {
    serve_stdio(|_| Ok(Reply::OK))
}
