"""What the demo says on the screen and in its report, in English and Chinese.

Alerts themselves are told by the worker; see `stream.worker.words`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Full-width punctuation is what Chinese text is written with.
# ruff: noqa: RUF001

EN = {
    "title": "Foreshock demo",
    "advises": "It advises. It is no protective system and replaces no trip.",
    "what": (
        "{machines} made-up pumps over {days:.0f} days, seed {seed}: {failures}"
        " failures, {sudden} of them without any warning, {spares} spares that start"
        " and stop, {faults} broken sensors. Nothing of this is known to the models:"
        " they learn from another fleet of {trained} pumps, made with another seed."
    ),
    "parameters": "Every number of the simulation: {path}",
    "signal.failing": "{machine} {sensor}: {mechanism}, fails at the end",
    "signal.healthy": "{machine} {sensor}: healthy, load changes",
    "signal.spare": "{machine} {sensor}: a spare, starts and stops",
    "signal.fault": "{machine} {sensor}: broken sensor, {kind}",
    "days": "{days:.0f} days",
    "training": "Training: two networks for risk and remaining life, one for anomalies",
    "stage.preparing": "simulating and reading the training fleet",
    "stage.fold": "risk and life, network {n} of {of}",
    "stage.autoencoder": "anomaly network",
    "loss": "loss {loss:.3f}",
    "held_out": "held-out {held_out:.3f}",
    "trained": "trained in {seconds:.0f} s on {windows:,} windows of {machines} lives",
    "run": (
        "seed {seed}: {foreseen} of {foreseeable} foreseen, {false} false alarms,"
        " {named} of {faults} sensor faults named, {rate:,.0f} readings/s"
    ),
    "reused": "models of the last run: {path}",
    "streaming": "{machines} pumps through the scoring agent, over a log in memory",
    "comparing": "comparing with fixed limits and PCA at as many false alarms",
    "day": "day {day:.0f} of {days:.0f}",
    "rate": "{rate:,.0f} readings/s",
    "machine": "machine",
    "state": "state",
    "health": "health",
    "risk": "risk in {horizon:.0f} h",
    "life": "remaining life",
    "anomaly": "anomaly",
    "reason": "top reason",
    "trend": "risk, 5 days",
    "state.waiting": "starting",
    "state.normal": "normal",
    "state.watch": "watch",
    "state.standby": "standby",
    "state.blind": "no estimate",
    "state.sensor": "sensor",
    "state.alarm": "ALARM",
    "state.failed": "FAILED",
    "hidden": "… and {count} more: {states}",
    "alerts": "Alerts",
    "no_alerts": "none yet",
    "week": (
        "{date}  week {week}: {readings:,} readings, {scores:,} scores,"
        " {open} alarms open, {failed} machines down"
    ),
    "failed": "{machine} has failed: {mechanism}",
    "returned": "{machine} is back from repair",
    "summary": "What came of it",
    "sum.foreseen": "Failures foreseen",
    "sum.foreseen.value": "{foreseen} of {foreseeable} that could be foreseen",
    "sum.lead": "Median lead time",
    "sum.lead.value": "{hours:.0f} h before the failure",
    "sum.missed": "Missed",
    "sum.missed.value": "{machine} ({mechanism})",
    "sum.sudden": "No warning",
    "sum.sudden.value": "{machine}: failed without a sign in any sensor",
    "sum.false": "False alarms",
    "sum.false.value": (
        "{count}, in {months:.1f} healthy machine-months: {rate:.2f} per month"
    ),
    "sum.driving": "Right reason",
    "sum.driving.value": "{named} of {asked} true alarms name the driving sensor first"
    " or second",
    "sum.faults": "Sensor faults named",
    "sum.faults.value": "{named} of {of}",
    "sum.faults.missed": "not: {kinds}",
    "sum.baselines": "For comparison",
    "sum.baselines.value": (
        "{name}: {foreseen} of {foreseeable} (false alarms: {false})"
    ),
    "baseline.fixed limits": "best fixed limits",
    "baseline.pca": "PCA",
    "sum.rate": "Speed",
    "sum.rate.value": "{readings:,} readings at {rate:,.0f} per second, JSON to alerts",
    "sum.report": "Report",
    "none": "none",
    "next": "What next",
    "next.seed": "another fleet",
    "next.seeds": "five fleets, in figures",
    "next.own": "a plant of your own: start from this file",
    "report.signals": "Signals",
    "report.signals.note": (
        "Signals as the simulation makes them; it alone knows what is behind them."
    ),
    "report.failures": "Failures",
    "report.failures.note": "Risk of failure within {horizon:.0f} h, as scored in real"
    " time. Shaded: when an alarm counts as foreseeing the failure, {early:.0f} to"
    " {late:.0f} h before it. Orange: alarm raised. Red: failure.",
    "report.healthy": "Machines that did not fail",
    "report.healthy.note": "The same scale. Orange: alarm raised, here always a false"
    " one. Grey bands: a sensor at fault.",
    "report.training": "Training",
    "report.training.note": (
        "Loss by epoch. That on machines that the network does not learn from tells"
        " when to stop."
    ),
    "report.faults": "Broken sensors",
    "report.machines": "Machines at the end",
    "report.machines.note": (
        "Anomaly: how often a month a healthy machine looks at least as strange; small"
        " is strange."
    ),
    "report.alerts": "Alerts",
    "report.alerts.note": "All that were raised, in the words that technicians get.",
    "report.baselines": "Is it hard?",
    "report.baselines.note": (
        "Fixed limits for each sensor and PCA, each at its best way of setting limits,"
        " its best delay, and at as many false alarms. Both may even choose these by"
        " looking at this very run, and are spared the broken sensors."
    ),
    "report.parameters": "Parameters of the simulation",
    "report.day": "day",
    "report.hours": "hours to the failure",
    "report.rate": "Readings per second",
    "report.delay": "on-delay in rows: {rows}",
    "report.loss": "training",
    "report.held": "held-out machines",
    "method": "method",
    "foreseen": "foreseen",
    "false_alarms": "false alarms",
    "how": "how",
    "time": "time",
    "message": "message",
    "severity": "severity",
    "mechanism": "mechanism",
    "driving": "driving sensor",
    "lead": "foreseen, h before",
    "sensor": "sensor",
    "fault": "fault",
    "named": "named",
    "from": "from",
    "to": "to",
    "yes": "yes",
    "no": "no",
    "sudden": "no warning",
    "missed": "missed",
    "mechanism.bearing_wear": "bearing wear",
    "mechanism.seal_leak": "seal leak",
    "mechanism.impeller_erosion": "impeller erosion",
    "mechanism.winding_cooling": "winding cooling",
    "fault.no_data": "no data",
    "fault.stuck": "stuck",
    "fault.out_of_range": "out of range",
    "fault.spiking": "spiking",
    "fault.noisy": "noisy",
    "fault.drifting": "drifting",
}

ZH = {
    "title": "Foreshock 演示",
    "advises": "仅供参考，不是保护系统，不能代替任何联锁保护。",
    "what": (
        "{machines} 台模拟泵，{days:.0f} 天，随机种子 {seed}：{failures} 次故障，其中"
        " {sudden} 次毫无征兆；{spares} 台备用泵时启时停；{faults} 个传感器失灵。模型"
        "对此一无所知：它们学自另一批 {trained} 台泵，随机种子不同。"
    ),
    "parameters": "模拟的全部参数：{path}",
    "signal.failing": "{machine} {sensor}：{mechanism}，最后发生故障",
    "signal.healthy": "{machine} {sensor}：健康，只是负荷在变",
    "signal.spare": "{machine} {sensor}：备用泵，时停时启",
    "signal.fault": "{machine} {sensor}：传感器失灵（{kind}）",
    "days": "{days:.0f} 天",
    "training": "训练：两个风险与寿命网络，一个异常网络",
    "stage.preparing": "模拟并读取训练用的泵",
    "stage.fold": "风险与寿命，第 {n} 个网络，共 {of} 个",
    "stage.autoencoder": "异常网络",
    "loss": "损失 {loss:.3f}",
    "held_out": "留出 {held_out:.3f}",
    "trained": "训练用时 {seconds:.0f} 秒，{machines} 段寿命的 {windows:,} 个窗口",
    "run": (
        "种子 {seed}：{foreseeable} 次中预见 {foreseen} 次，误报 {false} 次，"
        "识别传感器故障 {named}/{faults} 个，每秒 {rate:,.0f} 条读数"
    ),
    "reused": "沿用上次训练的模型：{path}",
    "streaming": "{machines} 台泵的读数经内存日志送入评分程序",
    "comparing": "与固定限值和 PCA 比较（误报数相同）",
    "day": "第 {day:.0f} 天，共 {days:.0f} 天",
    "rate": "每秒 {rate:,.0f} 条读数",
    "machine": "设备",
    "state": "状态",
    "health": "健康度",
    "risk": "{horizon:.0f} 小时内风险",
    "life": "剩余寿命",
    "anomaly": "异常",
    "reason": "主要原因",
    "trend": "近 5 天风险",
    "state.waiting": "启动中",
    "state.normal": "正常",
    "state.watch": "关注",
    "state.standby": "备用",
    "state.blind": "无法评估",
    "state.sensor": "传感器",
    "state.alarm": "报警",
    "state.failed": "故障",
    "hidden": "……另有 {count} 台：{states}",
    "alerts": "报警",
    "no_alerts": "暂无",
    "week": (
        "{date}  第 {week} 周：{readings:,} 条读数，{scores:,} 个评分，"
        "{open} 个报警未解除，{failed} 台停机"
    ),
    "failed": "{machine} 发生故障：{mechanism}",
    "returned": "{machine} 检修后恢复运行",
    "summary": "结果",
    "sum.foreseen": "预见的故障",
    "sum.foreseen.value": "可预见的 {foreseeable} 次中预见 {foreseen} 次",
    "sum.lead": "提前时间中位数",
    "sum.lead.value": "故障前 {hours:.0f} 小时",
    "sum.missed": "漏报",
    "sum.missed.value": "{machine}（{mechanism}）",
    "sum.sudden": "毫无征兆",
    "sum.sudden.value": "{machine}：故障前任何传感器都没有迹象",
    "sum.false": "误报",
    "sum.false.value": "{months:.1f} 个健康机月中 {count} 次（每机月 {rate:.2f} 次）",
    "sum.driving": "原因正确",
    "sum.driving.value": "{asked} 个真实报警中 {named} 个的前两位原因含主导传感器",
    "sum.faults": "识别的传感器故障",
    "sum.faults.value": "{of} 个中 {named} 个",
    "sum.faults.missed": "未识别：{kinds}",
    "sum.baselines": "对照",
    "sum.baselines.value": "{name}：{foreseeable} 次中 {foreseen} 次，误报 {false} 次",
    "baseline.fixed limits": "最佳固定限值",
    "baseline.pca": "PCA",
    "sum.rate": "速度",
    "sum.rate.value": "{readings:,} 条读数，每秒 {rate:,.0f} 条，从 JSON 到报警",
    "sum.report": "报告",
    "none": "无",
    "next": "接下来",
    "next.seed": "另一批泵",
    "next.seeds": "五批泵的数字",
    "next.own": "自己的工厂：从这个文件开始",
    "report.signals": "信号",
    "report.signals.note": "模拟产生的信号；背后的真相只有模拟程序知道。",
    "report.failures": "故障",
    "report.failures.note": (
        "实时评出的 {horizon:.0f} 小时内故障风险。阴影：报警算作预见故障的时段，"
        "即故障前 {early:.0f} 至 {late:.0f} 小时。橙线：报警；红线：故障。"
    ),
    "report.healthy": "未发生故障的设备",
    "report.healthy.note": "相同刻度。橙线：报警，此处均为误报；灰带：传感器失灵。",
    "report.training": "训练",
    "report.training.note": "各轮损失；训练中未见过的设备上的损失决定何时停止。",
    "report.faults": "失灵的传感器",
    "report.machines": "结束时的设备",
    "report.machines.note": "异常：健康设备每月出现同样情况的次数，越小越异常。",
    "report.alerts": "报警",
    "report.alerts.note": "全部报警，即技术人员收到的原文。",
    "report.baselines": "难吗？",
    "report.baselines.note": (
        "逐个传感器的固定限值与 PCA，各取最佳的限值方法和延时，误报数相同；"
        "它们甚至可以看着这次运行来挑选，失灵的传感器也替它们排除了。"
    ),
    "report.parameters": "模拟参数",
    "report.day": "天",
    "report.hours": "距故障的小时数",
    "report.rate": "每秒读数",
    "report.delay": "报警延时（行）：{rows}",
    "report.loss": "训练",
    "report.held": "留出设备",
    "method": "方法",
    "foreseen": "预见",
    "false_alarms": "误报",
    "how": "方式",
    "time": "时间",
    "message": "内容",
    "severity": "优先级",
    "mechanism": "机理",
    "driving": "主导传感器",
    "lead": "提前预见（小时）",
    "sensor": "传感器",
    "fault": "失灵方式",
    "named": "已识别",
    "from": "从",
    "to": "至",
    "yes": "是",
    "no": "否",
    "sudden": "毫无征兆",
    "missed": "漏报",
    "mechanism.bearing_wear": "轴承磨损",
    "mechanism.seal_leak": "密封泄漏",
    "mechanism.impeller_erosion": "叶轮冲蚀",
    "mechanism.winding_cooling": "绕组冷却不良",
    "fault.no_data": "无数据",
    "fault.stuck": "卡死",
    "fault.out_of_range": "超出量程",
    "fault.spiking": "跳变",
    "fault.noisy": "噪声过大",
    "fault.drifting": "漂移",
}

PHRASES = {"en": EN, "zh": ZH}
LANGUAGES = tuple(PHRASES)


class Phrases:
    """Says things in one language.

    Args:
        language: One of `LANGUAGES`.
        labels: By sensor and language, what people call it.
    """

    def __init__(
        self,
        language: str = "en",
        labels: Mapping[str, Mapping[Any, str]] | None = None,
    ) -> None:
        """Take a language."""
        self.language = language
        self._phrases = PHRASES[language]
        self._labels = labels or {}

    def __call__(self, key: str, **parts: object) -> str:
        """Fill in a phrase.

        Raises:
            KeyError: There is no such phrase, or a part is missing.
        """
        return self._phrases[key].format(**parts)

    def label(self, sensor: str) -> str:
        """What people call a sensor."""
        own = self._labels.get(sensor, {}).get(self.language)
        return own or sensor.replace("_", " ")

    def known(self, group: str, name: str) -> str:
        """The phrase of a name in a group, or the name as it is."""
        return self._phrases.get(f"{group}.{name}", name.replace("_", " "))
