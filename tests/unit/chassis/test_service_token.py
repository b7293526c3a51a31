"""The token towards other services is renewed while the service runs."""

from pathlib import Path

from services.chassis.service_token import READ_AGAIN_S, ServiceToken
from tests.clocks import ManualClock


def test_a_renewed_token_is_used_soon(tmp_path: Path) -> None:
    clock = ManualClock()
    file = tmp_path / "service.token"
    file.write_text("first\n")
    token = ServiceToken(file, clock)
    assert token() == "first"

    file.write_text("second\n")
    assert token() == "first"
    clock.advance_ms(round(READ_AGAIN_S * 1_000))
    assert token() == "second"


def test_the_last_token_stays_while_the_file_cannot_be_read(tmp_path: Path) -> None:
    clock = ManualClock()
    file = tmp_path / "service.token"
    file.write_text("first\n")
    token = ServiceToken(file, clock)
    token()

    file.unlink()
    clock.advance_ms(round(READ_AGAIN_S * 1_000))
    assert token() == "first"


def test_without_a_file_there_is_no_token() -> None:
    assert ServiceToken(None, ManualClock())() is None
