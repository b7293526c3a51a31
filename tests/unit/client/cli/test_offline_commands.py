"""Commands that ask no service: ids, tokens, proofs in files, checks of card files."""

import json
import sys
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from furlong.client.cards import shipped_cards
from furlong.client.cli.app import app
from furlong.client.cli.tickets import each_way_line, place_line, win_line
from furlong.client.identity import uuid7_time_ms
from furlong.common.v1.ticket_pb2 import Line
from typer.testing import CliRunner, Result

PROOF: dict[str, Any] = json.loads((Path(__file__).parents[3] / "vectors" / "draw.json").read_text())["draws"][1][
    "proof"
]
COMMANDS = [
    "rounds", "watch", "place", "ticket", "verify", "token", "id",
    "account create", "account credit", "account show", "account payout", "account adjust", "account block",
    "account unblock", "account statement", "cards import", "ticket show", "ticket cancel", "ticket pay", "round void",
    "round enter", "round correct", "track pause", "track suspend", "track resume", "track update", "track show",
    "cards generate", "books",
]  # fmt: skip


def furlong(*arguments: str, data: Path = Path("/nowhere")) -> Result:
    # Nothing answers at port 1: a command that asked a service by mistake would fail.
    return CliRunner().invoke(app, ["--gateway", "localhost:1", "--data", str(data), *arguments])


@pytest.fixture
def key(tmp_path: Path) -> Ed25519PrivateKey:
    made = Ed25519PrivateKey.generate()
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "jwt-private.pem").write_bytes(
        made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_explains_itself(command: str) -> None:
    result = furlong(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_an_id_is_a_fresh_uuid7() -> None:
    first, second = (furlong("id").stdout.strip() for _ in range(2))
    assert first != second
    assert uuid7_time_ms(first) > 0


def test_a_token_carries_what_was_asked_for(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    arguments = ["--role", "PLAYER", "--role", "AUDITOR", "--account", "a-1", "--subject", "till 4", "--ttl-s", "60"]
    result = furlong("token", *arguments, data=tmp_path)
    assert result.exit_code == 0
    bearer = result.stdout.strip()
    claims = jwt.decode(bearer, key.public_key(), algorithms=["EdDSA"], audience="furlong", issuer="furlong")
    assert (claims["sub"], claims["roles"], claims["accounts"]) == ("till 4", ["PLAYER", "AUDITOR"], ["a-1"])
    assert claims["exp"] - claims["nbf"] == 120
    assert jwt.get_unverified_header(bearer)["alg"] == "EdDSA"


def test_a_token_is_for_everything_unless_asked(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    bearer = furlong("token", data=tmp_path).stdout.strip()
    claims = jwt.decode(bearer, key.public_key(), algorithms=["EdDSA"], audience="furlong")
    assert (claims["roles"], claims["accounts"]) == (["PLAYER", "CASHIER", "OPERATOR", "AUDITOR"], ["*"])


def test_a_token_names_its_key_by_the_thumbprint(tmp_path: Path) -> None:
    # The key and thumbprint of RFC 8037, appendix A.
    (tmp_path / "keys").mkdir()
    secret = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    private = Ed25519PrivateKey.from_private_bytes(secret)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "keys" / "jwt-private.pem").write_bytes(pem)
    header = jwt.get_unverified_header(furlong("token", data=tmp_path).stdout.strip())
    assert header["kid"] == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize(
    ("content", "told"), [(None, "there is no signing key"), (b"no key", "cannot be read"), (b"", "cannot be read")]
)
def test_a_signing_key_that_is_not_there_is_told_in_one_line(tmp_path: Path, content: bytes | None, told: str) -> None:
    (tmp_path / "keys").mkdir()
    if content is not None:
        (tmp_path / "keys" / "jwt-private.pem").write_bytes(content)
    result = furlong("token", data=tmp_path)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert told in result.stderr


def test_a_missing_pyjwt_is_told_with_the_way_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def blocked(name: str, *_: object) -> None:
        if name == "jwt":
            raise ModuleNotFoundError("No module named 'jwt'", name="jwt")

    class Finder:
        find_spec = staticmethod(blocked)

    monkeypatch.delitem(sys.modules, "jwt")
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    result = furlong("token", data=tmp_path)
    assert (result.exit_code, result.stderr) == (2, "furlong: signing a token needs jwt: pip install 'pyjwt[crypto]'\n")


READ = {Line.WIN: win_line, Line.PLACE: place_line, Line.EACH_WAY: each_way_line}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("3:500", Line(market=Line.WIN, runners=[3], stake_minor=500)),
        ("12:1@235", Line(market=Line.WIN, runners=[12], stake_minor=1, price_hundredths=235)),
        ("4:20", Line(market=Line.PLACE, runners=[4], stake_minor=20)),
        ("4:20@313", Line(market=Line.EACH_WAY, runners=[4], stake_minor=20, price_hundredths=313)),
        ("3:0", Line(market=Line.WIN, runners=[3], stake_minor=0)),
    ],
)
def test_a_line_is_read_from_its_short_form(text: str, line: Line) -> None:
    assert READ[line.market](text) == line


@pytest.mark.parametrize("text", ["3", "3:", ":500", "3:-5", "3:5.00", "3:500@2.35", "x:5", "123:5", "3:5:6", "٣:5"])
def test_a_line_that_cannot_be_read_is_a_mistake_in_the_command(text: str) -> None:
    result = furlong("place", "harbour-mile", "--account", "a", "--win", text)
    assert result.exit_code == 2
    assert "RUNNER:STAKE_MINOR" in result.stderr


def test_a_ticket_without_a_line_is_a_mistake_in_the_command() -> None:
    result = furlong("place", "harbour-mile", "--account", "a")
    assert result.exit_code == 2
    assert "--each-way" in result.stderr


class TestVerify:
    def test_a_true_proof_in_a_file_is_proven(self, tmp_path: Path) -> None:
        file = tmp_path / "proof.json"
        file.write_text(json.dumps({"proof": PROOF}))
        result = furlong("verify", "--file", str(file), "--commitment", PROOF["commitment"])
        assert result.exit_code == 0
        assert result.stdout.count("✓") == 4
        assert "proven" in result.stdout
        assert "operator-trusted" in result.stdout

    def test_a_bent_proof_is_refuted_at_its_step(self, tmp_path: Path) -> None:
        file = tmp_path / "proof.json"
        file.write_text(json.dumps({**PROOF, "server_seed": "ab" * 32}))
        result = furlong("verify", "--file", str(file))
        assert result.exit_code == 1
        assert (result.stdout.count("✓"), result.stdout.count("✗ committed")) == (1, 1)
        assert "refuted" in result.stdout

    @pytest.mark.parametrize("content", [None, b"{", b"\xff", b"[]"])
    def test_a_file_that_is_no_proof_is_an_error(self, tmp_path: Path, content: bytes | None) -> None:
        file = tmp_path / "proof.json"
        if content is not None:
            file.write_bytes(content)
        result = furlong("verify", "--file", str(file))
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)

    @pytest.mark.parametrize("arguments", [[], ["17", "--file", "x"], ["harbour-mile", "--file", "x"]])
    def test_it_wants_a_round_a_track_or_a_file(self, arguments: list[str]) -> None:
        assert furlong("verify", *arguments).exit_code == 2


class TestCardsDryRun:
    def run(self, tmp_path: Path, content: bytes, *more: str) -> Result:
        file = tmp_path / "cards.csv"
        file.write_bytes(content)
        return furlong("cards", "import", str(file), "--track", "harbour-mile", "--dry-run", *more)

    def test_a_good_file_is_summed_up(self, tmp_path: Path) -> None:
        result = self.run(tmp_path, shipped_cards())
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout == "12 races with 113 runners, 0 withdrawn runners left out; nothing was sent\n"

    def test_a_withdrawn_runner_is_named_and_left_out(self, tmp_path: Path) -> None:
        content = shipped_cards().replace(b"42,FINISHED", b",WITHDRAWN", 1)
        result = self.run(tmp_path, content)
        assert result.exit_code == 0
        assert "cards.csv: line 4, column status: runner 3 (Quiet Thunder)" in result.stderr
        assert "1 withdrawn runners left out" in result.stdout

    def test_a_withdrawn_runner_refuses_the_file_where_that_is_wanted(self, tmp_path: Path) -> None:
        result = self.run(tmp_path, shipped_cards().replace(b"42,FINISHED", b",WITHDRAWN", 1), "--strict")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "line 4, column status" in result.stderr
        assert "is refused for 1 withdrawn runners: nothing was imported" in result.stderr

    def test_mistakes_are_named_by_line_and_column_and_nothing_is_imported(self, tmp_path: Path) -> None:
        result = self.run(tmp_path, shipped_cards().replace(b",78,", b",-78,").replace(b",99,", b",,"))
        assert (result.exit_code, result.stdout) == (1, "")
        first, second, last = result.stderr.splitlines()
        assert "cards.csv: line 2, column win_odds: '-78'" in first
        assert "cards.csv: line 3, column win_odds: empty" in second
        assert last.endswith("is refused for 2 mistakes: nothing was imported")

    def test_a_missing_file_is_an_error_in_one_line(self, tmp_path: Path) -> None:
        result = furlong("cards", "import", str(tmp_path / "none.csv"), "--track", "harbour-mile")
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert "No such file or directory" in result.stderr


def test_invented_races_are_printed_as_a_card_file(tmp_path: Path) -> None:
    options = ("--seed", "spring", "--races", "2", "--date", "2027-02-28")
    first, second = (furlong("cards", "generate", *options) for _ in range(2))
    assert (first.exit_code, first.stdout) == (0, second.stdout)
    file = tmp_path / "made.csv"
    file.write_text(first.stdout, encoding="utf-8")
    checked = furlong("cards", "import", str(file), "--track", "t", "--dry-run")
    assert checked.exit_code == 0
    assert checked.stdout.startswith("2 races with")


def test_a_token_is_bound_to_a_terminal_when_one_is_named(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    bound, free = (
        jwt.decode(furlong("token", *more, data=tmp_path).stdout.strip(), options={"verify_signature": False})
        for more in (("--terminal", "till-3"), ())
    )
    assert (bound["terminal"], free.get("terminal")) == ("till-3", None)
