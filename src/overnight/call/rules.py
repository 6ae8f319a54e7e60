"""Keyword rules: the baseline that a language model has to beat, and a provider like any other.

No model is needed, nothing leaves the machine, and thousands of narratives are judged per second.
What a rules file says is told in `rules_file`.
"""

import json
import math
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from overnight.call.client import Structured
from overnight.call.rules_file import (
    IN_PHRASE,
    OTHER_FIELDS,
    WORD,
    Rule,
    RulesFile,
    fold,
    read_rules,
)
from overnight.domain.answer import AnswerSpec
from overnight.domain.outcome import Reply, Request
from overnight.errors import UsageError

_REMEMBERED_WORDS = 20_000
# Words, and what may end a sentence: a mark with a blank behind it, or an empty line.
_TOKEN = re.compile(WORD + r"""|[.!?;](?=["')\]]*\s)|\n\s*\n""")
_TITLES = ("mr", "mrs", "ms", "dr", "st", "sgt", "det", "ofc", "lt", "capt", "jr", "sr")
_MONTHS = ("jan", "feb", "aug", "sept", "oct", "nov", "dec")
_ABBREVIATIONS = frozenset((*_TITLES, *_MONTHS, "vs", "approx", "dept", "apt", "ave"))


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
        for token in _TOKEN.findall(fold(text)):
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
    """Read a rules file and index it. Raises ConfigError with file, line and field."""
    return Rules.of(*read_rules(path))


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

    def __init__(self, rules: Rules) -> None:
        """`rules` as `load_rules` read them."""
        self._rules = rules

    @property
    def structured(self) -> Structured:
        """json_schema: what comes is always whole."""
        return "json_schema"

    @property
    def max_concurrency(self) -> None:
        """No limit; a call takes a fraction of a millisecond."""

    async def open(self) -> None:
        """Nothing to get ready."""

    async def call(self, request: Request) -> Reply:
        """Judge `request.text`; the prompts and the seed play no part."""
        answer = judge(self._rules, request.text)
        return Reply(
            text=json.dumps(answer, ensure_ascii=False),
            finish_reason="stop",
            model=self._rules.name,
        )

    async def close(self) -> None:
        """Nothing to give back."""


def refuse_unless_answerable(rules: Rules, spec: AnswerSpec) -> None:
    """Rules can only give their own field and what goes with it; raises UsageError otherwise."""
    field = rules.values.field
    given = {field, *OTHER_FIELDS}
    asked = {f.name for f in spec.fields if f.required}
    boolean = any(f.name == field and f.type == "boolean" for f in spec.fields)
    if not boolean or not asked <= given:
        raise UsageError(
            f"keyword rules decide the boolean field {field!r} (and give confidence, indicators "
            "and rationale); the section output asks for something else. Leave it out, or let "
            "`field` in the rules file name its boolean field"
        )


def _all_phrases(values: RulesFile) -> Iterator[str]:
    yield from values.negations
    for rule in values.rules:
        yield from rule.any
        yield from rule.near or ()


def _parts(phrase: str) -> tuple[_Part, ...]:
    found = IN_PHRASE.findall(fold(phrase))
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
