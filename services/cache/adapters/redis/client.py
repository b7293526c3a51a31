"""The one client of this replica: reads gathered into MGET, scripts gathered too, every call bounded in time.

A call that only wanted to be faster must not wait for what is broken. Here nothing is tried twice, and no command waits
longer than CALL_S, whatever it waits for: a connection or an answer.

1. Each line carries one command of reads, or one batch of scripts, at a time: what is large delays only what waits for
   the same line.
2. What happens to one connection has happened to all: when one is lost, the others are cut, so that an outage is found
   once and not once a connection, and nobody goes on reading beside a follower that has lost Redis.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import hiredis
from opentelemetry import trace

from services.cache.adapters.redis.address import addresses
from services.cache.adapters.redis.errands import Errands
from services.cache.adapters.redis.gather import Gatherer
from services.cache.adapters.redis.line import Line
from services.cache.adapters.redis.nodes import ELSEWHERE, Nodes
from services.cache.adapters.redis.scripts import Script
from services.cache.adapters.redis.spans import redis_span
from services.cache.adapters.redis.wire import Answers, Words
from services.cache.domain.bounds import READ_KEYS_MAX
from services.cache.ports import StoreDown

CALL_S: Final = 0.04
"""The longest that a command may take, in seconds. With what a call takes anyway, it stays below 50 ms."""

WAIT_MS: Final = 100
SERVER_TICK_MS: Final = 100
WAIT_S: Final = (WAIT_MS + SERVER_TICK_MS) / 1_000
"""How long a command that waits at the server waits: what it asks for, and what an idle server adds, which looks at its
clock ten times a second."""

READS_MAX: Final = 4
"""Commands of reads under way at once, each on a line of its own."""

SCRIPTS_MAX: Final = 64
"""Scripts of one batch. Batches go one after the other, so what one caller writes is done in order."""


class Run(NamedTuple):
    """A script to run."""

    script: Script
    keys: Sequence[str]
    arguments: Sequence[str | bytes | int]


class RedisClient:
    """Connects when it is first used. Every method raises StoreDown. Raises ValueError for an address that is none."""

    def __init__(self, url: str) -> None:
        self._nodes = Nodes(addresses(url))
        self._errands = Errands()
        self._idle = [self._line() for _ in range(READS_MAX)]
        self._writing = self._line()
        self._asking = self._line()
        self._waiting = self._line()
        self._lines = (*self._idle, self._writing, self._asking, self._waiting)
        self._reads: Gatherer[Sequence[str], Sequence[bytes | None]] = Gatherer(
            self._mget, errands=self._errands, size_of=len, size_max=READ_KEYS_MAX, commands_max=READS_MAX
        )
        self._runs: Gatherer[Run, Any] = Gatherer(
            self._evaluate, errands=self._errands, size_of=lambda _: 1, size_max=SCRIPTS_MAX, commands_max=1
        )

    def read(self, keys: Sequence[str]) -> asyncio.Future[Sequence[bytes | None]]:
        """Read at most READ_KEYS_MAX strings."""
        assert 0 < len(keys) <= READ_KEYS_MAX, "a caller asks for no more than one command carries"
        return self._reads.ask(keys)

    def run(
        self, script: Script, keys: Sequence[str], arguments: Sequence[str | bytes | int] = ()
    ) -> asyncio.Future[Any]:
        """Run a script; what it returns, as the server sent it."""
        return self._runs.ask(Run(script, keys, arguments))

    async def command(self, *words: str | bytes | int) -> Any:
        """Send one command; what comes back, as the server sent it."""
        (answer,) = await self.commands((words,))
        return answer

    async def commands(self, commands: Sequence[Words]) -> Answers:
        """Send commands that need each other's connection and nothing else."""
        return await self._ask(self._asking, commands, CALL_S)

    async def wait(self, *words: str | bytes | int) -> Any:
        """Send one command that waits at the server, WAIT_MS at most."""
        (answer,) = await self._ask(self._waiting, (words,), WAIT_S + CALL_S)
        return answer

    async def close(self) -> None:
        """End what is under way, then disconnect."""
        await self._errands.close()
        for line in self._lines:
            await line.close()

    def _line(self) -> Line:
        return Line(self._nodes, self._errands, self._lost)

    def _lost(self, cause: str) -> None:
        for line in self._lines:
            line.cut(cause)

    async def _ask(self, line: Line, commands: Sequence[Words], within_s: float) -> Answers:
        """Send commands of which none may be refused."""
        answers = await line.ask(commands, within_s)
        for answer in answers:
            if isinstance(answer, hiredis.ReplyError):
                raise self._refused(answer)
        return answers

    def _refused(self, refusal: hiredis.ReplyError) -> StoreDown:
        """Tell of a refusal, and leave a server that will refuse everything."""
        said = str(refusal)
        if said.startswith(ELSEWHERE):
            self._nodes.leave(said)
            self._lost(said)
        return StoreDown(said)

    async def _mget(
        self, questions: Sequence[Sequence[str]], callers: Sequence[trace.SpanContext]
    ) -> Sequence[Sequence[bytes | None]]:
        keys = [key for question in questions for key in question]
        line = self._idle.pop()
        try:
            if callers:
                with redis_span("MGET", callers, len(keys)):
                    (values,) = await self._ask(line, (("MGET", *keys),), CALL_S)
            else:
                (values,) = await self._ask(line, (("MGET", *keys),), CALL_S)
        finally:
            self._idle.append(line)
        if len(keys) == len(questions):
            return [(value,) for value in values]
        answers = []
        start = 0
        for question in questions:
            end = start + len(question)
            answers.append(values[start:end])
            start = end
        return answers

    async def _evaluate(self, runs: Sequence[Run], callers: Sequence[trace.SpanContext]) -> Sequence[Any]:
        names = {run.script.name for run in runs}
        with redis_span(names.pop() if len(names) == 1 else "scripts", callers, len(runs)):
            return await self._evaluate_all(runs)

    async def _evaluate_all(self, runs: Sequence[Run]) -> Sequence[Any]:
        """Run scripts that the server is expected to know; those that it does not are taught to it and run again."""
        answers = await self._writing.ask([_words(run) for run in runs], CALL_S)
        unknown = [n for n, answer in enumerate(answers) if _is_unknown(answer)]
        if unknown:
            texts = dict.fromkeys(runs[n].script.text for n in unknown)
            await self._ask(self._writing, [("SCRIPT", "LOAD", text) for text in texts], CALL_S)
            again = await self._writing.ask([_words(runs[n]) for n in unknown], CALL_S)
            for n, answer in zip(unknown, again, strict=True):
                answers[n] = answer
        return [self._refused(answer) if isinstance(answer, hiredis.ReplyError) else answer for answer in answers]


def _is_unknown(answer: Any) -> bool:
    return isinstance(answer, hiredis.ReplyError) and str(answer).startswith("NOSCRIPT")


def _words(run: Run) -> Words:
    return ("EVALSHA", run.script.sha, len(run.keys), *run.keys, *run.arguments)
