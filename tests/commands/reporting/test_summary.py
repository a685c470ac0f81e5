"""The table of `viewdistill summary`."""

from commands.reporting.summary import file_lines


def test_numbered_files_are_one_line():
    pictures = {f"views/step_{step:06d}.png": 1000 for step in (100, 200, 300)}
    files = {"last.ckpt": 2_500_000, **pictures, "000.png": 10, "001.png": 10, "cameras.json": 5}
    assert file_lines(files) == [
        "last.ckpt (2.5 MB)",
        "views/step_*.png: 3 files (3 kB)",
        "*.png: 2 files (20 B)",
        "cameras.json (5 B)",
    ]
