"""The site: what it serves, with which headers, and what it keeps to itself."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.web import telemetry_names as names
from services.web.headers import HEADERS
from services.web.site import site

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
async def browser(tmp_path: Path, spans: InMemorySpanExporter) -> AsyncIterator[httpx.AsyncClient]:
    pages = tmp_path / "pages"
    (pages / "model").mkdir(parents=True)
    (pages / "index.html").write_text("<!doctype html><title>Furlong</title>")
    (pages / "model" / "race.js").write_text("export const a = 1;")
    (pages / "favicon.svg").write_text("<svg/>")
    (tmp_path / "secret.txt").write_text("not a page")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    transport = httpx.ASGITransport(app=site(pages, provider))
    async with httpx.AsyncClient(transport=transport, base_url="http://web") as client:
        yield client


@pytest.mark.parametrize(
    ("path", "status", "content_type"),
    [
        ("/",                     200, "text/html; charset=utf-8"),
        ("/index.html",           200, "text/html; charset=utf-8"),
        ("/model/race.js",        200, "text/javascript; charset=utf-8"),
        ("/favicon.svg",          200, "image/svg+xml"),
        ("/healthz",              200, "text/plain; charset=utf-8"),
        ("/nothing.js",           404, "text/plain; charset=utf-8"),
        ("/model",                404, "text/plain; charset=utf-8"),
        ("/..%2fsecret.txt",      404, "text/plain; charset=utf-8"),
        ("/model/..%2f..%2fsecret.txt", 404, "text/plain; charset=utf-8"),
    ],
)  # fmt: skip
async def test_a_file_is_served_as_what_it_is(
    browser: httpx.AsyncClient, path: str, status: int, content_type: str
) -> None:
    answer = await browser.get(path)

    assert (answer.status_code, answer.headers["content-type"]) == (status, content_type)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


async def test_a_file_that_the_browser_has_is_not_sent_again(browser: httpx.AsyncClient) -> None:
    etag = (await browser.get("/model/race.js")).headers["etag"]

    for known in (etag, f"W/{etag}"):
        answer = await browser.get("/model/race.js", headers={"if-none-match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["cache-control"] == "no-cache"


async def test_a_part_of_a_file_can_be_asked_for(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/model/race.js", headers={"range": "bytes=0-5"})

    assert (answer.status_code, answer.text) == (206, "export")


async def test_files_are_only_read(browser: httpx.AsyncClient) -> None:
    assert (await browser.post("/index.html")).status_code == 405


async def test_a_page_is_a_child_of_the_gateways_span_and_health_has_none(
    browser: httpx.AsyncClient, spans: InMemorySpanExporter
) -> None:
    await browser.get("/healthz")
    await browser.get("/model/race.js", headers={"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"})

    (span,) = spans.get_finished_spans()
    assert span.parent is not None
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == TRACE_ID
    assert f"{span.parent.span_id:016x}" == PARENT_ID
    assert span.attributes == {
        names.HTTP_REQUEST_METHOD: "GET",
        names.URL_PATH: "/model/race.js",
        names.HTTP_RESPONSE_STATUS_CODE: 200,
    }
