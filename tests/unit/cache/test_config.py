import pytest

from services.cache.config import CacheConfig
from services.chassis.config import ConfigError, describe, read


@pytest.mark.parametrize(
    "url",
    [
        "",
        "redis://127.0.0.1:6379/0",
        "redis://:password@redis:6379",
        "rediss://user:password@cache.example:6380/1",
        "unix:///run/redis.sock",
        "redis://[::1]:6379/0",
        "redis://:a,b@one:7000,redis://:a,b@two:7000",
    ],
)
def test_an_address_of_redis_is_taken(url: str) -> None:
    assert read(CacheConfig, {"REDIS_URL": url}).redis_url == url


@pytest.mark.parametrize(
    "url", ["127.0.0.1:6379", "http://redis:6379", "redis://", "redis://host:port", "unix://", "redis://h,http://h"]
)
def test_what_is_no_address_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(CacheConfig, {"REDIS_URL": url})
    (error,) = refused.value.errors
    assert error == "REDIS_URL is no address that begins with redis://, rediss://, unix://"


def test_the_address_is_a_secret() -> None:
    assert describe(read(CacheConfig, {"REDIS_URL": "redis://:hidden@h"}))["REDIS_URL"] == "***"


@pytest.mark.parametrize("size", ["0", "-1", "1048575", "lots"])
def test_a_cache_has_a_megabyte_at_least(size: str) -> None:
    with pytest.raises(ConfigError, match="CACHE_BYTES_MAX"):
        read(CacheConfig, {"CACHE_BYTES_MAX": size})
