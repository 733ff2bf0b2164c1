# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The scripts of other tests, which have no suffix, as modules."""

import importlib.machinery
import importlib.util
import os
import sys

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def sibling(name):
    """The script of another test, as a module."""
    loader = importlib.machinery.SourceFileLoader(name, f"{TESTS}/{name}/run")
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module
