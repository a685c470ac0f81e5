"""Tables and plots of the ablations, from the scores of finished runs alone.

    python -m experiments.reporting.tables  # runs/ablations/tables/: A1.md, A1.tex, A1.csv, A1.png, … tables.md
    python -m experiments.reporting.tables A2 --quoted  # one study; and a table of figures of others, marked as quoted

Runs of several priors are never mixed. Every table names the runs that it was made from.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from commands import options
from commands.parsing import OneLineParser
from datamodules.runs.run_folder import atomic_path
from experiments.reporting.costs import costs_csv
from experiments.reporting.plots import plot
from experiments.reporting.table_formats import csv_text, latex, markdown
from experiments.running.ablate import RUNS, load_studies
from experiments.running.comparison import Comparison, compare, count_failures, load_runs, one_prior
from experiments.script import add_runs_argument, add_studies_argument, parse_request, run_script, script_parser
from viewdistill.documents import read_yaml
from viewdistill.errors import ViewDistillError
from viewdistill.resources import REPOSITORY

QUOTED = REPOSITORY / "experiments" / "quoted.yaml"
"""Figures of others."""


@dataclass(frozen=True)
class Request:
    """Options of this script."""

    studies: tuple[str, ...] = ()
    """Ids or YAML files of studies; all shipped ones when not given."""
    runs: Path = RUNS
    """Folder of all runs."""
    prior: str | None = None
    """Prefix of the fingerprint of the runs' priors."""
    quoted: bool = False
    """Whether to add figures of others, marked as quoted."""
    out: Path | None = None
    """Folder to write to; ``tables`` in that of the runs when not given."""


def build_parser() -> OneLineParser:
    """Build the parser of the options."""
    parser = script_parser("reporting.tables", __doc__)
    add_studies_argument(parser)
    add_runs_argument(parser, Request.runs)
    parser.add_argument(
        "--prior",
        type=options.text,
        default=Request.prior,
        metavar="FINGERPRINT",
        help="only runs of the priors whose fingerprint begins so",
    )
    parser.add_argument("--quoted", action="store_true", help="add figures of others, marked as quoted")
    parser.add_argument(
        "--out",
        type=options.output_folder,
        metavar="DIR",
        help="folder to write to (default: tables in that of the runs)",
    )
    return parser


def quoted_table() -> str:
    """The figures of others as Markdown, every row marked."""
    content = read_yaml(QUOTED)
    lines = [
        "## Quoted, not measured here",
        "",
        "Google Scanned Objects, 30 of them; from notes of third parties on the papers, and under several protocols.",
        "",
        "| method | " + " | ".join(content["columns"]) + " | |",
        "|---" * (len(content["columns"]) + 2) + "|",
    ]
    for method, values in content["rows"].items():
        cells = ["" if value is None else f"{value:g}" for value in values]
        mark = "*quoted*, aligned first" if method in content["aligned"] else "*quoted*"
        lines.append(f"| {method} | {' | '.join(cells)} | {mark} |")
    return "\n".join([*lines, ""])


def write_tables(comparisons: Sequence[Comparison], out: Path, quoted: bool) -> None:
    """Write all forms of all tables, each file atomically."""
    sections: list[str] = []
    for comparison in comparisons:
        text = markdown(comparison)
        sections.append(text)
        forms = {"md": text, "tex": latex(comparison), "csv": csv_text(comparison)}
        forms["costs.csv"] = costs_csv(comparison)
        for suffix, content in forms.items():
            with atomic_path(out / f"{comparison.study.id}.{suffix}") as partial:
                partial.write_text(content, encoding="utf-8")
        with atomic_path(out / f"{comparison.study.id}.png") as partial:
            plot(comparison).savefig(partial, dpi=110, format="png")
    with atomic_path(out / "tables.md") as partial:
        partial.write_text("\n".join([*sections, *([quoted_table()] if quoted else [])]), encoding="utf-8")


def tables(argv: Sequence[str] | None) -> None:
    """Compare and write.

    Args:
        argv: Options; those of the process when not given.

    Raises:
        ViewDistillError: There is nothing to compare, runs are of several priors, or a file is damaged.
    """
    request = parse_request(build_parser(), Request, argv)
    studies = load_studies(request.studies)
    names = {study.id for study in studies}
    runs = [run for run in load_runs(request.runs) if run.study in names]
    runs = [run for run in runs if run.prior.startswith(request.prior or "")]
    one_prior(runs)
    found = [compare(study, runs, count_failures(request.runs, study.id)) for study in studies]
    comparisons = [comparison for comparison in found if comparison is not None]
    if not comparisons:
        raise ViewDistillError(f"{request.runs}: no scores of {', '.join(sorted(names))}; run `make ablations` first")
    out = request.out or request.runs / "tables"
    write_tables(comparisons, out, request.quoted)
    used = sum(len(comparison.runs) for comparison in comparisons)
    print(
        f"{', '.join(c.study.id for c in comparisons)}: {used} runs, priors {runs[0].prior[:12]}; wrote {out}/tables.md"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Write the tables; returns the exit status."""
    return run_script("tables", lambda: tables(argv))


if __name__ == "__main__":
    sys.exit(main())
