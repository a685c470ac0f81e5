"""How commands end: one line for what is expected, a log for what is not, a status for each; nowhere a traceback."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from commands.guard import explain, guarded
from commands.main import main
from commands.reporting import summary
from datamodules.runs.run_folder import RunFolder
from viewdistill.errors import ViewDistillError

REPOSITORY = Path(__file__).parents[2]


def ended(error: BaseException, capsys: pytest.CaptureFixture[str], folder: Path | None = None) -> tuple[int, str]:
    """Status and line of a command that ends with an error."""

    def work() -> None:
        raise error

    status = guarded("viewdistill toy", work, lambda: folder)
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line.startswith("viewdistill toy: ")
    return status, line


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (ViewDistillError("a.png: bad\nimage"), 2, "a.png: bad image"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "no space left on the device; make room"),
        (OSError(errno.ENOSPC, "No space left", "runs/a"), 1, "runs/a: no space left on the device"),
        (OSError(errno.EDQUOT, "Quota", "runs/a"), 1, "runs/a: the disk quota is used up"),
        (PermissionError(errno.EACCES, "Permission denied", "runs/a"), 2, "runs/a: Permission denied; check the path"),
        (OSError(errno.EROFS, "Read-only file system", "runs/a"), 2, "runs/a: Read-only file system"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "runs/a/b"), 2, "runs/a/b: Not a directory"),
        (OSError(errno.EMFILE, "Too many open files"), 1, "Too many open files"),
        (MemoryError(), 1, "out of memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), 1, "out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), 1, "out of memory"),
        (RuntimeError("CUDA error: invalid device ordinal\nmore"), 2, "the device is not there"),
        (AssertionError("Torch not compiled with CUDA enabled"), 2, "the device is not there"),
        (ModuleNotFoundError("No module named 'x'", name="x"), 2, "package x is not installed"),
        (ModuleNotFoundError("XLA is missing\nmore"), 2, "XLA is missing; `viewdistill doctor` says how to get it"),
        (KeyboardInterrupt(), 130, "interrupted; the same command resumes"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_an_expected_error_is_one_line(
    error: BaseException, status: int, message: str, capsys: pytest.CaptureFixture[str]
):
    found, line = ended(error, capsys)
    assert found == status
    assert message in line


def test_a_matrix_that_is_too_large_is_memory():
    with pytest.raises(MemoryError) as problem:
        np.empty(2**46)
    failure = explain(problem.value)
    assert failure is not None
    assert failure.status == 1


def test_an_unexpected_error_leaves_its_traceback_in_the_run_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    status, line = ended(ZeroDivisionError("division by zero"), capsys, tmp_path)
    (log,) = tmp_path.iterdir()
    assert status == 1
    assert line.rstrip().endswith(f"unexpected ZeroDivisionError: division by zero; the traceback is in {log}")
    assert "Traceback" in log.read_text()


def test_without_a_run_folder_the_log_is_a_temporary_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    _, line = ended(KeyError("x"), capsys, tmp_path / "missing")
    (log,) = tmp_path.iterdir()
    assert str(log) in line


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VIEWDISTILL_DEBUG", "1")

    def work() -> None:
        raise ViewDistillError("wrong")

    assert guarded("toy", work) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.endswith("toy: wrong\n")


def test_an_error_that_no_one_foresaw_is_one_line_of_the_command(
    run_folder: RunFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def broken(folder: RunFolder) -> None:
        raise ZeroDivisionError(f"of {folder.name}")

    monkeypatch.setattr(summary, "write_summary", broken)
    assert main(["summary", str(run_folder.root)]) == 1
    line = capsys.readouterr().err
    (log,) = run_folder.root.glob("error-summary-*.log")
    assert line == f"viewdistill summary: unexpected ZeroDivisionError: of disc; the traceback is in {log}\n"
    assert "in broken" in log.read_text()
    monkeypatch.setenv("VIEWDISTILL_DEBUG", "1")
    assert main(["summary", str(run_folder.root)]) == 1
    assert "in broken" in capsys.readouterr().err


def program(code: str, **environment: str) -> subprocess.Popen[str]:
    """A program in a process of its own."""
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), **environment}
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables
    )


def test_sigterm_ends_as_ctrl_c_does_with_a_status_of_its_own():
    code = (
        "import sys, time; from commands.guard import guarded\n"
        "def work():\n    print('ready', flush=True)\n    time.sleep(60)\n"
        "sys.exit(guarded('viewdistill toy', work))"
    )
    process = program(code)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 143
    assert err == "viewdistill toy: terminated; the same command resumes\n"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_in_a_destructor_is_not_lost(number: signal.Signals, status: int):
    code = (
        "import gc, os, signal, sys, time\n"
        "from commands.guard import guarded\n"
        # A process that a shell starts in the background inherits that Ctrl-C is ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Library:\n"
        f"    def __del__(self): os.kill(os.getpid(), {number.value}); time.sleep(0.01)\n"
        "def work():\n"
        "    library = Library(); del library\n"
        "    time.sleep(20)\n"
        "sys.exit(guarded('viewdistill toy', work))"
    )
    _, err = (process := program(code)).communicate(timeout=20)
    word = "interrupted" if number == signal.SIGINT else "terminated"
    assert (process.returncode, err) == (status, f"viewdistill toy: {word}; the same command resumes\n")


def test_a_pipe_that_is_not_the_output_breaks_with_a_line():
    code = (
        "import sys; from commands.guard import guarded\n"
        "def work(): raise BrokenPipeError(32, 'Broken pipe')\n"
        "sys.exit(guarded('viewdistill toy', work))"
    )
    _, err = (process := program(code)).communicate(timeout=20)
    assert process.returncode == 1
    assert err.startswith("viewdistill toy: unexpected BrokenPipeError")


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"LANG": "C", "LC_ALL": "C"},
        {"PYTHONIOENCODING": "ascii"},
        {"HOME": "/nonexistent/home"},
        {"TMPDIR": "/nonexistent/tmp"},
        {"TERM": "dumb", "COLUMNS": "20"},
    ],
    ids=str,
)
def test_a_strange_environment_changes_no_outcome(environment: dict[str, str], tmp_path: Path):
    code = (
        "import sys; from commands.main import main; from commands.process import prepare_process\n"
        "prepare_process(); print('ε'); sys.exit(main(['view', sys.prefix + '-no', '--port', '70000']))"
    )
    process = program(code, **environment)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert out.strip() in ("ε", "?")
    assert err.count("\n") == 1
    assert "70000: must be an integer from 0 to 65,535" in err


def test_closed_streams_are_no_error():
    command = f"{sys.executable} -m commands summary /nonexistent >&- 2>&-"
    start = time.monotonic()
    done = subprocess.run(command, shell=True, cwd=REPOSITORY, check=False)
    assert done.returncode == 2
    assert time.monotonic() - start < 60
