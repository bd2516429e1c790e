"""The sets: where they lie, under which mapping they are read, and where they come from."""

from pathlib import Path
from typing import NamedTuple


class Source(NamedTuple):
    """One set. `pattern` names its files below the data folder; `snapshot`: one row for each customer."""

    mapping: str
    pattern: str
    origin: str
    snapshot: bool = False

    def files(self, data: Path) -> list[Path]:
        """Its files, in order of their names; empty where the set is absent."""
        return sorted(data.glob(self.pattern))

    def lacking(self, data: Path) -> str:
        """What to do where it is absent."""
        return f"no {data / self.pattern}: get {self.origin}"


SETS = (
    Source("cdnow", "cdnow/CDNOW_master.txt", "CDNOW_master.txt from the sdist of the PyPI package Lifetimes 0.11.3"),
    Source(
        "bank_leads",
        "bpi2012/*.csv*",
        "BPI Challenge 2012 (doi 10.4121/uuid:3926db30-f712-4394-aebc-75976070e91f) as CSV with the columns case_id, "
        "amount_req, lifecycle, activity, ts",
    ),
    Source("retail", "online_retail/*.parquet", "Online Retail II (UCI, doi 10.24432/C5CG6D) as Parquet"),
    Source("telco", "telco/*.csv", "Telco-Customer-Churn.csv (IBM sample data)", snapshot=True),
    Source("x_leads", "x_leads/*.csv", "Leads.csv (X Education lead scoring case, Kaggle)", snapshot=True),
)
