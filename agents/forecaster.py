"""The model of time to churn at work (`streams.hazard`); `agents.time_to_churn` trains it."""

import numpy as np

from agents.boosting import lightgbm
from agents.manifest import Hazard
from streams.features import Floats
from streams.hazard import Forecast, every_week, forecasts, survival


class TimeToChurn:
    """Ready to forecast."""

    def __init__(self, text: bytes, hazard: Hazard) -> None:
        """Takes LightGBM's text."""
        self.text, self.hazard = text, hazard
        self._booster = lightgbm.Booster(model_str=text.decode())

    def survival(self, x: Floats) -> Floats:
        """Share of leads like these that is still there after each week (rows: leads, columns: weeks)."""
        raw = (
            np.asarray(self._booster.predict(every_week(x, self.hazard.steps), num_threads=1), np.float64)
            if len(x)
            else np.zeros(0)
        )
        return survival(self.hazard.calibration.apply(raw).reshape(-1, self.hazard.steps))

    def forecasts(self, x: Floats) -> list[Forecast]:
        """Band and interval of each lead; a row of a prediction for each week, so for leads that enter a stage."""
        return forecasts(self.survival(x))
