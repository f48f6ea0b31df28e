"""Reads `[shadow.plans.NAME]`: limits that are judged on live starts without effect."""

from georeg.config.reader import Table
from georeg.config.settings import LIMIT_MAX, LIMIT_REMEDY
from georeg.region.settings import Settings


def read_shadow(top: Table, settings: Settings) -> dict[str, int]:
    """Plan -> its limit in the shadow; only plans of the config have one."""
    table = top.table("shadow", "write each as [shadow.plans.NAME] with limit = 2")
    plans = table.table("plans", "write each as [shadow.plans.NAME] with limit = 2")
    limits, names = {}, plans.keys()
    for name in names:
        plan = plans.table(name, f"write it as [shadow.plans.{name}] with limit = 2")
        if name not in settings.plans:
            known = ", ".join(sorted(settings.plans))
            plans.wrong(name, f"is none of the plans: {known}", "give the name of a plan")
        limits[name] = plan.whole("limit", 1, LIMIT_MAX, LIMIT_REMEDY)
        plan.finish()
    table.finish()
    return limits
