"""`foreshock demo`: a made-up fleet of pumps, from the first signal to the report."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from stream.cli_common import JsonOption, SetOption, err, out, print_json, settings_from
from stream.errors import InputError

if TYPE_CHECKING:
    from stream.core.scoring import Scorer
    from stream.demo.fleet import Fleet
    from stream.demo.learning import Learning
    from stream.demo.parameters import Parameters
    from stream.demo.phrases import Phrases
    from stream.demo.summary import Summary
    from stream.worker.settings import Settings

_PACE_S = 40.0
_INTERRUPTED = 130
_OURS = (
    # One process, one log: nobody else could claim a machine, and one partition
    # makes the largest batches.
    "input.settle=0s",
    "topics.partitions=1",
    # The past is played as if it were now.
    "alerts.page_within=36500d",
)


class Language(StrEnum):
    """What the demo speaks."""

    EN = "en"
    ZH = "zh"


def demo(
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Seed of the fleet that is watched.")
    ] = 1,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds", min=1, metavar="N", help="Watch N fleets; print their figures."
        ),
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="As fast as it goes, with no pauses.")
    ] = False,
    trained: Annotated[
        bool, typer.Option("--trained", help="Use the models of the last run.")
    ] = False,
    language: Annotated[
        Language, typer.Option("--language", help="Of the screen, alerts and report.")
    ] = Language.EN,
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Folder for what is made.")
    ] = Path("build/demo"),
    config: Annotated[
        Path, typer.Option("--config", metavar="FILE", help="The plant's YAML file.")
    ] = Path("configs/demo.yaml"),
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate pumps, train on one fleet, and watch another through the real agents.

    Writes report.html, models and a log to build/demo. No server is needed: Kafka is
    a log in memory. Takes two and a half minutes on two cores, one of them training.

    **Examples**

    foreshock demo

    foreshock demo --seed 7 --trained --language zh

    foreshock demo --seeds 20 --json > figures.json
    """
    console = err if as_json or seeds is not None else out
    settings = settings_from(config, _overrides(output, language, overrides))
    run = _Run(settings, output, console, language)
    from stream.demo.live import Interrupted

    try:
        result = run.several(seed, seeds, trained) if seeds else run.one(
            seed, trained, fast
        )
    except Interrupted:
        raise typer.Exit(_INTERRUPTED) from None
    if as_json or seeds is not None:
        print_json(result)


def _overrides(
    output: Path, language: Language, given: list[str] | None
) -> list[str]:
    folder = f"bundle.path={output / 'bundle'}"
    return [*_OURS, folder, f"alerts.language={language}", *(given or ())]


class _Run:
    """One call of the command."""

    def __init__(
        self, settings: Settings, output: Path, console: Console, language: str
    ) -> None:
        """Read the parameters, and make sure that the folder can be written."""
        # What the terminal cannot show must not end the demo.
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")
        from stream.demo.parameters import read
        from stream.demo.phrases import Phrases
        from stream.worker.settings_data import FleetDataset

        self.settings, self.output, self.console = settings, output, console
        (self.kind,) = settings.machine_types
        dataset = settings.dataset_of(self.kind)
        if not isinstance(dataset, FleetDataset):
            raise InputError(
                "dataset.kind: expected fleet, since the demo simulates its machines"
            )
        self.dataset = dataset
        self.laws: Parameters = read(dataset.parameters)
        self.horizon_h = settings.machine_types[self.kind].life.horizon
        self.say: Phrases = Phrases(language, settings.alerts.labels)
        self._log_to(output)

    def _log_to(self, folder: Path) -> None:
        from stream.worker import log

        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / "demo.log").open("w", encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"--output {folder}: expected a folder to write to, found"
                f" {error.strerror or error}"
            ) from error
        log.set_up(self.settings, file)

    def one(self, seed: int, trained: bool, fast: bool) -> dict[str, Any]:
        """Watch one fleet, with everything that there is to see."""
        from stream.demo import show
        from stream.demo.signals import chosen
        from stream.demo.fleet import simulate

        fleet = simulate(self.laws, seed, "demo")
        signals = chosen(fleet)
        show.opening(self.console, fleet, signals, self.say, self._about(fleet, seed))
        learning, trained_s = self._models(trained)
        scorers = self._scorers()
        summary, board = self._watch(fleet, seed, scorers, 0.0 if fast else _PACE_S)
        self.console.print(self.say("comparing"), style="dim")
        compared = self._baselines([fleet], summary.verdict.false_alarms)
        summary = replace(summary, baselines=tuple(compared), trained_s=trained_s)
        from stream.demo.report import Page, write

        page = Page(
            fleet=fleet,
            signals=signals,
            board=board,
            summary=summary,
            stages=tuple(learning.stages.values()) if learning else (),
            about=self._about(fleet, seed),
            parameters=self.dataset.parameters.read_text("utf-8"),
        )
        path = self.output / "report.html"
        write(page, path, self.say)
        show.closing(self.console, summary, self.say, str(path), self._next(seed))
        return {**summary.to_json(), "report": str(path)}

    def several(self, seed: int, count: int, trained: bool) -> dict[str, Any]:
        """Watch several fleets, for their figures."""
        from stream.demo.board import Board
        from stream.demo.fleet import simulate
        from stream.demo.live import play
        from stream.demo.summary import over_seeds, summarise

        _, trained_s = self._models(trained)
        scorers, runs, fleets = self._scorers(), [], []
        for one in range(seed, seed + count):
            fleet = simulate(self.laws, one, "demo")
            board = Board(fleet.machines)
            played = play(fleet, self.settings, scorers, board)
            run = summarise(fleet, board.alerts, played, one, self.horizon_h, trained_s)
            fleets.append(fleet)
            runs.append(run)
            v = run.verdict
            self._note(
                f"seed {one}: foreseen {v.foreseen} of {v.foreseeable}, false alarms"
                f" {v.false_alarms}, sensor faults named {v.sensor_faults_named} of"
                f" {v.sensor_faults}, {played.per_second:,.0f} readings/s"
            )
        self._note(self.say("comparing"))
        false = sum(run.verdict.false_alarms for run in runs)
        return over_seeds(runs, self._baselines(fleets, false), trained_s)

    def _about(self, fleet: Fleet, seed: int) -> str:
        days = (fleet.end_ns - fleet.start_ns) / 86_400e9
        what = self.say(
            "what",
            machines=len(fleet.machines),
            days=days,
            seed=seed,
            failures=len(fleet.failures),
            sudden=sum(not f.foreseeable for f in fleet.failures),
            spares=int(fleet.spares.sum()),
            faults=len(fleet.faults),
            trained=self.laws.train.machines,
        )
        where = self.say("parameters", path=self.dataset.parameters)
        return f"{what}\n{where}"

    def _models(self, trained: bool) -> tuple[Learning | None, float | None]:
        """Train, unless the models of the last run are wanted."""
        from stream.demo.learning import Learning

        if trained:
            self._note(self.say("reused", path=self.settings.bundle_of(self.kind)))
            return None, None
        self._note(self.say("training"))
        began = time.perf_counter()
        version = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        with Learning(self.console, self.say) as learning:
            from stream.training import train

            told = train(
                self.settings,
                seed=0,
                version=version,
                progress=lambda _, step: learning.step(step),
            )[self.kind]
        seconds = time.perf_counter() - began
        self._note(
            self.say(
                "trained",
                seconds=seconds,
                windows=told["windows"],
                machines=told["machines"],
            )
        )
        return learning, seconds

    def _scorers(self) -> list[Scorer]:
        from stream.worker.bundles import scorers_of

        return scorers_of(self.settings)

    def _watch(
        self, fleet: Fleet, seed: int, scorers: Sequence[Scorer], pace_s: float
    ) -> tuple[Summary, Any]:
        from stream.demo.board import Board
        from stream.demo.live import play
        from stream.demo.show import View
        from stream.demo.summary import summarise

        self._note(self.say("streaming", machines=len(fleet.machines)))
        board = Board(fleet.machines)
        with View(board, fleet, self.console, self.say, self.horizon_h) as view:
            played = play(fleet, self.settings, scorers, view, pace_s)
        return summarise(fleet, board.alerts, played, seed, self.horizon_h), board

    def _baselines(self, fleets: list[Fleet], false: int) -> list[Any]:
        from stream.demo.baselines import compare
        from stream.demo.fleet import simulate

        learned = simulate(self.laws, self.dataset.seed, "train")
        return compare(learned, fleets, self.horizon_h, false)

    def _note(self, text: str) -> None:
        self.console.print(text, soft_wrap=True)

    def _next(self, seed: int) -> list[tuple[str, str]]:
        command = _command()
        return [
            (f"{command} demo --trained --seed {seed + 1}", self.say("next.seed")),
            (f"{command} demo --trained --seeds 5", self.say("next.seeds")),
            (f"{command} config check configs/csv.yaml", self.say("next.own")),
        ]


def _command() -> str:
    """How the user called us: with its folder only where that is not in the PATH."""
    called = Path(sys.argv[0])
    try:
        near = called.resolve().relative_to(Path.cwd())
    except (OSError, ValueError):
        return "foreshock"
    return str(near) if called.name == "foreshock" else "foreshock"
