from furlong.cache.v1.cache_service_pb2 import BatchGetResponse, GetResponse
from furlong.cache.v1.cache_service_pb2 import Found as FoundMessage
from hypothesis import example, given
from hypothesis import strategies as some

from services.cache.domain.found import MISSED, OMITTED, Found, Tier
from services.cache.domain.outcome import Outcome
from services.cache.engine.leases import Wanted
from services.cache.service.wire import answer, leased

INT64_MAX = 2**63 - 1

numbers = some.integers(0, INT64_MAX)
answers = some.one_of(
    some.sampled_from((MISSED, OMITTED)),
    some.builds(
        Found,
        some.sampled_from((Outcome.HIT, Outcome.STALE, Outcome.ABSENT)),
        some.one_of(some.binary(max_size=300), some.integers(0, 20_000).map(bytes)),
        numbers,
        some.one_of(numbers, some.integers(0, 300)),
        some.sampled_from((Tier.L1, Tier.L2)),
    ),
)


def message(found: Found) -> FoundMessage:
    return FoundMessage(
        outcome=FoundMessage.Outcome.ValueType(found.outcome),
        value=found.value,
        version=found.version,
        age_ms=found.age_ms,
        tier=FoundMessage.Tier.ValueType(found.tier),
    )


@given(some.lists(answers, max_size=5))
@example([])
@example([Found(Outcome.HIT, b"", INT64_MAX, 0, Tier.L1)])
def test_a_batch_reads_as_the_message_that_it_stands_for(found: list[Found]) -> None:
    assert BatchGetResponse.FromString(answer(found)) == BatchGetResponse(found=[message(each) for each in found])


@given(answers)
def test_one_answer_reads_as_the_message_that_it_stands_for(found: Found) -> None:
    assert GetResponse.FromString(answer([found])) == GetResponse(found=message(found))


@given(answers, numbers, some.tuples(numbers, numbers), numbers)
def test_an_answer_to_who_would_load_reads_as_the_message_that_it_stands_for(
    found: Found, fresh_for_ms: int, lease: tuple[int, int], retry_after_ms: int
) -> None:
    expected = message(found)
    expected.fresh_for_ms, expected.retry_after_ms = fresh_for_ms, retry_after_ms
    if lease[0]:
        expected.lease.token, expected.lease.ends_in_ms = lease
    written = leased(Wanted(found, fresh_for_ms, *lease, retry_after_ms))
    assert GetResponse.FromString(written) == GetResponse(found=expected)
