"""Training as it goes on, on the screen and for the report."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from stream.demo.frame import lively
from stream.demo.glyphs import spark
from stream.demo.phrases import Phrases

_FOLD = re.compile(r"fold (\d+) of (\d+)")


class Step(Protocol):
    """One step of training, as `models.options.Step` tells it."""

    @property
    def stage(self) -> str: ...  # noqa: D102 - as there
    @property
    def done(self) -> int: ...  # noqa: D102
    @property
    def total(self) -> int: ...  # noqa: D102
    @property
    def loss(self) -> float: ...  # noqa: D102
    @property
    def held_out(self) -> float: ...  # noqa: D102


@dataclass
class Stage:
    """The losses of one stage, epoch by epoch."""

    title: str
    total: int
    loss: list[float] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)


class Learning:
    """Shows training: a bar for each stage, or plain lines.

    Args:
        console: Where.
        say: In which words.

    Attributes:
        stages: All stages so far.
    """

    def __init__(self, console: Console, say: Phrases) -> None:
        """Show nothing yet."""
        self.stages: dict[str, Stage] = {}
        self._console = console
        self._say = say
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._waiting: TaskID | None = None

    def __enter__(self) -> Self:
        """Begin to show."""
        if lively(self._console):
            columns = [
                TextColumn("  {task.description}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[told]}"),
            ]
            narrow = self._console.width < 84
            self._bars = Progress(
                *(columns[:1] + columns[2:] if narrow else columns),
                console=self._console,
            )
            self._bars.start()
            self._waiting = self._bars.add_task(
                self._say("stage.preparing"), total=None, told=""
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the bars standing."""
        if self._bars is not None:
            self._bars.stop()

    def step(self, step: Step) -> None:
        """Take a step of training."""
        stage = self.stages.get(step.stage)
        if stage is None:
            stage = Stage(self._title(step.stage), step.total)
            self.stages[step.stage] = stage
            self._begin(step.stage, stage)
        if step.done:
            stage.loss.append(step.loss)
            stage.held_out.append(step.held_out)
        self._show(step, stage)

    def _title(self, name: str) -> str:
        fold = _FOLD.fullmatch(name)
        if fold:
            return self._say("stage.fold", n=fold[1], of=fold[2])
        return self._say.known("stage", name)

    def _begin(self, name: str, stage: Stage) -> None:
        if self._bars is not None:
            if self._waiting is not None:
                self._bars.remove_task(self._waiting)
                self._waiting = None
            self._tasks[name] = self._bars.add_task(
                stage.title, total=stage.total, told=""
            )

    def _show(self, step: Step, stage: Stage) -> None:
        if self._bars is not None:
            told = ""
            if stage.loss:
                curve = spark(stage.loss, len(stage.loss), 0.0, max(stage.loss))
                told = f"{curve}  {self._losses(stage)}"
            task = self._tasks[step.stage]
            self._bars.update(task, completed=step.done, total=step.total, told=told)
        elif step.done and step.done % 5 == 0:
            text = f"  {stage.title}, {step.done}/{step.total}: {self._losses(stage)}"
            self._console.print(text, soft_wrap=True)

    def _losses(self, stage: Stage) -> str:
        told = [self._say("loss", loss=stage.loss[-1])]
        if math.isfinite(stage.held_out[-1]):
            told.append(self._say("held_out", held_out=stage.held_out[-1]))
        return ", ".join(told)
