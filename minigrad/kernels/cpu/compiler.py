"""How kernels go through numba's compiler: with less work than it would do by itself.

Libraries
    numba makes a whole library of each function: it links all that the function calls into one
    module, optimizes this twice, and has machine code made of it. A function that is called three
    levels deep is optimized and translated once for each level, although only the outermost kernel
    ever runs. Here, inner kernels are only linked. The kernel that Python calls gets all of it, and
    is the only one that is optimized, once, and translated.
Passes
    Some of numba's passes look for what kernels do not contain: closures, comprehensions, array
    expressions, ``with`` blocks.
Types
    numba asks a dozen templates for the type of each addition, every time. Calls of built-in
    functions and operators are remembered by the types of their arguments, while a kernel and all
    that it calls are compiled.

All this is known to work with the versions in `KNOWN`. With others, numba compiles as it always
does, which only takes longer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numba
from numba.core import compiler, types
from numba.core.targetconfig import ConfigStack

if TYPE_CHECKING:
    _Library = object
    _Compiler = object
else:
    from numba.core.codegen import JITCodeLibrary as _Library
    from numba.core.compiler import CompilerBase as _Compiler

__all__ = ["InnerCompiler", "KernelCompiler", "pipeline"]

KNOWN = ((0, 61), (0, 68))
"""The first and the last of numba's versions that this module was tried with."""
_UNUSED = {
    "AnnotateTypes",
    "FindLiterallyCalls",
    "InlineClosureLikes",
    "InlineInlinables",
    "InlineOverloads",
    "LiteralPropagationSubPipelinePass",
    "LiteralUnroll",
    "MakeFunctionToJitFunction",
    "NoPythonSupportedFeatureValidation",
    "NopythonRewrites",
    "RewriteDynamicRaises",
    "RewriteSemanticConstants",
    "WithLifting",
}
_default: Any = compiler.DefaultPassBuilder


def pipeline(inner: bool) -> dict[str, Any]:
    """Return the options that make numba compile a kernel in this way, none where it cannot."""
    version = re.match(r"(\d+)\.(\d+)", numba.__version__)
    if version is None or not KNOWN[0] <= tuple(map(int, version.groups())) <= KNOWN[1]:
        return {}
    return {"pipeline_class": InnerCompiler if inner else KernelCompiler}


class KernelLibrary(_Library):
    """The code of a kernel that Python calls, and of all that it calls."""

    def _optimize_functions(self, module: Any) -> None:
        """Leave functions as they are until all of them are together."""
        library: Any = self
        module.data_layout = library._codegen._data_layout

    def _optimize_final_module(self) -> None:
        """Optimize once: there are few reference counts to prune beforehand."""
        library: Any = self
        made = library._codegen._module_pass_manager()
        manager, *builder = made if isinstance(made, tuple) else (made,)
        manager.run(library._final_module, *builder)


class InnerLibrary(KernelLibrary):
    """The code of an inner kernel, to be linked: no machine code is made of it."""

    def finalize(self) -> None:
        """Add what this kernel calls."""
        library: Any = self
        for other in dict.fromkeys(library._linking_libraries):
            library._final_module.link_in(other._get_module_for_linking(), preserve=True)
        library._finalize_dynamic_globals()
        library._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """Return 0: there is no machine code."""
        library: Any = self
        library._ensure_finalized()
        return 0

    @property
    def codegen(self) -> Any:
        """Return who sets an environment: nobody, see `set_env`."""
        return self

    def set_env(self, name: str, environment: object) -> None:
        """Do nothing: only code that calls Python has use for an environment."""


class KernelCompiler(_Compiler):
    """Compiles a kernel that Python calls."""

    library: Any = KernelLibrary
    state: Any

    def compile_extra(self, function: Any) -> Any:
        """Compile a function."""
        numba_compiler: Any = super()
        before = _calls.begin(self.state.typingctx)
        try:
            return numba_compiler.compile_extra(function)
        finally:
            _calls.end(self.state.typingctx, before)

    def define_pipelines(self) -> list[Any]:
        """Return numba's passes, without those that find nothing in kernels."""
        state = self.state
        state.library = self.library(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        _calls.flags = ConfigStack.top_or_none()
        full = _default.define_nopython_pipeline(state)
        lean: Any = compiler.PassManager("kernel")
        lean.passes = [each for each in full.passes if each[0].__name__ not in _UNUSED]
        lean.finalize()
        return [lean]


class InnerCompiler(KernelCompiler):
    """Compiles a kernel that only other kernels call."""

    library = InnerLibrary


class _Calls:
    """Remembers the types of calls in kernels. numba compiles under a lock: one at a time.

    Functions of numba's own, which are compiled in between, have other flags.
    """

    def __init__(self) -> None:
        self.flags: Any = None
        self._found: dict[Any, Any] = {}
        self._depth = 0

    def begin(self, context: Any) -> Any:
        """Remember from now on; return what `end` needs."""
        if self._depth == 0:
            self._resolve = context.resolve_function_type
            context.resolve_function_type = self._look_up
        self._depth += 1
        return self.flags

    def end(self, context: Any, before: Any) -> None:
        """Continue with the kernel that is compiled around the last one; after that, forget."""
        self.flags = before
        self._depth -= 1
        if self._depth == 0:
            del context.resolve_function_type, self._resolve
            self._found.clear()

    def _look_up(self, function: Any, args: Any, words: Any) -> Any:
        """Return the signature of a call."""
        if not isinstance(function, types.BaseFunction) or (
            ConfigStack.top_or_none() is not self.flags
        ):
            return self._resolve(function, args, words)
        call = function, tuple(args), tuple(words.items())
        signature = self._found.get(call)
        if signature is None:
            signature = self._found[call] = self._resolve(function, args, words)
        return signature


_calls = _Calls()
