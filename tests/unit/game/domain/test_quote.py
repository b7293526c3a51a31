"""A quote is known again by whoever has the key, and nobody else can make one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.game.domain.quote import QUOTE_CHARACTERS_MAX, Quote, known, quote_key, signed

KEY = quote_key(b"k" * 32)
PRICES = st.dictionaries(
    st.tuples(st.integers(1, 3), st.integers(1, 40)), st.integers(101, 100_000_000), min_size=1, max_size=40
)
QUOTES = st.builds(
    Quote,
    round_id=st.integers(1, 2**63 - 1),
    expires_at_ms=st.integers(0, 2**63 - 1),
    lines_hash=st.binary(min_size=32, max_size=32),
    prices=PRICES,
)


@given(QUOTES)
def test_a_quote_is_read_as_it_was_written(quote: Quote) -> None:
    text = signed(quote, KEY)

    assert known(text, KEY) == quote
    assert len(text) <= QUOTE_CHARACTERS_MAX


@given(QUOTES, st.data())
def test_a_quote_that_was_changed_is_none(quote: Quote, data: st.DataObject) -> None:
    text = signed(quote, KEY)
    place = data.draw(st.integers(0, len(text) - 2))  # the last character has bits that say nothing
    other = data.draw(st.sampled_from("ABcd09-_").filter(lambda each: each != text[place]))

    assert known(text[:place] + other + text[place + 1 :], KEY) is None


@given(QUOTES)
def test_a_quote_under_another_key_is_none(quote: Quote) -> None:
    assert known(signed(quote, KEY), quote_key(b"j" * 32)) is None


@pytest.mark.parametrize("text", ["", "A", "é", "AAAA" * 30, "=" * 8, "not a quote"])
def test_what_is_no_quote_is_none(text: str) -> None:
    assert known(text, KEY) is None
