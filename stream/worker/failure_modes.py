"""Failure modes an alarm rule may name: three letters of ISO 14224, and their words.

The usual ones of rotating and static equipment (ISO 14224:2016, annex B.2.6, tables
"Failure modes"). The letters are the standard's, the words are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

FAILURE_MODES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "AIR": {"en": "abnormal instrument reading", "zh": "仪表读数异常"},
        "BRD": {"en": "breakdown", "zh": "严重损坏"},
        "ELP": {"en": "external leakage of the process medium", "zh": "工艺介质外漏"},
        "ELU": {"en": "external leakage of a utility medium", "zh": "公用介质外漏"},
        "ERO": {"en": "erratic output", "zh": "输出不稳定"},
        "FTF": {"en": "failure to function on demand", "zh": "需要时不能运行"},
        "FTS": {"en": "failure to start on demand", "zh": "需要时不能启动"},
        "HIO": {"en": "high output", "zh": "输出过高"},
        "INL": {"en": "internal leakage", "zh": "内漏"},
        "LOO": {"en": "low output", "zh": "输出过低"},
        "NOI": {"en": "noise", "zh": "异常噪声"},
        "OHE": {"en": "overheating", "zh": "过热"},
        "OTH": {"en": "other", "zh": "其他"},
        "PDE": {"en": "parameter deviation", "zh": "参数偏差"},
        "PLU": {"en": "plugged or choked", "zh": "堵塞"},
        "SER": {"en": "minor in-service problems", "zh": "运行中的轻微问题"},
        "STD": {"en": "structural deficiency", "zh": "结构缺陷"},
        "STP": {"en": "failure to stop on demand", "zh": "需要时不能停机"},
        "UNK": {"en": "unknown", "zh": "未知"},
        "UST": {"en": "spurious stop", "zh": "误停机"},
        "VIB": {"en": "vibration", "zh": "振动"},
    }
)
"""Letters -> language (``en``, ``zh``) -> name."""
