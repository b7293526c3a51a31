"""How a round looks to somebody who watches: a screen for a terminal, lines for a pipe."""

from collections.abc import Iterator, Sequence

from furlong.client.cli.output import chance, local, money, plain, price
from furlong.client.cli.result import awaits_result, is_entered, positions, result_words, winners
from furlong.common.v1.round_pb2 import Round, Runner
from furlong.common.v1.ticket_pb2 import Ticket
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

PLACES_SHOWN = 3
PLACE_STYLES = {1: "bold green", 2: "green", 3: "dim green"}
PHASE_STYLES = {Round.OPEN: "bold green", Round.LOCKED: "bold yellow", Round.RUNNING: "bold cyan", Round.VOID: "red"}
# A transition that is later than this is not on its way: the service or the connection is away.
OVERDUE_MS = 2_000
# The result is part of the frame while the race is on; it is told when the race is over.
PHASES_WITH_RESULT = (Round.FINISHED, Round.SETTLED)
# The next round comes when it does: its track may be paused, or have an off some hours later.
PHASES_OVER = (Round.SETTLED, Round.VOID)


def screen(round_: Round, now_ms: int, own: Sequence[Ticket] = (), earlier: Round | None = None) -> RenderableType:
    """Draw a round as of `now_ms`, Unix time on the service's clock, in milliseconds.

    Below stand one's `own` tickets, and what has become since of an `earlier` round.
    """
    title = Text.assemble((plain(round_.track), "bold"), f"  round {round_.round_id}  {_race(round_)}")
    body = Group(_countdown(round_, now_ms), Text(), _runners(round_), Text(), _footer(round_))
    if own:
        body = Group(body, Text(), *(Text(_ticket(ticket)) for ticket in own))
    if earlier is not None:
        body = Group(body, Text(), Text(_became(earlier), style="dim"))
    return Panel(body, title=title, title_align="left", padding=(1, 2))


def lines(frame: WatchRoundsResponse, *, is_news: bool = True) -> Iterator[str]:
    """Write a frame as lines: the round's phase and totals, the runners when it opens, the result when it is over.

    Of a round that is as it was but for its totals, which is no news, there is the first line alone.
    """
    if frame.kind == WatchRoundsResponse.OWN:
        for ticket in frame.own.tickets:
            yield f"{local(frame.server_time):%H:%M:%S}  {_ticket(ticket)}"
        return
    round_ = frame.round
    staked = money(round_.totals.stake_minor, round_.currency)
    what, until = _next(round_)
    when = "when its result is entered" if awaits_result(round_) else f"at {local(until):%H:%M:%S}"
    gap = "  (transitions were missed)" if frame.kind == WatchRoundsResponse.GAP else ""
    yield (
        f"{local(frame.server_time):%H:%M:%S}  round {round_.round_id}  {Round.Phase.Name(round_.phase):<8}  "
        f"{what} {when}, {_count(round_.totals.tickets)}, {staked}{gap}"
    )
    if not is_news:
        return
    if round_.phase == Round.OPEN:
        yield f"          {_race(round_)}, commitment {plain(round_.commitment)}"
        for runner in round_.runners:
            yield f"          {runner.runner:>2}  {_prices(runner):>7}  {plain(runner.name)}"
    if round_.phase in PHASES_WITH_RESULT:
        yield f"          {_result(round_)}"
    if round_.phase == Round.VOID:
        yield f"          every stake goes back: {plain(round_.void_reason)}"


def _became(round_: Round) -> str:
    """Say what became of a round that is not shown any more: it was settled late, or corrected."""
    result = f"  {_result(round_)}" if round_.phase in PHASES_WITH_RESULT else ""
    return f"round {round_.round_id}  {Round.Phase.Name(round_.phase)}{result}"


def _ticket(ticket: Ticket) -> str:
    paid = f", back {money(ticket.payout_minor, ticket.currency)}" if ticket.payout_minor else ""
    return (
        f"round {ticket.round_id}  ticket {plain(ticket.ticket_id)}  {Ticket.State.Name(ticket.state)}  "
        f"stake {money(ticket.stake_minor, ticket.currency)}{paid}"
    )


def _count(tickets: int) -> str:
    return "1 ticket" if tickets == 1 else f"{tickets} tickets"


def _next(round_: Round) -> tuple[str, Timestamp]:
    if round_.phase == Round.OPEN:
        return "betting closes", round_.locks_at
    if round_.phase == Round.LOCKED:
        return "race starts", round_.starts_at
    if round_.phase == Round.RUNNING:
        return "race ends", round_.finishes_at
    return "next round", round_.ends_at


def _since(round_: Round) -> Timestamp:
    if round_.phase == Round.OPEN:
        return round_.opens_at
    if round_.phase == Round.LOCKED:
        return round_.locks_at
    if round_.phase == Round.RUNNING:
        return round_.starts_at
    return round_.finishes_at


def _countdown(round_: Round, now_ms: int) -> RenderableType:
    what, until = _next(round_)
    since_ms, until_ms = _since(round_).ToMilliseconds(), until.ToMilliseconds()
    left_ms = until_ms - now_ms
    seconds = -(-max(left_ms, 0) // 1000)
    if awaits_result(round_) and left_ms <= 0:
        told = "the result is awaited"
    elif left_ms > -OVERDUE_MS:
        told = f"{what} in {seconds // 60}:{seconds % 60:02d}"
    elif round_.phase in PHASES_OVER:
        told = "waiting for the next round"
    else:
        told = "waiting for the service"
    grid = Table.grid(padding=(0, 2))
    grid.add_row(
        Text(Round.Phase.Name(round_.phase), style=PHASE_STYLES.get(round_.phase, "bold")),
        ProgressBar(total=max(until_ms - since_ms, 1), completed=max(now_ms - since_ms, 0), width=30),
        Text(told),
    )
    return grid


def _runners(round_: Round) -> Table:
    is_over = round_.phase in PHASES_WITH_RESULT
    places = positions(round_) if is_over else {}
    total = sum(runner.weight for runner in round_.runners)
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("no", justify="right")
    table.add_column("runner")
    table.add_column("chance", justify="right")
    table.add_column("win", justify="right")
    table.add_column("place", justify="right")
    table.add_column("finish", justify="right")
    for runner in round_.runners:
        place = places.get(runner.runner, 0)
        table.add_row(
            str(runner.runner),
            Text(plain(runner.name)),
            chance(runner.weight, total),
            price(runner.win_price_hundredths),
            _place_price(runner),
            "withdrawn" if is_over and runner.runner in round_.withdrawn else str(place or ""),
            style=PLACE_STYLES.get(place),
        )
    return table


def _prices(runner: Runner) -> str:
    """Write the price to WIN, and that to PLACE where there is one."""
    to_place = _place_price(runner)
    return price(runner.win_price_hundredths) + (f" / {to_place}" if to_place else "")


def _place_price(runner: Runner) -> str:
    return price(runner.place_price_hundredths) if runner.place_price_hundredths else ""


def _footer(round_: Round) -> Text:
    staked = money(round_.totals.stake_minor, round_.currency)
    footer = Text(f"{_count(round_.totals.tickets)}, {staked} staked")
    if round_.phase in PHASES_WITH_RESULT:
        footer.append(f", {money(round_.payout_minor, round_.currency)} paid\n")
        footer.append(_result(round_), style="bold")
        proof = "entered, not drawn" if is_entered(round_) else f"prove it with: furlong verify {round_.round_id}"
        footer.append(f"\n{proof}", style="dim")
    elif round_.phase == Round.VOID:
        footer.append(f"\nvoid, every stake goes back: {plain(round_.void_reason)}", style="red")
    footer.append(f"\ncommitment {plain(round_.commitment)}", style="dim")
    return footer


def _result(round_: Round) -> str:
    runners = {runner.runner: runner for runner in round_.runners}
    first = [runners[number] for number in winners(round_) if number in runners]
    paid = [
        f"{plain(each.name)}{' wins' if len(first) == 1 else ''} at {price(each.win_price_hundredths)}"
        for each in first
    ]
    told = f": {'dead heat of ' if len(paid) > 1 else ''}{' and '.join(paid)}" if paid else ""
    why = f" (corrected: {plain(round_.correction_reason)})" if round_.correction_reason else ""
    return f"result {result_words(round_, PLACES_SHOWN)}{told}{why}"


def _race(round_: Round) -> str:
    """The race's name, with its distance where that is known."""
    return plain(round_.race_name) + (f", {round_.distance_m} m" if round_.distance_m else "")
