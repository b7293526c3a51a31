"""The site: the files of `web/` with ETag, Last-Modified, 304 and ranges, and whether it serves."""

import mimetypes
from pathlib import Path

from opentelemetry.trace import TracerProvider
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from services.web.headers import Headers
from services.web.tracing import Tracing

PAGES = Path(__file__).resolve().parents[2] / "web"

# The machine's own table may be without these or call them otherwise; with nosniff a wrong type is not run.
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("image/svg+xml", ".svg")


def site(pages: Path, tracer_provider: TracerProvider) -> Starlette:
    """Make the site over a folder of files; a path that ends in `/` is its `index.html`."""
    traced = Middleware(Tracing, tracer_provider=tracer_provider)  # pages only: health is asked every second
    return Starlette(
        routes=[
            Route("/healthz", _health),
            Mount("/", StaticFiles(directory=pages, html=True), middleware=[traced]),
        ],
        middleware=[Middleware(Headers)],
    )


def health() -> Starlette:
    """Make the site that tells health and nothing else."""
    return Starlette(routes=[Route("/healthz", _health)])


async def _health(_: Request) -> PlainTextResponse:
    return PlainTextResponse("serving\n")
