# SPDX-License-Identifier: MIT
"""How exposed the gateway is, as systemd judges its unit."""

from __future__ import annotations

import re

from host import GATEWAY, Host

EXPOSURE_BAR = 1.5


def exposure(host: Host) -> float:
    """0.0: nothing, 10.0: everything."""
    text = host.machine.run("systemd-analyze", "security", "--no-pager", GATEWAY).stdout
    match = re.search(rf"Overall exposure level for {re.escape(GATEWAY)}: ([0-9.]+)", text)
    assert match, text
    return float(match[1])
