"""What an invariant is, and what looking for it finds.

An invariant is looked for in one snapshot of the database. It tells what it counted, so that one that looked at nothing
cannot pass for one that looked at everything, and a sentence for each thing that is wrong.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

FAULTS_SHOWN_MAX: Final = 10
"""Sentences told of one invariant; how many there are is told in any case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much of the history is there: rounds below `first_round` were detached for the archive, with their tickets.

    1 where nothing was ever detached.
    """

    first_round: int

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing was detached."""
        return self.first_round <= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was looked at, and what is wrong with it. `left_out` says what could not be looked at, and why."""

    counted: Mapping[str, int]
    faults: Sequence[str] = ()
    faults_total: int = 0
    left_out: str = ""


Look: TypeAlias = Callable[[Connection, Extent], Awaitable[Seen]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """Something that always holds. `number` is its place in the list of docs/operating.md, `says` the sentence."""

    name: str
    says: str
    look: Look


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An invariant with what was seen of it."""

    name: str
    says: str
    seen: Seen
    seconds: float

    @property
    def holds(self) -> bool:
        """Tell whether nothing was found wrong."""
        return self.seen.faults_total == 0


@dataclass(slots=True)
class Faults:
    """Gathers sentences: the first few, and how many there are."""

    total: int = 0
    sentences: list[str] = field(default_factory=list)

    def add(self, sentence: str) -> None:
        """One more thing is wrong."""
        self.total += 1
        if len(self.sentences) < FAULTS_SHOWN_MAX:
            self.sentences.append(sentence)

    def seen(self, counted: Mapping[str, int], left_out: str = "") -> Seen:
        """All of it, with what was looked at."""
        return Seen(counted=counted, faults=self.sentences, faults_total=self.total, left_out=left_out)


def in_sql(counts: str, *faults: str) -> Look:
    """Look by SQL: `counts` gives one row of numbers, each of `faults` a column `sentence` with a row per fault.

    $1 is the first round whose tickets are there; a statement need not use it.
    """

    async def look(connection: Connection, extent: Extent) -> Seen:
        counted = await connection.fetchrow(counts, *_wanted(counts, extent))
        assert counted is not None, "counting gives a row"
        total, sentences = 0, []
        for statement in faults:
            rows = await connection.fetch(
                # Statements of ours, put together from constants.
                f"SELECT sentence, count(*) OVER () AS total FROM ({statement}) AS f LIMIT {FAULTS_SHOWN_MAX}",  # noqa: S608
                *_wanted(statement, extent),
            )
            total += rows[0]["total"] if rows else 0
            sentences += [row["sentence"] for row in rows]
        return Seen(counted=dict(counted), faults=sentences[:FAULTS_SHOWN_MAX], faults_total=total)

    return look


def _wanted(statement: str, extent: Extent) -> Sequence[object]:
    return (extent.first_round,) if "$1" in statement else ()
