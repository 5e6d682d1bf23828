"""What the generated recording rules make of series that a test made up, by promtool."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

from plumbline.catalogue.model import Catalogue
from plumbline.generated import write_files
from plumbline_alerting.generate import generate


def promtool(catalogue: Catalogue, folder: Path, series: dict[str, str], expected: dict[str, list[Any]]) -> None:
    """Evaluate the generated rules over series and compare results at 4 minutes."""
    write_files(generate(catalogue), folder)
    test = {
        "rule_files": [str(folder / "prometheus" / "rules" / f"{name}.yml") for name in ("quality", "life")],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "15s",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {
                        "expr": f"round({expr}, 0.001)",
                        "eval_time": "4m",
                        "exp_samples": [{"labels": labels, "value": value} for labels, value in samples],
                    }
                    for expr, samples in expected.items()
                ],
            }
        ],
    }
    path = folder / "test.yml"
    path.write_text(yaml.safe_dump(test))
    done = subprocess.run(["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
