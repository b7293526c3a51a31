"""The probe tells by its exit status whether a server is well, and in words why it is not."""

import asyncio
import sys
from pathlib import Path

import pytest

from deploy.local.ports import free_port
from services.chassis.probe import main
from tests.served import config, host_rounds, serving


async def probe(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = await asyncio.to_thread(main, list(arguments))
    return status, capsys.readouterr().err


async def test_each_question_has_its_answer(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(host_rounds(), settings=config(health_port=free_port())) as served:
        port = str(served.server.health_port)
        assert await probe(port, capsys=capsys) == (0, "")
        assert await probe(port, "liveness", capsys=capsys) == (0, "")
        served.ready[0] = False
        assert await probe(port, "liveness", capsys=capsys) == (0, "")
        assert await probe(port, "readiness", capsys=capsys) == (1, f"port {port}: readiness is NOT_SERVING\n")


async def test_nobody_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    port = str(free_port())
    assert await probe(port, capsys=capsys) == (1, f"port {port}: [Errno 111] Connection refused\n")


async def test_something_else_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4_096)
        writer.write(b"hello\n")
        writer.close()

    other = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = str(other.sockets[0].getsockname()[1])
    async with other:
        status, words = await probe(port, capsys=capsys)
        assert (status, words) == (1, f"port {port}: readiness is answered with an error\n")
        assert (await probe(port, "pages", capsys=capsys))[0] == 1


@pytest.mark.parametrize("arguments", [(), ("port",), ("1", "wellness"), ("1", "liveness", "2")])
async def test_what_cannot_be_asked_is_told(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    status, words = await probe(*arguments, capsys=capsys)
    assert status == 1
    assert words.startswith("usage: ")


async def test_a_server_without_a_health_port_answers_at_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(host_rounds()) as served:
        assert served.server.health_port == 0
        assert await probe(str(served.server.port), capsys=capsys) == (0, "")


async def test_the_probe_imports_little() -> None:
    root = Path(__file__).parents[3]
    told = "import sys, services.chassis.probe; print(any(m in sys.modules for m in ('grpc', 'asyncio', 'google')))"
    asked = await asyncio.create_subprocess_exec(
        sys.executable, "-c", told, cwd=root, stdout=asyncio.subprocess.PIPE, env={"PYTHONPATH": str(root)}
    )
    answered, _ = await asked.communicate()
    assert answered == b"False\n"
