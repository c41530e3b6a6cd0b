"""Every stable code of the program with what it means: the source of `docs/errors.md`.

A code is a promise: it keeps its meaning, so that people can search for it and programs can act on it. A test sees to it
that each code in the source stands here, and that each code here stands in the source.
"""

from __future__ import annotations

from typing import Final

PROBLEMS: Final = {
    "document.unreadable": "a policy file is not there, is no regular file, or may not be read",
    "document.not-utf8": "a file is not UTF-8; the place is its first wrong byte",
    "document.too-large": "a file or the whole policy is larger than any real one; perhaps the wrong directory was named",
    "document.too-many-values": "a file holds more values than any real policy",
    "document.too-deep": "lists and mappings stand too deep in each other",
    "document.syntax": "the file is not YAML; the place is where reading stopped, which may be a line after the mistake",
    "document.tab": "a tab stands where YAML wants spaces",
    "document.control-character": "a character that no editor shows as text stands in the file",
    "document.hidden-character": "an invisible character stands in the file; it could make two names look alike",
    "document.duplicate-key": "a key stands twice in one mapping; YAML would silently keep the last",
    "document.duplicate-anchor": "two anchors (`&name`) of one file have the same name",
    "document.duplicate-name": "two things of one kind have the same name, perhaps in different files",
    "document.key-not-text": "a key is a list, a mapping or nothing; often a text that begins with `{` lacks its quotes",
    "document.merge-key": "`<<` is not part of the language",
    "document.tag": "tags (`!name`) are not part of the language",
    "document.several-documents": "a file holds several YAML documents",
    "document.unknown-alias": "an alias (`*name`) names no anchor; often a text that begins with `*` lacks its quotes",
    "document.recursive-alias": "an alias stands inside what it names",
    "document.too-many-aliases": "aliases stand for far more values than the file shows",
    "document.wrong-type": "a value is of another kind than the language expects there",
    "document.wrong-unit": "a quantity lacks its unit or has another one",
    "document.out-of-range": "a quantity is outside what makes sense there",
    "document.unknown-word": "a word is not one of those that the language has there",
    "document.unknown-key": "a key is not one of those that a mapping takes",
    "document.missing-key": "a mapping lacks a key that it needs",
    "document.bad-name": "a name is not one plain word; names go into headers, metrics and records",
    "document.reserved-name": "the language uses this name itself",
    "document.listed-twice": "a list holds the same name twice",
    "policy.no-files": "the policy's place does not exist or holds no YAML file",
    "policy.no-version": "no file says `version: 1`",
    "policy.unknown-version": "the policy is written for another version of the language",
    "policy.no-rules": "the policy has no rules",
    "policy.rules-in-two-files": "the ordered rules stand in several files, so their order is nobody's choice",
    "policy.no-outcome": "a rule neither routes nor refuses",
    "policy.two-outcomes": "a rule both routes and refuses",
    "policy.gap": "some request matches no rule",
    "policy.unreachable-rule": "rules before it match whatever this rule matches, so it can never decide",
    "policy.unreachable-candidate": "a model of a route stands behind others that already stand for it",
    "policy.empty-route": "a route names no model",
    "policy.route-to-nowhere": "no model of a route could ever serve what its rule matches",
    "policy.unknown-model": "a model or pool is not declared",
    "policy.unknown-provider": "a provider is not declared",
    "policy.unknown-pattern": "a pattern is not declared",
    "policy.unknown-budget": "a budget is not declared",
    "policy.unknown-client": "a condition names a client that is not declared, so it waits for nobody",
    "policy.unknown-team": "a condition names a team that no client is of, so it waits for nobody",
    "policy.unknown-condition": "a condition is not declared",
    "policy.unknown-rule": "a test expects a rule that does not exist",
    "policy.unknown-region": "no provider stands in this region",
    "policy.unknown-fact": "a condition asks about a fact that does not exist; `routebook facts` lists them",
    "policy.unknown-operator": "a condition uses an operator that does not exist",
    "policy.wrong-operator": "an operator does not fit the type of its fact",
    "policy.unknown-zone": "a time zone does not exist",
    "policy.mixed-units": "one question mixes a share and an amount",
    "policy.contradiction": "a condition can never hold",
    "policy.empty-condition": "a condition is empty",
    "policy.empty-question": "a fact is named, and nothing is asked of it",
    "policy.empty-list": "an empty list holds for nothing",
    "policy.circular-condition": "a named condition rests on itself",
    "policy.condition-too-large": "a condition comes to more tests than a person could follow",
    "policy.bad-pattern": "a pattern is not a regular expression of RE2",
    "policy.loose-pattern": "a pattern matches every text",
    "policy.secret-header": "a header that holds credentials may not be asked about or recorded",
    "policy.no-weights": "`pick: weighted` has no weights to go by",
    "policy.bad-weights": "all weights are 0",
    "policy.unused-weights": "weights are given, and `pick` does not use them",
    "policy.not-in-route": "a weight or a share is given to a model that the route does not name",
    "policy.bad-split": "the shares of a split do not add up to 100 %",
    "policy.no-promise": "a guarantee does not say which models it speaks of",
    "policy.wrong-value": "a test gives a fact a value that it cannot have",
    "policy.empty-test": "a test expects nothing",
    "policy.test-failed": "a policy test came out otherwise than it expects",
    "policy.duplicate-test": "two tests give and expect the same",
    "policy.untested-rule": "no test reaches a rule",
    "policy.not-in-force": "something is declared that this version does not act on yet",
    "catalogue.literal-key": "a secret stands in the policy itself; name an environment variable or a file, and revoke the secret",
    "catalogue.bad-key": "a key names no place, or two",
    "catalogue.bad-url": "a base URL cannot be used",
    "catalogue.key-in-the-clear": "a key would be sent over `http://` to a host outside",
    "catalogue.no-account": "a provider has no account",
    "catalogue.output-over-context": "a model's `max_output` is more than its `context`",
    "catalogue.empty-pool": "a pool holds no model",
    "catalogue.pool-named-as-model": "a pool and a model have the same name",
    "catalogue.client-without-key": "a client has nothing to show who it is",
    "catalogue.shared-key": "two clients have the same key",
    "ledger.bad-limit": "a budget's limit is no amount of money, tokens or requests",
    "ledger.bad-window": "a budget's window is neither of the calendar nor a duration",
    "ledger.unknown-scope": "a budget counts by something that is no fact",
}
"""What `routebook check` and a reload may find in a policy."""

RELOADS: Final = {
    "reload.too-slow": "reading the policy took longer than a reload may take",
    "reload.helper-died": "the process that read the policy died, perhaps of the policy's size",
    "reload.failed": "the reload failed for a reason within the program",
    "reload.no-snapshot": "the policy's files could not be kept beside the records, so nobody could explain its decisions later",
    "reload.worker-refused": "a worker could not take the policy, so none of them did",
    "edge.open-to-all": "the policy declares no `clients` while the address can be reached from elsewhere",
}
"""Why a sound policy may still not be taken; the one before stays in force."""

FAILURES: Final = {
    "request.malformed": "the body is not what its path asks for",
    "request.encoded": "the body is compressed, which is not accepted",
    "request.too-large": "the body is larger than `settings.max_body`",
    "request.slow": "the body did not arrive within `settings.body_timeout`",
    "request.unknown-path": "nothing is served under this path",
    "request.wrong-method": "the path is served, the method is not",
    "request.constraints": "the header `x-routebook-within` cannot be read",
    "caller.unknown": "the key presented belongs to no client of the policy",
    "model.unknown": "the model asked for does not exist, or this client may not use it",
    "policy.refused": "a rule refuses the request; the message and code are the rule's own where it has them",
    "policy.no-rule": "no rule matches the request",
    "policy.no-candidate": "a rule matches, and none of its models can serve this request now; the record says why for each",
    "upstream.unreachable": "no connection to the provider came about",
    "upstream.connect-timeout": "connecting took longer than `timeouts.connect`",
    "upstream.first-byte-timeout": "the answer did not begin within `timeouts.first_byte`",
    "upstream.idle-timeout": "the answer paused for longer than `timeouts.idle`",
    "upstream.total-timeout": "the exchange took longer than `timeouts.total`",
    "upstream.overloaded": "the provider says it is too much, and every other candidate failed as well",
    "upstream.failed": "the provider answered with an error of its own",
    "upstream.refused-key": "the provider refuses the account's key",
    "upstream.no-quota": "the account's quota at the provider is used up",
    "upstream.unknown-model": "the provider does not know the model's `id`",
    "upstream.redirected": "the provider answered with a redirect, which is never followed",
    "upstream.garbled": "the provider's answer cannot be read",
    "upstream.encoded": "the provider's answer is compressed though that was not asked for",
    "upstream.too-large": "the provider's answer is larger than may be kept in memory",
    "upstream.disconnected": "the provider closed the connection before it answered",
    "upstream.cut": "the answer broke off; what was sent so far is incomplete",
    "upstream.error-event": "the provider reported an error within its stream",
    "upstream.rejected": "the provider rejects the request as wrong; its own answer is passed on",
    "client.gone": "the client went away; only records show this",
    "client.stalled": "the client stopped reading; only records show this",
    "gateway.draining": "the server is about to stop; another attempt will reach another one",
    "gateway.bug": "a fault of the program itself; its log has more",
    "journal.unavailable": "decisions cannot be recorded, so none are made; perhaps the disk is full",
}
"""What a client may be told, in the header `x-routebook-error` and in records."""

RECORDED: Final = {
    "gateway.crashed": "the process died before the exchange ended; the record was closed by its successor"
}
"""What stands in records only, beside the codes of `FAILURES`."""

CANDIDATES: Final = {
    "kept": "it may serve the request",
    "kept.tight": "it may serve the request, as a last resort: the prompt may not fit",
    "model.unknown": "no model or pool has the name that the client asked for",
    "model.operation": "it does not serve this operation",
    "model.dialect": "its provider speaks a dialect that this version cannot call",
    "model.lacks": "it lacks capabilities that the request needs",
    "model.context": "the prompt does not fit into its context",
    "model.max-output": "it cannot answer with as many tokens as the client asks for",
    "client.not-allowed": "the client may not use it",
    "guarantee.forbids": "a guarantee forbids it for this request",
    "within.cost": "it may cost more than the rule or the client allows",
    "within.first-token": "its first token takes longer than the rule or the client allows",
    "within.quality": "its quality is less than the rule or the client asks",
    "within.region": "it stands in another region than the rule or the client asks",
    "within.label": "it lacks a label that the rule asks for",
    "account.no-key": "the account's key is not set",
    "account.resting": "the account cools down after failures or a 429",
}
"""Why a candidate was kept or dropped, in records and in `routebook explain`."""

ADMIN: Final = {
    "admin.bad-request": "a parameter or the body is not what the route takes",
    "admin.malformed": "the request is not valid HTTP/1.1",
    "admin.no-token": "the route needs a token and none was presented",
    "admin.unknown-token": "what was presented is no admin token of this service; a client's key is none",
    "admin.expired-token": "the token was valid until a time that has passed",
    "admin.revoked-token": "the token was revoked",
    "admin.wrong-role": "the token may `read`, and the route needs one that may `operate`",
    "admin.browser": "the request comes from a web page, or names the service otherwise than by address or `localhost`",
    "admin.unknown-path": "nothing is served under this path",
    "admin.unknown-record": "no record has this id",
    "admin.wrong-method": "the path is served, the method is not",
    "admin.too-large": "the body is larger than any that a route takes",
    "admin.bug": "a fault of the program itself; its log has more",
    "admin.tokens-unreadable": "a file of tokens cannot be read, so nobody but this machine's own commands gets in; the log says why",
}
"""What the admin listener refuses with."""

STARTS: Final = {
    "admin.open-to-all": "the admin listener's address can be reached from elsewhere, and there is no admin token"
}
"""Why `routebook serve` does not start, where it is neither the policy nor the machine."""
