"""An engine on three nodes of each pretended cluster."""

from collections.abc import AsyncIterator

import pytest

from fakes.elasticsearch import Elasticsearch
from fakes.opensearch import OpenSearch
from leasehold_plugins.elasticsearch import ElasticsearchEngine
from servers.elasticsearch import SearchServer, opened, server_of


@pytest.fixture
async def es_engine(es_fake: Elasticsearch) -> AsyncIterator[ElasticsearchEngine]:
    nodes = [node.url for node in es_fake.nodes[1:]]
    async with opened(server_of(es_fake), nodes=nodes) as engine:
        yield engine


@pytest.fixture
async def os_engine(os_fake: OpenSearch) -> AsyncIterator[ElasticsearchEngine]:
    nodes = [node.url for node in os_fake.nodes[1:]]
    async with opened(server_of(os_fake), nodes=nodes) as engine:
        yield engine


@pytest.fixture
async def either(search: SearchServer) -> AsyncIterator[ElasticsearchEngine]:
    """An engine on a cluster of each flavour."""
    async with opened(search) as engine:
        yield engine
