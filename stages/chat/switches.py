"""The switches of a chat template: the variables that a run may set in its template_arguments."""

import re
from collections.abc import Iterable

from jinja2 import Environment, meta, nodes

from stages.chat.template import ChatTemplate

_GENERATION = re.compile(r"\{%[-+]?\s*(?:end)?generation\s*[-+]?%\}")
"""Tags around an assistant's text, which Jinja itself does not know."""
_NO_SWITCHES = frozenset(
    ["messages", "add_generation_prompt", "continue_final_message", "tools", "documents", "strftime_now",
     "raise_exception"]
)  # fmt: skip
"""Variables that are given to every template."""


_VALUE_TESTS = ("defined", "undefined", "none", "default", "d")
"""Tests and filters that ask whether a variable has a value."""


def switches(template: ChatTemplate) -> tuple[str, ...]:
    """Return the variables that a template reads and a run may set in its template_arguments, in alphabetical order.

    Special tokens (all names that end in "_token"), the messages and the tools are not among them.
    """
    environment = Environment(extensions=["jinja2.ext.loopcontrols"])
    tree = environment.parse(_GENERATION.sub("", template.text))
    assigned = {name.name for name in tree.find_all(nodes.Name) if name.ctx != "load"}
    assigned |= {macro.name for macro in tree.find_all(nodes.Macro)}
    read = meta.find_undeclared_variables(tree) - environment.globals.keys() - _NO_SWITCHES
    names = read - (assigned - _with_default(tree))
    return tuple(sorted(name for name in names if not name.endswith("_token")))


def unread(template: ChatTemplate, arguments: Iterable[str]) -> list[str]:
    """Return the names of template_arguments that a template does not read, such as misspelt ones, in order."""
    known = {*switches(template), "tools", "documents"}
    return sorted(name for name in arguments if name not in known and not name.endswith("_token"))


def _with_default(tree: nodes.Template) -> set[str]:
    """Return the variables that a template assigns only if they are not given to it."""
    names: set[str] = set()
    for branch in tree.find_all(nodes.If):
        assigned = {target.name for node in branch.body for target in _targets(node)}
        names |= _looked_for(branch.test) & assigned
    for assignment in tree.find_all(nodes.Assign):
        names |= _looked_for(assignment.node) & {target.name for target in _targets(assignment)}
    return names


def _targets(node: nodes.Node) -> list[nodes.Name]:
    assignments = [*([node] if isinstance(node, nodes.Assign) else []), *node.find_all(nodes.Assign)]
    return [assignment.target for assignment in assignments if isinstance(assignment.target, nodes.Name)]


def _looked_for(expression: nodes.Node) -> set[str]:
    """Return the variables of which an expression asks whether they have a value."""
    names = set()
    for node in (expression, *expression.find_all((nodes.Test, nodes.Filter, nodes.Or))):
        asked = node.left if isinstance(node, nodes.Or) else getattr(node, "node", None)
        asks = isinstance(node, nodes.Or) or getattr(node, "name", "") in _VALUE_TESTS
        if asks and isinstance(asked, nodes.Name):
            names.add(asked.name)
    return names
