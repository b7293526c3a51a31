"""Settings of the server that a promise to a client may not rest on are named with what they risk."""

import pytest

from services.persist.adapters.postgres.durability import NAMES, unsafe

SAFE = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "data_checksums": "on",
    "wal_sync_method": "fdatasync",
    "synchronous_standby_names": "",
}

CASES = [
    # changed                                                           unsafe
    ({}, []),
    ({"fsync": "off"}, ["fsync"]),
    ({"full_page_writes": "off"}, ["full_page_writes"]),
    ({"data_checksums": "off"}, ["data_checksums"]),
    ({"synchronous_commit": "off"}, ["synchronous_commit"]),
    ({"synchronous_commit": "local"}, []),
    ({"synchronous_commit": "local", "synchronous_standby_names": "one"}, ["synchronous_commit"]),
    ({"synchronous_commit": "remote_write", "synchronous_standby_names": "one"}, ["synchronous_commit"]),
    ({"synchronous_commit": "remote_apply", "synchronous_standby_names": "one"}, []),
    ({"fsync": "off", "synchronous_commit": "off"}, ["fsync", "synchronous_commit"]),
]


@pytest.mark.parametrize(("changed", "names"), CASES)
def test_what_is_unsafe_is_named_with_its_risk(changed: dict[str, str], names: list[str]) -> None:
    assert set(SAFE) == set(NAMES)
    found = unsafe({**SAFE, **changed})
    assert [name for name, _ in found] == names
    assert all(risk for _, risk in found)
