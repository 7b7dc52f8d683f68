"""`aster profile`: names for the deployments that this user signs for."""

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aster.cli.signing import ROOT_KEY_PLACES, root_public_keys
from aster.cli.up import JsonOption
from aster.foundation.errors import ConfigError

if TYPE_CHECKING:
    from aster.trust.profiles import Profile

app = typer.Typer(name="profile", help="Name the deployments you sign for.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The profile's name.")]


@app.command("list")
def list_profiles(as_json: JsonOption = False) -> None:
    """Every profile; * marks the one in use."""
    from aster.cli.terminal import print_json
    from aster.trust.profiles import read_profiles

    profiles, in_use = read_profiles(), _in_use()
    rows = [_shown(profile, in_use) for _, profile in sorted(profiles.by_name.items())]
    if as_json:
        print_json(rows)
    for row in [] if as_json else rows:
        mark = "*" if row["in_use"] else " "
        typer.echo(f"{mark} {row['name']:<20} {row['root_pubkeys'][0]}  {row['root_key'] or '-'}")
    if not rows and not as_json:
        typer.echo("no profiles yet: aster profile create NAME --root-key FILE")


@app.command()
def create(
    name: NameArgument,
    root_key: Annotated[
        str | None, typer.Option("--root-key", help=f"{ROOT_KEY_PLACES}; leave it out where nothing is signed.")
    ] = None,
    root_pubkey: Annotated[
        list[str] | None,
        typer.Option("--root-pubkey", help="A root public key, 64 hex characters or a file of them; repeatable."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Add a profile. The first one is active at once. No key is made, copied or moved."""
    from aster.trust.profiles import Profile, checked_name, create_profile
    from aster.trust.root_key import located_root_key, read_root_key

    checked_name(name)
    public = [key.hex() for each in root_pubkey or [] for key in root_public_keys(each)]
    place = None
    if root_key is not None:
        place = located_root_key(root_key)
        public.insert(0, read_root_key(place).public.hex())
    if not public:
        raise ConfigError("a profile needs a root key", hint="--root-key FILE, or --root-pubkey HEX")
    profile = Profile(name=name, root_pubkeys=tuple(dict.fromkeys(public)), root_key=place)
    create_profile(profile)
    _tell(f"created {name}", profile, as_json=as_json)


@app.command()
def use(name: NameArgument, as_json: JsonOption = False) -> None:
    """Sign for this profile from now on. ASTER_PROFILE overrides it."""
    from aster.trust.profiles import use_profile

    _tell(f"using {name}", use_profile(name), as_json=as_json)


@app.command()
def show(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A profile; the one in use when left out.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """What a profile says. It holds no secret."""
    from aster.trust.profiles import active_profile

    profile = active_profile(name)
    if profile is None:
        raise ConfigError("no profile is in use", hint="aster profile use NAME")
    rows = _shown(profile, _in_use())
    text = "\n".join(
        f"{key:<12} {' '.join(value) if isinstance(value, list) else value}" for key, value in rows.items()
    )
    _tell(text, profile, as_json=as_json)


@app.command()
def delete(name: NameArgument, as_json: JsonOption = False) -> None:
    """Forget a profile. Its keys stay where they are."""
    from aster.trust.profiles import delete_profile

    profile = delete_profile(name)
    kept = f"; its root key stays at {profile.root_key}" if profile.root_key else ""
    _tell(f"deleted {name}{kept}", profile, as_json=as_json)


def _tell(text: str, profile: "Profile", *, as_json: bool) -> None:
    from aster.cli.terminal import print_json

    if as_json:
        print_json(_shown(profile, _in_use()))
    else:
        typer.echo(text)


def _in_use() -> str | None:
    from aster.trust.profiles import VARIABLE, read_profiles

    return os.environ.get(VARIABLE, "").strip() or read_profiles().active


def _shown(profile: "Profile", in_use: str | None) -> dict[str, Any]:
    return {
        "name": profile.name,
        "root_pubkeys": list(profile.root_pubkeys),
        "root_key": profile.root_key,
        "in_use": profile.name == in_use,
    }
