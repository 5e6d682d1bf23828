"""What every store must do, whatever holds it: one class of tests, applied to each by ``test_conformance``.

A backend offers ``open()`` (the same store each time), ``fail()`` (the next write meets a full disk in the
middle, after its events went in) and ``taken``, the words with which a second owner is refused.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

import pytest

from plumbline.errors import StoreError, StoreFull
from plumbline.names import EVENT_KINDS
from plumbline.store.base import Store, StoredEvent, Transaction, Waiting
from support.servers import wait_for


class Backend(Protocol):
    taken: str

    def open(self) -> Store: ...
    def fail(self, store: Store) -> AbstractContextManager[None]: ...


def row(seq: int, key: int = 0, links: tuple[int, ...] = (), *, kind: str = "prediction") -> StoredEvent:
    return StoredEvent(seq, kind, float(seq), key or seq, seq + 10**6, links, b"{%d\\u0000\x00\xff\n}" % seq)


class Conformance:
    """Needs a fixture ``backend``."""

    @pytest.fixture
    def opened(self, backend: Backend) -> Iterator[Callable[[], Store]]:
        stores: list[Store] = []

        def open_() -> Store:
            stores.append(backend.open())
            return stores[-1]

        yield open_
        for one in stores:
            one.close()

    @pytest.fixture
    def store(self, opened: Callable[[], Store]) -> Store:
        return opened()

    def test_a_new_store_is_empty(self, store: Store) -> None:
        assert store.last_seq == 0
        assert store.find([1]) == {}
        assert store.find([]) == {}
        assert store.read([1]) == {}
        assert store.read([]) == {}
        assert store.state() == {}
        assert store.pending_for([1]) == {}
        assert store.pending_due(1e12, 10) == []
        assert store.pending_count() == 0
        assert store.orphans() == []

    def test_written_events_are_found_by_key_and_link_and_read_back(self, store: Store) -> None:
        store.write(Transaction(events=[row(1, key=5), row(2, key=5), row(3, key=6, links=(77, -(2**63)))]))
        assert store.last_seq == 3
        assert store.find([5, 77, -(2**63), 99]) == {5: [1, 2], 77: [3], -(2**63): [3]}
        assert store.read([2, 3, 9]) == {2: row(2, key=5), 3: row(3, key=6, links=(77, -(2**63)))}
        assert store.size_bytes > 0

    def test_an_event_is_found_once_however_often_it_names_a_key(self, store: Store) -> None:
        store.write(Transaction(events=[row(1, key=5, links=(5, 8, 8))]))
        assert store.find([5, 5, 8]) == {5: [1], 8: [1]}

    def test_a_key_collects_events_over_transactions_oldest_first(self, store: Store) -> None:
        for seq in range(1, 8):
            store.write(Transaction(events=[row(seq, key=5 + seq % 2)]))
        assert store.find([5, 6]) == {5: [2, 4, 6], 6: [1, 3, 5, 7]}

    def test_a_large_batch_arrives_whole(self, store: Store) -> None:
        store.write(Transaction(events=[row(seq, key=seq % 997 + 1) for seq in range(1, 20_001)]))
        assert store.last_seq == 20_000
        assert store.find([1])[1] == list(range(997, 20_001, 997))
        assert len(store.read(range(1, 20_001))) == 20_000

    def test_a_large_record_comes_back_byte_for_byte(self, store: Store) -> None:
        event = StoredEvent(1, "log", 1.5, 2, 3, (), bytes(range(256)) * 12_000)
        store.write(Transaction(events=[event]))
        assert store.read([1]) == {1: event}

    @pytest.mark.parametrize("kind", EVENT_KINDS)
    def test_every_kind_of_event_keeps_its_name(self, store: Store, kind: str) -> None:
        other = row(2, kind="log" if kind != "log" else "kpi")
        store.write(Transaction(events=[row(1, kind=kind), other]))
        assert store.read([1]) == {1: row(1, kind=kind)}
        reader = store.reader()
        assert reader.scan(kind, 0.0, 9.0) == [row(1, kind=kind)]
        reader.close()

    def test_an_empty_transaction_changes_nothing(self, store: Store) -> None:
        store.write(Transaction(events=[row(1)], state={"a": b"1"}))
        store.write(Transaction())
        assert store.last_seq == 1
        assert store.state() == {"a": b"1"}

    def test_state_is_replaced_by_name(self, store: Store) -> None:
        store.write(Transaction(state={"a": b"1", "b": b"", 'ä/"': bytes(range(256))}))
        store.write(Transaction(state={"a": b"2"}))
        assert store.state() == {"a": b"2", "b": b"", 'ä/"': bytes(range(256))}

    def test_pending_outcomes_come_when_due_earliest_first(self, store: Store) -> None:
        dues = {1: 30.0, 2: 10.0, 3: 20.0, 4: 10.0, 5: 40.0}
        waiting = {p: Waiting(p, due, p + 100, b"w%d" % p) for p, due in dues.items()}
        store.write(Transaction(pending=list(waiting.values())))
        assert store.pending_due(30.0, 10) == [waiting[p] for p in (2, 4, 3, 1)]
        assert store.pending_due(30.0, 2) == [waiting[2], waiting[4]]
        assert store.pending_due(9.99, 10) == []
        assert store.pending_for([5, 2, 99]) == {2: waiting[2], 5: waiting[5]}
        assert store.pending_for([]) == {}

    def test_a_later_outcome_replaces_the_waiting_one(self, store: Store) -> None:
        store.write(Transaction(pending=[Waiting(1, 30.0, 5, b"old")], orphans=[Waiting(7, 1.0, 5, b"old")]))
        later = Waiting(1, 50.0, 6, b"new")
        store.write(Transaction(pending=[Waiting(1, 40.0, 5, b"mid"), later], orphans=[Waiting(7, 2.0, 5, b"new")]))
        assert store.pending_count() == 1
        assert store.pending_for([1]) == {1: later}
        assert store.orphans() == [Waiting(7, 2.0, 5, b"new")]

    def test_what_is_done_no_longer_waits(self, store: Store) -> None:
        both = [Waiting(n, 1.0, n, b"") for n in (1, 2, 3)]
        store.write(Transaction(pending=both, orphans=both))
        store.write(Transaction(pending_done=[1, 3, 99], orphans_done=[2]))
        assert store.pending_count() == 1
        assert [w.prediction for w in store.pending_due(9.0, 10)] == [2]
        assert [w.prediction for w in store.orphans()] == [1, 3]

    def test_a_reopened_store_has_everything(self, opened: Callable[[], Store]) -> None:
        first = opened()
        waiting = Waiting(1, 50.0, 5, b"w")
        first.write(
            Transaction(events=[row(1, key=5)], state={"a": b"1"}, pending=[waiting], orphans=[Waiting(1, 9.0, 5, b"")])
        )
        first.close()
        second = opened()
        assert second.last_seq == 1
        assert second.find([5]) == {5: [1]}
        assert second.read([1]) == {1: row(1, key=5)}
        assert second.state() == {"a": b"1"}
        assert second.pending_due(50.0, 10) == [waiting]
        assert second.orphans() == [Waiting(1, 9.0, 5, b"")]
        second.write(Transaction(events=[row(2, key=5)]))
        assert second.find([5]) == {5: [1, 2]}

    def test_a_store_has_one_owner(self, backend: Backend, opened: Callable[[], Store]) -> None:
        first = opened()
        with pytest.raises(StoreError, match=backend.taken):
            backend.open()
        first.write(Transaction(events=[row(1)]))
        first.close()
        assert opened().last_seq == 1

    def test_a_full_disk_stores_nothing_of_a_transaction_and_recovers(self, backend: Backend, store: Store) -> None:
        waiting = Waiting(1, 5.0, 1, b"")
        store.write(Transaction(events=[row(1)], pending=[waiting]))
        big = Transaction(
            events=[StoredEvent(s, "log", 0.0, s, s, (), b"x" * 5000) for s in range(2, 40)],
            state={"n": b"38"},
            pending=[Waiting(2, 6.0, 2, b"")],
            pending_done=[1],
            orphans=[Waiting(3, 6.0, 2, b"")],
        )
        with backend.fail(store), pytest.raises(StoreFull):
            store.write(big)
        assert store.last_seq == 1
        assert store.state() == {}
        assert store.find([2]) == {}
        assert store.read([2]) == {}
        assert store.pending_due(9.0, 9) == [waiting]
        assert store.orphans() == []
        store.write(big)
        assert store.last_seq == 39
        assert store.find([39]) == {39: [39]}

    @pytest.mark.parametrize("event", [row(2, key=2**63), StoredEvent(2, "log", 0.0, 1, 1, (2**70,), b"")])
    def test_what_cannot_be_stored_leaves_no_transaction_open(self, store: Store, event: StoredEvent) -> None:
        store.write(Transaction(events=[row(1)]))
        with pytest.raises(Exception):  # noqa: B017, PT011 - a mistake in our own code; its kind is the driver's
            store.write(Transaction(events=[event]))
        store.write(Transaction(events=[row(2)]))
        assert store.find([2]) == {2: [2]}

    def test_readers_in_other_threads_see_only_whole_transactions(self, store: Store) -> None:
        """Each transaction stores ten events under one key, so that a reader may see no other number."""
        seen: list[int] = []
        wrong: list[object] = []
        done = threading.Event()

        def look() -> None:
            reader = store.reader()
            try:
                while not done.is_set():
                    found = reader.find_after(5, 0, 1000)
                    events = reader.read(found)
                    if len(found) % 10 or sorted(events) != found or found != sorted(found):
                        wrong.append(found)
                    seen.append(len(found))
            except StoreError as error:
                wrong.append(error)
            finally:
                reader.close()

        threads = [threading.Thread(target=look) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for start in range(1, 301, 10):
                store.write(Transaction(events=[row(s, key=5) for s in range(start, start + 10)]))
            wait_for(lambda: seen or wrong, name="a look")
        finally:
            done.set()
            for thread in threads:
                thread.join()
        assert wrong == []
        reader = store.reader()
        assert len(reader.find_after(5)) == 300
        assert reader.find([5]) == {5: list(range(1, 301))}
        reader.close()

    def test_a_reader_pages_scans_and_tells_who_waits(self, store: Store) -> None:
        kinds = ["prediction", "log", "prediction", "prediction", "log"]
        events = [row(n, key=5, links=(70 + n,), kind=kind) for n, kind in enumerate(kinds, 1)]
        store.write(Transaction(events=events, pending=[Waiting(1, 50.0, 5, b"")]))
        reader = store.reader()
        assert reader.find_after(5, 0, 2) == [1, 2]
        assert reader.find_after(5, 2, 2) == [3, 4]
        assert reader.find_after(5, 5, 2) == []
        assert reader.find_after(74) == [4]
        assert reader.scan("prediction", 1.0, 4.0) == [events[0], events[2]]
        assert reader.scan("prediction", 1.0, 9.0, after=1, limit=1) == [events[2]]
        assert reader.waiting([1, 2]) == {1: 50.0}
        assert reader.read([]) == {}
        reader.close()
