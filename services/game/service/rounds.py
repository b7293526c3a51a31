"""RoundService: rounds, live and past, and the proofs of their results."""

from collections.abc import Mapping
from typing import Any, Final

from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.policy_pb2 import Role
from furlong.common.v1.round_pb2 import RoundProof
from furlong.game.v1 import round_service_pb2 as pb
from furlong.game.v1.round_service_pb2_grpc import RoundServiceServicer

from services.chassis.freshness import tell
from services.chassis.refusal import Refusal
from services.game.domain.beacon import KNOWN, BeaconChain
from services.game.domain.proof import Proof, is_drawn, is_ready, proof_of
from services.game.engine.broadcast.hub import Hub
from services.game.ports import RoundReader
from services.game.service.access import account_not_yours, may_read, own_terminal, require_role
from services.game.service.paging import page_size
from services.game.wire import round_to, round_with_race_to, runner_to

ROUNDS_ON_A_PAGE: Final = 20
ROUNDS_ON_A_PAGE_MAX: Final = 100
UPDATE_INTERVAL_MS: Final = 10_000

RAW_STREAMS: Final = frozenset(("WatchRounds",))
"""Methods that write frames which are encoded already."""


class RoundService(RoundServiceServicer):
    """Reads from the store; the live watch comes from the hub."""

    def __init__(self, *, rounds: RoundReader, hub: Hub, beacons: Mapping[str, BeaconChain] = KNOWN) -> None:
        self._rounds = rounds
        self._beacons = beacons
        self._hub = hub

    async def GetRound(self, request: pb.GetRoundRequest, context: Any) -> pb.GetRoundResponse:
        """Read one round."""
        stored = await self._rounds.round(request.round_id)
        await tell(context)
        return pb.GetRoundResponse(round=round_with_race_to(stored.round))

    async def GetCurrentRound(self, request: pb.GetCurrentRoundRequest, context: Any) -> pb.GetCurrentRoundResponse:
        """Read the round that was opened last."""
        stored = await self._rounds.current_round(request.track)
        return pb.GetCurrentRoundResponse(round=round_with_race_to(stored.round))

    async def ListRounds(self, request: pb.ListRoundsRequest, context: Any) -> pb.ListRoundsResponse:
        """Read the rounds of a track, the newest first."""
        size = page_size(request.page_size, default=ROUNDS_ON_A_PAGE, most=ROUNDS_ON_A_PAGE_MAX)
        page = await self._rounds.rounds(request.track, size, request.page_token)
        await tell(context)
        return pb.ListRoundsResponse(
            rounds=[round_to(stored.round) for stored in page.items], next_page_token=page.next_page_token
        )

    async def GetRoundProof(self, request: pb.GetRoundProofRequest, context: Any) -> pb.GetRoundProofResponse:
        """Read the proof of a round whose race is over."""
        stored = await self._rounds.round(request.round_id)
        if not is_drawn(stored):
            raise Refusal(
                Reason.RESULT_SOURCE,
                f"the result of round {request.round_id} is entered by who saw the race: nothing is drawn or proved",
                metadata={"source": stored.round.terms.source.name},
            )
        if not is_ready(stored):
            phase = stored.round.phase.name
            raise Refusal(
                Reason.PROOF_NOT_READY,
                f"round {request.round_id} is {phase}; the seed is revealed when a race is over",
                metadata={"phase": phase},
            )
        await tell(context)
        return pb.GetRoundProofResponse(proof=_proof_to(proof_of(stored, self._beacons)))

    async def WatchRounds(  # type: ignore[override] # writes encoded frames, see RAW_STREAMS
        self, request: pb.WatchRoundsRequest, context: Any
    ) -> None:
        """Write frames until the watcher goes, falls behind, or is told to come back."""
        for account_id in request.accounts:
            if not may_read(account_id):
                raise account_not_yours(account_id)
        if request.terminal:
            require_role(Role.CASHIER, Role.OPERATOR)
        await self._hub.watch(
            track=request.track,
            after=request.after,
            update_interval_ms=request.update_interval_ms or UPDATE_INTERVAL_MS,
            tick_interval_ms=request.tick_interval_ms,
            write=context.write,
            accounts=frozenset(request.accounts),
            terminal=own_terminal(request.terminal),
        )


def _proof_to(proof: Proof) -> RoundProof:
    chain = proof.beacon_chain
    return RoundProof(
        round_id=proof.round_id,
        track=proof.track,
        algorithm=proof.algorithm,
        trust=RoundProof.Trust.ValueType(proof.trust),
        commitment=proof.commitment,
        server_seed=proof.server_seed,
        tickets_root=proof.tickets_root,
        beacon=proof.beacon,
        runners=[runner_to(runner) for runner in proof.runners],
        result=proof.result,
        seed_anchor=proof.seed_anchor,
        seed_index=proof.seed_index,
        locks_at_ms=proof.locks_at_ms,
        beacon_name=proof.beacon_name,
        beacon_round=proof.beacon_round,
        beacon_signature=proof.beacon_signature,
        beacon_public_key=chain.public_key if chain is not None else "",
        beacon_chain_hash=chain.chain_hash if chain is not None else "",
        beacon_genesis_s=chain.genesis_s if chain is not None else 0,
        beacon_period_s=chain.period_s if chain is not None else 0,
    )
