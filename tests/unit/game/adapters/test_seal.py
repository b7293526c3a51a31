"""A sealed seed opens with its own key, in its own round, and nowhere else."""

from pathlib import Path

import pytest

from services.game.adapters.seal import AesGcmSeal, KeyUnusable, read_keys
from services.game.ports import SeedLost
from tests.fakes.seeded_chance import SeededChance

KEY = bytes(range(32))
OTHER = bytes(range(32, 64))
SEED = b"s" * 32


@pytest.fixture
def seal() -> AesGcmSeal:
    return AesGcmSeal([KEY], SeededChance())


def test_a_sealed_seed_is_opened_again(seal: AesGcmSeal) -> None:
    sealed = seal.seal(seed=SEED, track="t", commitment="ab")

    assert seal.unseal(sealed_seed=sealed, track="t", commitment="ab") == SEED
    assert SEED not in sealed
    assert len(sealed) <= 256


def test_the_same_seed_is_never_sealed_the_same_way_twice(seal: AesGcmSeal) -> None:
    assert seal.seal(seed=SEED, track="t", commitment="ab") != seal.seal(seed=SEED, track="t", commitment="ab")


@pytest.mark.parametrize(
    ("key", "track", "commitment"), [(bytes(32), "t", "ab"), (KEY, "u", "ab"), (KEY, "t", "cd"), (KEY, "t|ab", "")]
)
def test_with_another_key_track_or_commitment_it_is_lost(
    seal: AesGcmSeal, key: bytes, track: str, commitment: str
) -> None:
    sealed = seal.seal(seed=SEED, track="t", commitment="ab")

    with pytest.raises(SeedLost):
        AesGcmSeal([key], SeededChance()).unseal(sealed_seed=sealed, track=track, commitment=commitment)


@pytest.mark.parametrize("place", [0, 1, 12, 13, 40, -1])
def test_one_changed_byte_loses_it(seal: AesGcmSeal, place: int) -> None:
    sealed = bytearray(seal.seal(seed=SEED, track="t", commitment="ab"))
    sealed[place] ^= 1

    with pytest.raises(SeedLost):
        seal.unseal(sealed_seed=bytes(sealed), track="t", commitment="ab")


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" + b"n" * 12, b"\x02" + b"n" * 60])
def test_what_was_never_sealed_is_lost(seal: AesGcmSeal, sealed: bytes) -> None:
    with pytest.raises(SeedLost):
        seal.unseal(sealed_seed=sealed, track="t", commitment="ab")


def test_a_key_is_read_from_hex(tmp_path: Path) -> None:
    file = tmp_path / "seed.key"
    file.write_text(KEY.hex() + "\n")

    assert read_keys(file) == [KEY]


def test_several_keys_are_read_a_line_each(tmp_path: Path) -> None:
    file = tmp_path / "seed.key"
    file.write_text(f"{OTHER.hex()}\n{KEY.hex()}\n")

    assert read_keys(file) == [OTHER, KEY]


def test_a_key_is_replaced_while_what_it_sealed_is_still_needed() -> None:
    def sealing_under(*keys: bytes) -> AesGcmSeal:
        return AesGcmSeal(keys, SeededChance())

    def opens(seal: AesGcmSeal, sealed: bytes) -> bool:
        try:
            return seal.unseal(sealed_seed=sealed, track="t", commitment="ab") == SEED
        except SeedLost:
            return False

    before, known, first, after = (
        sealing_under(KEY),
        sealing_under(KEY, OTHER),
        sealing_under(OTHER, KEY),
        sealing_under(OTHER),
    )
    of_old, of_new = (seal.seal(seed=SEED, track="t", commitment="ab") for seal in (known, first))

    # Neighbours of a step open what the other seals, so replicas may take the step one after the other.
    assert [opens(seal, of_old) for seal in (before, known, first, after)] == [True, True, True, False]
    assert [opens(seal, of_new) for seal in (before, known, first, after)] == [False, True, True, True]


@pytest.mark.parametrize("text", ["", "\n\n", "zz", "00" * 31, "00" * 33, "\u00e9", KEY.hex() + "\n" + "00" * 31])
def test_a_file_without_a_key_is_named_and_not_shown(tmp_path: Path, text: str) -> None:
    file = tmp_path / "seed.key"
    file.write_text(text)

    with pytest.raises(KeyUnusable, match=r"seed\.key") as told:
        read_keys(file)
    assert not text.strip() or text.strip() not in str(told.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="nowhere"):
        read_keys(tmp_path / "nowhere")
