"""The file of keyword rules: what may stand in it, read with errors that name the line.

    field: detected          # the boolean field that is decided
    window: 12               # words within which a `near` phrase must stand, before or after
    negations: [no, denied, "no history of"]
    negation_window: 6       # a match is void with a negation up to so many words before it
    threshold: 0.5           # detected when 1 - product(1 - weight) of the fired rules reaches it
    rules:
      - name: threat         # an entry of `indicators`
        any: [threat*, "said he would kill"]      # * is the rest of a word
        near: [wife, girlfriend]                  # optional
        window: 8                                 # optional, instead of the general one
        negations: false                          # optional: this rule is never voided
        weight: 0.6

Words are compared without case; hyphens separate words, a possessive 's is ignored. Phrases and
negations do not reach across the end of a sentence, `near` does.
"""

import hashlib
import re
import unicodedata
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)
from pydantic_core import ErrorDetails
from ruamel.yaml.comments import CommentedMap

from overnight.config.document import YamlPath, dotted, line_of, read_document
from overnight.errors import ConfigError, did_you_mean

OTHER_FIELDS = ("confidence", "indicators", "rationale")
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2019\u2018\u02bc\u00b4`", "'"))
WORD = r"[^\W_]+(?:'[^\W_]+)*"
IN_PHRASE = re.compile(WORD + r"\*?")


def fold(text: str) -> str:
    """The form in which words are compared."""
    folded = text.casefold()
    if folded.isascii():
        return folded.replace("`", "'")
    return unicodedata.normalize("NFC", folded.translate(_APOSTROPHES))


def _number_is_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _is_phrase(phrase: str) -> str:
    folded = fold(phrase)
    if "*" in IN_PHRASE.sub(" ", folded) or re.search(r"\*[^\W_]", folded):
        raise ValueError(f"in {phrase!r}: a * stands for the rest of a word, at the word's end")
    if not IN_PHRASE.search(folded):
        raise ValueError(f"{phrase!r} holds no word")
    return phrase


Phrase = Annotated[str, BeforeValidator(_number_is_text), AfterValidator(_is_phrase)]
Words = Annotated[int, Field(ge=0, le=10_000)]


class Rule(BaseModel):
    """One rule of the file: fires where a phrase of `any` stands, near enough and not negated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    any: tuple[Phrase, ...] = Field(min_length=1)
    near: tuple[Phrase, ...] | None = Field(default=None, min_length=1)
    window: Words | None = None
    negations: bool = True
    weight: float = Field(default=1.0, ge=0, le=1)


class RulesFile(BaseModel):
    """A rules file as written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: str = Field(default="detected", min_length=1)
    window: Words = 12
    negations: tuple[Phrase, ...] = ()
    negation_window: Words = 6
    rules: tuple[Rule, ...] = Field(min_length=1)
    threshold: float = Field(default=0.5, gt=0, le=1)

    @field_validator("field")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name in OTHER_FIELDS:
            raise ValueError(f"{name} is another field of the answer; name the boolean one")
        return name

    @field_validator("rules")
    @classmethod
    def _names_differ(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        names = [rule.name for rule in rules]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two rules are named {twice!r}; a name is how a result tells them")
        return rules


def read_rules(path: Path) -> tuple[RulesFile, str]:
    """A rules file and the name of its content, `rules:` and the beginning of its SHA-256.

    Raises ConfigError with file, line and field.
    """
    tree = read_document(path, "holds no rules; it begins with keys such as field: and rules:")
    try:
        values = RulesFile.model_validate(tree)
    except ValidationError as error:
        raise _explain(error.errors()[0], path, tree) from None
    return values, "rules:" + hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _explain(detail: ErrorDetails, file: Path, tree: CommentedMap) -> ConfigError:
    """One sentence for the first thing that is wrong."""
    path = detail["loc"]
    if detail["type"] == "extra_forbidden":
        message = "unknown key" + _nearest(path)
    elif detail["type"] == "missing":
        message = "is missing"
    elif detail["type"] == "value_error":
        message = str(detail["ctx"]["error"])
    elif detail["type"] == "tuple_type":
        message = "must be a list, such as [threat*, afraid]"
    else:
        message = f"{detail['msg'][:1].lower()}{detail['msg'][1:]}, not {detail['input']!r:.40}"
    return ConfigError(message, file=file, line=line_of(tree, path), field=dotted(path) or None)


def _nearest(path: YamlPath) -> str:
    return did_you_mean(path[-1], list((Rule if path[0] == "rules" else RulesFile).model_fields))
