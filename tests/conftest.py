"""What holds for every test of Firestation itself."""

from hypothesis import HealthCheck, settings

from firestation.garbage import pass_over_what_stays

# How long an example takes says how busy the machine is, and nothing of what is tested.
settings.register_profile(
    "patient", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")


def pytest_collection_finish() -> None:
    """Thousands of collected tests stay to the end, and are no garbage: a tenth of the time went into looking."""
    pass_over_what_stays()
