import hashlib

from tests.model.settlement import BoughtLine, BoughtTicket
from tests.model.tickets_root import encoded, tickets_root, tree

ACCOUNT = "01976f5e-0000-7000-8000-0000000000aa"


def ticket(number: int, *lines: tuple[int, int, int]) -> BoughtTicket:
    return BoughtTicket(
        ticket_id=f"01976f5e-8c00-7000-8000-{number:012d}",
        account_id=ACCOUNT,
        lines=tuple(
            BoughtLine(market="WIN", runners=(runner,), stake_minor=stake, price_hundredths=price)
            for runner, stake, price in lines
        ),
    )


FIRST, SECOND, THIRD = ticket(1, (1, 100, 235)), ticket(2, (2, 200, 235)), ticket(3, (3, 300, 235), (5, 50, 1_200))


def test_a_ticket_is_encoded_as_the_page_on_fairness_shows_it() -> None:
    assert encoded(FIRST, 17).hex() == (
        "01976f5e8c0070008000000000000001" "01976f5e0000700080000000000000aa" "0000000000000011" "0001"
        "01" "01" "01" "0000000000000064" "000000eb"
    )  # fmt: skip


def test_the_root_of_two_batches_is_the_one_on_the_page_on_fairness() -> None:
    assert tickets_root([[FIRST, SECOND], [THIRD]], 17) == (
        "2916b7e65006278a9cdf87aeb4a29a7d95b12731481d15fd8b6813345cf390c9"
    )


def test_the_root_of_no_ticket_is_the_hash_of_nothing() -> None:
    assert tickets_root([], 17) == hashlib.sha256(b"").hexdigest()


def test_five_hashes_split_into_four_and_one() -> None:
    hashes = [bytes([number]) * 32 for number in range(5)]

    assert tree(hashes) == hashlib.sha256(b"\x01" + tree(hashes[:4]) + hashes[4]).digest()
