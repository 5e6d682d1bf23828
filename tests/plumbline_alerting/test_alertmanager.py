from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from plumbline import names
from plumbline.catalogue.model import Catalogue, Links, Receiver, Smtp
from plumbline_alerting.alertmanager import configuration, inhibit_rules
from plumbline_alerting.model import to_yaml


def amtool(*args: str | Path) -> str:
    done = subprocess.run(["amtool", *map(str, args)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def goes_to(folder: Path, receivers: str, **labels: str) -> None:
    """Ask amtool, which ignores times, inhibition and grouping. The exporter gets all but the Watchdog."""
    if labels["alertname"] != "Watchdog":
        receivers = f"plumbline-exporter,{receivers}"
    amtool(
        "config",
        "routes",
        "test",
        f"--config.file={folder / 'alerting' / 'alertmanager.yml'}",
        f"--verify.receivers={receivers}",
        *(f"{k}={v}" for k, v in labels.items()),
    )


def with_owner(catalogue: Catalogue, **changes: object) -> Catalogue:
    name = catalogue.platform_owner
    owner = catalogue.owners[name].model_copy(update=changes)
    return catalogue.model_copy(update={"owners": {**catalogue.owners, name: owner}})


def test_amtool_accepts_the_configuration(generated: Path) -> None:
    amtool("check-config", generated / "alerting" / "alertmanager.yml")


def test_every_owner_and_severity_finds_its_receiver(any_catalogue: Catalogue, generated: Path) -> None:
    for owner in any_catalogue.owners:
        goes_to(generated, f"{owner}-page", alertname="ModelQualityCritical", owner=owner, severity="critical")
        goes_to(generated, f"{owner}-ticket", alertname="FeatureDrift", owner=owner, severity="warning")
        goes_to(generated, "nobody", alertname="ModelInputBroken", owner=owner, severity="info")


def test_an_unknown_owner_falls_to_the_platform(any_catalogue: Catalogue, generated: Path) -> None:
    platform = any_catalogue.platform_owner
    goes_to(generated, f"{platform}-page", alertname="PipelineFailed", owner="who", severity="critical")
    goes_to(generated, f"{platform}-ticket", alertname="FeatureDrift", owner="who", severity="warning")
    goes_to(generated, f"{platform}-ticket", alertname="Foreign")


def test_amtool_verdict_depends_on_the_receiver(generated: Path) -> None:
    with pytest.raises(AssertionError):
        goes_to(generated, "nobody", alertname="FeatureDrift", owner="platform", severity="warning")


def test_watchdog_goes_first_and_every_minute_to_the_switch(root_catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue = root_catalogue.model_copy(update={"links": Links(dead_man_switch="http://switch.example/x")})
    config = configuration(catalogue)
    first = config["route"]["routes"][0]
    assert first["receiver"] == "dead-man-switch"
    assert first["group_interval"] == "1m"
    path = tmp_path / "alerting" / "alertmanager.yml"
    path.parent.mkdir()
    path.write_text(to_yaml(config))
    amtool("check-config", path)
    goes_to(tmp_path, "dead-man-switch", alertname="Watchdog", severity="info", owner="platform")


def test_the_exporter_gets_every_alert_first_and_at_any_hour(root_catalogue: Catalogue) -> None:
    config = configuration(root_catalogue)
    route = config["route"]["routes"][1]
    assert route["receiver"] == "plumbline-exporter"
    assert route["continue"] is True
    assert "matchers" not in route
    receiver = next(r for r in config["receivers"] if r["name"] == "plumbline-exporter")
    assert receiver["webhook_configs"] == [{"url": "http://localhost:9877/v1/alerts", "send_resolved": True}]


def test_a_foreign_alert_still_reaches_a_person(root_catalogue: Catalogue) -> None:
    """A child that matches hides the root's receiver, and the exporter's matches everything."""
    last = configuration(root_catalogue)["route"]["routes"][-1]
    assert last["receiver"] == "platform-ticket"
    assert "matchers" not in last


def test_only_tickets_wait_for_working_hours(root_catalogue: Catalogue) -> None:
    routes = configuration(root_catalogue)["route"]["routes"]
    for route in routes[:-1]:  # the last takes what has no known owner, and so no hours
        waits = route.get("active_time_intervals", [])
        assert waits == (["working_hours"] if route["receiver"].endswith("-ticket") else [])


def test_every_branch_sets_all_three_intervals(any_catalogue: Catalogue) -> None:
    route = configuration(any_catalogue)["route"]
    for branch in (route, *route["routes"]):
        assert {"group_wait", "group_interval", "repeat_interval"} <= set(branch)


def test_groups_never_by_instance(any_catalogue: Catalogue) -> None:
    assert configuration(any_catalogue)["route"]["group_by"] == ["alertname", "model", "pipeline"]


def test_inhibition_demands_the_labels_it_compares() -> None:
    for rule in inhibit_rules():
        for label in rule.get("equal", []):
            for side in ("source_matchers", "target_matchers"):
                assert f'{label}=~".+"' in rule[side]


def test_inhibition_names_only_alerts_of_the_contract() -> None:
    for rule in inhibit_rules():
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            if matcher.startswith("alertname"):
                assert set(matcher.split('"')[1].split("|")) <= names.ALERT_SEVERITY.keys()


def test_every_kind_of_receiver_is_accepted_by_amtool(root_catalogue: Catalogue, tmp_path: Path) -> None:
    page = (
        Receiver(webhook="http://localhost:1/x"),
        Receiver(pagerduty_routing_key_file="/run/secrets/pagerduty"),
        Receiver(opsgenie_api_key_file="/run/secrets/opsgenie"),
        Receiver(slack_api_url_file="/run/secrets/slack", slack_channel="#oncall"),
        Receiver(email="oncall@example.org"),
    )
    catalogue = with_owner(root_catalogue, page=page).model_copy(
        update={
            "smtp": Smtp(
                smarthost="mail.example.org:587",
                sender="plumbline@example.org",
                username="plumbline",
                password_file="/run/secrets/smtp",  # noqa: S106 - a path, no password
            )
        }
    )
    path = tmp_path / "alertmanager.yml"
    path.write_text(to_yaml(configuration(catalogue)))
    amtool("check-config", path)
    kinds = {k for r in yaml.safe_load(path.read_text())["receivers"] for k in r if k != "name"}
    assert kinds == {"webhook_configs", "pagerduty_configs", "opsgenie_configs", "slack_configs", "email_configs"}
