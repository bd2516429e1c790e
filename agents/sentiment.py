"""Reads the mood of short messages, by language; a policy that names its language has its leads' messages read.

English: VADER 3.3.2 (Hutto and Gilbert 2014, MIT), a lexicon of 7,500 words with rules for negation, emphasis and emoticons,
made for short messages; it comes whole with the package and asks no network. The package has not changed since 2020 and need
not: a word list is data, and another one would change what a replay concludes, so that it would go with a new model.
Measured: 35 us for a sentence, 215 for the longest text that is read. A lexicon knows no other language ("die" is no bad
word in German), so none is guessed.
"""

from collections.abc import Callable, Mapping
from functools import cache

from streams.policy import Language
from streams.vocabulary import NO_MOOD, ReadMood

LONGEST = 280
"""Characters that are read: the mood shows early, and a page of text would cost milliseconds."""


@cache
def english() -> ReadMood:
    """VADER's compound score from -1 to 1, as 0 to 1; NaN for a text without a word that it knows."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # noqa: PLC0415 - 70 ms that few processes need

    analyzer = SentimentIntensityAnalyzer()

    def read(text: str) -> float:
        scores = analyzer.polarity_scores(text[:LONGEST])
        if not scores["pos"] and not scores["neg"]:
            return NO_MOOD
        return float((scores["compound"] + 1) / 2)

    return read


READERS: Mapping[Language, Callable[[], ReadMood]] = {"en": english}


def reader_of(language: Language | None) -> ReadMood | None:
    """What reads messages in a language; None where a policy names none."""
    return READERS[language]() if language else None
