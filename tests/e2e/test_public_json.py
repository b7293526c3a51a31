"""The JSON that outsiders write against: names, spellings and kinds of values, as the architecture page says."""

from typing import Any

import httpx
from furlong.common.v1.round_pb2 import RaceCard, Runner

from deploy.local.stack import LocalStack
from tests.e2e.doors import Answer, GrpcDoor
from tests.e2e.people import People
from tests.e2e.racing import SLOW, fresh_id, moment, new_track, open_account, open_round

ROUND_FIELDS = {
    "round_id", "track", "phase", "screen", "revision", "opens_at", "locks_at", "starts_at", "finishes_at", "ends_at",
    "runners", "commitment", "tickets_root", "result", "totals", "transition_seq", "currency", "race_name",
    "distance_m", "limits", "return_bps", "void_reason", "payout_minor", "correction_reason",
    "terms", "positions", "withdrawn", "price_revision", "markets",
}  # fmt: skip


async def said(reply: httpx.Response) -> Answer:
    assert reply.status_code == httpx.codes.OK, reply.text
    assert reply.headers["content-type"] == "application/json"
    answer: Answer = reply.json()
    return answer


def is_number_in_words(value: Any) -> bool:
    return isinstance(value, str) and value.lstrip("-").isdigit()


async def test_a_track_and_its_current_round_read_as_promised(http: httpx.AsyncClient, steady_track: str) -> None:
    tracks = await said(await http.get("/v1/tracks"))
    track = (await said(await http.get(f"/v1/tracks/{steady_track}")))["track"]
    current = (await said(await http.get(f"/v1/tracks/{steady_track}/rounds/current")))["round"]

    assert tracks.keys() == {"tracks", "next_page_token"}
    assert track in tracks["tracks"]
    assert (track["track"], track["currency"], track["state"]) == (steady_track, "EUR", "RUNNING")
    assert current.keys() == ROUND_FIELDS
    assert (current["phase"], current["screen"], current["result"]) == ("OPEN", "GAME", [])
    assert all(is_number_in_words(current[name]) for name in ("round_id", "revision", "transition_seq", "payout_minor"))
    assert moment(current["opens_at"]) < moment(current["locks_at"]) < moment(current["ends_at"])
    assert current["totals"].keys() == {"tickets", "stake_minor"}
    assert len(current["commitment"]) == 64
    first = current["runners"][0]
    assert first.keys() == {"runner", "name", "weight", "win_price_hundredths", "place_price_hundredths"}
    assert isinstance(first["runner"], int)
    assert is_number_in_words(first["weight"])
    assert is_number_in_words(first["win_price_hundredths"])


async def test_an_account_is_opened_and_credited_as_promised(http: httpx.AsyncClient, people: People) -> None:
    headers = {"authorization": f"Bearer {people.cashier}"}
    opening = {"request_id": fresh_id(), "kind": "PLAYER", "currency": "EUR", "display_name": "Ann"}

    opened = (await said(await http.post("/v1/accounts", json=opening, headers=headers)))["account"]
    crediting = {"request_id": fresh_id(), "amount_minor": "5000", "reason": "cash at the till"}
    path = f"/v1/accounts/{opened['account_id']}"
    credited = (await said(await http.post(f"{path}:credit", json=crediting, headers=headers)))["account"]
    read = (await said(await http.get(path, headers=headers)))["account"]

    assert opened == {
        "account_id": opened["account_id"],
        "kind": "PLAYER",
        "currency": "EUR",
        "display_name": "Ann",
        "balance_minor": "0",
        "floor_minor": "0",
        "blocked": False,
    }
    assert credited == {**opened, "balance_minor": "5000"}
    assert read == credited


async def test_a_ticket_is_placed_and_read_as_promised(
    http: httpx.AsyncClient, grpc_door: GrpcDoor, people: People, steady_track: str
) -> None:
    headers = {"authorization": f"Bearer {people.cashier}"}
    ann = await open_account(grpc_door, people.cashier)
    current = await open_round(grpc_door, steady_track)
    price = current["runners"][2]["win_price_hundredths"]
    line = {"market": "WIN", "runners": [3], "stake_minor": "500", "price_hundredths": price}
    request_id = fresh_id()
    body = {
        "round_id": current["round_id"],
        "tickets": [{"request_id": request_id, "account_id": ann, "lines": [line]}],
    }

    placed = await said(await http.post("/v1/tickets:place", json=body, headers=headers))
    read = await said(await http.get(f"/v1/tickets/{request_id}", headers=headers))
    listed = await said(await http.get(f"/v1/accounts/{ann}/tickets", headers=headers))

    ticket = {
        "ticket_id": request_id,
        "round_id": current["round_id"],
        "account_id": ann,
        "state": "ACCEPTED",
        "stake_minor": "500",
        "payout_minor": "0",
        "placed_at": placed["results"][0]["ticket"]["placed_at"],
        "lines": [line],
        "currency": "EUR",
        "terminal": "",
        "payout_uncapped_minor": "0",
    }
    result = {"request_id": request_id, "verdict": "ACCEPTED", "replayed": False, "reason": "", "ticket": ticket}
    assert placed == {"results": [result]}
    assert read == {"ticket": ticket}
    assert listed == {"tickets": [ticket], "next_page_token": ""}
    assert moment(current["opens_at"]) < moment(ticket["placed_at"]) < moment(current["locks_at"])


async def test_both_spellings_of_a_name_and_numbers_without_quotes_are_read(
    http: httpx.AsyncClient, grpc_door: GrpcDoor, people: People, steady_track: str
) -> None:
    ann = await open_account(grpc_door, people.cashier)
    current = await open_round(grpc_door, steady_track)
    line = {"market": 1, "runners": [3], "stakeMinor": 500}
    body = {
        "roundId": int(current["round_id"]),
        "tickets": [{"requestId": fresh_id(), "accountId": ann, "lines": [line]}],
    }

    placed = await said(
        await http.post("/v1/tickets:place", json=body, headers={"authorization": f"Bearer {people.cashier}"})
    )

    assert placed["results"][0]["verdict"] == "ACCEPTED"
    assert placed["results"][0]["ticket"]["stake_minor"] == "500"


async def test_rounds_are_listed_the_newest_first_over_pages_without_gaps(
    http: httpx.AsyncClient, quick_track: str, grpc_door: GrpcDoor
) -> None:
    for _ in range(3):
        await open_round(grpc_door, quick_track)
    token, seen = "", []
    while True:
        page = await said(
            await http.get(f"/v1/tracks/{quick_track}/rounds", params={"page_size": 1, "page_token": token})
        )
        seen += [int(each["round_id"]) for each in page["rounds"]]
        token = page["next_page_token"]
        if not token:
            break

    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == len(seen) >= 1


async def test_a_large_answer_is_compressed_for_who_asks(
    stack: LocalStack, http: httpx.AsyncClient, grpc_door: GrpcDoor
) -> None:
    field = [Runner(runner=number, name=f"Runner {number}", weight=1) for number in range(1, 41)]
    crowded = RaceCard(name="The Crowded Stakes", distance_m=1_200, runners=field)
    track = await new_track(stack, "crowded", SLOW, cards=[crowded])
    await open_round(grpc_door, track)
    path = f"/v1/tracks/{track}/rounds/current"

    compressed = await http.get(path, headers={"accept-encoding": "gzip"})
    plain = await http.get(path, headers={"accept-encoding": "identity"})

    assert compressed.headers.get("content-encoding") == "gzip"
    assert "content-encoding" not in plain.headers
    assert compressed.json() == plain.json()
