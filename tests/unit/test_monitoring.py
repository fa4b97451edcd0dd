"""What processes show of themselves and of the fleet in Prometheus' format, and what the docs say of it."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from botfleet.handlers.sending.counting import RESULTS, sends_counter
from botfleet.model import STATES, Bot, HolderInfo, Sample, Schedule, Status, Subscription
from botfleet.monitoring.families import Collector, render
from botfleet.monitoring.fleet import FleetMetrics
from botfleet.monitoring.holders import HolderMetrics
from botfleet.monitoring.process import ProcessMetrics
from botfleet.monitoring.publishers import PublisherMetrics
from botfleet.publishing.lag import BOUNDS, Lag
from botfleet.publishing.outgoing import Bundle, Outgoing
from botfleet.publishing.publisher import Counters, Publisher
from botfleet.publishing.router import Router
from botfleet.publishing.sinks import MemorySink
from botfleet.slack.envelope import Origin
from botfleet.slack.frames import decode
from botfleet.slack.reconnects import REASONS
from botfleet.store import MemoryStore
from botfleet.web.gateway.counters import Counters as GatewayCounters
from botfleet.web.gateway.metrics import GatewayMetrics
from botfleet.worker_health import TaskMetrics
from tests.waiting import eventually

DOCS = Path(__file__).resolve().parents[2] / "docs" / "monitoring.md"
INFO = HolderInfo(name="holder@a", shards=4, led=3, bots=5, connected=4, events=9, reconnects={"silent": 2})
TEAM = "T0LOOKFORME"
ORIGIN = Origin.of(Bot(team_id="T1", sealed_token="plain:x", fingerprint="x"))


class Worker:
    concurrency = 4


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore(4)
    store.change_bot(TEAM, lambda old: Bot(team_id=TEAM, sealed_token="plain:x", fingerprint="x"))
    store.put_statuses({TEAM: Status(state="connected", since=1.0, holder="holder@a")})
    own = Subscription(task="tasks.listen", types=("message",), bot=TEAM, queue="slow")
    store.put_subscriptions("handler", [Subscription(task="tasks.ping", types=("message",))])
    store.put_subscriptions(f"listeners:{TEAM}", [own])
    store.put_timers("handler", [Schedule(task="tasks.tidy", seconds=60.0)], 60.0)
    store.announce(INFO, 60.0)
    store.advance("runs:tasks.ping", 3)
    store.advance("failed:tasks.tidy", 1)
    store.advance(sends_counter("web", "ok"), 5)
    sample = Sample(at=time.time(), bots={"connected": 1}, holders=1, queues={"slow": 2}, unacked=1)
    store.put_sample(sample)
    return store


def all_of(store: MemoryStore) -> list[Collector]:
    """Everything that any process shows."""
    return [
        FleetMetrics(store),
        HolderMetrics(lambda: INFO),
        PublisherMetrics(Publisher(MemorySink(), 1000)),
        ProcessMetrics("holder"),
        TaskMetrics(Worker()),
        GatewayMetrics(GatewayCounters()),
    ]


def families(*collectors: Collector) -> dict[str, Any]:
    page = render(collectors).decode()
    return {family.name: family for family in text_string_to_metric_families(page)}


def values(family: Any) -> dict[tuple[str, ...], float]:
    """Values by the values of their labels."""
    return {tuple(one.labels.values()): one.value for one in family.samples}


def test_the_fleet_shows_what_the_store_knows(store: MemoryStore) -> None:
    found = families(FleetMetrics(store))
    assert values(found["botfleet_fleet_up"]) == {(): 1}
    assert values(found["botfleet_fleet_bots"]) == {**{(state,): 0 for state in STATES}, ("connected",): 1}
    assert values(found["botfleet_fleet_queue_messages"]) == {("slow",): 2}
    assert values(found["botfleet_fleet_holder_led"]) == {("holder@a",): 3}
    assert values(found["botfleet_fleet_holder_reconnects"]) == {("holder@a", "silent"): 2}
    assert values(found["botfleet_fleet_handler_runs"]) == {("tasks.listen",): 0, ("tasks.ping",): 3}
    assert values(found["botfleet_fleet_timer_failed"]) == {("tasks.tidy",): 1}
    assert values(found["botfleet_fleet_sends"]) == {("ok", "web"): 5}


def test_a_store_that_is_away_is_a_figure_too(store: MemoryStore) -> None:
    store.down = True
    found = families(FleetMetrics(store), ProcessMetrics("web"))
    assert values(found["botfleet_fleet_up"]) == {(): 0}
    assert "botfleet_build_info" in found


def test_an_empty_fleet_has_figures() -> None:
    assert values(families(FleetMetrics(MemoryStore(4)))["botfleet_fleet_holders"]) == {(): 0}


def test_no_figure_names_a_team(store: MemoryStore) -> None:
    assert TEAM not in render(all_of(store)).decode()


def test_a_process_and_the_fleet_have_no_name_in_common(store: MemoryStore) -> None:
    fleet, *others = all_of(store)
    assert not families(fleet).keys() & families(*others).keys()
    assert all(name.startswith("botfleet_fleet_") for name in families(fleet))


def test_a_holder_shows_what_its_publisher_does_not() -> None:
    found = families(HolderMetrics(lambda: INFO), PublisherMetrics(Publisher(MemorySink(), 1000)))
    assert values(found["botfleet_holder_connected"]) == {(): 4}
    assert values(found["botfleet_holder_reconnects"]) == {("silent",): 2}
    assert "botfleet_holder_events" not in found
    assert "botfleet_publisher_events" in found


def test_the_docs_name_every_metric(store: MemoryStore) -> None:
    rows = re.findall(r"^\| `(botfleet_\w+)` \| (\w+) \| ([^|]*)\|", DOCS.read_text(), re.MULTILINE)
    told = {
        name.removesuffix("_total"): (kind, set(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in rows
    }
    shown = {
        name: (family.type, {label for one in family.samples for label in one.labels} - {"le"})
        for name, family in families(*all_of(store)).items()
        if not name.startswith("process_")
    }
    # No task was run here, and none of its labels is seen.
    shown["botfleet_worker_tasks"] = ("counter", {"task"})
    assert told == shown


def test_the_docs_ask_for_metrics_that_there_are(store: MemoryStore) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    assert all(yaml.safe_load(block) for block in blocks)
    series = {one.name for family in families(*all_of(store)).values() for one in family.samples}
    asked = {name for block in blocks for name in re.findall(r"\bbotfleet_\w+", block)}
    assert asked
    assert asked <= series


def test_the_docs_name_all_reasons_and_results() -> None:
    text = DOCS.read_text()
    assert [name for name in (*REASONS, *RESULTS) if f"`{name}`" not in text] == []


# The publish lag


def outgoing(received_at: float) -> Outgoing:
    return Outgoing("Ev1", b"{}", received_at, "q", ())


def test_a_lag_is_in_the_class_that_it_fits() -> None:
    lag = Lag()
    lag.note([outgoing(99.0), outgoing(99.9995)], now=100.0)
    assert [number for number, times in enumerate(lag.counts) if times] == [0, BOUNDS.index(1.0)]
    assert lag.seconds == pytest.approx(1.0005)


def test_some_events_stand_for_a_large_batch() -> None:
    lag = Lag()
    lag.note([outgoing(99.5)] * 500, now=100.0)
    assert sum(lag.counts) == pytest.approx(500, rel=0.15)
    assert lag.seconds / sum(lag.counts) == pytest.approx(0.5)


def test_of_a_bundle_the_last_event_counts_and_clocks_may_go_back() -> None:
    wanted = Subscription(task="t", types=("*",), batch=10)
    lag = Lag()
    lag.note([Bundle(wanted, "q", (outgoing(10.0), outgoing(100.5)))], now=100.0)
    assert (lag.counts[0], lag.seconds) == (1, 0.0)


def test_a_publisher_measures_what_the_broker_took() -> None:
    publisher = Publisher(MemorySink(), 10_000)
    publisher.router = Router([Subscription(task="t", types=("*",))])
    thread = threading.Thread(target=publisher.run)
    thread.start()
    raw = b'{"type": "team_join", "event_ts": "1.0", "user": "U1"}'
    publisher.publish(ORIGIN, decode(raw), raw)
    eventually(lambda: sum(publisher.lag.counts) == 1)
    publisher.close()
    thread.join()
    assert publisher.counters == Counters(events=1, wanted=1, published=1)
