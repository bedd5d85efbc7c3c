"""What holds for every test of Firestation itself."""

from firestation.garbage import pass_over_what_stays


def pytest_collection_finish() -> None:
    """Thousands of collected tests stay to the end, and are no garbage: a tenth of the time went into looking."""
    pass_over_what_stays()
