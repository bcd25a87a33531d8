"""Builds the compiled half of the distribution; everything else is declared in pyproject.toml.

One extension per crdt/*.pyx and replication/**/*.pyx. The plain C engine (crdt/engine/*.c) is
compiled once and its objects are linked into each extension, where unused sections are dropped:
the engine keeps no global state, so the copies cannot disagree.

NEXUS_BUILD chooses the flavour; each keeps its own directory below build/, so that switching
costs one rebuild at most. Only what changed is compiled again.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from glob import glob
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.modified import newer, newer_group

SANITIZERS = ["-fsanitize=address,undefined"]

# Flavour -> (compiler flags, linker flags, compiler directives).
FLAVOURS = {
    "release": (["-O3", "-g0", "-fno-semantic-interposition"], ["-Wl,-s"], {}),
    "debug": (["-O0", "-g", "-UNDEBUG"], [], {}),
    "coverage": (
        ["-O0", "-g0", "-DCYTHON_TRACE_NOGIL=1", "-DCYTHON_USE_SYS_MONITORING=0"],
        [],
        {"linetrace": True},
    ),
    "asan": (
        ["-O1", "-g", "-UNDEBUG", "-fno-omit-frame-pointer", *SANITIZERS, "-fno-sanitize-recover=undefined"],
        SANITIZERS,
        {},
    ),
}
FLAVOUR = os.environ.get("NEXUS_BUILD", "release")
if FLAVOUR not in FLAVOURS:
    raise SystemExit(f"NEXUS_BUILD={FLAVOUR!r} is not a build flavour: one of {', '.join(FLAVOURS)}")
FLAVOUR_CFLAGS, FLAVOUR_LDFLAGS, FLAVOUR_DIRECTIVES = FLAVOURS[FLAVOUR]

CFLAGS = ["-std=gnu11", "-fvisibility=hidden", "-ffunction-sections", "-fdata-sections"]
LDFLAGS = ["-Wl,--gc-sections"]
MACROS = [("_GNU_SOURCE", "1")]

DIRECTIVES = {
    "language_level": 3,
    # Without a binding, CPython calls the methods through its fast paths for built-in functions.
    "binding": False,
    "embedsignature": True,
    # The form that inspect.signature, help() and stubtest read.
    "embedsignature.format": "clinic",
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    # A class whose __init__ was not run has no document: an AttributeError, not a crash.
    "nonecheck": True,
    # Pickling goes through the wire format, never through a list of C fields.
    "auto_pickle": False,
}

ENGINE_SOURCES = sorted(glob("crdt/engine/*.c"))
ENGINE_HEADERS = sorted(glob("crdt/engine/*.h"))


class BuildWithEngine(build_ext):
    """Compiles the engine once, then every skin, and links again only what is out of date."""

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or min(4, os.cpu_count() or 1)

    def build_extensions(self):
        with ThreadPoolExecutor(self.parallel) as pool:
            self.engine_objects = list(pool.map(self.compiled, ENGINE_SOURCES))
        super().build_extensions()

    def build_extension(self, extension):
        objects = [*map(self.compiled, extension.sources), *self.engine_objects]
        target = self.get_ext_fullpath(extension.name)
        if self.force or newer_group(objects, target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            self.compiler.link_shared_object(
                objects,
                target,
                extra_postargs=LDFLAGS + FLAVOUR_LDFLAGS,
                export_symbols=self.get_export_symbols(extension),
                build_temp=self.build_temp,
            )

    def compiled(self, source):
        """The object of one C file, compiled anew only if it is older than what it is made of."""
        [target] = self.compiler.object_filenames([source], output_dir=self.build_temp)
        if self.force or newer_group([source, *ENGINE_HEADERS, __file__], target):
            self.compiler.compile(
                [source],
                output_dir=self.build_temp,
                macros=MACROS,
                include_dirs=["crdt/engine", "crdt"],
                extra_postargs=CFLAGS + FLAVOUR_CFLAGS,
            )
        return target

    def copy_extensions_to_source(self):
        # The file in place may be of another flavour, and newer: a comparison of ages would keep it.
        force, self.force = self.force, True
        super().copy_extensions_to_source()
        self.force = force


def extensions():
    sources = sorted(glob("crdt/*.pyx") + glob("replication/**/*.pyx", recursive=True))
    if not sources:
        return []
    # The coverage plugin looks for the generated C beside its source.
    directory = "." if FLAVOUR == "coverage" else f"build/{FLAVOUR}/cython"
    generated = [Path(directory, source).with_suffix(".c") for source in sources]
    return cythonize(
        [Extension(".".join(Path(source).with_suffix("").parts), [source]) for source in sources],
        build_dir=directory,
        compiler_directives=DIRECTIVES | FLAVOUR_DIRECTIVES,
        # Cython looks at the sources only, and the directives above may have changed.
        force=any(file.exists() and newer(__file__, file) for file in generated),
        annotate=FLAVOUR == "debug",
        nthreads=min(4, os.cpu_count() or 1),
        quiet=True,
    )


setup(
    ext_modules=extensions(),
    cmdclass={"build_ext": BuildWithEngine},
    options={"build": {"build_base": f"build/{FLAVOUR}"}},
)
