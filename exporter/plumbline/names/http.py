"""Where the exporter listens and what it takes and gives."""

from __future__ import annotations

DEFAULT_PORT = 9877
ALERTS_PATH = "/v1/alerts"
CONTENT_TYPE_NDJSON = "application/x-ndjson"
CONTENT_TYPE_JSON = "application/json"
CONTENT_TYPE_TEXT = "text/plain; version=0.0.4; charset=utf-8"
CONTENT_TYPE_OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
