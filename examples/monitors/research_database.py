"""A simple research database, updated by `--on-tick` of maintenance_monitor.

Copies the signals of strategies from the audit trail into a database: each record once, however often it is run.
"""

import json
import os
import pathlib
import sqlite3

trail = pathlib.Path(os.environ["AUDIT_FILE"])
database = sqlite3.connect(pathlib.Path(os.environ["TRADING_DIR"], "research.db"))
database.execute("""
    create table if not exists signals (timestamp text, process text, strategy text, type text, data text,
    unique (timestamp, process, strategy, type, data))
""")
added = 0
# The last rotated file may contain records since the last run.
for path in [trail.with_name(trail.name + ".1"), trail]:
    for line in path.read_text().splitlines() if path.exists() else []:
        record = json.loads(line)
        if "signal_type" in record:
            row = [record[key] for key in ("timestamp", "process", "strategy_id", "signal_type", "data")]
            added += database.execute("insert or ignore into signals values (?, ?, ?, ?, ?)", row).rowcount
database.commit()
print(f"{added} signals are new in the research database")
