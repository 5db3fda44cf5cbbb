"""`config`: check the settings, show them as they are in force, print their schema."""

from typing import Annotated

import typer

from bcc_relay.cli.shell import ConfigOption, JsonOption, Shell, complain, print_json

app = typer.Typer(help="Check and show the settings.", no_args_is_help=True)


@app.command()
def check(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check the settings; every complaint names file, key and remedy (exit code 78)."""
    shell = Shell.of(context, config, as_json)
    loaded = shell.load()
    # What `serve` would refuse to start with, the check must not wave through: it runs before every start.
    loaded.refuse_unsafe()
    notes = [str(found) for found in loaded.not_built]
    files = [str(file) for file in loaded.files]

    def for_people() -> None:
        complain(*notes)
        print(f"The settings are valid ({', '.join(files) or 'environment only'}).")

    shell.answer({"files": files, "notes": notes, "complaints": []}, for_people)


@app.command()
def show(
    context: typer.Context,
    effective: Annotated[
        bool, typer.Option("--effective", help="With everything that was not written (always so).")
    ] = True,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the settings in force, from all files, the environment and the defaults; secrets appear as stars."""
    del effective
    shell = Shell.of(context, config, as_json)
    loaded = shell.load(check_files=False)
    tree = loaded.settings.written()

    def for_people() -> None:
        import yaml

        print(f"# From: {', '.join(str(file) for file in loaded.files) or 'environment only'}, and the defaults")
        if "partial_refusal" not in tree["delivery"]:
            print("# delivery.partial_refusal is not written: bounce, and refuse_all on listeners with a login")
        print(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=120), end="")

    shell.answer(tree, for_people)


@app.command()
def schema(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    from bcc_relay.settings.keys import json_schema

    del config, as_json
    print_json(json_schema())
