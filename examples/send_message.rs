//! Sends its arguments as one PROCESS_COMMUNICATION event.
//!
//! ```ini
//! [program:strategy]
//! command = /usr/local/bin/send_message SIGNAL:ENTRY:strategy-7:BTC
//! stdout_capture_maxbytes = 1MB
//! ; It ends at once, which is no failure.
//! startsecs = 0
//! ```

use std::env;
use std::io::{self, stdout};

use supervisor_events::communication;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    communication::write(stdout(), arguments.join(" "))
}
