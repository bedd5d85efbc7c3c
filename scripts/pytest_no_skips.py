"""A pytest plugin for CI: a skipped test is a failure, because nobody reads a skip there."""

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when anything was skipped, and name what."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:  # a worker of pytest-xdist: its reports go to the one that has a terminal
        return
    skipped = reporter.stats.get("skipped", [])
    if skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line("")
        reporter.write_line("CI skips nothing, but these were skipped:", red=True)
        for report in skipped:
            reporter.write_line(f"  {report.nodeid}", red=True)
