import pytest
from furlong.client.near.key import KEY_BYTES_MAX, KeyBuilder


async def track(name: str, page: int | str = 1, raw: bytes | None = None) -> None: ...


build = KeyBuilder(track)
NAME = f"{__name__}.track"


@pytest.mark.parametrize(
    ("args", "kwargs", "arguments"),
    [
        (("harbour-mile",), {}, "('harbour-mile', 1, None)"),
        (("harbour-mile", 1), {}, "('harbour-mile', 1, None)"),
        ((), {"page": 1, "name": "harbour-mile"}, "('harbour-mile', 1, None)"),
        (("harbour-mile", "1"), {}, "('harbour-mile', '1', None)"),
        (("harbour-mile", True, b"x"), {}, "('harbour-mile', True, b'x')"),
        (("it's', 1",), {}, "(\"it's', 1\", 1, None)"),
    ],
)
def test_a_key_is_the_name_and_the_arguments(
    args: tuple[object, ...], kwargs: dict[str, object], arguments: str
) -> None:
    assert build(*args, **kwargs) == NAME + arguments
    assert build.quick(*args, **kwargs) == NAME + arguments


@pytest.mark.parametrize("name", ["x" * 1_000, "ü" * 400, "x" * 390 + "\ud800" * 30])
def test_a_long_key_ends_in_a_digest_of_the_whole(name: str) -> None:
    key = build(name)
    assert len(key.encode()) <= KEY_BYTES_MAX
    assert key != build(name + "x")
    assert key == build(name)


def test_a_key_that_is_long_and_fits_stays_as_it_is() -> None:
    name = "x" * 200
    assert build(name) == f"{NAME}('{name}', 1, None)"


@pytest.mark.parametrize(
    ("args", "kwargs", "complaint"),
    [
        ((["a", "list"],), {}, "`name` is a list"),
        (("harbour-mile", 1.5), {}, "`page` is a float"),
        ((), {}, "missing a required argument: 'name'"),
        (("a", 1, None, 4), {}, "too many positional arguments"),
    ],
)
def test_arguments_of_which_no_key_can_be_made_are_refused(
    args: tuple[object, ...], kwargs: dict[str, object], complaint: str
) -> None:
    with pytest.raises(TypeError, match=complaint):
        build(*args, **kwargs)


async def any_number(*names: str) -> None: ...
async def by_name(*, name: str) -> None: ...


@pytest.mark.parametrize("function", [any_number, by_name])
def test_a_function_whose_arguments_have_no_place_needs_keys_of_its_own(function: object) -> None:
    with pytest.raises(ValueError, match="say `key=`"):
        KeyBuilder(function)  # type: ignore[arg-type] # what is wrong is its signature
