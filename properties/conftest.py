"""Hypothesis profiles: `HYPOTHESIS_PROFILE=quick | ci | nightly`, quick if none is named.

quick    a few seconds a property, fresh examples every time
ci       the same examples on every run, so that a red build is red again
nightly  many and long histories
"""

import os

from hypothesis import HealthCheck, settings

SLOW_IS_FINE = (HealthCheck.too_slow, HealthCheck.data_too_large)

settings.register_profile(
    "quick", max_examples=30, stateful_step_count=20, deadline=None, suppress_health_check=SLOW_IS_FINE
)
settings.register_profile(
    "ci",
    max_examples=50,
    stateful_step_count=30,
    derandomize=True,
    print_blob=True,
    deadline=None,
    suppress_health_check=SLOW_IS_FINE,
)
settings.register_profile(
    "nightly",
    max_examples=3000,
    stateful_step_count=80,
    print_blob=True,
    deadline=None,
    suppress_health_check=SLOW_IS_FINE,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
