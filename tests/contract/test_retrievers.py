"""What every retriever promises, on the one in PostgreSQL and the one in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
from sqlalchemy import Engine, create_engine, text

from deploy.testservers import EmbeddedServers
from orchestrator import ids
from orchestrator.engines.classifier import Matrix
from orchestrator.engines.embedder_scripted import ScriptedEmbedder
from orchestrator.engines.retriever import Chunk, Passage, Retriever
from orchestrator.engines.retriever_pg import PgRetriever
from orchestrator.engines.retriever_scripted import ScriptedRetriever
from orchestrator.errors import DeadlineExceededError, EngineError, NotFoundError, StoppedError, StoreDownError
from orchestrator.resilience.stop import Stop

EMBEDDER = ScriptedEmbedder()
TIPS = "Tips are pooled and shared at the end of every shift 🍝."
DOGS = "Dogs are welcome on the terrace when they stay on a leash."
PROPINAS = "Las propinas se reparten al final de cada turno entre sala y cocina."


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A retriever and how to make a tenant and a document known to it."""

    retriever: Retriever
    new_tenant: Callable[[], str]
    new_document: Callable[[str, str], str]

    def put(self, tenant: str, *texts: str, title: str = "Handbook", language: str = "en") -> str:
        """Index a document of these passages and return its id."""
        document = self.new_document(tenant, title)
        chunks = pieces(*texts)
        self.retriever.index(tenant, document, chunks, vectors(chunks), model="m", language=language)
        return document

    def ask(self, tenant: str, question: str, *, language: str = "en", top_k: int = 5) -> list[Passage]:
        """Search with the question's own vector."""
        return self.retriever.search(tenant, question, EMBEDDER.embed([question])[0], language=language, top_k=top_k)


def pieces(*texts: str) -> list[Chunk]:
    found: list[Chunk] = []
    for at, piece in enumerate(texts):
        start = found[-1].end + 2 if found else 0
        found.append(Chunk(n=at, heading="Handbook › Rules", text=piece, start=start, end=start + len(piece)))
    return found


def vectors(chunks: list[Chunk]) -> Matrix:
    return EMBEDDER.embed([chunk.text for chunk in chunks])


def in_memory() -> Bench:
    retriever = ScriptedRetriever()

    def new_document(tenant: str, title: str) -> str:
        document = ids.document_id()
        retriever.add_document(tenant, document, title)
        return document

    return Bench(retriever=retriever, new_tenant=ids.tenant_id, new_document=new_document)


def in_postgres(engine: Engine) -> Bench:
    def new_tenant() -> str:
        tenant = ids.tenant_id()
        with engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO switchyard_tenant (id, slug, name, is_active, created_at)"
                    " VALUES (:id, :id, :id, true, now())"
                ),
                {"id": tenant},
            )
        return tenant

    def new_document(tenant: str, title: str) -> str:
        document = ids.document_id()
        with engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO switchyard_document (id, tenant_id, title, filename, mime, size_bytes, digest,"
                    " language, state, error, chunks, created_at, updated_at) VALUES (:id, :tenant, :title, 'x.md',"
                    " 'text/markdown', 1, CAST(:id AS bytea), 'en', 'indexed', '', 0, now(), now())"
                ),
                {"id": document, "tenant": tenant, "title": title},
            )
        return document

    return Bench(retriever=PgRetriever(engine), new_tenant=new_tenant, new_document=new_document)


@pytest.fixture(scope="module")
def engine(platform: EmbeddedServers) -> Iterator[Engine]:
    made = create_engine(platform.database_url.replace("postgres://", "postgresql://"), pool_size=2)
    yield made
    made.dispose()


@pytest.fixture(params=["memory", "postgres"])
def bench(request: pytest.FixtureRequest) -> Bench:
    makers: dict[str, Callable[[], Bench]] = {
        "memory": in_memory,
        "postgres": lambda: in_postgres(request.getfixturevalue("engine")),
    }
    return makers[request.param]()


def test_the_passage_with_the_asked_words_comes_first_with_what_a_citation_needs(bench: Bench) -> None:
    tenant = bench.new_tenant()
    document = bench.put(tenant, DOGS, TIPS, title="House rules")

    best = bench.ask(tenant, "How are tips shared?")[0]

    assert (best.document, best.title, best.heading, best.text) == (document, "House rules", "Handbook › Rules", TIPS)
    assert (best.start, best.end) == (len(DOGS) + 2, len(DOGS) + 2 + len(TIPS))
    assert best.similarity is not None
    assert best.score > 0


def test_without_a_vector_words_alone_are_searched(bench: Bench) -> None:
    tenant = bench.new_tenant()
    bench.put(tenant, DOGS, TIPS)

    found = bench.retriever.search(tenant, "sharing a tip", None, language="en", top_k=5)

    assert [(passage.text, passage.similarity) for passage in found] == [(TIPS, None)]


def test_without_a_word_in_common_vectors_alone_are_searched(bench: Bench) -> None:
    tenant = bench.new_tenant()
    bench.put(tenant, DOGS, TIPS)

    found = bench.retriever.search(tenant, "xyzzy", EMBEDDER.embed([DOGS])[0], language="en", top_k=1)

    assert [passage.text for passage in found] == [DOGS]
    assert found[0].similarity == pytest.approx(1.0, abs=1e-4)


def test_forms_of_a_word_and_missing_accents_are_found_in_spanish(bench: Bench) -> None:
    tenant = bench.new_tenant()
    bench.put(tenant, PROPINAS, "Los perros pueden entrar.", language="es")

    found = bench.retriever.search(tenant, "¿cómo reparto la própina?", None, language="es", top_k=5)

    assert [passage.text for passage in found] == [PROPINAS]


def test_a_question_of_function_words_alone_finds_nothing_without_a_vector(bench: Bench) -> None:
    tenant = bench.new_tenant()
    bench.put(tenant, "It is what it is and that is how they do it.")

    assert bench.retriever.search(tenant, "What is it?", None, language="en", top_k=5) == []


@pytest.mark.parametrize("question", ["", "   ", "'); DROP TABLE x; --", "a & | ! <-> (b", "\\ ' \" %s :x", "🍝 &&&"])
def test_any_text_is_a_safe_question(bench: Bench, question: str) -> None:
    tenant = bench.new_tenant()
    bench.put(tenant, TIPS)

    assert len(bench.ask(tenant, question)) <= 1


def test_tenants_never_meet(bench: Bench) -> None:
    ours, theirs = bench.new_tenant(), bench.new_tenant()
    document = bench.put(theirs, TIPS)

    assert bench.ask(ours, "How are tips shared?") == []
    assert bench.retriever.forget(ours, document) == 0
    assert len(bench.ask(theirs, "How are tips shared?")) == 1


def test_indexing_again_replaces_and_repeating_changes_nothing(bench: Bench) -> None:
    tenant = bench.new_tenant()
    document = bench.put(tenant, TIPS, DOGS)
    before = bench.ask(tenant, "tips and dogs")
    both = pieces(TIPS, DOGS)

    bench.retriever.index(tenant, document, both, vectors(both), model="m", language="en")
    repeated = bench.ask(tenant, "tips and dogs")
    bench.retriever.index(tenant, document, both[:1], vectors(both[:1]), model="m", language="en")

    assert repeated == before
    assert [passage.text for passage in bench.ask(tenant, "tips and dogs")] == [TIPS]


def test_forgetting_says_how_many_passages_there_were(bench: Bench) -> None:
    tenant = bench.new_tenant()
    document = bench.put(tenant, TIPS, DOGS)

    assert (bench.retriever.forget(tenant, document), bench.retriever.forget(tenant, document)) == (2, 0)
    assert bench.ask(tenant, "How are tips shared?") == []


def test_no_more_than_top_k_come_back_in_order_of_score(bench: Bench) -> None:
    tenant = bench.new_tenant()
    bench.put(tenant, *(f"{TIPS} Rule {at}." for at in range(20)))

    found = bench.ask(tenant, "How are tips shared?", top_k=7)

    assert len(found) == 7
    assert [passage.score for passage in found] == sorted((passage.score for passage in found), reverse=True)


def test_vectors_that_do_not_fit_are_refused_and_nothing_changes(bench: Bench) -> None:
    tenant = bench.new_tenant()
    document = bench.put(tenant, TIPS)
    both = pieces(TIPS, DOGS)

    with pytest.raises(EngineError):
        bench.retriever.index(tenant, document, both, vectors(both[:1]), model="m", language="en")
    with pytest.raises(EngineError):
        bench.retriever.index(tenant, document, both, np.full((2, 384), np.nan, np.float32), model="m", language="en")
    with pytest.raises(EngineError):
        bench.retriever.search(tenant, "tips", np.ones(7, np.float32), language="en", top_k=1)
    assert len(bench.ask(tenant, "How are tips shared?")) == 1


def test_a_document_that_is_unknown_or_a_strangers_takes_no_passages(bench: Bench) -> None:
    ours, theirs = bench.new_tenant(), bench.new_tenant()
    document = bench.put(theirs, TIPS)
    chunks = pieces(DOGS)

    with pytest.raises(NotFoundError):
        bench.retriever.index(ours, document, chunks, vectors(chunks), model="m", language="en")
    with pytest.raises(NotFoundError):
        bench.retriever.index(ours, "doc_none", chunks, vectors(chunks), model="m", language="en")


def test_only_indexed_documents_of_the_named_model_are_found_in_postgres(engine: Engine) -> None:
    bench = in_postgres(engine)
    tenant = bench.new_tenant()
    document = bench.put(tenant, TIPS)
    other = PgRetriever(engine, model="another")

    assert other.search(tenant, "tips", None, language="en", top_k=5) == []
    with engine.begin() as connection:
        connection.execute(text("UPDATE switchyard_document SET state = 'parsing' WHERE id = :id"), {"id": document})
    assert bench.ask(tenant, "How are tips shared?") == []


@contextmanager
def locked_index(engine: Engine) -> Iterator[Callable[[], int]]:
    """Hold the passages locked, so that a search lasts; give the number of searches that wait in the server."""
    with engine.connect() as holder, engine.connect() as watcher, holder.begin():
        holder.execute(text("LOCK TABLE switchyard_chunk IN ACCESS EXCLUSIVE MODE"))

        def waiting() -> int:
            rows = watcher.execute(
                text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%live AS%'")
            )
            watcher.rollback()
            return int(rows.scalar_one())

        yield waiting


def until(true: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 20
    while not true():
        assert time.monotonic() < ends_at, "it did not happen"
        time.sleep(0.01)


def test_a_stop_ends_a_running_search_in_the_server_and_its_connection_is_not_used_again(engine: Engine) -> None:
    bench, stop = in_postgres(engine), Stop()
    tenant = bench.new_tenant()
    bench.put(tenant, TIPS)
    # A pool of one: what a late cancel hit would be the next search.
    retriever = PgRetriever(create_engine(engine.url, pool_size=1, max_overflow=0, isolation_level="AUTOCOMMIT"))

    with locked_index(engine) as waiting, ThreadPoolExecutor(1) as threads:
        search = threads.submit(retriever.search, tenant, "tips", None, language="en", top_k=5, stop=stop)
        until(lambda: waiting() == 1)
        stop.set()
        error = search.exception(20)
        until(lambda: waiting() == 0)

    assert isinstance(error, StoppedError)
    assert retriever.search(tenant, "tips", None, language="en", top_k=5, stop=Stop()) != []


def test_a_search_past_its_limit_ends_in_the_server(engine: Engine) -> None:
    with locked_index(engine) as waiting:
        with pytest.raises(DeadlineExceededError):
            PgRetriever(engine).search("t", "tips", None, language="en", top_k=5, limit_s=0.3)

        until(lambda: waiting() == 0)


def test_a_stop_that_came_before_searches_nothing(bench: Bench) -> None:
    stop = Stop()
    stop.set()

    with pytest.raises(StoppedError):
        bench.retriever.search("t", "tips", None, language="en", top_k=5, stop=stop)


def test_a_database_that_is_down_says_so() -> None:
    retriever = PgRetriever(
        create_engine("postgresql://nobody:x@127.0.0.1:1/none", connect_args={"connect_timeout": 2})
    )

    with pytest.raises(StoreDownError):
        retriever.search("t", "tips", None, language="en", top_k=1)
    with pytest.raises(StoreDownError):
        retriever.forget("t", "d")
