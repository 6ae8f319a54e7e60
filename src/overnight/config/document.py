"""A YAML file that people write: read with its line numbers, so that errors can name them."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from overnight.errors import ConfigError

YamlPath = tuple[int | str, ...]


def read_document(file: Path, holds: str) -> CommentedMap:
    """The keys and values of a file; `holds` says what it should hold. Raises ConfigError."""
    try:
        tree = YAML(typ="rt", pure=True).load(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError("no such file", file=file) from None
    except IsADirectoryError:
        raise ConfigError("this is a folder, not a file", file=file) from None
    except UnicodeDecodeError:
        text = file.suffix.lower() in (".yaml", ".yml", ".txt")
        said = "this is not UTF-8; save it as UTF-8" if text else "no YAML file; is it the data?"
        raise ConfigError(said, file=file) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=file) from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ConfigError(f"not valid YAML: {_problem(error)}", file=file, line=line) from None
    except YAMLError as error:
        raise ConfigError(f"not valid YAML: {str(error).splitlines()[0]}", file=file) from None
    except (ValueError, RecursionError) as error:  # the 31st of February; a thousand brackets
        raise ConfigError(f"not valid YAML: {error}", file=file) from None
    if not isinstance(tree, CommentedMap):
        raise ConfigError(holds, file=file)
    return tree


def _problem(error: MarkedYAMLError) -> str:
    said = str(error.problem)
    if "'\\t'" in said:
        return "a tab; YAML is indented with blanks"
    if isinstance(error, DuplicateKeyError):
        return said.partition(" with value ")[0]  # which might be anything
    return said


def line_of(tree: Any, path: YamlPath) -> int | None:  # noqa: ANN401 - a YAML node
    """The line of the deepest part of `path` that the file has; 1-based."""
    line = None
    for part in path:
        if isinstance(tree, CommentedMap) and part in tree:
            line = tree.lc.key(part)[0] + 1
        elif isinstance(tree, CommentedSeq) and isinstance(part, int) and part < len(tree):
            line = tree.lc.item(part)[0] + 1
        else:
            break
        tree = tree[part]
    return line


def dotted(path: YamlPath) -> str:
    """The name of a place in a file: model.headers.X-Team."""
    return ".".join(str(part) for part in path)
