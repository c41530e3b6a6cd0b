"""The part of CEL (Common Expression Language, https://cel.dev) in which routing rules are written, as conditions.

Comparisons of one variable with constants, `in`, `startsWith`, `endsWith`, `contains`, `&&`, `||`, `!` and parentheses.
What is asked of a variable is up to who knows the variables; anything else is no condition, and the reason says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from routebook.routing.drafting import Value

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"""
    r"""|(?P<sign>&&|\|\||==|!=|>=|<=|[-<>!()\[\],.?:+*/%]))"""
)

OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">", "in": "not in", "not in": "in"}

DEEPEST = 100
"""Parentheses and negations that an expression may have: nobody reads more, and the parser goes down into each."""


class NotCarried(Exception):
    """An expression, or what it asks, has no counterpart; the message says what."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a variable (`headers` with an index, `model`): an operator with texts or a number."""

    variable: str
    index: str | None
    operator: str
    texts: tuple[str, ...] = ()
    number: float | None = None


def condition_of(expression: str, ask: Callable[[Question], Value]) -> Value | None:
    """The condition that an expression is; None where it always holds. Raises `NotCarried` for what cannot be said."""
    if not expression.strip() or expression.strip() == "true":
        return None
    tokens = _tokens(expression)
    if sum(1 for _, word in tokens if word in ("(", "!")) > DEEPEST:
        raise NotCarried("it is nested too deeply")
    parser = _Parser(tokens, ask)
    found = parser.either(False)
    if parser.peek() is not None:
        raise NotCarried(f"`{parser.peek()}` is not expected there")
    return found


def _tokens(expression: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at, text = 0, expression.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise NotCarried(f"`{text[at:].strip()[:12]}` cannot be read")
        tokens.append((found.lastgroup, found[found.lastgroup]))
        at = found.end()
    return tokens


class _Parser:
    """Recursive descent; a negation is carried inwards, so that it ends at the questions."""

    def __init__(self, tokens: list[tuple[str, str]], ask: Callable[[Question], Value]) -> None:
        self._tokens, self._at, self._ask = tokens, 0, ask

    def peek(self) -> str | None:
        """The next word or sign."""
        return self._tokens[self._at][1] if self._at < len(self._tokens) else None

    def either(self, negated: bool) -> Value:
        """`a || b`."""
        return self._chain("||", self._both, "all_of" if negated else "any_of", negated)

    def _both(self, negated: bool) -> Value:
        return self._chain("&&", self._one, "any_of" if negated else "all_of", negated)

    def _chain(self, sign: str, inner: Callable[[bool], Value], word: str, negated: bool) -> Value:
        found = [inner(negated)]
        while self.peek() == sign:
            self._at += 1
            found.append(inner(negated))
        return found[0] if len(found) == 1 else {word: found}

    def _one(self, negated: bool) -> Value:
        if self.peek() == "!":
            self._at += 1
            return self._one(not negated)
        if self.peek() == "(":
            self._at += 1
            found = self.either(negated)
            self._take(")")
            return found
        return self._question(negated)

    def _question(self, negated: bool) -> Value:
        kind, word = self._next()
        if kind != "name":
            raise NotCarried(f"`{word}` is no variable")
        index = None
        if self.peek() == "[":
            self._at += 1
            index = self._text()
            self._take("]")
        sign = self._next()[1]
        if sign == ".":
            return self._call(word, index, negated)
        if sign == "in":
            asked = Question(word, index, "in", self._list())
        elif sign in OPPOSITE:
            kind, value = self._next()
            if kind == "text":
                asked = Question(word, index, sign, (_plain(value),))
            elif kind == "number":
                asked = Question(word, index, sign, (), float(value))
            else:
                raise NotCarried(f"`{value}` is no constant")
        else:
            raise NotCarried(f"`{sign}` cannot be asked")
        operator = OPPOSITE[asked.operator] if negated else asked.operator
        return self._ask(Question(word, index, operator, asked.texts, asked.number))

    def _call(self, word: str, index: str | None, negated: bool) -> Value:
        method = self._next()[1]
        self._take("(")
        text = self._text()
        self._take(")")
        if method not in ("startsWith", "endsWith", "contains") or negated:
            raise NotCarried(f"`{'!' * negated}{method}` cannot be asked")
        return self._ask(Question(word, index, method, (text,)))

    def _list(self) -> tuple[str, ...]:
        self._take("[")
        texts = [self._text()]
        while self.peek() == ",":
            self._at += 1
            texts.append(self._text())
        self._take("]")
        return tuple(texts)

    def _text(self) -> str:
        kind, value = self._next()
        if kind != "text":
            raise NotCarried(f"`{value}` is no text")
        return _plain(value)

    def _next(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise NotCarried("it ends in the middle")
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, sign: str) -> None:
        if self._next()[1] != sign:
            raise NotCarried(f"`{sign}` is missing")


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])
