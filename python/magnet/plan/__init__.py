"""What a training will take, in memory and time, before anything is trained."""

from magnet.plan.estimate import Forecast, forecast, measured_rates

__all__ = ["Forecast", "forecast", "measured_rates"]
