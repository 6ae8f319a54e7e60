"""`${VAR}`: taken from the environment when a run starts, stored as it was written."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

_PASSWORD = re.compile(r"""(://[^\s/?#@:"'<>]*:)[^\s/?#"'<>]+@""")
_VARIABLE = re.compile(r"\$(\$)?\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SHORTEST_SECRET = 4  # hiding "1" wherever it stands would hide everything


class Unset(Exception):
    """A variable that the file names is not in the environment."""

    def __init__(self, name: str, path: tuple[int | str, ...]) -> None:
        super().__init__(name)
        self.name, self.path = name, path


def expand(
    tree: Any,  # noqa: ANN401 - any YAML value
    environ: Mapping[str, str],
    on_value: Callable[[str], None] = lambda _: None,
    path: tuple[int | str, ...] = (),
) -> Any:  # noqa: ANN401
    """`tree` with every `${VAR}` in its texts replaced; `$${VAR}` is a literal `${VAR}`.

    `on_value` is told each value that was put in. Raises Unset with the path of the text.
    """
    if isinstance(tree, dict):
        return {k: expand(v, environ, on_value, (*path, k)) for k, v in tree.items()}
    if isinstance(tree, list):
        return [expand(v, environ, on_value, (*path, i)) for i, v in enumerate(tree)]
    if not isinstance(tree, str) or "${" not in tree:
        return tree

    def value(match: re.Match[str]) -> str:
        if match[1]:
            return match[0][1:]
        if match[2] not in environ:
            raise Unset(match[2], path)
        on_value(environ[match[2]])
        return environ[match[2]]

    return _VARIABLE.sub(value, tree)


def literal(text: str) -> str:
    """`text` written such that `expand` gives it back as it is."""
    return _VARIABLE.sub(lambda match: f"${match[0]}", text)


class Secrets:
    """Texts that must never be shown: keys, expanded variables, passwords in URLs."""

    def __init__(self) -> None:
        self._texts: set[str] = set()

    def add(self, text: str | None) -> None:
        """Hide `text` from now on."""
        if text and len(text) >= _SHORTEST_SECRET:
            self._texts.add(text)

    def add_url(self, url: str | None) -> None:
        """Hide the password in `url`, if it has one, as written and as it is meant."""
        if url and "@" in url and (password := urlsplit(url).password):
            self.add(password)
            self.add(unquote(password))

    def hide(self, text: str) -> str:
        """`text` with every secret in it, and the password of every URL, shown as ***."""
        for secret in sorted(self._texts, key=len, reverse=True):
            text = text.replace(secret, "***")
        return hide_passwords(text)


def hide_passwords(text: str) -> str:
    """`text` with *** in place of the password of each URL in it."""
    return _PASSWORD.sub(r"\1***@", text)
