"""Stands in for the detection of the market's regime: `--on-tick` of performance_monitor runs it.

Says whether the market is calm or volatile, by the prices of the last minute, and leaves that where strategies look.
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
    # An alert of the level INFO is sent when it is another one than the last time.
    print(f"ALERT:INFO:MARKET_REGIME:{regime}")
