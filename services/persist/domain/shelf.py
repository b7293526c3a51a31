"""What may be answered from the cache, and for how long: only what cannot make an answer wrong.

asked for                          may come from the cache             because
a round that has ended and whose   until a correction, ROUNDS_TTL_MS   nothing else changes it any more, and every
  money has moved                    at the most                         correction has it forgotten once committed
a page of such rounds that begins  likewise                            rounds of a track open one after another, with
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

ROUNDS_TTL_MS: Final = 60_000
"""How long a result that was corrected may be shown as it was when the word of it was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A namespace of the cache, which is forgotten as a whole when something on it is written."""

    namespace: str
    ttl_ms: int


TRACKS: Final = Shelf(namespace="tracks", ttl_ms=TRACKS_TTL_MS)
ROUNDS: Final = Shelf(namespace="rounds", ttl_ms=ROUNDS_TTL_MS)
ROUND_LISTS: Final = Shelf(namespace="round-lists", ttl_ms=ROUNDS_TTL_MS)


def are_over(rounds: Sequence[Round]) -> bool:
    """Tell whether rounds stay as they are unless one is corrected: they have ended, and all their money has moved."""
    return all(each.phase in ENDED and not each.posting for each in rounds)
