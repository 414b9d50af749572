"""The demo from end to end: simulate, train, watch, judge, report.

What takes long to load (TensorFlow, Faust, matplotlib) is loaded where it is used, so
that there is something to see at once.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from stream.demo.board import Board
from stream.demo.fleet import Fleet, simulate
from stream.demo.frame import closing, lively, opening
from stream.demo.learning import Learning, Stage
from stream.demo.parameters import Parameters, read
from stream.demo.phrases import Phrases
from stream.demo.show import View
from stream.demo.signals import chosen
from stream.errors import InputError
from stream.worker import log
from stream.worker.settings import Settings
from stream.worker.settings_data import FleetDataset

if TYPE_CHECKING:
    from stream.core.scoring import Scorer
    from stream.demo.baselines import Baseline
    from stream.demo.summary import Summary

PACE_S = 40.0
"""How long watching on a terminal takes at least, unless it shall be fast."""

_TRAINING_SEED = 0
_LOG = "demo.log"
_REPORT = "report.html"


@dataclass(frozen=True)
class Demonstration:
    """One call of the demo.

    Attributes:
        settings: Of the plant, with one machine type.
        dataset: Where its fleets come from.
        laws: Of the simulation.
        console: Where things are shown.
        say: In which words.
        output: Folder for what is made.
        version: Of the models that are trained.
    """

    settings: Settings
    dataset: FleetDataset
    laws: Parameters
    console: Console
    say: Phrases
    output: Path
    version: str

    @classmethod
    def of(
        cls, settings: Settings, console: Console, output: Path, version: str
    ) -> Demonstration:
        """Make ready: read the parameters, open the log.

        Raises:
            InputError: if the settings are of no simulated plant, or the folder cannot
                be written to.
        """
        kinds = list(settings.machine_types)
        dataset = settings.dataset_of(kinds[0])
        if len(kinds) > 1 or not isinstance(dataset, FleetDataset):
            raise InputError(
                "dataset: expected one machine type with a dataset of kind fleet, since"
                f" the demo simulates its machines, found {', '.join(kinds)}"
            )
        say = Phrases(settings.alerts.language, settings.alerts.labels)
        made = cls(
            settings=settings,
            dataset=dataset,
            laws=read(dataset.parameters),
            console=console,
            say=say,
            output=output,
            version=version,
        )
        made._log()
        return made

    @property
    def kind(self) -> str:
        """The machine type."""
        return next(iter(self.settings.machine_types))

    @property
    def horizon_h(self) -> float:
        """Horizon of the risk, h."""
        return self.settings.machine_types[self.kind].life.horizon

    def one(
        self, seed: int, *, trained: bool, fast: bool, command: str = "foreshock"
    ) -> dict[str, Any]:
        """Watch one fleet, with everything that there is to see.

        Args:
            seed: Of the fleet.
            trained: Use the models of the last run.
            fast: Without pauses.
            command: How the user calls us.

        Returns:
            The summary as plain values.

        Raises:
            KeyboardInterrupt: by the user.
            UserError: if models are wanted that are not there.
            OutsideError: if the scoring agent stops by itself.
        """
        self._check(trained=trained)
        fleet = simulate(self.laws, seed, "demo")
        signals, about = chosen(fleet), self._about(fleet, seed)
        opening(self.console, signals, self.say, about)
        stages, trained_s = self._models(trained=trained)
        # Without anybody to watch there is nothing to wait for.
        pace_s = PACE_S if lively(self.console) and not fast else 0.0
        board, summary = self._watch(fleet, seed, pace_s)
        compared = self._compare([fleet], summary.verdict.false_alarms)
        summary = replace(summary, baselines=tuple(compared), trained_s=trained_s)
        from stream.demo.report import Page, write

        path = self.output / _REPORT
        parameters = self.dataset.parameters.read_text("utf-8")
        page = Page(fleet, signals, board, summary, stages, about, parameters)
        write(page, path, self.say)
        following = self._following(command, seed)
        closing(self.console, summary, self.say, str(path), following)
        return {**summary.to_json(), "report": str(path)}

    def several(self, seed: int, count: int, *, trained: bool) -> dict[str, Any]:
        """Watch several fleets for their figures, a line for each.

        Args:
            seed: Of the first fleet; the others follow.
            count: How many.
            trained: Use the models of the last run.

        Returns:
            As `stream.demo.summary.over_seeds`.

        Raises:
            Exception: as `one`.
        """
        self._check(trained=trained)
        _, trained_s = self._models(trained=trained)
        from stream.demo.live import play
        from stream.demo.summary import over_seeds, summarise

        scorers, runs, fleets = self._scorers(), [], []
        for number in range(seed, seed + count):
            fleet = simulate(self.laws, number, "demo")
            board = Board(fleet.machines)
            played = play(fleet, self.settings, scorers, board)
            run = summarise(fleet, board.alerts, played, number, self.horizon_h)
            fleets.append(fleet)
            runs.append(run)
            self._note(self.say("run", **_figures(run)))
        false = sum(run.verdict.false_alarms for run in runs)
        return over_seeds(runs, self._compare(fleets, false), trained_s)

    def _log(self) -> None:
        try:
            self.output.mkdir(parents=True, exist_ok=True)
            file = (self.output / _LOG).open("w", encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"--output {self.output}: expected a folder to write to, found"
                f" {error.strerror or error}"
            ) from error
        log.set_up(self.settings, file)

    @property
    def _bundle(self) -> Path:
        return self.settings.bundle_of(self.kind)

    def _check(self, *, trained: bool) -> None:
        if trained and not self._bundle.exists():
            raise InputError(
                f"--trained: expected the models of an earlier run in {self._bundle},"
                " found none; leave out --trained once"
            )

    def _about(self, fleet: Fleet, seed: int) -> str:
        what = self.say(
            "what",
            machines=len(fleet.machines),
            days=(fleet.end_ns - fleet.start_ns) / 86_400e9,
            seed=seed,
            failures=len(fleet.failures),
            sudden=sum(not f.foreseeable for f in fleet.failures),
            spares=int(fleet.spares.sum()),
            faults=len(fleet.faults),
            trained=self.laws.train.machines,
        )
        return f"{what}\n{self.say('parameters', path=self.dataset.parameters)}"

    def _models(self, *, trained: bool) -> tuple[tuple[Stage, ...], float | None]:
        """Train, unless the models of the last run are wanted."""
        if trained:
            self._note(self.say("reused", path=self._bundle))
            return (), None
        self._note(self.say("training"))
        began = time.perf_counter()
        with Learning(self.console, self.say) as learning:
            from stream.training import train

            told = train(
                self.settings,
                seed=_TRAINING_SEED,
                version=self.version,
                progress=lambda _, step: learning.step(step),
            )[self.kind]
        took = time.perf_counter() - began
        counts = {name: told[name] for name in ("windows", "machines", "failures")}
        self._note(self.say("trained", seconds=took, **counts))
        return tuple(learning.stages.values()), took

    def _scorers(self) -> list[Scorer]:
        from stream.worker.bundles import scorers_of

        return scorers_of(self.settings)

    def _watch(self, fleet: Fleet, seed: int, pace_s: float) -> tuple[Board, Summary]:
        from stream.demo.live import play
        from stream.demo.summary import summarise

        self._note(self.say("streaming", machines=len(fleet.machines)))
        scorers, board = self._scorers(), Board(fleet.machines)
        with View(board, fleet, self.console, self.say, self.horizon_h) as view:
            played = play(fleet, self.settings, scorers, view, pace_s)
        return board, summarise(fleet, board.alerts, played, seed, self.horizon_h)

    def _compare(self, fleets: Sequence[Fleet], false: int) -> list[Baseline]:
        from stream.demo.baselines import compare

        self._note(self.say("comparing"))
        learned = simulate(self.laws, self.dataset.seed, "train")
        return compare(learned, fleets, self.horizon_h, false)

    def _note(self, text: str) -> None:
        self.console.print(text, soft_wrap=True)

    def _following(self, command: str, seed: int) -> list[tuple[str, str]]:
        own = "configs/first-machine.yaml"
        return [
            (f"{command} demo --trained --seed {seed + 1}", self.say("next.seed")),
            (f"{command} demo --trained --seeds 5", self.say("next.seeds")),
            (f"{command} config check {own}", self.say("next.own")),
        ]


def _figures(run: Summary) -> dict[str, Any]:
    v = run.verdict
    return {
        "seed": run.seed,
        "foreseen": v.foreseen,
        "foreseeable": v.foreseeable,
        "false": v.false_alarms,
        "named": v.sensor_faults_named,
        "faults": v.sensor_faults,
        "rate": run.played.per_second,
    }
