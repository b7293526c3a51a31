"""Messages of a WebSocket are counted however the bytes are cut."""

import pytest

from benchmarks.peers.listeners import MessageCounter

TEXT = 0x81


def message(length: int) -> bytes:
    if length < 126:
        return bytes([TEXT, length]) + bytes(length)
    if length < 65_536:
        return bytes([TEXT, 126]) + length.to_bytes(2, "big") + bytes(length)
    return bytes([TEXT, 127]) + length.to_bytes(8, "big") + bytes(length)


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536])
def test_a_message_of_any_length_is_one(length: int) -> None:
    assert MessageCounter().feed(message(length)) == 1


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1_000])
def test_messages_cut_anywhere_are_counted_once(piece: int) -> None:
    data = b"".join(map(message, (0, 5, 300, 0, 126, 70_000, 1)))
    counter = MessageCounter()

    counts = [counter.feed(data[at : at + piece]) for at in range(0, len(data), piece)]

    assert sum(counts) == 7


def test_a_message_that_is_not_whole_is_not_counted() -> None:
    counter = MessageCounter()

    assert counter.feed(message(300)[:-1]) == 0
    assert counter.feed(b"\x00") == 1
