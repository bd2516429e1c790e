"""Reads the mood of short messages, by language; a policy that names its language has its leads' messages read.

English: VADER 3.3.2 (Hutto and Gilbert 2014, MIT), a lexicon of 7,500 words with rules for negation, emphasis and emoticons,
made for short messages; it comes whole with the package and asks no network. The package has had no release since 2020; looked
for was one that is better kept and as good, and there was none. TextBlob 0.20.1 (kept, its lexicon bundled, NLTK under it) ranks
short texts worse; NLTK's own VADER downloads its lexicon; asent wants spaCy; AFINN is of 2016 and GPL. AUC, good against bad:

    8,908 tweets to airlines    VADER 0.92   TextBlob 0.85   AFINN 0.91     (Crowdflower; those of confidence 0.9 and above)
    932 sentences on products         0.92            0.87         0.87     (Kotzias et al. 2015, Amazon)
    952 on films, 954 on meals  0.88, 0.89      0.85, 0.86   0.86, 0.85     (the same, IMDb and Yelp)

It is pinned, and needs no more: another list of words would change what a replay concludes, so it would go with a new model. Were
the package to break, its lexicon is one file of text (430 kB, MIT) and its rules are under 700 lines of plain Python to carry along.
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
