"""Checks of owners, receivers, addresses and hours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit
from zoneinfo import available_timezones

from plumbline.catalogue.advice import nearest
from plumbline.catalogue.checks.base import Found, check, unknown
from plumbline.catalogue.model import Catalogue, Receiver
from plumbline.catalogue.source import Location

_TARGET = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})")
_EMAIL = re.compile(r"[^@\s,]+@[^@\s,]+")
_SECRET_HOSTS = ("hooks.slack.com", "discord.com", "outlook.office.com")
_SECRET_HOST_SUFFIXES = (".webhook.office.com", ".logic.azure.com")
_SECRET_QUERY = re.compile(r"(?:^|&)(?:[a-z_-]*(?:token|secret|key|sig|password|auth)[a-z_-]*)=", re.IGNORECASE)
# Alertmanager 0.25 reads the URL of a webhook from no file.
_RELAY = "the URL carries a secret, which must not stand in the catalogue: give the URL of a relay that knows it"
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_INTERVAL_KEYS = ("times", "weekdays", "days_of_month", "months", "years", "location")


def _receivers(catalogue: Catalogue) -> Iterator[tuple[Location, Receiver]]:
    for name, owner in catalogue.owners.items():
        for branch, receivers in (("page", owner.page), ("ticket", owner.ticket)):
            for i, receiver in enumerate(receivers):
                yield ("owners", name, branch, i), receiver


@check("catalogue/unknown-owner")
def unknown_owner(catalogue: Catalogue) -> Found:
    """Models, pipelines and the platform have owners that exist."""
    known = catalogue.owners
    uses: list[tuple[Location, str]] = [(("platform_owner",), catalogue.platform_owner)]
    uses += [(("models", name, "owner"), model.owner) for name, model in catalogue.models.items()]
    uses += [(("pipelines", name, "owner"), pipe.owner) for name, pipe in catalogue.pipelines.items()]
    for location, owner in uses:
        if owner not in known:
            yield location, unknown("owner", owner, known, "owners")


@check("catalogue/unknown-time-interval")
def unknown_ticket_hours(catalogue: Catalogue) -> Found:
    """An owner's ticket hours name a time interval."""
    known = catalogue.time_intervals
    for name, owner in catalogue.owners.items():
        if owner.ticket_hours is not None and owner.ticket_hours not in known:
            message = unknown("time interval", owner.ticket_hours, known, "time_intervals")
            yield ("owners", name, "ticket_hours"), message


@check("catalogue/receiver-kind")
def receiver_kinds(catalogue: Catalogue) -> Found:
    """A receiver is of exactly one kind, and complete."""
    for location, receiver in _receivers(catalogue):
        kinds = [
            kind
            for kind, given in (
                ("webhook", receiver.webhook),
                ("pagerduty_routing_key_file", receiver.pagerduty_routing_key_file),
                ("opsgenie_api_key_file", receiver.opsgenie_api_key_file),
                ("slack_channel", receiver.slack_channel or receiver.slack_api_url_file),
                ("email", receiver.email),
            )
            if given is not None
        ]
        if not kinds:
            yield location, "the receiver says nobody: give it webhook, email, slack_channel or a key file"
        elif len(kinds) > 1:
            yield location, f"the receiver has several kinds ({', '.join(kinds)}): make one list item of each"
        if (receiver.slack_channel is None) != (receiver.slack_api_url_file is None):
            yield location, "a Slack receiver needs both slack_channel and slack_api_url_file"


@check("catalogue/email")
def email_needs_smtp(catalogue: Catalogue) -> Found:
    """E-mail has an address and a mail server."""
    for location, receiver in _receivers(catalogue):
        if receiver.email is None:
            continue
        if catalogue.smtp is None:
            yield ((*location, "email"), "an e-mail receiver needs the top-level section smtp (smarthost, sender)")
        if not all(_EMAIL.fullmatch(part.strip()) for part in receiver.email.split(",")):
            yield (*location, "email"), f"{receiver.email!r} is not an e-mail address: write name@host"


@check("catalogue/inline-secret")
def inline_secret(catalogue: Catalogue) -> Found:
    """Secrets stand in files, never in the catalogue, which is committed."""
    for location, receiver in _receivers(catalogue):
        if receiver.webhook is not None and _is_secret(_split(receiver.webhook)):
            yield (*location, "webhook"), _RELAY
    for name, model in catalogue.models.items():
        for key in ("rollback", "retrain"):
            url = getattr(model.hooks, key)
            if url is not None and _is_secret(_split(url)):
                message = "the URL carries a secret: put it in a file and name that as authorization_file"
                yield ("models", name, "hooks", key), message
    switch = catalogue.links.dead_man_switch
    if switch is not None and _is_secret(_split(switch)):
        yield ("links", "dead_man_switch"), _RELAY


@check("catalogue/bad-url")
def bad_url(catalogue: Catalogue) -> Found:
    """URLs are http or https, with a host."""
    uses: list[tuple[Location, str | None]] = []
    uses += [((*location, "webhook"), receiver.webhook) for location, receiver in _receivers(catalogue)]
    for name, model in catalogue.models.items():
        uses.append((("models", name, "runbook_url"), model.runbook_url))
        uses.append((("models", name, "hooks", "rollback"), model.hooks.rollback))
        uses.append((("models", name, "hooks", "retrain"), model.hooks.retrain))
    links = catalogue.links
    for key in ("grafana", "prometheus", "alertmanager", "exporter", "runbooks", "dead_man_switch"):
        uses.append((("links", key), getattr(links, key)))
    for location, url in uses:
        if url is None:
            continue
        parts = _split(url)
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or " " in url:
            yield location, f"{url!r} is not a URL: write http:// or https://, a host and a path"


@check("catalogue/bad-target")
def bad_target(catalogue: Catalogue) -> Found:
    """Scrape targets and the mail server are host:port."""
    targets = catalogue.targets
    uses: list[tuple[Location, str]] = []
    for key in ("exporters", "prometheus", "alertmanagers"):
        uses += [(("targets", key, i), target) for i, target in enumerate(getattr(targets, key))]
    if catalogue.smtp is not None:
        uses.append((("smtp", "smarthost"), catalogue.smtp.smarthost))
    for location, target in uses:
        found = _TARGET.fullmatch(target)
        if found is None or not 0 < int(found[2]) < 65536:
            yield location, f"{target!r} is not an address: write host:port, without http:// and path"


@check("catalogue/time-interval")
def time_interval_shape(catalogue: Catalogue) -> Found:
    """Time intervals have Alertmanager's keys; amtool checks the rest after generation."""
    for name, intervals in catalogue.time_intervals.items():
        location: Location = ("time_intervals", name)
        if not intervals:
            yield location, "the interval is empty: no ticket would ever be sent; list its days or hours"
        for i, interval in enumerate(intervals):
            for key, value in interval.items():
                here: Location = (*location, i, key)
                if key not in _INTERVAL_KEYS:
                    yield here, f"unknown key {key!r}: known keys are {', '.join(_INTERVAL_KEYS)}"
                elif key == "location":
                    yield from _zone(here, value)
                elif not isinstance(value, list):
                    yield here, f"{key} must be a list"
                elif key == "times":
                    yield from _times(here, value)
                elif key == "weekdays":
                    yield from _weekdays(here, value)


def _zone(location: Location, zone: object) -> Found:
    known = available_timezones()  # empty where the machine has no time zone database
    if not isinstance(zone, str) or not zone:
        yield location, "location must be a time zone such as Europe/Paris"
    elif known and zone not in known | {"Local"}:
        yield location, f"{zone!r} is not a time zone{nearest(zone, known)}: write one such as Europe/Paris"


def _times(location: Location, ranges: list[object]) -> Found:
    for i, span in enumerate(ranges):
        keys = set(span) if isinstance(span, dict) else set()
        if not isinstance(span, dict) or keys != {"start_time", "end_time"}:
            yield (*location, i), "a time range has exactly start_time and end_time"
            continue
        bounds = []
        for key in ("start_time", "end_time"):
            text = span[key]
            if not isinstance(text, str) or not _CLOCK.fullmatch(text):
                yield (*location, i, key), f'{key} is {text!r}: write HH:MM in quotes, such as "08:00"'
            else:
                bounds.append(text)
        if len(bounds) == 2 and bounds[0] >= bounds[1]:
            message = f"ends at {bounds[1]}, not after its start {bounds[0]}: split a night into two ranges"
            yield (*location, i), message


def _weekdays(location: Location, ranges: list[object]) -> Found:
    for i, span in enumerate(ranges):
        days = str(span).lower().split(":")
        if not isinstance(span, str) or len(days) > 2 or any(day not in _DAYS for day in days):
            yield (*location, i), f"{span!r} is no weekday or range: write monday or monday:friday"
        elif len(days) == 2 and _DAYS.index(days[0]) > _DAYS.index(days[1]):
            message = f"{span!r} runs backwards: Alertmanager's week begins on sunday; split it in two"
            yield (*location, i), message


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # a port that is no number raises only when read
    except ValueError:
        return None
    return parts


def _is_secret(parts: SplitResult | None) -> bool:
    if parts is None:
        return False
    host = parts.hostname or ""
    known = host in _SECRET_HOSTS or host.endswith(_SECRET_HOST_SUFFIXES)
    return known or parts.password is not None or _SECRET_QUERY.search(parts.query) is not None
