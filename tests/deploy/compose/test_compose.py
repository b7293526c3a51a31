"""The compose stack comes up by itself, locked down, and sells: over one door, with access control and mutual TLS."""

import asyncio
import json
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

import httpx
import pytest
from furlong.client import FurlongError, connect
from furlong.common.v1.round_pb2 import Round
from furlong.common.v1.ticket_pb2 import Ticket, TicketResult

from deploy.compose.roll import SERVICES
from deploy.engine.docker import Docker
from deploy.images import bases
from deploy.observability.dashboard import FILE, PANELS
from tests.deploy.compose.conftest import Figures
from tests.deploy.compose.selling import LONG, SHORT, new_account, new_track, open_round
from tests.deploy.compose.stacks import BASE, OBSERVABILITY, ONE_SHOTS, TESTS, RunningStack
from tests.e2e.doors import http_client
from tests.e2e.load import orders_of
from tests.e2e.racing import fresh_id, order, win_line
from tests.e2e.waiting import until
from tests.e2e.watching import watched

USER = "65532:65532"
TELEMETRY_S = 40.0
SETTLE_S = 40.0
PLACES = [
    {BASE},
    {BASE, OBSERVABILITY},
    {BASE, TESTS},
    {BASE, OBSERVABILITY, TESTS},
]
STRANGERS = """
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
own = {name: open(f"/run/furlong/{name}", "rb").read() for name in ("ca.crt", "tls.key", "tls.crt")}
options = (("grpc.ssl_target_name_override", "persist"),)
def secure(*files):
    return grpc.secure_channel("persist:50053", grpc.ssl_channel_credentials(*map(own.get, files)), options=options)
for who, channel in (
    ("in clear text", grpc.insecure_channel("persist:50053")),
    ("without a certificate", secure("ca.crt")),
    ("as web", secure("ca.crt", "tls.key", "tls.crt")),
):
    try:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        print(who, "answered")
    except grpc.RpcError as error:
        print(who, error.code().name)
"""
"""What somebody says to persist who got into web's container, and has all that web has."""


@pytest.mark.parametrize("files", PLACES, ids=lambda files: "+".join(sorted(file.stem for file in files)))
def test_the_files_are_valid(docker: Docker, files: set[Any]) -> None:
    environment = {**bases.read(), "GATEWAY_PORT": "8080", "TESTS_SUBNET": "10.214.0.0/24"}
    aimed = Docker(environment={**docker.environment, **environment})
    options = [word for file in sorted(files, key=[BASE, OBSERVABILITY, TESTS].index) for word in ("--file", str(file))]
    rendered = json.loads(aimed("compose", *options, "config", "--format", "json"))

    published = {name for name, service in rendered["services"].items() if service.get("ports")}
    assert published == {"door"} | ({"grafana"} if OBSERVABILITY in files else set())
    for name, service in rendered["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["user"].split(":")[0] not in ("0", "root"), name
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory", "pids"} <= limits.keys(), name
        assert "@sha256:" in service["image"] or service["image"].startswith("furlong/"), name


def test_every_container_is_user_65532_without_capabilities_on_a_root_that_cannot_be_written(
    stack: RunningStack,
) -> None:
    containers = stack.compose.containers(ended=True)

    assert {each["Config"]["Labels"]["com.docker.compose.service"] for each in containers} >= {
        *SERVICES,
        *ONE_SHOTS,
        "door",
    }
    for each in containers:
        host = each["HostConfig"]
        assert each["Config"]["User"] == USER, each["Name"]
        assert host["ReadonlyRootfs"], each["Name"]
        assert host["CapDrop"] == ["ALL"], each["Name"]
        assert not host["CapAdd"], each["Name"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"], each["Name"]
        assert not host["Privileged"], each["Name"]
        assert min(host["Memory"], host["NanoCpus"], host["PidsLimit"]) > 0, each["Name"]


def test_there_are_two_of_what_holds_tickets_and_all_are_healthy(stack: RunningStack) -> None:
    for service, replicas in (("game", 2), ("cache", 2), ("persist", 2), ("metrics", 1), ("web", 1), ("gateway", 1)):
        states = [each["State"] for each in stack.compose.containers(service)]
        assert len(states) == replicas
        assert {state["Health"]["Status"] for state in states} == {"healthy"}, service


def test_nothing_but_the_door_is_published(stack: RunningStack) -> None:
    published = {
        each["Config"]["Labels"]["com.docker.compose.service"]: bindings
        for each in stack.compose.containers()
        if (bindings := each["HostConfig"]["PortBindings"])
    }

    assert published == {"door": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": stack.gateway.split(":")[1]}]}}


def test_no_secret_stands_in_an_environment(stack: RunningStack) -> None:
    script = "import pathlib; print(*[(pathlib.Path('/keys') / each).read_text().strip() for each in "
    script += "('database.password', 'redis.password', 'seed.key')])"
    known = stack.compose("run", "--rm", "--entrypoint", "/usr/bin/python3", "token", "-c", script).split()
    told = json.dumps([each["Config"] for each in stack.compose.containers(ended=True)])

    assert len(known) == 3
    assert not [secret for secret in known if secret in told]


def test_the_first_tracks_are_open(stack: RunningStack) -> None:
    async def look() -> set[str]:
        async with connect(stack.gateway) as client:
            return {track.track for track in await client.tracks.list()}

    assert {"harbour-mile", "city-sprint"} <= asyncio.run(look())


async def test_access_is_controlled(stack: RunningStack) -> None:
    async with http_client(stack.gateway) as http:
        refused = await http.get("/v1/metrics/snapshot")
        allowed = await http.get("/v1/metrics/snapshot", headers=bearer(stack.token))

    assert (refused.status_code, allowed.status_code) == (401, 200)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def answered(http: httpx.AsyncClient, verb: str, path: str, **content: Any) -> httpx.Response:
    """The good answer to a request that may be sent again; two cores carry all of this."""

    async def ask() -> httpx.Response | None:
        reply = await http.request(verb, path, **content)
        return reply if reply.is_success else None

    return await until(ask, within_s=TELEMETRY_S, what=f"{verb} {path} is answered")


async def test_rounds_run_and_tickets_are_settled_that_were_placed_over_rest_and_grpc(stack: RunningStack) -> None:
    async with connect(stack.gateway, token=stack.token) as client:
        track = await new_track(client, "compose", SHORT)
        ann = await new_account(client)
        round_id = await open_round(client, track)
        over_grpc = await client.tickets.place(round_id, orders_of(ann, 5))
        fields = {"round_id": str(round_id), "tickets": [order(ann, win_line(each, 100)) for each in range(1, 6)]}
        async with http_client(stack.gateway) as http:
            reply = await answered(http, "POST", "/v1/tickets:place", json=fields, headers=bearer(stack.token))
        over_rest = reply.json()["results"]

        assert [each.verdict for each in over_grpc] == [TicketResult.ACCEPTED] * 5
        assert [each["verdict"] for each in over_rest] == ["ACCEPTED"] * 5

        async def paid() -> list[Ticket] | None:
            try:
                if (await client.rounds.get(round_id)).phase != Round.SETTLED:
                    return None
                return [await client.tickets.get(each.ticket.ticket_id) for each in over_grpc]
            except FurlongError:
                return None

        tickets = await until(paid, within_s=SETTLE_S, what="the round is settled")
        assert [ticket.payout_minor > 0 for ticket in tickets].count(True) == 1
        assert await open_round(client, track) > round_id
        await client.tracks.pause(track, "its test is over")


async def test_traces_arrive_with_every_part_in_them(stack: RunningStack) -> None:
    async with (
        connect(stack.gateway, token=stack.token) as client,
        http_client(stack.gateway) as http,
    ):
        track = await new_track(client, "traced", LONG)
        ann = await new_account(client)
        round_id = await open_round(client, track)
        fields = {"round_id": str(round_id), "tickets": [order(ann, win_line(1, 100), request_id=fresh_id())]}
        asked = {
            "placing": ("POST", "/v1/tickets:place", fields, {"gateway", "game", "persist"}),
            "reading": ("GET", f"/v1/tracks/{track}", None, {"gateway", "game", "persist", "cache"}),
            "pages": ("GET", "/", None, {"gateway", "web"}),
        }
        for what, (verb, path, body, parts) in asked.items():
            trace_id = secrets.token_hex(16)
            headers = {**bearer(stack.token), "traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
            await answered(http, verb, path, json=body, headers=headers)

            async def told(trace_id: str = trace_id, parts: set[str] = parts) -> bool:
                reply = await http.get(f"/v1/traces/{trace_id}", headers=bearer(stack.token))
                spans = reply.json()["trace"]["spans"] if reply.status_code == httpx.codes.OK else []
                return {span["service"] for span in spans} >= parts

            await until(told, within_s=TELEMETRY_S, what=f"the trace of {what} has {sorted(parts)} in it")


@pytest.mark.timeout(240)
async def test_the_queries_of_the_dashboard_have_data(stack: RunningStack, figures: Figures) -> None:
    async with (
        connect(stack.gateway, token=stack.token) as client,
        httpx.AsyncClient(base_url=figures.prometheus, verify=False) as prometheus,
    ):
        track = await new_track(client, "shown", SHORT)
        ann = await new_account(client)

        async def shown() -> bool:
            await client.tickets.place(await open_round(client, track), orders_of(ann, 5))
            return not await empty(prometheus)

        async with watched(client, track):
            try:
                await until(shown, within_s=2 * TELEMETRY_S, what="every panel has data")
            except AssertionError as late:
                raise AssertionError(f"no data: {await empty(prometheus)}") from late
        await client.tracks.pause(track, "its test is over")
    assert not figures.bridge.refused
    assert figures.bridge.spans > 0


async def empty(prometheus: httpx.AsyncClient) -> Sequence[str]:
    """The panels whose query gives nothing, of those that have something while all is well; as Grafana would ask."""
    panels: Mapping[str, str] = {
        panel["title"]: panel["targets"][0]["expr"] for panel in json.loads(FILE.read_text())["panels"]
    }
    quiet = {panel.title for panel in PANELS if panel.quiet}
    found = []
    for title, query in panels.items():
        reply = (await prometheus.get("/api/v1/query", params={"query": query})).json()
        assert reply["status"] == "success", reply
        values = [float(each["value"][1]) for each in reply["data"]["result"]]
        if title not in quiet and all(map(isnan, values)):  # NaN says that there was nothing to count
            found.append(title)
    return found


def test_persist_refuses_inside_the_network_whoever_is_not_game(stack: RunningStack) -> None:
    said = stack.compose("run", "--rm", "--no-deps", "--entrypoint", "/usr/bin/python3", "web", "-c", STRANGERS)

    assert said.splitlines()[-3:] == [
        "in clear text UNAVAILABLE",
        "without a certificate UNAVAILABLE",
        "as web PERMISSION_DENIED",
    ]


def test_the_database_is_out_of_reach_of_all_but_persist(stack: RunningStack) -> None:
    script = (
        "import socket\ntry: socket.create_connection(('postgres', 5432), 3)\nexcept OSError as no: print('no', no)"
    )
    said = stack.compose("run", "--rm", "--no-deps", "--entrypoint", "/usr/bin/python3", "tracks", "-c", script)

    assert said.splitlines()[-1].startswith("no ")


def test_certificates_are_renewed_while_the_stack_runs(stack: RunningStack) -> None:
    stack.compose("run", "--rm", "--no-deps", "certificates", "-m", "deploy.certificates", "/secrets", "--renew")

    async def sell() -> None:
        async with connect(stack.gateway, token=stack.token) as client:
            assert await new_account(client)

    asyncio.run(sell())


def test_make_has_the_verbs(stack: RunningStack) -> None:
    said = subprocess.run(["make", "help"], cwd=BASE.parents[2], capture_output=True, text=True, check=True).stdout

    assert [verb for verb in ("compose-up", "compose-test", "compose-down") if verb not in said] == []
