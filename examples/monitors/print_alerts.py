"""A receiver of alerts that prints one line for each. Its argument is the port, on loopback.

Repeated lines are left out.
"""

import http.server
import json
import sys

last = None


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        alert = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(204)
        self.end_headers()
        status = f" ({alert['status']})" if alert["status"] else ""
        done = [f"{action['action']}: {action['outcome']}" for action in alert["actions"]]
        details = "; ".join(done) or alert["details"].get("message") or json.dumps(alert["details"])[:100]
        line = f"ALERT {alert['severity']:8} {alert['event']}{status} {alert['process'] or ''}: {details}"
        global last
        if line != last:
            print(line, flush=True)
        last = line

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
