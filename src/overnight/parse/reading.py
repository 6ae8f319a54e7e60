"""One object -> the declared fields, or what is wrong with it."""

from dataclasses import dataclass, field

from overnight.domain.answer import AnswerField, AnswerSpec, Value
from overnight.parse import reasons
from overnight.parse.fields import Mismatch, convert
from overnight.parse.loose import LooseObject, Member
from overnight.parse.repairs import Repair


@dataclass(slots=True)
class Reading:
    """What an object says: every valid value, and what makes it no answer."""

    values: dict[str, Value] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)  # values that cannot be what was declared
    lacking: list[str] = field(default_factory=list)  # required fields that are not there
    incomplete: list[str] = field(default_factory=list)  # names of required fields cut off
    repairs: set[Repair] = field(default_factory=set)

    @property
    def valid(self) -> bool:
        """Whether this is an answer."""
        return not (self.wrong or self.lacking or self.incomplete)

    @property
    def reason(self) -> str:
        """Why it is none."""
        return next(iter(self.wrong + self.lacking), reasons.cut_before(self.incomplete))

    def contradicts(self, answer: "Reading") -> bool:
        """Whether it says something else than the earlier, valid `answer`."""
        if self.valid or self.wrong:
            return self.values != answer.values
        return any(answer.values.get(name) != value for name, value in self.values.items())


def read_fields(spec: AnswerSpec, found: LooseObject) -> Reading:
    """The fields of `spec` as they stand in `found`, each converted or its problem named.

    A field is looked for by its exact name, then by one that differs in case or outer blanks.
    """
    reading = Reading()
    for one in spec.fields:
        members = _members(spec, one, found, reading.repairs)
        if not members or not all(member.complete for member in members):
            _absent(one, found, cut=bool(members), reading=reading)
        else:
            _read(one, members, reading)
    if found.state == "broken":
        reading.lacking.append(reasons.MALFORMED)
    if found.state == "cut":
        reading.repairs.add(Repair.TRUNCATED)
    return reading


def _members(
    spec: AnswerSpec, one: AnswerField, found: LooseObject, repairs: set[Repair]
) -> list[Member]:
    members = [member for member in found.members if member.key == one.name]
    if not members and (members := _spelled_alike(spec, one, found)):
        repairs.add(Repair.KEY_SPELLING)
    if len(members) > 1:
        repairs.add(Repair.REPEATED_KEY)
    return members


def _spelled_alike(spec: AnswerSpec, one: AnswerField, found: LooseObject) -> list[Member]:
    name = plain(one.name)
    if sum(plain(other.name) == name for other in spec.fields) > 1:
        return []
    return [member for member in found.members if plain(member.key) == name]


def plain(name: str) -> str:
    """`name` without what does not tell two fields apart."""
    return name.strip().casefold()


def _absent(one: AnswerField, found: LooseObject, *, cut: bool, reading: Reading) -> None:
    if not one.required:
        return
    if cut or found.state != "whole":
        reading.incomplete.append(one.name)
    else:
        reading.lacking.append(reasons.of_field(one, reasons.MISSING))


def _read(one: AnswerField, members: list[Member], reading: Reading) -> None:
    values = [_value(one, member.value, reading) for member in members]
    if any(value != values[0] for value in values):
        reading.wrong.append(reasons.of_field(one, reasons.TWICE))
    elif values[0] is not None:
        reading.values[one.name] = values[0]


def _value(one: AnswerField, value: object, reading: Reading) -> Value:
    """The converted value; None if it is null or its problem was noted."""
    if value is None and not one.required:
        return None
    try:
        return convert(one, value, reading.repairs)
    except Mismatch:
        reading.wrong.append(reasons.of_field(one, reasons.mismatch(one, value)))
        return None
