"""Numbers that are not written as JSON writes them."""

import re

from overnight.parse.repairs import Repair

_DIGITS = {
    word: str(digit)
    for digit, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    )
}
_WORD = rf"(?:{'|'.join(_DIGITS)})"
_PLAIN = re.compile(
    r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{1,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?"
)
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,20})?) ?%")
_SPELLED = re.compile(
    rf"({_WORD}|[0-9]) ?(?:\.|point\b) ?({_WORD}(?:[ -]?{_WORD}){{0,9}}|[0-9]{{1,9}})",
    re.IGNORECASE,
)
_ONE_DIGIT = re.compile(rf"{_WORD}|[0-9]", re.IGNORECASE)
_ODD = re.compile(r"[+.]")  # signs and points that JSON does not begin a number with


def read_number(word: str, repairs: set[Repair], *, share: bool) -> int | float | None:
    """The number that `word` stands for without doubt, or None.

    `90%` is 0.9 where a `share` of 0..1 is asked for. Not so `0.9%` and `1%`, which may mean 0.9
    and 1; nor are `0,9` and `9/10` taken.
    """
    if _PLAIN.fullmatch(word):
        if _ODD.match(word):
            repairs.add(Repair.NUMBER_SPELLING)
        return float(word) if re.search(r"[.eE]", word) else int(word)
    if share and (percent := _PERCENT.fullmatch(word)):
        return _percent(percent[1], repairs)
    if spelled := _SPELLED.fullmatch(word):
        repairs.add(Repair.SPELLED_DECIMAL)
        return float(f"{_digits(spelled[1])}.{_digits(spelled[2])}")
    return None


def _percent(number: str, repairs: set[Repair]) -> float | None:
    if 0 < float(number) <= 1:
        return None
    repairs.add(Repair.PERCENT)
    return float(f"{number}e-2")  # as it would have been written; a division may be off


def _digits(words: str) -> str:
    found = _ONE_DIGIT.findall(words)
    return "".join(_DIGITS.get(word.lower(), word) for word in found)
