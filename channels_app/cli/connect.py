"""`switchyard connect`: look into a company's own database, draft what its figures mean, keep its address sealed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Literal, cast

from channels_app.cli.refusal import reader_statements, refusal
from channels_app.cli.tables import TableError, load

_EXAMPLES = 3


class ConnectError(Exception):
    """It can't be connected; the text says why, without the address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """What was found and kept."""

    tenant: str
    label: str
    #: Relation -> number of readable columns.
    relations: dict[str, int]
    measures: tuple[str, ...]
    dimensions: tuple[str, ...]
    #: What the role can do beyond reading.
    gaps: tuple[str, ...]
    #: What makes a role without them; None where there is nothing to make.
    remedy: str | None
    #: An earlier connection was replaced.
    replaced: bool
    #: Whether the layer that there was is kept, and the relations that were drafted into it.
    kept: bool
    added: tuple[str, ...]
    #: Relations of which nothing was drafted, as the layer uses their names for something else.
    left_out: tuple[str, ...]
    #: What the kept layer names and this database does not have.
    misfits: tuple[str, ...]
    #: Questions that the draft answers.
    questions: tuple[str, ...]


def tables(files: list[Path], *, tenant: str | None, folder: Path) -> str:
    """Make a database of CSV files, in `folder`, and return its address.

    Raises:
        ConnectError: there is no such tenant, or a file is no table.
    """
    target = folder / f"{_tenant(tenant).slug}.db"
    try:
        load(files, target)
    except TableError as exc:
        raise ConnectError(str(exc)) from exc
    # From the data folder on: a backup that is brought back elsewhere finds it there.
    return f"sqlite:///{folder.name}/{target.name}"


def absolute(url: str) -> str:
    """Return a typed address with SQLite's file named from the root: later it is opened from elsewhere."""
    file = url.removeprefix("sqlite:///")
    return url if file == url or not file or file.startswith("/") else f"sqlite:///{Path(file).resolve()}"


def connect(url: str, *, tenant: str | None, anew: bool = False) -> Connected:
    """Connect the database behind `url` to a tenant; without one named, to the only one there is.

    The layer that a person may have worked on stays, and what is new in the database is drafted into it. `anew`, or a
    database that has none of its facts, begins with a new draft.

    Raises:
        ConnectError: the tenant, the address or the database is not usable.
    """
    from django.db import transaction
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    from orchestrator.admin.diagnosis.warehouses import hardening_gaps
    from orchestrator.engines.warehouse import Limits
    from orchestrator.engines.warehouse_sql import open_warehouse
    from orchestrator.errors import OrchestratorError
    from orchestrator.pipeline.asking import figures
    from orchestrator.pipeline.semantic.draft import draft_layer
    from orchestrator.pipeline.semantic.draft_dates import with_last_days
    from orchestrator.pipeline.semantic.fitting import Growth, grown, misfits
    from orchestrator.resilience.stop import Stop
    from orchestrator.tenants.models import Warehouse
    from orchestrator.tenants.sealing import seal

    owner = _tenant(tenant)
    try:
        address = make_url(url)
    except SQLAlchemyError:
        raise ConnectError("the address can't be read; expected postgresql://user:password@host/database") from None
    try:
        warehouse = open_warehouse(url)
        catalogue = warehouse.catalogue()
        structure = warehouse.structure()
        gaps = hardening_gaps(url)
    except OrchestratorError as exc:
        raise ConnectError(refusal(address) or str(exc)) from exc
    if not catalogue:
        raise ConnectError("its role can read no table and no view")
    # The port says `str`; these three are all there are.
    dialect = cast("Literal['postgres', 'sqlite', 'mysql']", warehouse.dialect)
    layer = with_last_days(
        draft_layer(catalogue, dialect=dialect, structure=structure), warehouse, limits=Limits(timeout_s=3), stop=Stop()
    )
    where = f"{address.database} on {address.host}" if address.host else str(address.database)
    label = f"{where} as {address.username}" if address.username else where
    with transaction.atomic():
        # Held, so that nothing an admin saves meanwhile is written over.
        earlier = None if anew else _earlier(owner, layer.dialect, catalogue)
        growth = grown(earlier, layer) if earlier is not None else Growth(layer=layer)
        layer = growth.layer
        _, made = Warehouse.objects.update_or_create(
            tenant=owner,
            defaults={"url_encrypted": seal(url), "layer": layer.model_dump(mode="json"), "label": label[:200]},
        )
    return Connected(
        tenant=owner.slug,
        label=label,
        relations={name: len(columns) for name, columns in catalogue.items()},
        measures=tuple(layer.measures),
        dimensions=tuple(layer.dimensions),
        gaps=tuple(gaps),
        remedy=reader_statements(address) if gaps else None,
        replaced=not made,
        kept=earlier is not None,
        added=growth.added,
        left_out=growth.left_out,
        misfits=tuple(misfits(layer, catalogue)) if earlier is not None else (),
        questions=tuple(islice(figures(layer, language="en", today=datetime.now(UTC).date()), _EXAMPLES)),
    )


def _earlier(owner: Any, dialect: str, catalogue: Any) -> Any:  # Any: as in `_tenant`
    from pydantic import ValidationError

    from orchestrator.pipeline.semantic.fitting import is_of_another_database
    from orchestrator.pipeline.semantic.model import SemanticLayer
    from orchestrator.tenants.models import Warehouse

    row = Warehouse.objects.select_for_update().filter(tenant=owner).first()
    if row is None:
        return None
    try:
        layer = SemanticLayer.model_validate(row.layer)
    except ValidationError as exc:
        raise ConnectError("the layer there is can't be read; --draft replaces it by a new one") from exc
    if layer.dialect == dialect and not is_of_another_database(layer, catalogue):
        return layer
    if layer.verified:
        raise ConnectError(
            "this database has none of the tables that the layer there is speaks of, and that layer has"
            f" {len(layer.verified)} verified queries; --draft forgets them and begins anew"
        )
    return None


def _tenant(slug: str | None) -> Any:  # Any: a model, which this module may only import once Django is set up
    from orchestrator.tenants.models import Tenant

    if slug is not None:
        found = Tenant.objects.filter(slug=slug).first()
        if found is None:
            raise ConnectError(f"there is no tenant {slug}; there are: {', '.join(_slugs()) or 'none'}")
        return found
    slugs = _slugs()
    if len(slugs) != 1:
        raise ConnectError(f"name the tenant by --tenant: {', '.join(slugs) or 'there is none yet'}")
    return Tenant.objects.get(slug=slugs[0])


def _slugs() -> list[str]:
    from orchestrator.tenants.models import Tenant

    return list(Tenant.objects.order_by("slug").values_list("slug", flat=True))
