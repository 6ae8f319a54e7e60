"""From a YAML file to an experiment's configuration, with errors that name the line."""

import difflib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from overnight.config.expand import Secrets, Unset, expand
from overnight.config.models import ExperimentFile, OutputSection, answer_spec
from overnight.domain.answer import AnswerSpec
from overnight.errors import ConfigError

_PROMPT_FILES = {"system_prompt_file": "system_prompt", "user_template_file": "user_template"}


@dataclass(frozen=True, slots=True)
class Config:
    """An experiment file, read: values to work with, and the form that is stored.

    `stored` is the file as written (variables unexpanded) with the prompts' texts in place
    and the data file's path absolute: enough to go on without the file.
    """

    values: ExperimentFile
    stored: Mapping[str, Any]
    secrets: Secrets
    file: Path | None = None
    base: Path = field(default_factory=Path.cwd)

    @property
    def api_key(self) -> str | None:
        """The key of the model's server, from the environment; None where none is named."""
        name = self.values.model.api_key_env
        if name is None:
            return None
        if not os.environ.get(name):
            raise ConfigError(
                f"the environment has no {name}; set it with: export {name}=...",
                file=self.file or "stored configuration",
                field="model.api_key_env",
            )
        self.secrets.add(os.environ[name])
        return os.environ[name]

    @property
    def stored_json(self) -> str:
        """`stored` as text, the same for the same file."""
        return json.dumps(self.stored, ensure_ascii=False)


def load_config(file: Path | str, environ: Mapping[str, str] | None = None) -> Config:
    """Read an experiment file. Raises ConfigError naming file, line and field."""
    file = Path(file)
    tree = _read_yaml(file)
    base = file.resolve().parent
    stored = _inline_files(json.loads(json.dumps(tree, default=str)), tree, file, base)
    return _validated(stored, tree=tree, file=file, base=base, environ=environ)


def restore_config(
    stored: Mapping[str, Any], base: Path, environ: Mapping[str, str] | None = None
) -> Config:
    """The configuration that an earlier start stored, its variables expanded anew."""
    return _validated(dict(stored), tree=None, file=None, base=base, environ=environ)


def declared_answer(stored: Mapping[str, Any]) -> AnswerSpec:
    """The answer that a stored configuration declares; needs none of its variables."""
    output = stored.get("output")
    return answer_spec(OutputSection.model_validate(output) if output else None)


def resolve_path(name: str | Path, base: Path) -> Path:
    """A path as the user means it: from the configuration's folder, else from where they are."""
    path = Path(name).expanduser()
    if path.is_absolute() or (base / path).exists() or not path.exists():
        return (base / path).absolute()
    return path.absolute()


def _read_yaml(file: Path) -> CommentedMap:
    try:
        tree = YAML(typ="rt", pure=True).load(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError("no such file", file=file) from None
    except IsADirectoryError:
        raise ConfigError("this is a folder, not an experiment file", file=file) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", file=file) from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ConfigError(f"not valid YAML: {error.problem}", file=file, line=line) from None
    except YAMLError as error:
        raise ConfigError(f"not valid YAML: {str(error).splitlines()[0]}", file=file) from None
    if not isinstance(tree, CommentedMap):
        raise ConfigError(
            "an experiment file has the sections experiment, model, prompt, data and run",
            file=file,
        )
    return tree


def _inline_files(
    stored: dict[str, Any], tree: CommentedMap, file: Path, base: Path
) -> dict[str, Any]:
    """Put the texts of prompt files in place and make paths absolute."""
    prompt = stored.get("prompt")
    if isinstance(prompt, dict):
        for key, text_key in _PROMPT_FILES.items():
            if (name := prompt.pop(key, None)) is None:
                continue
            line = _line(tree, ("prompt", key))
            wrong = partial(ConfigError, file=file, line=line, field=f"prompt.{key}")
            if prompt.get(text_key) is not None:
                raise wrong(f"{text_key} is given as well; keep one of the two")
            try:
                prompt[text_key] = resolve_path(str(name), base).read_text(encoding="utf-8-sig")
            except (OSError, UnicodeDecodeError) as error:
                raise wrong(f"{name} cannot be read: {error}") from None
    data = stored.get("data")
    if isinstance(data, dict) and isinstance(data.get("file"), str) and "${" not in data["file"]:
        data["file"] = str(resolve_path(data["file"], base))
    return stored


def _validated(
    stored: dict[str, Any],
    *,
    tree: CommentedMap | None,
    file: Path | None,
    base: Path,
    environ: Mapping[str, str] | None,
) -> Config:
    secrets = Secrets()
    shown = file or "stored configuration"
    try:
        expanded = expand(stored, os.environ if environ is None else environ, secrets.add)
    except Unset as unset:
        raise ConfigError(
            f"the environment has no {unset.name}; set it with: export {unset.name}=...",
            file=shown,
            line=_line(tree, unset.path),
            field=_dotted(unset.path),
        ) from None
    try:
        values = ExperimentFile.model_validate(expanded)
    except ValidationError as error:
        raise _explain(error.errors()[0], shown, tree, secrets) from None
    secrets.add_url(values.model.api_url)
    return Config(values=values, stored=stored, secrets=secrets, file=file, base=base)


def _explain(
    detail: ErrorDetails, file: Path | str, tree: CommentedMap | None, secrets: Secrets
) -> ConfigError:
    """One sentence for the first thing that is wrong."""
    path = tuple(p for p in detail["loc"] if _is_of_file(p))
    if detail["type"] == "extra_forbidden":
        message = "unknown key" + _nearest(path)
    elif detail["type"] == "missing":
        message = "is missing"
    elif detail["type"] == "value_error":
        message = str(detail["ctx"]["error"])
    else:
        got = secrets.hide(repr(detail["input"]))
        message = detail["msg"][:1].lower() + detail["msg"][1:]
        message = f"{message}, not {got}" if len(got) < 60 else message  # noqa: PLR2004 - a line
    return ConfigError(message, file=file, line=_line(tree, path), field=_dotted(path) or None)


def _is_of_file(part: int | str) -> bool:
    """Whether a part of pydantic's location stands in the file (and is no branch of a union)."""
    return not isinstance(part, str) or not (
        part.startswith(("constrained", "literal[", "function-", "list[", "dict["))
        or part in ("int", "str", "float", "bool")
    )


def _known_keys(path: tuple[int | str, ...]) -> list[str]:
    """The keys that may stand beside the last one of `path`."""
    model: type[BaseModel] | None = ExperimentFile
    for part in path[:-1]:
        if model is None or not isinstance(part, str):
            return []
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        nested = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        model = nested[0] if nested else model  # a dict of sections keeps to its section
    return list(model.model_fields) if model else []


def _nearest(path: tuple[int | str, ...]) -> str:
    known = _known_keys(path)
    if path[:1] == ("prompt",):
        known += list(_PROMPT_FILES)
    if not known:
        return ""
    close = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known here: {', '.join(known)}"


def _dotted(path: tuple[int | str, ...]) -> str:
    return ".".join(str(p) for p in path)


def _line(tree: Any, path: tuple[int | str, ...]) -> int | None:  # noqa: ANN401 - a YAML node
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
