"""`router config`: check the configuration, show what is in force, print its schema."""

import rich_click as click

from router.cli import CheckFailed, Context, json_option
from router.errors import ConfigError


@click.group()
def config() -> None:
    """Check and show the configuration."""


@config.command()
@json_option
@click.pass_obj
def check(obj: Context) -> None:
    """Read all files and say what is wrong, each with file, line and column. Exit code 3 when something is."""
    try:
        settings = obj.settings
        table = settings.initial_table()
    except ConfigError as error:
        problems = str(error).splitlines()
        obj.emit({"ok": False, "problems": problems}, lambda: None)
        raise CheckFailed(str(error)) from None
    catalog = settings.catalog()
    found = {
        "models": len(catalog),
        "classes": len(settings.classes),
        "keys": len(settings.keys),
        "table": table.version,
        "simulated": catalog.simulated,
    }

    def render() -> None:
        click.echo("\n".join(settings.files))
        click.echo("fine: {models} models, {classes} classes, {keys} keys, table {table}".format(**found))
        if catalog.simulated:
            click.echo("no provider has a key: the simulated ones answer")

    obj.emit({"ok": True, "files": settings.files, **found}, render)


@config.command()
@json_option
@click.pass_obj
def show(obj: Context) -> None:
    """Print what is in force, after all files and the environment; secrets only as set or not set."""
    settings = obj.settings
    document = settings.redacted()

    def render() -> None:
        import yaml

        click.echo("".join(f"# {file}\n" for file in settings.files), nl=False)
        click.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120), nl=False)

    obj.emit({"files": settings.files, "settings": document}, render)


@config.command()
@json_option
@click.pass_obj
def schema(obj: Context) -> None:
    """Print the JSON Schema of a configuration file, for editors. It is JSON with and without --json."""
    from router.shape import schema_text

    click.echo(schema_text(), nl=False)
