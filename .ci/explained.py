"""The lists of what no test can find or reach, each entry with a reason."""

import pathlib, re, sys


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
    covered = {entry: covers(entry, found) for entry in entries}
    new = found.difference(*covered.values())
    gone = {entry for entry in entries if not covered[entry]}
    for name in sorted(new):
        print(f"{fault}: {name}")
    for name in sorted(gone):
        print(f"explained, but not found: {name}")
    return not new and not gone


def covers(entry: str, found: set[str]) -> set[str]:
    """What the entry is about. `…` in it is any text."""
    pattern = re.compile(".*".join(re.escape(part) for part in entry.split("…")))
    return {name for name in found if pattern.fullmatch(name)}
