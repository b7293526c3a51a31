"""TLS from files that are replaced while the program runs, as those do who issue certificates for days or hours."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc

LOOK_S: Final = 1.0
"""How often a channel looks whether its files have changed, in seconds."""

_Stamp = tuple[tuple[int, int, int, int] | None, ...]


class TlsUnusable(ValueError):
    """A file of TLS cannot be used: `file` is the one, `why` says what is wrong with it."""

    def __init__(self, file: Path, why: str) -> None:
        super().__init__(f"{file} {why}")
        self.file = file
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsMaterial:
    """What one look at the files found, as PEM.

    Without an `authority` the public ones are trusted that gRPC brings along; without a certificate and its key the
    caller stays anonymous.
    """

    authority: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = None


class TlsFiles:
    """The files of one party. Whoever asks gets what was last found usable: the same object until something changed.

    `check` raises TlsUnusable for material that cannot be used. That ends the construction; later, the files are kept
    out of use until they change again, and `on_unusable` hears of it. May be asked from any thread.
    """

    def __init__(
        self,
        *,
        authority: Path | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
        check: Callable[[TlsMaterial], None] | None = None,
        on_unusable: Callable[[TlsUnusable], None] | None = None,
    ) -> None:
        self._authority = authority
        self._certificate = certificate
        self._key = key
        self._check = check
        self._on_unusable = on_unusable
        self._lock = threading.Lock()
        self._stamp = self._stamps()
        self._material = self._read()
        self._look_again_at_s = time.monotonic() + LOOK_S

    def recent(self) -> TlsMaterial:
        """Give the material; the files are looked at once in LOOK_S at most, so this may be asked for every call."""
        if time.monotonic() < self._look_again_at_s:
            return self._material
        return self.fresh()

    def fresh(self) -> TlsMaterial:
        """Look at the files now, and give the material."""
        with self._lock:
            self._look_again_at_s = time.monotonic() + LOOK_S
            stamp = self._stamps()
            if stamp != self._stamp:
                self._renew(stamp)
            return self._material

    def _renew(self, stamp: _Stamp) -> None:
        try:
            material = self._read()
        except TlsUnusable as unusable:
            self._stamp = stamp
            if self._on_unusable is not None:
                self._on_unusable(unusable)
            return
        if self._stamps() == stamp:  # else one of them was replaced just now: the next look has them all
            self._stamp, self._material = stamp, material

    def _read(self) -> TlsMaterial:
        material = TlsMaterial(
            authority=_content(self._authority), certificate=_content(self._certificate), key=_content(self._key)
        )
        if self._check is not None:
            self._check(material)
        return material

    def _stamps(self) -> _Stamp:
        return tuple(_stamp(file) for file in (self._authority, self._certificate, self._key))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelTls:
    """TLS of one channel. `server_name` is what the server's certificate must name, whatever the address is; without
    it, the name that is dialled."""

    files: TlsFiles
    server_name: str | None = None

    def options(self) -> list[tuple[str, str]]:
        """Give the channel's options."""
        return [("grpc.ssl_target_name_override", self.server_name)] if self.server_name is not None else []


def credentials(material: TlsMaterial) -> grpc.ChannelCredentials:
    """Make a channel's credentials."""
    return grpc.ssl_channel_credentials(
        root_certificates=material.authority, private_key=material.key, certificate_chain=material.certificate
    )


def _content(file: Path | None) -> bytes | None:
    if file is None:
        return None
    try:
        return file.read_bytes()
    except OSError as error:
        raise TlsUnusable(file, f"cannot be read: {error.strerror}") from error


def _stamp(file: Path | None) -> tuple[int, int, int, int] | None:
    """Tell one state of a file from the next; rights count, because a file may be made readable later."""
    if file is None:
        return None
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
