"""Secrets are made once, and each part gets its own."""

import json
from pathlib import Path

import jwt
import pytest

from deploy.compose import token
from deploy.compose.secrets import hand_out


@pytest.fixture
def handed(tmp_path: Path) -> Path:
    hand_out(tmp_path / "keys", tmp_path / "secrets")
    return tmp_path


def test_every_part_gets_what_it_needs_and_no_more(handed: Path) -> None:
    found = {part.name: sorted(file.name for file in part.iterdir()) for part in (handed / "secrets").iterdir()}

    assert found == {
        "game": ["jwks.json", "seed.key", "service.token"],
        "persist": ["database-url", "jwks.json", "service.token"],
        "cache": ["jwks.json", "redis-url"],
        "metrics": ["jwks.json"],
        "migrations": ["database-url"],
        "tracks": ["token"],
        "postgres": ["password"],
        "redis": ["password", "redis.conf"],
    }


def test_only_their_owner_can_read_them(handed: Path) -> None:
    files = [file for file in handed.rglob("*") if file.is_file()]

    assert files
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_second_start_keeps_keys_and_passwords(handed: Path) -> None:
    kept = ("game/seed.key", "postgres/password", "cache/redis-url", "game/jwks.json")
    before = [(handed / "secrets" / name).read_text() for name in kept]
    hand_out(handed / "keys", handed / "secrets")

    assert [(handed / "secrets" / name).read_text() for name in kept] == before


def test_the_addresses_have_the_passwords_in_them(handed: Path) -> None:
    def secret(name: str) -> str:
        return (handed / "secrets" / name).read_text().strip()

    assert secret("persist/database-url") == f"postgresql://furlong:{secret('postgres/password')}@postgres:5432/furlong"
    assert secret("cache/redis-url") == f"redis://:{secret('redis/password')}@redis:6379/0"
    assert f"requirepass {secret('redis/password')}" in secret("redis/redis.conf")


def test_the_token_command_prints_an_operators_token(
    handed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["token", "--keys", str(handed / "keys")])
    token.main()
    printed = capsys.readouterr().out.strip()
    key = jwt.PyJWK(json.loads((handed / "secrets/game/jwks.json").read_text())["keys"][0])

    assert jwt.decode(printed, key, algorithms=["EdDSA"], audience="furlong")["roles"] == ["OPERATOR"]
