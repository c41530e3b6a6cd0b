"""The `clients` section: who may call."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from routebook.catalogue.callers import ANONYMOUS, CERTIFICATE_NAMES, Client
from routebook.catalogue.models import Pool
from routebook.catalogue.reading_models import expand
from routebook.catalogue.reading_providers import read_labels
from routebook.catalogue.reading_tokens import check_bearers, read_terms
from routebook.documents.names import check_name, read_reference
from routebook.documents.nodes import Node, Scalar
from routebook.documents.problems import Location, Problems
from routebook.documents.reading import FALSE, TRUE, Fields

CLIENT_KEYS = {
    "keys": "digests of its keys (`routebook keys create NAME --print-digest`), beside those in the key store",
    "certificates": "names in a certificate that are its own (`dns:NAME`, `uri:URI`, `email:ADDRESS`, `cn:NAME`), where the "
    "listener asks clients for one (`serve --tls-client-ca`)",
    "jwt": "the bearer tokens that are taken for it: of which issuer, and what their claims mean",
    "team": "the team it belongs to (`client.team`)",
    "tags": "tags that each of its requests has",
    "labels": "your own words about it, by name (`client.label.NAME`)",
    "models": "the models and pools it may use (default: all)",
    "may_set_tags": "the tags it may add to a request by header or metadata (default: any)",
}
"""The keys of one client, with what they mean."""

_DIGEST = re.compile(r"hmac-sha256:[0-9a-f]{64}\Z")


def read_clients(
    entries: Iterable[tuple[Scalar, Node]], models: Collection[str], pools: dict[str, Pool], problems: Problems
) -> dict[str, Client]:
    """The clients by name; pools among their models are replaced by what they hold."""
    clients: dict[str, Client] = {}
    holders: dict[str, Location] = {}
    bearers: dict[str, Location] = {}
    for key, node in entries:
        check_name(key, problems, "a client", (ANONYMOUS.name,))
        fields = Fields.of(node, CLIENT_KEYS, problems, "a client")
        if fields is None:
            continue
        allowed = [
            name
            for item in fields.items("models", "a list of models and pools")
            if (
                name := read_reference(
                    item, {*models, *pools}, problems, "policy.unknown-model", "a model or pool of this policy"
                )
            )
            is not None
        ]
        clients[key.text] = Client(
            name=key.text,
            location=key.location,
            keys=_read_digests(fields, holders),
            certificates=_read_certificates(fields, bearers),
            team=fields.text("team"),
            tags=frozenset(fields.texts("tags")),
            labels=read_labels(fields),
            models=None if fields.node("models") is None else expand(allowed, pools),
            may_set_tags=_read_may_set_tags(fields),
            tokens=read_terms(fields),
        )
    check_bearers(clients.values(), problems)
    return clients


def _read_may_set_tags(fields: Fields) -> frozenset[str] | None:
    """The tags that a client may set itself; None: any."""
    node = fields.node("may_set_tags")
    if node is None:
        return None
    if isinstance(node, Scalar) and not node.quoted and (node.text in TRUE or node.text in FALSE):
        fields.problems.error(
            "document.wrong-type",
            f"expected the tags that the client may set, found `{node.text}`",
            node.location,
            "leave `may_set_tags` out: then it may set any" if node.text in TRUE else "write `may_set_tags: []`",
        )
    return frozenset(fields.texts("may_set_tags"))


def _read_digests(fields: Fields, holders: dict[str, Location]) -> tuple[str, ...]:
    digests = []
    for item in fields.items("keys", "a list of key digests"):
        if not isinstance(item, Scalar) or not _DIGEST.match(item.text):
            fields.problems.error(
                "catalogue.literal-key",
                "this is not the digest of a key",
                item.location,
                "write `hmac-sha256:` and 64 hexadecimal digits; a key itself never stands in a policy",
            )
            continue
        if item.text in holders:
            fields.problems.error(
                "catalogue.shared-key",
                "this key is another client's already",
                item.location,
                "give each client keys of its own",
                [(holders[item.text], "the first one")],
            )
        holders.setdefault(item.text, item.location)
        digests.append(item.text)
    return tuple(digests)


def _read_certificates(fields: Fields, bearers: dict[str, Location]) -> tuple[str, ...]:
    found = []
    for item in fields.items("certificates", "a list of names in certificates"):
        kind, colon, name = item.text.partition(":") if isinstance(item, Scalar) else ("", "", "")
        if kind not in CERTIFICATE_NAMES or not colon or not name or name != name.strip():
            fields.problems.error(
                "catalogue.bad-certificate-name",
                "this is no name of a certificate",
                item.location,
                "write which kind of name it is: " + ", ".join(f"`{each}:NAME`" for each in CERTIFICATE_NAMES),
            )
            continue
        text = f"{kind}:{name.lower() if kind == 'dns' else name}"
        if text in bearers:
            fields.problems.error(
                "catalogue.shared-certificate",
                f"certificates of `{text}` are another client's already",
                item.location,
                "give each client names of its own",
                [(bearers[text], "the first one")],
            )
        bearers.setdefault(text, item.location)
        found.append(text)
    return tuple(found)
