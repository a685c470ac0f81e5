"""What is wrong with the outcome of a case."""

import re

from tests.inputs.case import SECONDS, Accepted, Case, Outcome, Refused


def faults(case: Case, outcome: Outcome) -> list[str]:
    """What should not have happened, a line each; none where all is well."""
    found = always(case, outcome)
    if found:
        return found
    expected = case.expected
    if isinstance(expected, Refused):
        return refusal_faults(case, expected, outcome)
    if isinstance(expected, Accepted):
        found = [] if outcome.status == 0 else [f"status {outcome.status} though it is sound: {last_line(outcome)}"]
        if expected.says and not re.search(expected.says, outcome.out + outcome.err):
            found.append(f"does not say {expected.says!r}: {outcome.err!r}")
        return found
    return [] if outcome.status == 0 else refusal_faults(case, Refused("", (1, 2)), outcome)


def always(case: Case, outcome: Outcome) -> list[str]:
    """What must not happen whatever is given."""
    found: list[str] = []
    if outcome.hung:
        found.append(f"did not end within {SECONDS:g} s: {last_line(outcome)}")
    if outcome.traceback:
        found.append(f"traceback: {last_line(outcome)}")
    if outcome.changed:
        found.append(f"changed {', '.join(outcome.changed[:5])}")
    if outcome.commands_run:
        found.append("what was given ran as a command")
    if outcome.status is not None and outcome.status < 0:
        found.append(f"killed by signal {-outcome.status}: {last_line(outcome)}")
    return found


def refusal_faults(case: Case, expected: Refused, outcome: Outcome) -> list[str]:
    """What is wrong with a refusal: its status, more than one line, or a line that does not name what is wrong."""
    found: list[str] = []
    if outcome.status not in expected.status:
        found.append(f"status {outcome.status}, not {expected.status}: {last_line(outcome)}")
    said = error_lines(case, outcome)
    if len(said) != 1:
        found.append(f"{len(said)} lines of error: {outcome.err!r}")
    elif not re.search(expected.names, said[0]):
        found.append(f"does not name {expected.names!r}: {said[0]}")
    return found


def refused_in_one_line(case: Case, outcome: Outcome) -> bool:
    """Whether the command ended with a status of its own and one line."""
    return outcome.status in (1, 2) and len(error_lines(case, outcome)) == 1


def error_lines(case: Case, outcome: Outcome) -> list[str]:
    """Lines that say what is wrong; notes about an input and make's own closing line are none."""
    if case.program == "make":
        return [line for line in outcome.lines if not re.match(r"make(\[\d+\])?: \*\*\* \[.*\] Error \d+", line)]
    return [line for line in outcome.lines if not re.match(r"viewdistill \S+: note: ", line)]


def last_line(outcome: Outcome) -> str:
    """The last line of the standard error, shortened."""
    return outcome.lines[-1][:300] if outcome.lines else "(no error line)"
