//! Brokers that require an account: what logs in, and what is reported if it does not.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::nats::{Nats, Place, assert_events, deliver, payload, terminate};
use crate::support::wait_for;
use async_nats::ConnectOptions;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use supervisor_events::simulator::Simulator;

const NKEY: &str = "UDHE4V57ADKTRJTU2GEJQIW5AKJ3UR45BICRRXUZ7PCMQWU5BM4AJRFB";
const NKEY_SEED: &str = "SUADQO62Y6RE2QUKMYH5XOYJ54AJW6Q2IXDH4UXEFPFI4WGPMWFS6HDIVI";

// Created for these tests with unlimited validity, by an operator whose key no longer exists.
const ACCOUNT: &str = "ABZVVIGOOVL32P6S6FDOY2NBDSLCDMA2FBSVBMPAJ4MGLEGYT63LC4F7";
const SYSTEM: &str = "ACT6OBVRQZLCFBJ645WBOEKZW5PBDBMQMW3SQMZ7M4KT6DCXZRZG2IYC";
const USER_SEED: &str = "SUAG6EWQLUCSG2KB75E7XI4LOXKAEKBFMQP3OUR4HKJYVMJUJFS3VQENRI";
const OPERATOR: &str = concat!(
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJpYXQiOjE3MDAwMDAwMDAsImlzcyI6Ik9EM1NMM043Q08zRFhJT",
    "U5LSUFFSkVZSlhRTlJJUEFaTkxSSFpGQk1WRVo1N0VKTVRPVFNYNk43IiwianRpIjoiTyIsIm5hbWUiOiJPIiwibmF0cyI6eyJze",
    "XN0ZW1fYWNjb3VudCI6IkFDVDZPQlZSUVpMQ0ZCSjY0NVdCT0VLWlc1UEJEQk1RTVczU1FNWjdNNEtUNkRDWFpSWkcySVlDIiwid",
    "HlwZSI6Im9wZXJhdG9yIiwidmVyc2lvbiI6Mn0sInN1YiI6Ik9EM1NMM043Q08zRFhJTU5LSUFFSkVZSlhRTlJJUEFaTkxSSFpGQ",
    "k1WRVo1N0VKTVRPVFNYNk43In0._3P1yqTxmt3M4NovORlpRl5nLunKAuSfBjGFbHBzjWPHO01jDFNr2RSlPib21dsxI_3AkqJxq",
    "F3OieBkPIvKAw",
);
const ACCOUNT_JWT: &str = concat!(
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJpYXQiOjE3MDAwMDAwMDAsImlzcyI6Ik9EM1NMM043Q08zRFhJT",
    "U5LSUFFSkVZSlhRTlJJUEFaTkxSSFpGQk1WRVo1N0VKTVRPVFNYNk43IiwianRpIjoiQSIsIm5hbWUiOiJBIiwibmF0cyI6eyJkZ",
    "WZhdWx0X3Blcm1pc3Npb25zIjp7InB1YiI6e30sInN1YiI6e319LCJsaW1pdHMiOnsiY29ubiI6LTEsImNvbnN1bWVyIjotMSwiZ",
    "GF0YSI6LTEsImRpc2tfc3RvcmFnZSI6LTEsImV4cG9ydHMiOi0xLCJpbXBvcnRzIjotMSwibGVhZiI6LTEsIm1lbV9zdG9yYWdlI",
    "jotMSwicGF5bG9hZCI6LTEsInN0cmVhbXMiOi0xLCJzdWJzIjotMSwid2lsZGNhcmRzIjp0cnVlfSwidHlwZSI6ImFjY291bnQiL",
    "CJ2ZXJzaW9uIjoyfSwic3ViIjoiQUJaVlZJR09PVkwzMlA2UzZGRE9ZMk5CRFNMQ0RNQTJGQlNWQk1QQUo0TUdMRUdZVDYzTEM0R",
    "jcifQ.RZK0AizVsfmq4mqiuICYIntY9iwQt7SOuqawmdKbbzO_Q7FV-URfRgiO9RMov4r69_rkPaaDHmLnzxYq1CueCA",
);
const SYSTEM_JWT: &str = concat!(
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJpYXQiOjE3MDAwMDAwMDAsImlzcyI6Ik9EM1NMM043Q08zRFhJT",
    "U5LSUFFSkVZSlhRTlJJUEFaTkxSSFpGQk1WRVo1N0VKTVRPVFNYNk43IiwianRpIjoiUyIsIm5hbWUiOiJTWVMiLCJuYXRzIjp7I",
    "mRlZmF1bHRfcGVybWlzc2lvbnMiOnsicHViIjp7fSwic3ViIjp7fX0sImxpbWl0cyI6eyJjb25uIjotMSwiZGF0YSI6LTEsImV4c",
    "G9ydHMiOi0xLCJpbXBvcnRzIjotMSwibGVhZiI6LTEsInBheWxvYWQiOi0xLCJzdWJzIjotMSwid2lsZGNhcmRzIjp0cnVlfSwid",
    "HlwZSI6ImFjY291bnQiLCJ2ZXJzaW9uIjoyfSwic3ViIjoiQUNUNk9CVlJRWkxDRkJKNjQ1V0JPRUtaVzVQQkRCTVFNVzNTUU1aN",
    "000S1Q2RENYWlJaRzJJWUMifQ.TE4LJwzCemQ7Dbd9Sc96mQRANZQ-4sJz3eOVY4ji_IMn42a5YN5CZlnNeICV14LZlABq2ET4I-",
    "AlbJ2YNQ2ACA",
);
const USER_JWT: &str = concat!(
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJpYXQiOjE3MDAwMDAwMDAsImlzcyI6IkFCWlZWSUdPT1ZMMzJQN",
    "lM2RkRPWTJOQkRTTENETUEyRkJTVkJNUEFKNE1HTEVHWVQ2M0xDNEY3IiwianRpIjoiVSIsIm5hbWUiOiJmb3J3YXJkZXIiLCJuY",
    "XRzIjp7ImRhdGEiOi0xLCJwYXlsb2FkIjotMSwicHViIjp7fSwic3ViIjp7fSwic3VicyI6LTEsInR5cGUiOiJ1c2VyIiwidmVyc",
    "2lvbiI6Mn0sInN1YiI6IlVDNlNISE03M0ozVUFBWkZPQjQ0UEEySzRIWkNWUkxKQ1FaMzMzU0xIM1czVzQ0Qkw2SVBYRTdYIn0.j",
    "kJd3xmh6jOzFfWmuQS_yfx9VNZd4LPrIfJiqt7bnhm35eaofGYqibZljSvwJ1FTkuk6yfAM_HEhztfuIm_cCw",
);

/// A password in which everything must be encoded in a URL.
const PASSWORD: &str = "s3cret:p@ss/w%rd,";
const IN_URL: &str = "s3cret%3Ap%40ss%2Fw%25rd%2C";

fn with_accounts() -> Option<Nats> {
    let config = format!(
        r#"accounts {{
            TRADING {{ jetstream: enabled, users: [ {{ user: "forwarder", password: "{PASSWORD}" }}, {{ nkey: {NKEY} }} ] }}
            OTHER {{ users: [ {{ user: "other", password: "s3cret" }} ] }}
        }}"#
    );
    let options = ConnectOptions::new().user_and_password("forwarder".into(), PASSWORD.into());
    Nats::with_config(&config, options)
}

/// A listener with this in its environment.
fn listener(place: &Place, url: &str, environment: &[(&str, &str)]) -> Simulator {
    Simulator::spawn(place.command(&[], url, &[]).envs(environment.iter().copied())).unwrap()
}

fn fleet(url: &str, environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
    command.args(["--once", "--json"]).env("NATS_URL", url).envs(environment.iter().copied());
    command.stdin(Stdio::null()).output().unwrap()
}

/// Both programs log in with it. `number` identifies the published event.
fn logs_in(nats: &Nats, number: u64, url: &str, environment: &[(&str, &str)]) {
    let place = Place::new();
    let mut listener = listener(&place, url, environment);
    listener.pool.next_serial = number;
    deliver(&mut listener, &payload(number));
    assert_events(&nats.messages(number + 1), 0..number + 1);
    terminate(listener);
    assert!(!place.log().contains("s3cret") && !place.log().contains("SU"), "{}", place.log());
    let output = fleet(url, environment);
    assert!(output.status.success(), "{output:?}");
}

fn file(place: &Place, name: &str, text: &str) -> String {
    let path = place.path().join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().into()
}

#[test]
fn users_and_nkeys() {
    let Some(nats) = with_accounts() else { return };
    let files = Place::new();
    let password = file(&files, "password", &format!("{PASSWORD}\n"));
    let seed = file(&files, "nkey", &format!("# The forwarder's\n{NKEY_SEED}\n"));
    let url = nats.url();
    logs_in(&nats, 0, &nats.url_for(&format!("forwarder:{IN_URL}@")), &[]);
    logs_in(&nats, 1, &url, &[("NATS_USER", "forwarder"), ("NATS_PASSWORD", PASSWORD)]);
    logs_in(&nats, 2, &url, &[("NATS_USER", "forwarder"), ("NATS_PASSWORD_FILE", &password)]);
    logs_in(&nats, 3, &nats.url_for("forwarder@"), &[("NATS_PASSWORD_FILE", &password)]);
    logs_in(&nats, 4, &url, &[("NATS_NKEY", &seed)]);
}

#[test]
fn a_token() {
    let config = r#"authorization { token: "s3cret-token" }"#;
    let Some(nats) = Nats::with_config(config, ConnectOptions::new().token("s3cret-token".into())) else { return };
    let files = Place::new();
    let token = file(&files, "token", "s3cret-token\n");
    logs_in(&nats, 0, &nats.url(), &[("NATS_TOKEN", "s3cret-token")]);
    logs_in(&nats, 1, &nats.url(), &[("NATS_TOKEN_FILE", &token)]);
    logs_in(&nats, 2, &nats.url_for("s3cret-token@"), &[]);
}

#[test]
fn credentials() {
    let config = format!(
        "operator: {OPERATOR}\nsystem_account: {SYSTEM}\nresolver: MEMORY\n\
         resolver_preload {{ {ACCOUNT}: {ACCOUNT_JWT}, {SYSTEM}: {SYSTEM_JWT} }}"
    );
    let text = format!(
        "-----BEGIN NATS USER JWT-----\n{USER_JWT}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{USER_SEED}\n------END USER NKEY SEED------\n"
    );
    let Some(nats) = Nats::with_config(&config, ConnectOptions::with_credentials(&text).unwrap()) else { return };
    let files = Place::new();
    logs_in(&nats, 0, &nats.url(), &[("NATS_CREDS", &file(&files, "forwarder.creds", &text))]);
}

/// A certificate and its key, in files with these names.
fn certificate(place: &Place, name: &str) -> [String; 2] {
    let names = ["127.0.0.1".to_owned(), name.to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    [
        file(place, &format!("{name}.pem"), &cert.pem()),
        file(place, &format!("{name}.key"), &signing_key.serialize_pem()),
    ]
}

#[test]
fn certificates() {
    let files = Place::new();
    let [server, server_key] = certificate(&files, "broker.internal");
    let [client, client_key] = certificate(&files, "forwarder.internal");
    let [other, other_key] = certificate(&files, "other.internal");
    let config = format!(
        r#"tls {{ cert_file: "{server}", key_file: "{server_key}", ca_file: "{client}", verify_and_map: true }}
        authorization {{ users: [ {{ user: "forwarder.internal" }} ] }}"#
    );
    let options = ConnectOptions::new().add_root_certificates(Path::new(&server).into());
    let options = options.add_client_certificate(Path::new(&client).into(), Path::new(&client_key).into());
    let Some(nats) = Nats::with_config(&config, options) else { return };
    let own = [("NATS_CERT", &client[..]), ("NATS_KEY", &client_key)];
    logs_in(&nats, 0, &nats.url(), &[&[("NATS_CA", &server[..])], &own[..]].concat());
    logs_in(&nats, 1, &nats.url().replace("nats:", "tls:"), &[&[("NATS_CA", &server[..])], &own[..]].concat());

    // A broker that is not trusted, and a client that the broker does not know.
    for (environment, why) in [
        (&[&[("NATS_CA", &other[..])], &own[..]].concat()[..], "certificate"),
        (&[("NATS_CA", &server), ("NATS_CERT", &other), ("NATS_KEY", &other_key)], "certificate"),
        (&[("NATS_CA", &server)], "certificate"),
        (&[("NATS_CA", &server), ("NATS_CERT", &client)], "--tls-cert and --tls-key belong together"),
        (&[("NATS_CA", "nowhere.pem")], "--tls-ca"),
    ] {
        let output = fleet(&nats.url(), environment);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.to_lowercase().contains(why), "{why}: {said}");
    }
}

/// Reports the reason, loses nothing, and continues when the account is right.
#[test]
fn a_wrong_account() {
    let Some(nats) = with_accounts() else { return };
    let (place, files) = (Place::new(), Place::new());
    let password = file(&files, "password", "s3cret-and-wrong");
    let mut listener = listener(&place, &nats.url_for("forwarder@"), &[("NATS_PASSWORD_FILE", &password)]);
    (0..20).for_each(|number| deliver(&mut listener, &payload(number)));
    place.wait_for_log("the broker refuses the account of --nats-url");
    fs::write(&password, PASSWORD).unwrap();
    assert_events(&nats.messages(20), 0..20);
    terminate(listener);
    assert_eq!(place.log().matches("they go to the spool").count(), 1, "{}", place.log());
    assert!(!place.log().contains("s3cret"), "{}", place.log());

    for (url, environment, why) in [
        (nats.url(), &[][..], "the broker requires an account: set NATS_USER and NATS_PASSWORD"),
        (nats.url(), &[("NATS_USER", "forwarder"), ("NATS_PASSWORD", "s3cret")], "refuses the account of --nats-user"),
        (nats.url(), &[("NATS_TOKEN", "s3cret")], "refuses the account of NATS_TOKEN"),
        // It may log in, but not use streams.
        (nats.url_for("other:s3cret@"), &[], "not enabled for account"),
        (nats.url(), &[("NATS_PASSWORD", "s3cret")], "set NATS_USER as well"),
        (nats.url(), &[("NATS_USER", "forwarder"), ("NATS_TOKEN", "s3cret")], "are both set"),
        (nats.url_for("forwarder:s3cret@"), &[("NATS_USER", "forwarder")], "are both set"),
        (nats.url(), &[("NATS_NKEY", &password)], "has no line with a user's seed"),
        (nats.url(), &[("NATS_CREDS", &password)], "--creds"),
        (nats.url(), &[("NATS_TOKEN_FILE", "nowhere")], "--nats-token-file"),
    ] {
        let output = fleet(&url, environment);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(why) && !said.contains("s3cret"), "{why}: {said}");
    }
}

/// An account that may only publish events causes a message.
#[test]
fn what_an_account_may_not_do() {
    let config = r#"accounts { TRADING { jetstream: enabled, users: [
        { user: "admin", password: "s3cret" },
        { user: "forwarder", password: "s3cret", permissions: {
            publish: [ "supervisor.alpha.>", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.CREATE.*" ], subscribe: "_INBOX.>"
        } },
        { user: "fleet", password: "s3cret", permissions: {
            publish: [ "$JS.API.STREAM.INFO.*", "$JS.API.CONSUMER.*.supervisor_last", "$JS.API.CONSUMER.*.supervisor_last.>",
                       "$JS.API.CONSUMER.MSG.NEXT.supervisor_last.>" ], subscribe: "_INBOX.>"
        } }
    ] } }"#;
    let options = ConnectOptions::new().user_and_password("admin".into(), "s3cret".into());
    let Some(nats) = Nats::with_config(config, options) else { return };
    let place = Place::new();
    let url = nats.url_for("forwarder:s3cret@");
    let mut alpha = Simulator::spawn(&mut place.command(&[], &url, &["--host", "alpha"])).unwrap();
    deliver(&mut alpha, &payload(0));
    assert_events(&nats.messages(1), 0..1);
    let reader = nats.url_for("fleet:s3cret@");
    wait_for("a sign of life in the fleet", || {
        let output = fleet(&reader, &[]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().contains("alpha").then_some(())
    });
    terminate(alpha);
    let place = Place::new();
    let mut beta = Simulator::spawn(&mut place.command(&[], &url, &["--host", "beta", "--deadline", "0.5"])).unwrap();
    deliver(&mut beta, &payload(0));
    place.wait_for_log("Permissions Violation for Publish to");
    terminate(beta);
    assert_eq!(nats.count(), 1);
}

#[test]
fn secrets_are_not_arguments() {
    for program in [env!("CARGO_BIN_EXE_fleet"), env!("CARGO_BIN_EXE_forward_monitor")] {
        for argument in ["--nats-url=nats://u:s3cret@host", "--nats-password=s3cret", "--nats-token=s3cret"] {
            let output = Command::new(program).arg(argument).stdin(Stdio::null()).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            let variable = argument[2..].split('=').next().unwrap().replace('-', "_").to_uppercase();
            assert!(!output.status.success() && said.contains(&variable) && !said.contains("s3cret"), "{said}");
        }
        let mut help = Command::new(program);
        help.arg("--help").env("NATS_URL", "nats://u:s3cret@host").env("NATS_PASSWORD", "s3cret");
        let output = help.env("NATS_TOKEN", "s3cret").output().unwrap();
        assert!(output.status.success() && !String::from_utf8_lossy(&output.stdout).contains("s3cret"), "{output:?}");
    }
}
