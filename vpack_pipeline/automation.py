"""The job, its nightly schedule and the sensor for new sites and deliveries.

Both are shipped stopped: whoever runs the site starts them.
"""

# No postponed annotations here: Dagster reads those of a body as types, not as text.
from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg

from vpack_pipeline import study
from vpack_pipeline.assets.factory import AS_OF_TAG
from vpack_pipeline.assets.pack import NIGHTLY_TAG
from vpack_pipeline.assets.publish import looks_to_build
from vpack_pipeline.errors import VpackError
from vpack_pipeline.io.deliveries import closed_deliveries
from vpack_pipeline.io.project import ProjectFolder
from vpack_pipeline.partitions import SITES
from vpack_pipeline.resources import Project

JOB = "validation_pack"
NIGHTLY_CRON = "0 2 * * *"
SENSOR_SECONDS = 60


def job() -> Any:
    """Make the one job: every table of one site, in one process."""
    return dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.all(),
        executor_def=dg.in_process_executor,
        description="Build one site's validation pack: every table, every gate, then the pack.",
    )


def requests_of_night(folder: ProjectFolder, site_id: str, day: date) -> Iterator[dg.RunRequest]:
    """Ask for one site's runs of one night: a look that was missed first, then the day."""
    try:
        looks = looks_to_build(folder, site_id, day.isoformat())
    except VpackError:
        # Its own run will fail and say why; the other sites' runs must not wait for that.
        looks = []
    for look in looks:
        yield dg.RunRequest(
            run_key=f"{day}-{site_id}-look-{look}",
            partition_key=site_id,
            tags={AS_OF_TAG: look, "dagster/priority": "1"},
        )
    yield dg.RunRequest(
        run_key=f"{day}-{site_id}",
        partition_key=site_id,
        tags={NIGHTLY_TAG: "true", AS_OF_TAG: day.isoformat()},
    )


def nightly() -> dg.ScheduleDefinition:
    """Make the nightly schedule over all registered sites."""

    @dg.schedule(
        cron_schedule=NIGHTLY_CRON,
        job_name=JOB,
        name="nightly",
        description="Rebuild every registered site at the scheduled date.",
        execution_timezone="UTC",
    )
    def _nightly(
        context: dg.ScheduleEvaluationContext, project: Project
    ) -> Iterator[dg.RunRequest]:
        folder = project.open()
        day = context.scheduled_execution_time.date()
        for site_id in context.instance.get_dynamic_partitions(str(SITES.name)):
            yield from requests_of_night(folder, site_id, day)

    return _nightly


def new_deliveries() -> dg.SensorDefinition:
    """Make the sensor that registers valid sites and builds each new closed delivery once."""

    @dg.sensor(
        job_name=JOB,
        name="new_deliveries",
        minimum_interval_seconds=SENSOR_SECONDS,
        description="Register a site with a valid site.yaml and a closed delivery, and build it.",
    )
    def _new_deliveries(
        context: dg.SensorEvaluationContext, project: Project
    ) -> dg.SensorResult | dg.SkipReason:
        folder = project.open()
        ready = dict(ready_sites(folder))
        known = set(context.instance.get_dynamic_partitions(str(SITES.name)))
        new = sorted(set(ready) - known)
        requests = [
            dg.RunRequest(run_key=f"{site_id}-{delivery}", partition_key=site_id)
            for site_id, delivery in sorted(ready.items())
        ]
        if not requests:
            return dg.SkipReason("no site has a valid site.yaml and a closed delivery")
        return dg.SensorResult(
            run_requests=requests,
            dynamic_partitions_requests=[SITES.build_add_request(new)] if new else [],
        )

    return _new_deliveries


def ready_sites(folder: ProjectFolder) -> Iterator[tuple[str, str]]:
    """List the sites that can be built, each with its newest closed delivery."""
    for site_id in study.site_ids(folder.root):
        try:
            loaded = folder.study(site_id)
            found = closed_deliveries(folder.root, loaded.site)
        except VpackError:
            # `vpack check` tells this site's owner why; another site must not wait for it.
            continue
        if found:
            yield site_id, found[-1]
