"""A real browser that opens pages: Debian's chromium, without a window."""

from __future__ import annotations

import html
import shutil
import subprocess
import tempfile
from pathlib import Path

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
# It shall talk to the page under test and to nobody else.
_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    "--disable-default-apps",
    "--disable-extensions",
)


def why_not() -> str | None:
    """Return why no browser can be started here; None if one can."""
    if any(map(shutil.which, _PROGRAMS)):
        return None
    return "no chromium is installed (apt-get install chromium)"


def _run(url: str, *more: str) -> subprocess.CompletedProcess[str]:
    program = next(found for found in map(shutil.which, _PROGRAMS) if found)
    with tempfile.TemporaryDirectory(prefix="chromium-") as profile:
        command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *_QUIET]
        return subprocess.run(
            [*command, f"--user-data-dir={profile}", *more, url],
            capture_output=True,
            text=True,
            timeout=180,
            check=True,
        )


def dom(url: str) -> str:
    """Open a page and return what the browser made of it."""
    return _run(url, "--dump-dom").stdout


def picture(url: str, to: Path, width: int, height: int, *, dark: bool = False) -> str:
    """Open a page, write a picture of it, and return what the browser complained about."""
    more = [f"--window-size={width},{height}", f"--screenshot={to}", "--enable-logging=stderr"]
    if dark:
        more.append("--blink-settings=preferredColorScheme=0")
    return _run(url, *more).stderr


def on_a_phone(page: str, path: Path, width: int = 390, height: int = 2600) -> int:
    """Lay a page out as wide as a phone, in a file of that path; return how wide it wants to be.

    A window of a browser on a desk can't be that narrow, so the page stands in a frame.
    """
    frame = (
        f'<!doctype html><body style="margin:0"><iframe id="f" style="border:0" width="{width}" '
        f'height="{height}" srcdoc="{html.escape(page)}"></iframe><script>addEventListener("load", () => '
        '{ document.title = "width " + document.getElementById("f").contentDocument.documentElement'
        ".scrollWidth; })</script>"
    )
    path.write_text(frame, encoding="utf-8")
    shown = dom(path.as_uri())
    return int(shown.partition("<title>width ")[2].partition("<")[0])
