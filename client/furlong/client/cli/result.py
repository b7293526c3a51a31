"""How a race ended, in words for a terminal: 4-2=7-1 is runner 4 before a dead heat of 2 and 7, and 1 is fourth."""

from collections.abc import Mapping

from furlong.common.v1.round_pb2 import Round, Source


def positions(round_: Round) -> Mapping[int, int]:
    """The position of each runner that has one; runners of a dead heat share theirs, who did not finish has none."""
    if not round_.positions:
        return {runner: place for place, runner in enumerate(round_.result, start=1)}
    return {runner: at for runner, at in zip(round_.result, round_.positions, strict=True) if at}


def result_words(round_: Round, places: int | None = None) -> str:
    """Write a result, with `places` only as far as that position; then who did not finish and who was withdrawn."""
    at = positions(round_)
    words = ""
    before = 0
    for runner, position in at.items():
        if places is not None and position > places:
            break
        mark = "=" if position == before else "-"
        words += f"{mark if words else ''}{runner}"
        before = position
    unplaced = [runner for runner in round_.result if runner not in at]
    if unplaced:
        words += f", did not finish: {_listed(unplaced)}"
    if round_.withdrawn:
        words += f", withdrawn: {_listed(list(round_.withdrawn))}"
    return words


def winners(round_: Round) -> list[int]:
    """The runners that are first: one, or more in a dead heat."""
    return [runner for runner, position in positions(round_).items() if position == 1]


def is_entered(round_: Round) -> bool:
    """Tell whether an operator enters the result, so that no time tells when it comes and nothing proves it."""
    return round_.terms.source == Source.ENTERED


def awaits_result(round_: Round) -> bool:
    """Tell whether the round stands until somebody enters how the race ended."""
    return is_entered(round_) and round_.phase == Round.LOCKED


def _listed(runners: list[int]) -> str:
    return " ".join(map(str, runners))
