"""``python -m vpack_pipeline`` is ``vpack``."""

from vpack_pipeline.cli import run

if __name__ == "__main__":
    run()
