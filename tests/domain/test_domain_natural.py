"""The order of values as people expect it."""

import random

from overnight.domain.natural import natural


def test_numbers_by_size_words_with_their_numbers_blanks_last():
    expected = ["-1", "9", "10.5", "2003", "Site 1", "site 2", "Site 2b", "Site 10", None]
    mixed = expected[:]
    random.Random(1).shuffle(mixed)
    assert natural(mixed) == expected


def test_any_text_has_a_place():
    odd = ["", "٣", "nan", "inf", "1e5", "9" * 5000, "a" + "0" * 9000, "a0", "(blank)", "1_000"]
    assert sorted(natural(odd)) == sorted(odd)
    assert natural(reversed(natural(odd))) == natural(odd)
