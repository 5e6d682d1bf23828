"""``plumbline silence``: mute what a deployment sets off by nature, for its time only."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import click

from plumbline.catalogue.load import load_catalogue
from plumbline.cli.options import catalogue_option, duration_seconds, json_option
from plumbline.silences import Alertmanager, matchers_of


@click.command()
@click.argument("name")
@catalogue_option
@click.option(
    "--for",
    "seconds",
    default="30m",
    show_default=True,
    callback=duration_seconds,
    help="How long from now on; at most 4h. Said again, this is the new end.",
)
@click.option("--reason", default="deployment", show_default=True, help="Why, for whoever wonders.")
@click.option("--end", is_flag=True, help="End it now, as the last step of a deployment.")
@json_option
def silence(name: str, catalogue: Path, seconds: float, reason: str, end: bool, as_json: bool) -> None:
    """Mute what a deployment of model NAME, or work on pipeline NAME, sets off by nature.

    Reads the catalogue; writes a silence into the Alertmanager at links.alertmanager. Of a model it mutes
    CanaryWorse, ModelErrorRateCritical, ModelLatencyCritical and ModelTrafficLost, never the alerts that
    tell a bad version; of a pipeline PipelineFailed, PipelineStale and PipelineRowsAnomalous. The silence
    ends by itself. Repeating the command moves its end and makes no second one.
    """
    declared = load_catalogue(catalogue)
    matchers = matchers_of(declared, name)
    alertmanager = Alertmanager(declared.links.alertmanager)
    if end:
        ended = alertmanager.end(matchers)
        if as_json:
            click.echo(json.dumps({"ended": [one.id for one in ended]}))
        else:
            click.echo(f"{name}: {len(ended)} silence{'s' if len(ended) != 1 else ''} ended")
        return
    made = alertmanager.begin(matchers, reason, time.time(), seconds)
    if as_json:
        click.echo(json.dumps(asdict(made)))
    else:
        click.echo(f"{name}: {matchers[0]['value'].replace('|', ', ')} muted until {made.ends} ({made.id})")
