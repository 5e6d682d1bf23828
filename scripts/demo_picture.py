"""Draw docs/pictures/demo.svg from the output of a demo.

    DEMO_EXIT=1 make demo | tee demo.out; .venv/bin/python scripts/demo_picture.py demo.out

An excerpt in the demo's own order: its steps, the first notice of each alert to each owner, the proof.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

_NOTICE = re.compile(r"\s+\d\d:\d\d:\d\d (PAGE|ticket) +to (\S+): (\S+) ")


def excerpt(lines: list[str]) -> list[str]:
    """Return the lines to show."""
    kept: list[str] = []
    seen: set[tuple[str, ...]] = set()
    for number, line in enumerate(lines):
        if line.startswith("The proof"):
            proof = [text for text in lines[number:] if text[:1] in "T┏┃┡│└"]
            return [*kept, *proof]
        notice = _NOTICE.match(line)
        if notice and notice.groups() not in seen:
            seen.add(notice.groups())
            kept.append(line)
        elif line.startswith("["):
            kept.append(line)
    raise SystemExit("no proof in this output: let the demo run to its end")


def main() -> None:
    """Write the picture."""
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    console = Console(record=True, width=125, file=io.StringIO())
    for line in excerpt(lines):
        text = Text(line)
        if notice := _NOTICE.match(line):
            text.stylize("bold red" if notice[1] == "PAGE" else "yellow")
        elif line.startswith("["):
            text.stylize("bold")
        console.print(text)
    target = Path(__file__).parents[1] / "docs" / "pictures" / "demo.svg"
    console.save_svg(str(target), title="DEMO_EXIT=1 make demo")


if __name__ == "__main__":
    main()
