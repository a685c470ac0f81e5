"""The ratios that the benchmarks measured, at the end of pytest's output."""

from typing import Any

from tests.benchmarks.pairs import MEASURED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if MEASURED:
        terminalreporter.section("times as fast, medians of paired runs")
    for measured in MEASURED:
        terminalreporter.write_line(f"{measured.times:6.2f}  (goal {measured.goal:g})  {measured.what}")
