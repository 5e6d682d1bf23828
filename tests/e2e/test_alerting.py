"""Nights and days of an on-call engineer, through the real exporter, Prometheus and Alertmanager.

Slow drift opens one ticket and only in working hours; a broken feed pages its owner once and mutes its models'
drift; a bad deployment pages the model's owner with the version to roll back to; a group that is served worse, a
fallen KPI and a bad canary open one ticket each. The tests run in this order on one stack, as the faults of one
system do.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from plumbline import names
from support.alerting_scene import GRAFANA, REVENUE, SETTLE_SECONDS, Stack, offers, running
from support.servers import wait_for

pytestmark = pytest.mark.e2e

# The model's answer follows its input, so the drift of both is one story for one owner.
DRIFT = {("/day/ticket", "FeatureDrift"), ("/day/ticket", "PredictionDrift")}
PAGES = {("/data/page", "PipelineFailed"), ("/night/page", "ModelQualityCritical")}
NUMBER = r"(-?[\d.]+(?:e[+-]\d+)?)"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("alerting")) as stack:
        yield stack


def stays(count: Callable[[], int], wanted: int) -> None:
    """Whether a number is still the same after all that could be said again would have been said."""
    time.sleep(SETTLE_SECONDS)
    assert count() == wanted


def ticket(stack: Stack, alert: str, dashboard: str, version: str, wanted: str) -> dict[str, Any]:
    """Wait for the shop's ticket; check its links, and return its labels and the numbers of its text."""
    notice = wait_for(lambda: stack.notices("/shop/ticket", alert), name=alert)[0]
    (one,) = notice["alerts"]
    assert one["labels"]["owner"] == "shop"
    assert one["labels"]["severity"] == "warning"
    notes = one["annotations"]
    assert notes["dashboard_url"] == f"{GRAFANA}/d/{dashboard}?var-model=offers&var-version={version}"
    assert notes["runbook_url"].endswith(f"/runbooks/{alert}.md")
    said = re.fullmatch(wanted.replace("#", NUMBER), notes["description"])
    assert said is not None, notes["description"]
    labels: dict[str, Any] = one["labels"]
    return {**labels, "numbers": [float(n) for n in said.groups()]}


def test_slow_drift_opens_one_ticket_in_working_hours_and_never_a_page(stack: Stack) -> None:
    assert stack.said() == set()  # health, with a first start in it, said nothing
    stack.traffic.shift = 0.8
    notice = wait_for(lambda: stack.notices("/day/ticket", "FeatureDrift"), name="the ticket")[0]
    (alert,) = notice["alerts"]
    assert alert["labels"] | {"model": "minutes", "version": "1", "feature": "x"} == alert["labels"]
    assert "unknown" not in alert["annotations"]["description"]
    held = wait_for(
        lambda: [a for a in stack.known("FeatureDrift", "late") if a["status"]["state"] == "active"],
        name="the same drift for the other owner",
    )
    assert held[0]["labels"]["owner"] == "night"
    stays(lambda: len(stack.notices("/day/ticket", "FeatureDrift")), 1)
    # Nothing to night, whose working hours these are not; no page to anybody.
    assert stack.said() == DRIFT


def test_a_broken_feed_pages_its_owner_once_and_mutes_its_models_drift(stack: Stack) -> None:
    stack.run_of_feed("r1", "failed")
    notice = wait_for(lambda: stack.notices("/data/page", "PipelineFailed"), name="the page")[0]
    (alert,) = notice["alerts"]
    assert alert["labels"]["pipeline"] == "feed"
    assert "Models that depend on it: minutes." in alert["annotations"]["description"]

    def muted(model: str) -> bool:
        drifts = stack.known("FeatureDrift", model)
        return bool(drifts) and all(a["status"]["inhibitedBy"] for a in drifts)

    wait_for(lambda: muted("minutes"), name="the drift of the feed's model to be muted")
    assert not muted("late")  # its inputs do not come from this feed
    stays(lambda: len(stack.notices("/data/page", "PipelineFailed")), 1)
    stack.run_of_feed("r2", "succeeded")
    wait_for(lambda: stack.notices("/data/page", "PipelineFailed", "resolved"), name="the end")
    assert stack.said() == DRIFT | {("/data/page", "PipelineFailed")}


def test_a_bad_deployment_pages_the_models_owner_with_the_version_to_roll_back_to(stack: Stack) -> None:
    stack.traffic.shift = 0.0
    stack.deploy("late", "2")
    stack.traffic.version, stack.traffic.wrong = "2", True
    notice = wait_for(lambda: stack.notices("/night/page", "ModelQualityCritical"), name="the page at any hour")[0]
    (alert,) = notice["alerts"]
    notes = alert["annotations"]
    assert alert["labels"] | {"model": "late", "version": "2", "metric": "accuracy"} == alert["labels"]
    assert notes[names.ROLLBACK_ANNOTATION] == "1"
    said = re.fullmatch(
        r"Roll back to version 1: at the same age its accuracy was (0\.\d+), this version has (0\.\d+)\.",
        notes["verdict"],
    )
    assert said is not None, notes["verdict"]
    # Version 2 answers the opposite of version 1, whose accuracy is about 0.7.
    assert float(said[1]) == pytest.approx(0.7, abs=0.12)
    assert float(said[2]) == pytest.approx(0.3, abs=0.12)
    stays(lambda: len(stack.notices("/night/page", "ModelQualityCritical")), 1)
    pages = {one for one in stack.said() if "page" in one[0]}
    assert pages == PAGES


def test_a_group_served_worse_and_a_fallen_kpi_open_one_ticket_each(stack: Stack) -> None:
    stack.traffic.unfair, stack.traffic.revenue = True, REVENUE / 10
    said = ticket(
        stack,
        "SliceDisparity",
        names.DASHBOARD_UIDS["slices"],
        "1",
        r"accuracy of offers 1 for group = b is # over 40s, for the rest of the model #: worse by # "
        r"\(threshold #, # standard deviations of chance, n = # outcomes\)\.",
    )
    assert said | {"slice": "group", "value": "b", "metric": "accuracy"} == said
    own, rest, worse, bound, sigmas, n = said["numbers"]
    assert rest == pytest.approx(0.9, abs=0.06)  # one in ten answers is wrong, as always
    assert own < rest - bound
    assert worse == pytest.approx(rest - own, abs=2e-3)
    assert (bound, sigmas > 2, n > 100) == (0.2, True, True)
    said = ticket(
        stack,
        "KpiDrop",
        names.DASHBOARD_UIDS["quality"],
        "1",
        r"revenue of offers per event is # over 40s \(standard error #, n = #\); over the 40s before it was #, "
        r"over the same 40s one 40s ago # \(bounds: floor none, max_drop #\)\.",
    )
    assert said["kpi"] == "revenue"
    now, error, n, before, then, bound = said["numbers"]
    assert before == then == pytest.approx(REVENUE, abs=0.25)
    assert now < before * (1 - bound)
    assert error == pytest.approx(1.2 / n**0.5, rel=0.3)
    told = [lambda: stack.notices("/shop/ticket", "SliceDisparity"), lambda: stack.notices("/shop/ticket", "KpiDrop")]
    stays(lambda: sum(len(notices()) for notices in told), 2)
    assert {path for path, _ in stack.said() if path.startswith("/shop")} == {"/shop/ticket"}


def test_a_bad_canary_opens_one_ticket_once_no_rollout_is_in_progress(stack: Stack) -> None:
    stack.traffic.unfair, stack.traffic.revenue = False, REVENUE
    stack.deploy("offers", "2")
    stack.deploy("offers", "3", "canary")
    stack.traffic.shop, stack.traffic.canary = "2", "3"
    # Much traffic at once: the canary is found bad before the rollout of version 2 is over.
    stack.traffic.post(*offers(400, 10_001, "2"), *offers(400, 10_001, "3", wrong=0.5))
    muted = wait_for(lambda: stack.known("CanaryWorse", "offers"), every=0.5, name="the canary's alert")
    rollout = [a["fingerprint"] for a in stack.known("ModelRollout", "offers")]
    # On a machine so slow that the rollout was over first there is nothing to mute.
    if rollout:
        assert muted[0]["status"]["inhibitedBy"] == rollout
        assert not stack.notices("/shop/ticket", "CanaryWorse")
    wait_for(lambda: not stack.known("ModelRollout", "offers"), name="the end of the rollout")
    said = ticket(
        stack,
        "CanaryWorse",
        names.DASHBOARD_UIDS["trials"],
        "3",
        r"Mean loss \(wrong\) of the canary offers 3 since its trial began is # on n = #, of production # on n = #: "
        r"worse by # \(95 % sequence # to #; threshold: # standard deviations and an always-valid p below #\)\.",
    )
    mine, n_mine, theirs, n_theirs, worse, low, high, effect, level = said["numbers"]
    assert mine == pytest.approx(0.5, abs=0.08)
    assert theirs == pytest.approx(0.1, abs=0.06)
    assert (n_mine >= 20, n_theirs >= 20, effect, level) == (True, True, 0.05, 0.005), said["numbers"]
    assert worse == pytest.approx(mine - theirs, abs=0.05)
    assert 0 < low < worse < high
    stays(lambda: len(stack.notices("/shop/ticket", "CanaryWorse")), 1)
    assert {one for one in stack.said() if "page" in one[0]} <= PAGES
