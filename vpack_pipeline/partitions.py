"""The one partition: a site in a study."""

from __future__ import annotations

import dagster as dg

SITES = dg.DynamicPartitionsDefinition(name="site")
