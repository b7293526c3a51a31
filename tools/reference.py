"""Write docs/reference/ from the code, or tell whether it still says what the code says.

    python tools/reference.py            write docs/reference/
    python tools/reference.py --check    change nothing; exit 1 and name the pages that differ

The words stand once: refusals, verdicts and methods in the comments of protos/, settings in each service's config.py.
"""

import dataclasses
import importlib
import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from furlong.common.v1 import policy_pb2
from furlong.common.v1.error_pb2 import Reason
from google.api import annotations_pb2  # type: ignore[import-untyped] # google.api ships no types
from google.protobuf import descriptor_pb2

ROOT: Final = Path(__file__).resolve().parent.parent
REFERENCE: Final = ROOT / "docs" / "reference"
sys.path.insert(0, str(ROOT))

from furlong.client.reasons import STATUS  # noqa: E402

from deploy.edges import EDGES  # noqa: E402 # the tree is no installed package
from services.chassis.config import Setting, settings  # noqa: E402

WRITTEN: Final = "Made from {source} by `tools/reference.py`; `make protos` writes it anew.\n"

# As google/rpc/code.proto maps them, which is what the gateway does.
HTTP_STATUS: Final[Mapping[str, int]] = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}

# Where descriptors keep things, by field number: messages, enums and services of a file, and what is nested in them.
_MESSAGES, _ENUMS, _NESTED_ENUMS, _VALUES = 4, 5, 4, 2


def refusals(files: Sequence[descriptor_pb2.FileDescriptorProto]) -> str:
    """The page of errors and verdicts."""
    rows = [
        (f"`{name}`", STATUS[Reason.Value(name)].name, str(HTTP_STATUS[STATUS[Reason.Value(name)].name]), text)
        for name, number, text in _enum(files, "Reason")
        if number
    ]
    verdicts = [(str(number), f"`{name}`", text) for name, number, text in _enum(files, "Verdict") if number]
    return "\n".join(
        (
            "# Refusals\n",
            WRITTEN.format(source="`protos/furlong/common/v1` and `client/furlong/client/reasons.py`"),
            "## Errors\n",
            "A call that is wrong as a whole ends with an error. Its `google.rpc.ErrorInfo` has the domain `furlong`",
            "and one of these reasons. Over REST the body is `{code, message, details}`.\n",
            *_table(("reason", "gRPC code", "HTTP", "meaning"), rows),
            "\n## Verdicts of a ticket\n",
            "A ticket that is refused is no error: the call answers OK with a verdict per ticket. Of all that is true",
            "of an order, the lowest number is its verdict; ACCEPTED means that none of the others is.\n",
            *_table(("number", "verdict", "meaning"), verdicts),
            "",
        )
    )


def configuration() -> str:
    """The page of settings."""
    lines = [
        "# Configuration\n",
        WRITTEN.format(source="each service's `config.py`"),
        "Every setting is a variable of the environment, read once at start, checked, and printed in the service's",
        "first log line with secrets masked. A service that is configured wrongly says so, every error, and ends.",
        "A secret may stand in a file instead, which the variable with `_FILE` behind its name tells.",
    ]
    for service in sorted(path.parent.name for path in (ROOT / "services").glob("*/config.py")):
        if service == "chassis":
            continue
        config = getattr(importlib.import_module(f"services.{service}.config"), f"{service.title()}Config")
        lines += [f"\n## {service}\n", *_table(("variable", "default", "allowed", "meaning"), map(_row, _of(config)))]
    return "\n".join((*lines, ""))


def methods(files: Sequence[descriptor_pb2.FileDescriptorProto]) -> str:
    """The page of methods."""
    lines = [
        "# Methods\n",
        WRITTEN.format(source="`protos/`"),
        "A retry sends the same request again: harmless for a read, and for a write that carries its request id.",
        "What a method means, field by field, stands in its proto.",
    ]
    for file in files:
        for service in file.service:
            rows = [_method(method) for method in service.method]
            head = ("method", "REST", "roles", "deadline", "admission", "retried")
            lines += [f"\n## {file.package}.{service.name}\n", *_table(head, rows)]
    return "\n".join((*lines, ""))


def edges() -> str:
    """The page of who speaks to whom."""
    arrows = [
        f"    {edge.caller.replace(' ', '_')}[{edge.caller}] -->|{edge.protocol}| {edge.callee}[{edge.callee}]"
        for edge in EDGES
    ]
    rows = [(edge.caller, edge.callee, edge.protocol, edge.why, "yes" if edge.traced else "no") for edge in EDGES]
    return "\n".join(
        (
            "# Edges\n",
            WRITTEN.format(source="`deploy/edges.py`"),
            "These are all the edges there are. A test looks for each traced one in real traces.\n",
            *("```mermaid", "flowchart LR", "    browser((clients)) --> gateway", *arrows, "```\n"),
            *_table(("caller", "callee", "protocol", "what for", "in traces"), rows),
            "",
        )
    )


def pages() -> Mapping[str, str]:
    """Every page by its file name."""
    kept = descriptor_pb2.FileDescriptorSet.FromString((ROOT / "gen" / "furlong.binpb").read_bytes())
    files = sorted((file for file in kept.file if file.package.startswith("furlong.")), key=lambda file: file.name)
    return {
        "refusals.md": refusals(files),
        "configuration.md": configuration(),
        "methods.md": methods(files),
        "edges.md": edges(),
    }


def _of(config: type[Any]) -> Iterator[tuple[Setting, Any]]:
    assert inspect.isclass(config), config
    return settings(config)


def _row(known: tuple[Setting, Any]) -> tuple[str, ...]:
    setting, default = known
    needed = default is dataclasses.MISSING
    shown = "needed" if needed else f"`{default}`" if str(default) else "empty"
    return f"`{setting.env}`", shown, setting.allowed(), setting.doc


def _method(method: descriptor_pb2.MethodDescriptorProto) -> tuple[str, ...]:
    policy = method.options.Extensions[policy_pb2.policy]
    rule = method.options.Extensions[annotations_pb2.http]
    verb = rule.WhichOneof("pattern")
    return (
        f"`{method.name}`" + _streaming(method),
        f"`{verb.upper()} {getattr(rule, verb)}`" if verb else "",
        ", ".join(policy_pb2.Role.Name(role) for role in policy.roles),
        f"{policy.deadline_ms} ms" if policy.deadline_ms else "none",
        policy_pb2.Admission.Name(policy.admission),
        _again(method),
    )


def _streaming(method: descriptor_pb2.MethodDescriptorProto) -> str:
    if method.client_streaming:
        return " (stream both ways)"
    return " (stream)" if method.server_streaming else ""


def _again(method: descriptor_pb2.MethodDescriptorProto) -> str:
    if method.client_streaming:
        return "each message, by request id"
    if method.server_streaming:
        return "no, it is resumed"
    level = descriptor_pb2.MethodOptions.IdempotencyLevel
    retried = {level.NO_SIDE_EFFECTS: "yes, a read", level.IDEMPOTENT: "yes, by request id"}
    return retried.get(method.options.idempotency_level, "no")


def _enum(files: Sequence[descriptor_pb2.FileDescriptorProto], name: str) -> Iterator[tuple[str, int, str]]:
    """The values of an enum, top-level or nested in a message: name, number and comment without the name."""
    for file in files:
        comments = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
        found: list[tuple[tuple[int, ...], descriptor_pb2.EnumDescriptorProto]] = [
            ((_ENUMS, n), enum) for n, enum in enumerate(file.enum_type)
        ]
        for m, message in enumerate(file.message_type):
            found += [((_MESSAGES, m, _NESTED_ENUMS, n), enum) for n, enum in enumerate(message.enum_type)]
        for path, enum in found:
            if enum.name == name:
                for n, value in enumerate(enum.value):
                    text = " ".join(comments[(*path, _VALUES, n)].split())
                    yield value.name, value.number, text.removeprefix(value.name).lstrip(": ")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (head, ("---",) * len(head), *rows):
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def main(arguments: list[str]) -> int:
    """Write or check, by `arguments`; the exit code."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    differing = 0
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        page = REFERENCE / name
        if page.exists() and page.read_text() == text:
            continue
        if arguments:
            print(f"docs/reference/{name} is not what the code says; run `make protos`", file=sys.stderr)
            differing += 1
        else:
            page.write_text(text)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
