from services.cache.domain.ghosts import Ghosts, Left, age


def test_a_ghost_tells_where_and_when_it_left_and_only_once() -> None:
    ghosts = Ghosts(8)
    ghosts.put("a", Left.MAIN, 2**40 + 5)
    assert ghosts.take("b") is None
    ghost = ghosts.take("a")
    assert ghost is not None
    assert ghost[0] is Left.MAIN
    assert age(ghost[1], 2**40 + 7) == 2
    assert ghosts.take("a") is None


def test_age_survives_the_turn_of_the_count() -> None:
    ghosts = Ghosts(8)
    ghosts.put("a", Left.LOBBY, 2**40 - 1)
    ghost = ghosts.take("a")
    assert ghost is not None
    assert age(ghost[1], 2**40 + 1) == 2


def test_the_table_takes_what_it_was_given_whatever_is_remembered() -> None:
    ghosts = Ghosts(8)
    for n in range(10_000):
        ghosts.put(n, Left.LOBBY, n)
    assert ghosts.bytes == 8 * 2**8
    remembered = [n for n in range(10_000) if ghosts.take(n) is not None]
    assert 0 < len(remembered) <= 2**8
    assert remembered[0] > 5_000, "who came later pushed the earlier out"
