"""What people read, as the real Alertmanager renders it and local servers receive it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
import requests
import yaml

from plumbline.catalogue.model import Catalogue
from plumbline_alerting.alertmanager import configuration
from plumbline_alerting.model import to_yaml
from support.mail_receiver import MailReceiver
from support.servers import Alertmanager, WebhookReceiver, wait_for

pytestmark = pytest.mark.e2e

PAGE = {
    "labels": {
        "alertname": "ModelQualityCritical",
        "model": "flight_late",
        "version": "7",
        "owner": "team",
        "severity": "critical",
        "metric": "accuracy",
    },
    "annotations": {
        "summary": "A model's quality has fallen below its critical objective.",
        "description": "accuracy of flight_late 7 is 0.61 over 1d and 0.6 over 1h (objective 0.75, n = 1.2k).",
        "verdict": "Roll back to version 6: at the same age its accuracy was 0.85 <b>&</b>, this version has 0.61.",
        "runbook_url": "http://runbooks.example/ModelQualityCritical.md",
        "dashboard_url": "http://grafana.example/d/plumbline-quality?var-model=flight_late&var-version=7",
        "requests_url": "http://exporter.example/requests?model=flight_late&version=7",
    },
}
LINKS = [PAGE["annotations"][f"{name}_url"] for name in ("dashboard", "runbook", "requests")]


class Page(HTMLParser):
    """The visible words and the links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@dataclass
class Received:
    """Where the page arrived."""

    http: WebhookReceiver
    mails: MailReceiver
    alertmanager: Alertmanager

    def post(self, path: str) -> dict[str, Any]:
        return wait_for(
            lambda: next((body for p, body in list(self.http.received) if p == path), None),
            name=f"a notification at {path}",
        )


@pytest.fixture(scope="module")
def received(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Received]:
    folder = tmp_path_factory.mktemp("messages")
    with WebhookReceiver() as http, MailReceiver() as mails:
        secrets = {name: folder / name for name in ("slack", "pagerduty", "opsgenie")}
        secrets["slack"].write_text(f"{http.url}/slack")
        secrets["pagerduty"].write_text("routing-key")
        secrets["opsgenie"].write_text("api-key")
        catalogue = Catalogue.model_validate(
            {
                "version": 1,
                "platform_owner": "team",
                "owners": {
                    "team": {
                        "team": "Team",
                        "page": [
                            {"slack_api_url_file": str(secrets["slack"]), "slack_channel": "#oncall"},
                            {"email": "oncall@example.org"},
                            {"pagerduty_routing_key_file": str(secrets["pagerduty"])},
                            {"opsgenie_api_key_file": str(secrets["opsgenie"])},
                        ],
                        "ticket": [{"email": "team@example.org"}],
                    }
                },
                "models": {"m": {"task": "regression", "owner": "team", "features": {"x": {"type": "numeric"}}}},
                "evaluation": {"scrape_interval": "1s"},
                "smtp": {"smarthost": f"127.0.0.1:{mails.port}", "sender": "a@example.org", "require_tls": False},
                "links": {"exporter": http.url, "dead_man_switch": f"{http.url}/switch"},
            }
        )
        document = configuration(catalogue)
        for receiver in document["receivers"]:  # the services' addresses, which no catalogue changes
            for one in receiver.get("pagerduty_configs", ()):
                one["url"] = f"{http.url}/pagerduty"
            for one in receiver.get("opsgenie_configs", ()):
                one["api_url"] = f"{http.url}/opsgenie/"
        path = folder / "alertmanager.yml"
        path.write_text(to_yaml(document))
        with Alertmanager(path, folder / "data") as alertmanager:
            watchdog = {"labels": {"alertname": "Watchdog", "severity": "info", "owner": "team"}}
            answer = requests.post(f"{alertmanager.url}/api/v2/alerts", json=[PAGE, watchdog], timeout=10)
            assert answer.status_code == 200, answer.text
            yield Received(http, mails, alertmanager)


def test_an_email_says_what_is_wrong_what_to_do_and_where_to_look(received: Received) -> None:
    mail = wait_for(lambda: received.mails.mails, name="the mail")[0]
    assert mail["Subject"] == "Page: ModelQualityCritical flight_late 7"
    assert mail["To"] == "oncall@example.org"
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    lines = plain.get_content().strip().splitlines()
    notes = PAGE["annotations"]
    assert lines[:3] == [notes["summary"], notes["verdict"], notes["description"]]
    assert lines[3:] == [f"Dashboard: {LINKS[0]}", f"Runbook: {LINKS[1]}", f"Requests: {LINKS[2]}"]
    page = Page(html.get_content())
    text = " ".join(page.words)
    for words in (notes["summary"], notes["verdict"], notes["description"], "metric=accuracy"):
        assert words in text
    assert page.links[:3] == LINKS
    assert not page.tags & {"img", "script", "b"}  # nothing is fetched, and a label is no markup
    assert "width=device-width" in html.get_content()


def test_slack_gets_the_verdict_in_bold_and_short_links(received: Received) -> None:
    body = received.post("/slack")
    (attachment,) = body["attachments"]
    assert body["channel"] == "#oncall"
    assert attachment["title"] == "Page: ModelQualityCritical flight_late 7"
    assert attachment["title_link"] == LINKS[0]
    assert attachment["color"] == "#c62828"
    first, verdict, numbers, links = attachment["text"].strip().splitlines()
    assert first == f"*{PAGE['annotations']['summary']}*"
    assert verdict == f"*{PAGE['annotations']['verdict']}*"
    assert numbers == PAGE["annotations"]["description"]
    assert re.findall(r"<([^|>]+)\|(\w+)>", links) == list(
        zip(LINKS, ("Dashboard", "Runbook", "Requests"), strict=True)
    )


def test_pagerduty_and_opsgenie_get_title_severity_and_text(received: Received) -> None:
    body = received.post("/pagerduty")
    assert body["routing_key"] == "routing-key"
    assert body["payload"]["summary"] == "Page: ModelQualityCritical flight_late 7"
    assert body["payload"]["severity"] == "critical"
    assert PAGE["annotations"]["verdict"] in body["payload"]["custom_details"]["text"]
    assert [link["href"] for link in body["links"]] == LINKS[:2]
    body = received.post("/opsgenie/v2/alerts")
    assert body["message"] == "Page: ModelQualityCritical flight_late 7"
    assert PAGE["annotations"]["verdict"] in body["description"]


def broken(feature: str, *, over: bool = False) -> dict[str, Any]:
    """A page about one of a model's inputs."""
    now = datetime.now(UTC)
    end = {"endsAt": (now - timedelta(seconds=1)).isoformat()} if over else {}
    return {
        "labels": {
            "alertname": "FeatureBroken",
            "model": "fraud",
            "version": "3",
            "owner": "team",
            "severity": "critical",
            "feature": feature,
        },
        "annotations": {
            "summary": "An input is missing.",
            "description": f"83% of {feature} are missing.",
            "verdict": "Roll back to version 2.",
            "dashboard_url": "http://grafana.example/d/drift",
        },
        "startsAt": (now - timedelta(hours=1)).isoformat(),
        **end,
    }


def test_a_group_says_once_what_is_shared_and_apart_what_is_over(received: Received) -> None:
    def told(title: str) -> list[str]:
        mails = received.mails.mails
        mail = wait_for(lambda: next((m for m in mails if m["Subject"] == title), None), name=title)
        plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
        slack = wait_for(
            lambda: next(
                (
                    a
                    for p, b in list(received.http.received)
                    if p == "/slack"
                    for a in b["attachments"]
                    if a["title"] == title
                ),
                None,
            ),
            name=f"{title} in Slack",
        )
        assert plain is not None
        assert html is not None
        lines: list[str] = plain.get_content().strip().splitlines()
        assert [line.strip("*") for line in slack["text"].strip().splitlines()][:-1] == lines[:-1]
        over = sum(line.startswith("Over") for line in lines)
        firing = sum(" are missing." in line for line in lines) - over
        assert html.get_content().count("Roll back") == firing  # nobody rolls back what is over
        return lines

    def post(*alerts: dict[str, Any]) -> None:
        answer = requests.post(f"{received.alertmanager.url}/api/v2/alerts", json=alerts, timeout=10)
        assert answer.status_code == 200, answer.text

    first, verdict, last = (
        "An input is missing.",
        "Roll back to version 2.",
        "Dashboard: http://grafana.example/d/drift",
    )
    sentences = [f"83% of {name} are missing." for name in "abcde"]
    post(*(broken(name) for name in "abcde"))
    assert told("Page: FeatureBroken fraud 3 (5)") == [first, verdict, *sentences, last]
    post(broken("a", over=True), broken("d", over=True))
    left = [sentences[i] for i in (1, 2, 4)]
    ended = [f"Over; it was: {sentences[i]}" for i in (0, 3)]
    assert told("Page: FeatureBroken fraud 3 (3)") == [first, verdict, *left, *ended, last]
    post(*(broken(name, over=True) for name in "bce"))
    over = told("Over: FeatureBroken fraud 3 (3)")
    assert over == [first, *(f"Over; it was: {line}" for line in left), last]


def test_the_dead_mans_switch_hears_the_watchdog_and_nobody_else_does(received: Received) -> None:
    body = received.post("/switch")
    assert [a["labels"]["alertname"] for a in body["alerts"]] == ["Watchdog"]
    wait_for(lambda: received.mails.mails, name="the mail")
    assert not any("Watchdog" in str(mail["Subject"]) for mail in received.mails.mails)


def test_no_secret_stands_in_the_configuration(root_catalogue: Catalogue) -> None:
    """Keys, tokens and passwords only as names of files, whatever the way to reach someone."""
    from plumbline.catalogue.model import Receiver, Smtp

    ways = (
        Receiver(pagerduty_routing_key_file="/run/secrets/a"),
        Receiver(opsgenie_api_key_file="/run/secrets/b"),
        Receiver(slack_api_url_file="/run/secrets/c", slack_channel="#x"),
        Receiver(email="a@example.org"),
    )
    owner = root_catalogue.owners["platform"].model_copy(update={"page": ways})
    smtp = Smtp(smarthost="m:25", sender="a@b", username="u", password_file="/run/secrets/d")  # noqa: S106
    catalogue = root_catalogue.model_copy(update={"owners": {"platform": owner}, "smtp": smtp})
    document = yaml.safe_load(to_yaml(configuration(catalogue)))

    def keys(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                yield key
                yield from keys(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from keys(inner)

    found = set(keys(document))
    assert {"routing_key_file", "api_key_file", "api_url_file", "smtp_auth_password_file"} <= found
    assert not found & {
        "routing_key",
        "service_key",
        "api_key",
        "api_url",
        "smtp_auth_password",
        "auth_password",
        "credentials",
    }
