"""The cache as operators and outsiders see it: headers of what was kept, figures, a look into it, and a flush."""

import base64
import json
from collections.abc import Mapping

import httpx
import pytest
from furlong.common.v1.round_pb2 import Track
from furlong.persist.v1.track_store_service_pb2 import GetTrackResponse

from deploy.local.stack import LocalStack
from tests.e2e.command import furlong
from tests.e2e.people import People
from tests.e2e.racing import SLOW, new_track
from tests.e2e.waiting import until

KEPT_S = 10.0
CANARY_S = 15.0

Headers = Mapping[str, str]


@pytest.fixture
async def track(stack: LocalStack) -> str:
    """A track that nobody else touches."""
    return await new_track(stack, "kept", SLOW, cards=())


@pytest.fixture
def operator(people: People) -> Headers:
    return {"authorization": f"Bearer {people.operator}"}


async def kept(http: httpx.AsyncClient, track: str) -> httpx.Response:
    """The track as it comes from the cache."""

    async def ask() -> httpx.Response | None:
        reply = await http.get(f"/v1/tracks/{track}")
        assert reply.status_code == httpx.codes.OK
        return reply if "x-cache" in reply.headers else None

    return await until(ask, within_s=KEPT_S, what=f"{track} comes from the cache")


async def stats_of(http: httpx.AsyncClient, operator: Headers, namespace: str) -> dict[str, str]:
    reply = await http.get("/v1/cache/stats", headers=operator)
    assert reply.status_code == httpx.codes.OK, reply.text
    (found,) = (each for each in reply.json()["namespaces"] if each["namespace"] == namespace)
    return dict(found)


async def test_an_answer_that_came_from_the_cache_says_so_and_how_old_it_is(
    http: httpx.AsyncClient, track: str, operator: Headers
) -> None:
    async def ask_when_nothing_is_kept() -> httpx.Response | None:
        await http.post("/v1/cache:flush", headers=operator, json={})
        reply = await http.get(f"/v1/tracks/{track}")
        return None if "x-cache" in reply.headers else reply  # the track's keeper may have read it in between

    first = await until(ask_when_nothing_is_kept, within_s=KEPT_S, what=f"{track} comes from the store")
    later = await kept(http, track)
    assert not {"x-cache", "age"} & first.headers.keys()
    assert later.headers["x-cache"] in ("HIT L1", "HIT L2")
    assert 0 <= int(later.headers["age"]) <= KEPT_S
    assert later.json() == first.json()


async def test_what_never_comes_from_the_cache_never_says_so(
    http: httpx.AsyncClient, people: People, steady_track: str
) -> None:
    for _ in range(3):
        reply = await http.get(f"/v1/tracks/{steady_track}/rounds/current")
        assert not {"x-cache", "age"} & reply.headers.keys()


async def test_operators_read_the_figures_over_rest(http: httpx.AsyncClient, track: str, operator: Headers) -> None:
    before = await stats_of(http, operator, "tracks")
    await kept(http, track)
    after = await stats_of(http, operator, "tracks")
    assert int(after["sets"]) > 0
    assert int(after["hits_l1"]) + int(after["hits_l2"]) > int(before["hits_l1"]) + int(before["hits_l2"])
    assert 0 < int(after["bytes"]) <= int(after["bytes_max"])
    assert after["largest"]


async def test_the_canary_reads_and_nothing_is_stale(http: httpx.AsyncClient, operator: Headers) -> None:
    async def measured() -> dict[str, str] | None:
        stats = (await http.get("/v1/cache/stats", headers=operator)).json()
        return stats if int(stats["canary"]["reads"]) and stats["lag_p50_ms"] else None

    stats = await until(measured, within_s=CANARY_S, what="the canary has read")
    assert stats["redis"] == "up"
    assert stats["canary"]["stale_reads"] == "0"  # type: ignore[index] # a message in it
    assert 0 < stats["lag_p50_ms"] <= stats["lag_p99_ms"]  # type: ignore[operator] # numbers both


@pytest.mark.parametrize(("who", "status"), [(None, 401), ("cashier", 403)])
@pytest.mark.parametrize(
    ("verb", "path"),
    [("GET", "/v1/cache/stats"), ("POST", "/v1/cache:flush"), ("GET", "/v1/cache/entries/tracks?key=a")],
)
async def test_the_cache_is_for_operators(
    http: httpx.AsyncClient, people: People, verb: str, path: str, who: str | None, status: int
) -> None:
    headers = {"authorization": f"Bearer {getattr(people, who)}"} if who else {}
    reply = await http.request(verb, path, headers=headers, json={} if verb == "POST" else None)
    assert reply.status_code == status


async def test_a_flush_begins_a_new_epoch_and_changes_no_answer(
    http: httpx.AsyncClient, track: str, operator: Headers
) -> None:
    before = await kept(http, track)
    epoch = (await http.get("/v1/cache/stats", headers=operator)).json()["epoch"]
    assert (await http.post("/v1/cache:flush", headers=operator, json={})).json() == {}
    after = await http.get(f"/v1/tracks/{track}")
    assert after.json() == before.json()
    assert (await http.get("/v1/cache/stats", headers=operator)).json()["epoch"] != epoch


async def test_the_command_shows_the_figures_an_entry_and_flushes(
    stack: LocalStack, http: httpx.AsyncClient, track: str, operator: Headers
) -> None:
    await kept(http, track)
    board = furlong(stack, "cache", "stats").stdout
    assert "redis up" in board
    assert any(line.startswith("tracks") for line in board.splitlines())
    largest = json.loads(furlong(stack, "cache", "stats", "--json").stdout)["namespaces"]
    of_some_track = next(
        one["key"]
        for each in largest
        if each["namespace"] == "tracks"
        for one in each["largest"]
        if "one/" in one["key"]
    )  # of many tracks alike, it is not this one's that is listed
    key = of_some_track[: of_some_track.index("one/")] + f"one/{track}"

    look = ("cache", "get", "tracks", key, "--max-stale", "60")  # it is fresh for five seconds, and the command slow
    shown = furlong(stack, *look).stdout
    found = json.loads(furlong(stack, *look, "--json").stdout)["found"]
    asked = {"key": key, "max_stale_ms": 60_000}
    over_rest = (await http.get("/v1/cache/entries/tracks", params=asked, headers=operator)).json()["found"]

    assert shown.startswith(("HIT  from L", "STALE  from L"))
    assert found["outcome"] in ("HIT", "STALE")
    assert int(found["version"]) <= int(over_rest["version"]), "it may have been kept anew in between"
    value = GetTrackResponse.FromString(base64.b64decode(over_rest["value"]))
    assert (value.track.track, value.track.state) == (track, Track.RUNNING)

    assert "nothing is kept" in furlong(stack, "cache", "get", "tracks", "not there", exit_code=1).stdout

    epoch = json.loads(furlong(stack, "cache", "stats", "--json").stdout)["epoch"]
    assert "everything is forgotten" in furlong(stack, "cache", "flush", "--yes").stdout
    assert json.loads(furlong(stack, "cache", "stats", "--json").stdout)["epoch"] != epoch


async def test_a_namespace_that_is_none_is_told(stack: LocalStack) -> None:
    told = furlong(stack, "cache", "get", "odds", "a", exit_code=2).stderr
    assert "namespace" in told
    assert "round-lists" in told
