"""The contract: every metric, label, recorded series, alert and reason name, once.

Rules, dashboards, the exporter, the tests and the reference of metrics all read ``names.X``, so they
cannot disagree. Nothing here reads anything, or imports anything else of ours.

Naming follows Prometheus: base units in the name, ``_total`` on counters, closed label sets, labels
``model, version`` first.

Where a name stands:

- metrics, by family, in the order of ``docs/metrics.md``: ``serving``, ``drift``, ``quality``, ``baseline``,
  ``pipelines``, ``business``, ``trials``, ``infrastructure``, ``exporter``, ``senders``, and ``corrections``;
- ``recorded``: the series that recording rules make; ``figures``: the values of their label ``metric``;
- ``label_values``: the closed sets of all other labels and of events' fields;
- ``alerts``, ``dashboards``, ``http``.

``metric`` says what a metric and a recorded series are. Whoever uses a name asks this package for it.
"""

from __future__ import annotations

from plumbline.names import (
    baseline,
    business,
    drift,
    exporter,
    infrastructure,
    pipelines,
    quality,
    recorded,
    senders,
    serving,
    trials,
)
from plumbline.names.alerts import *
from plumbline.names.baseline import *
from plumbline.names.business import *
from plumbline.names.corrections import *
from plumbline.names.dashboards import *
from plumbline.names.drift import *
from plumbline.names.exporter import *
from plumbline.names.figures import *
from plumbline.names.http import *
from plumbline.names.infrastructure import *
from plumbline.names.label_values import *
from plumbline.names.metric import *
from plumbline.names.pipelines import *
from plumbline.names.quality import *
from plumbline.names.recorded import *
from plumbline.names.senders import *
from plumbline.names.serving import *
from plumbline.names.trials import *

# In the order of docs/metrics.md.
_FAMILIES = (serving, drift, quality, baseline, pipelines, business, trials, infrastructure, exporter, senders)
METRICS: dict[str, Metric] = {
    m.name: m
    for m in (*(value for family in _FAMILIES for value in vars(family).values()), *RETRACTED.values())
    if isinstance(m, Metric)
}
RECORDED: tuple[Recorded, ...] = (
    *R_INCREASES.values(),
    *(r for r in vars(recorded).values() if isinstance(r, Recorded)),
)
