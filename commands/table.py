"""The subcommands of `viewdistill`; only the module of the requested one is imported."""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from datamodules.runs.stages import STAGES


@dataclass(frozen=True)
class Subcommand:
    """One subcommand."""

    name: str
    """Name on the command line."""
    path: str
    """Its module, which has ``add_arguments`` and ``run``."""
    help: str
    """One-line help."""
    open_ended: bool = False
    """Whether unknown options are settings of its YAML."""

    @property
    def runs_stages(self) -> bool:
        """Whether it runs stages of an object, and has their options."""
        return self.name in ("object", "objects") or any(self.name == stage.subcommand[0] for stage in STAGES.values())

    def load(self) -> ModuleType:
        """Import its module."""
        return import_module(self.path)


SUBCOMMANDS = {
    subcommand.name: subcommand
    for subcommand in (
        Subcommand(
            "object",
            "commands.pipeline.object",
            "make everything from one image, or from words, to the mesh and its report; resumes",
        ),
        Subcommand(
            "picture",
            "commands.stages.picture",
            "sample an input image for a text from the text-conditioned prior",
            open_ended=True,
        ),
        Subcommand(
            "input",
            "commands.stages.input",
            "cut out and frame the object of an image, and write it with its camera and class word",
        ),
        Subcommand(
            "field",
            "commands.stages.field",
            "fit a radiance field to the input view under the guidance of the priors",
            open_ended=True,
        ),
        Subcommand(
            "novel-views",
            "commands.stages.novel_views",
            "sample views around the object from the view-conditioned prior",
            open_ended=True,
        ),
        Subcommand(
            "class-images",
            "commands.stages.class_images",
            "sample images of the object's class from the text-conditioned prior",
            open_ended=True,
        ),
        Subcommand(
            "specialize",
            "commands.stages.specialize",
            "teach the text-conditioned prior the object, in two stages of DreamBooth with LoRA",
            open_ended=True,
        ),
        Subcommand(
            "views",
            "commands.stages.views",
            "render the field and refine the renders with the specialised prior",
            open_ended=True,
        ),
        Subcommand(
            "surface",
            "commands.stages.surface",
            "fit a signed distance field to the refined views and the input view",
            open_ended=True,
        ),
        Subcommand(
            "mesh",
            "commands.stages.mesh",
            "turn the fitted surface or field into a textured mesh, with a turntable and a contact sheet",
        ),
        Subcommand(
            "render",
            "commands.rendering.render",
            "render a video of a run's mesh or field from any camera path, with frames, depth and normals",
        ),
        Subcommand("report", "commands.reporting.report", "put all results of a run on one page that works offline"),
        Subcommand(
            "objects",
            "commands.scaling.objects",
            "make every image of a folder, on this machine or on a Ray cluster",
        ),
        Subcommand("view", "commands.reporting.view", "look at mesh, cameras and images of a run in a live viewer"),
        Subcommand(
            "compare",
            "commands.reporting.compare",
            "show two or more runs side by side, as a table and as curves",
        ),
        Subcommand(
            "evaluate",
            "commands.evaluation.evaluate",
            "score a run, or any mesh or views, against the truth, as tables and as evaluation.json",
        ),
        Subcommand(
            "summary",
            "commands.reporting.summary",
            "show what the stages of a run cost and wrote, as a table and as summary.json",
        ),
        Subcommand("sync", "commands.tracking.sync", "send to W&B what a run kept offline, stage by stage"),
        Subcommand(
            "doctor",
            "commands.machine.doctor",
            "show what this machine has, which back ends are in use, and how to get what is missing",
        ),
        Subcommand(
            "profile",
            "commands.profiling.profile",
            "measure where the time and memory of a stage's step go, against what the machine can do",
            open_ended=True,
        ),
        Subcommand("train", "commands.training.train", "train one of the embedded priors", True),
        Subcommand(
            "export-prior",
            "commands.training.export_prior",
            "write trained priors as folders that diffusers and transformers load",
        ),
        Subcommand(
            "convert",
            "commands.training.convert",
            "turn an original Zero-1-to-3 checkpoint into a prior folder",
        ),
        Subcommand(
            "evaluate-prior",
            "commands.evaluation.evaluate_prior",
            "novel-view PSNR of a view-conditioned prior on objects it never saw",
        ),
        Subcommand("bias", "commands.evaluation.bias", "measure and show the bias of priors' unconditional branches"),
        Subcommand(
            "objects-preview",
            "commands.generation.objects_preview",
            "draw a contact sheet of procedural objects",
        ),
        Subcommand("examples", "commands.generation.examples", "render the example inputs from test seeds"),
    )
}
"""Name → subcommand, in the order in which the help lists them."""
