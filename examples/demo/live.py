"""The third act: the days that are replayed while people look on."""

from __future__ import annotations

import time

from examples.demo.events import DAY, midnight
from examples.demo.screen import Screen
from examples.demo.settings import Prepared, Settings
from plumbline.client.post import Sender
from plumbline.history.records import JsonLines
from plumbline.replay import Due, ReplayReport, replay, schedule


def replay_days(settings: Settings, prepared: Prepared, screen: Screen) -> None:
    """Send the days to be replayed to the exporter, as fast as the settings say."""
    plan = prepared.plan
    screen.step(
        f"Replaying {settings.days} days in {settings.minutes:g} minutes: a day takes "
        f"{DAY / settings.speed:.0f} s; the weather feed breaks on {plan.fault_from:%d %B}"
    )
    screen.say("outcomes arrive when they really did: at landing, or never for cancelled flights")
    start = time.time() + 1.0
    fault_at = start + (midnight(plan.fault_from) - midnight(plan.live_from)) / settings.speed
    total = settings.minutes * 60.0
    url = f"http://127.0.0.1:{prepared.ports.exporter}"
    told = False
    with Sender(url, await_exporter=True) as sender, screen.progress("replay") as advance:

        def watch(last: Due, report: ReplayReport) -> None:
            nonlocal told
            if not told and last.at >= fault_at:
                told = True
                screen.step("The weather feed has just broken: flights go on, without weather")
            day = midnight(plan.live_from) + (last.at - start) * settings.speed
            sent = report.sent.get("prediction", 0)
            date = time.strftime("%d %b", time.gmtime(day))
            # The last outcomes of the last day come after it.
            advance(min(last.at - start, total), total, f"{date}, {sent:,} predictions")

        live = JsonLines([prepared.live]).records()
        events = schedule(live, settings.speed, start, first=plan.live_start)
        report = replay(events, sender, watch=watch)
    counts = ", ".join(f"{n:,} {kind}s" for kind, n in sorted(report.sent.items()))
    screen.say(f"sent {counts}; {report.rejected_total} refused")
    if report.behind > 5.0:
        screen.say(f"the machine was busy: events were up to {report.behind:.0f} s late")
