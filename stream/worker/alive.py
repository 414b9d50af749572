"""A file that is touched while the worker makes progress, for health checks.

Whoever runs the worker looks at the file's age: it stays young only while the event
loop turns and every role that keeps time has gone over its partitions lately. A worker
that hangs leaves it to grow old.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

EVERY_S = 5.0
_STALE_S = 60.0


async def keep(path: Path, roles: Sequence[Any], patience_s: float) -> None:
    """Touch a file for ever, as long as all roles make progress.

    Args:
        path: The file; its folder must be there.
        roles: What runs; some have ``alive_at``, on the monotonic clock in s.
        patience_s: How long a role may take, beside a minute, in s.

    Raises:
        OSError: if the file cannot be written.
    """
    while True:
        now = time.monotonic()
        stamps = [role.alive_at for role in roles if hasattr(role, "alive_at")]
        if all(now - at < _STALE_S + patience_s for at in stamps):
            await asyncio.to_thread(path.touch)
        await asyncio.sleep(EVERY_S)
