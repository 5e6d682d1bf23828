"""Plumbline: what a deployed model is doing, why, and when something is wrong.

An event's way, module by module:

1. **in**: ``server`` takes HTTP requests, ``cli.ingest`` files; ``events`` decodes and validates each
   line, or rejects it with a reason.
2. **stored durably**: ``store`` writes the batch and the counters it changed in one transaction.
3. **joined with outcomes**: ``engine`` finds the prediction of each outcome by request id and holds it
   until the model's maturity.
4. **counted**: ``layout`` freezes which counter lives where for each model version; ``counting`` turns a
   batch into increments of that array.
5. **exposed**: ``expose`` renders the arrays for Prometheus.
6. **recording rules, alerts**: ``plumbline_alerting`` generates them from the ``catalogue``.
7. **dashboards**: ``plumbline_dashboards`` generates them.

In a service: ``client`` ships its events, ``logging`` and ``middleware`` carry the ids of a request through
its log lines, events and outgoing calls.

``baseline`` builds the frozen reference that bins and thresholds come from. ``names`` is the contract of
all names, ``errors`` the one error hierarchy, ``pages`` the templates of all HTML.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plumbline.client import Client

    __version__: str

__all__ = ["Client", "__version__"]


def __getattr__(name: str) -> object:
    """Import the client, or look the version up, when it is first asked for: most who import plumbline need neither."""
    if name == "Client":
        from plumbline.client import Client

        return Client
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("plumbline")
        except PackageNotFoundError:  # run from a source tree that was never installed
            return "0+unknown"
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
