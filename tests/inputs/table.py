"""The table of docs/reliability.md: how many inputs of each kind there are, and what came of them."""

from collections.abc import Mapping, Sequence

from tests.inputs.case import Case, Outcome
from tests.inputs.catalog import by_kind
from tests.inputs.judging import refused_in_one_line
from tests.inputs.sandbox import REPOSITORY

PAGE = REPOSITORY / "docs" / "reliability.md"
"""The page that holds the table."""

BEGIN, END = "<!-- bad inputs: written by make check-inputs -->", "<!-- end of bad inputs -->"
"""Lines around it."""

COLUMNS = (
    "kind",
    "inputs",
    "refused in one line",
    "accepted",
    "tracebacks",
    "hangs",
    "changed files outside",
    "ran a command",
)


def write_table(cases: Sequence[Case], outcomes: Mapping[str, Outcome]) -> None:
    """Write the table into the page.

    Args:
        cases: All cases.
        outcomes: Name of a case → what came of it; kinds with a case that was not run have no counts.
    """
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    text = "\n".join([BEGIN, *rows(cases, outcomes), END])
    PAGE.write_text(before + text + after, encoding="utf-8")


def rows(cases: Sequence[Case], outcomes: Mapping[str, Outcome]) -> list[str]:
    """Rows of the table in Markdown: a kind each, and the sums."""
    kinds = {**by_kind(cases), "all": list(cases)}
    head = [f"| {' | '.join(COLUMNS)} |", f"|---{'|---:' * (len(COLUMNS) - 1)}|"]
    return [*head, *(f"| {kind} | {' | '.join(cells(own, outcomes))} |" for kind, own in kinds.items())]


def cells(cases: Sequence[Case], outcomes: Mapping[str, Outcome]) -> list[str]:
    """Counts of a row: inputs, and what came of them."""
    if any(case.name not in outcomes for case in cases):
        return [f"{len(cases):,}", *["–"] * (len(COLUMNS) - 2)]
    counts = zip(*(counted(case, outcomes[case.name]) for case in cases), strict=True)
    return [f"{count:,}" for count in (len(cases), *map(sum, counts))]


def counted(case: Case, outcome: Outcome) -> tuple[bool, ...]:
    """Whether a case counts in each column after the number of inputs."""
    return (
        refused_in_one_line(case, outcome),
        outcome.status == 0,
        outcome.traceback,
        outcome.hung,
        bool(outcome.changed),
        outcome.commands_run,
    )


def inputs_in_page() -> dict[str, int]:
    """Kind → number of inputs, as the page has them."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    lines = [line.split("|")[1:-1] for line in rest.partition(END)[0].splitlines() if line.startswith("| ")]
    return {cells[0].strip(): int(cells[1].replace(",", "")) for cells in lines if cells[1].strip()[0].isdigit()}
