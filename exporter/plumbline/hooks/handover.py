"""The data that a retrain hook hands over: the export of the alert's period, written before the call leaves.

Writes ``<data>/exports/<model>.parquet`` and replaces the one before it: a copy of predictions with their
outcomes outside the store is one more place to guard, so there is one per model and no more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from plumbline.baseline.folder import BaselineFolder
from plumbline.catalogue.model import Model
from plumbline.errors import StoreError, TableError
from plumbline.events.kinds import Action
from plumbline.export import Selection, export
from plumbline.files import file_name
from plumbline.store.base import Reader
from plumbline.trace.lookup import Lookup
from plumbline.units import parse_time


def hand_over(action: Action, model: Model, folder: Path, reader: Reader, baselines: BaselineFolder) -> dict[str, Any]:
    """Write the export of a retrain action and say where it is; or why there is none.

    The call is made all the same: its payload has the command that writes the same rows.

    Args:
        action: as decided; its payload holds the period.
        model: of the catalogue.
        folder: of all exports; made if absent.
        reader: of the store; left open.
        baselines: for the lineage in the file.

    Returns:
        ``path``, ``sha256`` and ``rows``; or ``problem``.
    """
    period = (action.payload or {})["period"]
    selection = Selection(action.model, None, parse_time(period["start"]), parse_time(period["end"]))
    path = folder / f"{file_name(action.model)}.parquet"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        report = export(Lookup(reader, baselines), model, selection, path)
    except OSError as error:
        return {"problem": f"{folder}: {error.strerror}"}
    except (StoreError, TableError) as error:
        return {"problem": str(error)}
    return {"path": str(path.absolute()), "sha256": report.sha256, "rows": report.rows}
