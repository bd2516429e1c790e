"""Tables with one row for each customer: a model for rows of that form, trained, calibrated and judged like the others.

For customers of whom there is a table and no log: it scores rows of the same columns (`leadkeeper score`), in batch. It is
not put in force for streams, whose features it does not know.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, ValidationError

from agents.boosting import lightgbm
from agents.cells import BadCell, Cells, clock, number, text
from agents.manifest import Calibration
from agents.model import MODEL_FILE
from agents.rowfiles import rows
from agents.table_mapping import TableLayout
from agents.train import LEAST, SETTINGS, TREES
from agents.windows import TooLittleData
from schemas.errors import MappingInvalid, ModelInvalid
from schemas.units import Outgoing, Probability
from streams.baselines import Alone, logistic, told
from streams.features import Bools, Floats
from streams.ids import bucket
from streams.leaks import IN_TABLES, leaks, too_good
from streams.measure import auc, log_loss, measure

FOLDER_OF_TABLES, CARD_FILE = "tables", "table.json"
RARE_UNDER = 20
"""Rows of a word under which it counts as never seen: nothing can be learned from so few."""
SHARES = (0.6, 0.8)
"""Up to here rows train, up to here they calibrate; the rest tests. By time where rows have one, else by a hash of the id."""


class TableCard(Outgoing):
    """What a model of a table is, and what it is worth."""

    v: Literal[1] = 1
    version: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    layout: TableLayout
    words: dict[str, tuple[str, ...]] = Field(description="of each column of words, those that are known, in order")
    calibration: Calibration
    base_rate: Probability
    split: Literal["time", "hash of the id"]
    rows: tuple[int, int, int] = Field(description="train, calibrate, test")
    model: dict[str, float]
    logistic: dict[str, float] = Field(description="logistic regression on the same columns")
    single: tuple[str, float] = Field(description="the column that ranks best alone, and its AUC")
    base_log_loss: float
    flags: tuple[str, ...] = ()


class Table(NamedTuple):
    """A table read: ids, numbers (NaN: missing), words, the truth, and when (None: rows have no time)."""

    ids: list[str]
    numbers: Floats
    words: list[list[str]]
    y: Floats
    times: Floats | None


class TableModel(NamedTuple):
    """A model and its card."""

    text: bytes
    card: TableCard

    def score(self, table: Table) -> Floats:
        """Calibrated probabilities of the rows of a table of the same form."""
        booster = lightgbm.Booster(model_str=self.text.decode())
        x = coded(table, self.card.words)
        return self.card.calibration.apply(np.asarray(booster.predict(x, num_threads=1), np.float64))

    def save(self, models: Path) -> Path:
        """Write `models/tables/<version>/`, the card last. Returns the folder."""
        folder = models / FOLDER_OF_TABLES / self.card.version
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MODEL_FILE).write_bytes(self.text)
        (folder / CARD_FILE).write_text(self.card.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return folder


def load_table_model(folder: Path) -> TableModel:
    """A saved model, checked. Raises ModelInvalid when files are missing or were changed."""
    try:
        card = TableCard.model_validate_json((folder / CARD_FILE).read_bytes())
        model = TableModel((folder / MODEL_FILE).read_bytes(), card)
    except (FileNotFoundError, ValidationError) as error:
        raise ModelInvalid(f"{folder} holds no model of a table ({error}); run `leadkeeper train --snapshot`") from None
    if sha256(model.text).hexdigest() != card.sha256:
        raise ModelInvalid(f"{folder / MODEL_FILE} was changed; copy the whole folder again, or train again")
    if named(card).version != card.version:
        raise ModelInvalid(f"{folder / CARD_FILE} was changed; copy the whole folder again, or train again")
    return model


def table_models(models: Path) -> list[TableModel]:
    """All of a folder of models, by name. Raises ModelInvalid like `load_table_model`."""
    return [load_table_model(card.parent) for card in sorted((models / FOLDER_OF_TABLES).glob(f"*/{CARD_FILE}"))]


def named(card: TableCard) -> TableCard:
    """The card under the name that its content gives it: all of it, the flags and the model's hash as well."""
    told = json.dumps(card.model_dump(mode="json", exclude={"version"}), sort_keys=True)
    return card.model_copy(update={"version": f"t-{card.layout.name}-{sha256(told.encode()).hexdigest()[:10]}"})


def read_table(files: Sequence[Path], layout: TableLayout, *, labelled: bool = True) -> Table:
    """All rows of the files.

    Raises:
        MappingInvalid: a column is missing, or a row cannot be used: a table is short enough to be mended.
    """
    ids, numbers, words, y, times = [], [], [], [], []
    at = clock(layout.time) if layout.time and labelled else None
    for path, line, cells in _cells(files, layout, labelled=labelled):
        try:
            ids.append(text(cells[layout.id]))
            numbers.append([_number(cells, column, layout) for column in layout.numbers])
            words.append(["" if (w := text(cells[c])) in layout.missing else w for c in layout.words])
            if labelled:
                y.append(float(text(cells[layout.label.column]) in layout.label.quiet))
            if at is not None:
                times.append(at(cells) / 1000)
        except BadCell as error:
            raise MappingInvalid(f"{path}, line {line}, column {error.column}: {error}; {error.remedy}") from None
    return Table(
        ids,
        np.array(numbers, np.float64).reshape(len(ids), len(layout.numbers)),
        words,
        np.array(y),
        np.array(times) if at is not None else None,
    )


def _cells(files: Sequence[Path], layout: TableLayout, *, labelled: bool) -> Iterator[tuple[Path, int, Cells]]:
    for path in files:
        for row in rows(path, layout if labelled else layout.without_label()):
            if row.cells is None:
                raise MappingInvalid(f"{path}, line {row.line}: {row.problem} {row.detail}; {row.remedy}")
            yield path, row.line, row.cells


def _number(cells: Cells, column: str, layout: TableLayout) -> float:
    told_as = text(cells[column])
    return float("nan") if not told_as or told_as in layout.missing else float(number(cells[column], column))


def known_words(table: Table, layout: TableLayout, among: Bools) -> dict[str, tuple[str, ...]]:
    """Of each column the words that are frequent enough among some rows, most frequent first."""
    some = np.flatnonzero(among).tolist()
    counts = {column: Counter(table.words[i][k] for i in some) for k, column in enumerate(layout.words)}
    return {c: tuple(w for w, n in counts[c].most_common() if w and n >= RARE_UNDER) for c in layout.words}


def coded(table: Table, words: dict[str, tuple[str, ...]]) -> Floats:
    """Numbers, then words as their places in `words`; what is missing or not known as NaN."""
    places = [{word: float(i) for i, word in enumerate(known)} for known in words.values()]
    codes = [[place.get(word, np.nan) for place, word in zip(places, row, strict=True)] for row in table.words]
    return np.concatenate([table.numbers, np.array(codes).reshape(len(table.ids), len(places))], axis=1)


def train_table(files: Sequence[Path], layout: TableLayout) -> TableModel:
    """Train, calibrate and judge on three parts of a table.

    Raises:
        MappingInvalid: the table cannot be read.
        TooLittleData: too few rows of either fate in one of the parts.
    """
    table = read_table(files, layout)
    place = _places(table, layout)
    parts = (place < SHARES[0], (place >= SHARES[0]) & (place < SHARES[1]), place >= SHARES[1])
    for purpose, part in zip(("train", "calibrate", "calibrate"), parts, strict=True):
        _enough(table.y[part], purpose)
    learn, held, test = parts
    words = known_words(table, layout, learn)
    x, y = coded(table, words), table.y
    numeric = len(layout.numbers)
    data = lightgbm.Dataset(
        x[learn], y[learn], categorical_feature=list(range(numeric, x.shape[1])), free_raw_data=True,
        feature_name=[f"f{i}" for i in range(x.shape[1])],
    )  # fmt: skip
    settings: dict[str, Any] = {k: v for k, v in SETTINGS.items() if not k.startswith("monotone")}
    booster = lightgbm.train(settings, data, TREES)
    raw = np.asarray(booster.predict(x, num_threads=1), np.float64)
    calibration = Calibration.fit(raw[held], y[held])
    alone, ranked = _alone(x, y, learn, layout), _ranked(x, y, learn, numeric)
    best = max(alone, key=lambda name: alone[name].auc)
    wide = _wide(x, words, numeric, learn)
    simple = told(logistic(wide[learn], y[learn]), wide[test])
    figures = measure(calibration.apply(raw[test]), y[test], raw[test])
    model = booster.model_to_string().encode()
    card = TableCard(
        version="",
        sha256=sha256(model).hexdigest(),
        layout=layout,
        words=words,
        calibration=calibration,
        base_rate=float(y[held].mean()),
        split="time" if table.times is not None else "hash of the id",
        rows=(int(learn.sum()), int(held.sum()), int(test.sum())),
        model=figures,
        logistic=measure(simple, y[test], simple),
        single=(best, auc(alone[best].score(ranked[test, layout.names.index(best)]), y[test])),
        base_log_loss=log_loss(np.full(int(test.sum()), y[held].mean()), y[test]),
        flags=leaks(alone, IN_TABLES) + too_good(figures["auc"]),
    )
    return TableModel(model, named(card))


def _places(table: Table, layout: TableLayout) -> Floats:
    """Where each row stands between 0 and 1: by its time, else by a hash of its id."""
    if table.times is not None:
        return np.argsort(np.argsort(table.times, kind="stable"), kind="stable") / max(len(table.ids), 1)
    return np.array([bucket("split", layout.name, lead) for lead in table.ids]) / 10_000


def _enough(y: Floats, purpose: str) -> None:
    least, either = LEAST[purpose]
    if len(y) < least or min(y.sum(), len(y) - y.sum()) < either:
        raise TooLittleData(
            f"to {purpose}, {least} rows are needed, {either} that went quiet and {either} that did not; the table gives "
            f"{len(y)} rows, {int(y.sum())} of them quiet: give a longer table, or correct label.quiet"
        )


def _ranked(x: Floats, y: Floats, learn: Bools, numeric: int) -> Floats:
    """The columns, words replaced by how often rows with them went quiet while training."""
    out = x.copy()
    for column in range(numeric, x.shape[1]):
        codes = x[:, column]
        for code in np.unique(codes[~np.isnan(codes)]):
            out[codes == code, column] = y[learn & (codes == code)].mean()
    return out


def _alone(x: Floats, y: Floats, learn: Bools, layout: TableLayout) -> dict[str, Alone]:
    ranked = _ranked(x, y, learn, len(layout.numbers))
    return {name: Alone.fit(ranked[learn, i], y[learn]) for i, name in enumerate(layout.names)}


def _wide(x: Floats, words: dict[str, tuple[str, ...]], numeric: int, learn: Bools) -> Floats:
    """For the logistic regression: numbers on a log scale (missing: their mean), a column for each word but the first."""
    columns = [np.ones(len(x))]
    for i in range(numeric):
        values = np.log1p(np.maximum(x[:, i], 0.0))
        columns.append(np.where(np.isnan(values), np.nanmean(values[learn]), values))
    for i, known in enumerate(words.values()):
        columns += [(x[:, numeric + i] == code).astype(np.float64) for code in range(1, len(known))]
        columns.append(np.isnan(x[:, numeric + i]).astype(np.float64))
    return np.stack(columns, axis=1)
