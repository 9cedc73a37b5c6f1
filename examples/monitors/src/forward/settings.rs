//! Where the stream is, for both programs.

use std::path::PathBuf;

use async_nats::ServerAddr;
use clap::Args;

use crate::settings::{List, Optional};

/// What both programs need to find the stream.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "The stream")]
pub struct Connection {
    /// The brokers, with commas: nats://HOST:PORT or tls://HOST:PORT, also with USER:PASSWORD@ before HOST
    #[arg(long, env, default_value = "nats://127.0.0.1:4222")]
    pub nats_url: List<ServerAddr>,
    /// A file with credentials, if the broker wants them
    #[arg(long, env = "NATS_CREDS", default_value = "")]
    pub creds: Optional<PathBuf>,
    /// A file with the certificates to trust instead of the system's
    #[arg(long, env = "NATS_CA", default_value = "")]
    pub tls_ca: Optional<PathBuf>,
    /// The stream's name
    #[arg(long, env = "FORWARD_STREAM", default_value = "supervisor")]
    pub stream: String,
}
