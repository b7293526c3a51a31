"""Where the database is, for programs that shall not show its password to everybody who lists processes."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from deploy.local.postgres import DATABASE, ROLE

LOCAL_SERVER = "postgres"
"""The folder of the local stack's own server below its data folder."""


class NoDatabase(Exception):
    """No database was named, and none of a local stack runs."""


def database_url(environ: Mapping[str, str], data_dir: Path) -> str:
    """The address in DATABASE_URL, else that of the local stack's own server. Raises NoDatabase."""
    if named := environ.get("DATABASE_URL"):
        return named
    folder = data_dir / LOCAL_SERVER
    try:
        port = (folder / "cluster" / "postmaster.pid").read_text().splitlines()[3]
        password = (folder / "password").read_text().strip()
    except (OSError, IndexError) as error:
        raise NoDatabase(
            f"DATABASE_URL is not set, and no local stack with a database of its own runs on {data_dir}"
        ) from error
    return f"postgresql://{ROLE}:{password}@127.0.0.1:{port}/{DATABASE}"


def without_password(url: str) -> tuple[str, str]:
    """The address as it may stand on a command line, and the password that was in it; empty where there was none."""
    netloc = urlsplit(url).netloc
    user, at, host = netloc.rpartition("@")
    name, _, password = user.partition(":")
    return url.replace(f"//{netloc}", f"//{name}{at}{host}", 1), unquote(password)
