"""Whether a model has begun to say the same for ever, as some do on dotted lines, stamps and empty forms."""

import re

SPAN = 2000  # characters at the end that are looked at
REPEATS = 8  # times that the same must stand there
_DIGITS = re.compile(r"\d+")


def ends_in_a_loop(text: str, *, counting: bool = False) -> bool:
    """Whether the end is one piece over and over; `counting`: pieces that differ in their numbers are the same."""
    end = text[-2 * SPAN :]
    if counting:
        end = _DIGITS.sub("0", end)
    end = end[-SPAN:]
    return len(end) >= SPAN // 2 and _period(end) * REPEATS <= len(end)


def _period(text: str) -> int:
    """The length of the shortest piece that the text repeats, its own where it repeats none."""
    borders = [0] * len(text)  # of each beginning: how much of it stands at its end, too
    length = 0
    for place in range(1, len(text)):
        while length and text[place] != text[length]:
            length = borders[length - 1]
        length += text[place] == text[length]
        borders[place] = length
    return len(text) - borders[-1]
