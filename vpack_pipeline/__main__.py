"""``python -m vpack_pipeline`` is ``vpack``."""

from vpack_pipeline.cli import main

if __name__ == "__main__":
    main()
