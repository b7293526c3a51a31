"""The pages through the gateway: a real web server behind it, and the contract beside it as before."""

from collections.abc import Iterator

import httpx
import pytest

from deploy.local.part import ProcessPart
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.programs import Addresses, StackSettings, gateway_part, web_part
from services.web.headers import HEADERS
from tests.contract.gateway.fake_game import FakeGame


@pytest.fixture(scope="module")
def site(running_game: FakeGame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a gateway with a web server behind it, as host:port."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "logs").mkdir()
    addresses = Addresses(
        gateway=f"{LOOPBACK}:{free_port()}",
        game=f"{LOOPBACK}:{running_game.port}",
        persist="",
        web=f"{LOOPBACK}:{free_port()}",
        envoy_admin=f"{LOOPBACK}:{free_port()}",
        database_url="",
    )
    settings = StackSettings(data_dir=folder)
    parts: list[ProcessPart] = [web_part(settings, addresses, folder), gateway_part(settings, addresses, folder)]
    for part in parts:
        part.start()
    for part in parts:
        part.wait_ready()
    yield addresses.gateway
    for part in reversed(parts):
        part.stop()


@pytest.fixture
def browser(site: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://{site}", timeout=10, trust_env=False) as client:
        yield client


def test_the_page_is_at_the_root_with_its_headers(browser: httpx.Client) -> None:
    answer = browser.get("/")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize("path", ["/", "/main.js", "/styles/base.css"])
def test_a_page_travels_compressed_and_is_not_sent_again_to_who_has_it(browser: httpx.Client, path: str) -> None:
    first = browser.get(path, headers={"accept-encoding": "gzip"})
    again = browser.get(path, headers={"accept-encoding": "gzip", "if-none-match": first.headers["etag"]})

    assert first.headers["content-encoding"] == "gzip"
    assert (again.status_code, again.content) == (304, b"")


def test_a_head_request_has_the_headers_alone(browser: httpx.Client) -> None:
    answer = browser.head("/")

    assert (answer.status_code, answer.content) == (200, b"")


def test_a_page_that_is_not_there_is_said_to_be_missing(browser: httpx.Client) -> None:
    assert browser.get("/nothing.html").status_code == 404


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("GET",     "/v1/tracks",                                    200),
        ("GET",     "/v1",                                           404),
        ("GET",     "/v1/nothing",                                   404),
        ("GET",     "/v1/../index.html",                             200),
        ("POST",    "/",                                             404),
        ("DELETE",  "/index.html",                                   404),
        ("POST",    "/furlong.persist.v1.LedgerService/GetAccount",  404),
    ],
)  # fmt: skip
def test_what_is_no_page_is_answered_as_before(browser: httpx.Client, verb: str, path: str, status: int) -> None:
    answer = browser.request(verb, path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == (
        "text/html; charset=utf-8" if "index" in path and status == 200 else "application/json"
    )
