"""The frame of the pages: no script, one small stylesheet, and a policy that lets nothing else in.

Every text that came from events passes ``e``; links are built by ``request_link`` and ``batch_link``.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import quote

from plumbline.trace.show import visible

STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #7a7f87; --bad: #cf222e; --good: #1a7f37;
  --warn: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --bad: #ff7b72; --good: #56d364; --warn: #d29922; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 1rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: .5rem 0; } h2 { font-size: 1.1rem; margin: 1.8rem 0 .4rem; }
h1, h2, dd, li, code, .who { overflow-wrap: anywhere; } td { overflow-wrap: break-word; }
th, time span { white-space: nowrap; }
nav, small, dt, .dim, time { color: var(--dim); }
nav { display: flex; gap: 1rem; font-size: .9rem; } nav span { margin-left: auto; }
.cards { display: flex; flex-wrap: wrap; gap: .8rem; }
.card { border: 1px solid var(--line); border-radius: 6px; padding: .6rem .9rem; flex: 1 1 12rem; }
.card b { display: block; font-size: 1.5rem; line-height: 1.3; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: .3rem 0; }
dd { margin: 0; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { color: var(--dim); font-weight: 400; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
ol.timeline { list-style: none; margin: 0; padding: 0; border-left: 3px solid var(--line); }
.timeline li { padding: .2rem 0 .2rem .8rem; display: grid; grid-template-columns: 7rem 13rem 1fr;
  gap: 0 .8rem; }
.timeline .text { white-space: pre-wrap; }
.timeline time { text-align: right; font-variant-numeric: tabular-nums; }
.now { background: #1a7f3722; } .bad, .problem .text, .problem .who { color: var(--bad); }
.good { color: var(--good); } .warn { color: var(--warn); }
.box { border-left: 3px solid var(--warn); padding: .1rem .8rem; margin: .5rem 0;
  overflow-wrap: anywhere; }
.box.critical { border-color: var(--bad); }
.who { font-weight: 600; }
code { font: .9em ui-monospace, monospace; }
@media (max-width: 40rem) {
  .timeline li { grid-template-columns: 1fr auto; } .timeline .who { order: -1; }
  .timeline .text { grid-column: 1 / -1; }
  dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; }
}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # The same address answers JSON; and what is known grows.
    "Vary": "Accept",
    "Cache-Control": "no-store",
}


def e(value: object, *, lines: bool = False) -> str:
    """Return any value as text that is safe between tags and in quoted attributes."""
    return escape(visible(str(value), lines=lines))


def request_link(request_id: str) -> str:
    """Return a link to the page of a request."""
    return f'<a href="/trace/{quote(request_id, safe="")}"><code>{e(request_id)}</code></a>'


def batch_link(data_batch_id: str) -> str:
    """Return a link to the page of a data batch."""
    return f'<a href="/batch/{quote(data_batch_id, safe="")}"><code>{e(data_batch_id)}</code></a>'


def when(ts: str | None) -> str:
    """Return a time of a record to the second, in UTC as all of them; the rest of it on pointing."""
    if ts is None:
        return ""
    date, _, clock = ts.partition("T")
    return f'<time datetime="{e(ts)}" title="{e(ts)}"><span>{e(date)}</span> <span>{e(clock[:8])}</span></time>'


def outside_link(address: str, text: str) -> str:
    """Return a link to an address that came with an alert; only its text if that is no web address."""
    if not address.startswith(("http://", "https://")):
        return e(text)
    return f'<a href="{e(address)}" rel="noreferrer">{e(text)}</a>'


def facts(rows: Iterable[tuple[str, str | None]]) -> str:
    """Return a list of name and value; values are HTML, None is left out."""
    return "<dl>" + "".join(f"<dt>{e(name)}</dt><dd>{v}</dd>" for name, v in rows if v is not None) + "</dl>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[str] = ()) -> str:
    """Return a table whose cells are HTML.

    Args:
        head: titles of the columns.
        rows: cells.
        numbers: titles of the columns that hold numbers.
    """
    marks = [' class="number"' if name in numbers else "" for name in head]
    titles = "".join(f"<th{mark}>{e(name)}</th>" for name, mark in zip(head, marks, strict=True))
    lines = "".join(
        "<tr>" + "".join(f"<td{mark}>{cell}</td>" for cell, mark in zip(row, marks, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><tr>{titles}</tr>{lines}</table></div>'


def page(title: str, heading: str, parts: Iterable[str], json: bool = True) -> str:
    """Return a whole page.

    Args:
        title: of the window; plain text.
        heading: HTML.
        parts: HTML.
        json: whether the same is to be had as JSON.
    """
    machine = '<a href="?format=json">JSON</a>' if json else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{e(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<nav><a href="/">Plumbline</a>{machine}<span>times in UTC</span></nav>\n<h1>{heading}</h1>\n'
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )
