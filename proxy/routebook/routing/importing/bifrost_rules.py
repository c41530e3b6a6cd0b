"""Bifrost's routing rules: conditions in CEL, weighted targets, fallbacks; the narrowest scope first."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from routebook.routing.drafting import Draft, Entry, Value, route, slug, whole_weights
from routebook.routing.importing.cel import NotCarried, Question, condition_of
from routebook.routing.importing.source import Part

SCOPES = ("virtual_key", "team", "customer", "global")
OPERATIONS = {
    "chat_completion": "chat",
    "chat_completion_stream": "chat",
    "responses": "chat",
    "text_completion": "completion",
    "embedding": "embeddings",
}
FACTS = {"virtual_key_name": "client.name", "team_name": "client.team", "customer_name": "client.label.customer"}
USED = ("budget_used",)
_BOUNDS = {">": "above", ">=": "at_least", "<": "below", "<=": "at_most"}


class RuleReader:
    """Reads rules into a draft. `names` are clients, teams and customers by their ids, as they are called here."""

    def __init__(self, draft: Draft, root: Part) -> None:
        self._draft = draft
        governance = root.get("governance")
        listed = None if governance is None else governance.get("routing_rules")
        self._rules = [] if listed is None else listed.items()
        self.names: dict[str, dict[str, str]] = {"virtual_key": {}, "team": {}, "customer": {}}

    def read(self) -> None:
        """Write all rules, those of virtual keys before those of teams, customers and all; by priority within."""
        ranked = []
        for part in self._rules:
            scope, enabled = part.word("scope") or "global", part.get("enabled")
            if enabled is not None and enabled.flag() is False:
                part.meaningless("a rule that is switched off")
            elif scope not in SCOPES:
                part.left("its scope is none that is known")
            else:
                priority = part.get("priority")
                number = None if priority is None else priority.number()
                ranked.append((SCOPES.index(scope), number or Decimal(0), part))
        for _, _, part in sorted(ranked, key=lambda each: each[:2]):
            self._rule(part)

    def _rule(self, part: Part) -> None:
        expression = part.get("cel_expression")
        try:
            scope = self._scope(part)
            asked = None if expression is None else condition_of(expression.text() or "", self._ask)
            weights = self._targets(part)
        except NotCarried as error:
            part.left(f"{error}: the rule cannot be written, and what it decides is decided by the rules behind it")
            return
        conditions = [each for each in (scope, asked) if each is not None]
        when: Value | None = {"all_of": conditions} if len(conditions) > 1 else conditions[0] if conditions else None
        self._draft.rule(part.word("name") or "rule", when, route(list(weights), whole_weights(weights)))
        for name, _ in part.entries():
            self._say(part, name)

    def _say(self, part: Part, name: str) -> None:
        found = part.get(name)
        if found is None:
            return
        if name == "chain_rule" and found.flag():
            found.changed("rules are not gone through again: the first that matches decides")
        elif name == "targets":
            found.carried("the route, drawn by weights; where the one that was drawn fails, the others are tried")
        else:
            found.carried("the rule, in its place among the others")

    def _scope(self, part: Part) -> Value | None:
        scope = part.word("scope") or "global"
        if scope == "global":
            return None
        name = self.names[scope].get(part.word("scope_id") or "")
        if name is None:
            raise NotCarried(f"the {scope.replace('_', ' ')} that it is for is not declared")
        fact = {"virtual_key": "client.name", "team": "client.team", "customer": "client.label.customer"}[scope]
        return {fact: name}

    def _targets(self, part: Part) -> dict[str, Decimal]:
        targets, fallbacks = part.get("targets"), part.get("fallbacks")
        weights: dict[str, Decimal] = {}
        for each in [] if targets is None else targets.items():
            weight = each.get("weight")
            share = None if weight is None else weight.number()
            for name in self._models(f"{each.word('provider') or ''}/{each.word('model') or ''}"):
                weights[name] = weights.get(name, Decimal(0)) + (Decimal(1) if share is None else share)
        for each in [] if fallbacks is None else fallbacks.items():
            text = each.text() or f"{each.word('provider') or ''}/{each.word('model') or ''}"
            for name in self._models(text):
                weights.setdefault(name, Decimal(0))
        if not weights:
            raise NotCarried("it names no model that could be carried")
        return weights

    def _models(self, wanted: str) -> list[str]:
        """What a target stands for: the model, or its variants where several addresses serve it."""
        provider, _, model = wanted.partition("/")
        if not provider or not model:
            raise NotCarried("a target leaves its provider or model to the request, and a route names its models")
        if wanted in self._draft.models:
            return [wanted]
        return [name for name in self._draft.models if name.startswith(f"{wanted}@")][:1]

    def _ask(self, asked: Question) -> Value:
        if asked.variable == "model":
            return self._ask_model(asked)
        if asked.variable == "provider" and asked.operator in ("==", "in"):
            prefixes: list[Value] = [{"request.model": {"prefix": f"{text}/"}} for text in asked.texts]
            return prefixes[0] if len(prefixes) == 1 else {"any_of": prefixes}
        if asked.variable == "headers" and asked.index is not None:
            return {f"request.header.{asked.index.lower()}": _of_text(asked, missing=False)}
        if asked.variable in FACTS:
            texts = tuple(slug(text) for text in asked.texts) if asked.variable == "virtual_key_name" else asked.texts
            return {
                FACTS[asked.variable]: _of_text(Question(asked.variable, None, asked.operator, texts), missing=True)
            }
        if asked.variable == "request_type" and all(text in OPERATIONS for text in asked.texts):
            texts = tuple(dict.fromkeys(OPERATIONS[text] for text in asked.texts))
            return {"request.operation": _of_text(Question("", None, asked.operator, texts), missing=False)}
        if (
            asked.variable in USED
            and asked.number is not None
            and asked.operator in _BOUNDS
            and len(self._draft.budgets) == 1
        ):
            [budget] = self._draft.budgets
            return {f"budget.{budget}.used": {_BOUNDS[asked.operator]: f"{Decimal(str(asked.number)).normalize():f}%"}}
        raise NotCarried(f"`{asked.variable}` is nothing that a condition can ask about in this way")

    def _ask_model(self, asked: Question) -> Value:
        """A rule speaks of the model alone; clients ask for it with its provider before it, or without."""
        if asked.operator in ("==", "in"):
            names = [name for text in asked.texts for name in (text, *self._named(text))]
            return {"request.model": names if len(names) > 1 else names[0]}
        [text, *more] = asked.texts or ("",)
        patterns: Mapping[str, list[Entry]] = {
            "startsWith": [{"prefix": text}, {"glob": f"*/{text}*"}],
            "endsWith": [{"suffix": text}],
            "contains": [{"glob": f"*{text}*"}],
        }
        if more or asked.operator not in patterns or "*" in text:
            raise NotCarried(f"`model {asked.operator}` cannot be asked")
        found: list[Value] = [{"request.model": pattern} for pattern in patterns[asked.operator]]
        return found[0] if len(found) == 1 else {"any_of": found}

    def _named(self, model: str) -> list[str]:
        return list(
            dict.fromkeys(
                f"{name.partition('/')[0]}/{model}"
                for name in self._draft.models
                if name.partition("/")[2].partition("@")[0] == model
            )
        )


def _of_text(asked: Question, *, missing: bool) -> Value:
    """What is asked of a text. In CEL a header that is not there makes the rule not match; an absent name is empty."""
    holds: Entry = {"missing": "holds"} if missing else {}
    texts: Value = asked.texts[0] if len(asked.texts) == 1 else list(asked.texts)
    match asked.operator:
        case "==" | "in" if asked.texts and "" not in asked.texts:
            return texts
        case "!=" | "not in" if asked.texts and "" not in asked.texts:
            return {"not": texts, **holds}
        case "startsWith":
            return {"prefix": asked.texts[0]}
        case "endsWith":
            return {"suffix": asked.texts[0]}
        case "contains" if "*" not in asked.texts[0]:
            return {"glob": f"*{asked.texts[0]}*"}
        case _:
            raise NotCarried(f"`{asked.variable} {asked.operator}` cannot be asked")
