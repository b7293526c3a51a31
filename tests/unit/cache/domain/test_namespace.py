from services.cache.domain.bounds import ANSWER_VALUE_BYTES_MAX, VALUE_BYTES_MAX
from services.cache.domain.namespace import NAMESPACES


def test_every_namespace_keeps_its_entries_for_a_while_and_within_bounds() -> None:
    for name, namespace in NAMESPACES.items():
        assert namespace.name == name
        assert namespace.ttl_ms > 0
        assert namespace.stale_ms >= 0
        assert 0 < namespace.value_bytes_max <= VALUE_BYTES_MAX < ANSWER_VALUE_BYTES_MAX


def test_a_name_can_stand_in_a_key_of_redis() -> None:
    assert all(name.replace("-", "").isalpha() and name.islower() for name in NAMESPACES)
