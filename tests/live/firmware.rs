//! The firmware of `examples/cortex-m`, run by QEMU as a listener of a real supervisord. The kill line is read from the
//! board's register through QEMU, not from the firmware's own output.
//!
//! If QEMU or Rust's target for the board is missing, the tests are skipped, and say so; with `CI` in the environment
//! they fail.

use std::env;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::support::examples::example;
use crate::support::python::or_skip;
use crate::support::supervisord::{Supervisord, assert_clean};
use crate::support::{PATIENCE, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use supervisor_events::{Envelope, LengthUnit, READY};
use tempfile::TempDir;

const TARGET: &str = "thumbv7em-none-eabihf";
/// The board, with the serial line on standard input and output. What it logs is dropped.
const MACHINE: &str = "-machine mps2-an386 -display none -monitor none -serial stdio \
                       -semihosting-config enable=on,target=native,chardev=log -chardev null,id=log -kernel";
const LOG: &str = "supervisord.log";

/// A name with spaces and a character of two bytes, in every header.
const IDENTIFIER: &str = "trading host één";

/// Connects to supervisord through its socket. The calls are appended.
const RPC: &str = r#"
import http.client, socket, xmlrpc.client

class Transport(xmlrpc.client.Transport):
    def make_connection(self, host):
        connection = http.client.HTTPConnection(host)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect("socket")
        return connection

supervisor = xmlrpc.client.ServerProxy("http://localhost", Transport()).supervisor
"#;

/// A supervisord with the kill switch, one critical process, and another process that cannot be started.
struct Rig {
    // Dropped in this order: QEMU does not end with its input, so it has to be told before supervisord is.
    qemu: Qemu,
    supervisord: Supervisord,
    directory: TempDir,
}

impl Rig {
    fn start() -> Option<Self> {
        let firmware = firmware()?;
        let directory = TempDir::new().unwrap();
        let here = directory.path().to_str().unwrap();
        let risk_manager = directory.path().join("risk_manager");
        fs::write(&risk_manager, "#!/bin/sh\nexec cat\n").unwrap();
        fs::set_permissions(&risk_manager, Permissions::from_mode(0o755)).unwrap();

        // The example's own section, with other paths, a QEMU monitor for programs, and more events.
        let example = include_str!("../../examples/cortex-m/supervisord.conf");
        let (_, section) = example.split_once("[eventlistener:kill_switch]").unwrap();
        let (section, _) = section.split_once("\n[program:").unwrap();
        let section = section
            .replace(&format!("%(here)s/target/{TARGET}/release/kill-switch"), &format!("\"{}\"", escaped(firmware)))
            .replace("%(here)s/target", &here.replace('%', "%%"))
            .replace("-monitor unix:", "-monitor none -qmp unix:")
            .replace("TICK_5", "TICK_5,REMOTE_COMMUNICATION")
            .replace("buffer_size = 100", "buffer_size = 1000");
        let sections = format!(
            "[eventlistener:kill_switch]{section}\n\
             [program:risk_manager]\ncommand = \"{}\"\nstartsecs = 0\nstartretries = 0\nautorestart = true\n\
             [program:archiver]\ncommand = %(here)s/is-not-there\nstartretries = 0\n\
             [program:rpc]\ncommand = python3 rpc.py\ndirectory = %(here)s\nautostart = false\nstartsecs = 0\n\
             autorestart = false\n",
            escaped(&risk_manager)
        );
        let supervisord = Supervisord::start(IDENTIFIER, &sections)?;
        let qemu = Qemu::connect(&directory.path().join("monitor.sock"));
        Some(Self { qemu, supervisord, directory })
    }

    /// Runs these lines of Python to their end.
    fn call(&self, lines: &str) {
        self.supervisord.write("rpc.py", &format!("{RPC}{lines}"));
        assert!(self.supervisord.ctl(&["start", "rpc"]).status.success());
        self.supervisord.wait_for(LOG, "exited: rpc (exit status 0; expected)", 1);
    }

    /// Stops supervisord, which must have found no fault in the firmware.
    fn stop(mut self) {
        assert!(self.supervisord.stop().success());
        assert_clean(&self.supervisord.log());
    }
}

/// The QEMU monitor, which tells the state of the machine.
struct Qemu(BufReader<UnixStream>);

impl Qemu {
    fn connect(socket: &Path) -> Self {
        let stream = wait_for("QEMU", || UnixStream::connect(socket).ok());
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut this = Self(BufReader::new(stream));
        this.execute(&json!({ "execute": "qmp_capabilities" }));
        this
    }

    fn execute(&mut self, command: &Value) -> Value {
        writeln!(self.0.get_ref(), "{command}").unwrap();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            let mut message: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(message.get("error"), None);
            // It also sends messages that are not answers.
            if let Some(answer) = message.get_mut("return") {
                return answer.take();
            }
        }
    }

    /// The register of the LED that shows the kill line.
    fn kill_line(&mut self) -> bool {
        let command =
            json!({ "execute": "human-monitor-command", "arguments": { "command-line": "xp /1wx 0x40028000" } });
        let answer = self.execute(&command);
        match answer.as_str().and_then(|text| text.split_once(": ")).map(|(_, value)| value.trim()) {
            Some("0x00000000") => false,
            Some("0x00000001") => true,
            _ => panic!("{answer}"),
        }
    }

    fn wait_for_line(&mut self, asserted: bool) {
        wait_for(&format!("the kill line: {asserted}"), || (self.kill_line() == asserted).then_some(()));
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // It has ended already, unless supervisord could not be asked to end it.
        let _ = writeln!(self.0.get_ref(), "{}", json!({ "execute": "quit" }));
    }
}

/// The firmware without a supervisord: the test holds the other end of its serial line.
struct Bare {
    qemu: Qemu,
    child: Child,
    serial: UnixStream,
    _directory: TempDir,
}

impl Bare {
    fn start(firmware: &Path) -> Self {
        let directory = TempDir::new().unwrap();
        let socket = directory.path().join("monitor.sock");
        let (serial, theirs) = UnixStream::pair().unwrap();
        serial.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = Command::new("qemu-system-arm");
        command.args(MACHINE.split(' ')).arg(firmware);
        command.arg("-qmp").arg(format!("unix:{},server=on,wait=off", socket.display()));
        command.stdin(OwnedFd::from(theirs.try_clone().unwrap())).stdout(OwnedFd::from(theirs)).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let mut this = Self { child, qemu: Qemu::connect(&socket), serial, _directory: directory };
        this.expect(READY);
        this
    }

    /// Sends an event, and takes the answer.
    fn send(&mut self, serial: u64, eventname: &str, payload: &str) {
        let envelope = Envelope {
            server: IDENTIFIER,
            serial,
            pool: "pool",
            poolserial: 0,
            eventname,
            payload: payload.as_bytes(),
        };
        let mut buffer = [0; 1000];
        self.serial.write_all(envelope.write_to(LengthUnit::CodePoints, &mut buffer).unwrap()).unwrap();
        self.expect(b"RESULT 2\nOKREADY\n");
    }

    fn expect(&mut self, bytes: &[u8]) {
        let mut said = vec![0; bytes.len()];
        self.serial.read_exact(&mut said).unwrap();
        assert_eq!(said, bytes);
    }

    /// The kill line, just after a heartbeat.
    fn kill_line(&mut self) -> bool {
        self.send(0, "TICK_5", "when:5");
        self.qemu.kill_line()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that is stopped until this value is dropped.
struct Paused(Pid);

impl Paused {
    fn new(pid: Pid) -> Self {
        kill_process(pid, Signal::STOP).unwrap();
        Self(pid)
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

fn escaped(path: &Path) -> String {
    path.to_str().unwrap().replace('%', "%%")
}

/// The firmware, if it can be built and run here.
fn firmware() -> Option<&'static PathBuf> {
    static FIRMWARE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    or_skip("firmware", FIRMWARE.get_or_init(build).as_ref().map_err(String::clone))
}

fn build() -> Result<PathBuf, String> {
    let qemu = Command::new("qemu-system-arm").arg("--version").stdout(Stdio::null()).status();
    qemu.map_err(|error| format!("qemu-system-arm: {error}"))?;
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let library = Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output().unwrap();
    if !Path::new(String::from_utf8(library.stdout).unwrap().trim_end()).is_dir() {
        return Err(format!("Rust's target {TARGET} is not installed"));
    }
    // target/debug/deps/TEST
    let target = env::current_exe().unwrap().ancestors().nth(3).unwrap().join("cortex-m");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--release", "--target", TARGET]);
    cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/cortex-m"));
    cargo.env("CARGO_TARGET_DIR", &target).env("DEFMT_LOG", "info").env_remove("KILL_SWITCH_HEARTBEAT_SECONDS");
    assert!(cargo.status().unwrap().success(), "cargo could not build the firmware");
    Ok(target.join(TARGET).join("release/kill-switch"))
}

#[test]
fn the_kill_line_follows_a_critical_process() {
    let Some(mut rig) = Rig::start() else { return };
    let risk_manager = rig.directory.path().join("risk_manager");
    let removed = rig.directory.path().join("removed");

    // Events come in order, so the firmware has seen the failure of the process that is not critical before it sees the
    // first heartbeat.
    rig.supervisord.wait_for(LOG, "gave up: archiver entered FATAL state", 1);
    rig.supervisord.wait_for(LOG, "success: risk_manager entered RUNNING state", 1);
    rig.qemu.wait_for_line(false);

    // Some have more bytes than characters; the last ones are larger than the firmware's buffer. Not more of these: if
    // QEMU's threads have to wait for a processor, the serial line passes only a byte or two per millisecond.
    let lines = "for n in range(500):\n    data = '€' * (n if n > 490 else n % 20)\n    \
                 supervisor.sendRemoteCommEvent('kind of: event', '%d %s' % (n, data))\n";
    rig.call(lines);

    fs::rename(&risk_manager, &removed).unwrap();
    rig.supervisord.ctl(&["signal", "KILL", "risk_manager"]);
    rig.supervisord.wait_for(LOG, "gave up: risk_manager entered FATAL state", 1);
    rig.qemu.wait_for_line(true);
    assert_eq!(rig.supervisord.status("risk_manager"), "FATAL");

    fs::rename(&removed, &risk_manager).unwrap();
    assert!(rig.supervisord.ctl(&["start", "risk_manager"]).status.success());
    rig.qemu.wait_for_line(false);

    assert!(rig.supervisord.ctl(&["stop", "kill_switch"]).status.success());
    let log = rig.supervisord.log();
    assert!(log.contains("stopped: kill_switch (exit status 0)"));
    let (sent, processed) = ("sent to listener kill_switch", "kill_switch: event was processed");
    assert!(log.matches(processed).count() >= 500);
    // The last one may be on its way when the firmware is stopped.
    assert!(log.matches(sent).count() - log.matches(processed).count() <= 1);
    assert_eq!(log.matches("spawned: 'kill_switch'").count(), 1);
    // At least a frame for each time that the line moved.
    let frames = fs::read(rig.directory.path().join("kill-switch.log")).unwrap();
    assert!(frames.split(|byte| *byte == 0).filter(|frame| !frame.is_empty()).count() >= 4);
    rig.stop();
}

#[test]
fn the_kill_line_follows_the_heartbeat() {
    let Some(mut rig) = Rig::start() else { return };
    rig.qemu.wait_for_line(false);
    let supervisord = Pid::from_raw(rig.supervisord.file("supervisord.pid").trim_end().parse().unwrap()).unwrap();
    let paused = Paused::new(supervisord);
    rig.qemu.wait_for_line(true);
    drop(paused);
    rig.qemu.wait_for_line(false);
    rig.stop();
}

#[test]
fn a_broken_stream_ends_in_an_error() {
    let Some(mut rig) = Rig::start() else { return };
    rig.qemu.wait_for_line(false);
    rig.call("supervisor.sendProcessStdin('kill_switch', 'this is not a header')\n");
    rig.supervisord.wait_for(LOG, "exited: kill_switch (exit status 1; not expected)", 1);
    // supervisord starts it again.
    rig.qemu = Qemu::connect(&rig.directory.path().join("monitor.sock"));
    rig.qemu.wait_for_line(false);
    rig.stop();
}

#[test]
fn an_event_that_comes_late_moves_nothing() {
    let Some(firmware) = firmware() else { return };
    let mut bare = Bare::start(firmware);
    let (fatal, running) = ("PROCESS_STATE_FATAL", "PROCESS_STATE_RUNNING");
    let state = |name: &str| format!("processname:{name} groupname:trading_system from_state:BACKOFF");
    assert!(bare.qemu.kill_line(), "it has not heard a heartbeat");
    bare.send(0, "TICK_60", "when:60");
    assert!(bare.qemu.kill_line(), "another period's");
    assert!(!bare.kill_line());

    bare.send(7, fatal, &state("order_executor"));
    assert!(bare.kill_line());
    bare.send(6, running, &state("order_executor"));
    assert!(bare.kill_line());
    bare.send(5, running, &state("risk_manager"));
    assert!(bare.kill_line(), "another process's");
    bare.send(8, running, &state("order_executor"));
    assert!(!bare.kill_line());

    bare.send(9, fatal, &state("risk_manager"));
    bare.send(10, fatal, &state("hyperliquid_feed"));
    bare.send(11, running, &state("risk_manager"));
    assert!(bare.kill_line(), "one of two");
    bare.send(12, running, &state("hyperliquid_feed"));
    assert!(!bare.kill_line());
    bare.send(13, fatal, &state("archiver"));
    bare.send(14, fatal, &state("risk_manager2"));
    assert!(!bare.kill_line());
}

#[test]
fn it_is_a_good_listener() {
    let Some(firmware) = firmware() else { return };
    let program = example("check_listener");
    let list = Command::new(&program).arg("--list").output().unwrap().stdout;
    let list = String::from_utf8(list).unwrap();
    // Except the checks for the end of its input: a serial line has none.
    let names: Vec<_> =
        list.lines().filter_map(|line| line.split(' ').next()).filter(|name| !name.starts_with("end-")).collect();
    let mut command = Command::new(program);
    command.args(names.iter().flat_map(|name| ["--only", name]));
    command.args(["--json", "--timeout", "60", "--", "qemu-system-arm"]).args(MACHINE.split(' ')).arg(firmware);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(names.len() >= 20);
    assert_eq!(result["summary"]["passed"], names.len(), "{result}");
}
