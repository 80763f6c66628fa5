# SPDX-License-Identifier: Apache-2.0
"""Options and fixtures that the tests in this directory share."""

import os

import pytest


def pytest_addoption(parser):
    parser.addoption("--programs", default=".build/debug", help="where Lockstep's programs are")
    parser.addoption("--work", required=True, help="where logs and data are kept while the tests run")
    parser.addoption("--screenshots", help="where screenshots are written; without it there are none")


@pytest.fixture(scope="session")
def programs(request):
    return os.path.realpath(request.config.getoption("--programs"))


@pytest.fixture(scope="session")
def work(request):
    return request.config.getoption("--work")
