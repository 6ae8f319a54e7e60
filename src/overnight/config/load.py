"""From a YAML file to an experiment's configuration, with errors that name the line."""

import contextlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar

from overnight.config.document import YamlPath, dotted, line_of, read_document
from overnight.config.expand import Secrets, Unset, expand
from overnight.config.models import ExperimentFile, SplitSection
from overnight.domain.split import Split
from overnight.errors import ConfigError, did_you_mean

SECTIONS = "an experiment file has the sections experiment, model, prompt, data and run"
_PROMPT_FILES = {"system_prompt_file": "system_prompt", "user_template_file": "user_template"}
_PASSWORD = re.compile(r"\w+://[^/@]*:(?!\$\{)[^/@]+@")
_DATA_SUFFIXES = frozenset((".csv", ".tsv", ".xlsx", ".xls", ".ods", ".jsonl", ".parquet"))
_SECRET = re.compile(r"auth|cookie|key|secret|token", re.IGNORECASE)
_LONGEST_QUOTE = 60  # characters of what was written, in a message


@dataclass(frozen=True, slots=True)
class Config:
    """An experiment file, read: values to work with, and the form that is stored.

    `stored` is the file as written (variables unexpanded) with the prompts' texts in place
    and the data file's path absolute: enough to go on without the file.
    """

    values: ExperimentFile = field(repr=False)
    stored: Mapping[str, Any] = field(repr=False)
    secrets: Secrets = field(repr=False)
    file: Path | None = None
    base: Path = field(default_factory=Path.cwd)

    @property
    def api_key(self) -> str | None:
        """The key of the model's server, from the environment; None where none is named."""
        name = self.values.model.api_key_env
        if name is None:
            return None
        key = os.environ.get(name, "").strip()
        if not key:
            raise ConfigError(
                f"the environment has no {name}; set it with: export {name}=...",
                file=self.file or "stored configuration",
                field="model.api_key_env",
            )
        self.secrets.add(key)
        return key

    def written(self, section: str, key: str) -> str:
        """A text as the file has it, variables unexpanded: what may be kept and shown."""
        return str((self.stored.get(section) or {}).get(key) or "")

    def restored(self, stored: Mapping[str, Any]) -> "Config":
        """What is `stored`, as the same file would have it."""
        return replace(restore_config(stored, self.base), file=self.file)

    def changed(self, section: str, **values: object) -> "Config":
        """The configuration with other values in a section."""
        before = self.stored.get(section) or {}
        return self.restored({**self.stored, section: {**before, **values}})

    @property
    def stored_json(self) -> str:
        """`stored` as text, the same for the same file."""
        return json.dumps(self.stored, ensure_ascii=False)


def load_config(file: Path | str, environ: Mapping[str, str] | None = None) -> Config:
    """Read an experiment file. Raises ConfigError naming file, line and field."""
    file = Path(file)
    base = file.resolve().parent
    _refuse_data(file)
    tree = read_document(file, SECTIONS)
    stored = _plain(tree, tree, file)
    _refuse_written_keys(stored, tree, file)
    _inline_prompts(stored, tree, file, os.environ if environ is None else environ)
    data = stored.get("data")
    if isinstance(data, dict) and isinstance(data.get("file"), str) and "${" not in data["file"]:
        data["file"] = str(resolve_path(data["file"], base))
    return _validated(stored, tree=tree, file=file, base=base, environ=environ)


def _refuse_data(file: Path) -> None:
    """What is typed in the place of an experiment file now and then."""
    if file.suffix.lower() in _DATA_SUFFIXES and file.is_file():
        raise ConfigError(
            "this is a data file: name it as data.file in an experiment file (overnight init DIR "
            "makes some to start from), and type: overnight check STUDY.yaml",
            file=file,
        )


def restore_config(
    stored: Mapping[str, Any], base: Path, environ: Mapping[str, str] | None = None
) -> Config:
    """The configuration that an earlier start stored, its variables expanded anew."""
    return _validated(dict(stored), tree=None, file=None, base=base, environ=environ)


def stored_split(split: Mapping[str, Any], environ: Mapping[str, str] | None) -> Split:
    """The test part that a stored `data.split` means; see `declared_split`."""
    try:
        expanded = expand(split, os.environ if environ is None else environ, path=("data", "split"))
    except Unset as unset:
        raise _unset(unset, "stored configuration", None) from None
    return SplitSection.model_validate(expanded).rule


def resolve_path(name: str | Path, base: Path) -> Path:
    """A path as the user means it: from the configuration's folder, else from where they are."""
    path = Path(name)
    with contextlib.suppress(RuntimeError):  # ~somebody who has no home here
        path = path.expanduser()
    if path.is_absolute() or _exists(base / path) or not _exists(path):
        return (base / path).absolute()
    return path.absolute()


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, a NUL in it: whoever opens it will say so
        return False


def _plain(tree: CommentedMap, node: Any, file: Path, path: YamlPath = ()) -> Any:  # noqa: ANN401
    """A YAML node as JSON has it: dates as text, no anchors. Refuses tags such as !expr."""
    if isinstance(node, CommentedMap):
        return {str(key): _plain(tree, node[key], file, (*path, key)) for key in node}
    if isinstance(node, CommentedSeq):
        return [_plain(tree, item, file, (*path, i)) for i, item in enumerate(node)]
    if isinstance(node, TaggedScalar) and not str(node.tag.value).startswith("tag:yaml.org"):
        raise ConfigError(
            f"the tag {node.tag.value} is not understood; write the value itself",
            file=file,
            line=line_of(tree, path),
            field=dotted(path),
        )
    return json.loads(json.dumps(node, default=str))


def _refuse_written_keys(stored: Mapping[str, Any], tree: CommentedMap, file: Path) -> None:
    """The file is stored in the database, so a key may be named in it, but not written."""
    model = stored.get("model")
    url = model.get("api_url") if isinstance(model, dict) else None
    if isinstance(url, str) and _PASSWORD.match(url):
        raise ConfigError(
            "a password is never written here; put it into the environment and name it, as in "
            "https://me:${MY_PASSWORD}@host",
            file=file,
            line=line_of(tree, ("model", "api_url")),
            field="model.api_url",
        )
    query = dict(parse_qsl(urlsplit(url).query)) if isinstance(url, str) else {}
    if any(_SECRET.search(name) and "${" not in value for name, value in query.items()):
        raise ConfigError(
            "a key is never written here; put it into the environment and name it, as in ${MY_KEY}",
            file=file,
            line=line_of(tree, ("model", "api_url")),
            field="model.api_url",
        )
    for part in ("headers", "extra_body"):
        values = model.get(part) if isinstance(model, dict) else None
        _refuse_written_key(part, values if isinstance(values, dict) else {}, tree, file)


def _refuse_written_key(
    part: str, values: Mapping[str, Any], tree: CommentedMap, file: Path
) -> None:
    for name, value in values.items():
        if isinstance(value, str) and _SECRET.search(name) and "${" not in value:
            raise ConfigError(
                "a key is never written here; put it into the environment and name it, as in "
                "${MY_KEY}",
                file=file,
                line=line_of(tree, ("model", part, name)),
                field=f"model.{part}.{name}",
            )


def _inline_prompts(
    stored: dict[str, Any], tree: CommentedMap, file: Path, environ: Mapping[str, str]
) -> None:
    """Put the texts of prompt files in place."""
    prompt = stored.get("prompt")
    if not isinstance(prompt, dict):
        return
    for key, text_key in _PROMPT_FILES.items():
        if (name := prompt.pop(key, None)) is None:
            continue
        path = ("prompt", key)
        wrong = partial(ConfigError, file=file, line=line_of(tree, path), field=dotted(path))
        if prompt.get(text_key) is not None:
            raise wrong(f"{text_key} is given as well; keep one of the two")
        try:
            meant = resolve_path(expand(str(name), environ, path=path), file.resolve().parent)
            prompt[text_key] = meant.read_text(encoding="utf-8-sig")
        except Unset as unset:
            raise _unset(unset, file, tree) from None
        except UnicodeDecodeError:
            raise wrong(f"{_quoted(str(name))} is not UTF-8; save it as UTF-8") from None
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "no possible name"
            raise wrong(f"{_quoted(str(name))} cannot be read: {why}") from None


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
        raise _unset(unset, shown, tree) from None
    try:
        values = ExperimentFile.model_validate(expanded)
    except ValidationError as error:
        raise _explain(error.errors(), shown, tree, secrets) from None
    secrets.add_url(values.model.api_url)
    data = values.data.model_copy(update={"file": resolve_path(values.data.file, base)})
    values = values.model_copy(update={"data": data})
    return Config(values=values, stored=stored, secrets=secrets, file=file, base=base)


def _unset(unset: Unset, file: Path | str, tree: CommentedMap | None) -> ConfigError:
    return ConfigError(
        f"the environment has no {unset.name}; set it with: export {unset.name}=..., or write "
        f"$${{{unset.name}}} if the text itself is meant",
        file=file,
        line=line_of(tree, unset.path),
        field=dotted(unset.path),
    )


def _explain(
    details: Sequence[ErrorDetails], file: Path | str, tree: CommentedMap | None, secrets: Secrets
) -> ConfigError:
    """One sentence for the first thing that is wrong."""
    # A misspelled key is the reason why another one is missing.
    first = next((d for d in details if d["type"] == "extra_forbidden"), details[0])
    path = tuple(part for part in first["loc"] if _is_of_file(part))
    if first["type"] == "extra_forbidden":
        message = "unknown key" + _nearest(path)
    elif first["type"] == "missing":
        message = "is missing"
    elif first["type"] == "dict_type":
        message = "should be keys and values, such as {cme: CoronerText}"
    elif first["type"] in ("float_parsing", "int_parsing"):
        message = f"should be a number{_not(first['input'], secrets)}"
    elif first["type"] == "model_type":
        message = "this is a section: its keys stand below it, indented"
    elif first["type"] == "value_error":
        message = secrets.hide(str(first["ctx"]["error"]))
    else:
        # What may be one thing or another gives an error for each of them.
        same = [d["msg"] for d in details if tuple(filter(_is_of_file, d["loc"])) == path]
        wanted = " or ".join(dict.fromkeys(msg.removeprefix("Input should be ") for msg in same))
        if same[0].startswith("Input should be "):
            wanted = f"should be {wanted}"
        message = f"{wanted[:1].lower()}{wanted[1:]}{_not(first['input'], secrets)}"
    path = _as_written(path, tree)
    return ConfigError(message, file=file, line=line_of(tree, path), field=dotted(path) or None)


def _not(value: object, secrets: Secrets) -> str:
    """What stands there instead, if that can be said in a few words."""
    if isinstance(value, dict):
        return ", not keys and values"
    if isinstance(value, list):
        return ", not a list"
    return ", not " + _quoted(secrets.hide(value) if isinstance(value, str) else value)


def _quoted(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}..."


def _as_written(path: YamlPath, tree: CommentedMap | None) -> YamlPath:
    """Where a text that came from a prompt file stands in the experiment file."""
    for key, text_key in _PROMPT_FILES.items():
        if path == ("prompt", text_key) and tree is not None and key in tree["prompt"]:
            return ("prompt", key)
    return path


def _is_of_file(part: int | str) -> bool:
    """Whether a part of pydantic's location stands in the file (and is no branch of a union)."""
    return not isinstance(part, str) or not (
        part.startswith(("constrained", "literal[", "function-", "list[", "dict["))
        or part in ("int", "str", "float", "bool")
    )


def _known_keys(path: YamlPath) -> list[str]:
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


def _nearest(path: YamlPath) -> str:
    known = _known_keys(path)
    if path[:1] == ("prompt",):
        known += list(_PROMPT_FILES)
    return did_you_mean(path[-1], known)
