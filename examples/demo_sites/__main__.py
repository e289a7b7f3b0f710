"""The command: ``python -m examples.demo_sites [--site NAME] [--root PATH] [--scale tiny]``.

What does not belong here: what a site holds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from examples.demo_sites.sites import DEMO_SITES, REPOSITORY, generate


def main() -> None:
    """Read the options and write the sites."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo_sites", description=__doc__)
    parser.add_argument(
        "--site",
        action="append",
        help=f"{' or '.join(DEMO_SITES)}; another name makes a small site of lakeside's kind, and"
        " hillcrest one whose model fails. Default: both demonstration sites",
    )
    parser.add_argument("--root", type=Path, default=REPOSITORY, help="project root")
    parser.add_argument("--scale", choices=["full", "tiny"], default="full")
    parser.add_argument("--protocol", help="id@version, instead of the site's own")
    given = parser.parse_args()
    for site in given.site or DEMO_SITES:
        folder = generate(site, given.root, tiny=given.scale == "tiny", protocol=given.protocol)
        count = sum(1 for path in folder.rglob("*") if path.is_file())
        print(f"{site}: {count} files in {folder}")


if __name__ == "__main__":
    main()
