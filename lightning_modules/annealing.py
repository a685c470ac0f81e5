"""Numbers that change during a fit: loss weights and bounds of the timestep."""

from viewdistill.errors import ViewDistillError

Annealed = float | tuple[int, float, float, int]
"""A constant, or ``[start_step, start_value, end_value, end_step]``: linear in between, constant before and after.

``[10000, 0, 1000, 10001]`` is a switch from 0 to 1000 (threestudio writes its schedules the same way)."""


def value_at(annealed: Annealed, step: int) -> float:
    """The value at an optimisation step."""
    if isinstance(annealed, int | float):
        return float(annealed)
    start_step, start, end, end_step = annealed
    progress = min(1.0, max(0.0, (step - start_step) / (end_step - start_step)))
    return start + progress * (end - start)


def check_annealed(name: str, annealed: Annealed) -> None:
    """Refuse a schedule that ends before it starts.

    Raises:
        ViewDistillError: The end step is not after the start step.
    """
    if not isinstance(annealed, int | float) and annealed[3] <= annealed[0]:
        raise ViewDistillError(
            f"{name} is {list(annealed)}; give a number or [start_step, start_value, end_value, end_step] "
            "with end_step > start_step"
        )
