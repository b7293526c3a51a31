"""What a drill tells: a table for people, the same as JSON for programs."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from deploy.drill.backup import Backup
from deploy.drill.evidence import Finding
from deploy.drill.proof import Proof

MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Drilled:
    """A drill from the back up to the proof; `seconds_restore` ends when the copy answers."""

    backup: Backup
    seconds_restore: float
    proof: Proof

    @property
    def newest_ticket_age_s(self) -> float | None:
        """How old the newest ticket of the copy was when the back up was complete; None where there is no ticket.

        While tickets are sold this is what restoring this very back up would lose at the least.
        """
        newest_at = self.proof.contents.newest_ticket_at
        if newest_at is None:
            return None
        return (datetime.fromisoformat(self.backup.ended_at) - newest_at).total_seconds()


def proof_as_json(proof: Proof) -> dict[str, Any]:
    """What was proved, for programs."""
    contents = asdict(proof.contents)
    for name in ("newest_ticket_at", "newest_transition_at"):
        contents[name] = contents[name].astimezone(UTC).isoformat() if contents[name] else None
    return {
        "holds": proof.holds,
        "seconds": round(proof.seconds, 3),
        "contents": contents,
        "invariants": [
            {
                "name": finding.name,
                "says": finding.says,
                "holds": finding.holds,
                "counted": dict(finding.seen.counted),
                "faults": finding.seen.faults_total,
                "first_faults": list(finding.seen.faults),
                "left_out": finding.seen.left_out,
                "seconds": round(finding.seconds, 3),
            }
            for finding in proof.findings
        ],
    }


def as_json(drilled: Drilled) -> dict[str, Any]:
    """A whole drill, for programs."""
    age_s = drilled.newest_ticket_age_s
    return {
        "backup": asdict(drilled.backup),
        "restore": {"seconds": round(drilled.seconds_restore, 3)},
        "newest_ticket_age_s": None if age_s is None else round(age_s, 3),
        "proof": proof_as_json(drilled.proof),
    }


def drill_lines(drilled: Drilled) -> Iterator[str]:
    """A whole drill, for people."""
    backup, age_s = drilled.backup, drilled.newest_ticket_age_s
    yield from backup_lines(backup)
    yield f"restored  in {drilled.seconds_restore:.1f} s into a server of its own, which is gone again"
    yield from proof_lines(drilled.proof)
    if age_s is not None:
        yield f"newest ticket: {max(age_s, 0):.1f} s old when the back up was complete"


def backup_lines(backup: Backup) -> Iterator[str]:
    """What was backed up, and how."""
    yield (
        f"back up   {backup.how}, because {backup.why}; database {backup.database} at step {backup.step}, "
        f"{backup.bytes / MIB:,.1f} MiB in {backup.seconds:.1f} s"
    )


def proof_lines(proof: Proof) -> Iterator[str]:
    """What was proved: a row per invariant, its faults below it."""
    contents = proof.contents
    yield (
        f"in it     {contents.tickets:,} tickets, {contents.rounds:,} rounds, {contents.tracks:,} tracks, "
        f"{contents.bytes / MIB:,.1f} MiB; answers stored: {_counted(contents.verdicts) or 'none'}"
    )
    yield ""
    width = max(len(finding.name) for finding in proof.findings)
    for finding in proof.findings:
        verdict = "holds " if finding.holds else "BROKEN"
        yield f"{verdict}  {finding.name:<{width}}  {finding.says}: {_counted(finding.seen.counted)}"
        yield from _faults(finding, " " * 10)
    yield ""
    broken = [finding.name for finding in proof.findings if not finding.holds]
    said = f"broken: {', '.join(broken)}" if broken else f"all {len(proof.findings)} invariants hold"
    yield f"{said}; looked at in {proof.seconds:.1f} s"


def _faults(finding: Finding, indent: str) -> Iterator[str]:
    for sentence in finding.seen.faults:
        yield f"{indent}{sentence}"
    if (more := finding.seen.faults_total - len(finding.seen.faults)) > 0:
        yield f"{indent}and {more:,} more"
    if finding.seen.left_out:
        yield f"{indent}left out: {finding.seen.left_out}"


def _counted(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counted.items())
