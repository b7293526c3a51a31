"""Configuration: one frozen dataclass per service, read once from the environment, every error told at once.

A field is declared with `setting(...)`, which carries its variable, default, range and meaning; the reference in the
documentation is made from the same words. A field that is itself such a dataclass is read as part of the whole.

A secret may stand in a file, which `<variable>_FILE` names: an environment is shown by too many tools.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar, get_type_hints

_KEY: Final = "furlong.setting"
_REQUIRED: Final = object()
_MASK: Final = "***"

FILE_SUFFIX: Final = "_FILE"
"""What follows a secret's variable in the name of the one that tells its file."""

C = TypeVar("C")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is known of one variable. `min` and `max` are both allowed values; `unit` is for people."""

    env: str
    doc: str
    unit: str
    min: float | None
    max: float | None
    choices: tuple[str, ...]
    secret: bool

    def allowed(self) -> str:
        """Say in words which values are allowed, as it stands in errors and in the reference."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        unit = f" {self.unit}" if self.unit else ""
        match self.min, self.max:
            case None, None:
                return f"any value{unit}"
            case low, None:
                return f"at least {low}{unit}"
            case None, high:
                return f"at most {high}{unit}"
            case low, high:
                return f"{low} to {high}{unit}"


class SecretUnreadable(ValueError):
    """A secret is not to be had; the message names the variable and never what stands in it."""


class ConfigError(Exception):
    """The environment does not make a configuration; the message has one line for every error."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = tuple(errors)


def setting(
    env: str,
    default: Any = _REQUIRED,
    doc: str = "",
    *,
    unit: str = "",
    min: float | None = None,
    max: float | None = None,
    choices: Sequence[str] = (),
    secret: bool = False,
) -> Any:
    """Declare a field of a configuration that is read from the variable `env`.

    Without a default the variable must be set. `secret` values are masked wherever the configuration is shown. The
    type of the field (int, float, str, Path) says how the text is read.
    """
    known = Setting(env=env, doc=doc, unit=unit, min=min, max=max, choices=tuple(choices), secret=secret)
    if default is _REQUIRED:
        return dataclasses.field(metadata={_KEY: known})
    return dataclasses.field(default=default, metadata={_KEY: known})


def read(cls: type[C], environ: Mapping[str, str]) -> C:
    """Read a whole configuration. An empty variable counts as not set. Raises ConfigError with every error."""
    errors: list[str] = []
    config = _read(cls, environ, errors)
    if errors:
        raise ConfigError(errors)
    assert config is not None, "without an error there is a configuration"
    return config


def secret(environ: Mapping[str, str], variable: str) -> str:
    """Read a secret from its variable, or from the file that `<variable>_FILE` names; empty where neither is set.

    Raises SecretUnreadable where both are set, and where the file cannot be read or is empty.
    """
    text, file = environ.get(variable, ""), environ.get(variable + FILE_SUFFIX, "")
    if not file:
        return text
    if text:
        raise SecretUnreadable(f"{variable} and {variable}{FILE_SUFFIX} are both set; one of them is enough")
    try:
        found = Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or "it is no text"
        raise SecretUnreadable(f"{variable}{FILE_SUFFIX} is {file!r}, which cannot be read: {problem}") from error
    if not found:
        raise SecretUnreadable(f"{variable}{FILE_SUFFIX} is {file!r}, which is empty")
    return found


def describe(config: object) -> dict[str, Any]:
    """Show a configuration by variable, with secrets masked; it is logged once at start."""
    return {
        known.env: _MASK if known.secret and value not in ("", None) else _shown(value)
        for known, _, value in _walk(config)
    }


def settings(cls: type[Any]) -> Iterator[tuple[Setting, Any]]:
    """List every setting of a configuration class with its default (`dataclasses.MISSING` where there is none)."""
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        known = field.metadata.get(_KEY)
        if known is not None:
            yield known, field.default
        else:
            yield from settings(hints[field.name])


def _walk(config: object) -> Iterator[tuple[Setting, str, Any]]:
    assert dataclasses.is_dataclass(config)
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        known = field.metadata.get(_KEY)
        if known is not None:
            yield known, field.name, value
        else:
            yield from _walk(value)


def _read(cls: type[C], environ: Mapping[str, str], errors: list[str]) -> C | None:
    assert dataclasses.is_dataclass(cls)
    hints = get_type_hints(cls)
    values: dict[str, Any] = {}
    before = len(errors)
    for field in dataclasses.fields(cls):
        known: Setting | None = field.metadata.get(_KEY)
        if known is None:
            values[field.name] = _read(hints[field.name], environ, errors)
            continue
        try:
            text = secret(environ, known.env) if known.secret else environ.get(known.env, "")
        except SecretUnreadable as unreadable:
            errors.append(str(unreadable))
            continue
        if text:
            values[field.name] = _parse(known, hints[field.name], text, errors)
        elif field.default is dataclasses.MISSING:
            errors.append(f"{known.env} is not set; it must be {known.allowed()} ({known.doc})")
    if len(errors) > before:
        return None
    try:
        return cls(**values)
    except ValueError as broken:  # a relation between settings, stated in __post_init__
        errors.append(str(broken))
        return None


def _parse(known: Setting, kind: Any, text: str, errors: list[str]) -> Any:
    shown = _MASK if known.secret else repr(text)
    try:
        value = _READERS[kind](text)
    except ValueError:
        errors.append(f"{known.env} is {shown}; it must be {known.allowed()}")
        return None
    too_low = known.min is not None and value < known.min
    too_high = known.max is not None and value > known.max
    if too_low or too_high or (known.choices and value not in known.choices):
        errors.append(f"{known.env} is {shown}; it must be {known.allowed()}")
    return value


def _finite(text: str) -> float:
    value = float(text)
    if value - value != 0:
        raise ValueError(f"{text} is no number to work with")
    return value


_READERS: Final[Mapping[Any, Callable[[str], Any]]] = {int: int, float: _finite, str: str, Path: Path}


def _shown(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
