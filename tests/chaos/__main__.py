"""`python -m chaos`, with `tests` on the path: see `chaos.runner`."""

from chaos.runner import main

if __name__ == "__main__":
    raise SystemExit(main())
