import time

import pytest

from services.cache.domain.glob import GlobBroken, compile_glob


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("round/1", "round/1", True),
        ("round/1", "round/11", False),
        ("round/*", "round/", True),
        ("round/*", "round/17/proof", True),
        ("round/?", "round/1", True),
        ("round/?", "round/", False),
        ("round/[13]", "round/3", True),
        ("round/[13]", "round/2", False),
        ("round/[!13]", "round/2", True),
        ("round/[0-9]", "round/7", True),
        ("round/[0-9]", "round/x", False),
        ("[*]", "*", True),
        ("[*]", "x", False),
        ("[]]", "]", True),
        ("a.c", "abc", False),
        ("*", "line\nbreak", True),
        ("(a|b)+", "(a|b)+", True),
        ("ключ*", "ключ/1", True),
    ],
)
def test_a_glob_matches_whole_keys(pattern: str, key: str, matches: bool) -> None:
    assert (compile_glob(pattern).match(key) is not None) == matches


@pytest.mark.parametrize("pattern", ["[", "a[b", "[]", "[!]", "[!", "a[]b", "[z-a]", "[a--]", "x[9-0]y", "[a]["])
def test_a_glob_that_means_nothing_is_broken(pattern: str) -> None:
    with pytest.raises(GlobBroken):
        compile_glob(pattern)


def test_no_glob_takes_longer_than_its_key_is_long() -> None:
    begun_s = time.process_time()
    assert compile_glob("*a" * 63 + "*b").match("a" * 512) is None
    assert time.process_time() - begun_s < 0.5
