"""`python -m router`: make the environment if it is missing, then the command line. Old Pythons read this file too."""

from router import bootstrap

if __name__ == "__main__":
    bootstrap.enter()
    from router.cli import main

    main()
