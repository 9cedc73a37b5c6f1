//! The settings that both programs need to find the stream.

use std::path::PathBuf;

use async_nats::ServerAddr;
use clap::Args;

use super::account::AccountSettings;
use crate::settings::{List, Optional};

/// How to reach the broker, and the stream's name.
#[derive(Clone, Args)]
#[command(next_help_heading = "The stream")]
pub struct Connection {
    /// The brokers, separated by commas: nats://HOST:PORT or tls://HOST:PORT. With USER:PASSWORD@ before HOST, only as
    /// an environment variable
    #[arg(long, env, default_value = "nats://127.0.0.1:4222")]
    pub nats_url: List<ServerAddr>,
    #[command(flatten)]
    pub account: AccountSettings,
    /// A PEM file with the certificates to trust instead of the system's. Enables TLS
    #[arg(long, env = "NATS_CA", default_value = "")]
    pub tls_ca: Optional<PathBuf>,
    /// A PEM file with a client certificate, if the broker asks for one
    #[arg(long, env = "NATS_CERT", default_value = "")]
    pub tls_cert: Optional<PathBuf>,
    /// A PEM file with the client certificate's key
    #[arg(long, env = "NATS_KEY", default_value = "")]
    pub tls_key: Optional<PathBuf>,
    /// The name of the stream
    #[arg(long, env = "FORWARD_STREAM", default_value = "supervisor")]
    pub stream: String,
}
