"""A drand beacon over HTTP: GET <address>/<chain hash>/public/<round>, at one mirror after another.

No mirror has to be trusted: what it answers is checked under the chain's public key. Asking and checking happen in a
thread, because both would hold up everybody else.
"""

import asyncio
import json
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from typing import Final

from services.game.adapters.bls import is_signed
from services.game.domain.beacon import SIGNATURE_BYTES, BeaconChain
from services.game.ports import BeaconSilent

ASK_TIMEOUT_S: Final = 2.0
ANSWER_BYTES_MAX: Final = 4_096


class DrandBeacon:
    """The port `Beacon` at some mirrors; the one that answered last is asked first."""

    def __init__(self, chain: BeaconChain, urls: Sequence[str]) -> None:
        assert all(url.startswith(("http://", "https://")) for url in urls), "checked with the configuration"
        self._chain = chain
        self._urls = list(urls)

    @property
    def chain(self) -> BeaconChain:
        """Give the beacon that is asked."""
        return self._chain

    async def signature(self, beacon_round: int) -> bytes:
        """Ask for a round's signature and check it."""
        problems = []
        for url in tuple(self._urls):
            try:
                signature = await asyncio.to_thread(self._ask, url, beacon_round)
            except BeaconSilent as silent:
                problems.append(str(silent))
                continue
            self._urls.remove(url)
            self._urls.insert(0, url)
            return signature
        raise BeaconSilent("; ".join(problems))

    def _ask(self, url: str, beacon_round: int) -> bytes:
        address = f"{url.rstrip('/')}/{self._chain.chain_hash}/public/{beacon_round}"
        try:
            with urllib.request.urlopen(address, timeout=ASK_TIMEOUT_S) as answer:  # noqa: S310 - http and https only
                said = json.loads(answer.read(ANSWER_BYTES_MAX))
            told_round, signature = int(said["round"]), bytes.fromhex(said["signature"])
        except (OSError, HTTPException) as error:
            raise BeaconSilent(f"{address}: {error!r}") from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:  # JSON nested too deeply ends in the last
            raise BeaconSilent(f"{address} answers something else: {error!r}") from error
        public_key = bytes.fromhex(self._chain.public_key)
        if (
            told_round != beacon_round
            or len(signature) != SIGNATURE_BYTES
            or not is_signed(public_key=public_key, beacon_round=beacon_round, signature=signature)
        ):
            raise BeaconSilent(f"{address} answers with a signature that is not that of round {beacon_round}")
        return signature
