"""``plumbline baseline build`` and ``show``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from plumbline.baseline.artefact import load_baseline
from plumbline.cli.main import run
from plumbline.terminal import bar


@pytest.fixture
def table(tmp_path):
    random = np.random.default_rng(2)
    lines = ["ts,x,c,prediction,score,actual,era"]
    for i in range(600):
        score = random.random()
        lines.append(
            f"{1_700_000_000 + i * 3600},{random.normal():.5f},{'abc'[i % 3]},{int(score > 0.5)},{score:.5f},"
            f"{int(random.random() < score)},{'train' if i < 400 else 'test'}"
        )
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def build(table, catalogue, *more: str) -> list[str]:
    return [
        "baseline",
        "build",
        str(table),
        "--model",
        "churn",
        "--version",
        "v1",
        "--catalogue",
        str(catalogue),
        "--output",
        str(catalogue.parent / "baselines"),
        *more,
    ]


def test_build_prints_the_artefacts_path_and_show_draws_it(table, catalogue, capsys):
    arguments = build(table, catalogue, "--where", "era=train", "--quality-where", "era=test", "--commit", "abc123")
    assert run(arguments) == 0
    out, err = capsys.readouterr()
    (path,) = out.splitlines()
    made = load_baseline(catalogue.parent / "baselines" / path.rpartition("/")[2])
    assert (made.model, made.version, made.lineage.commit) == ("churn", "v1", "abc123")
    assert (made.lineage.rows, made.lineage.quality_rows) == (400, 200)
    assert made.lineage.start == "2023-11-14T22:13:20.000Z"
    assert "400 reference rows" in err
    assert run(["baseline", "show", path]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("churn v1", "accuracy", "_score", "abc123", "█", "missing"))
    # A level that only the data knows is readable here, though it is no label.
    assert "00 a" in shown
    assert "00 a" not in made.features["c"].labels


def test_columns_are_mapped_as_backfill_maps_them(table, catalogue, capsys):
    assert run(build(table, catalogue, "--json")) == 0
    plain = json.loads(capsys.readouterr().out)
    text = table.read_text().replace("ts,x,c,prediction,score", "when,x (mm),class,answer,p", 1)
    table.write_text(text)
    maps = ("x=x (mm)", "c=class", "prediction=answer", "score=p", "ts=when")
    assert run(build(table, catalogue, "--json", *(part for one in maps for part in ("--map", one)))) == 0
    mapped = json.loads(capsys.readouterr().out)
    assert [mapped[key] for key in ("rows", "quality", "blocks")] == [
        plain[key] for key in ("rows", "quality", "blocks")
    ]
    assert run(build(table, catalogue, "--map", "y=x")) == 2
    assert "'y' is not read here; what is read: prediction, score, ts, actual, x" in capsys.readouterr().err
    assert run(build(table, catalogue, "--map", "x=")) == 2


def test_a_name_is_shown_as_it_is(table, catalogue, capsys):
    name = "[/x] :smile:"
    catalogue.write_text(catalogue.read_text().replace("{x:", f'{{"{name}":'))
    assert run(build(table, catalogue, "--map", f"{name}=x")) == 0
    (path,) = capsys.readouterr().out.splitlines()
    for arguments in (["baseline", "show", path], ["baseline", "diff", path, path]):
        assert run(arguments) == 0
        assert name in capsys.readouterr().out


def test_a_message_never_brings_bytes_of_a_file_to_the_terminal(tmp_path, catalogue, capsys):
    table = tmp_path / "t.csv"
    table.write_bytes(b"x\x1b[31m,\xff\xfe\x00\n1,2\n")
    assert run(build(table, catalogue)) == 1
    told = capsys.readouterr().err
    assert all(char.isprintable() or char == "\n" for char in told)


def test_build_again_gives_the_same_file_and_json_for_scripts(table, catalogue, capsys):
    assert run(build(table, catalogue, "--json")) == 0
    first = json.loads(capsys.readouterr().out)
    assert run(build(table, catalogue, "--json")) == 0
    second = json.loads(capsys.readouterr().out)
    assert first == second
    assert first["path"].endswith(f"{first['sha256']}.json")
    assert first["rows"] == 600
    assert any("flattering" in remark for remark in first["remarks"])
    assert run(["baseline", "show", "--json", first["path"]]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "churn"


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--model", "chrun"], 2, "--model 'chrun' is not in"),
        (["--where", "era"], 2, "--where 'era': write COLUMN=VALUE"),
        (["--block", "soon"], 2, "'soon' is not a duration"),
        (["--bins", "1"], 2, "Invalid value for '--bins'"),
        (["--actual-column", "actul"], 1, "has no column 'actul' (did you mean 'actual'?)"),
        (["--quality-table", "none.csv"], 1, "none.csv: no such file"),
        (["--catalogue", "none.yaml"], 1, "no such file: give the catalogue's path"),
    ],
)
def test_wrong_arguments_and_tables_are_one_message(table, catalogue, capsys, more, code, message):
    assert run(build(table, catalogue, *more)) == code
    assert message in capsys.readouterr().err
    assert not (catalogue.parent / "baselines").exists()


def test_a_changed_artefact_is_not_shown(table, catalogue, capsys):
    assert run(build(table, catalogue)) == 0
    path = next((catalogue.parent / "baselines").glob("*.json"))
    path.write_text(path.read_text().replace("churn", "burnt"))
    assert run(["baseline", "show", str(path)]) == 1
    assert "not the one it is named by" in capsys.readouterr().err


def test_bars_are_in_proportion_and_a_rare_bin_is_still_visible():
    assert bar(1.0, 1.0, 30) == "█" * 30
    assert bar(0.5, 1.0, 30) == "█" * 15
    assert bar(1e-6, 1.0, 30) == "▏"
    assert bar(0.0, 1.0, 30) == ""


def test_a_folder_that_cannot_be_written_is_one_message(table, catalogue, capsys):
    assert run([*build(table, catalogue), "--output", str(table)]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_times_without_a_zone_and_in_milliseconds_are_read_by_options(tmp_path, catalogue, capsys):
    lines = [f"2026-01-{1 + i // 24:02d} {i % 24:02d}:00:00,{i},{'abc'[i % 3]},{i % 2},{i % 2}" for i in range(96)]
    naive = tmp_path / "naive.csv"
    naive.write_text("\n".join(["ts,x,c,prediction,actual", *lines]) + "\n")
    assert run(build(naive, catalogue)) == 1
    assert "or say --time-zone" in capsys.readouterr().err
    assert run(build(naive, catalogue, "--time-zone", "Europe/Vienna")) == 0
    artefact = load_baseline(Path(capsys.readouterr().out.strip()))
    assert artefact.lineage.start == "2025-12-31T23:00:00.000Z"
    assert run(build(naive, catalogue, "--time-zone", "Vienna")) == 2
    assert "'Vienna' is not a time zone" in capsys.readouterr().err
