"""What may be answered from the cache, and for how long: only what cannot make an answer wrong.

asked for                          may come from the cache             because
a round that is settled or void    yes, for ever                       nothing changes it any more
a page of such rounds that begins  yes, for ever                       rounds of a track open one after another, with
  after a round of the track                                           rising ids, so none can come in between
a track, the first page of tracks  until a write, TRACKS_TTL_MS at     every write has them forgotten once it is
                                   the most                            committed
any other round, the current one,  never                               they change with every ticket and step
  unsettled ones, transitions
the next race card                 never                               it is read once, to open a round on it, and then
                                                                       another card is the next
tickets, accounts, leases          never                               money and fencing are the database's alone
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.persist.domain.round import ENDED, Round

TRACKS_TTL_MS: Final = 5_000
"""How long a track, or the list of them, may be out of date when the word that it changed was lost."""

AS_ITS_NAMESPACE: Final = 0
"""A time to live that the cache decides on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A namespace of the cache. What is `final` stays true; the rest is forgotten when it is written."""

    namespace: str
    ttl_ms: int
    final: bool


TRACKS: Final = Shelf(namespace="tracks", ttl_ms=TRACKS_TTL_MS, final=False)
ROUNDS: Final = Shelf(namespace="rounds", ttl_ms=AS_ITS_NAMESPACE, final=True)
ROUND_LISTS: Final = Shelf(namespace="round-lists", ttl_ms=AS_ITS_NAMESPACE, final=True)


def is_final(rounds: Sequence[Round]) -> bool:
    """Tell whether rounds stay as they are."""
    return all(each.phase in ENDED for each in rounds)
