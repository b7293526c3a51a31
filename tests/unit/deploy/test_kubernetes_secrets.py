"""The files of Kubernetes' Secrets: made once and kept, but for tokens, which every run signs anew."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from deploy.kubernetes import secrets

TOKENS = {"game/service.token", "persist/service.token"}


def read(folder: Path) -> Mapping[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("cloudnative_pg", [False, True])
def test_what_is_there_is_kept_and_tokens_are_signed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cloudnative_pg: bool
) -> None:
    secrets.make(tmp_path, cloudnative_pg=cloudnative_pg)
    first = read(tmp_path)
    monkeypatch.setattr("deploy.local.keys.SERVICE_TOKEN_S", 1_000)
    monkeypatch.setattr("deploy.local.keys.time.time", lambda: 2_000_000_000)

    secrets.make(tmp_path, cloudnative_pg=cloudnative_pg)

    second = read(tmp_path)
    assert first.keys() == second.keys()
    assert {name for name in first if first[name] != second[name]} == TOKENS


def test_nobody_else_may_read_them(tmp_path: Path) -> None:
    secrets.make(tmp_path)
    assert {file.stat().st_mode & 0o077 for file in tmp_path.rglob("*")} == {0}


def test_the_parts_and_their_stores_have_the_same_passwords(tmp_path: Path) -> None:
    secrets.make(tmp_path)
    files = read(tmp_path)
    password = files["postgresql/password"]
    for part in ("persist", "migrations"):
        assert files[f"{part}/database-url"] == f"postgresql://furlong:{password}@postgresql:5432/furlong\n"
    assert f"requirepass {files['cache/redis-url'].split(':')[2].partition('@')[0]}\n" in files["redis/redis.conf"]


def test_the_logins_of_cloudnative_pg_check_whom_they_reach(tmp_path: Path) -> None:
    secrets.make(tmp_path, cloudnative_pg=True)
    files = read(tmp_path)
    for part, login in (("persist", "postgresql-app"), ("migrations", "postgresql-deploy")):
        name, password = files[f"{login}/username"], files[f"{login}/password"]
        assert files[f"{part}/database-url"].startswith(f"postgresql://{name}:{password}@postgresql-rw:5432/furlong?")
        assert "sslmode=verify-full" in files[f"{part}/database-url"]
    assert "redis/redis.conf" not in files
