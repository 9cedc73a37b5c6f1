"""Listeners as one writes them in Python, for `memory`: failure, performance or comm, by name."""

import json
import sys
from datetime import datetime, timezone


def failure():
    import requests

    def handle(fields):
        alert = {"timestamp": datetime.now(timezone.utc).isoformat(), "process": fields["processname"]}
        try:
            requests.post("http://127.0.0.1:9/alerts", json=alert, timeout=5)
        except requests.RequestException as error:
            print(error, file=sys.stderr)

    return handle


def performance():
    import psutil

    def handle(fields):
        figures = {
            "timestamp": datetime.now(timezone.utc).isoformat(),
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


def comm():
    def handle(fields):
        kind, strategy, data = fields["data"].split(":", 3)[1:]
        record = {"timestamp": datetime.now(timezone.utc).isoformat(), "signal_type": kind, "strategy_id": strategy}
        print(json.dumps({**record, "data": data}), file=sys.stderr)

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
