"""The languages that alarms are told in, and how a text of one is filled in."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from stream.core.event_time import SECOND, TimeRule, parse_or_none
from stream.worker import words_en, words_zh

Labels = Mapping[str, Mapping[Any, str]]
"""Name of a sensor or a machine type -> language -> what people call it."""

MESSAGES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"en": words_en.MESSAGES, "zh": words_zh.MESSAGES}
)
"""Language -> key -> template."""

LANGUAGES = tuple(MESSAGES)
"""The languages that there are."""

_BESIDE_WIDE = re.compile(r" *([，。：；、（）]) *")  # noqa: RUF001 - those meant
_GLOSSARIES = {"en": words_en.GLOSSARY, "zh": words_zh.GLOSSARY}


@dataclass(frozen=True, slots=True)
class Speech:
    """How to say things: the language, the time zone, and the plant's own names.

    Attributes:
        language: One of `LANGUAGES`.
        zone: Times of day are told in it. Its name is not told: a plant has one.
        labels: The plant's own names of sensors and types.
    """

    language: str
    zone: dt.tzinfo
    labels: Labels

    def __post_init__(self) -> None:
        if self.language not in MESSAGES:
            known = " or ".join(LANGUAGES)
            raise ValueError(f"language: expected {known}, found {self.language!r}")

    def say(self, key: str, **parts: object) -> str:
        """Fill in the template of that key.

        Raises:
            KeyError: There is no such key, or a part is missing.
        """
        return MESSAGES[self.language][key].format(**parts)

    def tidy(self, text: str) -> str:
        """Take out the spaces that filling in has left beside full-width marks."""
        return " ".join(_BESIDE_WIDE.sub(r"\1", text).split())

    def knows(self, key: str) -> bool:
        """Whether there is a template of that key."""
        return key in MESSAGES[self.language]

    def listed(self, items: Sequence[str]) -> str:
        """Join items the way this language does: "a, b and c"."""
        if not items:
            return ""
        head = self.say("join.comma").join(items[:-1])
        return head + self.say("join.last") + items[-1] if head else items[-1]

    def label(self, name: str) -> str:
        """What people call a sensor or a machine type.

        The plant's own label, else the name in this language if it or all of its
        parts are known, else the name with spaces for underscores.
        """
        own = clean(self.labels.get(name, {}).get(self.language, ""))
        said = own or self._translated(name) or clean(name.replace("_", " "))
        return self.foreign(said or "?")

    def foreign(self, text: str) -> str:
        """Set a text apart from words in another script than its own."""
        return self.say("label.foreign", name=text) if text.isascii() else text

    def _translated(self, name: str) -> str:
        glossary, whole = _GLOSSARIES[self.language], name.lower()
        if whole in glossary:
            return glossary[whole]
        parts = whole.split("_")
        known = [part if part.isdigit() else glossary.get(part, "") for part in parts]
        # Numbers alone are the plant's name for a thing, and stay as they are.
        named = any(part in glossary for part in parts)
        return "".join(known) if named and all(known) else ""

    def clock(self, time: str | None, beside: str = "") -> str:
        """Time of day in the plant's zone, with the date unless it is that of `beside`.

        Returns:
            Empty for a time that cannot be understood.
        """
        at = self._moment(time)
        if at is None:
            return ""
        other = self._moment(beside)
        same = other is not None and other.date() == at.date()
        return self.say(
            "time.day" if same else "time.date",
            year=at.year,
            month=at.month,
            day=at.day,
            hour=at.hour,
            minute=at.minute,
        )

    def _moment(self, time: str | None) -> dt.datetime | None:
        ns = parse_or_none(time, TimeRule())
        if ns is None:
            return None
        return dt.datetime.fromtimestamp(ns // SECOND, self.zone)


def clean(text: str) -> str:
    r"""Text from outside as part of one line: no line ends, no control characters.

    Example:
        >>> clean("bearing\n ordered ")
        'bearing ordered'
    """
    spaced = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(spaced.split())
