"""A mypy plugin for fastcore's `@patch`: such a function is a method of the class that its first argument is annotated with."""
from collections.abc import Callable

from mypy.nodes import CallExpr, Decorator, Expression, FuncDef, NameExpr
from mypy.plugin import ClassDefContext, Plugin
from mypy.types import UnboundType


def _patches(function: Decorator, owner: str) -> bool:
    "Whether `@patch` or `@patch(...)` is the outermost decorator of a function, and `owner` the class of its first argument."
    outer = function.original_decorators[0]
    name = outer.callee if isinstance(outer, CallExpr) else outer
    if not (isinstance(name, NameExpr) and name.name == "patch" and function.func.arguments): return False
    first = function.func.arguments[0].type_annotation
    return isinstance(first, UnboundType) and first.name == owner


def _property(at: Expression) -> NameExpr:
    name = NameExpr("property")
    name.set_line(at)
    return name


def _method(function: Decorator) -> FuncDef | Decorator:
    "The function as a class body would hold it: `@patch(as_prop=True)` is `@property`, `@patch` is no decorator."
    outer, *kept = function.original_decorators
    if isinstance(outer, CallExpr) and "as_prop" in outer.arg_names: kept.insert(0, _property(outer))
    function.decorators, function.original_decorators = list(kept), kept
    function.func.is_decorated = bool(kept)
    return function if kept else function.func


def _move(ctx: ClassDefContext) -> None:
    "Take the methods that stand below a class into its body, which mypy is about to read."
    module = ctx.api.modules[ctx.api.cur_mod_id]
    for statement in list(module.defs):
        if isinstance(statement, Decorator) and _patches(statement, ctx.cls.name):
            module.defs.remove(statement)
            ctx.cls.defs.body.append(_method(statement))


class PatchPlugin(Plugin):
    def get_customize_class_mro_hook(self, fullname: str) -> Callable[[ClassDefContext], None]:
        return _move


def plugin(version: str) -> type[Plugin]:
    return PatchPlugin
