"""Preserves a strategy's state after a crash, run by `--on-event` of failure_monitor.

Copies the state of the failed process. supervisord starts the process again at once, so it may already be running: it must
not start with an empty state.
"""

import os
import pathlib
import shutil
import sys

directory = pathlib.Path(os.environ["TRADING_DIR"])
process = os.environ["SUPERVISOR_EVENT_PROCESSNAME"]
state = directory / "strategies" / f"{process}.json"
if not state.exists():
    sys.exit(0)
# Unique for each event.
event = "-".join(os.environ[f"SUPERVISOR_EVENT_{token}"] for token in ("RUN", "SERIAL"))
kept = directory / "preserved" / f"{process}-{event}.json"
kept.parent.mkdir(exist_ok=True)
part = kept.with_suffix(".part")
shutil.copyfile(state, part)
part.rename(kept)
print(f"{state} as of the failure is kept as {kept}")
