"""What must not matter, on some customers of a real log; `make evaluate` tries all of each."""

from pathlib import Path

import pytest

from agents.eventlog import LoggedEvent, read_events
from agents.mapping import load_mapping
from agents.policyfile.read import load_policy
from agents.settings import LeadSettings
from agents.train import read_log
from tests.data.cdnow import cdnow
from tests.evaluate.unmoved import World, laws, moved

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Every fortieth customer, all purchases."""
    head, *rows = cdnow().read_text().splitlines()
    some: Path = tmp_path_factory.mktemp("cdnow") / "sample.txt"
    some.write_text("\n".join([head, *(row for row in rows if int(row.split()[0]) % 40 == 0)]) + "\n")
    layout, policy = load_mapping("cdnow"), load_policy(LeadSettings().policy)
    events = [item for item in read_events(some, layout) if isinstance(item, LoggedEvent)]
    return World.of(events, layout, policy, read_log(events, layout, policy))


def test_neither_the_year_nor_names_nor_order_move_a_score_and_shuffled_labels_teach_nothing(world: World) -> None:
    found = list(laws(world))
    assert len(found) == 6
    for law in found:
        assert law.kept, law
        assert law.held_on > 500, law
    assert [law.apart for law in found[1:]] == pytest.approx([0.0] * 5, abs=1e-6)


def test_what_does_matter_is_seen(world: World) -> None:
    cheap = next(
        moved("a cent each", world, lambda body: body | ({"amount_cents": 1} if "amount_cents" in body else {}))
    )
    assert cheap.apart > 0.01
    assert not cheap.kept
    assert not next(moved("looked at a year too late", world, dict, shift_s=364 * 86_400.0)).kept
