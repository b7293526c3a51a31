"""Every edge of deploy/edges.py is seen in real traces, and no trace shows an edge that is not in the table; the same
of the connections that the kernel knows of, whether they are traced or not.

A part's span below another part's is an edge between the two; a statement or a command below a part's own span is an
edge to its store.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from deploy.edges import COMMANDS, EDGES, EVERY_PART, parts
from deploy.local.stack import LocalStack, StackSettings
from tests.e2e.collector import Collector, Span, collecting
from tests.e2e.connections import Connection, connections
from tests.e2e.doors import doors
from tests.e2e.people import People
from tests.e2e.private_stack import private_stack
from tests.e2e.racing import SLOW, new_track, open_account, open_round, order, place, win_line
from tests.e2e.waiting import until

EXPORT_S = 30.0
"""Every part exports in batches, and metrics hands on what it takes."""
STORES = {"sql ": "postgresql", "redis ": "redis"}
TRACED = {(edge.caller, edge.callee) for edge in EDGES if edge.traced}

NOT_RUNNING = COMMANDS | {"beacon"}
"""Who has no part in a local stack that runs: a command has ended, and a beacon would be on the Internet."""
CONNECTED = {
    (caller, edge.callee, edge.protocol)
    for edge in EDGES
    if not {edge.caller, edge.callee} & NOT_RUNNING
    for caller in (parts() if edge.caller == EVERY_PART else [edge.caller])
}

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of a stack in use."""

    traced: set[Pair]
    connected: set[Connection] = field(default_factory=set)


def pairs(spans: Iterable[Span]) -> set[Pair]:
    """The edges that spans show."""
    known = {(span.trace_id, span.span_id): span for span in spans}
    found: set[Pair] = set()
    for span in known.values():
        for prefix, store in STORES.items():
            if span.name.startswith(prefix):
                found.add((span.service, store))
        above = known.get((span.trace_id, span.parent_id))
        if above is not None and above.service != span.service:
            found.add((above.service, span.service))
    return found


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return asyncio.run(play(tmp_path_factory.mktemp("edges") / "data"))


async def play(data_dir: Path) -> Seen:
    async with collecting() as collector:
        settings = StackSettings(data_dir=data_dir, otlp_endpoint=collector.endpoint, trace_sample_ratio=1.0)
        opening = private_stack(settings)
        own = await asyncio.to_thread(opening.__enter__)
        try:
            await use_everything(own.gateway, People(own.stack), await new_track(own.stack, "edges", SLOW))
            connected: set[Connection] = set()
            await until(
                lambda: all_seen(collector, own.stack, connected),
                within_s=EXPORT_S,
                what=f"{sorted(TRACED)} are traced and {sorted(CONNECTED)} connected",
            )
        finally:
            await asyncio.to_thread(opening.__exit__, None, None, None)
        return Seen(traced=pairs(collector.spans), connected=connected)


async def all_seen(collector: Collector, stack: LocalStack, connected: set[Connection]) -> bool | None:
    """Note which connections there are, and tell whether everything was seen by now."""
    connected |= connections(stack, collector.endpoint)
    return True if pairs(collector.spans) >= TRACED and connected >= CONNECTED else None


async def use_everything(gateway: str, people: People, track: str) -> None:
    async with doors(gateway) as (rest, _):
        ann = await open_account(rest, people.cashier)
        opened = await open_round(rest, track)
        await place(rest, people.cashier, opened["round_id"], order(ann, win_line(1, 100)))
    bearer = {"authorization": f"Bearer {people.operator}"}
    async with httpx.AsyncClient(base_url=f"http://{gateway}", headers=bearer) as client:
        for path in ("/", f"/v1/tracks/{track}", "/v1/cache/stats"):
            (await client.get(path)).raise_for_status()


def test_every_traced_edge_is_in_the_traces(seen: Seen) -> None:
    assert TRACED - seen.traced == set()


def test_the_traces_show_no_edge_that_the_table_does_not_have(seen: Seen) -> None:
    assert seen.traced - {(edge.caller, edge.callee) for edge in EDGES} == set()


def test_every_edge_is_a_connection_and_no_part_has_another_one(seen: Seen) -> None:
    assert seen.connected == CONNECTED
