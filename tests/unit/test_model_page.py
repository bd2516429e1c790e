"""The card as a page that stands alone, and the curves drawn on it."""

from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.hush import in_silence
from agents.model import TrainedModel
from agents.model_card import card
from agents.model_page import page
from agents.plots import Line, bars, lines
from agents.snapshots import ActivityLog
from agents.train import train
from streams.curves import SHARES, gains, reliability
from streams.features import DAY
from tests.planted import LABEL, POLICY, START, planted_log

LOG = ActivityLog.read(planted_log(), POLICY)


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    """A trained and tested one."""
    return train(LOG, LABEL, name="planted")


class Page(HTMLParser):
    """Tags, links and words of a page; open tags that were not closed."""

    VOID = frozenset({"meta", "line", "circle", "polyline", "rect"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "action"}]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it; it is closed already."""
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close it: the last one opened."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note the words."""
        self.words.append(data)


def test_the_page_stands_alone_and_says_what_the_card_says(model: TrainedModel) -> None:
    text = page(model.manifest)
    read = Page(text)
    assert read.open == []
    assert read.links == []
    assert "script" not in read.tags
    assert "http" not in text
    tested = model.manifest.tested
    assert tested is not None
    words = " ".join(" ".join(read.words).split())
    assert "early_warning" in words
    for told in (model.manifest.version, f"{tested.model['auc']:.3f}", f"{tested.recency['log_loss']:.3f}", "planted"):
        assert told in words
    assert read.tags.count("svg") == 4, "calibration, lift, early warning, importance"
    assert page(model.manifest) == text
    plain = page(model.manifest.model_copy(update={"tested": None}))
    assert "Not tested" in plain
    assert "<svg" not in plain


def test_words_from_a_log_are_no_markup(model: TrainedModel) -> None:
    named = model.manifest.trained.model_copy(update={"log": "<script>alert(1)</script>"})
    assert "<script>" not in page(model.manifest.model_copy(update={"trained": named}))
    assert "<b>" not in bars([("<b>", 1.0, "<b>")]) + lines([Line("<b>", "model", [])], "<b>", "<b>", [(0.5, "<b>")])


def test_in_silence_nobodys_risk_falls_and_the_card_says_so(model: TrainedModel) -> None:
    hush = model.manifest.hush
    assert hush is not None
    assert hush.leads > 100
    assert hush.most_fall <= 0.02
    assert f"the risk of {hush.leads:,} leads never falls by more than" in card(model.manifest)
    upside_down = model.manifest.model_copy(
        update={
            "calibration": model.manifest.calibration.model_copy(
                update={"probabilities": tuple(reversed(model.manifest.calibration.probabilities))}
            )
        }
    )
    wrong = in_silence(model._replace(manifest=upside_down).scorer(), LOG, START.timestamp() + 200 * DAY, LABEL)
    assert wrong.most_fall > 0.5, "the check can fail"


def test_curves_by_example() -> None:
    p, y = np.array([0.1] * 10 + [0.9] * 10), np.array([0] * 9 + [1] + [1] * 9 + [0])
    assert [round(b.told, 1) for b in reliability(p, y.astype(float))] == [0.1] * 5 + [0.9] * 5
    found = gains(p, y.astype(float))
    assert found[SHARES.index(0.5)] == pytest.approx(0.9), "the riskier half has nine of ten"
    assert found[SHARES.index(0.25)] == pytest.approx(0.45), "rows of equal risk count in proportion"


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_curves_are_whole(rows: list[tuple[float, bool]]) -> None:
    p, y = np.array([r[0] for r in rows]), np.array([float(r[1]) for r in rows])
    bins, found = reliability(p, y), gains(p, y)
    assert sum(b.rows for b in bins) == len(rows)
    assert sum(b.seen * b.rows for b in bins) == pytest.approx(y.sum())
    assert found[0] == 0
    assert found[-1] == pytest.approx(1.0 if y.any() else 0.0)
    assert all(a <= b + 1e-12 for a, b in pairwise(found))
