"""How the code hangs together, and what never stands in it."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
MADE = {"__pycache__", "instance", "node_modules", "build", "dist"}
FOR_BUILDERS = {"styleguide.html", "reference.html"}
"""English only: for those who make pages and programs."""
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "templates").rglob("*.html")
    if "email" not in path.parts and path.name not in FOR_BUILDERS
)
NAMES_OF_PRODUCTS = {"Google", "Outlook.com"}


def files(*endings: str) -> Iterator[Path]:
    """The files of the project, without what is made from them."""
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") and part != ".ci" for part in parts)
        wanted = not endings or path.suffix in endings
        if wanted and path.is_file() and not hidden and not MADE & set(parts):
            yield path


def calls_of(name: str, path: Path) -> int:
    """How often a method of that name is called."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return sum(
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == name
        for call in ast.walk(tree)
    )


def test_one_place_commits() -> None:
    committing = {
        path.relative_to(ROOT).as_posix(): calls_of("commit", path)
        for path in (ROOT / "booking").rglob("*.py")
    }

    assert {name: count for name, count in committing.items() if count} == {
        "booking/models/database.py": 1
    }


def test_the_layers_hold() -> None:
    command = Path(sys.executable).parent / "lint-imports"

    done = subprocess.run(
        [command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout


def test_nothing_is_left_to_do() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    texts = files(".py", ".html", ".txt", ".css", ".js", ".toml", ".md", ".sh", ".mako", ".ini")

    found = [
        path.name
        for path in texts
        if path != Path(__file__) and marks.search(path.read_text(encoding="utf-8"))
    ]

    assert found == []


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_package_is_pinned_with_its_hashes(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]

    loose = [line for line in lines if not re.match(r"[\w.\[\]-]+==\S+ .*--hash=sha256:", line)]

    assert lines
    assert loose == []


def test_no_registry_is_named() -> None:
    """Where packages come from is the installation's business."""
    hosts = [".".join(each) for each in (("pypi", "org"), ("pythonhosted", "org"))]
    hosts += [".".join(each) for each in (("npmjs", "org"), ("npmjs", "com"), ("unpkg", "com"))]

    named = [
        path.name
        for path in files()
        for host in hosts
        if host.encode() in path.read_bytes() and path.suffix not in (".pyc", ".db")
    ]

    assert named == []


@pytest.mark.parametrize("name", PAGES)
def test_every_word_of_a_page_can_be_translated(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    text = text.replace("{% block body_class %}staff{% endblock %}", "")
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", text, flags=re.DOTALL)

    attributes = re.findall(r'(?:aria-label|title|alt|placeholder)="([^"]*)"', text)
    between = re.sub(r"<[^>]*>|[\w-]+=\"[^\"]*\"", "\n", text).split("\n")
    words = {each.strip() for each in (*between, *attributes) if re.search(r"[A-Za-z]{2}", each)}

    assert words - NAMES_OF_PRODUCTS == set()


def test_no_function_is_as_long_as_a_chapter() -> None:
    lengths = {
        f"{path.name}:{node.name}": (node.end_lineno or 0) - node.lineno
        for path in (ROOT / "booking").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }

    assert {name: length for name, length in lengths.items() if length > 60} == {}
