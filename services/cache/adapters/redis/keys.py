"""Everything that the cache keeps in Redis, by name.

    {furlong}:cache:state          hash    incarnation, version, marks of whole namespaces, which keys of marks there
                                           are; never expires
    {furlong}:cache:m:<ns>:<mode>  hash    incarnation, the other marks of a namespace and how many of each kind; never
                                           expires
    {furlong}:cache:e:<ns>:<key>   string  an entry (see `domain/entry.py`); expires
    {furlong}:cache:l:<ns>:<key>   string  incarnation:token of the lease to load an entry; expires
    {furlong}:cache:n:<ns>:<key>   hash    a number, its incarnation and every request that added to it; expires
    {furlong}:topic:<topic>        stream  the last messages, with ids <epoch>-<sequence>; expires, unless it is ours
    {furlong}:head:<topic>         hash    epoch and sequence; expires with its stream

The server may evict what expires (`maxmemory-policy volatile-*`): entries become misses and topics begin a new epoch.
The state is one key, so that it is lost as a whole or not at all, and losing it makes every entry worthless. Marks have
keys of their own, so that a namespace's own mark can take the place of a thousand of them in no time; the state tells
which there are, so that none is lost unnoticed.

One counter stamps every write, in the script that writes, and a script touches one node: so all keys have the same hash
tag, and a Cluster keeps them in one slot. It gives the cache a node that takes over, not more room.
"""

from typing import Final

from services.cache.domain.change import Change, Mode, Scope
from services.cache.domain.entry import Key

TAG: Final = "{furlong}"
"""What a Cluster finds the slot of a key by."""

STATE: Final = f"{TAG}:cache:state"
INCARNATION: Final = "incarnation"
VERSION: Final = "version"
_EXPIRING: Final = "e"
_LETTERS: Final = {
    (scope, mode): lead + letter
    for scope, letter in {Scope.NAMESPACE: "*", Scope.TAG: "t", Scope.PATTERN: "p"}.items()
    for mode, lead in {Mode.DELETE: "", Mode.EXPIRE: _EXPIRING}.items()
}
_KINDS: Final = {letters: kind for kind, letters in _LETTERS.items()}


def entry(key: Key) -> str:
    """Name the key of an entry."""
    return f"{TAG}:cache:e:{key.namespace}:{key.key}"


def lease(key: Key) -> str:
    """Name the key of the lease to load an entry."""
    return f"{TAG}:cache:l:{key.namespace}:{key.key}"


def number(key: Key) -> str:
    """Name the key of a number."""
    return f"{TAG}:cache:n:{key.namespace}:{key.key}"


def stream(topic: str) -> str:
    """Name the key of a topic's messages."""
    return f"{TAG}:topic:{topic}"


def head(topic: str) -> str:
    """Name the key that tells where a topic stands."""
    return f"{TAG}:head:{topic}"


def mark(namespace: str, scope: Scope, mode: Mode, name: str = "") -> str:
    """Name the field of a mark."""
    return f"mark:{namespace}:{_LETTERS[scope, mode]}:{name}"


def marks(namespace: str, mode: Mode) -> str:
    """Name the key of a namespace's marks on tags and patterns."""
    return f"{TAG}:cache:m:{namespace}:{mode.value}"


def count(namespace: str, scope: Scope, mode: Mode) -> str:
    """Name the field that counts a namespace's marks of one kind."""
    return f"count:{namespace}:{_LETTERS[scope, mode]}"


def read_mark(field: str) -> Change | None:
    """Read the field of a mark; None for one that is no mark.

    One of a kind that only later versions know is taken for a mark on the whole namespace, which covers it anyway.
    """
    kind, _, rest = field.partition(":")
    if kind != "mark":
        return None
    namespace, letters, name = rest.split(":", 2)
    scope, mode = _KINDS.get(letters, (Scope.NAMESPACE, Mode.DELETE))
    return Change(namespace, scope, () if scope is Scope.NAMESPACE else (name,), mode)
