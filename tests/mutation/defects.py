"""The defects: one textual change each, and in a sentence what it breaks."""

from __future__ import annotations

from typing import NamedTuple


class Defect(NamedTuple):
    """A change of one place in a file of the core that its tests must notice.

    Attributes:
        file: Name of the file in ``stream/core``.
        old: Text that stands in it exactly once.
        new: What the defect puts in its place.
        breaks: What goes wrong.
    """

    file: str
    old: str
    new: str
    breaks: str


TESTS = {
    "acts.py": ("test_acts.py", "test_alarms_machine.py"),
    "alarm_table.py": ("test_alarm_table.py",),
    "alarms.py": ("test_alarms.py", "test_acts.py"),
    "cases.py": ("test_alarms.py", "test_acts.py"),
    "decode.py": ("test_decode.py", "test_decode_paths.py", "test_pipeline.py"),
    "usual.py": ("test_decode_paths.py", "test_decode.py"),
    "encode.py": ("test_encode.py",),
    "events.py": ("test_events.py",),
    "event_time.py": ("test_event_time.py", "test_decode.py"),
    "exact.py": ("test_decode.py", "test_decode_paths.py"),
    "machines.py": ("test_machines.py", "test_forget.py", "test_pipeline.py"),
    "pipeline.py": (
        "test_forget.py",
        "test_snapshot.py",
        "test_pipeline.py",
        "test_restart.py",
    ),
    "reasons.py": ("test_reasons.py", "test_alarms.py"),
    "readings.py": ("test_readings.py",),
    "rows.py": (
        "test_rows.py",
        "test_forget.py",
        "test_reference.py",
        "test_pipeline.py",
    ),
    "scoring.py": ("test_scoring.py",),
    "segments.py": ("test_segments.py",),
    "snapshot.py": ("test_snapshot.py", "test_restart.py"),
    "trackers.py": ("test_alarms.py", "test_alarms_machine.py"),
    "running.py": ("test_running.py",),
    "service.py": ("test_service.py", "test_effects.py"),
    "effects.py": ("test_effects.py",),
    "alert.py": ("test_events.py",),
    "outcome.py": ("test_effects.py", "test_pipeline.py"),
    "windows.py": (
        "test_windows.py",
        "test_forget.py",
        "test_snapshot.py",
        "test_reference.py",
    ),
}
"""Which tests are for which file, the quick ones first."""

DEFECTS = (
    # decode.py
    Defect(
        "usual.py",
        "if quotes == 2 * texts else None",
        "if quotes else None",
        "a key that stands twice passes where all records are decoded together",
    ),
    Defect(
        "usual.py",
        "good = (2 * texts == np.array(quotes)).tolist()",
        "good = (np.array(quotes) > 0).tolist()",
        "a key that stands twice passes where records are decoded one by one",
    ),
    Defect(
        "usual.py",
        " or lengths.max() > self._rules.max_bytes",
        "",
        "records of any size pass where all are decoded together",
    ),
    Defect(
        "usual.py",
        "if len(value) <= limit:",
        "if len(value) >= 0:",
        "records of any size pass where they are decoded one by one",
    ),
    Defect(
        "usual.py",
        "return name in self._known or is_machine_name(name)",
        "return True",
        "any text names a machine on the fast path",
    ),
    Defect(
        "usual.py",
        "return [4 + form.schema + isinstance(form.time, str) for form in forms]",
        "return [4 + form.schema for form in forms]",
        "usual records with a text for their time leave the fast path",
    ),
    Defect(
        "usual.py",
        "if len(forms) != len(raw)",
        "if len(forms) < len(raw)",
        "a record of two objects passes as two",
    ),
    Defect(
        "usual.py",
        'if (letters[starts] != ord("{")).any():',
        'if (letters[:1] != ord("{")).any():',
        "two halves of an object pass as one beside a record of two objects",
    ),
    Defect(
        "usual.py",
        'text = b",\\n".join(raw)',
        'text = b",.".replace(b".", b" ").join(raw)',
        "a text that is cut in two between records passes",
    ),
    Defect(
        "usual.py",
        "index += [at + i for i in where]",
        "index += list(where)",
        "readings beyond the first some hundred are told of other records",
    ),
    Defect(
        "decode.py",
        'order = np.argsort(record, kind="stable")',
        "order = np.arange(len(record))",
        "readings of the two paths are not put back into arrival order",
    ),
    Defect(
        "decode.py",
        "rejects.sort(key=lambda reject: (reject.record.offset, reject.position))",
        "rejects.sort(key=lambda reject: reject.position)",
        "rejects of several records are not in arrival order",
    ),
    Defect(
        "decode.py",
        "future = (column.time_ns > limit) & (stamp >= 0)",
        "future = (column.time_ns >= limit) & (stamp >= 0)",
        "a reading exactly at the tolerance is in the future",
    ),
    Defect(
        "decode.py",
        "future = (column.time_ns > limit) & (stamp >= 0)",
        "future = column.time_ns > limit",
        "records without a timestamp are judged by it",
    ),
    Defect(
        "decode.py",
        "stamps = np.minimum(stamps, event_time.LAST // 1_000_000)",
        "stamps = stamps + 0",
        "a far timestamp overflows 64 bits of ns",
    ),
    Defect(
        "decode.py",
        "else raw * scale + shift",
        "else (raw + shift) * scale",
        "the offset of a sensor is applied before its scale",
    ),
    Defect(
        "decode.py",
        "outside = ((wide < low) | (wide > high)) & ~huge",
        "outside = ((raw < low) | (raw > high)) & ~huge",
        "the range is compared with the wire's unit, not the sensor's",
    ),
    Defect(
        "decode.py",
        "outside = ((wide < low) | (wide > high)) & ~huge",
        "outside = ((wide <= low) | (wide > high)) & ~huge",
        "the lower end of the range is outside",
    ),
    Defect(
        "decode.py",
        "    masked[huge] = np.nan\n",
        "",
        "values beyond float32 become infinite in the state",
    ),
    Defect(
        "decode.py",
        "usable = np.asarray(~np.isnan(values).all(axis=1))",
        "usable = np.asarray(~np.isnan(values).any(axis=1))",
        "a reading with one masked value is dropped whole",
    ),
    Defect(
        "decode.py",
        "np.array([r.offset for r in records], np.int64)[column.record]",
        "np.array([r.offset for r in records], np.int64)[: len(column.record)]",
        "readings carry the offset of another record after a reject",
    ),
    Defect(
        "decode.py",
        "(code >= 0) & (code % count == kind)",
        "(code >= 0) & (code // count == kind)",
        "type and number of a machine are mixed up",
    ),
    Defect(
        "decode.py",
        'Tally.bump(seen, "duplicate", result.repeated)',
        'Tally.bump(seen, "duplicate", min(result.repeated, 0))',
        "sensors named twice are not counted",
    ),
    # exact.py
    Defect(
        "exact.py",
        "made = _Object(reversed(pairs))",
        "made = _Object(pairs)",
        "of a sensor named twice the last value wins",
    ),
    Defect(
        "exact.py",
        '    _once(body)\n    schema = body.get("schema", 1)',
        '    schema = body.get("schema", 1)',
        "records with a key twice are taken",
    ),
    Defect(
        "exact.py",
        "isinstance(schema, bool) or schema not in SCHEMAS",
        "schema not in SCHEMAS",
        "schema true passes for 1",
    ),
    Defect(
        "exact.py",
        'label not in ("good", "uncertain")',
        'label == "bad"',
        "an unknown quality passes for good",
    ),
    Defect(
        "exact.py",
        "if isinstance(value, bool) or not isinstance(value, int | float):",
        "if not isinstance(value, int | float):",
        "true is read as 1",
    ),
    Defect(
        "exact.py",
        "return 0 < len(name) <= LONGEST_NAME and name.isprintable()",
        "return 0 < len(name) < LONGEST_NAME and name.isprintable()",
        "a name of 128 characters is refused",
    ),
    Defect(
        "exact.py",
        "if len(value) > rules.max_bytes:",
        "if len(value) >= 2 * rules.max_bytes:",
        "records are taken up to twice their limit",
    ),
    Defect(
        "exact.py",
        'and "machine" not in body\n',
        "and True\n",
        "a record of ours with a key 'fields' is read as Telegraf's",
    ),
    Defect(
        "exact.py",
        "rule = event_time.TimeRule(rules.telegraf.unit, rules.time.zone)",
        "rule = event_time.TimeRule(rules.time.unit, rules.time.zone)",
        "Telegraf's timestamps are read in the unit of our own",
    ),
    Defect(
        "exact.py",
        '            body = _an_object(part, "each metric to be an object")\n',
        '            body = _an_object(part, "an object") if part else parts[0][0]\n',
        "an empty metric is read as the one before",
    ),
    Defect(
        "exact.py",
        "    except RecursionError as error:\n"
        '        raise Rejected("too_deep", REASONS["too_deep"]) from error\n',
        "",
        "deeply nested JSON brings the worker down",
    ),
    # event_time.py
    Defect(
        "event_time.py",
        "if (last + 1 != lengths).any():",
        "if (last + 1 > lengths).any():",
        "a time with NUL behind it is taken on the fast path",
    ),
    Defect(
        "event_time.py",
        "math.isfinite(value * SECOND)",
        "math.isfinite(value)",
        "a time beyond floats of ns raises",
    ),
    Defect(
        "event_time.py",
        "if not 0 <= at < LAST:",
        "if not 0 <= at <= LAST:",
        "the first instant of 2262 is taken",
    ),
    Defect(
        "event_time.py",
        'if rule.unit != "auto" or AUTO_FROM <= at < AUTO_TO:',
        "if AUTO_FROM <= at < AUTO_TO:",
        "a set unit allows no time before 2001",
    ),
    Defect(
        "event_time.py",
        'return dt.timezone(-shift if offset[0] == "-" else shift)',
        "return dt.timezone(shift)",
        "offsets west of Greenwich go east",
    ),
    Defect(
        "event_time.py",
        '"us": 1_000, ',
        '"us": 1_000_000, ',
        "microseconds are read as milliseconds",
    ),
    Defect(
        "event_time.py",
        '[:9].ljust(9, "0")',
        '[:9].rjust(9, "0")',
        "half a second is five nanoseconds",
    ),
    Defect(
        "event_time.py",
        "(since.days * 86_400 + since.seconds)",
        "(since.days * 86_401 + since.seconds)",
        "days are a second too long",
    ),
    Defect(
        "event_time.py",
        "if first <= low * factor and high * factor < end:",
        "if first <= low * factor:",
        "one number in another unit takes the unit of the others",
    ),
    # machines.py
    Defect(
        "machines.py",
        "self._put(kind, number, name)\n        self._new.append(name)",
        "self._put(kind, number, name)",
        "new machines are not told",
    ),
    Defect(
        "machines.py",
        "if name in self.lookup or self._type_of(name) != kind:",
        "if self._type_of(name) != kind:",
        "a refused machine is taken on again after a restart",
    ),
    Defect(
        "machines.py",
        "if name in self.lookup or self._type_of(name) != kind:",
        "if name in self.lookup:",
        "a machine keeps its old type whatever is configured",
    ),
    Defect(
        "machines.py",
        "self.lookup[name] = number * self._types + kind",
        "self.lookup[name] = kind * self._types + number",
        "two machines share an entry",
    ),
    Defect(
        "machines.py",
        "self._free[kind] = gaps[::-1]",
        "self._free[kind] = []",
        "numbers that no machine has are never given again",
    ),
    Defect(
        "machines.py",
        "        self._free[kind].append(number)\n",
        "",
        "numbers of machines that were let go are never given again",
    ),
    # segments.py
    Defect(
        "segments.py",
        "values = np.maximum(values, floor)",
        "values = np.maximum(values, values)",
        "running maxima forget what was before the batch",
    ),
    Defect(
        "segments.py",
        'wanted_groups * size + want, "right")',
        'wanted_groups * size + want, "left")',
        "a value that is equal counts as above",
    ),
    Defect(
        "segments.py",
        "return np.minimum(at, last)",
        "return np.minimum(at, len(values) - 1)",
        "a look-up runs on into the next group",
    ),
    # rows.py
    Defect(
        "rows.py",
        "late = came.time_ns < mark",
        "late = came.time_ns <= mark",
        "a reading at the watermark is late",
    ),
    Defect(
        "rows.py",
        "late = came.time_ns < mark",
        "late = came.time_ns < high",
        "the allowed lateness is not granted",
    ),
    Defect(
        "rows.py",
        "fresh = readings.offset > self.applied[readings.machine]",
        "fresh = readings.offset >= self.applied[readings.machine]",
        "the last record of a checkpoint is taken twice",
    ),
    Defect(
        "rows.py",
        'order = np.argsort(readings.machine[fresh], kind="stable")',
        "order = np.lexsort((readings.time_ns[fresh], readings.machine[fresh]))",
        "what is late depends on where a batch was cut",
    ),
    Defect(
        "rows.py",
        "        self.idle[came.machine] = False\n",
        "",
        "a machine is released once in its life",
    ),
    Defect(
        "rows.py",
        "passed = both.time_ns <= now[both.machine]",
        "passed = both.time_ns < now[both.machine]",
        "at lateness 0 the newest reading waits",
    ),
    Defect(
        "rows.py",
        "both = _joined(self.waiting, accepted)",
        "both = _joined(accepted, self.waiting)",
        "of equal readings the later one wins if the first one waits",
    ),
    Defect(
        "rows.py",
        "double = valid & ((before > 0) | carried)",
        "double = valid & (before > 0)",
        "duplicates are not seen across a cut",
    ),
    Defect(
        "rows.py",
        "count - valid - (count - valid)[head][group]",
        "count - valid",
        "values of an earlier time count as duplicates",
    ),
    Defect(
        "rows.py",
        "self._remember(out, valid | carried)",
        "self._remember(out, valid)",
        "a sensor seen two batches ago at the same time is forgotten",
    ),
    Defect(
        "rows.py",
        "first[1:] |= out.time_ns[1:] != out.time_ns[:-1]",
        "first[1:] &= out.time_ns[1:] != out.time_ns[:-1]",
        "readings of different times are one",
    ),
    Defect(
        "rows.py",
        "return Rows(machine, time_ns, values, np.maximum(offset[at], own))",
        "return Rows(machine, time_ns, values, offset[at])",
        "a row names a record that came before its own",
    ),
    Defect(
        "rows.py",
        "above, own = time_ns - 1, out.offset",
        "above, own = time_ns, out.offset",
        "a row names a record that came after it was complete",
    ),
    Defect(
        "rows.py",
        "self._fresh_ns = kind.max_age_ns + 1",
        "self._fresh_ns = kind.max_age_ns",
        "a value of exactly max_age is dropped",
    ),
    Defect(
        "rows.py",
        "made[time[:, None] - at[row] >= self._fresh_ns] = np.nan",
        "made[time[:, None] - time_ns[row][:, None] >= self._fresh_ns] = np.nan",
        "a sensor is held for as long as any sensor reports",
    ),
    Defect(
        "rows.py",
        "        self.tick[machines] = _ceil(mark, every)\n",
        "",
        "grid points are made again in the next batch",
    ),
    Defect(
        "rows.py",
        "self.held[machines], self.held_at[machines] = values[tail], at[tail]",
        "self.held[machines] = values[tail]",
        "held values do not age from batch to batch",
    ),
    Defect(
        "rows.py",
        "return (time_ns + (every - 1)) // every * every",
        "return (time_ns + every) // every * every",
        "a reading at a grid point makes no row there",
    ),
    Defect(
        "rows.py",
        "mark = _ceil(mark, every) + 1",
        "mark = _ceil(mark, every)",
        "releasing leaves the open grid point undecided",
    ),
    Defect(
        "rows.py",
        "self.high[machines] = mark + self._kind.lateness_ns",
        "self.high[machines] = mark",
        "after a release older readings are taken again",
    ),
    Defect(
        "rows.py",
        "self.holding(machines, offset)",
        "self.holding(machines)",
        "a release is repeated on machines that are ahead of it",
    ),
    Defect(
        "rows.py",
        "~np.isin(self.waiting.machine, machines)",
        "np.isin(self.waiting.machine, self.waiting.machine)",
        "what waited for a machine that was let go is the next one's",
    ),
    # windows.py
    Defect(
        "windows.py",
        'return whole.take(np.argsort(whole.machine, kind="stable"))',
        "return whole",
        "joined windows of one machine do not stand together",
    ),
    Defect(
        "windows.py",
        "            waiting = []\n",
        "            waiting = [piece]\n",
        "windows are scored twice",
    ),
    Defect(
        "windows.py",
        "due = np.flatnonzero((number + 1) % self._kind.stride == 0)",
        "due = np.flatnonzero(number % self._kind.stride == 0)",
        "windows fall due at the first row of a stride, not the last",
    ),
    Defect(
        "windows.py",
        "self._due(machine, self.seen[machine] + rank, time_ns)",
        "self._due(machine, rank, time_ns)",
        "strides are counted from the start of each batch",
    ),
    Defect(
        "windows.py",
        "later = end > self.ended[mine]",
        "later = end >= self.ended[mine]",
        "two windows of a machine end together, across a cut",
    ),
    Defect(
        "windows.py",
        "later[1:] &= (mine[1:] != mine[:-1]) | (end[1:] != end[:-1])",
        "later[1:] &= True",
        "two windows of a machine end together, within a batch",
    ),
    Defect(
        "windows.py",
        "self._size = kind.rows + _SLACK",
        "self._size = kind.rows + 1",
        "rows are overwritten before their window is read",
    ),
    Defect(
        "windows.py",
        "inside = times > (end - self._kind.length_ns)[:, None]",
        "inside = times >= (end - self._kind.length_ns)[:, None]",
        "a row exactly at end - length is in the window",
    ),
    Defect(
        "windows.py",
        "filled = np.count_nonzero(inside & real, axis=1)",
        "filled = np.count_nonzero(inside, axis=1)",
        "repeated rows count as real in a window of time",
    ),
    Defect(
        "windows.py",
        "filled = np.minimum(there, rows)",
        "filled = np.minimum(number + 1, rows)",
        "after a restart with a longer window rows count that are not there",
    ),
    Defect(
        "windows.py",
        "np.maximum(wanted, newest - filled[:, None] + 1)",
        "np.maximum(wanted, newest - filled[:, None])",
        "the padding repeats a row that is not the machine's",
    ),
    Defect(
        "windows.py",
        "early = at[number[at] < self._kind.baseline_rows]",
        "early = at[number[at] <= self._kind.baseline_rows - 2]",
        "the last row of the baseline is never kept",
    ),
    Defect(
        "windows.py",
        "n_base=np.minimum(seen, self._kind.baseline_rows)",
        "n_base=np.minimum(number, self._kind.baseline_rows)",
        "the baseline is counted one short",
    ),
    Defect(
        "windows.py",
        "        self.ended[machines] = NEVER\n",
        "",
        "a machine that was let go gets no window until its old end is passed",
    ),
    # scoring.py
    Defect(
        "scoring.py",
        "windows.filled < kind.min_context",
        "windows.filled <= kind.min_context",
        "a window of exactly min_context gets no estimate",
    ),
    Defect(
        "scoring.py",
        "share > kind.max_masked",
        "share >= kind.max_masked",
        "exactly max_masked is too many",
    ),
    Defect(
        "scoring.py",
        "np.isnan(windows.values) & real[..., None], axis=1)",
        "np.isnan(windows.values), axis=1)",
        "repeated rows count as lacking a sensor",
    ),
    Defect(
        "scoring.py",
        "np.isnan(windows.values) & real[..., None], axis=1)",
        "np.isnan(windows.values[:, :, :1]) & real[..., None], axis=1)",
        "the first sensor stands for all",
    ),
    Defect(
        "scoring.py",
        'why[asked[_thin(kind, windows, scores.faults)[asked]]] = "masked"',
        'why[_thin(kind, windows, scores.faults)] = "masked"',
        "masked stands where the window is too short",
    ),
    Defect(
        "scoring.py",
        'given = why[asked] == ""',
        "given = told.why >= 0",
        "numbers stand beside the reason to decline",
    ),
    Defect(
        "scoring.py",
        "lacking(windows) | broken",
        "lacking(windows)",
        "sensors at fault do not count as masked",
    ),
    Defect(
        "scoring.py",
        "(faults > 0) & (faults != _SPIKING)",
        "faults > 0",
        "a sensor of a few spikes counts as masked",
    ),
    # encode.py
    Defect(
        "encode.py",
        'text = f"{end_ns}\\n{digest}\\n{machine}".encode()',
        'text = f"{end_ns}\\n{machine}".encode()',
        "a new model gives old ids",
    ),
    Defect(
        "encode.py",
        ".rstrip('0')",
        "",
        "times have nine digits whatever they need",
    ),
    Defect(
        "encode.py",
        "rul=None if risk is None else Rul(*rul)",
        "rul=None if risk is None else Rul(*rul[::-1])",
        "the quantiles are upside down",
    ),
    Defect(
        "encode.py",
        "contributions=None if why else dict(",
        "contributions=dict(",
        "shares stand where there is no estimate",
    ),
    Defect(
        "encode.py",
        "faults=faults or msgspec.UNSET",
        "faults=faults",
        "a score of sound instruments says so in bytes of its own",
    ),
    # pipeline.py
    Defect(
        "pipeline.py",
        "            self._touch(kind, mine.machine)\n",
        "",
        "changed state is not written",
    ),
    Defect(
        "pipeline.py",
        "            machines = np.array(mine, np.int64)\n"
        "            self._touch(kind, machines)\n"
        "            quiet =",
        "            machines = np.array(mine, np.int64)\n            quiet =",
        "that a machine was released is not written",
    ),
    Defect(
        "pipeline.py",
        "        self.machines.free_gaps()\n",
        "",
        "numbers of refused machines are lost after a restart",
    ),
    Defect(
        "pipeline.py",
        "        for name in refused:\n            self.machines.refuse(name)\n",
        "",
        "machines on two partitions are taken again after a restart",
    ),
    Defect(
        "pipeline.py",
        "key=lambda b: (b.offset, b.turn), reverse=True",
        "key=lambda b: (b.offset, b.turn)",
        "of a name in two blocks the older state wins",
    ),
    Defect(
        "pipeline.py",
        'tally.bump(tally.readings, "refused.second_partition", refused)',
        'tally.bump(tally.readings, "refused.second_partition", len(out))',
        "refused machines are counted, not their readings",
    ),
    Defect(
        "pipeline.py",
        "            self._touch(kind, machines)\n            state.forget",
        "            state.forget",
        "machines that were let go are back after a restart",
    ),
    Defect(
        "pipeline.py",
        "            self._grow(kind, len(self.machines.names[kind]))\n",
        "",
        "releasing a machine that never had a row raises",
    ),
    Defect(
        "rows.py",
        "told = ~np.isnan(values) | is_outside(values)",
        "told = ~np.isnan(values)",
        "on a grid what was held outlives a value outside the range",
    ),
    Defect(
        "windows.py",
        "filled=np.where(runs, filled, 0).astype(np.int32)",
        "filled=filled.astype(np.int32)",
        "a machine that stands still is scored",
    ),
    Defect(
        "windows.py",
        "after = number[now] + runs[now]",
        "after = number[now] + 1",
        "rows of a machine that stands still get into its windows",
    ),
    Defect(
        "cases.py",
        "if suspect and LEVELS[level] == ABOVE and not _is_open(tracker):",
        "if suspect and LEVELS[level] == ABOVE and not tracker:",
        "a broken sensor lets a delay of its machine run on",
    ),
    Defect(
        "cases.py",
        "return any(t.sensor == top for t in self.open() if t.sensor)",
        "return any(t.sensor for t in self.open())",
        "one broken sensor silences its machine whatever the others say",
    ),
    # running.py
    Defect(
        "running.py",
        "time_ns >= since + self._kind.settle_ns",
        "time_ns > since + self._kind.settle_ns",
        "a machine settles one row too long",
    ),
    Defect(
        "running.py",
        "began[1:] &= ~holds[:-1] | head[1:]",
        "began[1:] &= ~holds[:-1]",
        "a machine begins to run when the one before it did",
    ),
    Defect(
        "running.py",
        "verdict[~met & ~unknown] = 0",
        "verdict[~met] = 0",
        "a missing value stops a machine",
    ),
    Defect(
        "running.py",
        "head & (before != NEVER), before, time_ns",
        "head & (before == NEVER), before, time_ns",
        "the settling starts anew with each batch",
    ),
    # service.py
    Defect(
        "service.py",
        "line.sort(key=lambda one: one.time_ns)",
        "line.sort(key=lambda one: one.offset)",
        "events take effect in the order in which they came",
    ),
    Defect(
        "service.py",
        "line[0].time_ns <= until_ns",
        "line[0].time_ns < until_ns",
        "an event of the very moment comes too late",
    ),
    Defect(
        "service.py",
        'kind == "out_of_service" and self.state[machine] == IN_SERVICE',
        'kind == "out_of_service"',
        "what has failed may return without a new life",
    ),
    Defect(
        "service.py",
        "told.offset > self.seen.get(machine, {}).get(told.partition, -1)",
        "told.offset > self.seen.get(machine, {}).get(0, -1)",
        "events of one partition hide those of another",
    ),
    # effects.py
    Defect(
        "effects.py",
        "before = rows.time_ns < service.next_ns(rows.machine)",
        "before = rows.time_ns <= service.next_ns(rows.machine)",
        "a row of an event's own time does not see it",
    ),
    Defect(
        "effects.py",
        "if state.rows.applied[number] <= offset:",
        "if True:",
        "an event is brought forward on machines that are ahead of it",
    ),
    Defect(
        "effects.py",
        'if back or event.kind == "replacement":',
        'if event.kind == "replacement":',
        "a repaired machine goes on with the rows of the one that failed",
    ),
    Defect(
        "effects.py",
        "if state.service.state[number] == IN_SERVICE:",
        "if True:",
        "a machine out of service raises an alarm by its silence",
    ),
    Defect(
        "effects.py",
        "            self._states[kind].service.take(number, told)\n"
        "            self._touch(kind, np.array([number]))\n",
        "            self._states[kind].service.take(number, told)\n",
        "an event that waits is not written",
    ),
    # alert.py, outcome.py
    Defect(
        "alert.py",
        '    "unshelve",\n',
        "",
        "nobody can end a shelf",
    ),
    Defect(
        "outcome.py",
        "tally: Tally = field(default_factory=Tally)",
        "tally: Tally = field(default_factory=lambda shared=Tally(): shared)",
        "all batches share one tally",
    ),
    # snapshot.py
    *(
        Defect(
            "snapshot.py",
            f'"{name}": {owner}.{name}[machines],',
            f'"{name}": np.zeros_like({owner}.{name}[machines]),',
            f"{name} is forgotten in a restart",
        )
        for owner, name in (
            ("rows", "high"),
            ("rows", "last"),
            ("rows", "seen"),
            ("rows", "idle"),
            ("rows", "held"),
            ("rows", "held_at"),
            ("rows", "tick"),
            ("rings", "count"),
            ("rings", "have"),
            ("rings", "ended"),
            ("rings", "baseline"),
        )
    ),
    Defect(
        "snapshot.py",
        '"waiting_time": line.time_ns[waiting],',
        '"waiting_time": line.time_ns[waiting] + 1,',
        "waiting readings move in time in a restart",
    ),
    Defect(
        "snapshot.py",
        "    rows.wait(line)\n",
        "",
        "waiting readings are lost in a restart",
    ),
    Defect(
        "snapshot.py",
        '"waiting_machine": line.machine[waiting] - block * BLOCK,',
        '"waiting_machine": line.machine[waiting],',
        "waiting readings are another machine's in blocks after the first",
    ),
    Defect(
        "snapshot.py",
        "applied = np.maximum(rows.applied[machines], offset)",
        "applied = np.full(len(machines), offset)",
        "what is in a block ahead of the others is taken twice",
    ),
    Defect(
        "snapshot.py",
        "max((offset, turn), state.ranks.get(block, (-1, 0)))",
        "(offset, turn)",
        "an older block wins over one written again before the partition caught up",
    ),
    Defect(
        "snapshot.py",
        "    state.grow(len(names))\n",
        "",
        "a machine with a number but without a row stops the checkpoint",
    ),
    Defect(
        "snapshot.py",
        'state.rows.applied[at] = arrays["applied"]',
        "state.rows.applied[at] = -1",
        "records that are in the state are taken again",
    ),
    Defect(
        "snapshot.py",
        "    arrays = _arrays(block, have)\n",
        "    arrays = _arrays(block, have := list(range(len(block.names))))\n",
        "the state of a refused machine goes to whoever gets its number",
    ),
    Defect(
        "snapshot.py",
        "np.maximum(rows.high[at[made]], floor)",
        "rows.high[at[made]]",
        "with more lateness rows are made behind others",
    ),
    Defect(
        "snapshot.py",
        'values = arrays["values"][:, arrays["values"].shape[1] - rows :]',
        'values = arrays["values"][:, :rows]',
        "a shorter window keeps the oldest rows",
    ),
    Defect(
        "snapshot.py",
        "    rings.have[at] = np.minimum(rings.have[at], rows)\n",
        "    rings.have[at] = rows\n",
        "rows that never were stand in the window",
    ),
    Defect(
        "snapshot.py",
        "made[..., mine] = array[..., theirs]",
        "made[..., theirs] = array[..., theirs]",
        "columns keep their places though the sensors moved",
    ),
    Defect(
        "snapshot.py",
        "    rings.baseline[at] = np.nan\n",
        "",
        "baseline rows that were never kept are zero",
    ),
    Defect(
        "snapshot.py",
        "if version not in READABLE:",
        "if version < min(READABLE):",
        "state of a later release is read",
    ),
    Defect(
        "snapshot.py",
        "block.every_ns != state.kind.every_ns or not mine",
        "not mine",
        "state of another grid is taken over",
    ),
    # readings.py
    Defect(
        "readings.py",
        "        self.values.update(other.values)\n",
        "",
        "masked values are not added up",
    ),
    # alarms: the table, then from the engine down
    Defect(
        "alarm_table.py",
        "(CLEARING, BETWEEN): Step(ACTIVE)",
        "(CLEARING, BETWEEN): Step(CLEARING)",
        "a value between limit and clear lets the off-delay run on",
    ),
    Defect(
        "alarm_table.py",
        "if until_ns <= at_ns:",
        "if until_ns < at_ns:",
        "a shelf may end as it begins",
    ),
    Defect(
        "trackers.py",
        "passed = 0 if self.seen == NEVER else at_ns - self.seen",
        "passed = 0 if self.seen == NEVER else at_ns - self.onset",
        "each window counts all the time since the onset",
    ),
    Defect(
        "trackers.py",
        "self.waited = self.waited + passed if self.state == before else 0",
        "self.waited = self.waited + passed",
        "the off-delay goes on from where the on-delay ended",
    ),
    Defect(
        "trackers.py",
        "                min(urgent, self.lower),",
        "                urgent,",
        "of several lower severities the last one is told",
    ),
    Defect(
        "trackers.py",
        "        elif top and top != self.other:",
        "        elif top and not self.other:",
        "a top reason inherits the time of the one before",
    ),
    Defect(
        "cases.py",
        "            tracker.seen = NEVER\n\n    def tell",
        "            pass\n\n    def tell",
        "a gap without an estimate runs delays on",
    ),
    Defect(
        "cases.py",
        "        return copy.copy(tracker.alert)\n\n    def end(",
        "        return tracker.alert\n\n    def end(",
        "the message that the worker fills in stays in the state",
    ),
    Defect(
        "cases.py",
        '"case" if machine else "sensors"',
        '"case"',
        "an instrument's alarm may make the case of its machine",
    ),
    Defect(
        "cases.py",
        "if t.alert and t.of_machine == machine",
        "if t.alert",
        "an instrument's alarm joins the case of its machine",
    ),
    Defect(
        "cases.py",
        "            if shelf.until <= at_ns:",
        "            if shelf.until < at_ns:",
        "a waiting shelf holds at its very end",
    ),
    Defect(
        "alarms.py",
        "given = judged.given & serves",
        "given = judged.given",
        "a machine out of service goes on being away from its normal",
    ),
    Defect(
        "alarms.py",
        "marked = hot | self._busy[machine]",
        "marked = hot",
        "a machine whose alarm is open is not looked at again",
    ),
    Defect(
        "alarms.py",
        "np.maximum.accumulate(np.where(marked, machine, -1)) == machine",
        "marked",
        "a window after one beyond the limit is not looked at",
    ),
    Defect(
        "alarms.py",
        "        if event.kind in RENEWING:\n            self.since[machine] = NEVER\n",
        "",
        "a repaired machine stays away from its normal since before",
    ),
    Defect(
        "acts.py",
        "    if not event.alarm:\n        watch.shelves",
        "    if event.rule:\n        watch.shelves",
        "a shelf of the whole machine waits for nothing",
    ),
    Defect(
        "acts.py",
        "    alerts = watch.expire(at_ns)\n",
        "    alerts: list[Alert] = []\n",
        "a shelf does not end before an event that is later",
    ),
    Defect(
        "acts.py",
        "    return told + _updated(watch, told, at_ns)\n\n\ndef _renew",
        "    return told\n\n\ndef _renew",
        "nobody is told of an alarm that is back in service",
    ),
    Defect(
        "reasons.py",
        "far >= FAR_SIGMA",
        "far > FAR_SIGMA",
        "exactly 2 sigma are near normal",
    ),
    Defect(
        "reasons.py",
        "    since: Ints = np.where(at >= start, changed, carried)",
        "    since: Ints = np.where(at >= 0, changed, carried)",
        "a machine takes over since-times of the one before it in the batch",
    ),
    Defect(
        "reasons.py",
        "column[value >= sign * rule.limit]",
        "column[value > sign * rule.limit]",
        "a value at the limit is not beyond it",
    ),
    Defect(
        "reasons.py",
        "        named[alone, weight[alone].argmax(axis=1)] = True",
        "        pass",
        "where no reason is strong none is named",
    ),
    Defect(
        "events.py",
        "if until is None or until <= at_ns:",
        "if until is None:",
        "a shelf may end before it begins",
    ),
    Defect(
        "events.py",
        "        if not text.isprintable():",
        "        if False:",
        "control characters pass on to terminals",
    ),
    Defect(
        "alarms.py",
        "hot |= judged.faults.any(axis=1) & serves",
        "hot |= judged.faults.any(axis=1) & given",
        "a fault that leaves no estimate is not looked at",
    ),
    Defect(
        "cases.py",
        "if look.given[row] or row in look.faults:",
        "if look.given[row]:",
        "a fault that leaves no estimate is not told",
    ),
    Defect(
        "acts.py",
        "watch.service = SERVICE.step(watch.service, event.kind).state",
        "SERVICE.step(watch.service, event.kind)",
        "a machine that has failed cannot return",
    ),
)
