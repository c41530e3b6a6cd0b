"""The options that name the certificates of the listeners, for the commands that take them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from routebook.edge.tls.pair import Files


def add_tls_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of both listeners."""
    for prefix, where in (("", "where clients call"), ("admin-", "at the admin listener")):
        parser.add_argument(
            f"--{prefix}tls-certificate",
            type=Path,
            metavar="FILE",
            help=f"speak TLS {where}: a certificate with its chain, as PEM; SIGHUP reads it again (default: plain HTTP)",
        )
        parser.add_argument(
            f"--{prefix}tls-key",
            type=Path,
            metavar="FILE",
            help="its key, not encrypted (default: it stands in the certificate's file)",
        )
        parser.add_argument(
            f"--{prefix}tls-client-ca",
            type=Path,
            metavar="FILE",
            help="ask callers for a certificate of these authorities (default: they are not asked)",
        )


def tls_files(args: argparse.Namespace) -> tuple[Files | None, Files | None]:
    """The files of the public and of the admin listener; raises ValueError where a certificate is missing."""
    return (
        _files(args.tls_certificate, args.tls_key, args.tls_client_ca, "--"),
        _files(args.admin_tls_certificate, args.admin_tls_key, args.admin_tls_client_ca, "--admin-"),
    )


def _files(certificate: Path | None, key: Path | None, client_ca: Path | None, prefix: str) -> Files | None:
    from routebook.edge.tls.pair import Files

    if certificate is None:
        if key is not None or client_ca is not None:
            raise ValueError(f"give `{prefix}tls-certificate` too: without one there is no TLS")
        return None
    return Files(certificate, key or certificate, client_ca)
