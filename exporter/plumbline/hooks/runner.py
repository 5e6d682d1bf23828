"""The threads that carry out actions, apart from everything that answers requests.

Reads ids of decided actions from a queue that the engine fills after its commit; for each: stores "calling",
calls, stores how it ended. At the start it settles what a crash left: what was calling ends as "unknown",
what was only decided is called if that is not long ago.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from plumbline.catalogue.model import Catalogue
from plumbline.engine.actions import Actions
from plumbline.errors import StoreError
from plumbline.events import Action
from plumbline.expose.block import Block
from plumbline.hooks.caller import Ended, call
from plumbline.hooks.evidence import freeze
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
    """

    def __init__(
        self,
        actions: Actions,
        catalogue: Catalogue,
        store: Store,
        data: Path,
        blocks: Callable[[], list[Block]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._actions = actions
        self._catalogue = catalogue
        self._store = store
        self._evidence = data / "evidence"
        self._blocks = blocks
        self._clock = clock
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"plumbline-hooks-{n}", daemon=True)
            for n in range(THREADS)
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
            self._carry_out(action_id)

    def _carry_out(self, action_id: str) -> None:
        started: list[Action | None] = []
        if not self._stored(lambda: started.append(self._actions.begin(action_id, self._clock()))):
            return
        action = started[0]
        if action is None:  # it resolved meanwhile
            return
        ended = self._act(action)
        self._stored(lambda: self._actions.end(action_id, ended.result, ended.detail, self._clock()))

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
