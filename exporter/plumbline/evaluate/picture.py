"""An evaluation as a timeline: incidents as shaded bands, one row of bars per alert. Vega draws it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from plumbline.errors import UsageError
from plumbline.evaluate.incidents import Incident
from plumbline.evaluate.judge import Alarm
from plumbline.evaluate.run import Evaluation

_COLOURS = ("#f3d9a4", "#faf0dc", "#1a7f5a", "#c43d2b")
_KINDS = ("incident", "not sustained", "alarm in an incident", "outside")


def painter(path: Path) -> Callable[[Evaluation], str | bytes]:
    """Return what draws an evaluation in the format that a file's name ends in.

    Raises:
        UsageError: if that is no format of a picture, or the drawing library is not installed.
    """
    try:
        import altair  # noqa: F401
        import vl_convert
    except ImportError as error:
        raise UsageError("--picture needs a drawing library: pip install 'plumbline[report]'") from error
    formats: dict[str, Callable[[dict[str, Any]], str | bytes]] = {
        ".svg": vl_convert.vegalite_to_svg,
        ".png": partial(vl_convert.vegalite_to_png, scale=2),
    }
    if path.suffix not in formats:
        raise UsageError(f"--picture {path}: give the file a name that ends in {' or '.join(formats)}")
    return lambda result: formats[path.suffix](_timeline(result))


def _timeline(result: Evaluation) -> dict[str, Any]:
    import altair as alt

    grid = result.scene.grid
    times = alt.Scale(type="utc", domain=[grid.start * 1000, grid.end * 1000])
    colours = alt.Scale(domain=_KINDS, range=_COLOURS)
    alerts = alt.Scale(domain=[one.name for one in result.alerts])
    incidents = [_span(one, _KINDS[one.sustained is False]) for one in result.scene.incidents]
    alarms = [
        {"alert": one.name, **_span(alarm, _KINDS[2 + (alarm in one.false)])}
        for one in result.alerts
        for alarm in one.alarms
    ]
    bands = alt.Chart(alt.InlineData(incidents)).mark_rect(clip=True)
    bars = alt.Chart(alt.InlineData(alarms)).mark_bar(clip=True, height=12)
    chart = (bands + bars.encode(alt.Y("alert:N", title=None, scale=alerts))).encode(
        alt.X("start:T", title=None, scale=times, axis=alt.Axis(format="%Y-%m-%d", labelOverlap=True)),
        alt.X2("end:T"),
        alt.Color("kind:N", title=None, scale=colours, legend=alt.Legend(orient="top")),
        alt.Stroke("kind:N", scale=colours, legend=None),  # what is short is seen by its outline
        alt.Tooltip("what:N"),
        alt.Description("what:N"),
    )
    spec: dict[str, Any] = chart.properties(width=900, height=alt.Step(24)).to_dict()
    return spec


def _span(one: Incident | Alarm, kind: str) -> dict[str, object]:
    start, end = (datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d") for at in (one.start, one.end))
    what = f"{one.model} {one.metric} {start} to {end}".strip()
    return {"start": one.start * 1000, "end": one.end * 1000, "kind": kind, "what": what}
