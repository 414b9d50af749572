"""One HTML page of an evaluation: figures, protocol, plots. It loads nothing else."""

from __future__ import annotations

from typing import Any

import jinja2

from models import plots
from models.bundle import Bundle
from models.metrics import Tree

WORDS = {
    "rul.rmse_capped": "RMSE, labels held at the cap",
    "rul.rmse_uncapped": "RMSE, labels as they are",
    "rul.nasa_score": "NASA score, labels held at the cap",
    "rul.nasa_score_uncapped": "NASA score, labels as they are",
    "failure.f1": "fails within the horizon: F1",
    "failure.precision": "precision",
    "failure.recall": "recall",
    "failure.accuracy": "accuracy",
    "failure.pr_auc": "area under precision-recall",
    "interval.coverage": "coverage of the 90 % interval",
    "interval.mean_width": "mean width of the interval",
}
STRANGE = {
    "false_alarms": "false alarms per healthy machine-month at the alarm limit",
    "false_alarm_share": "share of healthy windows beyond the limit",
    "detected": "share of windows within the horizon beyond the limit",
    "pr_auc": "area under precision-recall, near failure against healthy",
}
# The page runs no script and loads nothing; a browser is told to hold it to that.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{ policy }}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Evaluation of {{ report.bundle.name }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2129; max-width: 1080px;
       margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.6em; margin-bottom: 0 } h2 { font-size: 1.15em; margin-top: 2em }
table { border-collapse: collapse; width: 100% } td, th { padding: .3em .6em;
       text-align: right; border-bottom: 1px solid #e3e5e8 }
td:first-child, th:first-child { text-align: left } small { color: #666c75 }
img { width: 100%; height: auto } .note { background: #fff6e0; padding: .6em 1em }
dt { color: #666c75; float: left; clear: left; width: 11em } dd { margin-left: 12em }
code { overflow-wrap: anywhere }
</style></head><body>
<h1>Evaluation of {{ report.bundle.name }} {{ report.bundle.version }}</h1>
<small>bundle <code>{{ report.bundle.digest }}</code></small>
{% for note in report.bundle.notes %}<p class="note">{{ note }}</p>{% endfor %}
<h2>Risk and remaining life</h2>
<table><tr><th></th>{% for c in columns %}<th>{{ c }}</th>{% endfor %}</tr>
{% for row in rows %}<tr><td>{{ row.words }}</td>{% for cell in row.cells %}
<td>{{ cell.value }}{% if cell.interval %}<br><small>{{ cell.interval }}</small>
{% endif %}</td>{% endfor %}</tr>{% endfor %}</table>
{% if difference %}<p>RMSE less that of boosting, same machines:
{{ difference }}. Below 0 the networks are better.</p>{% endif %}
<p><small>In small print: 95 % bootstrap interval over machines. The cross-validated
column judges training machines by networks that never saw them; figures of the test
machines played no part in any choice.</small></p>
<h2>Anomaly</h2>
<table><tr><th></th><th>autoencoder</th><th>PCA T2 and Q</th></tr>
{% for row in strange %}<tr><td>{{ row.words }}</td>{% for cell in row.cells %}
<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</table>
{% for plot in pictures %}<h2>{{ plot.title }}</h2>
<img alt="{{ plot.title }}" src="{{ plot.uri }}">{% endfor %}
<h2>Data and protocol</h2>
<dl>{% for name, text in protocol %}<dt>{{ name }}</dt><dd>{{ text }}</dd>{% endfor %}
</dl></body></html>
"""


def render(report: Tree, bundle: Bundle, names: tuple[str, ...] = ()) -> str:
    """The page as text; everything in it is escaped or drawn.

    Args:
        report: what `models.evaluate.evaluate` returned.
        bundle: the bundle it judged.
        names: names of the training machines, for the plots of whole lives.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    boosting = report["baselines"].get("boosting")
    return environment.from_string(TEMPLATE).render(
        report=report,
        policy=POLICY,
        columns=["test machines", "cross-validated", "boosting, test machines"],
        rows=_table([report, report["cross_validated"], boosting]),
        difference=_difference(boosting),
        strange=_strange(report),
        pictures=_pictures(report, bundle, names),
        protocol=_protocol(report),
    )


def _table(parts: list[Tree | None]) -> list[dict[str, Any]]:
    rows = []
    for name, words in WORDS.items():
        group, figure = name.split(".")
        cells = []
        for part in parts:
            value = part[group][figure] if part else None
            ends = (part or {}).get("bootstrap", {}).get(group, {}).get(figure)
            text = f"{_number(ends[0])} to {_number(ends[1])}" if ends else None
            cells.append({"value": _number(value), "interval": text})
        rows.append({"words": words, "cells": cells})
    return rows


def _strange(report: Tree) -> list[dict[str, Any]]:
    pca = (report["baselines"].get("pca") or {}).get("anomaly") or {}
    ours = report["anomaly"] or {}
    return [
        {"words": words, "cells": [_number(p.get(name)) for p in (ours, pca)]}
        for name, words in STRANGE.items()
    ]


def _difference(boosting: Tree | None) -> str | None:
    if not boosting:
        return None
    found = boosting["rmse_difference"]
    low, high = found["interval"]
    return f"{_number(found['value'])} ({_number(low)} to {_number(high)})"


def _pictures(
    report: Tree, bundle: Bundle, names: tuple[str, ...]
) -> list[dict[str, str]]:
    layout, life = bundle.trained.layout, bundle.trained.life
    found = [("Learning curves", plots.curves(bundle.trained.curves))]
    if life is not None:
        if report["machines"]:
            uri = plots.scatter(report["machines"], layout.cap, layout.axis)
            found.append(("Predicted and true remaining life", uri))
        held = life.out_of_fold
        uri = plots.reliability(held, layout.cap, layout.horizon)
        found.append(("Reliability, on training machines held out in folds", uri))
        uri = plots.fans(held, names, layout.cap, layout.axis)
        found.append(("Whole lives of held-out training machines", uri))
    return [{"title": title, "uri": uri} for title, uri in found]


def _protocol(report: Tree) -> list[tuple[str, str]]:
    rows = [(k.replace("_", " "), str(v)) for k, v in report["protocol"].items()]
    rows += [(f"trained on {k}", str(v)) for k, v in _trained_on(report)]
    rows.append(("training data", str(report["bundle"]["fingerprint"])))
    rows.append(("training seed", str(report["bundle"]["seed"])))
    return rows


def _trained_on(report: Tree) -> list[tuple[str, Any]]:
    return list(report["bundle"]["trained_on"].items())


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
