import asyncio
from collections.abc import Sequence

import pytest

from services.chassis.freshness import Freshness, freshness, note, read, tell


class Context:
    """Keeps what is told before the answer."""

    def __init__(self) -> None:
        self.told: Sequence[tuple[str, str]] = ()

    async def send_initial_metadata(self, metadata: Sequence[tuple[str, str]]) -> None:
        self.told = metadata


async def told(*found: Freshness | None) -> Sequence[tuple[str, str]]:
    """What a call tells that notes these, in a task of its own as gRPC has it."""

    async def call() -> Sequence[tuple[str, str]]:
        for each in found:
            note(each)
        context = Context()
        await tell(context)  # type: ignore[arg-type] # all that it needs of a context
        return context.told

    return await asyncio.create_task(call())


async def test_what_came_from_no_cache_tells_nothing() -> None:
    assert await told() == ()
    assert await told(None) == ()


async def test_what_came_from_the_cache_tells_its_tier_and_its_age_in_whole_seconds() -> None:
    assert await told(freshness("L2", 12_999)) == (("x-cache", "HIT L2"), ("age", "12"))


async def test_of_several_the_oldest_counts() -> None:
    assert await told(Freshness("L1", 3), Freshness("L2", 9), Freshness("L1", 4), None) == (
        ("x-cache", "HIT L2"),
        ("age", "9"),
    )


async def test_one_call_knows_nothing_of_another() -> None:
    await told(Freshness("L1", 3))
    assert await told() == ()


@pytest.mark.parametrize(
    ("metadata", "understood"),
    [
        ([("x-cache", "HIT L1"), ("age", "0")], Freshness("L1", 0)),
        ([("other", "x"), ("age", "77"), ("x-cache", "HIT L2")], Freshness("L2", 77)),
        ([], None),
        ([("x-cache", "HIT L1")], None),
        ([("x-cache", "HIT L1"), ("age", "-1")], None),
        ([("x-cache", "HIT L1"), ("age", "²")], None),
        ([("x-cache", "MISS"), ("age", "1")], None),
        ([("x-cache", b"HIT L1"), ("age", "1")], None),
    ],
)
def test_what_a_service_told_is_read_or_passed_over(
    metadata: list[tuple[str, str | bytes]], understood: Freshness | None
) -> None:
    assert read(metadata) == understood
