"""A simple detector of the market's regime, run by `--on-tick` of performance_monitor.

Decides from the prices of the last minute whether the market is calm or volatile, and writes that to a file for strategies.
"""

import json
import os
import pathlib
import statistics

LIMIT = 0.005

directory = pathlib.Path(os.environ["TRADING_DIR"])
prices = directory / "prices.json"
prices = json.loads(prices.read_text()) if prices.exists() else []
if len(prices) > 2:
    volatility = statistics.stdev(after / before - 1 for before, after in zip(prices, prices[1:]))
    regime = "volatile" if volatility > LIMIT else "calm"
    part = directory / "regime.json.part"
    part.write_text(json.dumps({"regime": regime, "volatility": volatility}))
    part.rename(directory / "regime.json")
    # An alert of level INFO is sent when it differs from the last one.
    print(f"ALERT:INFO:MARKET_REGIME:{regime}")
