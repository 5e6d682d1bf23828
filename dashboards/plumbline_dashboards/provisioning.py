"""Grafana's provisioning files: where it finds Prometheus, Alertmanager, the store and the dashboards.

The dashboards' folder is ``$PLUMBLINE_DASHBOARDS``, which Grafana takes from its environment, so the same
file serves a container and a local Grafana. So are the store's address and password: with the embedded store
they stay unset, and three dashboards empty.
"""

from __future__ import annotations

from typing import Any

import yaml

from plumbline.catalogue.model import Catalogue
from plumbline.generated import GeneratedFile
from plumbline_dashboards.store_panels import STORE

HEADER = "# Written by 'plumbline generate' from plumbline.yaml; edit that instead.\n"
FOLDER = "dashboards/provisioning"


def provisioning(catalogue: Catalogue) -> list[GeneratedFile]:
    """Return the data sources and the dashboard provider."""
    return [
        _file("datasources/plumbline.yml", {"apiVersion": 1, "datasources": _datasources(catalogue)}),
        _file("dashboards/plumbline.yml", {"apiVersion": 1, "providers": [_provider()]}),
    ]


def _datasources(catalogue: Catalogue) -> list[dict[str, Any]]:
    prometheus: dict[str, Any] = {
        "name": "Prometheus",
        "uid": "plumbline-prometheus",
        "type": "prometheus",
        "access": "proxy",
        "url": _url(catalogue.targets.prometheus, catalogue.links.prometheus),
        "isDefault": True,
        "editable": False,
        "jsonData": {
            "httpMethod": "POST",
            "prometheusType": "Prometheus",
            # Grafana derives $__rate_interval from it.
            "timeInterval": catalogue.evaluation.scrape_interval,
            # Alerts are Prometheus's and Alertmanager's own; Grafana only shows them.
            "manageAlerts": False,
            # A point on the latency panel leads to the request behind it. Provisioning replaces ${...} by
            # environment variables: a doubled dollar leaves one for Grafana.
            "exemplarTraceIdDestinations": [
                {
                    "name": "request_id",
                    "url": f"{catalogue.links.exporter.rstrip('/')}/trace/$${{__value.raw}}",
                    "urlDisplayLabel": "Show the request",
                }
            ],
        },
    }
    alertmanager: dict[str, Any] = {
        "name": "Alertmanager",
        "uid": "plumbline-alertmanager",
        "type": "alertmanager",
        "access": "proxy",
        "url": _url(catalogue.targets.alertmanagers, catalogue.links.alertmanager),
        "editable": False,
        "jsonData": {"implementation": "prometheus", "handleGrafanaManagedAlerts": False},
    }
    store: dict[str, Any] = {
        "name": "Plumbline store",
        "uid": "plumbline-store",
        "type": STORE.type_val,
        "access": "proxy",
        "url": "${PLUMBLINE_STORE_ADDRESS}",
        # May read the views and nothing beneath them (docs/store.md): whoever may look at a dashboard may
        # send any SQL through Grafana.
        "user": "plumbline_reader",
        "editable": False,
        "jsonData": {
            "database": "${PLUMBLINE_STORE_DATABASE}",
            "sslmode": "${PLUMBLINE_STORE_SSLMODE}",
            "postgresVersion": 1500,
            "timescaledb": False,
            "maxOpenConns": 5,
        },
        "secureJsonData": {"password": "${PLUMBLINE_STORE_PASSWORD}"},
    }
    return [prometheus, alertmanager, store]


def _provider() -> dict[str, Any]:
    return {
        "name": "plumbline",
        "folder": "Plumbline",
        "type": "file",
        "disableDeletion": True,
        "allowUiUpdates": False,
        "updateIntervalSeconds": 30,
        "options": {"path": "${PLUMBLINE_DASHBOARDS}", "foldersFromFilesStructure": False},
    }


def _url(targets: tuple[str, ...], otherwise: str) -> str:
    """The address that a server reaches; the links are for people's browsers."""
    return f"http://{targets[0]}" if targets else otherwise


def _file(path: str, content: dict[str, Any]) -> GeneratedFile:
    return GeneratedFile(f"{FOLDER}/{path}", HEADER + yaml.safe_dump(content, sort_keys=False))
