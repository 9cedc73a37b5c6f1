"""Stands in for what preserves a strategy's state after a crash: `--on-event` of failure_monitor runs it.

Keeps a copy of the state of the process that has failed. supervisord starts it again at once, so it may have gone on by
then: it must not begin with an empty state.
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
# No two events have the same of these.
event = "-".join(os.environ[f"SUPERVISOR_EVENT_{token}"] for token in ("RUN", "SERIAL"))
kept = directory / "preserved" / f"{process}-{event}.json"
kept.parent.mkdir(exist_ok=True)
part = kept.with_suffix(".part")
shutil.copyfile(state, part)
part.rename(kept)
print(f"{state} as of the failure is kept as {kept}")
