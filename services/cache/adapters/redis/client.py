"""The one client of this replica: reads gathered into MGET, scripts into pipelines, every call bounded in time.

redis-py waits five seconds and tries ten times unless it is told otherwise, which turns an outage of Redis into a
minute of silence for a call that only wanted to be faster. Here nothing is tried twice, and no command waits longer
than CALL_S, whatever it waits for: a connection or an answer.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from opentelemetry import trace
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from services.cache.adapters.redis.errands import Errands
from services.cache.adapters.redis.gather import Gatherer
from services.cache.adapters.redis.scripts import Script
from services.cache.adapters.redis.spans import redis_span
from services.cache.domain.bounds import READ_KEYS_MAX
from services.cache.ports import StoreDown

CALL_S: Final = 0.05
"""The longest that a command may take, in seconds."""

BACKSTOP_S: Final = 0.25
"""When redis-py gives up by itself, should a cancel have been lost in it, in seconds."""

WAIT_MS: Final = 100
SERVER_TICK_MS: Final = 100
WAIT_S: Final = (WAIT_MS + SERVER_TICK_MS) / 1_000
"""How long a command that waits at the server waits: what it asks for, and what an idle server adds, which looks at its
clock ten times a second."""

READS_MAX: Final = 4
"""Commands of reads under way at once."""

SCRIPTS_MAX: Final = 64
"""Scripts of one pipeline. Pipelines go one after the other, so what one caller writes is done in order."""

CONNECTIONS_MAX: Final = 8
"""Reads, a pipeline of scripts, and what the follower asks."""


class Run(NamedTuple):
    """A script to run."""

    script: Script
    keys: Sequence[str]
    arguments: Sequence[str | bytes | int]


class RedisClient:
    """Connects when it is first used. Every method raises StoreDown. Raises ValueError for an address that is none."""

    def __init__(self, url: str) -> None:
        self._redis = _connect(url, BACKSTOP_S, CONNECTIONS_MAX)
        self._waiting = _connect(url, BACKSTOP_S + WAIT_S, 1)
        self._errands = Errands()
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
        return await self._errands.run(_send(self._redis, words), CALL_S)

    async def commands(self, commands: Sequence[Sequence[str | bytes | int]]) -> Sequence[Any]:
        """Send commands that need each other's connection and nothing else."""
        return await self._errands.run(self._pipeline(commands, raise_on_error=True), CALL_S)

    async def wait(self, *words: str | bytes | int) -> Any:
        """Send one command that waits at the server, WAIT_MS at most."""
        return await self._errands.run(_send(self._waiting, words), WAIT_S + CALL_S)

    async def close(self) -> None:
        """End what is under way, then disconnect."""
        await self._errands.close()
        await self._waiting.aclose()
        await self._redis.aclose()

    async def _mget(
        self, questions: Sequence[Sequence[str]], callers: Sequence[trace.SpanContext]
    ) -> Sequence[Sequence[bytes | None]]:
        keys = [key for question in questions for key in question]
        with redis_span("MGET", callers, len(keys)):
            values: Sequence[bytes | None] = await self.command("MGET", *keys)
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
            return await self._errands.run(self._evaluate_all(runs), CALL_S)

    async def _evaluate_all(self, runs: Sequence[Run]) -> Sequence[Any]:
        """Run scripts that the server is expected to know; those that it does not are taught to it and run again."""
        answers = await self._pipeline([_words(run) for run in runs], raise_on_error=False)
        unknown = [n for n, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:
            await self._pipeline([("SCRIPT", "LOAD", runs[n].script.text) for n in unknown], raise_on_error=True)
            again = await self._pipeline([_words(runs[n]) for n in unknown], raise_on_error=False)
            for n, answer in zip(unknown, again, strict=True):
                answers[n] = answer
        return [StoreDown(str(answer)) if isinstance(answer, RedisError) else answer for answer in answers]

    async def _pipeline(self, commands: Sequence[Sequence[str | bytes | int]], *, raise_on_error: bool) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for words in commands:
            pipeline.execute_command(*words)
        answers: list[Any] = await pipeline.execute(raise_on_error=raise_on_error)
        return answers


def _connect(url: str, timeout_s: float, connections_max: int) -> Redis:
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections_max,
        timeout=timeout_s,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
        protocol=2,  # one shape of reply for every command, and no greeting to wait for
        driver_info=None,  # nor one that nobody reads
    )
    return Redis.from_pool(pool)


def _words(run: Run) -> Sequence[str | bytes | int]:
    return ("EVALSHA", run.script.sha, len(run.keys), *run.keys, *run.arguments)


async def _send(redis: Redis, words: Sequence[str | bytes | int]) -> Any:
    return await redis.execute_command(*words)  # type: ignore[no-untyped-call] # redis-py leaves it untyped
