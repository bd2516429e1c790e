"""Who may import whom, and what is forbidden where: read from the source, not believed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import streams
from schemas.topics import ALL, LEAD_AGENT_WRITES
from tests.worlds import ROOT

LAYERS = {"schemas": set(), "streams": {"schemas"}, "agents": {"schemas", "streams"}}
OURS = {"schemas", "streams", "agents", "deploy", "tests"}
PURE_THIRD_PARTY = {"pydantic", "numpy", "msgspec", "holidays", "phonenumbers"}
IMPURE = {
    "asyncio", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "socket", "subprocess", "sys",
    "tempfile",
    "threading", "time", "urllib", "warnings",
}  # fmt: skip
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "__import__"}
IMPURE_ATTRIBUTES = {"now", "utcnow", "today", "uuid1", "uuid4"}
LONGEST = 300


def _files(layer: str) -> list[Path]:
    return sorted((ROOT / layer).rglob("*.py"))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_go_one_way(layer: str) -> None:
    """schemas <- streams <- agents; nobody imports deploy or tests."""
    allowed = LAYERS[layer] | {layer}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in _files(layer)
        for name in _imports(path)
        if name.split(".")[0] in OURS - allowed
    ]
    assert wrong == []


def test_deploy_imports_no_streams() -> None:
    """What deploys knows the nouns and the settings, not the conclusions."""
    wrong = [
        f"{p.relative_to(ROOT)} imports {n}"
        for p in _files("deploy")
        for n in _imports(p)
        if n.split(".")[0] in {"streams", "tests"}
    ]
    assert wrong == []


@pytest.mark.parametrize("path", _files("streams"), ids=lambda p: p.name)
def test_streams_are_pure(path: Path) -> None:
    """No clock, chance, threads, files or network; only the standard library, pydantic, numpy, msgspec and pinned data; no async."""
    for name in _imports(path):
        top = name.split(".")[0]
        assert top in sys.stdlib_module_names | PURE_THIRD_PARTY | {"schemas", "streams"}, f"imports {name}"
        assert top not in IMPURE, f"imports {name}"
        assert name != "numpy.random"
    for node in ast.walk(ast.parse(path.read_text())):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith | ast.Global)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in IMPURE_CALLS, f"line {node.lineno} calls {node.func.id}"
        if isinstance(node, ast.Attribute):
            clock = isinstance(node.value, ast.Name) and node.value.id in {"datetime", "date", "uuid"}
            assert not (clock and node.attr in IMPURE_ATTRIBUTES), f"line {node.lineno} uses {ast.unparse(node)}"


def test_the_fold_is_light_to_import() -> None:
    """No LightGBM, no broker client, no web server: a worker without a model does not pay for one."""
    heavy = (
        "lightgbm",
        "scipy",
        "sklearn",
        "pandas",
        "faust",
        "aiokafka",
        "redis",
        "aiohttp",
        "phonenumbers",
        "holidays",
    )
    code = f"import sys, streams.lead, streams.replay; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_each_topic_has_one_writer() -> None:
    """One name says who; what the lead agent writes is what its list says, and the fold writes nothing else."""
    assert Counter(t.name for t in ALL).most_common(1)[0][1] == 1
    for topic in ALL:
        assert topic.writer
        assert topic.meaning
    by_lead_agent = {t.name for t in ALL if t.writer == "lead agent"}
    assert by_lead_agent == {t.name for t in LEAD_AGENT_WRITES} | {"lead.state"}
    named = {
        node.attr
        for path in _files("streams")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "topics"
    }
    assert named <= {"ASSESSMENTS", "DECISIONS", "ESCALATIONS", "OUTCOMES", "SUPPRESSIONS", "INTERVENTIONS", "Topic"}


def test_only_topics_py_names_a_topic() -> None:
    """A topic's name as a text anywhere else would drift."""
    names = {t.name for t in ALL}
    for path in [*_files("streams"), *_files("agents"), *_files("schemas")]:
        if path.name == "topics.py" and path.parent.name == "schemas":
            continue
        texts = {
            n.value
            for n in ast.walk(ast.parse(path.read_text()))
            if isinstance(n, ast.Constant) and isinstance(n.value, str)
        }
        assert not texts & (names - {"escalations", "policies"}), f"{path.relative_to(ROOT)}: {texts & names}"


def test_the_table_of_contents_names_every_file_of_streams() -> None:
    """A newcomer finds each rule of the business from `streams/__init__.py`."""
    contents = streams.__doc__ or ""
    words = set(contents.replace(",", " ").replace(";", " ").replace(":", " ").split())
    missing = {p.stem for p in _files("streams")} - words - {"__init__"}
    assert not missing, f"add to the docstring of streams/__init__.py: {sorted(missing)}"


@pytest.mark.parametrize("layer", LAYERS)
def test_no_file_is_too_long(layer: str) -> None:
    """120 lines is the aim, 300 the end."""
    lengths = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in _files(layer)}
    assert {name: n for name, n in lengths.items() if n > LONGEST} == {}


@pytest.mark.parametrize("layer", LAYERS)
def test_everything_public_has_a_docstring(layer: str) -> None:
    """Modules, classes and functions whose name has no underscore in front."""
    bare: list[str] = []
    for path in _files(layer):
        tree = ast.parse(path.read_text())
        if ast.get_docstring(tree) is None:
            bare.append(str(path.relative_to(ROOT)))
        bare += [f"{path.relative_to(ROOT)}: {name}" for name in _bare(tree)]
    assert bare == []


def _bare(scope: ast.Module | ast.ClassDef) -> Iterator[str]:
    for node in scope.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            overload = any("overload" in ast.dump(d) or "setter" in ast.dump(d) for d in node.decorator_list)
            if ast.get_docstring(node) is None and not overload:
                yield node.name
            if isinstance(node, ast.ClassDef):
                yield from (f"{node.name}.{inner}" for inner in _bare(node))
