"""Facts about the source tree that no linter knows. Each failure says what to do."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MONEY_DOMAINS = sorted(
    path for service in ("game", "persist") for path in (ROOT / f"services/{service}/domain").glob("*.py")
)
CLOCKS = frozenset(("now", "utcnow", "today"))


@pytest.mark.parametrize("path", MONEY_DOMAINS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_float_touches_money_price_or_chance(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        is_float = (
            (isinstance(node, ast.Name) and node.id == "float")
            or (isinstance(node, ast.Constant) and isinstance(node.value, float))
            or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div))
        )
        assert not is_float, f"{path}:{getattr(node, 'lineno', 0)}: use integers, or fractions with // and a remainder"


@pytest.mark.parametrize("path", MONEY_DOMAINS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_domain_reads_no_clock(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        reads = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS
        assert not reads, f"{path}:{getattr(node, 'lineno', 0)}: take the time as an argument"


def test_furlong_is_a_namespace_over_two_roots() -> None:
    for root in ("gen", "client"):
        assert not (ROOT / root / "furlong" / "__init__.py").exists(), f"delete {root}/furlong/__init__.py"


@pytest.mark.parametrize("lock", ["run.lock", "dev.lock", "images.lock"])
def test_a_lock_has_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text()
    pinned = re.findall(r"^[a-z0-9][a-z0-9._-]*==\S+ \\$", text, flags=re.MULTILINE)
    bare = re.findall(r"^[a-z0-9][a-z0-9._-]*==\S+$", text, flags=re.MULTILINE)
    assert pinned, "the lock is empty"
    assert not bare, f"no hash for {bare}: lock again as CONTRIBUTING.md says"
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text


def test_every_link_of_the_documents_leads_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)} -> {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert not broken
