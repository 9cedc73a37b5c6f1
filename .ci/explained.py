"""The lists of what no test can find or reach, each entry with a reason."""

import pathlib, sys


def explained(path: pathlib.Path) -> set[str]:
    """The entries. A line that begins with `#` is the reason for those after it, up to an empty line."""
    entries, reason = set(), ""
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            reason += line[1:].strip()
        elif not line.strip():
            reason = ""
        elif not reason:
            sys.exit(f"{path.name}: no reason is given for {line}")
        else:
            entries.add(line.strip())
    return entries


def judge(found: set[str], entries: set[str], fault: str) -> bool:
    """Says what is found and not explained, and what is explained and not found. Whether there is nothing to say."""
    for name in sorted(found - entries):
        print(f"{fault}: {name}")
    for name in sorted(entries - found):
        print(f"explained, but not found: {name}")
    return found == entries
