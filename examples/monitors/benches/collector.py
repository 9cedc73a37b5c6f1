"""What `log_collector` does, as one writes it in Python with supervisor's childutils, for the bench `collect`."""

import json
import sys
from datetime import datetime, timezone

from supervisor import childutils


def main(path):
    rest = {}
    with open(path, "a") as out:
        while True:
            headers, payload = childutils.listener.wait(sys.stdin, sys.stdout)
            if headers["eventname"].startswith("PROCESS_LOG"):
                fields, data = childutils.eventdata(payload)
                key = fields["groupname"], fields["processname"], fields["channel"]
                *lines, rest[key] = (rest.get(key, "") + data).split("\n")
                for line in lines:
                    record = {
                        "timestamp": datetime.now(timezone.utc).isoformat(),
                        "server": headers["server"],
                        "serial": int(headers["serial"]),
                        "group": key[0],
                        "process": key[1],
                        "pid": int(fields["pid"]),
                        "channel": key[2],
                        "source": "log",
                        "line": line,
                    }
                    out.write(json.dumps(record, ensure_ascii=False) + "\n")
                out.flush()
            childutils.listener.ok(sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
