"""Tables that scripts put into pages of the documentation, between two lines that name them."""

from pathlib import Path

from viewdistill.errors import ViewDistillError


def place(text: str, name: str, path: Path) -> tuple[str, str, str]:
    """Split a page at a table's place.

    Args:
        text: The page.
        name: Of the place: it lies between the lines ``<!-- NAME -->`` and ``<!-- /NAME -->``.
        path: Of the page, for messages.

    Returns:
        What comes before the table, with the first line; the table; and the rest, from the second line on.

    Raises:
        ViewDistillError: The page does not have both lines, in this order.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, first, rest = text.partition(begin)
    held, second, after = rest.partition(end)
    if not first or not second:
        raise ViewDistillError(
            f"{path}: has no lines {begin.strip()} and {end}, in this order; add them where the table shall stand"
        )
    return before + begin, held.strip("\n") + "\n", end + after


def put_into_page(path: Path, name: str, table: str) -> None:
    """Put a table into a page in place of what is between its two lines.

    Raises:
        ViewDistillError: The page does not have both lines.
    """
    before, _, after = place(path.read_text(encoding="utf-8"), name, path)
    path.write_text(f"{before}\n{table}\n{after}", encoding="utf-8")


def table_of_page(path: Path, name: str) -> str:
    """The table that a page holds.

    Raises:
        ViewDistillError: The page does not have both lines.
    """
    return place(path.read_text(encoding="utf-8"), name, path)[1]
