"""What a new outcome, or a new prediction whose outcomes came first, changes: a pure function.

Reads what had been said of a request and what is said now; writes a ``Change``. Whatever the order in which
outcomes arrive, the changes add up to the same (docs/adr/0020): a state that a later arrival disproves is
taken back, and the truth is chosen by ``plumbline.ingest.outcome_resolution``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from plumbline.events.kinds import ClassOrNumber
from plumbline.ingest.outcome_resolution import Reported, first_plain, resolve


@dataclass(slots=True)
class Change:
    """What to count for one prediction.

    Attributes:
        states: of ``names.OUTCOME_STATES``, to add to ml_outcomes_total.
        retracted: of ``names.RETRACTABLE_STATES``, to take back of it.
        plain: outcomes that came as such: each adds its delay, and to the early view if it was early.
        before: the truth so far; None if nothing was known.
        after: the truth now.
    """

    states: list[str] = field(default_factory=list)
    retracted: list[str] = field(default_factory=list)
    plain: list[Reported] = field(default_factory=list)
    before: Reported | None = None
    after: Reported | None = None


def join(
    known: Sequence[Reported], new: Sequence[Reported], due: float, comparable: Callable[[ClassOrNumber], bool]
) -> Change:
    """Return what ``new`` outcomes change for a prediction that met the ``known`` ones before.

    Args:
        known: outcomes that were joined with the prediction.
        new: outcomes that are not yet.
        due: when the prediction matures; an outcome known later is late.
        comparable: whether an actual can be compared with the prediction.
    """
    if not known and len(new) == 1:  # the rule: one outcome, nothing to weigh
        (said,) = new
        state = "corrected" if said.correction else "late" if said.ts > due else "matched"
        return Change([state], [], [] if said.correction else [said], None, said)
    change = Change()
    first = first_plain(known)
    for said in new:
        if said.correction:
            change.states.append("corrected")
            continue
        change.plain.append(said)
        state = "late" if said.ts > due else "matched"
        if first is None:
            change.states.append(state)
            first = said
            continue
        change.states.append("duplicate")
        if said.rank() > first.rank():
            if first.ts > due and state == "matched":  # the outcome had been known in time after all
                change.states.append("matched")
                change.retracted.append("late")
            first = said
    change.before = resolve(known, comparable)
    change.after = resolve([*known, *new], comparable)
    return change
