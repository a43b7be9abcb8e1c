"""Nothing that a test asks over a network has less time than the tests' own patience."""

import ast
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
ASKING = {"get", "post", "put", "patch", "delete", "head", "options", "request", "stream"}


def impatient(code: str) -> Iterator[int]:
    """Lines that ask by httpx2 with its own limit of five seconds."""
    if "httpx2." not in code:
        return
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        by = node.func.value
        if not isinstance(by, ast.Name) or by.id != "httpx2":
            continue
        given = {each.arg for each in node.keywords}
        is_asking = node.func.attr in ASKING | {"Client", "AsyncClient"}
        if is_asking and not given & {"timeout", "transport"}:
            yield node.lineno


def test_every_call_over_a_network_names_its_time() -> None:
    assert list(impatient("httpx2.get(x)\nhttpx2.get(x, timeout=1)\nhttpx2.Client()")) == [1, 3]
    found = [
        f"{path.relative_to(HERE)}:{line}"
        for path in sorted(HERE.rglob("*.py"))
        for line in impatient(path.read_text(encoding="utf-8"))
    ]
    assert not found, "write timeout=PATIENCE"
