"""Listeners as one writes them in Python, for `footprint`: one for each monitor, by its name."""

import glob
import json
import os
import shutil
import sys
from datetime import datetime, timezone


def now():
    return datetime.now(timezone.utc).isoformat()


def send_alert(process):
    import requests

    try:
        alert = {"timestamp": now(), "process": process}
        requests.post(os.environ["ALERT_URL"], json=alert, timeout=5, verify=os.environ["ALERT_CA"])
    except requests.RequestException as error:
        print(error, file=sys.stderr)


def failure_monitor():
    send_alert("")
    return lambda fields: send_alert(fields["processname"])


def performance_monitor():
    import psutil

    send_alert("")

    def handle(fields):
        figures = {
            "timestamp": now(),
            "cpu_percent": psutil.cpu_percent(interval=0.1),
            "memory_percent": psutil.virtual_memory().percent,
            "disk_usage": psutil.disk_usage("/").percent,
            "network_io": psutil.net_io_counters()._asdict(),
            "load_average": psutil.getloadavg(),
        }
        for process in psutil.process_iter(["pid", "name", "cmdline", "cpu_percent", "memory_info"]):
            if "risk_manager" in " ".join(process.info["cmdline"] or []):
                figures[process.info["pid"]] = process.info["memory_info"].rss / 2**20
        print(json.dumps(figures), file=sys.stderr)

    return handle


def comm_monitor():
    send_alert("")

    def handle(fields):
        kind, strategy, data = fields["data"].split(":", 3)[1:]
        record = {"timestamp": now(), "signal_type": kind, "strategy_id": strategy, "data": data}
        with open("audit.jsonl", "a") as trail:
            trail.write(json.dumps(record) + "\n")
            trail.flush()
            os.fsync(trail.fileno())

    return handle


def heartbeat_monitor():
    import socket

    send_alert("")

    def handle(fields):
        for address in [("127.0.0.1", 9), ("127.0.0.1", 11)]:
            try:
                socket.create_connection(address, timeout=2).close()
            except OSError as error:
                print(error, file=sys.stderr)

    return handle


def startup_monitor():
    import xmlrpc.client

    send_alert("")
    server = xmlrpc.client.ServerProxy("http://127.0.0.1:9/RPC2")

    def handle(fields):
        try:
            server.supervisor.getAllProcessInfo()
        except OSError as error:
            print(error, file=sys.stderr)

    return handle


def maintenance_monitor():
    send_alert("")

    def handle(fields):
        with open("report.json", "w") as report:
            json.dump({"timestamp": now()}, report)
        for path in glob.glob("state/*.json"):
            shutil.copy(path, "backup")

    return handle


def trading_monitor():
    import http.server
    import threading

    states = {}

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(states).encode())

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def handle(fields):
        states[fields["groupname"], fields["processname"]] = now()

    return handle


handle = globals()[sys.argv[1]]()
while True:
    sys.stdout.write("READY\n")
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not line:
        break
    header = dict(token.split(":", 1) for token in line.split())
    head, _, data = sys.stdin.read(int(header["len"])).partition("\n")
    handle({**dict(token.split(":", 1) for token in head.split()), "data": data})
    sys.stdout.write("RESULT 2\nOK")
