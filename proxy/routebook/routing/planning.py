"""From a route to a plan: every candidate passes the same checks, in the same order, on every hop.

What can be known when a policy is taken is worked out then (`Planner`); what depends on the request is checked against
each candidate until the first check that it fails.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from msgspec.structs import replace

from routebook.catalogue.callers import Client
from routebook.catalogue.models import Model
from routebook.catalogue.providers import Account
from routebook.health.speeds import First
from routebook.ledger.cost import MILLION, by_length
from routebook.policy.facts import Ask
from routebook.protocols.spoken import SESSIONS, TRANSLATED, asked_in
from routebook.routing.affinity import Conversation, Place, stay
from routebook.routing.candidates import Candidate, Dropped, Plan, Stick
from routebook.routing.controls import in_mode
from routebook.routing.demand import Demand
from routebook.routing.expecting import STALE_AFTER, Outlook, outlook, wait
from routebook.routing.fact_table import WRITING_DOWN
from routebook.routing.measured import Measured
from routebook.routing.memory import AccountKey, Habit, Memory, Recollection, Speed
from routebook.routing.outcomes import BANDS, REQUESTED, UNCONSTRAINED, Affinity, Pick, Route, Split, Within
from routebook.routing.picking import LEARNING, Way, band_of, ordered, probes, spread, to_probe
from routebook.routing.pipelines import is_heard
from routebook.routing.policy import Guarantee, Policy
from routebook.routing.predicting import Predictor
from routebook.routing.reach import forbidden_by, label_of, may_hold
from routebook.scoring.judged import Judged

Fault = tuple[str, dict[str, Any]]
"""Why a candidate falls: a reason's code and its numbers."""

_NO_ACCOUNT: Final = Account("none")


@dataclass(frozen=True, slots=True)
class _Target:
    """A model as the policy fixes it: its accounts with their paths, and the guarantees that may forbid it."""

    model: Model
    accounts: tuple[Way, ...]
    forbidding: tuple[Guarantee, ...]


class Planner:
    """Makes plans under one policy. `keyless` are accounts whose declared key is not set here."""

    def __init__(self, policy: Policy, keyless: Collection[AccountKey] = ()) -> None:
        self.policy = policy
        self.keyless = frozenset(keyless)
        catalogue = policy.catalogue
        self.predictor = Predictor(catalogue.models.values(), policy.scorer)
        self._named: dict[str, tuple[_Target, ...]] = {
            name: (_target(model, policy.guarantees),) for name, model in catalogue.models.items()
        }
        self._named.update(
            {
                name: tuple(self._named[each][0] for each in dict.fromkeys(pool.models))
                for name, pool in catalogue.pools.items()
            }
        )

    def __repr__(self) -> str:
        return f"<Planner of {self.policy.digest}: {len(self.policy.catalogue.models)} models>"

    def plan(
        self,
        route: Route,
        rule: str,
        demand: Demand,
        ask: Ask,
        client: Client,
        memory: Memory,
        *,
        at: float,
        draw: float,
        asked_within: Within = UNCONSTRAINED,
        conversation: Conversation | None = None,
    ) -> Plan:
        """Who may serve the request, in order, and who may not and why.

        `ask` answers the facts that guarantees need; `asked_within` are the client's own constraints; `conversation`
        is what a rule that sticks keeps together. Raises ProtocolError where the request turns out to be malformed.
        """
        route = in_mode(route, asked_within)
        return _Planning(
            self, route, rule, demand, ask, client, Recollection(memory), at, draw, asked_within, conversation
        ).plan()

    def named(self, name: str) -> tuple[_Target, ...]:
        """The models that a name stands for: one, those of a pool, or none."""
        return self._named.get(name, ())


def _target(model: Model, guarantees: Sequence[Guarantee]) -> _Target:
    provider = model.provider
    return _Target(
        model,
        tuple(
            (account, (provider.name, account.name), f"{provider.name}/{account.name}")
            for account in provider.accounts or (_NO_ACCOUNT,)
        ),
        forbidden_by(model, guarantees),
    )


class _Planning:
    """One plan in the making."""

    def __init__(
        self,
        planner: Planner,
        route: Route,
        rule: str,
        demand: Demand,
        ask: Ask,
        client: Client,
        memory: Recollection,
        at: float,
        draw: float,
        asked_within: Within,
        conversation: Conversation | None,
    ) -> None:
        self.planner = planner
        self.route = route
        self.rule = rule
        self.demand = demand
        self.ask = ask
        self.client = client
        self.memory = memory
        self.at = at
        self.draw = draw
        self.asked_within = asked_within
        self.conversation = conversation
        self.limits: list[tuple[Within, str]] = []
        if route.within != UNCONSTRAINED:
            self.limits.append((route.within, "rule"))
        if asked_within is not UNCONSTRAINED and asked_within != UNCONSTRAINED:
            self.limits.append((asked_within, "client"))
        self.dropped: list[Dropped] = []
        self.verdicts: dict[str, bool] = {}
        self.prompt = Measured(demand, memory, at)
        self.judged: Judged | None = demand.judged() if route.judges else None
        self.place: int | None = None
        wanted, cap = demand.max_output, route.caps.max_output
        self.answer = wanted if cap is None else cap if wanted is None else min(wanted, cap)
        """The longest answer that will be asked for: what the client wants, under the rule's cap."""
        self.operation, self.needs = demand.operation, demand.needs
        self.served_as = "chat" if self.operation == "count_tokens" else self.operation
        """Whoever chats can be asked how many tokens a chat has."""
        limits = [within for within, _ in self.limits]
        self.times_matter = route.pick is Pick.FASTEST or any(each.first_token is not None for each in limits)
        self.sound_matters = any(each.first_audio for each in limits) and is_heard(self.operation, self.needs)
        self.leader: Place | None = None
        self.probed: Place | None = None
        self.room = 0 if demand.texts > 1 else demand.most_tokens + (self.answer or 0)
        """A context of so many tokens surely holds prompt and answer; texts to embed have one each."""

    def plan(self) -> Plan:
        """Check every target, then put those that are left in order."""
        targets = self._targets()
        kept: list[Candidate] = []
        for target in targets:
            fault = self._fault_of_request(target)
            if fault is None:
                self._by_account(target, targets, kept)
            else:
                self.dropped.append(Dropped(target.model.name, fault[0], fault[1]))
        point, share = (None, None) if self.route.split is None else self._share(self.route.split)
        if len(kept) > 1:
            kept = self._ordered(kept, share)
        stick: Stick | None = None
        if self.conversation is not None:
            kept, stick = stay(kept, self.dropped, self.conversation, self._worth_staying(kept))
        return Plan(
            tuple(kept),
            tuple(self.dropped),
            self.prompt.size,
            self.memory,
            point,
            share,
            stick,
            self.place,
            self.judged,
            self.leader,
            self.probed,
            self.prompt.estimates,
            self.prompt.counted,
        )

    def _worth_staying(self, kept: Sequence[Candidate]) -> float | None:
        """The predicted quality below which a conversation moves: a band below that of candidates that are about as good
        as the best. None where the order does not go by cost."""
        if self.route.pick not in (Pick.CHEAPEST, Pick.BALANCED) or self.asked_within.affinity is Affinity.STICKY:
            return None
        band = band_of(self.route)
        return 0.0 if band is None or not kept else max(each.quality or 0.0 for each in kept) - 2 * band

    def _targets(self) -> Sequence[_Target]:
        planner, names = self.planner, self.route.to
        if len(names) == 1:
            targets = planner.named(self.demand.model if names[0] == REQUESTED else names[0])
            if targets or names[0] != REQUESTED:
                return targets
        found: dict[str, _Target] = {}
        for name in names:
            targets = planner.named(self.demand.model if name == REQUESTED else name)
            if not targets:
                self.dropped.append(Dropped(self.demand.model, "model.unknown"))
            for target in targets:
                found.setdefault(target.model.name, target)
        return list(found.values())

    def _share(self, split: Split) -> tuple[int, str | None]:
        """The request's place in the split, and the name whose share that is."""
        point = self.demand.split_point(split.by, self.rule, self.draw)
        end = 0
        for name, parts in split.shares:
            end += parts
            if point < end:
                return point, name
        return point, None

    def _ordered(self, kept: list[Candidate], share: str | None) -> list[Candidate]:
        """By `pick`; the share that a split chose comes first, and who may be too small for the prompt comes last."""
        learns = self.route.pick in LEARNING
        found = ordered(kept, self.route, self.memory, self.draw, self.memory.leader(self.rule) if learns else None)
        if learns:
            self.leader = found[0].name, found[0].path
            self._probe(found)
        if share is not None:
            chosen = {
                target.model.name for target in self.planner.named(self.demand.model if share == REQUESTED else share)
            }
            found.sort(key=lambda each: each.name not in chosen)
        if self.room and any(each.reason != "kept" for each in found):
            found.sort(key=lambda each: each.reason != "kept")
        return found

    def _probe(self, found: list[Candidate]) -> None:
        """Try somebody anew of whom long ago something was learnt, where this request is one that may; no request of a
        conversation that is somewhere already."""
        if self.conversation is not None and self.conversation.before is not None:
            return
        habit = self.memory.habits.get(found[0].name)

        def alike(each: Candidate) -> int | None:
            expected = self._outlook(each.model, habit)
            return None if expected is None else expected.cost

        at = to_probe(found, self.route, self.draw, alike)
        if at is not None:
            self.probed = found[at].name, found[at].path
            found.insert(0, found.pop(at))

    def _fault_of_request(self, target: _Target) -> Fault | None:
        """The first check that the model fails for this request, whichever account pays."""
        model, client = target.model, self.client
        if self.served_as not in model.operations:
            return "model.operation", {"operation": self.operation, "serves": sorted(model.operations)}
        if (fault := self._fault_of_dialect(model)) is not None:
            return fault
        if self.needs and not self.needs <= model.capabilities:
            return "model.lacks", {"lacks": sorted(self.needs - model.capabilities)}
        if model.context is not None and self.room > model.context:
            self._measure((model,))
            prompt, _ = self.prompt.against(model, model.context - (self.answer or 0))
            if prompt + (self.answer or 0) > model.context:
                return "model.context", {"context": model.context, "prompt": prompt, "max_output": self.answer}
        if model.max_output is not None and self.answer is not None and self.answer > model.max_output:
            return "model.max-output", {"max_output": model.max_output, "asked": self.answer}
        if client.models is not None and model.name not in client.models:
            return "client.not-allowed", {"client": client.name}
        for guarantee in target.forbidding:
            if self._applies(guarantee):
                return "guarantee.forbids", {"guarantee": guarantee.name}
        return None

    def _fault_of_dialect(self, model: Model) -> Fault | None:
        """Whether its provider can be asked for this at all, and told everything that must not be lost."""
        word, client = model.provider.dialect, self.demand.dialect
        dialect = asked_in(word, client)
        if dialect is None:
            return "model.dialect", {"dialect": word}
        if dialect == client or (client in SESSIONS and dialect in SESSIONS):
            return None
        if self.operation not in TRANSLATED:
            return "model.translation", {"dialect": word, "operation": self.operation, "client": client}
        lost = self.demand.lost_to(model, dialect, self.planner.policy.settings.losses)
        return ("model.loses", {"dialect": word, "lost": list(lost)}) if lost else None

    def _by_account(self, target: _Target, targets: Sequence[_Target], kept: list[Candidate]) -> None:
        """Keep the model by each account that may pay, after the constraints on cost and on what was measured."""
        model = target.model
        if self.prompt.size is None:
            self._measure([each.model for each in targets])
        cost = self._cost(model, self.prompt.tokens(model))
        for within, by in self.limits:
            fault = _outside(model, within, cost, by)
            if fault is not None:
                self.dropped.append(Dropped(model.name, fault[0], fault[1]))
                return
        speeds = self._speeds(target, First.TOKEN) if self.times_matter else {}
        sounds = self._speeds(target, First.AUDIO) if self.sound_matters else {}
        usual, usual_sound = speeds.get(None), sounds.get(None)
        for times, first in ((speeds, First.TOKEN), (sounds, First.AUDIO)):
            if len(times) == 1 and (fault := self._too_slow(times.get(None), first)) is not None:
                self.dropped.append(Dropped(model.name, fault[0], fault[1]))
                return
        reason, numbers = "kept", _NOTHING
        if model.context is not None and self.room > model.context:
            reason, numbers = self._tightness(model, model.context)
        expected = None
        if self.route.pick in BANDS:
            expected = self._outlook(model, self.memory.expected_output(self.client.name, model.name, self.at))
        quality = self.planner.predictor.quality(model, self.judged, self.memory.rating)
        for account, key, path in self._ways(target):
            speed, sound = speeds.get(key, usual), sounds.get(key, usual_sound)
            fault = self._fault_of_account(key, model.name)
            if fault is None and self.limits:
                fault = self._too_slow(speed, First.TOKEN) or self._too_slow(sound, First.AUDIO)
            if fault is None:
                kept.append(
                    Candidate(
                        model,
                        account,
                        path,
                        cost,
                        None if speed is None else speed[0],
                        reason,
                        numbers,
                        quality,
                        None if expected is None else expected.cost,
                        0 if expected is None else expected.cached,
                        seconds=wait(speed, self.demand.stream),
                        age=_age(expected, speed),
                        first_audio=None if sound is None else sound[0],
                    )
                )
            else:
                self.dropped.append(Dropped(model.name, fault[0], fault[1], path))

    def _ways(self, target: _Target) -> Sequence[Way]:
        """The accounts of a model in the order in which they share its requests."""
        accounts, model = target.accounts, target.model
        if len(accounts) == 1:
            return accounts
        return spread(accounts, model.provider.spread, self.memory, self.draw, model.name, self._place_of_conversation)

    def _speeds(self, target: _Target, first: First) -> dict[AccountKey | None, Speed]:
        """How fast each account that was measured answers for the model. Under None stands what is taken for the others:
        that of all accounts together, or what the policy declares."""
        model = target.model
        found: dict[AccountKey | None, Speed] = {}
        for _, key, _ in target.accounts:
            speed = self.memory.speed(key, model.name, self.at, first)
            if speed is not None:
                found[key] = speed
        if len(found) < len(target.accounts):
            usual = self.memory.speed(None, model.name, self.at, first)
            if usual is not None:
                found[None] = usual
            elif (declared := getattr(model, first.value)) is not None:
                found[None] = declared, None, _DECLARED
        return found

    def _too_slow(self, speed: Speed | None, first: First) -> Fault | None:
        """Whether the first token, or the first sound, comes too late. What was never measured is not ruled out, and what was measured long
        ago not for every request: it could otherwise never be measured again."""
        if speed is None or speed[0] is None:
            return None
        for within, by in self.limits:
            limit = getattr(within, first.value)
            if limit is not None and speed[0] > limit:
                if speed[2] > STALE_AFTER and probes(self.draw):
                    return None
                return _TOO_SLOW[first], {first.value: speed[0], "limit": limit, "by": by}
        return None

    def _place_of_conversation(self) -> int:
        if self.place is None:
            self.place = self.demand.place_of_conversation(self.draw)
        return self.place

    def _fault_of_account(self, key: AccountKey, model: str) -> Fault | None:
        if key in self.planner.keyless:
            return "account.no-key", {}
        bar = self.memory.barred(key, model, self.at)
        if bar is None:
            return None
        code, seconds, because = bar
        return code, {"seconds": seconds, "because": because} if seconds else {"because": because}

    def _applies(self, guarantee: Guarantee) -> bool:
        known = self.verdicts.get(guarantee.name)
        if known is None:
            known = self.verdicts[guarantee.name] = may_hold(guarantee.when, self.ask)
        return known

    def _measure(self, models: Iterable[Model]) -> None:
        """The prompt's tokens: closely where a limit, an order or a context depends on them."""
        if self.prompt.size is None:
            self.prompt.measure(
                self.route.within.cost is not None
                or self.asked_within.cost is not None
                or self.route.weighs_cost
                or any(model.context is not None and self.room > model.context for model in models)
            )

    def _tightness(self, model: Model, context: int) -> tuple[str, dict[str, Any]]:
        """Whether the prompt fits even where the estimate is as far off as it ever is."""
        prompt, at_most = self.prompt.against(model, context - (self.answer or 0))
        if at_most + (self.answer or 0) <= context:
            return "kept", _NOTHING
        return "kept.tight", {"context": context, "prompt": prompt, "at_most": at_most}

    def _cost(self, model: Model, prompt: int) -> int | None:
        """What the request costs at most, in nano-dollars; None where a price is unknown."""
        price = model.price
        measured = by_length(price, self.demand.most_ms, self.demand.characters)
        if measured is not None:
            return measured + price.request
        answer = self._most_answer(model)
        if self.operation in WRITING_DOWN and price.audio_input is not None:
            price = replace(price, input=price.audio_input)
        if price.input is None or (price.output is None and answer):
            return None
        dearest = max(price.output or 0, price.reasoning or 0)
        return (prompt * price.input + answer * self.demand.choices * dearest) // MILLION + price.request

    def _outlook(self, model: Model, habit: Habit | None) -> Outlook | None:
        """What the request is likely to cost, where answers are like this."""
        measured = by_length(model.price, self.demand.most_ms, self.demand.characters)
        if measured is not None:
            return Outlook(measured + model.price.request, 0, None)
        usual, most = self.planner.policy.settings.expected_output, self._most_answer(model)
        prompt = 0 if self.prompt.size is None else self.prompt.tokens(model)
        return outlook(model, prompt, usual, most, self.demand.choices, habit)

    def _most_answer(self, model: Model) -> int:
        """The tokens that an answer may have; vectors have none."""
        if self.operation == "embeddings":
            return 0
        answer = self.answer
        if answer is None:
            answer = self.planner.policy.settings.default_max_output
        return answer if model.max_output is None else min(answer, model.max_output)


_NOTHING: Final[dict[str, Any]] = {}

_TOO_SLOW: Final = {First.TOKEN: "within.first-token", First.AUDIO: "within.first-audio"}

_DECLARED: Final = -1.0
"""The age of a time that nobody measured."""


def _age(expected: Outlook | None, speed: Speed | None) -> float | None:
    """How long ago the last of what a candidate's place rests on was learnt; None where nothing was."""
    if expected is not None:
        return expected.age
    return None if speed is None or speed[2] == _DECLARED else speed[2]


def _outside(model: Model, within: Within, cost: int | None, by: str) -> Fault | None:
    """The first constraint that a model does not meet, whatever was measured. What is not known does not meet a limit."""
    if within.cost is not None and (cost is None or cost > within.cost):
        return "within.cost", {"cost": cost, "limit": within.cost, "by": by}
    if within.quality is not None and (model.quality is None or model.quality < within.quality):
        return "within.quality", {"quality": model.quality, "limit": within.quality, "by": by}
    if within.regions is not None and model.region not in within.regions:
        return "within.region", {"region": model.region, "wanted": sorted(within.regions), "by": by}
    if within.models is not None and model.name not in within.models:
        return "within.model", {"wanted": sorted(within.models)}
    return _mislabelled(model, within.labels)


def _mislabelled(model: Model, labels: Mapping[str, str]) -> Fault | None:
    for name, wanted in labels.items():
        value = label_of(model, name)
        if value != wanted:
            return "within.label", {"label": name, "value": value, "wanted": wanted}
    return None
