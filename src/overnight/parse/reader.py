"""Reply text -> the declared answer: as it is, out of its usual wrapping, or repaired."""

import json
import re
from collections.abc import Iterator
from functools import lru_cache

from overnight.domain.answer import Answer, AnswerSpec, Unreadable, Value
from overnight.parse import find, reasons
from overnight.parse.fields import check_of
from overnight.parse.loose import Found, LooseObject
from overnight.parse.reading import Reading, plain, read_fields
from overnight.parse.reasoning import answer_part
from overnight.parse.repairs import Repair, named

MAX_SEARCHED = 100_000  # characters outside thinking; an answer takes a few hundred
MAX_LEAD_IN = 200  # characters before the object of a cut reply that goes on behind it

_THOUGHT = re.compile(r"<(think|thinking)>")
_FENCED = re.compile(r"```\w{0,20}[ \t]*\r?\n")


def read_answer(text: str, spec: AnswerSpec, *, cut: bool = False) -> Answer | Unreadable:
    """The answer that `text`, a model's reply, gives to `spec`, or why it gives none.

    `cut` says that the reply ended at the token limit. Never raises, whatever the text is.

    Thinking is removed first and never searched. Of the objects that remain, the first valid one
    is the answer, provided that nothing behind it says otherwise: a reply with two different
    answers is unreadable, since neither "first" nor "last" tells an example or a draft from the
    answer. Invalid objects before it (the form, repeated) do not count.

    What was cut off counts only if every required field was complete: closed, not merely begun.
    A cut reply with an object between long text and more text is unreadable too: that is how
    thinking looks whose opening tag was part of the prompt.
    """
    return compile_reader(spec).read(text, cut=cut)


@lru_cache(maxsize=64)
def compile_reader(spec: AnswerSpec) -> "Reader":
    """The reader of `spec`; made once."""
    return Reader(spec)


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice: which value is meant is decided elsewhere")
    return found


def _no_constant(word: str) -> object:
    raise ValueError(f"{word} is not JSON")


_decode = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_no_constant).decode


class Reader:
    """Reads replies for one spec; holds what can be prepared."""

    def __init__(self, spec: AnswerSpec) -> None:
        self._spec = spec
        self._plan = tuple((one.name, one.required, check_of(one)) for one in spec.fields)
        self._names = frozenset(plain(one.name) for one in spec.fields)

    def read(self, text: str, *, cut: bool = False) -> Answer | Unreadable:
        """As `read_answer`."""
        text = text.strip()
        values = self._exact(text)
        if values is not None:
            return Answer(values)
        for body, repairs in _unwrapped(text):
            values = self._exact(body)
            if values is not None:
                return Answer(values, named(repairs))
        return self._searched(text, cut=cut)

    def _exact(self, text: str) -> dict[str, Value] | None:
        """The values, if `text` is one JSON object and valid as it is."""
        try:
            found = _decode(text)
        except (ValueError, RecursionError):
            return None
        if type(found) is not dict:
            return None
        values: dict[str, Value] = {}
        for name, required, check in self._plan:
            value = found.get(name)
            if value is None:
                if required:
                    return None
            elif check(value):
                values[name] = value
            else:
                return None
        return values

    def _searched(self, text: str, *, cut: bool) -> Answer | Unreadable:
        repairs: set[Repair] = set()
        region = answer_part(text, repairs).strip()
        if not region:
            return Unreadable(reasons.ONLY_REASONING if text else reasons.EMPTY)
        if len(region) > MAX_SEARCHED:
            return Unreadable(reasons.too_long(len(region), MAX_SEARCHED))
        inner = find.unquoted(region)
        if inner != region:
            repairs.add(Repair.WRAPPER)
        return _Search(self._spec, self._names, inner, repairs).result(cut=cut)


def _unwrapped(text: str) -> Iterator[tuple[str, set[Repair]]]:
    """What may be clean JSON inside the two most usual wrappings, and their repairs."""
    repairs: set[Repair] = set()
    if thought := _THOUGHT.match(text):
        _, closing, rest = text.partition(f"</{thought[1]}>")
        if not closing:
            return
        text = rest.strip()
        repairs = {Repair.REASONING}
        yield text, repairs
    if (fence := _FENCED.match(text)) and text.endswith("```"):
        yield text[fence.end() : -3], repairs | {Repair.FENCE}


class _Search:
    """The objects of one text, read one after the other."""

    def __init__(
        self, spec: AnswerSpec, names: frozenset[str], text: str, repairs: set[Repair]
    ) -> None:
        self._spec, self._names, self._text = spec, names, text
        self._repairs = repairs
        self._answer: Reading | None = None
        self._failed: Reading | None = None
        self._outside: list[str] = []
        self._at = 0

    def result(self, *, cut: bool) -> Answer | Unreadable:
        for found in find.objects(self._text):
            if not self._take(found):
                return Unreadable(reasons.TWO_ANSWERS)
        if self._answer is None:
            return Unreadable(self._failed.reason if self._failed else reasons.NO_OBJECT)
        last = self._text[self._at :]
        if cut and Repair.REASONING not in self._repairs and self._goes_on(last):
            return Unreadable(reasons.NOT_FINAL)
        repairs = self._repairs | find.around("\n".join([*self._outside, last]))
        return Answer(self._answer.values, named(repairs | self._answer.repairs))

    def _take(self, found: Found) -> bool:
        """Read `found`; False if it contradicts the answer."""
        readings = [
            self._reading(found, candidate)
            for candidate in find.with_fields(found.object, self._names)
        ]
        if not all(map(self._agrees, readings)):
            return False
        if any(reading.valid for reading in readings):
            self._outside.append(self._text[self._at : found.start])
            self._at = found.end
        return True

    def _reading(self, found: Found, candidate: LooseObject) -> Reading:
        reading = read_fields(self._spec, candidate)
        reading.repairs |= found.repairs
        if candidate is not found.object:
            reading.repairs.add(Repair.WRAPPER)
        if found.opened:
            reading.repairs.add(Repair.OPENING_BRACE)
        return reading

    def _agrees(self, reading: Reading) -> bool:
        if self._answer is not None:
            if reading.valid:
                self._repairs.add(Repair.REPEATED)
            return not reading.contradicts(self._answer)
        if reading.valid:
            self._answer = reading
        else:
            self._failed = reading
        return True

    def _goes_on(self, last: str) -> bool:
        """Whether there is text both long before and behind the objects."""
        return len(self._outside[0]) > MAX_LEAD_IN and Repair.PROSE in find.around(last)
