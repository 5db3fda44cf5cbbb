"""What holds for every test: how properties are searched."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Machines differ in speed: no property fails for being slow. Continuous integration tries the same examples every time,
# so that a change is judged by what it changes; elsewhere new ones are tried at each run.
settings.register_profile(
    "house",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("CI") == "true",
    print_blob=True,
)
settings.load_profile("house")
