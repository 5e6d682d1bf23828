"""The threads that carry out actions, apart from everything that answers requests.

Reads ids of decided actions from a queue that the engine fills after its commit; for each: writes the export
that a retrain hook hands over, stores "calling", calls, stores how it ended. At the start it settles what a
crash left: what was calling ends as "unknown", what was only decided is called if that is not long ago.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import structlog

from plumbline.baseline.folder import BaselineFolder
from plumbline.catalogue.model import Catalogue
from plumbline.errors import StoreError
from plumbline.events.kinds import Action
from plumbline.expose.block import Block
from plumbline.hooks.caller import Ended, call
from plumbline.hooks.evidence import freeze
from plumbline.hooks.handover import hand_over
from plumbline.ingest.actions import Actions
from plumbline.store.base import Store
from plumbline.units import parse_duration

log = structlog.get_logger(__name__)

THREADS = 4  # one slow receiver does not hold up the others
EXPIRE_SECONDS = 600.0
_STORE_PAUSE_SECONDS = 1.0


class HookRunner:
    """Carries out the actions of an engine.

    Args:
        actions: the engine's.
        catalogue: URLs and time-outs.
        store: for evidence.
        data: folder under which evidence is written.
        blocks: the present series, for evidence.
        clock: epoch seconds.
        baselines: for the lineage of what a retrain hook hands over.
    """

    def __init__(
        self,
        actions: Actions,
        catalogue: Catalogue,
        store: Store,
        data: Path,
        blocks: Callable[[], list[Block]],
        clock: Callable[[], float] = time.time,
        baselines: BaselineFolder | None = None,
    ) -> None:
        self._actions = actions
        self._catalogue = catalogue
        self._store = store
        self._evidence = data / "evidence"
        self._exports = data / "exports"
        self._baselines = baselines or BaselineFolder(None)
        self._blocks = blocks
        self._clock = clock
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"plumbline-hooks-{n}", daemon=True) for n in range(THREADS)
        ]

    def start(self) -> None:
        """Settle what an earlier process left, and start the threads.

        Raises:
            StoreError: it could not be settled.
        """
        now = self._clock()
        for action_id, one in self._actions.book.open.items():
            if one.phase == "calling":
                detail = "the exporter ended during the call: it may have arrived, and is not repeated"
                self._actions.end(action_id, "unknown", detail, now)
            elif now - one.decided > EXPIRE_SECONDS:
                detail = f"decided {round(now - one.decided)} s before the exporter came back"
                self._actions.end(action_id, "expired", detail, now)
            else:
                self._queue.put(action_id)
        self._actions.listener = self._queue.put
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float = 15.0) -> None:
        """Begin no more calls, wait for those under way; what was only decided keeps for the next start."""
        self._stopping.set()
        for _ in self._threads:
            self._queue.put(None)
        end = time.monotonic() + timeout
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, end - time.monotonic()))

    # --- in the threads ---

    def _run(self) -> None:
        while (action_id := self._queue.get()) is not None:
            if self._stopping.is_set():
                return
            try:
                self._carry_out(action_id)
            except Exception as error:
                log.exception("hook failed", action=action_id)
                self._fail(action_id, f"{type(error).__name__}: {error}"[:500])

    def _fail(self, action_id: str, detail: str) -> None:
        try:
            self._stored(lambda: self._actions.end(action_id, "failed", detail, self._clock()))
        except Exception:
            log.exception("hook could not be ended", action=action_id)

    def _carry_out(self, action_id: str) -> None:
        # Before "calling" is stored: a crash meanwhile must not look as if a call had left.
        handed = self._hand_over(action_id)
        started: list[Action | None] = []
        if not self._stored(lambda: started.append(self._actions.begin(action_id, self._clock()))):
            return
        action = started[0]
        if action is None:  # it resolved meanwhile
            return
        if handed is not None and action.payload is not None:
            period = {**action.payload["period"], "file": handed}
            action = msgspec.structs.replace(action, payload={**action.payload, "period": period})
        ended = self._act(action)
        self._stored(lambda: self._actions.end(action_id, ended.result, ended.detail, self._clock()))

    def _hand_over(self, action_id: str) -> dict[str, Any] | None:
        one = self._actions.book.open.get(action_id)
        if one is None or one.phase != "decided" or one.action.hook != "retrain":
            return None
        model = self._catalogue.models.get(one.action.model)
        if model is None or model.hooks.retrain is None or model.hooks.dry_run or not model.hooks.retrain_file:
            return None
        reader = self._store.reader()
        try:
            return hand_over(one.action, model, self._exports, reader, self._baselines)
        finally:
            reader.close()

    def _act(self, action: Action) -> Ended:
        hooks = self._catalogue.models[action.model].hooks if action.model in self._catalogue.models else None
        if action.hook == "freeze":
            return self._freeze(action)
        url = None if hooks is None else getattr(hooks, action.hook)
        if hooks is None or url is None or hooks.dry_run:
            return Ended("stale", "the catalogue no longer has this hook, or made it a dry run")
        return call(action, url, parse_duration(hooks.timeout), hooks.authorization_file, self._stopping)

    def _freeze(self, action: Action) -> Ended:
        try:
            reader = self._store.reader()
            try:
                place = freeze(action, self._evidence, self._blocks, reader, self._store.last_seq)
            finally:
                reader.close()
        except OSError as error:
            return Ended("refused", f"the evidence cannot be written: {error}")
        except StoreError as error:
            return Ended("refused", f"the evidence cannot be read: {error}")
        return Ended("succeeded", place)

    def _stored(self, write: Callable[[], None]) -> bool:
        """Write until the store takes it, or the exporter ends."""
        while True:
            try:
                write()
            except StoreError as error:
                log.warning("an action could not be stored; trying again", problem=str(error))
                if self._stopping.wait(_STORE_PAUSE_SECONDS):
                    return False
            else:
                return True
