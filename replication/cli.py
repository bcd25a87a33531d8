"""The `nexus-state` command: `demo`, `replay`, `status`, `recover`, `certs`, `version`."""

import argparse
import json
import signal
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand; its exit code. A message for people goes to standard error."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 141
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nexus-state", description="Replicated state: try it, look at it.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="three processes share state; one is cut off, two are killed")
    demo.add_argument("--seconds", type=float, default=24.0, metavar="N", help="of writing, about (default 24)")
    demo.set_defaults(run=_demo)

    replay = commands.add_parser("replay", help="an editing history in one process, killed midway and reopened")
    replay.add_argument("--trace", metavar="FILE", help="an editing history (editing-traces JSON, gzipped or not)")
    replay.add_argument("--edits", type=int, default=250_000, metavar="N", help="edits to make up without --trace")
    replay.add_argument("--seed", type=int, default=1, metavar="N", help="of the made-up history (default 1)")
    replay.add_argument("--keep", metavar="DIRECTORY", help="keep the state there; it must be new or empty")
    replay.set_defaults(run=_replay)

    status = commands.add_parser("status", help="what a state directory holds, as JSON")
    status.add_argument("directory")
    status.set_defaults(run=_status)

    recover = commands.add_parser(
        "recover", help="a group that lost most of its voters for good goes on from this closed store"
    )
    recover.add_argument("directory")
    recover.add_argument(
        "--voters", default="", metavar="NAME,...", help="of the new group (default: the node of this store alone)"
    )
    recover.add_argument("--rejoin", action="store_true", help="leave a group that was recovered on another store")
    recover.add_argument("--yes", action="store_true", help="do it; without, it is only said what would be done")
    recover.set_defaults(run=_recover)

    certs = commands.add_parser("certs", help="an authority for a cluster, and a key and certificate for each node")
    certs.add_argument("directory", help="where they are kept; the authority in it signs, or is made")
    certs.add_argument("names", nargs="+", metavar="NAME", help="of a node, as in open(..., name=NAME)")
    certs.add_argument("--days", type=int, default=90, metavar="N", help="that a certificate is valid (default 90)")
    certs.add_argument("--renew", action="store_true", help="new certificates for the keys that are there")
    certs.set_defaults(run=_certs)

    commands.add_parser("version", help="print the version").set_defaults(run=_version)
    return parser


def _demo(options: argparse.Namespace) -> int:
    # Imported where they are used: `version` and a mistake in the arguments need none of it.
    from replication.demo import story

    if not 2 <= options.seconds <= 3600:
        return _refuse(f"--seconds {options.seconds:g}: give 2 to 3600; in less there is nothing to see.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and so clean up, as after Ctrl-C
    return story.run(seconds=options.seconds)


def _replay(options: argparse.Namespace) -> int:
    from replication import replay, typing_trace

    if options.keep is not None and Path(options.keep).exists():
        if not Path(options.keep).is_dir():
            return _refuse(f"{options.keep} is not a directory. Name a new one.")
        if any(Path(options.keep).iterdir()):
            return _refuse(f"{options.keep} is not empty; the replay starts from nothing. Name a new directory.")
    if options.edits < 1:
        return _refuse(f"--edits {options.edits}: there is nothing to replay; give 1 or more.")
    try:
        return replay.run(options.trace, edits=options.edits, seed=options.seed, keep=options.keep)
    except (OSError, typing_trace.TraceError) as error:
        return _refuse(str(error))


def _status(options: argparse.Namespace) -> int:
    from replication.errors import StoreError

    try:
        print(json.dumps(_inspect(Path(options.directory)), indent=2))
    except StoreError as error:
        print(f"nexus-state: {error}", file=sys.stderr)
        return 1
    return 0


def _inspect(path: Path) -> dict[str, Any]:
    """What a store holds, checked from end to end; StoreError if it is in use, damaged, or none."""
    from replication.storage.closed import closed_store

    with closed_store(path) as (directory, contents):
        commit, identity = contents.commit, contents.commit.identity
        return {
            "path": str(directory.path),
            "agents": contents.agents,
            "operations_remembered": len(contents.operations),
            "commits": commit.number,
            "rows": commit.rows,
            "bytes_on_disk": sum(file.stat().st_size for file in path.iterdir() if file.is_file()),
            "name": identity.name,
            "writer": identity.writer,
            "closed_cleanly": identity.clean,
        }


def _recover(options: argparse.Namespace) -> int:
    from replication.errors import StoreError
    from replication.recover import recover

    voters = [name.strip() for name in options.voters.split(",") if name.strip()]
    if options.rejoin and voters:
        return _refuse("--rejoin and --voters exclude each other: a node that rejoins takes the voters that there are.")
    try:
        print(recover(options.directory, voters, rejoins=options.rejoin, is_sure=options.yes))
    except StoreError as error:
        print(f"nexus-state: {error}", file=sys.stderr)
        return 1
    except ValueError as error:
        return _refuse(str(error))
    return 0


def _certs(options: argparse.Namespace) -> int:
    from replication.certificates import CertificatesError, make

    directory = Path(options.directory)
    try:
        made = make(directory, options.names, days=options.days, renew=options.renew)
    except CertificatesError as error:
        return _refuse(str(error))
    for node in made:
        files = {"certificate": str(node.certificate), "key": str(node.key), "ca": str(directory / "ca.pem")}
        arguments = ", ".join(f"{name}={path!r}" for name, path in files.items())
        print(f"name={node.name!r}, tls=replication.TLS({arguments})")
    return 0


def _version(options: argparse.Namespace) -> int:
    try:
        print(version("nexus-state"))
    except PackageNotFoundError:
        return _refuse("nexus-state is not installed, so it has no version here; install it with pip.")
    return 0


def _refuse(message: str) -> int:
    print(f"nexus-state: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
