"""The command `foreshock`: START HERE for what a user can ask for.

Commands live in `cli_*` modules, thin, and load what is heavy only when they run.
Every error leaves as one sentence on standard error with an exit code: 2 for what
the user can put right, 1 for the world outside (see `stream.errors`).
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from stream import (
    cli_alarm,
    cli_alerts,
    cli_assets,
    cli_backtest,
    cli_config,
    cli_demo,
    cli_event,
    cli_models,
    cli_replay,
    cli_scores,
    cli_topics,
    cli_worker,
)
from stream.cli_common import say
from stream.errors import ForeshockError

_INTERRUPTED = 130
_USAGE = 2
_BUG = 1

app = typer.Typer(
    name="foreshock",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    epilog="Start with: foreshock config check configs/cmapss.yaml",
)
app.add_typer(cli_config.app, name="config")
app.add_typer(cli_topics.app, name="topics")
app.add_typer(cli_assets.app, name="assets")
app.command("demo")(cli_demo.demo)
app.command("replay")(cli_replay.replay)
app.command("train")(cli_models.train)
app.command("evaluate")(cli_models.evaluate)
app.command("backtest")(cli_backtest.backtest)
app.command("worker")(cli_worker.worker)
app.command("scores")(cli_scores.scores)
app.command("alerts")(cli_alerts.alerts)
app.add_typer(cli_alarm.app, name="alarm")
app.command("event")(cli_event.event)


def _version(wanted: bool) -> None:
    if not wanted:
        return
    try:
        number = version("foreshock")
    except PackageNotFoundError:
        number = "unknown (not installed)"
    typer.echo(f"foreshock {number}")
    raise typer.Exit


@app.callback()
def root(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show a traceback when something fails.")
    ] = False,
) -> None:
    """Streaming predictive maintenance: readings in, risk and remaining life out.

    Foreshock advises; it is no protective system and replaces no trip.
    """
    del show_version, debug


def run(arguments: Sequence[str]) -> int:
    """Run one command.

    Args:
        arguments: What stands after `foreshock` on the command line.

    Returns:
        The exit code: 0 done, 1 the world outside failed, 2 refused, 130 interrupted.
    """
    try:
        code = app(list(arguments), prog_name="foreshock", standalone_mode=False)
    except BrokenPipeError:
        # Whoever read our output has seen enough, as in `foreshock scores | head`.
        # Python flushes once more at exit and must not find the broken pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - the one place where every error ends
        if "--debug" in arguments:
            traceback.print_exc()
        return _report(error)
    if code == _INTERRUPTED:
        # Typer has caught the interrupt and left no word.
        say("foreshock: interrupted")
    return code if isinstance(code, int) else 0


def _report(error: Exception) -> int:
    if isinstance(error, ForeshockError):
        say(f"foreshock: {error}")
        return error.exit_code
    usage = getattr(error, "format_message", None)
    if callable(usage):
        context = getattr(error, "ctx", None)
        hint = f" (see {context.command_path} --help)" if context else ""
        say(f"foreshock: {usage()}{hint}")
        return _USAGE
    if type(error).__name__ == "Abort":
        return _INTERRUPTED
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    say(f"foreshock: unexpected error, {what} (foreshock --debug … shows where)")
    return _BUG


def main() -> None:
    """Entry point of the command line."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
