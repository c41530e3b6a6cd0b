"""LiteLLM's `config.yaml`: model groups become rules, deployments models, fallbacks the end of a route.

What a group means is LiteLLM's router: among the deployments of the lowest `order` it draws by `weight`, else by `rpm`,
else by `tpm` (whichever the first deployment has), else evenly; when those failed, the groups of `fallbacks` follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import combinations

from routebook.routing.drafting import Draft, Entry, Value, route, whole_weights
from routebook.routing.importing.assumptions import NO_SUCH_MODEL, OF_EVERYTHING
from routebook.routing.importing.litellm_deployments import Deployment, DeploymentReader
from routebook.routing.importing.litellm_settings import read_settings, strategy
from routebook.routing.importing.source import Part

MOST_TAGS = 4
"""Tags of a group up to which every combination of them has a rule of its own."""


def draft_of(root: Part) -> Draft:
    """The policy that a configuration means; what could not be carried is noted."""
    draft = Draft()
    router = [each for name in ("router_settings", "litellm_settings") if (each := root.get(name)) is not None]
    picked = strategy(router)
    groups = _Groups(draft, router)
    groups.read(root, enforced=picked.enforced)
    if groups.names:
        root.notes.remark(OF_EVERYTHING)
    groups.rules(picked.pick, picked.part, read_settings(root, draft, groups.longest(), groups.unpriced()))
    return draft


class _Groups:
    """The model groups of a configuration, with their aliases and fallbacks."""

    def __init__(self, draft: Draft, router: Sequence[Part]) -> None:
        self._draft, self._router = draft, router
        self.names: dict[str, list[Deployment]] = {}
        self._aliases: dict[str, list[str]] = {}
        self._fallbacks: dict[str, list[str]] = {}
        self._long: dict[str, tuple[Part, list[str]]] = {}

    def read(self, root: Part, *, enforced: bool) -> None:
        """Read `model_list`, aliases and fallbacks."""
        listed = root.get("model_list")
        parts = [] if listed is None else listed.items()
        counts: dict[str, int] = {}
        for part in parts:
            counts[part.word("model_name") or ""] = counts.get(part.word("model_name") or "", 0) + 1
        reader = DeploymentReader(self._draft, counts, enforced)
        for part in parts:
            deployment = reader.read(part)
            if deployment is not None:
                self.names.setdefault(deployment.group, []).append(deployment)
        self._read_aliases()
        self._read_fallbacks()

    def longest(self) -> int:
        """Models in the longest route there may be."""
        return max((len(self._plan(name)) for name in self.names), default=1)

    def unpriced(self) -> list[str]:
        """Models of which no price is known."""
        return [name for name, entry in self._draft.models.items() if "price" not in entry]

    def _read_aliases(self) -> None:
        for aliases in _both(self._router, "model_group_alias"):
            for alias, part in aliases.entries():
                group = part.text() or part.word("model")
                if group not in self.names:
                    part.left("the group that it stands for could not be carried")
                    continue
                self._aliases.setdefault(group, []).append(alias)
                part.carried(f"asked for under this name, the rule of `{group}` decides")

    def _read_fallbacks(self) -> None:
        for name, target in (("fallbacks", self._fallbacks), ("context_window_fallbacks", None)):
            for listed in _both(self._router, name):
                for item in listed.items():
                    for group, part in item.entries():
                        known = self._known(part, group)
                        if known and target is not None:
                            target.setdefault(group, known)
                        elif known:
                            self._long[group] = part, known
        for listed in _both(self._router, "default_fallbacks"):
            known = [text for each in listed.items() if (text := each.text()) in self.names]
            listed.carried("the end of every route that has no fallbacks of its own")
            for group in self.names:
                self._fallbacks.setdefault(group, [name for name in known if name != group])
        for listed in _both(self._router, "content_policy_fallbacks"):
            listed.left("what a vendor refuses for its content is not tried elsewhere: the answer goes to the client")

    def _known(self, part: Part, group: str) -> list[str]:
        if group == "*":
            known = [text for each in part.items() if (text := each.text()) in self.names]
            for name in self.names:
                self._fallbacks.setdefault(name, [other for other in known if other != name])
            part.carried("the end of every route that has no fallbacks of its own")
            return []
        if group not in self.names:
            part.left(f"the group `{group}` could not be carried")
            return []
        known = []
        for each in part.items():
            if each.text() in self.names:
                known.append(each.text() or "")
                each.carried(f"follows in the rule of `{group}`")
            else:
                each.left("the group is not there, or could not be carried")
        return known

    def _plan(self, group: str, tagged: Sequence[Deployment] | None = None) -> dict[str, Decimal]:
        """The models of a group's route in order, with their weights; those that follow have none."""
        plan = _first(self.names[group] if tagged is None else tagged)
        for other in self._fallbacks.get(group, []):
            for model in _first(self.names[other]):
                plan.setdefault(model, Decimal(0))
        return plan

    def rules(self, pick: str | None, where: Part | None, terms: Entry) -> None:
        """Write the rules: one for each group that is more than one model under its own name, and one for the rest."""
        filtered = any(part.is_on("enable_tag_filtering") for part in self._router)
        plain = []
        for group, deployments in self.names.items():
            self._long_prompts(group, deployments, terms)
            tagged = filtered and any(each.tags for each in deployments)
            alone = deployments[0].model == group and len(deployments) == 1 and group not in self._aliases
            if alone and not tagged and not self._fallbacks.get(group) and not deployments[0].terms and not terms:
                plain.append(group)
                continue
            if tagged:
                self._by_tags(group, deployments, terms)
            self._rule(group, group, deployments, pick, where, terms, tags=None, tagged=tagged)
        self._finish(plain)
        self._speak_of_tags(filtered)

    def _finish(self, plain: list[str]) -> None:
        others = len(self._draft.models) > len(plain)
        if plain:
            when: Value | None = {"request.model": plain} if others else None
            self._draft.rule("as-asked", when, {"route": {"to": "requested"}})
        if others or not plain:
            self._draft.rule("no-such-model", None, {"refuse": NO_SUCH_MODEL})

    def _when(self, group: str, more: Entry | None = None) -> Entry:
        names = [group, *self._aliases.get(group, [])]
        return {"request.model": names[0] if len(names) == 1 else names, **(more or {})}

    def _rule(
        self,
        name: str,
        group: str,
        deployments: Sequence[Deployment],
        pick: str | None,
        where: Part | None,
        terms: Entry,
        tags: Entry | None,
        tagged: bool = False,
    ) -> None:
        if tagged:
            deployments = [each for each in deployments if "default" in each.tags] or deployments
        plan = self._plan(group, deployments)
        several = sum(1 for weight in plan.values() if weight) > 1
        rest = {**terms, **_common(deployments)}
        if pick is not None and several and len(plan) > len(deployments):
            if where is not None:
                where.changed(f"`{group}` has fallbacks, which keep their order: its own deployments are drawn instead")
        elif pick is not None and several:
            self._draft.rule(name, self._when(group, tags), {"route": {"to": list(plan), "pick": pick, **rest}})
            return
        self._draft.rule(name, self._when(group, tags), route(list(plan), whole_weights(plan), rest))

    def _long_prompts(self, group: str, deployments: Sequence[Deployment], terms: Entry) -> None:
        if group not in self._long:
            return
        part, others = self._long[group]
        sizes = [each.context for each in deployments if each.context is not None]
        if len(sizes) < len(deployments):
            part.left(
                "how long a prompt the group takes is not written (`max_input_tokens`): add a rule on `prompt.tokens`"
            )
            return
        plan: dict[str, Decimal] = {}
        for other in others:
            plan.update({model: Decimal(0) for model in _first(self.names[other]) if model not in plan})
        self._draft.rule(
            f"{group}-long-prompts",
            self._when(group, {"prompt.tokens": {"above": max(sizes)}}),
            route(list(plan), None, terms),
        )
        part.changed(
            "prompts that are too long go there at once, by an estimate of their tokens, and not after a failure"
        )

    def _by_tags(self, group: str, deployments: Sequence[Deployment], terms: Entry) -> None:
        tags = list(dict.fromkeys(tag for each in deployments for tag in each.tags if tag != "default"))
        most = len(tags) if len(tags) <= MOST_TAGS else 1
        for size in range(most, 0, -1):
            for some in combinations(tags, size):
                chosen = [each for each in deployments if set(some) & set(each.tags)]
                asked: Entry = {"tags": {"all": list(some)} if size > 1 else {"any": list(some)}}
                self._rule(f"{group}-{'-'.join(some)}", group, chosen, None, None, terms, asked)
        if most < len(tags):
            deployments[0].part.notes.remark(
                f"`{group}` has {len(tags)} tags: a request with several goes by the first rule, not to all of their deployments."
            )

    def _speak_of_tags(self, filtered: bool) -> None:
        for deployment in (each for group in self.names.values() for each in group):
            part = deployment.part.get("litellm_params")
            tags = None if part is None else part.get("tags")
            if tags is not None and filtered:
                tags.changed("rules on `tags`; a request whose tags are all unknown goes where one without tags goes")
            elif tags is not None:
                tags.meaningless(
                    "tags of deployments count only with `enable_tag_filtering`; they named spend otherwise"
                )
            self._speak_of_terms(deployment)

    def _speak_of_terms(self, deployment: Deployment) -> None:
        params, common = deployment.part.get("litellm_params"), _common(self.names[deployment.group])
        kept = common.get("set", {})
        for name, term in (
            ("max_tokens", "max_output"),
            ("temperature", "temperature"),
            ("reasoning_effort", "reasoning_effort"),
        ):
            part = None if params is None else params.get(name)
            if part is None:
                continue
            if term in deployment.terms and isinstance(kept, dict) and term in kept:
                part.changed(
                    "`set` of the rule: a cap"
                    if term == "max_output"
                    else "`set` of the rule, where a client says nothing"
                )
            else:
                part.left("deployments of one group differ in it, and `set` is the rule's")


def _common(deployments: Sequence[Deployment]) -> Entry:
    first = deployments[0].terms
    same = {name: value for name, value in first.items() if all(each.terms.get(name) == value for each in deployments)}
    return {"set": same} if same else {}


def _first(deployments: Sequence[Deployment]) -> dict[str, Decimal]:
    """The models of deployments in the order of LiteLLM's `order`; those of the lowest have their weights."""
    ranked = sorted(deployments, key=lambda each: each.order)
    lowest = [each for each in ranked if each.order == ranked[0].order]
    by = next((name for name in ("weight", "rpm", "tpm") if getattr(lowest[0], name) is not None), None)
    plan = {each.model: Decimal(1) if by is None else getattr(each, by) or Decimal(0) for each in lowest}
    if not any(plan.values()):
        plan = dict.fromkeys(plan, Decimal(1))
    return plan | {each.model: Decimal(0) for each in ranked if each.order != ranked[0].order}


def _both(router: Iterable[Part], name: str) -> list[Part]:
    """A setting that may stand in `router_settings` or in `litellm_settings`."""
    return [found for part in router if (found := part.get(name)) is not None]
