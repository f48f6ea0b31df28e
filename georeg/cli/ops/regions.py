"""Which regions there are and where each is asked: from the first one's answer, or from `--to`."""

from georeg.cli.ops.client import EXIT_UNREACHABLE, Client, Json, OpsError, usage
from georeg.cli.ops.options import Target


async def first_status(client: Client, target: Target) -> tuple[str, Json]:
    """The first address that answers, and its status. Raises the first one's OpsError if none."""
    errors: list[OpsError] = []
    for url in target.urls:
        try:
            return url, await client.get(url, "/v1/status")
        except OpsError as error:
            errors.append(error)
    raise errors[0]


async def addresses(client: Client, target: Target) -> tuple[dict[str, str], dict[str, str]]:
    """Region -> address of its operators' API, and region -> why there is none.

    The asked region's config says where the others are (`ops_url`), unless several `--to` do. The
    region that was asked comes first.
    """
    found: dict[str, str] = {}
    without: dict[str, str] = {}
    if len(target.urls) > 1:
        named = {url: url for url in target.urls}
        answers = await client.each(named, "/v1/status")
        for url, answer in answers.items():
            if isinstance(answer, OpsError):
                without[url] = str(answer)
            else:
                found[str(answer["view_of"])] = url
        if not found:
            raise OpsError("; ".join(without.values()), EXIT_UNREACHABLE)
        return found, without
    url, status = await first_status(client, target)
    found[str(status["view_of"])] = url
    for region in status["regions"]:
        if region["is_self"]:
            continue
        if region["ops_url"]:
            found[region["region"]] = region["ops_url"]
        else:
            without[region["region"]] = (
                f"{status['view_of']} does not know where its operators call: set ops_url of its "
                "[[peer]], or give --to for each region"
            )
    return found, without


async def address_of(client: Client, target: Target, name: str) -> str:
    """Where one region is asked. Raises OpsError when nobody says so."""
    found, without = await addresses(client, target)
    if name in found:
        return found[name]
    if name in without:
        raise usage(f"{name}: {without[name]}")
    known = ", ".join(sorted({*found, *without}))
    raise usage(f"there is no region {name}; known are {known}")


def told_apart(answers: dict[str, Json | OpsError]) -> tuple[dict[str, Json], dict[str, str]]:
    """What was answered, and why some did not. Raises the first OpsError when nobody did."""
    found = {name: one for name, one in answers.items() if not isinstance(one, OpsError)}
    errors = {name: one for name, one in answers.items() if isinstance(one, OpsError)}
    if not found:
        raise next(iter(errors.values()))
    return found, {name: str(error) for name, error in errors.items()}


async def ask_all(target: Target, path: str) -> tuple[dict[str, Json], dict[str, str]]:
    """What each region answers, and why some do not. Raises OpsError when none does."""
    async with target.client() as client:
        urls, unreachable = await addresses(client, target)
        answers = await client.each(urls, path)
    found, failed = told_apart(answers)
    return found, unreachable | failed
