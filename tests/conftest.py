# SPDX-License-Identifier: Apache-2.0
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from weft import Weft  # noqa: E402


@pytest.fixture
def weft(tmp_path):
    """A fresh server; it must stop cleanly when the test is over."""
    server = Weft(tmp_path / "data").start()
    yield server
    assert server.stop() == 0, server.output()


@pytest.fixture(scope="module")
def shared_weft(tmp_path_factory):
    """One server for a module's tests that do not mind each other's spans."""
    server = Weft(tmp_path_factory.mktemp("weft") / "data").start()
    yield server
    assert server.stop() == 0, server.output()
