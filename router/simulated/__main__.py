"""python -m router.simulated: the simulated providers on a loopback port of their own."""

import argparse

from router.simulated.server import serve


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m router.simulated", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (the default)")
    parser.add_argument(
        "--pace", type=float, default=0.0, metavar="SECONDS", help="wait before each piece of an answer"
    )
    options = parser.parse_args()
    serve(options.host, options.port, options.pace)


if __name__ == "__main__":
    main()
