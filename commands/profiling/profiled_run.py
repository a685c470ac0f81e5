"""A profile from its request to its files: measured, written, printed and tracked."""

from commands.profiling.report import print_profile, track_profile, write_profile
from commands.profiling.request import Request
from commands.profiling.stage_profile import profile_stage
from datamodules.runs.run_folder import RunFolder


def profile_run(request: Request) -> None:
    """Profile a stage of a run.

    Args:
        request: Options of `viewdistill profile`.

    Raises:
        ViewDistillError: An earlier stage is missing, or a setting is wrong.
    """
    folder = RunFolder(request.run_folder)
    output = folder.root / f"profile-{request.stage}"
    profile = profile_stage(request, folder, output)
    write_profile(profile, output)
    print_profile(profile, output)
    track_profile(profile, folder, output)
