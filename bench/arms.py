"""Twenty prompts, ten that anybody would call simple and ten complex ones, over the three ways to weigh quality and cost.

An independent measurement of another router found that its quality mode sent more simple than complex prompts to the
large model. Here each arm is a rule over a large and a small model, as there; what each sends where follows from the
declared qualities and the prompt, so it can be looked at and is the same every time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from routebook.catalogue.callers import ANONYMOUS
from routebook.protocols.openai_chat.request import read_chat
from routebook.routing.demand import LiveDemand
from routebook.routing.facts import RequestFacts
from routebook.routing.memory import BLANK
from routebook.routing.outcomes import Route
from routebook.routing.planning import Planner
from routebook.routing.policy import Policy
from routebook.routing.reading.loading import load_sources

ARMS: Mapping[str, str] = {
    "balanced": "pick: balanced, band: 0.06",
    "cost": "pick: cheapest, band: 0.12",
    "quality": "pick: best, band: 0.03",
}
"""Each arm with its terms: how far below the best predicted quality the cheaper model is taken."""

POLICY = """
version: 1
providers:
  vendor: {{dialect: openai, base_url: "https://api.example.com/v1", accounts: [{{name: main}}]}}
models:
  large: {{provider: vendor, price: {{input: 5, output: 30}}, context: 4M, max_output: 64k, quality: 0.86}}
  small: {{provider: vendor, price: {{input: 0.2, output: 1.2}}, context: 4M, max_output: 64k, quality: 0.78}}
rules:
{rules}
"""

SIMPLE = (
    "Hi! How are you today?",
    "What is the capital of Portugal?",
    "Thanks, that was helpful.",
    'Translate "good morning" to French.',
    "What is 12 plus 30?",
    "Who wrote Pride and Prejudice?",
    "Give me a synonym for quick.",
    "How many days does February have in a leap year?",
    "Say this politely: send me the report.",
    "Which planet is closest to the sun?",
)

COMPLEX = (
    (
        "Prove that a continuous function on a closed interval is uniformly continuous, and give a counterexample on an open "
        "interval. State every theorem that you use and where the proof would fail without compactness."
    ),
    (
        "A tank holds 400 litres of brine with 12 kg of salt. Brine of 0.05 kg per litre flows in at 6 litres a minute, and the "
        "mixture flows out at 4 litres a minute. Derive the differential equation, solve it, and find when the tank of 700 "
        "litres overflows and how much salt it then holds."
    ),
    (
        "Write a Python class for a thread-safe cache with time to live, least-recently-used eviction and a bound in bytes. "
        "It must not hold the lock while a value is computed, two threads must never compute the same key at once, and it "
        "must be tested with a fake clock. Explain the complexity of each operation."
    ),
    (
        "Our contract says that either party may terminate with 30 days' notice unless a milestone is pending, in which case "
        "clause 9 applies; clause 9 requires written consent except for force majeure. The supplier gave oral notice during a "
        "flood two days before a milestone. Analyse whether the termination is valid, for both sides, and list what you would "
        "need to know under English law."
    ),
    (
        "Design a multi-region architecture for a payment ledger that must stay consistent during a partition, with at most "
        "200 ms added latency, audit trails kept for ten years and a recovery point of zero. Compare two alternatives and "
        "justify the trade-offs, including cost and how each fails."
    ),
    (
        "Let X and Y be independent exponential variables with rates a and b. Find the distribution of min(X, Y), the "
        "probability that X < Y, and the joint distribution of min(X, Y) and the event X < Y; then show that they are "
        "independent."
    ),
    (
        "Given the schema orders(id, customer, placed_at, total) and refunds(order_id, amount, at), write one SQL query for the "
        "net revenue per customer and month, with months without orders shown as zero, a running total per customer, and the "
        "rank of each customer within the month. Explain how you would index it for 100 million rows."
    ),
    (
        "Explain step by step how CRISPR-Cas9 base editing differs from prime editing in mechanism, in off-target risk and in "
        "what mutations it can correct, and evaluate which is more suitable for sickle-cell disease, with the evidence on "
        "both sides."
    ),
    (
        "Compute the eigenvalues and eigenvectors of the matrix [[2, -1, 0], [-1, 2, -1], [0, -1, 2]], show that it is positive "
        "definite without using the eigenvalues, and derive the solution of x'' = -A x for x(0) = (1, 0, 0), x'(0) = 0."
    ),
    (
        "A hospital must plan nurses for 14 days with at most 5 night shifts each, at least 11 hours between shifts, two fixed "
        "days off a week and fair weekends. Formulate it as an integer program, define every variable and constraint, and "
        "discuss how you would find out which constraint makes it infeasible."
    ),
)


@dataclass(frozen=True, slots=True)
class Share:
    """How many of the simple and of the complex prompts went to the large model."""

    simple: int
    complex: int


def shares() -> dict[str, Share]:
    """What each arm sends to the large model."""
    found = {}
    for arm, terms in ARMS.items():
        rules = f"  - {{name: {arm}, route: {{to: [large, small], {terms}}}}}"
        policy = policy_of(POLICY.format(rules=rules))
        planner = Planner(policy)
        counts = [sum(first(policy, planner, prompt) == "large" for prompt in some) for some in (SIMPLE, COMPLEX)]
        found[arm] = Share(*counts)
    return found


def policy_of(text: str) -> Policy:
    """A policy in a text, which must read well."""
    loaded = load_sources([("policy.yaml", text)], proving=False)
    assert loaded.policy is not None, [problem.message for problem in loaded.problems.errors]
    return loaded.policy


def first(policy: Policy, planner: Planner, prompt: str) -> str:
    """The model that a prompt is sent to."""
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": prompt}]}).encode()
    facts = RequestFacts(read_chat(body), ANONYMOUS, {}, 1.7e9, policy, BLANK)
    rule = policy.tree.decide(facts).rule
    assert rule is not None and isinstance(rule.outcome, Route)
    demand = LiveDemand(facts)
    return planner.plan(rule.outcome, rule.name, demand, facts, ANONYMOUS, BLANK, at=0.0, draw=0.5).kept[0].name
