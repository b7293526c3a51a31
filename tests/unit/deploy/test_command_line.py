"""What the command line of the local stack reads, and what it refuses."""

import signal
from pathlib import Path

import pytest

from deploy.local.__main__ import main
from deploy.local.settings import SettingRefused, read_settings


def test_without_variables_the_stack_is_the_usual_one() -> None:
    settings = read_settings({})

    assert settings.gateway_port == 8080
    assert settings.data_dir == Path(".furlong")
    assert settings.database_url is None
    assert settings.redis_url is None
    assert settings.replicas == 1
    assert settings.auth == "on"
    assert settings.otlp_endpoint == ""


def test_every_variable_is_read() -> None:
    settings = read_settings(
        {
            "GATEWAY_PORT": "9000",
            "REPLICAS": "2",
            "DATABASE_URL": "postgresql://db/furlong",
            "REDIS_URL": "redis://cache/0",
            "FURLONG_DATA": "/elsewhere",
            "FURLONG_AUTH": "off",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317",
            "OTEL_TRACES_SAMPLER_ARG": "1",
        }
    )

    assert settings.gateway_port == 9000
    assert settings.replicas == 2
    assert settings.database_url == "postgresql://db/furlong"
    assert settings.redis_url == "redis://cache/0"
    assert settings.data_dir == Path("/elsewhere")
    assert settings.auth == "off"
    assert settings.otlp_endpoint == "http://127.0.0.1:4317"
    assert settings.trace_sample_ratio == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEWAY_PORT", "http"),
        ("GATEWAY_PORT", "0"),
        ("GATEWAY_PORT", "65536"),
        ("REPLICAS", "0"),
        ("REPLICAS", "9"),
        ("REPLICAS", "two"),
        ("FURLONG_AUTH", "maybe"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
        ("OTEL_TRACES_SAMPLER_ARG", "all"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_TRACES_SAMPLER_ARG", "nan"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingRefused, match=name):
        read_settings({name: value})


def test_ending_what_does_not_run_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["down"], {"FURLONG_DATA": str(tmp_path)}) == 0
    assert "no stack runs" in capsys.readouterr().out


def test_the_status_of_what_does_not_run_is_told_by_the_exit_code(tmp_path: Path) -> None:
    assert main(["status"], {"FURLONG_DATA": str(tmp_path)}) == 3


def test_an_unknown_word_shows_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sideways"], {}) == 2
    assert "up | down | status" in capsys.readouterr().err


def test_signals_are_as_before_when_nothing_was_run() -> None:
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
