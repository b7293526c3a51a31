"""What docs/near-cache.md shows is what happens."""

import re
from pathlib import Path
from typing import Any

import pytest
from furlong.client.near import namespace as near
from furlong.client.near import policy, service, shelf, trust

from tests.caches import replica

PAGE = (Path(__file__).parents[3] / "docs" / "near-cache.md").read_text()


async def test_the_example_on_the_page_adds_up_twice(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {"__name__": "reports"}
    exec(code, names)
    async with replica() as under_test:
        capsys.readouterr()
        await names["main"](f"127.0.0.1:{under_test.server.port}", "token")
        printed = capsys.readouterr().out.splitlines()
    added, result = "adding up harbour-mile on 2026-11-20", "{'tickets': 1204, 'stake_minor': 310500}"
    assert [line for line in printed if line in (added, result)] == [added, result, result, added, result]


@pytest.mark.parametrize(
    ("words", "holds"),
    [
        ("8 MiB unless the policy says otherwise", policy.BYTES_MAX_DEFAULT == 8 * 1024 * 1024),
        ("0.1 s; after three in a row none is sent for 0.5 s", service.ASK_S == 0.1),
        ("after three in a row none is sent for 0.5 s", (service.FAILURES_MAX, service.PROBE_MS) == (3, 500)),
        ("1 s, 8,192 of a namespace", (trust.LAG_S, shelf.HEARD_MAX) == (1.0, 8_192)),
        ("10 s; at most 64 of a namespace", (near.BACKGROUND_S, near.REFRESHES_MAX) == (10.0, 64)),
        ("128 KiB; longer ones", policy.VALUE_BYTES_MAX == 128 * 1024),
        ("a second at the most", near.PATIENCE_S == 1.0),
        ("silence for a second", trust.SILENCE_S == 1.0),
        ("For a second after a session began", trust.LAG_S == 1.0),
    ],
)
def test_the_numbers_on_the_page_are_those_of_the_code(words: str, holds: bool) -> None:
    assert words in PAGE
    assert holds
