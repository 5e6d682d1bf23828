"""The command ``plumbline``: finds the sub-command, runs it, turns errors into messages and exit codes.

Exit codes: 0 fine, 1 problems found, 2 wrong use, 128 + the signal's number if stopped by one (130 is
Ctrl-C). Sub-commands are imported only when they run, so ``plumbline --help`` does not pay for the server or
the table reader.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import click

from plumbline.errors import CatalogueError, PlumblineError

# name -> (module:attribute, one line of help)
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("plumbline.cli.init:init", "Write a first catalogue from a table."),
    "serve": ("plumbline.cli.serve:serve", "Receive events, store them, expose metrics."),
    "check": ("plumbline.cli.check:check", "Check the catalogue, its series budget and the generated files."),
    "generate": ("plumbline.cli.generate:generate", "Write rules, alerts, dashboards and configuration."),
    "baseline": ("plumbline.cli.baseline:baseline", "Build and show a model version's frozen reference."),
    "ingest": ("plumbline.cli.ingest:ingest", "Send event files to a running exporter."),
    "skew": ("plumbline.cli.skew:skew", "Compare served features with recomputed ones, by request."),
    "trace": ("plumbline.cli.trace:trace", "Show all that is known of a request, back to the training data."),
    "batch": ("plumbline.cli.trace:batch", "Show where a data batch came from and what used it."),
    "export": ("plumbline.cli.export:export", "Write predictions with outcomes as Parquet, to retrain."),
    "backfill": ("plumbline.cli.backfill:backfill", "Turn history into Prometheus blocks at event time."),
    "replay": ("plumbline.cli.replay:replay", "Send history as live traffic, faster than time."),
    "evaluate": ("plumbline.cli.evaluate:evaluate", "Judge alerts over a history with known incidents."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, or return None if there is no such name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    "plumbline", cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="plumbline", help="Print the version and exit.")
def cli() -> None:
    """ML observability on Prometheus: what has changed, why, and who must act.

    Everything is described in one file, the catalogue (plumbline.yaml). Exit codes: 0 fine, 1 problems
    found, 2 wrong use.
    """


def main(arguments: Sequence[str] | None = None, command: click.Command = cli) -> None:
    """Run a command, by default the whole command line, and exit."""
    _leave_in_order()
    sys.exit(run(arguments, command))


def run(arguments: Sequence[str] | None = None, command: click.Command = cli) -> int:
    """Run a command, by default the whole command line, and return the exit code."""
    try:
        result = command.main(args=arguments, prog_name=command.name, standalone_mode=False)
    except click.exceptions.Abort:
        return _interrupted()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except PlumblineError as error:
        from plumbline.trace.show import visible  # a message quotes what a file holds

        prefix = "" if isinstance(error, CatalogueError) else "plumbline: "
        click.echo(prefix + visible(str(error), lines=True), err=True)
        return error.exit_code
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:  # e.g. `plumbline baseline show ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) else 0


def _leave_in_order() -> None:
    """Let SIGTERM and SIGHUP end the command as Ctrl-C does: by way of every ``finally``.

    By default they end the process where it stands, and the servers it has started would go on. A signal that
    came in ignored (``nohup``) stays so; commands that serve take the signals over.
    """

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        for one in ending:
            signal.signal(one, signal.SIG_IGN)  # a second one must not cut off the tidying up
        click.echo(f"plumbline: stopped by {signal.Signals(number).name}", err=True)
        sys.exit(128 + number)

    ending = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is signal.SIG_DFL]
    for one in ending:
        signal.signal(one, leave)


def _interrupted() -> int:
    click.echo("plumbline: interrupted", err=True)
    return 130


if __name__ == "__main__":
    main()
