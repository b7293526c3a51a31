"""The board: the story as it stands now, drawn for a terminal."""

from collections.abc import Sequence

from furlong.common.v1.round_pb2 import Round, Runner
from furlong.common.v1.ticket_pb2 import TicketResult
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.layout import Layout
from rich.padding import Padding
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from deploy.local.demo.race import positions, won_ms
from deploy.local.demo.story import Slip, Story

CLOTHS = ("red3", "dodger_blue2", "green4", "dark_orange3", "purple4", "deep_pink4", "dark_cyan", "gold3", "grey37")
PHASES = {
    Round.OPEN: ("bets are open", "locks in", "bold green"),
    Round.LOCKED: ("no more bets", "off in", "bold yellow"),
    Round.RUNNING: ("they're off", "finish in", "bold cyan"),
    Round.FINISHED: ("result", "next race in", "bold magenta"),
    Round.SETTLED: ("paid", "next race in", "bold magenta"),
    Round.VOID: ("void, every stake goes back", "next race in", "bold red"),
}
IN_THE_RACE = (Round.RUNNING, Round.FINISHED, Round.SETTLED)
PLACES = {1: "1st", 2: "2nd", 3: "3rd"}
PAID_SHOWN_MAX = 5


class Board:
    """Draws itself anew whenever it is rendered."""

    def __init__(self, story: Story, gateway: str, track_name: str) -> None:
        self._story = story
        self._gateway = gateway
        self._track_name = track_name

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render the whole screen."""
        round_ = self._story.round
        if round_ is None:
            yield Panel(Text("waiting for the first race", justify="center"), title="Furlong")
            return
        layout = Layout()
        layout.split_column(
            Layout(_head(self._story, round_, self._track_name), size=5),
            Layout(name="middle"),
            Layout(_foot(self._story), size=PAID_SHOWN_MAX + 2),
            Layout(_line(self._story, self._gateway), size=1),
        )
        layout["middle"].split_row(
            Layout(Panel(_field(self._story, round_), title="the field", title_align="left"), ratio=3),
            Layout(Panel(_slips(self._story, round_), title="tickets", title_align="left"), ratio=2),
        )
        yield layout


def _head(story: Story, round_: Round, track_name: str) -> RenderableType:
    said, what, style = PHASES[round_.phase]
    since_ms, until_ms = _span_ms(round_)
    left_ms = max(until_ms - story.now_ms, 0)
    title = Table.grid(expand=True)
    title.add_column()
    title.add_column(justify="right")
    distance = f", {round_.distance_m} m" if round_.distance_m else ""
    title.add_row(
        Text.assemble((track_name, "bold"), f"   {round_.race_name}{distance}   round {round_.round_id}"),
        Text(said, style=style),
    )
    clock = Table.grid(expand=True, padding=(0, 2))
    clock.add_column(width=24)
    clock.add_column(ratio=1)
    clock.add_column(justify="right")
    done = (story.now_ms - since_ms) / max(until_ms - since_ms, 1)
    totals = f"{round_.totals.tickets} tickets, {_money(round_.totals.stake_minor, round_)} staked"
    clock.add_row(
        Text(f"{what} {left_ms // 60_000}:{left_ms // 1_000 % 60:02d}.{left_ms // 100 % 10}", style=style),
        ProgressBar(total=1.0, completed=min(max(done, 0.0), 1.0), complete_style=style, finished_style=style),
        Text(totals, style="bold"),
    )
    return Panel(Group(title, Text(), clock))


def _span_ms(round_: Round) -> tuple[int, int]:
    """When what is on now began and ends."""
    times = (round_.opens_at, round_.locks_at, round_.starts_at, round_.finishes_at, round_.ends_at)
    begins = {Round.OPEN: 0, Round.LOCKED: 1, Round.RUNNING: 2}.get(round_.phase, 3)
    return times[begins].ToMilliseconds(), times[begins + 1].ToMilliseconds()


def _field(story: Story, round_: Round) -> RenderableType:
    if round_.phase in IN_THE_RACE and round_.result:
        return _Course(story, round_)
    return _Prices(story, round_)


class _Prices:
    """The runners with their prices, and what the crowd has staked on each."""

    def __init__(self, story: Story, round_: Round) -> None:
        self._story = story
        self._round = round_

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        round_ = self._round
        staked = self._story.staked_minor(round_.round_id)
        most = max(staked.values(), default=0)
        table = Table.grid(padding=(0, 1), expand=True)
        for column in ({"width": 3}, {"ratio": 3}, {"justify": "right", "width": 7}, {"ratio": 4}):
            table.add_column(no_wrap=True, **column)
        table.add_column(justify="right", width=10, no_wrap=True)
        for runner in round_.runners:
            stake = staked[runner.runner]
            table.add_row(
                _cloth(round_.runners, runner.runner),
                Text(runner.name, overflow="ellipsis"),
                Text(_price(runner.win_price_hundredths), style="bold"),
                ProgressBar(total=max(most, 1), completed=stake, complete_style="green", finished_style="green"),
                Text(_money(stake, round_) if stake else "", style="green"),
            )
        yield table


class _Course:
    """The race, a lane a runner; after it, as the winner passed the line, with the places."""

    def __init__(self, story: Story, round_: Round) -> None:
        self._story = story
        self._round = round_

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        round_ = self._round
        is_over = round_.phase != Round.RUNNING
        since_start_ms = self._story.now_ms - round_.starts_at.ToMilliseconds()
        where = positions(round_.race, won_ms(round_.race) if is_over else since_start_ms)
        lane = max(options.max_width - 30, 10)
        place_of = {runner: place for place, runner in enumerate(round_.result, start=1)}
        for runner in (each for each in round_.runners if each.runner in place_of):
            at = round(where.get(runner.runner, 0.0) * lane)  # a corrected round has no race
            place = place_of[runner.runner]
            medal = PLACES.get(place, "") if is_over else ""
            yield Text.assemble(
                Text(f"{runner.name:<20.20} "),
                Text("·" * at, style="grey42"),
                _cloth(round_.runners, runner.runner),
                Text(" " * (lane - at)),
                Text("|", style="white"),
                Text(f"{medal:>4}", style="bold green" if place == 1 else "green"),
                no_wrap=True,
                overflow="crop",
            )


def _slips(story: Story, round_: Round) -> RenderableType:
    return _Tape([slip for slip in story.slips if slip.round_id == round_.round_id], round_)


class _Tape:
    """The tickets as they come, the latest on top, as many as there is room for."""

    def __init__(self, slips: Sequence[Slip], round_: Round) -> None:
        self._slips = slips
        self._round = round_

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        names = {runner.runner: runner.name for runner in self._round.runners}
        rows = options.height or options.max_height
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=6, no_wrap=True)
        table.add_column(ratio=1, no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        for slip in list(reversed(self._slips))[:rows]:
            accepted = slip.verdict == TicketResult.ACCEPTED
            bought = f"{_money(slip.stake_minor, self._round)} @ {_price(slip.price_hundredths)}"
            said = bought if accepted else TicketResult.Verdict.Name(slip.verdict).lower().replace("_", " ")
            table.add_row(
                Text(slip.punter, style="bold"),
                Text(names.get(slip.runner, ""), overflow="ellipsis"),
                Text(said, style="" if accepted else "red"),
            )
        yield table


def _foot(story: Story) -> RenderableType:
    round_ = story.paid_round
    if round_ is None:
        return Panel(Text("nobody was paid yet", style="dim"), title="who was paid", title_align="left")
    names = {runner.runner: runner.name for runner in round_.runners}
    title = "who was paid"
    if round_.result:
        title = f"who was paid in round {round_.round_id}, won by {names[round_.result[0]]}"
    table = Table.grid(padding=(0, 2))
    for payment in story.paid[:PAID_SHOWN_MAX]:
        slip = payment.slip
        table.add_row(
            Text(slip.punter, style="bold"),
            f"{_money(slip.stake_minor, round_)} @ {_price(slip.price_hundredths)}",
            Text(f"paid {_money(payment.payout_minor, round_)}", style="bold green"),
        )
    every = f"{len(story.paid)} of {round_.totals.tickets} tickets won, {_money(round_.payout_minor, round_)} in all"
    body = table if story.paid else Text("nobody backed the winner", style="dim")
    return Panel(body, title=title, title_align="left", subtitle=every, subtitle_align="right")


def _line(story: Story, gateway: str) -> RenderableType:
    if story.trouble:
        return Padding(Text(story.trouble, style="red", no_wrap=True, overflow="ellipsis"), (0, 1))
    return Padding(Text(f"the same on a page: http://{gateway}/     Ctrl-C ends it", style="dim"), (0, 1))


def _cloth(runners: Sequence[Runner], number: int) -> Text:
    place = next(place for place, runner in enumerate(runners) if runner.runner == number)
    return Text(f"{number:^3}", style=f"bold white on {CLOTHS[place % len(CLOTHS)]}")


def _money(minor: int, round_: Round) -> str:
    return f"{minor // 100:,}.{minor % 100:02d} {round_.currency}"


def _price(hundredths: int) -> str:
    return f"{hundredths // 100}.{hundredths % 100:02d}"
