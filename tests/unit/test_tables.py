"""Models of tables: what can be learned is learned, what is missing or new does no harm, a leak is flagged."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from agents.cli.main import app
from agents.table_mapping import TABLES, TableLayout, load_table_mapping
from agents.tables import load_table_model, read_table, train_table
from agents.windows import TooLittleData
from schemas.errors import MappingInvalid, ModelInvalid

COLUMNS = ("id", "age", "plan", "note", "left")
LAYOUT = TableLayout.model_validate(
    {
        "name": "club", "id": "id", "numbers": ["age"], "words": ["plan"], "missing": ["?"],
        "label": {"column": "left", "quiet": ["yes"]},
    }
)  # fmt: skip


def written(path: Path, n: int = 2_500, seed: int = 3) -> Path:
    """Members leave the more, the younger they are; on the free plan twice as often; the note tells the answer."""
    rng = np.random.default_rng(seed)
    with path.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(COLUMNS)
        for i in range(n):
            age, plan = rng.uniform(18, 80), ("free", "paid", "?")[rng.integers(3)]
            left = rng.random() < (0.7 if plan == "free" else 0.35) * (1.2 - age / 80)
            rows.writerow(
                (f"c{i}", f"{age:.1f}" if i % 9 else "", plan, "gone" if left else "", "yes" if left else "no")
            )
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 2,500 members."""
    return written(tmp_path_factory.mktemp("table") / "club.csv")


def test_it_learns_what_is_there(table: Path) -> None:
    card = train_table([table], LAYOUT).card
    assert card.model["auc"] > card.single[1] > 0.6
    assert card.model["log_loss"] < card.base_log_loss
    assert sum(card.rows) == 2_500
    assert card.split == "hash of the id"
    assert card.words == {"plan": ("paid", "free")} or set(card.words["plan"]) == {"paid", "free"}
    assert not card.flags


def test_a_column_that_tells_the_answer_is_flagged(table: Path) -> None:
    leaky = LAYOUT.model_copy(update={"words": ("plan", "note")})
    flags = train_table([table], leaky).card.flags
    assert any(flag.startswith("note alone ranks") for flag in flags)


def test_what_is_known_only_after_may_not_be_learned_from() -> None:
    with pytest.raises(ValueError, match="note: the label, the id and what is known only after"):
        TableLayout.model_validate(LAYOUT.model_dump() | {"words": ["note"], "after": ["note"]})


def test_shuffled_truth_teaches_nothing(tmp_path: Path, table: Path) -> None:
    with table.open() as stream:
        rows = list(csv.reader(stream))[1:]
    dealt = np.random.default_rng(5).permutation([row[4] for row in rows])
    shuffled = tmp_path / "shuffled.csv"
    with shuffled.open("w", newline="") as stream:
        csv.writer(stream).writerows([COLUMNS, *([*row[:4], truth] for row, truth in zip(rows, dealt, strict=True))])
    assert abs(train_table([shuffled], LAYOUT).card.model["auc"] - 0.5) < 0.07


def test_saved_and_loaded_it_scores_the_same_also_without_the_label(table: Path, tmp_path: Path) -> None:
    model = train_table([table], LAYOUT)
    loaded = load_table_model(model.save(tmp_path))
    bare = tmp_path / "bare.csv"
    bare.write_text("id,age,plan\nx,30,free\ny,,never seen\nz,79,paid\n")
    p = loaded.score(read_table([bare], loaded.card.layout, labelled=False))
    assert p[0] > p[2]
    assert ((p > 0) & (p < 1)).all()
    whole = read_table([table], LAYOUT)
    assert loaded.score(whole).tobytes() == model.score(whole).tobytes()


def test_what_was_changed_is_refused(table: Path, tmp_path: Path) -> None:
    folder = train_table([table], LAYOUT).save(tmp_path)
    (folder / "model.txt").write_text("tree")
    with pytest.raises(ModelInvalid, match="was changed"):
        load_table_model(folder)
    with pytest.raises(ModelInvalid, match="holds no model of a table"):
        load_table_model(tmp_path)


def test_a_card_that_was_changed_is_refused(table: Path, tmp_path: Path) -> None:
    """A flag that is taken out, or a figure that is made up, is no card of that model any more."""
    leaky = train_table([table], LAYOUT.model_copy(update={"words": ("plan", "note")}))
    assert leaky.card.flags
    for change in ({"flags": ()}, {"model": leaky.card.model | {"auc": 0.7}}, {"base_rate": 0.1}):
        changed = leaky._replace(card=leaky.card.model_copy(update=change))
        with pytest.raises(ModelInvalid, match=r"table\.json was changed"):
            load_table_model(changed.save(tmp_path))


def test_a_flagged_model_scores_nothing_and_every_model_has_a_card(table: Path, tmp_path: Path) -> None:
    leaky = train_table([table], LAYOUT.model_copy(update={"words": ("plan", "note")}))
    honest = train_table([table], LAYOUT)
    for model in (leaky, honest):
        model.save(tmp_path)

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, [*words, "--models", str(tmp_path)])

    refused = run("score", str(table), "--model", leaky.card.version)
    assert refused.exit_code == 1
    assert "may have seen the answer: note alone ranks" in " ".join(refused.output.split())
    assert run("score", str(table), "--model", leaky.card.version, "--despite-flags").exit_code == 0
    assert run("score", str(table), "--model", honest.card.version).output.startswith("id,probability")
    shown = run("model", "show", leaky.card.version)
    assert max(map(len, shown.output.splitlines())) <= 80
    for words in ("goes quiet   left is yes", "calibration error", "Not to be used: note alone ranks"):
        assert words in shown.output
    told = json.loads(run("model", "show", honest.card.version, "--json").output)
    assert told["version"] == honest.card.version
    listed = run("model", "list").output.splitlines()
    assert [line.split("  ")[:2] for line in listed] == sorted(
        [one.card.version, "of a table"] for one in (leaky, honest)
    )
    assert [line.endswith("flagged: scores nothing") for line in listed].count(True) == 1
    html = tmp_path / "card.html"
    assert run("model", "show", leaky.card.version, "--html", str(html)).exit_code == 0
    assert "Not to be used: note alone ranks" in html.read_text()
    assert "http" not in html.read_text(), "it stands alone"


def test_too_little_and_broken_cells_are_told(tmp_path: Path) -> None:
    with pytest.raises(TooLittleData, match="500 rows are needed"):
        train_table([written(tmp_path / "few.csv", n=100)], LAYOUT)
    broken = tmp_path / "broken.csv"
    broken.write_text("id,age,plan,left\na,young,free,no\n")
    with pytest.raises(MappingInvalid, match=r"line 2, column age: is not a number: 'young'"):
        train_table([broken], LAYOUT)


@pytest.mark.parametrize("name", sorted(p.stem for p in TABLES.glob("*.toml")))
def test_shipped_mappings_are_valid(name: str) -> None:
    assert load_table_mapping(name).name == name


def test_a_wrong_mapping_is_told_key_by_key(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text('name = "m"\ncolour = "blue"\nnumbers = ["a"]\n[label]\ncolumn = "l"\nquiet = ["1"]\n')
    with pytest.raises(
        MappingInvalid, match=r"(?s)id: is missing.*colour: unknown key|colour: unknown key.*id: is missing"
    ):
        load_table_mapping(path)
    with pytest.raises(MappingInvalid, match=r"give a \.toml file or one of telco, x_leads"):
        load_table_mapping("nothing")
