"""The glossary gives each idea one name, and messages keep to it."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCE = ROOT / "src" / "overnight"
SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|FROM|WHERE)\b")


def glossary() -> dict[str, list[str]]:
    """Each word, with those that are not used for it."""
    page = (ROOT / "docs/reference/words.md").read_text()
    rows = [row.strip("| ").split(" | ") for row in re.findall(r"^\| .+ \|$", page, re.MULTILINE)]
    assert all(len(row) == 4 for row in rows)
    return {row[0]: row[3].split(", ") for row in rows if row[0] != "word"}


def is_command(node: ast.AST) -> bool:
    """Whether a docstring is the help of a command."""
    return any("command" in ast.dump(one) for one in getattr(node, "decorator_list", ()))


@cache
def messages(file: Path) -> list[str]:
    """What a file may say to people: texts of several words, and the help of commands."""
    tree, docstrings = ast.parse(file.read_text()), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and not is_command(node):
                docstrings.add(first.value)
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    said = [t.value for t in texts if isinstance(t.value, str) and t not in docstrings]
    return [text for text in said if " " in text and not SQL.search(text)]


def test_no_word_has_two_meanings_and_no_other_word_is_one_of_ours():
    words = glossary()
    others = [other for row in words.values() for other in row]
    assert len(others) == len(set(others))
    assert not set(words) & set(others)


@pytest.mark.parametrize("word", glossary())
def test_messages_use_the_word_of_the_glossary(word):
    others = "|".join(map(re.escape, glossary()[word]))
    other = re.compile(rf"(?<![\w-])(?:{others})s?(?![\w-])", re.IGNORECASE)
    files = [file for file in SOURCE.rglob("*.py") if "testing" not in file.parts]
    assert not [
        f"{file.relative_to(ROOT)}: {text!r} says {found[0]!r}; the word is {word!r}"
        for file in sorted(files)
        for text in messages(file)
        if (found := other.search(text))
    ]
