"""An evaluation as an SVG timeline: incidents as shaded bands, one row of bars per alert.

A picture of rectangles and words needs no plotting library; browsers and GitHub show SVG as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from html import escape

from plumbline.evaluate.judge import Judged
from plumbline.evaluate.run import Evaluation

_LEFT, _WIDTH, _RIGHT = 190, 900, 40  # the last date is 60 wide
_ROW, _BAR, _TOP = 24, 12, 62
_TRUE, _FALSE, _BAND, _FAINT = "#1a7f5a", "#c43d2b", "#f3d9a4", "#faf0dc"
_TICKS = 10


def timeline(result: Evaluation) -> str:
    """Return the SVG text."""
    grid = result.scene.grid
    span = max(grid.end - grid.start, 1.0)

    def x(at: float) -> float:
        return _LEFT + _WIDTH * (min(max(at, grid.start), grid.end) - grid.start) / span

    rows = result.alerts
    bottom = _TOP + _ROW * len(rows)
    height = bottom + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + _RIGHT} {height}" '
        f'width="{_LEFT + _WIDTH + _RIGHT}" height="{height}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        _legend(),
    ]
    for incident in result.scene.incidents:
        wide = max(x(incident.end) - x(incident.start), 1.0)
        what = f"{incident.metric} {_day(incident.start)} to {_day(incident.end)}".strip()
        parts.append(
            f'<rect x="{x(incident.start):.1f}" y="{_TOP - 6}" width="{wide:.1f}" '
            f'height="{bottom - _TOP + 6}" fill="{_FAINT if incident.sustained is False else _BAND}">'
            f"<title>{escape(what)}</title></rect>"
        )
    for tick in range(_TICKS + 1):
        at = grid.start + span * tick / _TICKS
        parts.append(
            f'<line x1="{x(at):.1f}" y1="{_TOP - 6}" x2="{x(at):.1f}" y2="{bottom + 4}" stroke="#ddd"/>'
            f'<text x="{x(at):.1f}" y="{bottom + 20}" text-anchor="middle" fill="#555" font-size="10">'
            f"{_day(at)}</text>"
        )
    for number, one in enumerate(rows):
        y = _TOP + _ROW * number
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 11}" text-anchor="end">{escape(one.name)}</text>')
        parts += _bars(one, y, x)
    parts.append("</svg>\n")
    return "\n".join(parts)


def _bars(one: Judged, y: float, x: Callable[[float], float]) -> list[str]:
    false = set(one.false)
    bars = []
    for alarm in one.alarms:
        wide = max(x(alarm.end) - x(alarm.start), 1.5)
        what = f"{alarm.model} {alarm.metric} {_day(alarm.start)} to {_day(alarm.end)}"
        bars.append(
            f'<rect x="{x(alarm.start):.1f}" y="{y}" width="{wide:.1f}" height="{_BAR}" '
            f'fill="{_FALSE if alarm in false else _TRUE}"><title>{escape(what)}</title></rect>'
        )
    return bars


def _legend() -> str:
    items = (("incident", _BAND), ("not sustained", _FAINT), ("alarm in an incident", _TRUE), ("outside", _FALSE))
    parts = []
    for number, (text, colour) in enumerate(items):
        at = _LEFT + 165 * number
        parts.append(
            f'<rect x="{at}" y="16" width="14" height="{_BAR}" fill="{colour}"/>'
            f'<text x="{at + 20}" y="26">{text}</text>'
        )
    return "".join(parts)


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
