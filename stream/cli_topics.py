"""`foreshock topics`: make the topics of a plant."""

from __future__ import annotations

import typer

from stream.cli_common import (
    ConfigFile,
    JsonOption,
    SetOption,
    access_of,
    bus_errors,
    out,
    print_json,
    settings_from,
)

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Make the topics of a plant.",
)


@app.callback()
def _group() -> None:
    """Make the topics of a plant."""


@app.command()
def create(
    config: ConfigFile,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create the topics that do not exist yet; safe to repeat.

    Refuses, with the recipe, if a topic has another number of partitions.

    **Examples**

    foreshock topics create configs/cmapss.yaml

    foreshock topics create plant.yaml --set topics.partitions=12
    """
    from connectors.kafka_topics import TopicSpec
    from connectors.kafka_topics import create as create_topics
    from stream.topics import plan

    settings = settings_from(config, overrides)
    topics = plan(settings)
    specs = [TopicSpec(t.name, t.partitions, t.replication, t.config) for t in topics]
    with bus_errors():
        made = set(create_topics(access_of(settings), specs))
    if as_json:
        document = {
            "topics": [
                {
                    "setting": topic.setting,
                    "name": topic.name,
                    "partitions": topic.partitions,
                    "created": topic.name in made,
                    "config": topic.config,
                }
                for topic in topics
            ]
        }
        print_json(document)
        return
    for topic in topics:
        policy = topic.config["cleanup.policy"]
        word = "created" if topic.name in made else "exists"
        out.print(f"{word:8}{topic.name}  {topic.partitions} partitions, {policy}")
