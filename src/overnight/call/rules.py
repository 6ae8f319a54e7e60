"""Keyword rules: the baseline that a language model has to beat, and a provider like any other.

A rules file names phrases, what must stand near them, and what voids them. No model is needed,
nothing leaves the machine, and thousands of narratives are judged per second.

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

import difflib
import hashlib
import json
import math
import re
import unicodedata
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

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
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from overnight.call.client import Structured
from overnight.domain.outcome import Blame, ErrorCategory, Fault, Reply, Request
from overnight.errors import ConfigError

_OTHER_FIELDS = ("confidence", "indicators", "rationale")
_REMEMBERED_WORDS = 20_000
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2019\u2018\u02bc\u00b4`", "'"))
_WORD = r"[^\W_]+(?:'[^\W_]+)*"
_IN_PHRASE = re.compile(_WORD + r"\*?")
# Words, and what may end a sentence: a mark with a blank behind it, or an empty line.
_TOKEN = re.compile(_WORD + r"""|[.!?;](?=["')\]]*\s)|\n\s*\n""")
_TITLES = ("mr", "mrs", "ms", "dr", "st", "sgt", "det", "ofc", "lt", "capt", "jr", "sr")
_MONTHS = ("jan", "feb", "aug", "sept", "oct", "nov", "dec")
_ABBREVIATIONS = frozenset((*_TITLES, *_MONTHS, "vs", "approx", "dept", "apt", "ave"))


def _fold(text: str) -> str:
    """The form in which words are compared."""
    folded = text.casefold()
    if folded.isascii():
        return folded.replace("`", "'")
    return unicodedata.normalize("NFC", folded.translate(_APOSTROPHES))


def _number_is_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _is_phrase(phrase: str) -> str:
    folded = _fold(phrase)
    if "*" in _IN_PHRASE.sub(" ", folded) or re.search(r"\*[^\W_]", folded):
        raise ValueError(f"in {phrase!r}: a * stands for the rest of a word, at the word's end")
    if not _IN_PHRASE.search(folded):
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
        if name in _OTHER_FIELDS:
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


class _Part(NamedTuple):
    """One word of a phrase."""

    stem: str
    open_ended: bool

    def fits(self, word: str) -> bool:
        if self.open_ended:
            return word.startswith(self.stem)
        return word in (self.stem, self.stem + "'s")


class _Span(NamedTuple):
    """Where a phrase stands, in words counted from the beginning; both ends belong to it."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _Text:
    """A narrative as words."""

    words: list[str]
    sentences: list[int]  # the words with which sentences begin, but for the first

    def sentence(self, word: int) -> int:
        return bisect_right(self.sentences, word)


@dataclass(frozen=True, slots=True)
class Rules:
    """A rules file, read and ready. `name` changes with every byte of the file."""

    values: RulesFile
    name: str  # as the model of an experiment: "rules:" and the beginning of a SHA-256
    _phrases: dict[str, tuple[_Part, ...]]
    _by_word: dict[str, list[str]]  # first word of a phrase -> the phrases
    _by_stem: dict[str, list[str]]  # the same for words that end in *
    _stem_lengths: tuple[int, ...]
    _seen: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, values: RulesFile, name: str) -> "Rules":
        """Index the phrases by their first word."""
        phrases = {phrase: _parts(phrase) for phrase in _all_phrases(values)}
        by_word: dict[str, list[str]] = defaultdict(list)
        by_stem: dict[str, list[str]] = defaultdict(list)
        for phrase, parts in phrases.items():
            (by_stem if parts[0].open_ended else by_word)[parts[0].stem].append(phrase)
        lengths = tuple(sorted(set(map(len, by_stem))))
        return cls(values, name, phrases, dict(by_word), dict(by_stem), lengths)

    def spans(self, text: str) -> tuple[_Text, dict[str, list[_Span]]]:
        """The words of a text, and where each phrase stands in it."""
        words: list[str] = []
        sentences: list[int] = []
        begun: list[tuple[int, tuple[str, ...]]] = []
        seen = self._seen
        for token in _TOKEN.findall(_fold(text)):
            phrases = seen.get(token)
            if phrases is None:
                phrases = self._look_up(token)
            if phrases:
                begun.append((len(words), phrases))
            if token[0].isalnum():
                words.append(token)
            elif _ends_sentence(token, words):
                sentences.append(len(words))
        read = _Text(words, sentences)
        found: dict[str, list[_Span]] = defaultdict(list)
        for at, phrases in begun:
            for phrase in phrases:
                if span := self._span(read, at, phrase):
                    found[phrase].append(span)
        return read, found

    def _look_up(self, word: str) -> tuple[str, ...]:
        """The phrases that may begin with this word; remembered, since most words come again."""
        found = [*self._by_word.get(word, ())]
        if word.endswith("'s"):
            found += self._by_word.get(word[:-2], ())
        for length in self._stem_lengths:
            found += self._by_stem.get(word[:length], ())
        if len(self._seen) >= _REMEMBERED_WORDS:
            self._seen.clear()
        self._seen[word] = tuple(found)
        return self._seen[word]

    def _span(self, text: _Text, first: int, phrase: str) -> _Span | None:
        parts = self._phrases[phrase]
        last = first + len(parts) - 1
        if last > first and not (
            last < len(text.words)
            and all(map(_Part.fits, parts, text.words[first : last + 1]))
            and text.sentence(first) == text.sentence(last)
        ):
            return None
        return _Span(first, last)


def load_rules(path: Path) -> Rules:
    """Read a rules file. Raises ConfigError with file, line and field."""
    try:
        content = path.read_bytes()
        tree = YAML().load(content.decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=path) from None
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8 text", file=path) from None
    except YAMLError as error:
        raise _not_yaml(error, path) from None
    if not isinstance(tree, CommentedMap):
        raise ConfigError(
            "holds no rules; it begins with keys such as field: and rules:", file=path
        )
    try:
        values = RulesFile.model_validate(tree)
    except ValidationError as error:
        raise _explain(error.errors()[0], path, tree) from None
    return Rules.of(values, "rules:" + hashlib.sha256(content).hexdigest()[:12])


def judge(rules: Rules, text: str) -> dict[str, Any]:
    """The answer for one narrative: the decided field, confidence, indicators, rationale.

    `confidence` is that the answer is right, as models are asked for it: the combined weight
    where detected, one minus it where not. The rationale names rules and their phrases as they
    stand in the rules file, never words of the narrative.
    """
    values = rules.values
    read, found = rules.spans(text)
    negations = {span.last for phrase in values.negations for span in found.get(phrase, ())}
    fired: list[tuple[Rule, str]] = []
    void: list[Rule] = []
    for rule in values.rules:
        matches = _near_enough(rule, values.window, found)
        for span, phrase in matches:
            if not (rule.negations and _negated(span, negations, read, values.negation_window)):
                fired.append((rule, phrase))
                break
        else:
            void += [rule] if matches else []
    weight = round(1 - math.prod(1 - rule.weight for rule, _ in fired), 6)
    detected = weight >= values.threshold
    return {
        values.field: detected,
        "confidence": weight if detected else round(1 - weight, 6),
        "indicators": [rule.name for rule, _ in fired],
        "rationale": _rationale(fired, void),
    }


class RulesClient:
    """A rules file in the place of a model: same call, same reply, no model."""

    def __init__(self, *, rules_file: Path) -> None:
        self._file = rules_file
        self._rules: Rules | None = None

    @property
    def structured(self) -> Structured:
        """json_schema: what comes is always whole."""
        return "json_schema"

    @property
    def max_concurrency(self) -> None:
        """No limit; a call takes a fraction of a millisecond."""

    async def open(self) -> None:
        """Read the rules. Raises ConfigError with file, line and field."""
        self._rules = load_rules(self._file)

    async def call(self, request: Request) -> Reply | Fault:
        """Judge `request.text`; the prompts and the seed play no part."""
        if self._rules is None:
            message = "the rules are not loaded"
            return Fault(ErrorCategory.API_ERROR, message, Blame.SERVER)
        answer = judge(self._rules, request.text)
        return Reply(
            text=json.dumps(answer, ensure_ascii=False),
            finish_reason="stop",
            model=self._rules.name,
        )

    async def close(self) -> None:
        """Nothing to give back."""
        self._rules = None


def _all_phrases(values: RulesFile) -> Iterator[str]:
    yield from values.negations
    for rule in values.rules:
        yield from rule.any
        yield from rule.near or ()


def _parts(phrase: str) -> tuple[_Part, ...]:
    found = _IN_PHRASE.findall(_fold(phrase))
    return tuple(_Part(word.removesuffix("*"), word.endswith("*")) for word in found)


def _ends_sentence(mark: str, words: Sequence[str]) -> bool:
    """Whether a full stop is one: not after an abbreviation or an initial."""
    if mark != "." or not words:
        return True
    return words[-1] not in _ABBREVIATIONS and (len(words[-1]) > 1 or words[-1].isdigit())


def _near_enough(
    rule: Rule, window: int, found: Mapping[str, list[_Span]]
) -> list[tuple[_Span, str]]:
    """The matches of a rule, in order of the text, with the phrase that matched."""
    matches = sorted((span, phrase) for phrase in rule.any for span in found.get(phrase, ()))
    if rule.near is None or not matches:
        return matches
    window = window if rule.window is None else rule.window
    company = {
        word
        for phrase in rule.near
        for span in found.get(phrase, ())
        for word in range(span.first, span.last + 1)
    }
    return [
        (span, phrase)
        for span, phrase in matches
        if any(word in company for word in range(span.first - window, span.last + window + 1))
    ]


def _negated(span: _Span, negations: AbstractSet[int], text: _Text, window: int) -> bool:
    """`negations`: the words with which negations end."""
    return any(
        word in negations and text.sentence(word) == text.sentence(span.first)
        for word in range(span.first - window, span.first)
    )


def _rationale(fired: Sequence[tuple[Rule, str]], void: Sequence[Rule]) -> str:
    named = ", ".join(f"{rule.name} ({phrase})" for rule, phrase in fired)
    count = len(fired)
    text = f"{count} rule{'s' if count > 1 else ''} fired: {named}" if fired else "No rule fired"
    return f"{text}; negated: {', '.join(rule.name for rule in void)}" if void else text


def _not_yaml(error: YAMLError, file: Path) -> ConfigError:
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    problem = error.problem if isinstance(error, MarkedYAMLError) else None
    line = mark.line + 1 if mark else None
    return ConfigError(f"is not YAML: {problem or 'it cannot be parsed'}", file=file, line=line)


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
    name = ".".join(str(part) for part in path)
    return ConfigError(message, file=file, line=_line(tree, path), field=name or None)


def _nearest(path: tuple[int | str, ...]) -> str:
    known = list((Rule if path[0] == "rules" else RulesFile).model_fields)
    close = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; known here: {', '.join(known)}"


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
