"""A mailbox keeps transitions, conflates the rest, and ends who does not read."""

import pytest
from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal
from services.game.engine.broadcast.mailbox import Mailbox, Numbered


class Watcher:
    def __init__(self, *first: Numbered, after: int = 0, frames_max: int = 3) -> None:
        self.told = 0
        self.mailbox = Mailbox(first=first, after=after, frames_max=frames_max, on_mail=self._mail)

    def _mail(self) -> None:
        self.told += 1

    def take_all(self) -> list[bytes]:
        """Everything that waits."""
        return list(iter(self.mailbox.take, None))


def draining(after: int) -> Refusal:
    return Refusal(Reason.DRAINING, "going", metadata={"after": str(after)})


def test_transitions_are_taken_in_order_and_none_is_lost() -> None:
    watcher = Watcher()
    for seq in (1, 2, 3):
        watcher.mailbox.put_transition((seq, b"t%d" % seq))

    assert watcher.take_all() == [b"t1", b"t2", b"t3"]
    assert watcher.mailbox.after == 3


def test_of_updates_and_ticks_only_the_latest_waits() -> None:
    watcher = Watcher()
    for n in (1, 2, 3):
        watcher.mailbox.put_update((0, b"u%d" % n))
        watcher.mailbox.put_tick((0, b"k%d" % n))

    assert watcher.take_all() == [b"u3", b"k3"]


def test_a_transition_outdates_the_update_that_waits() -> None:
    watcher = Watcher()
    watcher.mailbox.put_update((0, b"u"))
    watcher.mailbox.put_tick((0, b"k"))
    watcher.mailbox.put_transition((1, b"t1"))

    assert watcher.take_all() == [b"t1"]


def test_whatever_comes_is_told() -> None:
    watcher = Watcher()
    watcher.mailbox.put_transition((1, b"t1"))
    watcher.mailbox.put_update((1, b"u"))
    watcher.mailbox.put_tick((1, b"k"))
    watcher.mailbox.end(draining)

    assert watcher.told == 4


def test_a_watcher_whose_mailbox_is_full_is_ended_and_told_where_it_was() -> None:
    watcher = Watcher(after=4)
    for seq in (5, 6, 7):
        watcher.mailbox.put_transition((seq, b""))
    assert not watcher.mailbox.has_fallen_behind
    watcher.mailbox.put_transition((8, b""))
    watcher.mailbox.put_transition((9, b""))

    assert watcher.mailbox.has_fallen_behind
    with pytest.raises(Refusal) as ended:
        watcher.mailbox.take()
    assert ended.value.reason == Reason.FELL_BEHIND
    assert ended.value.metadata == {"after": "4"}


def test_updates_never_fill_a_mailbox() -> None:
    watcher = Watcher()
    for n in range(1_000):
        watcher.mailbox.put_update((0, b"%d" % n))

    assert not watcher.mailbox.has_fallen_behind
    assert watcher.take_all() == [b"999"]


def test_the_history_that_a_watcher_begins_with_does_not_count_as_slowness() -> None:
    history = [(seq, b"") for seq in range(1, 101)]
    watcher = Watcher(*history)
    for seq in (101, 102, 103):
        watcher.mailbox.put_transition((seq, b""))
    assert not watcher.mailbox.has_fallen_behind
    assert len(watcher.take_all()) == 103
    for seq in (104, 105, 106, 107):
        watcher.mailbox.put_transition((seq, b""))

    assert watcher.mailbox.has_fallen_behind


def test_a_watcher_that_is_told_to_come_back_has_what_it_resumes_after() -> None:
    watcher = Watcher()
    watcher.mailbox.put_transition((1, b"t1"))
    watcher.mailbox.put_transition((2, b"t2"))
    watcher.mailbox.put_update((2, b"u"))
    watcher.mailbox.end(draining)
    watcher.mailbox.put_transition((3, b"t3"))

    assert [watcher.mailbox.take(), watcher.mailbox.take()] == [b"t1", b"t2"]
    with pytest.raises(Refusal) as ended:
        watcher.mailbox.take()
    assert ended.value.metadata == {"after": "2"}
