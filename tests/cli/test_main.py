"""The frame of the command line: help, exit codes, messages without traceback."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import click
import pytest

from plumbline import __version__
from plumbline.cli import main as main_module
from plumbline.cli.main import COMMANDS, LazyGroup, cli, run
from plumbline.errors import CatalogueError, Problem, StoreError, UsageError


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def raising(error: BaseException):
    @click.command()
    def command() -> None:
        raise error

    return command


def run_raising(monkeypatch, error: BaseException) -> int:
    monkeypatch.setattr(LazyGroup, "get_command", lambda *_: raising(error))
    return run(["check"])


def test_help_lists_every_command_and_imports_none(capsys):
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out and line in out for name, (_, line) in COMMANDS.items())
    code = (
        "import sys; from plumbline.cli.main import run; run(['--help']); print(sorted(sys.modules), file=sys.stderr)"
    )
    modules = python(code).stderr
    assert not any(f"'{name}'" in modules for name in ("numpy", "pydantic", "pyarrow", "starlette", "rich"))


def test_version(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"plumbline, version {__version__}\n"


def test_a_wrong_duration_is_said_of_the_option_it_was_given_to(capsys):
    assert run(["backfill", "h.ndjson", "--data", "d", "--tsdb", "t", "--rule-step", "6hours"]) == 2
    assert "Invalid value for '--rule-step': '6hours' is not a duration" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["no-such-command"], ["--no-such-option"], ["check", "--nope"], ["baseline", "build"]]
)
def test_wrong_use_exits_2(arguments, capsys):
    assert run(arguments) == 2
    assert "Error" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (StoreError("the disk is gone"), 1, "plumbline: the disk is gone\n"),
        (UsageError("no such model"), 2, "plumbline: no such model\n"),
        (CatalogueError([Problem("p.yaml", 3, "bad", "catalogue/x")]), 1, "p.yaml:3: bad (catalogue/x)\n"),
        (KeyboardInterrupt(), 130, "plumbline: interrupted\n"),
    ],
)
def test_expected_errors_are_one_message_and_an_exit_code(monkeypatch, capsys, error, code, message):
    assert run_raising(monkeypatch, error) == code
    assert capsys.readouterr().err.lstrip("\n") == message


def test_an_unexpected_error_is_not_hidden(monkeypatch):
    with pytest.raises(ZeroDivisionError):
        run_raising(monkeypatch, ZeroDivisionError())


def test_the_entry_point_exits_with_the_code():
    done = python("from plumbline.cli.main import main; main(['check', '/no/such/plumbline.yaml'])")
    assert done.returncode == 1
    assert "no such file" in done.stderr
    assert "Traceback" not in done.stderr


def commands() -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []
    for name, (target, _) in COMMANDS.items():
        if importlib.util.find_spec(target.partition(":")[0]) is None:
            continue
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        found.append((name, command))
        if isinstance(command, click.Group):
            found += [(f"{name} {sub}", c) for sub, c in command.commands.items()]
    return found


@pytest.mark.parametrize(("name", "command"), commands())
def test_every_command_says_what_it_reads_and_writes_and_every_option_has_help(name, command):
    text = (command.help or "").lower()
    assert "read" in text, name
    assert any(word in text for word in ("write", "store", "send", "print", "show")), name
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts}"


def test_the_table_names_modules_of_ours():
    assert all(target.startswith("plumbline.cli.") and ":" in target for target, _ in main_module.COMMANDS.values())
