"""Keys of calls: the function's name, and its arguments as Python writes them.

    furlong.docs.track('harbour-mile', 3)

So 3 and "3" have different keys, and a person can read them. Arguments given by name or left to their defaults make the
same key as those given by position.
"""

import hashlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

KEY_BYTES_MAX: Final = 512

_SHORT: Final = KEY_BYTES_MAX // 4
"""Characters that certainly fit: none has more than four bytes."""

_PLAIN: Final = frozenset((str, int, bool, bytes, type(None)))
_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class KeyBuilder:
    """Makes the keys of one function's calls.

    Raises ValueError for a function whose arguments cannot be told apart by position: one that takes any number, or
    needs them by name.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._signature = inspect.signature(function)
        parameters = self._signature.parameters.values()
        if any(each.kind not in _POSITIONAL for each in parameters):
            raise ValueError(f"{function!r} takes more than plain arguments by position; say `key=` for its calls")
        self._names = tuple(each.name for each in parameters)
        self._defaults = tuple(each.default for each in parameters)
        self._required = sum(each.default is inspect.Parameter.empty for each in parameters)
        module, name = getattr(function, "__module__", ""), getattr(function, "__qualname__", type(function).__name__)
        self._name = f"{module}.{name}"
        self.quick = self._make_quick()
        """Makes a key of arguments that nobody has looked at.

        It finds nothing that is not meant: whatever is kept under a key was kept by a call that was looked at, and what
        Python writes in the same way is the same.
        """

    def __call__(self, *args: Any, **kwargs: Any) -> str:
        """Make a key. Raises TypeError for arguments that the function does not take, or that have no plain type."""
        if kwargs or not self._required <= len(args) <= len(self._names):
            args = self._bound(args, kwargs)
        elif len(args) < len(self._names):
            args += self._defaults[len(args) :]
        if not _PLAIN.issuperset(map(type, args)):
            raise self._not_plain(args)
        key = f"{self._name}{args!r}"
        return key if len(key) <= _SHORT else _short(key)

    def _make_quick(self) -> Callable[..., str]:
        name, count = self._name, len(self._names)

        def quick(*args: Any, **kwargs: Any) -> str:
            if kwargs or len(args) != count:
                return self(*args, **kwargs)
            key = f"{name}{args!r}"
            return key if len(key) <= _SHORT else _short(key)

        return quick

    def _not_plain(self, args: tuple[Any, ...]) -> TypeError:
        name, value = next(
            (name, value) for name, value in zip(self._names, args, strict=True) if type(value) not in _PLAIN
        )
        return TypeError(f"`{name}` is a {type(value).__name__}, of which no key is made; say `key=` for the calls")

    def _bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.args


def _short(key: str) -> str:
    """Make a key that fits of one that may not: its end becomes a digest of the whole."""
    raw = key.encode("utf-8", "backslashreplace")
    if len(raw) <= KEY_BYTES_MAX:
        return raw.decode()
    digest = hashlib.sha256(raw).hexdigest()
    return f"{raw[: KEY_BYTES_MAX - len(digest) - 1].decode(errors='ignore')}#{digest}"
